/* What the files of flow share and nobody else sees. */
#ifndef KW_FLOW_IMPL_H
#define KW_FLOW_IMPL_H

#include <stdatomic.h>

#include "bus/consumer.h"
#include "flow/batch.h"
#include "flow/identity.h"
#include "pg/tx.h"

#define KW_PAYLOAD_MAX (900 * 1000)
#define KW_BATCH_BYTES_MAX (1024 * 1024)
#define KW_ARENA_MAX ((size_t)256 * 1024 * 1024)
#define KW_ALONE_MAX 3 /* a message that killed the process this often becomes a dead letter */

/* ---- journal.c ---- */

struct kw_journal_row {
	int partition, seq; /* 1, 2, … within the batch's rows of the partition */
	struct kw_uuid id, entity;
	const char *key, *type, *trace, *payload;
	int64_t version;
	kw_time caused; /* append time of the message that it comes from; 0: none */
};

struct kw_intent_row {
	struct kw_uuid id, entity;
	const char *kind, *payload, *trace;
	kw_time due;
};

struct kw_batch_impl {
	const struct kw_flow_config *config;
	int partitions; /* of the events topic */
	struct kw_journal_row *events;
	size_t n_events, cap_events;
	struct kw_intent_row *intents;
	size_t n_intents, cap_intents;
	struct kw_buf text;
};

void kw_batch_impl_init(struct kw_batch_impl *impl, const struct kw_flow_config *config);
void kw_batch_impl_done(struct kw_batch_impl *impl);
void kw_batch_impl_clear(struct kw_batch_impl *impl);
/* Intents, then the journal: the last statements of the transaction. */
enum kw_rc kw_batch_flush(struct kw_batch *b, struct kw_err *err);

/* After the commit: what was emitted, to the one who counts. */
void kw_batch_tell(const struct kw_batch_impl *impl);

/* ---- assign.c: where each partition is read ---- */

struct kw_part {
	const char *topic;
	bool in; /* the service's own in topic */
	int32_t partition;
	int64_t row_offset;  /* what the offset row says */
	int64_t position;    /* what is read next; behind next_offset where it went back */
	int64_t next_offset; /* what it will say after the batch at hand, and what was put off
				before it; on an in topic the same between batches */
	uint64_t last_hash;
	kw_time last_time;
	struct kw_place place;
	int put_off;           /* messages between row_offset and next_offset */
	bool verify;           /* the next message must be number next_offset - 1 with last_hash */
	bool jumped;           /* offsets were passed over: loaded again to see why */
	int64_t rewound;       /* how far the gap at hand made us go back; 0: not in a gap */
	bool marked;           /* its first batch since the start was counted in attempts */
	int64_t counted_alone; /* offset that this process counted and survived; -1: none */
	const struct kw_epoch_row *epochs; /* newest first */
	size_t n_epochs;
};

struct kw_epoch_row {
	const char *topic;
	int partition, epoch;
	int64_t last_good_number;
};

struct kw_runner {
	struct kw_flow_config config;
	char group[80];
	char cluster_id[64];
	const char *topics[KW_RUNNER_TOPICS_MAX];
	size_t n_topics;
	struct kw_consumer *consumer;
	struct kw_pg *pg;
	struct kw_arena *arena;        /* of the batch */
	struct kw_arena *assign_arena; /* of the assignment */
	struct kw_arena *load_arena;   /* of the last look at the offset rows */
	struct kw_part *parts;
	size_t n_parts;
	bool pending; /* assigned by the group, offsets not loaded yet */
	bool changed; /* a partition was not the log that was read; until all are looked at */
	kw_time refused_since;
	int64_t rest_until_us;
	int64_t put_off_us; /* since when; 0: all rows say what was read */
	struct kw_batch_impl impl;
	struct kw_part *gap; /* set by a batch that met one: go back before the next */
	int64_t gap_offset;
	atomic_bool stop, ready;
	_Atomic(const char *) why;
	struct kw_runner_stats_atomic {
		_Atomic int64_t batches, messages, retries, dead_letters, repeats, gaps, skipped,
			last_batch, batch_us_sum;
		_Atomic int64_t lags[KW_RUNNER_TOPICS_MAX]; /* as topics */
	} stats;
};

