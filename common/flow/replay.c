/* A dead letter is handed to its handler again, without the place test, and marked in the same
 * transaction (rule 8). */
#include "flow/impl.h"

#include <string.h>

enum { FIND_DEAD, MARK_DEAD, FIND_REQUESTED, END_REQUEST };

static const struct kw_stmt stmts[] = {
	[FIND_DEAD] = { "SELECT topic, partition, at_offset, appended_at, key, value, headers, "
			"replayed_at IS NOT NULL, replays "
			"FROM dead_letters WHERE id = $1::bigint FOR UPDATE" },
	/* the request ends with it: another replica may have taken it up, too */
	[MARK_DEAD] = { "UPDATE dead_letters SET replayed_at = $2::timestamptz, outcome = 'OK: done', "
			"replays = replays + CASE WHEN requested = 'REPLAY' THEN 1 ELSE 0 END, "
			"requested = NULL WHERE id = $1::bigint" },
	[FIND_REQUESTED] = { "SELECT id, requested = 'DRY_RUN' FROM dead_letters WHERE requested IS NOT NULL ORDER BY id LIMIT 100" },
	[END_REQUEST] = { "UPDATE dead_letters SET requested = NULL, outcome = $2::text, "
			  "replays = replays + CASE WHEN requested = 'REPLAY' THEN 1 ELSE 0 END "
			  "WHERE id = $1::bigint AND requested IS NOT NULL" },
};

struct letter {
	const char *topic, *headers;
	int partition, replays;
	int64_t offset;
	kw_time time;
	struct kw_bytes key, value;
	bool replayed;
};

static const struct kw_col letter_cols[] = {
	KW_COL_TEXT(struct letter, topic),
	KW_COL_INT(struct letter, partition),
	KW_COL_I64(struct letter, offset),
	KW_COL_TIME(struct letter, time),
	KW_COL_BYTES(struct letter, key),
	KW_COL_BYTES(struct letter, value),
	KW_COL_TEXT(struct letter, headers),
	KW_COL_BOOL(struct letter, replayed),
	KW_COL_INT(struct letter, replays),
	KW_COL_END,
};

struct replay {
	const struct kw_flow_config *config;
	int64_t id;
	bool dry_run;
};

/* "name=value\n" lines back to headers. */
static void parse_headers(struct kw_arena *a, const char *text, struct kw_message *m)
{
	while (*text && m->n_headers < KW_HEADERS_MAX) {
		const char *end = strchr(text, '\n'), *equals = strchr(text, '=');

		if (!end || !equals || equals > end)
			return;
		m->headers[m->n_headers++] = (struct kw_header) {
			.name = kw_arena_strn(a, text, (size_t)(equals - text)),
			.value = { equals + 1, (size_t)(end - equals - 1) },
		};
		text = end + 1;
	}
}

static enum kw_rc replay_one(struct kw_batch *b, void *arg, struct kw_err *err)
{
	const struct replay *replay = arg;
	struct kw_args args = kw_args_of(b->arena);
	const struct kw_topic_row *row;
	struct kw_envelope envelope = { 0 };
	struct letter letter;
	enum kw_rc rc;

	kw_args_i64(&args, replay->id);
	rc = kw_pg_fetch_one(
		b->pg, &stmts[FIND_DEAD], &args, letter_cols, sizeof(letter), &letter, err);
	if (rc == KW_NOTHING)
		return kw_fail(
			err, KW_INVALID, "there is no dead letter %lld", (long long)replay->id);
	KW_TRY(rc);
	if (letter.replayed)
		return kw_fail(err, KW_DUPLICATE, "dead letter %lld was replayed before",
			(long long)replay->id);
	if (letter.replays >= KW_REPLAYS_MAX)
		return kw_fail_code(
			err, KW_INVALID, "LOOP_GUARD", "it was tried %d times", letter.replays);
	struct kw_message m = {
		.topic = letter.topic,
		.partition = letter.partition,
		.offset = -1,
		.time = letter.time,
		.key = letter.key,
		.value = letter.value,
	};
	parse_headers(b->arena, letter.headers, &m);
	KW_TRY(kw_envelope_parse(&m, b->arena, &envelope, err));
	row = kw_row_find(replay->config, m.topic, envelope.type);
	if (!row)
		return kw_fail_code(
			err, KW_INVALID, "UNKNOWN_TYPE", "unknown type %.100s", envelope.type);
	void *in = kw_arena_alloc(b->arena, 1, row->size);
	KW_TRY(kw_message_decode(row, &m, &envelope, b->arena, in, err));
	KW_TRY(row->handle(b, in, 1, err));
	if (replay->dry_run) {
		KW_TRY(kw_batch_flush(b, err));
		return kw_fail(err, KW_NOTHING, "dry run: it would be done");
	}
	args = kw_args_of(b->arena);
	kw_args_i64(&args, replay->id);
	kw_args_time(&args, b->now);
	return kw_pg_exec(b->pg, &stmts[MARK_DEAD], &args, NULL, err);
}

enum kw_rc kw_replay(const struct kw_flow_config *config, struct kw_pg *pg, struct kw_arena *a,
	int64_t dead_letter_id, bool dry_run, struct kw_err *err)
{
	struct replay replay = { .config = config, .id = dead_letter_id, .dry_run = dry_run };
	enum kw_rc rc = kw_outcome_run(config, pg, a, replay_one, &replay, err);

	/* the dry run's way out is a rollback */
	return dry_run && rc == KW_NOTHING ? KW_OK : rc;
}

struct request {
	int64_t id;
	bool dry_run;
};

static const struct kw_col request_cols[] = {
	KW_COL_I64(struct request, id),
	KW_COL_BOOL(struct request, dry_run),
	KW_COL_END,
};

enum kw_rc kw_replay_requested(const struct kw_flow_config *config, struct kw_pg *pg,
	struct kw_arena *a, struct kw_err *err)
{
	struct kw_args args = kw_args_of(a);
	struct request *requests;
	size_t n;

	KW_TRY(kw_pg_fetch(pg, &stmts[FIND_REQUESTED], &args, request_cols, sizeof(*requests),
		&requests, &n, err));
	for (size_t i = 0; i < n; i++) {
		struct kw_err why = { 0 };
		enum kw_rc rc = kw_replay(config, pg, a, requests[i].id, requests[i].dry_run, &why);

		if (rc == KW_RETRY || rc == KW_FATAL) {
			if (err)
				*err = why;
			return rc;
		}
		args = kw_args_of(a);
		kw_args_i64(&args, requests[i].id);
		kw_args_text(&args, rc != KW_OK ? kw_arena_printf(a, "%s %s %s: %s", kw_rc_name(rc),
							  why.code, why.pointer, why.reason)
				    : requests[i].dry_run ? "OK: it would be done"
							  : "OK: done");
		KW_TRY(kw_pg_exec(pg, &stmts[END_REQUEST], &args, NULL, err));
	}
	return n > 0 ? KW_OK : KW_NOTHING;
}
