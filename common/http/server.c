/* Start, drain, stop; the pool of requests; put-off answers and their wake-up. */
#include "http/server.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/impl.h"

#define POOL_MAX 256            /* requests kept for use again */
#define POOL_KEEPS (64 * 1024)  /* bytes of body and arena that a kept request may hold on to */
#define CONNECTION_MEMORY 16384 /* of libmicrohttpd: header fields and a piece of the body */
#define BACKLOG 1024

/* ---- requests ---- */

struct kw_request_impl *kw_request_take(struct kw_server *s)
{
	pthread_mutex_lock(&s->lock);
	struct kw_request_impl *im = s->pool;
	if (im) {
		s->pool = im->next;
		s->n_pool--;
	}
	pthread_mutex_unlock(&s->lock);
	if (!im) {
		im = calloc(1, sizeof(*im));
		kw_assert(im);
		im->arena = kw_arena_new(KW_ARENA_MAX);
		/* Its limit is counted per request, before bytes are added. */
		kw_buf_init(&im->body, SIZE_MAX / 4);
	}
	im->server = s;
	im->rq = (struct kw_request) { .arena = im->arena, .ctx = s->config.ctx, .impl = im };
	im->deferred.impl = im;
	return im;
}

static void request_free(struct kw_request_impl *im)
{
	kw_arena_free(im->arena);
	kw_buf_done(&im->body);
	free(im);
}

void kw_request_release(struct kw_request_impl *im)
{
	struct kw_server *s = im->server;
	struct kw_arena *arena = im->arena;
	struct kw_buf body = im->body;

	atomic_fetch_sub(&s->body_bytes, body.n);
	if (kw_arena_used(arena) > POOL_KEEPS || body.cap > POOL_KEEPS) {
		request_free(im);
		return;
	}
	kw_arena_reset(arena);
	kw_buf_clear(&body);
	memset(im, 0, sizeof(*im));
	im->arena = arena;
	im->body = body;
	pthread_mutex_lock(&s->lock);
	bool keep = s->n_pool < POOL_MAX;
	if (keep) {
		im->next = s->pool;
		s->pool = im;
		s->n_pool++;
	}
	pthread_mutex_unlock(&s->lock);
	if (!keep)
		request_free(im);
}

void kw_server_busy(struct kw_request_impl *im)
{
	im->busy = true;
	atomic_fetch_add(&im->server->n_busy, 1);
}

void kw_server_not_busy(struct kw_request_impl *im)
{
	struct kw_server *s = im->server;

	if (!im->busy)
		return;
	im->busy = false;
	if (atomic_fetch_sub(&s->n_busy, 1) > 1 || !atomic_load(&s->draining))
		return;
	pthread_mutex_lock(&s->lock);
	pthread_cond_broadcast(&s->idle);
	pthread_mutex_unlock(&s->lock);
}

/* ---- put-off answers ---- */

struct kw_deferred *kw_request_defer(struct kw_request *rq)
{
	struct kw_request_impl *im = rq->impl;

	kw_assert(im->stage == KW_AT_HANDLER);
	im->stage = KW_PUT_OFF;
	atomic_fetch_add(&im->server->n_deferred, 1);
	MHD_suspend_connection(im->connection);
	return &im->deferred;
}

struct kw_arena *kw_deferred_arena(struct kw_deferred *d)
{
	return d->impl->arena;
}

_Thread_local struct kw_request_impl *kw_handling;

static void answered(struct kw_request_impl *im)
{
	struct kw_server *s = im->server;

	kw_assert(!atomic_exchange(&im->answered, true));
	if (kw_handling == im)
		im->answered_inside = true;
	/* Before it is in the list: from there on another thread's wake-up may let it end. */
	atomic_fetch_sub(&s->n_deferred, 1);
	struct kw_request_impl *head = atomic_load(&s->answered);
	do
		im->next = head;
	while (!atomic_compare_exchange_weak(&s->answered, &head, im));
}

void kw_deferred_answer(struct kw_deferred *d, const struct kw_response *rs)
{
	d->impl->rs = *rs;
	answered(d->impl);
}

void kw_deferred_fail(struct kw_deferred *d, const struct kw_err *err)
{
	kw_problem_of(d->impl, err->rc, err);
	answered(d->impl);
}

void kw_server_wake(struct kw_server *s)
{
	struct kw_request_impl *list = atomic_exchange(&s->answered, NULL), *first = NULL, *next;

	atomic_fetch_add_explicit(&s->n_wakes, 1, memory_order_relaxed);
	for (; list; list = next) { /* oldest first */
		next = list->next;
		list->next = first;
		first = list;
	}
	for (; first; first = next) {
		next = first->next; /* it belongs to its own thread after the call */
		MHD_resume_connection(first->connection);
	}
}

/* ---- start ---- */

/* "127.0.0.1:8080", "[::1]:8080", ":8080" */
static enum kw_rc split_address(
	const char *listen_at, char host[256], const char **ret_port, struct kw_err *err)
{
	const char *colon = strrchr(listen_at, ':');
	size_t n = colon ? (size_t)(colon - listen_at) : 0;

	if (!colon || n > 255 || !colon[1])
		return kw_fail(err, KW_INVALID, "\"%s\" is not host:port", listen_at);
	if (n > 1 && listen_at[0] == '[' && listen_at[n - 1] == ']') {
		listen_at++;
		n -= 2;
	}
	memcpy(host, listen_at, n);
	host[n] = '\0';
	*ret_port = colon + 1;
	return KW_OK;
}

