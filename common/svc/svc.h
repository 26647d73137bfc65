/* A service is a descriptor; kw_svc_run owns configuration, start order, signals, readiness, drain
 * and shutdown. The only main loop. SIGTERM, SIGINT: finish the batch, answer what is accepted,
 * leave. SIGHUP: read the partners again. --once: drain and exit. */
#ifndef KW_SVC_SVC_H
#define KW_SVC_SVC_H

#include "cache/cache.h"
#include "flow/batch.h"
#include "flow/lease.h"
#include "http/client.h"
#include "http/server.h"
#include "pg/tx.h"
#include "svc/config.h"
#include "svc/metrics.h"
#include "svc/partners.h"
#include "svc/sample.h"

/* Values of kw_route.auth. For the partner kinds the first path parameter names the partner. */
enum { KW_AUTH_NONE, KW_AUTH_OPERATOR, KW_AUTH_CHANNEL, KW_AUTH_PROVIDER, KW_AUTH_COURIER };

struct kw_svc; /* the running service: kw_request.ctx and kw_batch.ctx point to it */

/* One row per adapter of a partner kind: how its requests are verified. */
struct kw_adapter {
	const char *name;
	enum kw_partner_kind kind;
	/* INVALID: 401. rq->body is raw. */
	enum kw_rc (*verify)(
		const struct kw_partner *partner, const struct kw_request *rq, struct kw_err *err);
	const void *more; /* the service's own descriptor of the adapter */
};

/* Recurring leased work, or a timer; runs on the job thread with its own connection. NOTHING: again
 * after interval_ms; OK: again after rest_ms. RETRY: again with growing pauses. FATAL: the service
 * stops. Others are logged, and it runs again after interval_ms. */
typedef enum kw_rc kw_job_fn(
	struct kw_svc *svc, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err);
struct kw_job {
	const char *name;
	kw_job_fn *run;
	int interval_ms;
	int rest_ms;  /* 0: at once; what comes meanwhile is done together */
	bool intents; /* it runs as soon as a batch of this process has written intents */
};

struct kw_service {
	const char *name, *schema, *in_topic, *events_topic; /* as in kw_flow_config */
	const char *database_user;                           /* role, for the help text */
	const struct kw_config_key *config;                  /* own keys, may be NULL */
	size_t config_size;
	const struct kw_route *routes;
	const struct kw_topic_row *topics;
	kw_lock_fn *lock;                  /* as in kw_flow_config */
	const struct kw_job *jobs;         /* { 0 }-terminated, may be NULL */
	const struct kw_job *apart;        /* the same, on a second thread: what they wait for
					      holds up no timer */
	const struct kw_sample *samples;   /* { 0 }-terminated, may be NULL */
	struct kw_metric *const *metrics;  /* its other metrics, NULL-terminated; may be NULL */
	const struct kw_adapter *adapters; /* { 0 }-terminated, may be NULL */
	/* Of each partner whose adapter is in the list, whenever the file is read: what the file's
	 * own table cannot say. INVALID with a pointer to the member ("/app_key"). May be NULL. */
	enum kw_rc (*check_partner)(const struct kw_partner *partner, struct kw_err *err);
	/* After configuration, before anything starts; INVALID: exit 78. May be NULL. */
	enum kw_rc (*start)(struct kw_svc *svc, struct kw_err *err);
};

/* Exit status: 0 left as asked; 1 something failed, start it again; 64 wrong command line; 78 wrong
 * configuration, another start would not mend it. */
int kw_svc_run(const struct kw_service *service, int argc, char **argv);

/* Inside handlers, jobs and batch handlers. */
const void *kw_svc_config(const struct kw_svc *svc);
const struct kw_partners *kw_svc_partners(const struct kw_svc *svc);
const struct kw_adapter *kw_svc_adapter(const struct kw_svc *svc, const struct kw_partner *partner);
const struct kw_flow_config *kw_svc_flow(const struct kw_svc *svc);
struct kw_cache *kw_svc_cache(const struct kw_svc *svc);
/* The jobs' client: all who use it are on one of the two threads. */
struct kw_client *kw_svc_client(struct kw_svc *svc);

