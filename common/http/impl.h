/* The inside of the server, shared by its files: server.c (start, stop, wake-up), request.c
 * (libmicrohttpd's callbacks and the order of checks), answer.c (what goes back), guard.c (the
 * thread that accepts, counts and cuts). Private to http. */
#ifndef KW_HTTP_IMPL_H
#define KW_HTTP_IMPL_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "http/route.h"
#include "http/server.h"

/* A refused body up to this size is read and thrown away, so that the sender gets to read the
 * answer; a larger one is cut off. */
#define KW_DISCARD_MAX (4 * 1024 * 1024)
/* Bodies under way in all requests together; beyond: 503. */
#define KW_BODIES_MAX (256 * 1024 * 1024)
#define KW_ARENA_MAX (256 * 1024 * 1024) /* of one request */
/* Connections beyond the limits that are let in to be told so. */
#define KW_OVER_MAX 64
#define KW_IDLE_MS 75000 /* of a connection between two requests */
#define KW_ENDED_MS 1000 /* of one on which no more requests come */

/* Where a connection is. Its thread of the pool moves it on; the guard may move it to CUT, but
 * never out of BUSY. */
enum kw_phase {
	KW_OPENED,    /* accepted; no request line yet */
	KW_IDLE,      /* between two requests */
	KW_RECEIVING, /* from the request line to the last byte */
	KW_BUSY,      /* handler at work, or answer put off */
	KW_SENDING,
	KW_CUT, /* shut down by the guard; the pool's thread will notice */
};

struct kw_conn {
	struct kw_server *server;
	struct kw_conn *next, *prev; /* under guard.lock */
	struct kw_address *address;
	int fd;
	bool taken;               /* libmicrohttpd has it */
	int over;                 /* status with which it is told that a limit is reached, or 0 */
	_Atomic uint64_t mark;    /* phase in the low three bits, above them a count of changes */
	_Atomic int64_t since_us; /* when the phase began; written before mark */
	/* The silence (its mark + 1) in which the guard saw the first bytes of a request, and when:
	 * first_us is written before first_mark. */
	_Atomic uint64_t first_mark;
	_Atomic int64_t first_us;
	/* guard only: the silence it looks at (its mark + 1), and the bytes received when it began
	 */
	uint64_t seen_mark, seen_bytes;
	/* pool's thread only */
	struct kw_request_impl *request;
};

enum kw_stage { KW_AT_HEAD, KW_AT_BODY, KW_AT_HANDLER, KW_PUT_OFF, KW_ANSWERED };

struct kw_refusal {
	int status; /* 0: none */
	bool close; /* the connection cannot go on */
	const char *detail;
	const char *allow;
	int retry_after_s;
};

struct kw_deferred {
	struct kw_request_impl *impl;
};

/* One request, from its request line to the end of its answer; used again afterwards. */
struct kw_request_impl {
	struct kw_request rq;
	struct kw_server *server;
	struct kw_conn *conn;
	struct MHD_Connection *connection;
	struct kw_arena *arena;
	struct kw_buf body;
	uint64_t length; /* as declared */
	size_t body_max, discarded;
	enum kw_stage stage;
	const char *method;
	struct kw_target target;
	struct kw_match match;
	struct kw_refusal refusal;
	bool authenticating, header_twice; /* a header that authenticate read was given twice */
	bool has_body, expects, busy;
	struct kw_deferred deferred;
	_Atomic bool answered;
	bool answered_inside; /* by its handler; that thread only */
	struct kw_response rs;
	const char *problem; /* reason for the log */
	const char *client;  /* the address that a gateway says it is asked from; "" */
	int64_t started_us;
	struct kw_request_impl *next; /* in the pool, or in the answered ones */
};

#define KW_ADDRESS_BUCKETS 256

struct kw_address {
	struct kw_address *next;
	uint8_t bytes[16];
	int n;
};

