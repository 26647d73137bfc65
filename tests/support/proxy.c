#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 128
#define PIECE_MAX 65536

/* One direction: a piece is read only when the one before was written whole. */
struct way {
	char bytes[PIECE_MAX];
	size_t n, at;
	int64_t due_ms;
	bool cut_after;
};

struct link {
	int client, server; /* client -1: free; server -1: forgotten */
	int number;
	struct way ways[2]; /* [true]: to the server */
	bool hung_up[2];    /* the side that a stalled way reads from */
};

enum ending { CUT, RESET, FORGET, END_FORGOTTEN };

struct kt_proxy {
	struct sockaddr_in server;
	kt_proxy_hook *hook;
	void *ctx;
	int listener, wake, port;
	pthread_t thread;
	atomic_int accepted, delay_ms;
	atomic_bool stop, refuse, stall[2]; /* stall as ways */
	pthread_mutex_t ending;             /* one at a time */
	atomic_int how;
	atomic_uint ends_wanted, ends_done;
	struct link links[CONNECTIONS_MAX];
};

static void *serve(void *arg);
static void accept_one(struct kt_proxy *p);
static void end_link(struct link *l, enum ending how);
static void close_link(struct link *l);
static void read_piece(struct kt_proxy *p, struct link *l, bool to_server);
static void write_piece(struct link *l, bool to_server);

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "test proxy: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void wake(struct kt_proxy *p)
{
	uint64_t one = 1;

	if (write(p->wake, &one, sizeof(one)) != sizeof(one))
		give_up("eventfd");
}

struct kt_proxy *kt_proxy_open(const char *host, int port, kt_proxy_hook *hook, void *ctx)
{
	struct kt_proxy *p = calloc(1, sizeof(*p));
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);

	if (!p)
		give_up("memory");
	p->server =
		(struct sockaddr_in) { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	if (inet_pton(AF_INET, host, &p->server.sin_addr) != 1)
		give_up(host);
	p->hook = hook;
	p->ctx = ctx;
	pthread_mutex_init(&p->ending, NULL);
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		p->links[i].client = p->links[i].server = -1;
	p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->wake < 0 || p->listener < 0 ||
		bind(p->listener, (struct sockaddr *)&at, sizeof(at)) != 0 ||
		listen(p->listener, CONNECTIONS_MAX) != 0 ||
		getsockname(p->listener, (struct sockaddr *)&at, &size) != 0)
		give_up("listen");
	p->port = ntohs(at.sin_port);
	if (pthread_create(&p->thread, NULL, serve, p) != 0)
		give_up("thread");
	return p;
}

void kt_proxy_close(struct kt_proxy *p)
{
	if (!p)
		return;
	atomic_store(&p->stop, true);
	wake(p);
	pthread_join(p->thread, NULL);
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		close_link(&p->links[i]);
	close(p->listener);
	close(p->wake);
	pthread_mutex_destroy(&p->ending);
	free(p);
}

int kt_proxy_port(const struct kt_proxy *p)
{
	return p->port;
}

int kt_proxy_accepted(const struct kt_proxy *p)
{
	return atomic_load(&p->accepted);
}

static void end_all(struct kt_proxy *p, enum ending how)
{
	pthread_mutex_lock(&p->ending);
	atomic_store(&p->how, how);
	unsigned mine = atomic_fetch_add(&p->ends_wanted, 1) + 1;
	wake(p);
	while ((int)(atomic_load(&p->ends_done) - mine) < 0)
		sched_yield();
	pthread_mutex_unlock(&p->ending);
}

void kt_proxy_cut(struct kt_proxy *p)
{
	end_all(p, CUT);
}

void kt_proxy_reset(struct kt_proxy *p)
{
	end_all(p, RESET);
}

void kt_proxy_forget(struct kt_proxy *p)
{
	end_all(p, FORGET);
}

