/* HTTP server from one const route array (http/table.h): 404, 405 with Allow, 413, 408, 415, 429,
 * 401, body decoding, metrics and the access log come from the table, in the order of checks of the
 * contract: route, method, size and framing, limits, authentication, media type, parsing. http is
 * the only layer that uses libmicrohttpd, libcurl and OpenSSL.
 *
 * Handlers run on the server's pool, one request at a time per thread; what they allocate from
 * rq->arena lives until the answer is sent. A handler may put off its answer (kw_request_defer) and
 * give it later from any thread. */
#ifndef KW_HTTP_SERVER_H
#define KW_HTTP_SERVER_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/id.h"
#include "http/table.h"

#define KW_PATH_PARAMS_MAX 4

struct kw_deferred;

struct kw_request {
	const struct kw_route *route;
	const char *params[KW_PATH_PARAMS_MAX]; /* of ":name" parts in order; percent-decoded, 1 to
						   128 bytes, no control characters */
	struct kw_bytes body;                   /* raw, as received */
	const void *in;                         /* KW_JSON_BODY: the decoded struct */
	const void *caller;                     /* what authenticate set: the partner */
	struct kw_arena *arena;
	struct kw_trace trace; /* from traceparent, or new */
	kw_time now;
	void *ctx; /* kw_server_config.ctx */
	struct kw_request_impl *impl;
};

/* Header by name in any case, or NULL. A header given twice is refused (400) for names that
 * authenticate reads. A handler may ask for those of its route only. */
const char *kw_request_header(const struct kw_request *rq, const char *name);
/* How often the header was given. */
int kw_request_header_count(const struct kw_request *rq, const char *name);
/* Query argument of the route's table, decoded, or NULL. */
const char *kw_request_query(const struct kw_request *rq, const char *name);
/* One that is a name (in any case): its value; -1 where it is absent and need not be there. */
enum kw_rc kw_request_name(
	const struct kw_request *rq, const char *name, int *ret, struct kw_err *err);

struct kw_server_config {
	const char *listen;            /* "127.0.0.1:8080"; port 0: any */
	const struct kw_route *routes; /* { 0 }-terminated */
	/* Sets rq->caller. INVALID: 401 (never says which part failed). May be NULL when no route
	 * has auth. */
	enum kw_rc (*authenticate)(struct kw_request *rq, struct kw_err *err);
	/* Called once per answered request, from the pool: metrics. May be NULL. */
	void (*observe)(void *ctx, const struct kw_route *route, int status, int64_t duration_us);
	const struct kw_clock *clock;
	void *ctx;
	int threads;         /* 0: 2 */
	int connections_max; /* 0: 1024 */
	int per_address_max; /* 0: 256 */
	int deadline_ms;     /* whole request, from its first byte to its last: 408; 0: 10000 */
	int deferred_max;    /* put-off answers in flight; beyond: 503 with Retry-After; 0: 20000 */
	bool access_log;
};

struct kw_server;

enum kw_rc kw_server_start(
	const struct kw_server_config *config, struct kw_server **ret, struct kw_err *err);
int kw_server_port(const struct kw_server *s);
/* Refuses new requests (503, Connection: close) so that a drain can finish; existing ones go on. */
void kw_server_drain(struct kw_server *s);
/* All deferred requests must have been answered. Waits for running handlers. */
void kw_server_stop(struct kw_server *s);

/* Inside a handler, at most once: the handler then returns OK and its rs is ignored. */
struct kw_deferred *kw_request_defer(struct kw_request *rq);
/* From any thread, exactly once per deferred request. Nothing is sent before the wake-up. rs's
 * bytes must be in the request's arena (kw_deferred_arena; only one thread at a time may use it) or
 * constant. */
void kw_deferred_answer(struct kw_deferred *d, const struct kw_response *rs);
/* The same from a code: as a handler's return. */
void kw_deferred_fail(struct kw_deferred *d, const struct kw_err *err);
struct kw_arena *kw_deferred_arena(struct kw_deferred *d);
/* Resumes all that were answered since the last call: once per round of delivery reports. What was
 * answered inside its own handler needs no wake-up; one that is forgotten is made up for within two
 * seconds. */
void kw_server_wake(struct kw_server *s);

#endif
