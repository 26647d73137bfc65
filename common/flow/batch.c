/* A batch: decodes, runs the handlers in one transaction, isolates what fails. Consumer thread
 * only. */
#include "flow/impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"

enum { MOVE_OFFSETS, FIND_OFFSET, INSERT_BATCH };

static const struct kw_stmt stmts[] = {
	[MOVE_OFFSETS] = { "SELECT move_offsets($1::text, $2::text[], $3::int[], $4::bigint[], "
			   "$5::bigint[], $6::bigint[], "
			   "$7::timestamptz[], $8::int[], $9::bigint[])" },
	[FIND_OFFSET] = { "SELECT next_offset, place_number, coalesce(last_hash, 0), last_time "
			  "FROM offsets "
			  "WHERE grp = $1::text AND topic = $2::text AND partition = $3::int FOR "
			  "UPDATE" },
	[INSERT_BATCH] = { "INSERT INTO batches (now, messages, events, ranges) "
			   "VALUES ($1::timestamptz, $2::int, $3::int, $4::text)" },
};

/* The new contents of one offset row. */
struct move {
	const char *topic;
	int partition, epoch;
	int64_t expected, next, hash, number;
	kw_time time;
	struct kw_part *part;
	struct kw_place place;
	const struct kw_message *last; /* of this batch */
};

static const struct kw_col move_cols[] = {
	KW_COL_TEXT(struct move, topic),
	KW_COL_INT(struct move, partition),
	KW_COL_I64(struct move, expected),
	KW_COL_I64(struct move, next),
	KW_COL_I64(struct move, hash),
	KW_COL_TIME(struct move, time),
	KW_COL_INT(struct move, epoch),
	KW_COL_I64(struct move, number),
	KW_COL_END,
};

/* A transaction over items[0 .. n). */
struct run {
	struct kw_runner *r;
	struct kw_batch b;
	struct kw_item *items;
	size_t n;
	struct move *moves;
	size_t n_moves;
};

/* ---- the transaction ---- */

static struct move *find_move(struct run *run, struct kw_part *part)
{
	for (size_t i = 0; i < run->n_moves; i++)
		if (run->moves[i].part == part)
			return &run->moves[i];
	struct move *move = &run->moves[run->n_moves++];
	*move = (struct move) {
		.topic = part->topic,
		.partition = part->partition,
		.part = part,
		.expected = part->row_offset,
		.next = part->next_offset,
		.hash = (int64_t)part->last_hash,
		.time = part->last_time,
		.place = part->place,
	};
	return move;
}

/* Sums the items up to one move per partition, with what was put off. */
static void plan_moves(struct run *run)
{
	run->moves = kw_new(run->b.arena, struct move, run->n + run->r->n_parts);
	run->n_moves = 0;
	for (size_t i = 0; i < run->r->n_parts; i++)
		if (run->r->parts[i].put_off > 0)
			(void)find_move(run, &run->r->parts[i]);
	for (size_t i = 0; i < run->n; i++) {
		const struct kw_item *it = &run->items[i];
		struct move *move = find_move(run, it->part);

		if (it->m->offset + 1 > move->next) {
			move->next = it->m->offset + 1;
			move->last = it->m;
		}
		if (it->envelope.place.epoch > 0)
			move->place = it->envelope.place;
	}
	for (size_t i = 0; i < run->n_moves; i++) {
		struct move *move = &run->moves[i];

		if (move->last) {
			move->hash = (int64_t)kw_message_hash(move->last);
			move->time = move->last->time;
		}
		move->epoch = move->place.epoch;
		move->number = move->place.number;
	}
}

static enum kw_rc move_offsets(struct run *run, struct kw_err *err)
{
	struct kw_args args = kw_args_of(run->b.arena);

	kw_args_text(&args, run->r->group);
	kw_args_rows(&args, move_cols, run->moves, run->n_moves, sizeof(*run->moves));
	return kw_pg_exec(run->b.pg, &stmts[MOVE_OFFSETS], &args, NULL, err);
}

