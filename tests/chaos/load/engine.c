#include "engine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/rc.h"

#define EVENTS 128
#define SLOW_PARTS 6
#define SLOW_US 200000 /* between two parts */

/* A request: with a connection, or waiting for one. */
struct call {
	struct call *next;
	void *request;
	int64_t due_us;      /* when it is given up */
	size_t n, sent, may; /* may: so many may leave by now */
	int64_t part_us;     /* when a slow one's next part left */
	char bytes[];
};

struct connection {
	struct connection *next; /* of those that are idle, or closed */
	struct target_state *target;
	struct call *call;
	int fd;         /* -1: closed */
	bool wants_out; /* the socket's buffer is full, or it is not connected yet */
	size_t n_in;
	char in[ANSWER_MAX + 1];
};

struct target_state {
	int port;
	struct connection *connections, *idle, *closed;
	struct call *first, **last; /* that wait */
};

struct engine {
	struct target_state *targets;
	size_t n_targets, n_open;
	int poll_fd, connections;
	int64_t deadline_us;
	answered_fn *answered;
	void *ctx;
};

struct engine *engine_new(const int *ports, size_t n, int connections, int64_t deadline_us,
	answered_fn *answered, void *ctx)
{
	struct engine *e = calloc(1, sizeof(*e));

	kw_assert(e);
	*e = (struct engine) { .targets = calloc(n, sizeof(*e->targets)),
		.n_targets = n,
		.poll_fd = epoll_create1(EPOLL_CLOEXEC),
		.connections = connections,
		.deadline_us = deadline_us,
		.answered = answered,
		.ctx = ctx };
	kw_assert(e->targets && e->poll_fd >= 0);
	for (size_t i = 0; i < n; i++) {
		struct target_state *t = &e->targets[i];

		t->port = ports[i];
		t->last = &t->first;
		t->connections = calloc((size_t)connections, sizeof(*t->connections));
		kw_assert(t->connections);
		for (int k = 0; k < connections; k++) {
			struct connection *c = &t->connections[k];

			c->target = t;
			c->fd = -1;
			c->next = t->closed;
			t->closed = c;
		}
	}
	return e;
}

void engine_free(struct engine *e)
{
	for (size_t i = 0; i < e->n_targets; i++) {
		struct target_state *t = &e->targets[i];

		for (int k = 0; k < e->connections; k++) {
			if (t->connections[k].fd >= 0)
				close(t->connections[k].fd);
			free(t->connections[k].call);
		}
		for (struct call *call = t->first, *next; call; call = next) {
			next = call->next;
			free(call);
		}
		free(t->connections);
	}
	close(e->poll_fd);
	free(e->targets);
	free(e);
}

size_t engine_open(const struct engine *e)
{
	return e->n_open;
}

/* ---- connections ---- */

static void drop_idle(struct connection *c)
{
	struct connection **p = &c->target->idle;

	while (*p && *p != c)
		p = &(*p)->next;
	if (*p)
		*p = c->next;
}

static void hang_up(struct connection *c)
{
	if (!c->call)
		drop_idle(c);
	close(c->fd);
	c->fd = -1;
	c->next = c->target->closed;
	c->target->closed = c;
}

/* false: not even a socket. */
static bool dial(struct engine *e, struct connection *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)c->target->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };
	int one = 1;

	c->n_in = 0;
	c->wants_out = true;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return false;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if ((connect(c->fd, (struct sockaddr *)&to, sizeof(to)) == 0 || errno == EINPROGRESS) &&
		epoll_ctl(e->poll_fd, EPOLL_CTL_ADD, c->fd, &event) == 0)
		return true;
	close(c->fd);
	c->fd = -1;
	return false;
}

/* ---- calls ---- */

static void tell(struct engine *e, struct call *call, int status, struct kw_bytes body)
{
	e->n_open--;
	e->answered(e->ctx, call->request, status, body);
	free(call);
}

/* The connection is of no more use, and whoever waits for it has no answer. */
static void fail(struct engine *e, struct connection *c)
{
	struct call *call = c->call;

	hang_up(c);
	c->call = NULL;
	if (call)
		tell(e, call, 0, (struct kw_bytes) { "", 0 });
}

static void want_out(struct engine *e, struct connection *c, bool wants)
{
	struct epoll_event event = { .events = EPOLLIN | (wants ? EPOLLOUT : 0), .data.ptr = c };

	if (wants != c->wants_out)
		kw_assert(epoll_ctl(e->poll_fd, EPOLL_CTL_MOD, c->fd, &event) == 0);
	c->wants_out = wants;
}

static void push(struct engine *e, struct connection *c)
{
	struct call *call = c->call;

	while (call->sent < call->may) {
		ssize_t n =
			send(c->fd, call->bytes + call->sent, call->may - call->sent, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
			want_out(e, c, true);
			return;
		}
		if (n < 0) /* there may be an answer all the same; reading tells */
			break;
		call->sent += (size_t)n;
	}
	want_out(e, c, false);
}