#define STAT(r, name, add) atomic_fetch_add_explicit(&(r)->stats.name, (add), memory_order_relaxed)

enum kw_rc kw_assign(void *ctx, struct kw_position *positions, size_t n, struct kw_err *err);
void kw_revoke(void *ctx);
/* Reads the offset rows again and assigns at them. RETRY, or CONFLICT: blocked until an operator
 * acts (reason says it). */
enum kw_rc kw_reload(struct kw_runner *r, struct kw_err *err);
struct kw_part *kw_part_find(struct kw_runner *r, const char *topic, int32_t partition);
/* What rule 5 says of a record of an events topic. */
enum kw_place_verdict { KW_PLACE_NEXT, KW_PLACE_REPEAT, KW_PLACE_VOID, KW_PLACE_GAP };
enum kw_place_verdict kw_place_judge(const struct kw_epoch_row *epochs, size_t n,
	struct kw_place last, struct kw_place next, bool barrier);

/* ---- items.c ---- */

/* One message of the batch and what becomes of it. */
struct kw_item {
	const struct kw_message *m;
	struct kw_part *part;
	const struct kw_topic_row *row; /* NULL: nobody here wants it */
	struct kw_envelope envelope;
	bool dead;
	int attempts;
	struct kw_err err;
};

/* Fills items from messages. NOTHING: the batch ends early; afterwards go back (r->gap), or load
 * again (r->pending). CONFLICT LOG_CHANGED. */
enum kw_rc kw_items_make(struct kw_runner *r, const struct kw_message *ms, size_t n_ms,
	struct kw_item *items, size_t *ret_n, struct kw_err *err);
/* Goes back, further each time, to where the log is whole. */
enum kw_rc kw_gap_rewind(struct kw_runner *r, struct kw_err *err);

/* ---- batch.c ---- */

/* Commits how far was read of what nobody here wants, where that was put off. Errors as below. */
enum kw_rc kw_batch_settle(struct kw_runner *r, struct kw_err *err);
/* One polled batch, to its commit. CONFLICT, RETRY: nothing more was committed; the offsets are to
 * be loaded again. */
enum kw_rc kw_batch_process(
	struct kw_runner *r, const struct kw_message *ms, size_t n_ms, struct kw_err *err);

/* ---- deadletter.c ---- */

struct kw_dead {
	const struct kw_message *m;
	int attempts;
	struct kw_err err;
};

enum kw_rc kw_dead_write(struct kw_pg *pg, struct kw_arena *a, const char *group, kw_time now,
	const struct kw_dead *dead, size_t n, struct kw_err *err);
/* Counts a try (committed by itself); ret is how many there are now. The row goes when the offset
 * has moved on. */
enum kw_rc kw_attempt_count(struct kw_runner *r, const struct kw_part *part, int64_t offset,
	bool alone, int *ret, struct kw_err *err);
/* Takes one count back, as far as the database can be reached. */
void kw_attempt_uncount(
	struct kw_runner *r, const struct kw_part *part, int64_t offset, bool alone);
enum kw_rc kw_attempts_forget(
	struct kw_pg *pg, struct kw_arena *a, const char *group, struct kw_err *err);
/* The row for a message, or NULL. */
const struct kw_topic_row *kw_row_find(
	const struct kw_flow_config *config, const char *topic, const char *type);
/* Fills one element of the row's array: meta and data. */
enum kw_rc kw_message_decode(const struct kw_topic_row *row, const struct kw_message *m,
	const struct kw_envelope *e, struct kw_arena *a, void *out, struct kw_err *err);

#endif