/* Decodes the messages of one row; what cannot be decoded is marked dead. */
static struct kw_inputs decode_row(struct run *run, const struct kw_topic_row *row)
{
	struct kw_batch *b = &run->b;
	char *in = kw_arena_alloc(b->arena, run->n, row->size);
	size_t n = 0;

	for (size_t i = 0; i < run->n; i++) {
		struct kw_item *it = &run->items[i];
		if (it->row != row || it->dead)
			continue;
		if (kw_message_decode(row, it->m, &it->envelope, b->arena, in + n * row->size,
			    &it->err) == KW_OK)
			n++;
		else
			it->dead = true;
	}
	return (struct kw_inputs) { row, in, n };
}

/* All is decoded before the first handler runs, so that one look can lock for all of them. */
static enum kw_rc run_rows(struct run *run, struct kw_err *err)
{
	const struct kw_flow_config *config = &run->r->config;
	struct kw_inputs *inputs;
	size_t n_rows = 0, n = 0;

	while (config->rows[n_rows].topic)
		n_rows++;
	inputs = kw_new(run->b.arena, struct kw_inputs, n_rows);
	for (size_t i = 0; i < n_rows; i++) {
		inputs[n] = decode_row(run, &config->rows[i]);
		if (inputs[n].n > 0)
			n++;
	}
	if (n > 1 && config->lock)
		KW_TRY(config->lock(&run->b, inputs, n, err));
	for (size_t i = 0; i < n; i++)
		KW_TRY(inputs[i].row->handle(&run->b, inputs[i].in, inputs[i].n, err));
	return KW_OK;
}

static enum kw_rc write_dead(struct run *run, struct kw_err *err)
{
	struct kw_dead *dead = kw_new(run->b.arena, struct kw_dead, run->n);
	size_t n = 0;

	for (size_t i = 0; i < run->n; i++)
		if (run->items[i].dead)
			dead[n++] = (struct kw_dead) { run->items[i].m, run->items[i].attempts,
				run->items[i].err };
	return n > 0 ? kw_dead_write(
			       run->b.pg, run->b.arena, run->r->group, run->b.now, dead, n, err)
		     : KW_OK;
}

/* "topic/partition:from-to …" of what this transaction read. */
static enum kw_rc write_batch_row(struct run *run, struct kw_err *err)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf ranges;
	struct kw_args args = kw_args_of(run->b.arena);
	int messages = (int)run->n;

	for (size_t i = 0; i < run->n_moves; i++)
		messages += run->moves[i].part->put_off;
	kw_buf_init(&ranges, 64 * 1024);
	for (size_t i = 0; i < run->n_moves; i++)
		kw_buf_printf(&ranges, "%s%s/%d:%" PRId64 "-%" PRId64, i ? " " : "",
			run->moves[i].topic, run->moves[i].partition, run->moves[i].expected,
			run->moves[i].next - 1);
	kw_args_time(&args, run->b.now);
	kw_args_int(&args, messages);
	kw_args_int(&args, (int)run->b.impl->n_events);
	kw_args_text(&args, kw_arena_strn(run->b.arena, ranges.p, ranges.n));
	return kw_pg_exec(run->b.pg, &stmts[INSERT_BATCH], &args, NULL, err);
}

static enum kw_rc batch_tx(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct run *run = ctx;

	run->b.pg = pg;
	kw_batch_impl_clear(run->b.impl);
	KW_TRY(move_offsets(run, err));
	KW_TRY(run_rows(run, err));
	KW_TRY(write_dead(run, err));
	KW_TRY(write_batch_row(run, err));
	return kw_batch_flush(&run->b, err);
}

struct offset_now {
	int64_t next, number, hash;
	kw_time time;
};

static const struct kw_col offset_now_cols[] = {
	KW_COL_I64(struct offset_now, next),
	KW_COL_I64(struct offset_now, number),
	KW_COL_I64(struct offset_now, hash),
	KW_COL_TIME(struct offset_now, time),
	KW_COL_END,
};

static const struct move *changed_move(const struct run *run)
{
	for (size_t i = 0; i < run->n_moves; i++)
		if (run->moves[i].next != run->moves[i].expected ||
			run->moves[i].number != run->moves[i].part->place.number)
			return &run->moves[i];
	return NULL;
}

