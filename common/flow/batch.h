/* The only consumer loop: a batch of messages is one PostgreSQL transaction (rules 3, 5, 8 and 10
 * of the design). move the offset rows · decode · handlers · dead letters · batch row · journal ·
 * COMMIT One runner per thread, with its own consumer, connection and arena.
 *
 * A handler gets all messages of one row of the topic table, in the order of the log, and works on
 * the whole of them with a handful of array statements. Rows are called in the order of the table,
 * so a handler must bear to see a later fact before an earlier one (versions decide). It must be
 * re-runnable; it does not produce, commit, log or read a clock. */
#ifndef KW_FLOW_BATCH_H
#define KW_FLOW_BATCH_H

#include "bus/bus.h"
#include "bus/envelope.h"
#include "core/clock.h"
#include "core/id.h"
#include "pg/pg.h"
#include "json/field.h"

/* What a handler sees around the message; the first member of every message struct, filled by the
 * runner. */
struct kw_meta {
	const char *topic;
	int32_t partition;
	int64_t offset; /* -1: replayed from a dead letter */
	kw_time time;   /* append time */
	const char *key;
	const char *type;    /* ce_type */
	const char *subject; /* entity id */
	struct kw_uuid id;   /* ce_id */
	struct kw_place place;
	struct kw_trace trace;
};

struct kw_batch {
	struct kw_arena *arena; /* forgotten after the batch */
	struct kw_pg *pg;       /* in the batch's transaction */
	kw_time now;            /* the same in every re-run */
	void *ctx;              /* the service's own */
	struct kw_batch_impl *impl;
};

/* in: array of n structs of the row's size, the first member a struct kw_meta. INVALID, CONFLICT:
 * the messages are then run one by one, and the one that fails alone becomes a dead letter. RETRY:
 * the batch is rolled back and run again. */
typedef enum kw_rc kw_batch_fn(struct kw_batch *b, const void *in, size_t n, struct kw_err *err);

/* One row of a service's topic table. A type that is not in the table: on the service's own in
 * topic a dead letter, on others' events topics skipped. */
struct kw_topic_row {
	const char *topic; /* "karwan.orders.in" */
	const char *type;  /* "karwan.order.submitted.v1" */
	const struct kw_field *fields;
	size_t size;
	kw_batch_fn *handle;
};

/* The messages of one row in the batch at hand; n > 0. */
struct kw_inputs {
	const struct kw_topic_row *row;
	const void *in;
	size_t n;
};

/* Takes the row locks of a batch that more than one handler works on, before the first of them, in
 * the one order that the service lists (rule 10): one handler's order does not help when another
 * has run before it. Changes nothing that the handlers would miss. */
typedef enum kw_rc kw_lock_fn(
	struct kw_batch *b, const struct kw_inputs *inputs, size_t n, struct kw_err *err);

/* An event that a service can emit; also named by the edges of its state tables. */
struct kw_event_type {
	const char *type;              /* "karwan.order.routed.v1" */
	const struct kw_field *fields; /* of the data */
};

/* Encodes data now, and journals it as the last statement of the transaction. key: the partition's
 * key; cause: whose trace goes on. */
void kw_emit(struct kw_batch *b, const struct kw_event_type *type, const char *key,
	const struct kw_uuid *entity, int64_t version, const struct kw_meta *cause,
	const void *data);

/* A side effect to be made after the commit: a row that a leased job takes (flow/lease.h). id is a
 * function of the source: the same id again changes nothing. payload is encoded now. */
void kw_intend(struct kw_batch *b, const char *kind, const struct kw_uuid *id,
	const struct kw_uuid *entity, kw_time due, const struct kw_meta *cause,
	const struct kw_field *fields, const void *payload);

/* What a service tells its flow about itself. */
struct kw_flow_config {
	const char
		*service; /* "order-routing": ce_source /karwan/<service>, group karwan.<service> */
	const char *schema;              /* "routing" */
	const char *in_topic;            /* "karwan.orders.in" */
	const char *events_topic;        /* "karwan.orders.events" */
	const struct kw_topic_row *rows; /* { 0 }-terminated */
	kw_lock_fn *lock;                /* may be NULL */
	const char *brokers, *dsn;
	const struct kw_topics *topics;
	const struct kw_clock *clock;
	size_t batch_max; /* 0: 1000 messages */
	/* After a commit that has emitted events: nudges the publisher; that has written intents:
	 * nudges jobs. May be NULL. */
	void (*on_commit)(void *ctx);
	void (*on_intents)(void *ctx);
	/* After the commit: of each event, its type; when Kafka has acknowledged an event that
	 * comes from a message of the in topic, how long after that message. May be NULL. */
	void (*on_event)(void *ctx, const char *type);
	void (*on_published)(void *ctx, int64_t delay_us);
	void *commit_ctx; /* of all four */
	int session_ms;   /* consumer session time-out, 0: 10000 */
	int refused_ms; /* an in topic that ends before our offset is believed after this, 0: 30000
			 */
	void *ctx;      /* b->ctx */
};

struct kw_runner;

enum kw_rc kw_runner_open(
	const struct kw_flow_config *config, struct kw_runner **ret, struct kw_err *err);
void kw_runner_close(struct kw_runner *r);
/* Runs until kw_runner_stop or a FATAL. In `once` mode: until every assigned partition is read to
 * its end, then OK. */
enum kw_rc kw_runner_run(struct kw_runner *r, bool once, struct kw_err *err);
/* From any thread or a signal handler: the batch at hand is finished. */
void kw_runner_stop(struct kw_runner *r);
/* Is it assigned and able to commit? For /readyz and `up`; any thread. ret_why: a constant text
 * when not. */
bool kw_runner_ready(struct kw_runner *r, const char **ret_why);

/* Figures for /metrics; any thread, relaxed reads. */
#define KW_RUNNER_TOPICS_MAX 16
struct kw_runner_stats {
	int64_t batches, messages, retries, dead_letters, repeats, gaps, skipped;
	int64_t last_batch; /* messages */
	const char *topics[KW_RUNNER_TOPICS_MAX];
	int64_t lags[KW_RUNNER_TOPICS_MAX]; /* messages of each that are not consumed yet */
	size_t n_topics;
	int64_t batch_us_sum;
};
void kw_runner_stats(struct kw_runner *r, struct kw_runner_stats *ret);

/* Runs fn in a transaction of its own with a batch that can emit and intend: the outcome of a
 * leased job, or a timer. No offsets move. fn gets ctx through its own pointer. */
typedef enum kw_rc kw_outcome_fn(struct kw_batch *b, void *arg, struct kw_err *err);
enum kw_rc kw_outcome_run(const struct kw_flow_config *config, struct kw_pg *pg, struct kw_arena *a,
	kw_outcome_fn *fn, void *arg, struct kw_err *err);

/* A dead letter is replayed at most so often. */
#define KW_REPLAYS_MAX 5

/* Replays one dead letter (rule 8): its handler, without the place test, marked in the same
 * transaction. DUPLICATE when it was replayed before; INVALID when the loop guard stops it, or its
 * handler refuses it again. */
enum kw_rc kw_replay(const struct kw_flow_config *config, struct kw_pg *pg, struct kw_arena *a,
	int64_t dead_letter_id, bool dry_run, struct kw_err *err);
/* Replays what operators have asked for (dead_letters.requested) and writes down each outcome.
 * NOTHING: nothing was asked. */
enum kw_rc kw_replay_requested(const struct kw_flow_config *config, struct kw_pg *pg,
	struct kw_arena *a, struct kw_err *err);

#endif
