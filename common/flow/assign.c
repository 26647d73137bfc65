/* Where each partition is read: loads the offset rows of an assignment, compares them with the log,
 * judges places (rules 3 and 5). Consumer thread only. */
#include "flow/impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"

#define REFUSED_MS 30000 /* after a failover the high watermark may lag */
#define WATERMARK_TIMEOUT_MS 5000

enum { FIND_OFFSETS, INSERT_OFFSETS, FIND_EPOCHS };

static const struct kw_stmt stmts[] = {
	[FIND_OFFSETS] = { "SELECT o.topic, o.partition, o.next_offset, o.cluster_id, "
			   "coalesce(o.last_hash, 0), o.last_time, "
			   "o.place_epoch, o.place_number FROM offsets o "
			   "JOIN unnest($2::text[], $3::int[]) AS i(topic, partition) USING "
			   "(topic, partition) WHERE o.grp = $1::text" },
	[INSERT_OFFSETS] = { "INSERT INTO offsets (grp, topic, partition, next_offset, cluster_id) "
			     "SELECT $1::text, i.topic, i.partition, i.next, i.cluster "
			     "FROM unnest($2::text[], $3::int[], $4::bigint[], $5::text[]) AS "
			     "i(topic, partition, next, cluster) "
			     "ON CONFLICT DO NOTHING" },
	[FIND_EPOCHS] = { "SELECT topic, partition, epoch, last_good_number FROM epochs ORDER BY "
			  "topic, partition, epoch DESC" },
};

struct offset_row {
	const char *topic, *cluster_id;
	int partition, place_epoch;
	int64_t next_offset, last_hash, place_number;
	kw_time last_time;
};

static const struct kw_col offset_cols[] = {
	KW_COL_TEXT(struct offset_row, topic),
	KW_COL_INT(struct offset_row, partition),
	KW_COL_I64(struct offset_row, next_offset),
	KW_COL_TEXT(struct offset_row, cluster_id),
	KW_COL_I64(struct offset_row, last_hash),
	KW_COL_TIME(struct offset_row, last_time),
	KW_COL_INT(struct offset_row, place_epoch),
	KW_COL_I64(struct offset_row, place_number),
	KW_COL_END,
};

static const struct kw_col key_cols[] = {
	KW_COL_TEXT(struct offset_row, topic),
	KW_COL_INT(struct offset_row, partition),
	KW_COL_END,
};

static const struct kw_col new_cols[] = {
	KW_COL_TEXT(struct offset_row, topic),
	KW_COL_INT(struct offset_row, partition),
	KW_COL_I64(struct offset_row, next_offset),
	KW_COL_TEXT(struct offset_row, cluster_id),
	KW_COL_END,
};

static const struct kw_col epoch_cols[] = {
	KW_COL_TEXT(struct kw_epoch_row, topic),
	KW_COL_INT(struct kw_epoch_row, partition),
	KW_COL_INT(struct kw_epoch_row, epoch),
	KW_COL_I64(struct kw_epoch_row, last_good_number),
	KW_COL_END,
};

struct kw_part *kw_part_find(struct kw_runner *r, const char *topic, int32_t partition)
{
	for (size_t i = 0; i < r->n_parts; i++)
		if (r->parts[i].partition == partition && strcmp(r->parts[i].topic, topic) == 0)
			return &r->parts[i];
	return NULL;
}

