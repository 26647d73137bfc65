/* What could not be done: dead letters as rows of the batch's transaction, and the count of
 * attempts. */
#include "flow/impl.h"

#include <string.h>

#include "json/json.h"

enum { INSERT_DEAD, COUNT_TRY, COUNT_ALONE, UNCOUNT, FORGET };

static const struct kw_stmt stmts[] = {
	[INSERT_DEAD] = { "INSERT INTO dead_letters (grp, topic, partition, at_offset, "
			  "appended_at, key, value, headers, reason, "
			  "pointer, code, attempts, dead_at) "
			  "SELECT $1::text, d.topic, d.partition, d.at_offset, d.appended_at, "
			  "d.key, d.value, d.headers, d.reason, "
			  "d.pointer, d.code, d.attempts, $2::timestamptz "
			  "FROM unnest($3::text[], $4::int[], $5::bigint[], $6::timestamptz[], "
			  "$7::bytea[], $8::bytea[], "
			  "$9::text[], $10::text[], $11::text[], $12::text[], $13::int[]) "
			  "AS d(topic, partition, at_offset, appended_at, key, value, headers, "
			  "reason, pointer, code, attempts) "
			  "ON CONFLICT DO NOTHING" },
	[COUNT_TRY] = { "INSERT INTO attempts (grp, topic, partition, at_offset, tries) "
			"VALUES ($1::text, $2::text, $3::int, $4::bigint, 1) "
			"ON CONFLICT (grp, topic, partition, at_offset) DO UPDATE "
			"SET tries = attempts.tries + 1 RETURNING tries + alone" },
	[COUNT_ALONE] = { "INSERT INTO attempts (grp, topic, partition, at_offset, alone) "
			  "VALUES ($1::text, $2::text, $3::int, $4::bigint, 1) "
			  "ON CONFLICT (grp, topic, partition, at_offset) DO UPDATE SET alone = "
			  "attempts.alone + 1 "
			  "RETURNING alone" },
	[UNCOUNT] = { "UPDATE attempts SET tries = greatest(tries - CASE WHEN $5::boolean THEN 0 ELSE 1 END, 0), "
		      "alone = greatest(alone - CASE WHEN $5::boolean THEN 1 ELSE 0 END, 0) "
		      "WHERE grp = $1::text AND topic = $2::text AND partition = $3::int AND at_offset = $4::bigint" },
	[FORGET] = { "DELETE FROM attempts a USING offsets o WHERE a.grp = $1::text AND o.grp = "
		     "a.grp AND o.topic = a.topic "
		     "AND o.partition = a.partition AND a.at_offset < o.next_offset" },
};

struct dead_row {
	const char *topic, *headers, *reason, *pointer, *code;
	int partition, attempts;
	int64_t offset;
	kw_time time;
	struct kw_bytes key, value;
};

static const struct kw_col dead_cols[] = {
	KW_COL_TEXT(struct dead_row, topic),
	KW_COL_INT(struct dead_row, partition),
	KW_COL_I64(struct dead_row, offset),
	KW_COL_TIME(struct dead_row, time),
	KW_COL_BYTES(struct dead_row, key),
	KW_COL_BYTES(struct dead_row, value),
	KW_COL_TEXT(struct dead_row, headers),
	KW_COL_TEXT(struct dead_row, reason),
	KW_COL_TEXT(struct dead_row, pointer),
	KW_COL_TEXT(struct dead_row, code),
	KW_COL_INT(struct dead_row, attempts),
	KW_COL_END,
};

/* Header values are kept as texts; bytes outside printable ASCII become "?": they are for a person,
 * and for replay's ce_type. */
static const char *headers_text(struct kw_arena *a, const struct kw_message *m)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf text;
	size_t n = m->n_headers < KW_HEADERS_MAX ? m->n_headers : KW_HEADERS_MAX;

	kw_buf_init(&text, 64 * 1024);
	for (size_t i = 0; i < n; i++) {
		const unsigned char *p = m->headers[i].value.p;
		size_t length = m->headers[i].value.n < 256 ? m->headers[i].value.n : 256;

		kw_buf_str(&text, m->headers[i].name);
		kw_buf_char(&text, '=');
		for (size_t k = 0; k < length; k++)
			kw_buf_char(&text, p[k] >= 0x20 && p[k] < 0x7f ? (char)p[k] : '?');
		kw_buf_char(&text, '\n');
	}
	return kw_arena_strn(a, text.p ? text.p : "", text.n);
}