void kt_proxy_end_forgotten(struct kt_proxy *p)
{
	end_all(p, END_FORGOTTEN);
}

void kt_proxy_refuse(struct kt_proxy *p, bool refuse)
{
	atomic_store(&p->refuse, refuse);
}

void kt_proxy_stall(struct kt_proxy *p, bool stall)
{
	kt_proxy_stall_way(p, true, stall);
	kt_proxy_stall_way(p, false, stall);
}

void kt_proxy_stall_way(struct kt_proxy *p, bool to_server, bool stall)
{
	atomic_store(&p->stall[to_server], stall);
	wake(p);
}

void kt_proxy_delay(struct kt_proxy *p, int delay_ms)
{
	atomic_store(&p->delay_ms, delay_ms);
}

bool kt_bytes_contain(const void *bytes, size_t n, const char *text)
{
	return memmem(bytes, n, text, strlen(text)) != NULL;
}

/* Events wanted of the side that a way reads from and of the one that it writes to. */
static void want(
	const struct way *w, int64_t now, struct pollfd *from, struct pollfd *to, int *wait_ms)
{
	if (w->n == 0) {
		from->events |= POLLIN;
	} else if (w->due_ms <= now) {
		to->events |= POLLOUT;
	} else {
		int left = (int)(w->due_ms - now);
		if (*wait_ms < 0 || left < *wait_ms)
			*wait_ms = left;
	}
}

/* A hang-up is reported even if nothing is asked for: the side of a stalled way is asked no more
 * after it. */
static void ask(struct link *l, const bool *stall, int64_t now, struct pollfd *fds, int *wait_ms)
{
	struct pollfd *client = &fds[0], *server = &fds[1];

	for (int way = 0; way < 2; way++)
		l->hung_up[way] = l->hung_up[way] && stall[way];
	*client = (struct pollfd) { .fd = l->hung_up[true] ? -1 : l->client };
	*server = (struct pollfd) { .fd = l->hung_up[false] ? -1 : l->server };
	if (l->client < 0)
		return;
	if (!stall[true])
		want(&l->ways[true], now, client, server, wait_ms);
	if (!stall[false])
		want(&l->ways[false], now, server, client, wait_ms);
}

static void serve_link(struct kt_proxy *p, struct link *l, const bool *stall, struct pollfd *fds)
{
	short client = fds[0].revents, server = fds[1].revents;
	int64_t now = now_ms();

	for (int to_server = 0; to_server < 2; to_server++) {
		struct way *w = &l->ways[to_server];
		short from = to_server ? client : server, to = to_server ? server : client;

		if (stall[to_server]) {
			if (from & (POLLHUP | POLLERR))
				l->hung_up[to_server] = true;
			continue;
		}
		if (l->client >= 0 && w->n == 0 && (from & (POLLIN | POLLHUP | POLLERR)))
			read_piece(p, l, to_server);
		/* most sockets take a piece at once: one round less */
		if (l->client >= 0 && w->n > 0 && w->due_ms <= now &&
			((to & POLLOUT) || w->at == 0))
			write_piece(l, to_server);
	}
}

static void *serve(void *arg)
{
	struct kt_proxy *p = arg;
	struct pollfd fds[2 + 2 * CONNECTIONS_MAX];
	uint64_t count;

	while (!atomic_load(&p->stop)) {
		const bool stall[] = { atomic_load(&p->stall[0]), atomic_load(&p->stall[1]) };
		int64_t now = now_ms();
		int wait_ms = -1;

		fds[0] = (struct pollfd) { .fd = p->wake, .events = POLLIN };
		fds[1] = (struct pollfd) { .fd = p->listener, .events = POLLIN };
		for (int i = 0; i < CONNECTIONS_MAX; i++)
			ask(&p->links[i], stall, now, &fds[2 + 2 * i], &wait_ms);
		if (poll(fds, 2 + 2 * CONNECTIONS_MAX, wait_ms) < 0 && errno != EINTR)
			give_up("poll");
		if (fds[0].revents && read(p->wake, &count, sizeof(count)) < 0 && errno != EAGAIN)
			give_up("eventfd");
		unsigned wanted = atomic_load(&p->ends_wanted);
		if (wanted != atomic_load(&p->ends_done)) {
			for (int i = 0; i < CONNECTIONS_MAX; i++)
				end_link(&p->links[i], (enum ending)atomic_load(&p->how));
			atomic_store(&p->ends_done, wanted);
			continue;
		}
		for (int i = 0; i < CONNECTIONS_MAX; i++)
			if (p->links[i].client >= 0)
				serve_link(p, &p->links[i], stall, &fds[2 + 2 * i]);
		if (fds[1].revents)
			accept_one(p);
	}
	return NULL;
}