/* Rows of this assignment, by partition; those that are absent begin at the low watermark. */
static enum kw_rc fetch_rows(struct kw_runner *r, struct kw_arena *a, struct offset_row **ret,
	size_t *ret_n, struct kw_err *err)
{
	struct offset_row *want = kw_new(a, struct offset_row, r->n_parts);
	struct offset_row *fresh = kw_new(a, struct offset_row, r->n_parts);
	size_t n_fresh = 0;

	for (size_t i = 0; i < r->n_parts; i++)
		want[i] = (struct offset_row) { .topic = r->parts[i].topic,
			.partition = r->parts[i].partition };
	struct kw_args args = kw_args_of(a);
	kw_args_text(&args, r->group);
	kw_args_rows(&args, key_cols, want, r->n_parts, sizeof(*want));
	KW_TRY(kw_pg_fetch(
		r->pg, &stmts[FIND_OFFSETS], &args, offset_cols, sizeof(**ret), ret, ret_n, err));
	for (size_t i = 0; i < r->n_parts; i++) {
		bool found = false;
		for (size_t k = 0; k < *ret_n && !found; k++)
			found = (*ret)[k].partition == want[i].partition &&
				strcmp((*ret)[k].topic, want[i].topic) == 0;
		if (found)
			continue;
		int64_t low, high;
		KW_TRY(kw_consumer_watermarks(r->consumer, want[i].topic, want[i].partition,
			WATERMARK_TIMEOUT_MS, &low, &high, err));
		want[i].next_offset = low;
		want[i].cluster_id = r->cluster_id;
		fresh[n_fresh++] = want[i];
	}
	if (n_fresh == 0)
		return KW_OK;
	args = kw_args_of(a);
	kw_args_text(&args, r->group);
	kw_args_rows(&args, new_cols, fresh, n_fresh, sizeof(*fresh));
	KW_TRY(kw_pg_exec(r->pg, &stmts[INSERT_OFFSETS], &args, NULL, err));
	args = kw_args_of(a);
	kw_args_text(&args, r->group);
	kw_args_rows(&args, key_cols, want, r->n_parts, sizeof(*want));
	return kw_pg_fetch(
		r->pg, &stmts[FIND_OFFSETS], &args, offset_cols, sizeof(**ret), ret, ret_n, err);
}

static enum kw_rc blocked(const struct kw_part *part, const char *what, struct kw_err *err)
{
	return kw_fail_code(err, KW_CONFLICT, "LOG_CHANGED",
		"%s partition %d at offset %" PRId64
		": %s; nothing is consumed until an operator decides: karwanctl accept "
		"--topic %s",
		part->topic, part->partition, part->next_offset, what, part->topic);
}

/* Compares one row with the log; decides where reading begins. */
static enum kw_rc place_part(struct kw_runner *r, struct kw_part *part,
	const struct offset_row *row, int64_t *ret_begin, struct kw_err *err)
{
	bool other_cluster = strcmp(row->cluster_id, r->cluster_id) != 0;
	int64_t low, high;

	KW_TRY(kw_consumer_watermarks(
		r->consumer, part->topic, part->partition, WATERMARK_TIMEOUT_MS, &low, &high, err));
	part->row_offset = part->next_offset = row->next_offset;
	part->last_hash = (uint64_t)row->last_hash;
	part->last_time = row->last_time;
	part->place = (struct kw_place) { row->place_epoch, row->place_number };
	part->put_off = 0;
	part->verify = false;
	part->rewound = 0;
	if (!part->in && (other_cluster || high < row->next_offset || low > row->next_offset)) {
		/* only a hint here: the place says what is new */
		part->next_offset = low;
		*ret_begin = low;
		return KW_OK;
	}
	if (other_cluster)
		return blocked(part, "the Kafka cluster is another one", err);
	if (low > row->next_offset)
		return blocked(part, "messages were removed before they were read", err);
	if (high < row->next_offset) {
		kw_time now = kw_monotonic_us();
		int refused_ms = r->config.refused_ms ? r->config.refused_ms : REFUSED_MS;
		if (r->refused_since == 0)
			r->refused_since = now;
		if (now - r->refused_since < refused_ms * 1000LL)
			return kw_fail(err, KW_RETRY,
				"%s partition %d ends at %" PRId64 ", before our offset %" PRId64,
				part->topic, part->partition, high, row->next_offset);
		return blocked(part,
			"the log ends before it: its tail was lost, or the topic was made anew",
			err);
	}
	part->verify = row->last_time != 0 && row->next_offset > low;
	*ret_begin = part->verify ? row->next_offset - 1 : row->next_offset;
	return KW_OK;
}

static enum kw_rc load(struct kw_runner *r, struct kw_position *positions, struct kw_err *err)
{
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(KW_ARENA_MAX);
	struct offset_row *rows;
	struct kw_epoch_row *epochs;
	size_t n_rows, n_epochs;

