/* The guard: one thread that accepts connections, counts them in total and by address, and cuts
 * those that take too long. libmicrohttpd's own time-out is inactivity only, so a byte a second
 * would hold a connection for ever; here a request has a deadline from its first byte to its last,
 * and its answer another one.
 *
 * The first byte of a request is not told to us before the request line is whole: in between the
 * guard asks the kernel how many bytes came. */
#include "http/impl.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/tcp.h>

#include "http/crypto.h"

#define ACCEPT_ROUND 64
#define FDS_MAX 65536
#define STARVED_MS 50 /* without descriptors: before accepting again */

bool kw_conn_move(struct kw_conn *c, enum kw_phase to)
{
	uint64_t mark = atomic_load_explicit(&c->mark, memory_order_relaxed);
	int64_t now = kw_monotonic_us();

	if ((mark & 7) == KW_CUT)
		return false;
	/* the guard may still be writing of a silence that is over */
	if (to == KW_RECEIVING &&
		atomic_load_explicit(&c->first_mark, memory_order_acquire) == mark + 1)
		now = atomic_load_explicit(&c->first_us, memory_order_relaxed);
	atomic_store_explicit(&c->since_us, now, memory_order_relaxed);
	return atomic_compare_exchange_strong_explicit(&c->mark, &mark,
		((mark >> 3) + 1) << 3 | (uint64_t)to, memory_order_acq_rel, memory_order_relaxed);
}

/* ---- addresses; under guard.lock ---- */

/* An IPv6 host owns at least a /64: that is one address here. */
static void address_bytes(const struct sockaddr_storage *from, uint8_t out[16])
{
	memset(out, 0, 16);
	if (from->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)from;
		memcpy(out + 12, &in->sin_addr, 4);
		out[11] = out[10] = 0xff;
	} else if (from->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const void *)from;
		bool mapped = IN6_IS_ADDR_V4MAPPED(&in->sin6_addr);
		memcpy(out, &in->sin6_addr, mapped ? 16 : 8);
	}
}

static struct kw_address **address_bucket(struct kw_guard *g, const uint8_t bytes[16])
{
	return &g->addresses[kw_hash64(bytes, 16, g->seed) % KW_ADDRESS_BUCKETS];
}

static struct kw_address *address_of(struct kw_guard *g, const struct sockaddr_storage *from)
{
	uint8_t bytes[16];

	address_bytes(from, bytes);
	struct kw_address **bucket = address_bucket(g, bytes), *a;
	for (a = *bucket; a; a = a->next)
		if (memcmp(a->bytes, bytes, sizeof(bytes)) == 0)
			return a;
	a = calloc(1, sizeof(*a));
	kw_assert(a);
	memcpy(a->bytes, bytes, sizeof(bytes));
	a->next = *bucket;
	*bucket = a;
	return a;
}

static void address_release(struct kw_guard *g, struct kw_address *a)
{
	if (a->n > 0)
		return;
	struct kw_address **p = address_bucket(g, a->bytes);
	while (*p != a)
		p = &(*p)->next;
	*p = a->next;
	free(a);
}

/* ---- connections ---- */

static void conn_remove(struct kw_guard *g, struct kw_conn *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		g->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	g->by_fd[c->fd] = NULL;
	g->n_conns--;
	g->n_over -= c->over != 0;
	c->address->n--;
	address_release(g, c->address);
	free(c);
}

/* A place for the connection, perhaps only to be told that there is none; NULL: not even that. */
static struct kw_conn *conn_add(struct kw_server *s, int fd, const struct sockaddr_storage *from)
{
	struct kw_guard *g = &s->guard;
	struct kw_conn *c = NULL;

	if ((size_t)fd >= g->n_by_fd)
		return NULL;
	pthread_mutex_lock(&g->lock);
	/* libmicrohttpd closes a socket after it told us: what is still here never got to it. */
	if (g->by_fd[fd])
		conn_remove(g, g->by_fd[fd]);
	struct kw_address *a = address_of(g, from);
	int over = g->n_conns - g->n_over >= s->config.connections_max ? 503
		   : a->n >= s->config.per_address_max                 ? 429
								       : 0;
	if (over && g->n_over >= KW_OVER_MAX) {
		address_release(g, a);
	} else {
		c = calloc(1, sizeof(*c));
		kw_assert(c);
		c->server = s;
		c->fd = fd;
		c->over = over;
		c->address = a;
		c->next = g->conns;
		if (c->next)
			c->next->prev = c;
		atomic_init(&c->mark, (uint64_t)KW_OPENED);
		atomic_init(&c->since_us, kw_monotonic_us());
		g->conns = g->by_fd[fd] = c;
		g->n_conns++;
		g->n_over += over != 0;
		a->n++;
	}
	pthread_mutex_unlock(&g->lock);
	return c;
}