static void accept_one(struct kt_proxy *p)
{
	int client = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
	struct link *l = NULL;

	if (client < 0)
		return;
	int number = atomic_fetch_add(&p->accepted, 1);
	for (int i = 0; i < CONNECTIONS_MAX && !l; i++)
		if (p->links[i].client < 0)
			l = &p->links[i];
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!l || server < 0 || atomic_load(&p->refuse) ||
		connect(server, (struct sockaddr *)&p->server, sizeof(p->server)) != 0) {
		close(client);
		if (server >= 0)
			close(server);
		return;
	}
	fcntl(client, F_SETFL, O_NONBLOCK);
	fcntl(server, F_SETFL, O_NONBLOCK);
	l->client = client;
	l->server = server;
	l->number = number;
	for (int i = 0; i < 2; i++) {
		l->ways[i].n = l->ways[i].at = 0;
		l->hung_up[i] = false;
	}
}

static void close_link(struct link *l)
{
	if (l->client < 0)
		return;
	close(l->client);
	if (l->server >= 0)
		close(l->server);
	l->client = l->server = -1;
}

static void reset_link(struct link *l)
{
	const struct linger at_once = { .l_onoff = 1 };

	setsockopt(l->client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	if (l->server >= 0)
		setsockopt(l->server, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close_link(l);
}

static void end_link(struct link *l, enum ending how)
{
	if (l->client < 0)
		return;
	if (how == CUT) {
		close_link(l);
	} else if (how == RESET || (how == END_FORGOTTEN && l->server < 0)) {
		reset_link(l);
	} else if (how == FORGET && l->server >= 0) {
		close(l->server);
		l->server = -1;
		l->ways[0].n = l->ways[1].n = 0;
	}
}

static void read_piece(struct kt_proxy *p, struct link *l, bool to_server)
{
	struct way *w = &l->ways[to_server];
	ssize_t n = read(to_server ? l->client : l->server, w->bytes, sizeof(w->bytes));
	enum kt_verdict verdict = KT_PASS;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* an answer that is still on its way goes first; one that cannot be written is lost
		 */
		if (l->ways[!to_server].n > 0)
			write_piece(l, !to_server);
		close_link(l);
		return;
	}
	if (l->server < 0)
		return;
	if (p->hook)
		verdict = p->hook(p->ctx, l->number, to_server, w->bytes, (size_t)n);
	if (verdict == KT_CUT) {
		close_link(l);
		return;
	}
	if (verdict == KT_SWALLOW)
		return;
	w->n = (size_t)n;
	w->at = 0;
	w->due_ms = now_ms() + atomic_load(&p->delay_ms);
	w->cut_after = verdict == KT_PASS_THEN_CUT;
}

static void write_piece(struct link *l, bool to_server)
{
	struct way *w = &l->ways[to_server];
	ssize_t n = send(
		to_server ? l->server : l->client, w->bytes + w->at, w->n - w->at, MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		w->at += (size_t)n;
	if (n < 0 || (w->at == w->n && w->cut_after))
		close_link(l);
	else if (w->at == w->n)
		w->n = w->at = 0;
}