/* Edge: appends one message to the service's in topic and answers when the broker has acknowledged:
 * 202 with `answer` (JSON, in the request's arena), or 503 with Retry-After. The handler returns
 * what this returns, and touches the request no more. type as in the topic table; data is encoded
 * by the row's fields. */
enum kw_rc kw_svc_append(struct kw_request *rq, const char *type, const char *key,
	const struct kw_uuid *subject, const void *data, const char *answer, struct kw_err *err);
/* The same for an edge that remembers what it appended. */
struct kw_append {
	const char *answer;
	const char *conflict; /* not NULL: it is appended all the same and answered 409 with this
				 reason */
	void (*acknowledged)(
		const void *arg); /* before the answer, on the producer's thread; may be NULL */
	const void *arg;          /* in the request's arena */
};
enum kw_rc kw_svc_append_as(struct kw_request *rq, const char *type, const char *key,
	const struct kw_uuid *subject, const void *data, const struct kw_append *as,
	struct kw_err *err);
/* Several messages of one request: 202 when the broker has acknowledged all of them, 503 when one
 * is missing; the sender's repeat then brings the same ones again. n is at least 1. */
struct kw_message_out {
	const char *key;
	struct kw_uuid subject;
	const void *data;
};
enum kw_rc kw_svc_append_all(struct kw_request *rq, const char *type,
	const struct kw_message_out *messages, size_t n, const char *answer, struct kw_err *err);
/* Edge: many messages of one request. Their number is not bounded, the memory that they take is:
 * `next` is called on a thread of its own until it says NOTHING. 202 with `answer` when the broker
 * has acknowledged all of them; 503 when one is missing (what was appended stays: the sender's
 * repeat must be harmless), 422 where next says INVALID. */
struct kw_stream_message {
	const char *type, *key;
	struct kw_uuid subject;
	const void *data;
	bool after_all; /* it is sent when all before it are acknowledged */
};
typedef enum kw_rc kw_next_fn(
	void *arg, struct kw_arena *a, struct kw_stream_message *ret, struct kw_err *err);
struct kw_stream {
	kw_next_fn *next;        /* what it makes lives in a until the next call */
	void (*done)(void *arg); /* once, before the answer, also where nothing was appended; may be
				    NULL */
	void *arg;               /* in the request's arena, as all that it points to */
	const char *answer;
};
enum kw_rc kw_svc_append_stream(
	struct kw_request *rq, const struct kw_stream *stream, struct kw_err *err);
/* Jobs: appends messages and waits until the broker has acknowledged all of them. RETRY when one is
 * missing: what is there stays, so the same again must be harmless. */
struct kw_job_message {
	const char *type, *trace; /* trace: that goes on; NULL: a new one */
	struct kw_message_out out;
};
enum kw_rc kw_svc_append_now(struct kw_svc *svc, struct kw_arena *a,
	const struct kw_job_message *messages, size_t n, struct kw_err *err);
/* Can jobs append? Not where only what there is to do is done (--once). */
bool kw_svc_appends(const struct kw_svc *svc);
/* Edge: runs fn with a read-only connection of the pool. RETRY (503) when PostgreSQL is away. */
enum kw_rc kw_svc_read(struct kw_request *rq, kw_tx_fn *fn, void *ctx, struct kw_err *err);
/* Edge: where a list goes on, ?cursor=: the time and the id of the last row that was shown. */
enum kw_rc kw_svc_cursor(
	struct kw_request *rq, kw_time *ret_time, struct kw_uuid *ret_id, struct kw_err *err);
const char *kw_svc_cursor_text(struct kw_arena *a, kw_time time, const struct kw_uuid *id);
/* Edge: JSON of a small answer, in the arena. */
const char *kw_svc_text(struct kw_arena *a, const struct kw_field *fields, const void *data);
/* Edge: JSON body from a struct; 200. */
enum kw_rc kw_svc_reply(struct kw_request *rq, struct kw_response *rs,
	const struct kw_field *fields, const void *data, struct kw_err *err);

#endif