/* After a lost COMMIT reply: the row lock waits for the backend that may still be committing. */
static enum kw_rc batch_landed(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct run *run = ctx;
	const struct move *move = changed_move(run);
	struct kw_args args = kw_args_of(run->b.arena);
	struct offset_now row;

	if (!move)
		return KW_NOTHING;

	kw_args_text(&args, run->r->group);
	kw_args_text(&args, move->topic);
	kw_args_int(&args, move->partition);
	KW_TRY(kw_pg_fetch_one(
		pg, &stmts[FIND_OFFSET], &args, offset_now_cols, sizeof(row), &row, err));
	/* another batch may have come as far, over what the log was before it lost its tail */
	if (row.next == move->next && row.number == move->number && row.hash == move->hash &&
		row.time == move->time)
		return KW_OK;
	return KW_NOTHING;
}

/* The parts are what their rows will be, or are. */
static void adopt(const struct run *run)
{
	for (size_t i = 0; i < run->n_moves; i++) {
		struct kw_part *part = run->moves[i].part;
		part->next_offset = run->moves[i].next;
		part->last_hash = (uint64_t)run->moves[i].hash;
		part->last_time = run->moves[i].time;
		if (part->place.number != run->moves[i].number)
			part->rewound = 0;
		part->place = run->moves[i].place;
	}
}

/* Runs items as one transaction, and makes the parts what their rows are now. */
static enum kw_rc run_items(
	struct kw_runner *r, kw_time now, struct kw_item *items, size_t n, struct kw_err *err)
{
	struct run run = { .r = r, .items = items, .n = n };
	struct kw_tx tx = { .run = batch_tx, .landed = batch_landed, .ctx = &run };
	int64_t began = kw_monotonic_us();
	enum kw_rc rc;

	run.b = (struct kw_batch) {
		.arena = r->arena, .now = now, .ctx = r->config.ctx, .impl = &r->impl
	};
	plan_moves(&run);
	rc = kw_pg_tx_run(r->pg, &tx, err);
	if (rc != KW_OK)
		return rc;
	adopt(&run);
	for (size_t i = 0; i < run.n_moves; i++) {
		run.moves[i].part->row_offset = run.moves[i].next;
		run.moves[i].part->put_off = 0;
	}
	r->put_off_us = 0;
	STAT(r, batches, 1);
	STAT(r, messages, (int64_t)n);
	STAT(r, batch_us_sum, kw_monotonic_us() - began);
	atomic_store_explicit(&r->stats.last_batch, (int64_t)n, memory_order_relaxed);
	for (size_t i = 0; i < n; i++)
		if (items[i].dead) {
			STAT(r, dead_letters, 1);
			kw_log_err(KW_WARNING, "dead letter", &items[i].err,
				KW_LS("topic", items[i].m->topic),
				KW_LI("partition", items[i].m->partition),
				KW_LI("offset", items[i].m->offset),
				KW_LS("type", items[i].envelope.type));
		}
	kw_batch_tell(&r->impl);
	if (r->config.on_commit && r->impl.n_events > 0)
		r->config.on_commit(r->config.commit_ctx);
	if (r->config.on_intents && r->impl.n_intents > 0)
		r->config.on_intents(r->config.commit_ctx);
	return KW_OK;
}

/* ---- what nobody here wants ---- */

static bool unwanted(const struct kw_item *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (items[i].row || items[i].dead)
			return false;
	return true;
}

/* Of an events topic, where offset and place are all that these change: their rows are moved with
 * the next batch that does something, or by kw_batch_settle. Read again after a crash, they are
 * passed over again. */
static void put_off(struct kw_runner *r, struct kw_item *items, size_t n)
{
	struct run run = { .r = r, .items = items, .n = n, .b = { .arena = r->arena } };

	plan_moves(&run);
	adopt(&run);
	for (size_t i = 0; i < n; i++)
		items[i].part->put_off++;
	if (r->put_off_us == 0)
		r->put_off_us = kw_monotonic_us();
	STAT(r, messages, (int64_t)n);
}

