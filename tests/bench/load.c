#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"

#define ANSWER_MAX 4096
#define EVENTS 256
#define STILL_US (60 * KW_US_PER_S)
#define AGAIN_MAX 100000
#define AGAIN_US (KW_US_PER_S / 2)

enum { ORDER, EVENT, KINDS };

struct connection {
	int fd, kind;
	bool busy;
	int64_t number;
	size_t n_out, n_in;
	char out[REQUEST_MAX], in[ANSWER_MAX];
};

/* Requests of one kind go out in the order of their numbers. */
struct lane {
	struct connection *connections, **idle;
	size_t n, n_idle;
	const char *url;
	int64_t next; /* number */
	/* refused ones, which are sent again, as senders do */
	int64_t again[AGAIN_MAX];
	size_t n_again;
};

struct load {
	struct booked *booked;
	struct orders *orders;
	struct lane lanes[KINDS];
	int poll_fd;
	int64_t released; /* orders that may be sent by now */
	int64_t busy, refused;
	int64_t *due_us;    /* of an order */
	int64_t *accept_us; /* from due to 202 */
	int64_t n_accept;
	int64_t now_s, again_us; /* when refused ones are sent again */
};

static int connect_to(const char *url)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	char host[64];
	unsigned short port;
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (sscanf(url, "http://%63[0-9.]:%hu", host, &port) != 2 ||
		inet_pton(AF_INET, host, &address.sin_addr) != 1)
		die("%s is not http://<address>:<port>", url);
	address.sin_port = htons(port);
	/* an edge that was killed is back in a moment; nothing can be sent before */
	int64_t began = kw_monotonic_us();
	while (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		if (fd < 0 || errno != ECONNREFUSED || kw_monotonic_us() - began > STILL_US)
			die("%s: %s", url, strerror(errno));
		pause_us(10000);
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void connect_again(struct load *l, struct connection *c)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

	c->fd = connect_to(l->lanes[c->kind].url);
	kw_assert(epoll_ctl(l->poll_fd, EPOLL_CTL_ADD, c->fd, &event) == 0);
}

static void open_lane(struct load *l, int kind, const char *url, int connections)
{
	struct lane *lane = &l->lanes[kind];

	lane->url = url;
	lane->n = (size_t)connections;
	lane->connections = calloc(lane->n, sizeof(*lane->connections));
	lane->idle = calloc(lane->n, sizeof(struct connection *));
	kw_assert(lane->connections && lane->idle);
	for (size_t i = 0; i < lane->n; i++) {
		struct connection *c = &lane->connections[i];

		c->kind = kind;
		connect_again(l, c);
		lane->idle[lane->n_idle++] = c;
	}
}

struct load *load_new(
	const struct place *p, struct booked *b, const char tag[TAG_LENGTH + 1], int connections)
{
	struct load *l = calloc(1, sizeof(*l));

	kw_assert(l != NULL);
	l->booked = b;
	l->orders = orders_new(p, tag);
	l->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->due_us = calloc(ORDERS_MAX, sizeof(*l->due_us));
	l->accept_us = calloc(ORDERS_MAX, sizeof(*l->accept_us));
	kw_assert(l->poll_fd >= 0 && l->due_us && l->accept_us);
	open_lane(l, ORDER, p->routing_url, connections);
	open_lane(l, EVENT, p->payment_url, connections);
	return l;
}

void load_free(struct load *l)
{
	for (int k = 0; k < KINDS; k++) {
		for (size_t i = 0; i < l->lanes[k].n; i++)
			close(l->lanes[k].connections[i].fd);
		free(l->lanes[k].connections);
		free(l->lanes[k].idle);
	}
	close(l->poll_fd);
	free(l->due_us);
	free(l->accept_us);
	orders_free(l->orders);
	free(l);
}

int64_t load_backlog(const struct load *l)
{
	return l->lanes[ORDER].next - booked_count(l->booked);
}

/* ---- one connection ---- */

static void flush(struct load *l, struct connection *c)
{
	ssize_t n;

	while ((n = send(c->fd, c->out, c->n_out, MSG_NOSIGNAL)) < 0 &&
		(errno == EPIPE || errno == ECONNRESET)) {
		close(c->fd);
		connect_again(l, c);
	}
	/* a request is smaller than a socket's buffer, which is empty when it is sent */
	if (n < 0 || (size_t)n != c->n_out)
		die("a request could not be sent: %s", n < 0 ? strerror(errno) : "buffer full");
}

static void start(struct load *l, struct connection *c, int64_t number)
{
	c->number = number;
	c->busy = true;
	c->n_in = 0;
	c->n_out = c->kind == ORDER ? orders_order(l->orders, number, l->now_s, c->out)
				    : orders_event(l->orders, number, l->now_s, c->out);
	l->busy++;
	flush(l, c);
}

/* Bytes of the whole answer; 0: it is not there yet. */
static size_t answer_size(struct connection *c)
{
	static const char member[] = "\r\ncontent-length:";
	char *end, *length;

	c->in[c->n_in] = '\0';
	end = strstr(c->in, "\r\n\r\n");
	if (!end)
		return 0;
	length = strcasestr(c->in, member);
	size_t body = length && length < end ? strtoul(length + sizeof(member) - 1, NULL, 10) : 0;
	size_t size = (size_t)(end - c->in) + 4 + body;
	return c->n_in >= size ? size : 0;
}