enum kw_rc kw_dead_write(struct kw_pg *pg, struct kw_arena *a, const char *group, kw_time now,
	const struct kw_dead *dead, size_t n, struct kw_err *err)
{
	struct dead_row *rows = kw_new(a, struct dead_row, n);
	struct kw_args args = kw_args_of(a);

	for (size_t i = 0; i < n; i++) {
		const struct kw_message *m = dead[i].m;
		rows[i] = (struct dead_row) {
			.topic = m->topic,
			.headers = headers_text(a, m),
			.reason = kw_arena_str(a, dead[i].err.reason),
			.pointer = kw_arena_str(a, dead[i].err.pointer),
			.code = kw_arena_str(a, dead[i].err.code),
			.partition = m->partition,
			.attempts = dead[i].attempts,
			.offset = m->offset,
			.time = m->time,
			.key = { m->key.p ? m->key.p : "", m->key.n },
			.value = { m->value.p ? m->value.p : "", m->value.n },
		};
	}
	kw_args_text(&args, group);
	kw_args_time(&args, now);
	kw_args_rows(&args, dead_cols, rows, n, sizeof(*rows));
	return kw_pg_exec(pg, &stmts[INSERT_DEAD], &args, NULL, err);
}

struct count_row {
	int count;
};

static const struct kw_col count_cols[] = { KW_COL_INT(struct count_row, count), KW_COL_END };

enum kw_rc kw_attempt_count(struct kw_runner *r, const struct kw_part *part, int64_t offset,
	bool alone, int *ret, struct kw_err *err)
{
	struct kw_args args = kw_args_of(r->arena);
	struct count_row row;

	kw_args_text(&args, r->group);
	kw_args_text(&args, part->topic);
	kw_args_int(&args, part->partition);
	kw_args_i64(&args, offset);
	KW_TRY(kw_pg_fetch_one(r->pg, &stmts[alone ? COUNT_ALONE : COUNT_TRY], &args, count_cols,
		sizeof(row), &row, err));
	*ret = row.count;
	return KW_OK;
}

void kw_attempt_uncount(struct kw_runner *r, const struct kw_part *part, int64_t offset, bool alone)
{
	struct kw_args args = kw_args_of(r->arena);
	struct kw_err ignored;

	kw_args_text(&args, r->group);
	kw_args_text(&args, part->topic);
	kw_args_int(&args, part->partition);
	kw_args_i64(&args, offset);
	kw_args_bool(&args, alone);
	(void)kw_pg_exec(r->pg, &stmts[UNCOUNT], &args, NULL, &ignored);
}

enum kw_rc kw_attempts_forget(
	struct kw_pg *pg, struct kw_arena *a, const char *group, struct kw_err *err)
{
	struct kw_args args = kw_args_of(a);

	kw_args_text(&args, group);
	return kw_pg_exec(pg, &stmts[FORGET], &args, NULL, err);
}

const struct kw_topic_row *kw_row_find(
	const struct kw_flow_config *config, const char *topic, const char *type)
{
	for (const struct kw_topic_row *row = config->rows; row->topic; row++)
		if (strcmp(row->topic, topic) == 0 && strcmp(row->type, type) == 0)
			return row;
	return NULL;
}

enum kw_rc kw_message_decode(const struct kw_topic_row *row, const struct kw_message *m,
	const struct kw_envelope *e, struct kw_arena *a, void *out, struct kw_err *err)
{
	memset(out, 0, row->size);
	KW_TRY(kw_json_decode(row->fields, m->value.p, m->value.n, a, out, err));
	*(struct kw_meta *)out = (struct kw_meta) {
		.topic = row->topic,
		.partition = m->partition,
		.offset = m->offset,
		.time = m->time,
		.key = kw_arena_strn(a, m->key.p ? m->key.p : "", m->key.n),
		.type = row->type,
		.subject = e->subject,
		.id = e->id,
		.place = e->place,
		.trace = e->trace,
	};
	return KW_OK;
}