enum kw_rc kw_batch_settle(struct kw_runner *r, struct kw_err *err)
{
	if (r->put_off_us == 0)
		return KW_OK;
	kw_arena_reset(r->arena);
	return run_items(r, kw_now(r->config.clock), NULL, 0, err);
}

/* One by one: what fails alone becomes a dead letter, the rest goes on. counted: each attempt is
 * committed first, for what kills the process. */
static enum kw_rc run_alone(struct kw_runner *r, kw_time now, struct kw_item *items, size_t n,
	bool counted, struct kw_err *err)
{
	for (size_t i = 0; i < n && !atomic_load(&r->stop); i++) {
		struct kw_item *it = &items[i];
		enum kw_rc rc;

		it->attempts = 1;
		/* what this process has survived already is not counted again */
		if (counted && it->row && !it->dead && it->part->counted_alone != it->m->offset) {
			KW_TRY(kw_attempt_count(
				r, it->part, it->m->offset, true, &it->attempts, err));
			it->part->counted_alone = it->m->offset;
			if (it->attempts > KW_ALONE_MAX) {
				it->dead = true;
				kw_fail_code(&it->err, KW_INVALID, "KILLED_PROCESS",
					"the process died %d times while it ran this",
					KW_ALONE_MAX);
			}
		}
		rc = run_items(r, now, it, 1, err);
		if ((rc == KW_INVALID || rc == KW_CONFLICT) && strcmp(err->code, "KW001") != 0 &&
			!it->dead) {
			it->dead = true;
			it->err = *err;
			rc = run_items(r, now, it, 1, err);
		}
		/* an error that ends the process in order is not a death */
		if (rc == KW_FATAL && counted)
			kw_attempt_uncount(r, it->part, it->m->offset, true);
		if (rc != KW_OK)
			return rc;
	}
	return KW_OK;
}

/* The first batch of each partition since the start is counted before it runs: has this place
 * killed us before? */
static enum kw_rc count_first(struct kw_runner *r, const struct kw_item *items, size_t n,
	bool *ret_counted, bool *ret_suspect, struct kw_err *err)
{
	*ret_counted = *ret_suspect = false;
	for (size_t i = 0; i < n; i++) {
		int tries;

		if (items[i].part->marked)
			continue;
		KW_TRY(kw_attempt_count(
			r, items[i].part, items[i].part->next_offset, false, &tries, err));
		items[i].part->marked = *ret_counted = true;
		if (tries > 1)
			*ret_suspect = true;
	}
	return KW_OK;
}

enum kw_rc kw_batch_process(
	struct kw_runner *r, const struct kw_message *ms, size_t n_ms, struct kw_err *err)
{
	struct kw_item *items;
	size_t n = 0;
	bool counted, suspect;
	enum kw_rc rc, made;
	kw_time now = kw_now(r->config.clock);

	kw_arena_reset(r->arena);
	r->gap = NULL; /* of a batch that did not come to its end */
	items = kw_new(r->arena, struct kw_item, n_ms);
	made = kw_items_make(r, ms, n_ms, items, &n, err);
	if (made != KW_OK && made != KW_NOTHING)
		return made;
	if (n > 0 && unwanted(items, n)) {
		put_off(r, items, n);
	} else if (n > 0) {
		KW_TRY(count_first(r, items, n, &counted, &suspect, err));
		rc = suspect ? run_alone(r, now, items, n, true, err)
			     : run_items(r, now, items, n, err);
		if ((rc == KW_INVALID || rc == KW_CONFLICT) && strcmp(err->code, "KW001") != 0) {
			STAT(r, retries, 1);
			rc = run_alone(r, now, items, n, false, err);
		}
		for (size_t i = 0; rc == KW_FATAL && i < r->n_parts; i++)
			if (r->parts[i].marked)
				kw_attempt_uncount(r, &r->parts[i], r->parts[i].next_offset, false);
		if (rc != KW_OK)
			return rc;
		if (counted)
			KW_TRY(kw_attempts_forget(r->pg, r->arena, r->group, err));
	}
	return r->gap ? kw_gap_rewind(r, err) : KW_OK;
}