struct kw_conn *kw_guard_taken(struct kw_server *s, int fd)
{
	pthread_mutex_lock(&s->guard.lock);
	struct kw_conn *c = s->guard.by_fd[fd];
	kw_assert(c && !c->taken);
	c->taken = true;
	pthread_mutex_unlock(&s->guard.lock);
	return c;
}

void kw_guard_gone(struct kw_conn *c)
{
	struct kw_guard *g = &c->server->guard;

	pthread_mutex_lock(&g->lock);
	conn_remove(g, c);
	pthread_mutex_unlock(&g->lock);
}

/* ---- the deadlines; under guard.lock, so the sockets stay open ---- */

static uint64_t bytes_received(int fd)
{
	struct tcp_info info;
	socklen_t n = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0)
		return 0;
	return info.tcpi_bytes_received;
}

/* Does the other side send no more? */
static bool ended(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) == 1;
}

/* When we first saw that a request had begun in this silence: its deadline runs from there; 0: none
 * has. */
static int64_t begun(struct kw_conn *c, uint64_t mark, int64_t now)
{
	uint64_t bytes = bytes_received(c->fd);

	if (c->seen_mark != mark + 1) {
		c->seen_mark = mark + 1;
		c->seen_bytes = (mark & 7) == KW_OPENED ? 0 : bytes;
	}
	if (bytes == c->seen_bytes)
		return 0;
	if (atomic_load_explicit(&c->first_mark, memory_order_relaxed) != mark + 1) {
		atomic_store_explicit(&c->first_us, now, memory_order_relaxed);
		atomic_store_explicit(&c->first_mark, mark + 1, memory_order_release);
	}
	return atomic_load_explicit(&c->first_us, memory_order_relaxed);
}

static void cut(struct kw_conn *c, uint64_t mark, int status)
{
	/* Its thread moved on meanwhile: then it is alive. */
	if (!atomic_compare_exchange_strong(&c->mark, &mark, (mark & ~(uint64_t)7) | KW_CUT))
		return;
	if (status)
		kw_send_last(c->fd, status);
	shutdown(c->fd, SHUT_RDWR);
}

/* How long the silence may be in which a connection is. */
static int64_t silence_max(const struct kw_conn *c, enum kw_phase phase, int64_t age)
{
	if (phase == KW_OPENED)
		return (int64_t)c->server->config.deadline_ms * 1000;
	/* libmicrohttpd overlooks an end that comes with the last request */
	if (age > KW_ENDED_MS * 1000LL && ended(c->fd))
		return 0;
	return KW_IDLE_MS * 1000LL;
}

static void look_at(struct kw_server *s, struct kw_conn *c, int64_t now)
{
	uint64_t mark = atomic_load_explicit(&c->mark, memory_order_acquire);
	int64_t age = now - atomic_load_explicit(&c->since_us, memory_order_relaxed);
	int64_t deadline = (int64_t)s->config.deadline_ms * 1000, first;
	enum kw_phase phase = (enum kw_phase)(mark & 7);

	switch (phase) {
	case KW_OPENED:
	case KW_IDLE:
		first = begun(c, mark, now);
		if (first ? now - first > deadline : age > silence_max(c, phase, age))
			cut(c, mark, first ? 408 : 0);
		break;
	case KW_RECEIVING:
		if (age > deadline)
			cut(c, mark, 408);
		break;
	case KW_SENDING:
		if (age > deadline)
			cut(c, mark, 0);
		break;
	case KW_BUSY:
	case KW_CUT:
		break;
	}
}

/* An answer whose wake-up was forgotten (or came before the server was known to its caller) must
 * not hang for ever. */
static void wake_forgotten(struct kw_server *s)
{
	struct kw_guard *g = &s->guard;
	uint64_t woken = atomic_load(&s->n_wakes);

	if (atomic_load(&s->answered) && g->seen_answers && woken == g->seen_wakes)
		kw_server_wake(s);
	g->seen_answers = atomic_load(&s->answered) != NULL;
	g->seen_wakes = atomic_load(&s->n_wakes);
}

static void sweep(struct kw_server *s)
{
	int64_t now = kw_monotonic_us();

	wake_forgotten(s);
	pthread_mutex_lock(&s->guard.lock);
	for (struct kw_conn *c = s->guard.conns; c; c = c->next)
		if (c->taken)
			look_at(s, c, now);
	pthread_mutex_unlock(&s->guard.lock);
}