static enum kw_rc bind_and_listen(
	struct kw_server *s, const struct addrinfo *at, struct kw_err *err)
{
	struct sockaddr_storage bound;
	socklen_t n = sizeof(bound);
	int on = 1;
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	s->guard.listen_fd = fd;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(fd, at->ai_addr, at->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0 ||
		getsockname(fd, (struct sockaddr *)&bound, &n) < 0)
		return kw_fail(err, KW_FATAL, "cannot listen on %s: %s", s->config.listen,
			strerror(errno));
	s->port = ntohs(bound.ss_family == AF_INET6
				? ((const struct sockaddr_in6 *)(const void *)&bound)->sin6_port
				: ((const struct sockaddr_in *)(const void *)&bound)->sin_port);
	return KW_OK;
}

static enum kw_rc open_socket(struct kw_server *s, struct kw_err *err)
{
	struct addrinfo want = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM },
			*found = NULL;
	const char *port = NULL;
	char host[256];

	KW_TRY(split_address(s->config.listen, host, &port, err));
	int failed = getaddrinfo(*host ? host : NULL, port, &want, &found);
	bool later = failed == EAI_MEMORY || failed == EAI_AGAIN || failed == EAI_SYSTEM;
	if (failed)
		return kw_fail(err, later ? KW_RETRY : KW_INVALID, "cannot listen on %s: %s",
			s->config.listen, gai_strerror(failed));
	enum kw_rc rc = bind_and_listen(s, found, err);
	freeaddrinfo(found);
	return rc;
}

static enum kw_rc start_daemon(struct kw_server *s, struct kw_err *err)
{
	const struct kw_server_config *c = &s->config;
	unsigned n = (unsigned)(c->connections_max + KW_OVER_MAX);
	struct MHD_OptionItem options[] = {
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL },
		/* For each thread: the guard does the counting. */
		{ MHD_OPTION_CONNECTION_LIMIT, (intptr_t)(n * (unsigned)c->threads), NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, 0, NULL },
#if MHD_VERSION >= 0x01000000
		{ MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1, NULL },
#else
		{ MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL },
#endif
		/* A pool of one is no pool; END ends the list. */
		{ c->threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, c->threads, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};

	s->daemon = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET,
		0, NULL, NULL, kw_on_access, s, MHD_OPTION_URI_LOG_CALLBACK, kw_on_target, s,
		MHD_OPTION_NOTIFY_COMPLETED, kw_on_completed, s, MHD_OPTION_NOTIFY_CONNECTION,
		kw_on_connection, s, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
	return s->daemon ? KW_OK : kw_fail(err, KW_FATAL, "cannot start the HTTP threads");
}

static void fill_defaults(struct kw_server_config *c)
{
	c->threads = c->threads ? c->threads : 2;
	c->connections_max = c->connections_max ? c->connections_max : 1024;
	c->per_address_max = c->per_address_max ? c->per_address_max : 256;
	c->deadline_ms = c->deadline_ms ? c->deadline_ms : 10000;
	c->deferred_max = c->deferred_max ? c->deferred_max : 20000;
	c->clock = c->clock ? c->clock : &kw_clock_system;
}

static void server_free(struct kw_server *s)
{
	kw_guard_stop(s);
	if (s->daemon)
		MHD_stop_daemon(s->daemon);
	kw_guard_done(s);
	for (struct kw_request_impl *im = s->pool, *next; im; im = next) {
		next = im->next;
		request_free(im);
	}
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->idle);
	free(s);
}

enum kw_rc kw_server_start(
	const struct kw_server_config *config, struct kw_server **ret, struct kw_err *err)
{
	struct kw_server *s = calloc(1, sizeof(*s));
	sigset_t all, before;

	kw_assert(s && config->listen && config->routes);
	s->config = *config;
	fill_defaults(&s->config);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->idle, NULL);
	kw_guard_init(s);
	enum kw_rc rc = open_socket(s, err);
	/* Signals are for the program's main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (rc == KW_OK)
		rc = start_daemon(s, err);
	if (rc == KW_OK)
		rc = kw_guard_start(s, err);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != KW_OK) {
		server_free(s);
		return rc;
	}
	*ret = s;
	return KW_OK;
}

int kw_server_port(const struct kw_server *s)
{
	return s->port;
}

/* ---- stop ---- */

void kw_server_drain(struct kw_server *s)
{
	atomic_store(&s->draining, true);
}

void kw_server_stop(struct kw_server *s)
{
	if (!s)
		return;
	kw_server_drain(s);
	kw_guard_close(s);
	kw_server_wake(s);
	/* libmicrohttpd would cut answers on their way. The guard goes on cutting those who do not
	 * read theirs. */
	pthread_mutex_lock(&s->lock);
	while (atomic_load(&s->n_busy) > 0)
		pthread_cond_wait(&s->idle, &s->lock);
	pthread_mutex_unlock(&s->lock);
	kw_assert(atomic_load(&s->n_deferred) == 0);
	server_free(s);
}
