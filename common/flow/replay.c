/* A dead letter is handed to its handler again, without the place test, and marked in the same
 * transaction (rule 8). */
#include "flow/impl.h"

#include <string.h>

enum { FIND_DEAD, MARK_DEAD };

static const struct kw_stmt stmts[] = {
	[FIND_DEAD] = { "SELECT topic, partition, at_offset, appended_at, key, value, headers, "
			"replayed_at IS NOT NULL, replays "
			"FROM dead_letters WHERE id = $1::bigint FOR UPDATE" },
	[MARK_DEAD] = { "UPDATE dead_letters SET replayed_at = $2::timestamptz, replays = replays "
			"+ 1 WHERE id = $1::bigint" },
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