	kw_arena_reset(r->load_arena);
	struct kw_args none = kw_args_of(r->load_arena);
	if (r->cluster_id[0] == '\0')
		KW_TRY(kw_bus_cluster_id(r->config.brokers, WATERMARK_TIMEOUT_MS, r->cluster_id,
			sizeof(r->cluster_id), err));
	KW_TRY(kw_pg_fetch(r->pg, &stmts[FIND_EPOCHS], &none, epoch_cols, sizeof(*epochs), &epochs,
		&n_epochs, err));
	KW_TRY(fetch_rows(r, a, &rows, &n_rows, err));
	for (size_t i = 0; i < r->n_parts; i++) {
		struct kw_part *part = &r->parts[i];
		const struct offset_row *row = NULL;

		for (size_t k = 0; k < n_rows && !row; k++)
			if (rows[k].partition == part->partition &&
				strcmp(rows[k].topic, part->topic) == 0)
				row = &rows[k];
		kw_assert(row != NULL);
		positions[i] = (struct kw_position) { part->topic, part->partition, 0 };
		KW_TRY(place_part(r, part, row, &positions[i].offset, err));
		part->position = positions[i].offset;
		part->epochs = NULL;
		part->n_epochs = 0;
		for (size_t k = 0; k < n_epochs; k++)
			if (epochs[k].partition == part->partition &&
				strcmp(epochs[k].topic, part->topic) == 0) {
				if (part->n_epochs++ == 0)
					part->epochs = &epochs[k];
			}
	}
	r->refused_since = 0;
	r->put_off_us = 0;
	r->pending = false;
	return KW_OK;
}

/* Inside kw_consumer_poll: the group gave us these. */
enum kw_rc kw_assign(void *ctx, struct kw_position *positions, size_t n, struct kw_err *err)
{
	struct kw_runner *r = ctx;

	kw_arena_reset(r->assign_arena);
	r->parts = kw_new(r->assign_arena, struct kw_part, n);
	r->n_parts = n;
	for (size_t i = 0; i < n; i++)
		r->parts[i] = (struct kw_part) {
			.topic = positions[i].topic,
			.partition = positions[i].partition,
			.in = strcmp(positions[i].topic, r->config.in_topic) == 0,
			.counted_alone = -1,
		};
	r->pending = true;
	r->cluster_id[0] = '\0';
	KW_TRY(load(r, positions, err));
	kw_log(KW_INFO, "partitions assigned", KW_LS("group", r->group),
		KW_LI("partitions", (int64_t)n));
	return KW_OK;
}

void kw_revoke(void *ctx)
{
	struct kw_runner *r = ctx;

	r->n_parts = 0;
	r->put_off_us = 0;
	r->pending = false;
	atomic_store(&r->why, "no partitions are assigned");
	atomic_store(&r->ready, false);
}

enum kw_rc kw_reload(struct kw_runner *r, struct kw_err *err)
{
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(1024 * 1024);
	struct kw_position *positions = kw_new(a, struct kw_position, r->n_parts);

	r->pending = true;
	r->cluster_id[0] = '\0';
	KW_TRY(load(r, positions, err));
	return kw_consumer_reassign(r->consumer, positions, r->n_parts, err);
}

enum kw_place_verdict kw_place_judge(const struct kw_epoch_row *epochs, size_t n,
	struct kw_place last, struct kw_place next, bool barrier)
{
	/* written under an older epoch, beyond what the database kept of it */
	for (size_t i = 0; i < n; i++)
		if (next.epoch < epochs[i].epoch && next.number > epochs[i].last_good_number)
			return KW_PLACE_VOID;
	if (last.epoch == 0)
		return KW_PLACE_NEXT;
	/* a barrier ends what we may have taken beyond it */
	if (barrier && next.epoch > last.epoch && next.number <= last.number + 1)
		return KW_PLACE_NEXT;
	if (next.number <= last.number || next.epoch < last.epoch)
		return KW_PLACE_REPEAT;
	return next.number == last.number + 1 ? KW_PLACE_NEXT : KW_PLACE_GAP;
}