struct kw_guard {
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;
	struct kw_conn *conns;
	struct kw_conn **by_fd;
	size_t n_by_fd;
	struct kw_address *addresses[KW_ADDRESS_BUCKETS];
	uint64_t seed;
	int n_conns, n_over;
	int listen_fd, wake_fd;
	_Atomic bool closing, leaving; /* listen no more; end the thread */
	/* guard only: were there answers at the last look, and how many wake-ups had been? */
	bool seen_answers;
	uint64_t seen_wakes;
};

struct kw_server {
	struct kw_server_config config;
	struct MHD_Daemon *daemon;
	int port;
	_Atomic bool draining;
	_Atomic int n_deferred, n_busy;
	_Atomic size_t body_bytes;
	_Atomic(struct kw_request_impl *) answered;
	_Atomic uint64_t n_wakes;
	pthread_mutex_t lock; /* pool, idle */
	pthread_cond_t idle;
	struct kw_request_impl *pool;
	int n_pool;
	_Atomic int64_t retry_logged_us;
	struct kw_guard guard;
};

/* ---- server.c ---- */
/* The request whose handler runs on this thread. */
extern _Thread_local struct kw_request_impl *kw_handling;
struct kw_request_impl *kw_request_take(struct kw_server *s);
void kw_request_release(struct kw_request_impl *im);
void kw_server_busy(struct kw_request_impl *im);
void kw_server_not_busy(struct kw_request_impl *im);

/* The trace id alone, for the log. */
static inline const char *kw_trace_id_of(struct kw_request_impl *im)
{
	return im->rq.trace.s[0] ? kw_arena_strn(im->arena, im->rq.trace.s + 3, 32) : "";
}

/* ---- request.c: libmicrohttpd's callbacks ---- */
void *kw_on_target(void *cls, const char *uri, struct MHD_Connection *connection);
enum MHD_Result kw_on_access(void *cls, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload_data, size_t *upload_data_size,
	void **req_cls);
void kw_on_completed(void *cls, struct MHD_Connection *connection, void **req_cls,
	enum MHD_RequestTerminationCode toe);
void kw_on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
	enum MHD_ConnectionNotificationCode toe);

/* ---- head.c ---- */
/* Decides im->refusal, as far as the head allows; fills match, length, has_body, expects, body_max.
 */
void kw_check_head(struct kw_request_impl *im, const char *version);
/* The first reason stays. */
void kw_refuse(struct kw_request_impl *im, int status, const char *detail);
void kw_refuse_size(struct kw_request_impl *im);

/* ---- answer.c ---- */
/* Fills im->rs with problem+json. */
void kw_problem(struct kw_request_impl *im, int status, const char *detail, const char *error,
	const char *pointer);
/* Fills im->rs from what a handler returned that was not OK. */
void kw_problem_of(struct kw_request_impl *im, enum kw_rc rc, const struct kw_err *err);
/* Hands im->rs to libmicrohttpd; from the connection's thread. */
enum MHD_Result kw_send_answer(struct kw_request_impl *im);
/* An answer outside libmicrohttpd, just before the connection is cut. */
void kw_send_last(int fd, int status);

/* ---- guard.c ---- */
void kw_guard_init(struct kw_server *s);
enum kw_rc kw_guard_start(struct kw_server *s, struct kw_err *err);
/* Closes the listening socket; deadlines go on. */
void kw_guard_close(struct kw_server *s);
/* Ends the thread. */
void kw_guard_stop(struct kw_server *s);
/* After libmicrohttpd has stopped. */
void kw_guard_done(struct kw_server *s);
struct kw_conn *kw_guard_taken(struct kw_server *s, int fd);
void kw_guard_gone(struct kw_conn *c);
/* false: the guard has cut it. */
bool kw_conn_move(struct kw_conn *c, enum kw_phase to);
static inline enum kw_phase kw_conn_phase(const struct kw_conn *c)
{
	return (enum kw_phase)(atomic_load_explicit(&c->mark, memory_order_acquire) & 7);
}

#endif