static void receive(struct load *l, struct connection *c, int64_t now)
{
	struct lane *lane = &l->lanes[c->kind];
	ssize_t n = recv(c->fd, c->in + c->n_in, sizeof(c->in) - 1 - c->n_in, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* idle for too long, or killed; what was just sent was not taken, or is a repeat */
		close(c->fd);
		connect_again(l, c);
		c->n_in = 0;
		if (c->busy)
			flush(l, c);
		return;
	}
	if (!c->busy)
		die("an answer that nobody asked for");
	c->n_in += (size_t)n;
	if (answer_size(c) == 0) {
		if (c->n_in == sizeof(c->in) - 1)
			die("an answer of more than %d bytes", ANSWER_MAX);
		return;
	}
	if (strncmp(c->in, "HTTP/1.1 202 ", 13) == 0) {
		if (c->kind == ORDER)
			l->accept_us[l->n_accept++] = now - l->due_us[c->number];
	} else {
		if (lane->n_again == AGAIN_MAX || (strncmp(c->in, "HTTP/1.1 503 ", 13) != 0 &&
							  strncmp(c->in, "HTTP/1.1 429 ", 13) != 0))
			die("refused: %.300s", c->in);
		l->refused++;
		lane->again[lane->n_again++] = c->number;
		l->again_us = now + AGAIN_US;
	}
	c->busy = false;
	l->busy--;
	lane->idle[lane->n_idle++] = c;
}

/* ---- the loop ---- */

static void send_released(struct load *l, int64_t now)
{
	for (int k = 0; k < KINDS; k++) {
		struct lane *lane = &l->lanes[k];

		while (lane->n_idle > 0 && lane->n_again > 0 && now >= l->again_us)
			start(l, lane->idle[--lane->n_idle], lane->again[--lane->n_again]);
		while (lane->n_idle > 0 && lane->next < l->released)
			start(l, lane->idle[--lane->n_idle], lane->next++);
	}
}

/* How many orders may be sent by now, and since when each is due. */
static void release(
	struct load *l, const struct load_plan *plan, int64_t first, int64_t began, int64_t now)
{
	int64_t until;

	if (plan->rate > 0)
		until = first + figures_due(plan->rate, now - began);
	else if (plan->window > 0)
		until = booked_count(l->booked) + plan->window;
	else
		until = l->released + (int64_t)l->lanes[ORDER].n_idle;
	if (plan->orders > 0 && until > first + plan->orders)
		until = first + plan->orders;
	if (until > ORDERS_MAX)
		die("more than %d orders", ORDERS_MAX);
	for (; l->released < until; l->released++)
		l->due_us[l->released] =
			plan->rate > 0 ? began + figures_due_us(plan->rate, l->released - first)
				       : now;
}

static void serve(struct load *l, int wait_ms)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(l->poll_fd, events, EVENTS, wait_ms);
	int64_t now = kw_monotonic_us();

	for (int i = 0; i < n; i++)
		receive(l, events[i].data.ptr, now);
}

/* Is there a request that has no answer, or was not sent? */
static bool is_open(const struct load *l)
{
	for (int k = 0; k < KINDS; k++)
		if (l->lanes[k].next < l->released || l->lanes[k].n_again > 0)
			return true;
	return l->busy > 0;
}

struct load_result load_run(struct load *l, const struct load_plan *plan)
{
	int64_t began = kw_monotonic_us(), first = l->released, looked = began, now = began;
	bool go_on = true;

	l->n_accept = 0;
	l->refused = 0;
	while (go_on) {
		l->now_s = time(NULL);
		release(l, plan, first, began, now);
		send_released(l, now);
		serve(l, 1);
		now = kw_monotonic_us();
		if (plan->look && now - looked >= KW_US_PER_S) {
			looked += KW_US_PER_S;
			go_on = plan->look(plan->ctx, (double)(looked - began) / 1e6);
		}
		if (plan->last_us > 0 && now - began >= plan->last_us)
			go_on = false;
		if (plan->orders > 0 && l->released - first >= plan->orders)
			go_on = false;
	}
	while (is_open(l)) {
		send_released(l, kw_monotonic_us());
		serve(l, 1);
		if (kw_monotonic_us() - now > STILL_US)
			die("%lld requests have no answer after 60 s", (long long)l->busy);
	}
	struct load_result r = { first, l->released - first, l->refused,
		(double)(now - began) / 1e6, figures_spread(l->accept_us, (size_t)l->n_accept) };
	return r;
}

void load_drain(struct load *l)
{
	int64_t left = load_backlog(l), since = kw_monotonic_us();

	while (left > 0) {
		pause_us(20000);
		int64_t left_now = load_backlog(l), now = kw_monotonic_us();
		if (left_now < left)
			since = now;
		else if (now - since > STILL_US)
			die("%lld orders are not booked, and nothing comes for 60 s",
				(long long)left_now);
		left = left_now;
	}
}

struct spread load_event_ms(struct load *l, int64_t first, int64_t n, int64_t *ret_missing)
{
	int64_t *us = calloc((size_t)n + 1, sizeof(*us));
	size_t n_us = 0;

	kw_assert(us != NULL);
	for (int64_t i = first; i < first + n; i++) {
		int64_t at = booked_us(l->booked, i);

		if (at > 0)
			us[n_us++] = at - l->due_us[i];
	}
	*ret_missing = n - (int64_t)n_us;
	struct spread s = figures_spread(us, n_us);
	free(us);
	return s;
}