/* ---- accepting ---- */

enum accepted { ACCEPTED, NONE_LEFT, STARVED };

static enum accepted accept_one(struct kw_server *s)
{
	struct sockaddr_storage from = { 0 };
	socklen_t n = sizeof(from);
	int on = 1;
	int fd = accept4(
		s->guard.listen_fd, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			return STARVED;
		return errno == EINTR || errno == ECONNABORTED ? ACCEPTED : NONE_LEFT;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	struct kw_conn *c = conn_add(s, fd, &from);
	if (!c)
		close(fd);
	else if (MHD_add_connection(s->daemon, fd, (struct sockaddr *)&from, n) != MHD_YES)
		kw_guard_gone(c); /* it closed the socket */
	return ACCEPTED;
}

/* Waits for a connection or the next sweep, whichever comes first. */
static void wait_and_accept(struct kw_server *s, int wait_ms, bool *starved)
{
	struct kw_guard *g = &s->guard;
	bool listening = g->listen_fd >= 0 && !*starved;
	struct pollfd fds[] = { { .fd = g->wake_fd, .events = POLLIN },
		{ .fd = listening ? g->listen_fd : -1, .events = POLLIN } };
	uint64_t drop;

	poll(fds, KW_LEN(fds), *starved && wait_ms > STARVED_MS ? STARVED_MS : wait_ms);
	*starved = false;
	if (fds[0].revents)
		(void)!read(g->wake_fd, &drop, sizeof(drop));
	if (atomic_load(&g->closing) && g->listen_fd >= 0) {
		close(g->listen_fd);
		g->listen_fd = -1;
	} else if (fds[1].revents) {
		enum accepted last = ACCEPTED;
		for (int i = 0; i < ACCEPT_ROUND && last == ACCEPTED; i++)
			last = accept_one(s);
		*starved = last == STARVED;
	}
}

static void *guard_main(void *arg)
{
	struct kw_server *s = arg;
	int64_t step = (int64_t)s->config.deadline_ms * 100;
	bool starved = false;

	step = step < 10000 ? 10000 : step > 1000000 ? 1000000 : step;
	for (int64_t next = kw_monotonic_us() + step; !atomic_load(&s->guard.leaving);) {
		int64_t wait = next - kw_monotonic_us();
		if (wait > 0) {
			wait_and_accept(s, (int)(wait / 1000 + 1), &starved);
			continue;
		}
		sweep(s);
		next = kw_monotonic_us() + step;
	}
	return NULL;
}

static void wake(struct kw_guard *g)
{
	uint64_t one = 1;

	(void)!write(g->wake_fd, &one, sizeof(one));
}

void kw_guard_init(struct kw_server *s)
{
	struct kw_guard *g = &s->guard;
	long fds = sysconf(_SC_OPEN_MAX);

	g->listen_fd = g->wake_fd = -1;
	pthread_mutex_init(&g->lock, NULL);
	kw_random(&g->seed, sizeof(g->seed));
	g->n_by_fd = fds > 0 && fds < FDS_MAX ? (size_t)fds : FDS_MAX;
	g->by_fd = calloc(g->n_by_fd, sizeof(struct kw_conn *));
	kw_assert(g->by_fd);
}

enum kw_rc kw_guard_start(struct kw_server *s, struct kw_err *err)
{
	struct kw_guard *g = &s->guard;

	g->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (g->wake_fd < 0 || pthread_create(&g->thread, NULL, guard_main, s) != 0)
		return kw_fail(
			err, KW_FATAL, "cannot start the server's guard: %s", strerror(errno));
	g->running = true;
	return KW_OK;
}

void kw_guard_close(struct kw_server *s)
{
	atomic_store(&s->guard.closing, true);
	wake(&s->guard);
}

void kw_guard_stop(struct kw_server *s)
{
	if (!s->guard.running)
		return;
	atomic_store(&s->guard.leaving, true);
	wake(&s->guard);
	pthread_join(s->guard.thread, NULL);
	s->guard.running = false;
}

void kw_guard_done(struct kw_server *s)
{
	struct kw_guard *g = &s->guard;

	while (g->conns)
		conn_remove(g, g->conns);
	if (g->listen_fd >= 0)
		close(g->listen_fd);
	if (g->wake_fd >= 0)
		close(g->wake_fd);
	free(g->by_fd);
	pthread_mutex_destroy(&g->lock);
}