/* Gives the call a connection, if there is one. */
static bool start(struct engine *e, struct target_state *t, struct call *call)
{
	struct connection *c = t->idle;

	if (c) {
		t->idle = c->next;
	} else {
		c = t->closed;
		if (!c || !dial(e, c))
			return false;
		t->closed = c->next;
	}
	c->next = NULL;
	c->call = call;
	c->n_in = 0;
	push(e, c);
	return true;
}

static void start_waiting(struct engine *e, struct target_state *t)
{
	while (t->first) {
		struct call *call = t->first, *next = call->next;

		if (!start(e, t, call))
			return;
		t->first = next;
		if (!next)
			t->last = &t->first;
	}
}

void engine_send(struct engine *e, size_t target, struct kw_bytes bytes, bool slow, void *request)
{
	struct target_state *t = &e->targets[target];
	struct call *call = malloc(sizeof(*call) + bytes.n);

	kw_assert(call);
	*call = (struct call) {
		.request = request,
		.due_us = kw_monotonic_us() + e->deadline_us,
		.n = bytes.n,
		.may = slow ? 0 : bytes.n,
	};
	memcpy(call->bytes, bytes.p, bytes.n);
	e->n_open++;
	if (!t->first && start(e, t, call))
		return;
	*t->last = call;
	t->last = &call->next;
}

/* ---- answers ---- */

/* Is the answer whole? An answer that is longer than what is kept is whole when its kept part is
 * there; then the connection cannot be used again. */
static bool answer_of(
	struct connection *c, int *ret_status, struct kw_bytes *ret_body, bool *ret_keep)
{
	char *end, *member;

	c->in[c->n_in] = '\0';
	end = strstr(c->in, "\r\n\r\n");
	if (!end || strncmp(c->in, "HTTP/1.1 ", 9) != 0)
		return false;
	*ret_status = (int)strtol(c->in + 9, NULL, 10);
	if (*ret_status < 200) { /* "100 Continue": the answer comes behind it */
		c->n_in -= (size_t)(end + 4 - c->in);
		memmove(c->in, end + 4, c->n_in);
		return answer_of(c, ret_status, ret_body, ret_keep);
	}
	member = strcasestr(c->in, "\r\ncontent-length:");
	size_t n = member && member < end ? strtoul(member + 17, NULL, 10) : 0;
	size_t have = c->n_in - (size_t)(end + 4 - c->in);
	if (have < n && c->n_in < ANSWER_MAX)
		return false;
	member = strcasestr(c->in, "\r\nconnection: close");
	*ret_keep = !(member && member < end) && have == n && c->call->sent == c->call->n;
	*ret_body = (struct kw_bytes) { end + 4, have };
	return true;
}

static void answered(
	struct engine *e, struct connection *c, int status, struct kw_bytes body, bool keep)
{
	struct call *call = c->call;

	if (!keep)
		hang_up(c);
	c->call = NULL;
	if (keep) {
		c->next = c->target->idle;
		c->target->idle = c;
	}
	tell(e, call, status, body);
}

static void pull(struct engine *e, struct connection *c)
{
	for (;;) {
		ssize_t n = recv(c->fd, c->in + c->n_in, ANSWER_MAX - c->n_in, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0 || !c->call) { /* an answer that nobody asked for is no answer */
			fail(e, c);
			return;
		}
		c->n_in += (size_t)n;

		struct kw_bytes body;
		bool keep;
		int status;
		if (answer_of(c, &status, &body, &keep)) {
			answered(e, c, status, body, keep);
			return;
		}
		if (c->n_in == ANSWER_MAX) {
			fail(e, c);
			return;
		}
	}
}

/* A slow one's next part. */
static void push_more(struct engine *e, struct connection *c, int64_t now)
{
	struct call *call = c->call;

	if (now - call->part_us < SLOW_US)
		return;
	call->part_us = now;
	call->may += call->n / SLOW_PARTS + 1;
	if (call->may > call->n)
		call->may = call->n;
	push(e, c);
}

static void give_up(struct engine *e, int64_t now)
{
	for (size_t i = 0; i < e->n_targets; i++) {
		struct target_state *t = &e->targets[i];

		for (int k = 0; k < e->connections; k++) {
			struct connection *c = &t->connections[k];
			if (c->call && now >= c->call->due_us)
				fail(e, c);
			else if (c->call && c->call->may < c->call->n)
				push_more(e, c, now);
		}
		while (t->first && now >= t->first->due_us) {
			struct call *call = t->first;

			t->first = call->next;
			if (!t->first)
				t->last = &t->first;
			tell(e, call, 0, (struct kw_bytes) { "", 0 });
		}
		start_waiting(e, t);
	}
}

void engine_turn(struct engine *e, int wait_ms)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(e->poll_fd, events, EVENTS, wait_ms);

	for (int i = 0; i < n; i++) {
		struct connection *c = events[i].data.ptr;

		if (c->fd >= 0 && c->call && events[i].events & EPOLLOUT)
			push(e, c);
		if (c->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			pull(e, c);
	}
	give_up(e, kw_monotonic_us());
}
