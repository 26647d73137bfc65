/* Statements of imports. */
#include <stdio.h>
#include <stdlib.h>

#include "store.h"

enum {
	FORGET_PARTS,
	START_IMPORTS,
	FORGET_REQUESTS,
	PUT_PARTS,
	ADD_OUTCOMES,
	ADD_PROBLEMS,
	FIND_IMPORT,
	LIST_PROBLEMS
};

const struct kw_stmt import_stmts[] = {
	/* with what is known of their requests */
	[FORGET_PARTS] = { "WITH old AS (DELETE FROM import_parts p USING unnest($1::uuid[], $2::uuid[]) AS i(import_id, run_id) "
			   "WHERE p.import_id = i.import_id AND p.run_id <> i.run_id RETURNING p.request_id), "
			   "outcomes AS (DELETE FROM import_outcomes o USING old WHERE o.request_id = old.request_id) "
			   "DELETE FROM import_problems x USING old WHERE x.request_id = old.request_id" },
	[START_IMPORTS] = { "INSERT INTO imports AS m (import_id, run_id, kind, format, name, by, bytes, as_of, started_at, changed_at) "
			    "SELECT i.import_id, i.run_id, i.kind, i.format, i.name, i.by, i.bytes, i.as_of, i.started_at, $1::timestamptz "
			    "FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::timestamptz[], "
			    "$10::timestamptz[]) AS i(import_id, run_id, kind, format, name, by, bytes, as_of, started_at) "
			    "ON CONFLICT (import_id) DO UPDATE SET run_id = excluded.run_id, name = excluded.name, by = excluded.by, "
			    "bytes = excluded.bytes, as_of = excluded.as_of, started_at = excluded.started_at, changed_at = excluded.changed_at "
			    "WHERE m.started_at <= excluded.started_at RETURNING import_id, run_id" },
	[FORGET_REQUESTS] = { "WITH old AS (SELECT p.request_id FROM import_parts p JOIN unnest($1::uuid[], $2::bigint[], $3::uuid[]) "
			      "AS i(run_id, part, request_id) ON p.run_id = i.run_id AND p.part = i.part AND p.request_id <> i.request_id), "
			      "outcomes AS (DELETE FROM import_outcomes o USING old WHERE o.request_id = old.request_id) "
			      "DELETE FROM import_problems x USING old WHERE x.request_id = old.request_id" },
	[PUT_PARTS] = { "WITH news AS (SELECT * FROM unnest($2::uuid[], $3::bigint[], $4::uuid[], $5::uuid[], $6::bool[], $7::bool[], "
			"$8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[]) "
			"AS i(run_id, part, import_id, request_id, is_last, is_cut, bytes, rows, appended, refused)), "
			"touched AS (UPDATE imports m SET changed_at = $1::timestamptz FROM (SELECT DISTINCT import_id FROM news) n "
			"WHERE m.import_id = n.import_id) "
			"INSERT INTO import_parts (run_id, part, import_id, request_id, is_last, is_cut, bytes, rows, appended, refused, changed_at) "
			"SELECT run_id, part, import_id, request_id, is_last, is_cut, bytes, rows, appended, refused, $1::timestamptz FROM news "
			"ORDER BY run_id, part ON CONFLICT (run_id, part) DO UPDATE SET request_id = excluded.request_id, "
			"is_last = excluded.is_last, is_cut = excluded.is_cut, bytes = excluded.bytes, rows = excluded.rows, "
			"appended = excluded.appended, refused = excluded.refused, changed_at = excluded.changed_at" },
	[ADD_OUTCOMES] = { "INSERT INTO import_outcomes AS o (request_id, import_id, changed, same, stale, set_aside) "
			   "SELECT request_id, import_id, changed, same, stale, set_aside FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], "
			   "$4::bigint[], $5::bigint[], $6::bigint[]) AS i(request_id, import_id, changed, same, stale, set_aside) "
			   "ORDER BY request_id ON CONFLICT (request_id) DO UPDATE SET changed = o.changed + excluded.changed, "
			   "same = o.same + excluded.same, stale = o.stale + excluded.stale, set_aside = o.set_aside + excluded.set_aside" },
	[ADD_PROBLEMS] = { "WITH news AS (SELECT *, row_number() OVER (PARTITION BY import_id ORDER BY line) AS n "
			   "FROM unnest($2::uuid[], $3::bigint[], $4::uuid[], $5::text[], $6::text[]) "
			   "AS u(request_id, line, import_id, pointer, reason)), "
			   "kept AS MATERIALIZED (SELECT i.import_id, (SELECT count(*) FROM import_problems x WHERE x.import_id = i.import_id) AS n "
			   "FROM (SELECT DISTINCT import_id FROM news) i) "
			   "INSERT INTO import_problems (request_id, line, import_id, pointer, reason) "
			   "SELECT news.request_id, news.line, news.import_id, news.pointer, news.reason FROM news JOIN kept USING (import_id) "
			   "WHERE news.n + kept.n <= $1::bigint ON CONFLICT (request_id, line) DO NOTHING" },
	[FIND_IMPORT] = { "SELECT m.import_id, m.kind, m.format, m.name, m.by, m.as_of, m.started_at, m.changed_at, m.bytes, m.run_id, "
			  "count(p.part), coalesce(max(p.part) FILTER (WHERE p.is_last), 0), coalesce(bool_or(p.is_cut), false), "
			  "coalesce(sum(p.bytes), 0)::bigint, coalesce(sum(p.rows), 0)::bigint, coalesce(sum(p.appended), 0)::bigint, "
			  "coalesce(sum(p.refused), 0)::bigint, coalesce(sum(o.changed), 0)::bigint, coalesce(sum(o.same), 0)::bigint, "
			  "coalesce(sum(o.stale), 0)::bigint, coalesce(sum(o.set_aside), 0)::bigint "
			  "FROM imports m LEFT JOIN import_parts p ON p.run_id = m.run_id LEFT JOIN import_outcomes o USING (request_id) "
			  "WHERE m.import_id = $1::uuid GROUP BY m.import_id" },
	[LIST_PROBLEMS] = { "SELECT x.line, x.pointer, x.reason FROM import_problems x JOIN import_parts p ON p.request_id = x.request_id "
			    "WHERE x.import_id = $1::uuid AND p.import_id = $1::uuid AND p.run_id = $2::uuid AND x.line > $3::bigint "
			    "ORDER BY x.line LIMIT $4::int" },
};
const size_t n_import_stmts = KW_LEN(import_stmts);

static const struct kw_col run_cols[] = {
	KW_COL_UUID(struct import_row, import_id),
	KW_COL_UUID(struct import_row, run_id),
	KW_COL_END,
};

static const struct kw_col import_cols[] = {
	KW_COL_UUID(struct import_row, import_id),
	KW_COL_UUID(struct import_row, run_id),
	KW_COL_ENUM(struct import_row, kind, &import_kind_names),
	KW_COL_ENUM(struct import_row, format, &import_format_names),
	KW_COL_TEXT(struct import_row, name),
	KW_COL_TEXT(struct import_row, by),
	KW_COL_I64(struct import_row, bytes),
	KW_COL_TIME(struct import_row, as_of),
	KW_COL_TIME(struct import_row, started_at),
	KW_COL_END,
};

enum kw_rc store_start_imports(
	struct kw_batch *b, const struct import_row *rows, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena), forget = kw_args_of(b->arena);
	struct import_row *news;
	size_t n_news;

	kw_args_time(&args, b->now);
	kw_args_rows(&args, import_cols, rows, n, sizeof(*rows));
	KW_TRY(kw_pg_fetch(b->pg, &import_stmts[START_IMPORTS], &args, run_cols, sizeof(*news),
		&news, &n_news, err));
	kw_args_rows(&forget, run_cols, news, n_news, sizeof(*news));
	return kw_pg_exec(b->pg, &import_stmts[FORGET_PARTS], &forget, NULL, err);
}

static const struct kw_col request_cols[] = {
	KW_COL_UUID(struct import_part, run_id),
	KW_COL_I64(struct import_part, part),
	KW_COL_UUID(struct import_part, request_id),
	KW_COL_END,
};

static const struct kw_col part_cols[] = {
	KW_COL_UUID(struct import_part, run_id),
	KW_COL_I64(struct import_part, part),
	KW_COL_UUID(struct import_part, import_id),
	KW_COL_UUID(struct import_part, request_id),
	KW_COL_BOOL(struct import_part, last),
	KW_COL_BOOL(struct import_part, cut),
	KW_COL_I64(struct import_part, bytes),
	KW_COL_I64(struct import_part, rows),
	KW_COL_I64(struct import_part, appended),
	KW_COL_I64(struct import_part, refused),
	KW_COL_END,
};

enum kw_rc store_put_parts(
	struct kw_batch *b, const struct import_part *rows, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena), forget = kw_args_of(b->arena);

	kw_args_rows(&forget, request_cols, rows, n, sizeof(*rows));
	KW_TRY(kw_pg_exec(b->pg, &import_stmts[FORGET_REQUESTS], &forget, NULL, err));
	kw_args_time(&args, b->now);
	kw_args_rows(&args, part_cols, rows, n, sizeof(*rows));
	return kw_pg_exec(b->pg, &import_stmts[PUT_PARTS], &args, NULL, err);
}

static const struct kw_col outcome_cols[] = {
	KW_COL_UUID(struct import_outcome, request_id),
	KW_COL_UUID(struct import_outcome, import_id),
	KW_COL_I64(struct import_outcome, changed),
	KW_COL_I64(struct import_outcome, same),
	KW_COL_I64(struct import_outcome, stale),
	KW_COL_I64(struct import_outcome, set_aside),
	KW_COL_END,
};

enum kw_rc store_add_outcomes(
	struct kw_batch *b, const struct import_outcome *rows, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, outcome_cols, rows, n, sizeof(*rows));
	return kw_pg_exec(b->pg, &import_stmts[ADD_OUTCOMES], &args, NULL, err);
}

static const struct kw_col problem_cols[] = {
	KW_COL_UUID(struct import_problem, request_id),
	KW_COL_I64(struct import_problem, line),
	KW_COL_UUID(struct import_problem, import_id),
	KW_COL_TEXT(struct import_problem, pointer),
	KW_COL_TEXT(struct import_problem, reason),
	KW_COL_END,
};

enum kw_rc store_add_problems(
	struct kw_batch *b, const struct import_problem *rows, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	if (n == 0)
		return KW_OK;
	kw_args_i64(&args, IMPORT_PROBLEMS_MAX);
	kw_args_rows(&args, problem_cols, rows, n, sizeof(*rows));
	return kw_pg_exec(b->pg, &import_stmts[ADD_PROBLEMS], &args, NULL, err);
}

/* ---- reads ---- */

struct found_import {
	struct import_view view;
	int64_t last_part;
	bool cut;
};

static const struct kw_col found_cols[] = {
	KW_COL_UUID(struct found_import, view.import_id),
	KW_COL_ENUM(struct found_import, view.kind, &import_kind_names),
	KW_COL_ENUM(struct found_import, view.format, &import_format_names),
	KW_COL_TEXT(struct found_import, view.name),
	KW_COL_TEXT(struct found_import, view.by),
	KW_COL_TIME(struct found_import, view.as_of),
	KW_COL_TIME(struct found_import, view.started_at),
	KW_COL_TIME(struct found_import, view.changed_at),
	KW_COL_I64(struct found_import, view.bytes),
	KW_COL_UUID(struct found_import, view.run_id),
	KW_COL_I64(struct found_import, view.parts),
	KW_COL_I64(struct found_import, last_part),
	KW_COL_BOOL(struct found_import, cut),
	KW_COL_I64(struct found_import, view.bytes_read),
	KW_COL_I64(struct found_import, view.rows),
	KW_COL_I64(struct found_import, view.appended),
	KW_COL_I64(struct found_import, view.refused),
	KW_COL_I64(struct found_import, view.changed),
	KW_COL_I64(struct found_import, view.same),
	KW_COL_I64(struct found_import, view.stale),
	KW_COL_I64(struct found_import, view.set_aside),
	KW_COL_END,
};

static const struct kw_col listed_cols[] = {
	KW_COL_I64(struct problem, line),
	KW_COL_TEXT(struct problem, pointer),
	KW_COL_TEXT(struct problem, reason),
	KW_COL_END,
};

/* All parts up to the last one are in, and each row that was appended has its outcome. */
static enum import_state state_of(const struct found_import *found)
{
	const struct import_view *v = &found->view;

	if (found->last_part == 0 || v->parts < found->last_part)
		return IMPORT_RECEIVING;
	if (v->changed + v->same + v->stale + v->set_aside < v->appended)
		return IMPORT_APPLYING;
	return found->cut ? IMPORT_CUT_SHORT : IMPORT_DONE;
}

static bool parse_cursor(const char *text, int64_t *ret)
{
	char *end;

	*ret = strtoll(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0';
}

enum kw_rc store_find_import(struct kw_pg *pg, struct kw_arena *a, const char *id,
	const char *after, int limit, struct import_view *ret, struct kw_err *err)
{
	struct kw_args args = kw_args_of(a), list = kw_args_of(a);
	struct found_import found = { 0 };
	struct kw_uuid import_id;
	struct problem *problems;
	int64_t line = 0;

	if (!kw_uuid_parse(id, &import_id))
		return KW_NOTHING;
	if (after && !parse_cursor(after, &line))
		return kw_fail_at(err, KW_INVALID, "/cursor", "is not a cursor of ours");
	kw_args_uuid(&args, &import_id);
	KW_TRY(kw_pg_fetch_one(
		pg, &import_stmts[FIND_IMPORT], &args, found_cols, sizeof(found), &found, err));
	kw_args_uuid(&list, &import_id);
	kw_args_uuid(&list, &found.view.run_id);
	kw_args_i64(&list, line);
	kw_args_int(&list, limit);
	KW_TRY(kw_pg_fetch(pg, &import_stmts[LIST_PROBLEMS], &list, listed_cols, sizeof(*problems),
		&problems, &found.view.n_problems, err));
	*ret = found.view;
	ret->state = (int)state_of(&found);
	ret->problems = problems;
	if (ret->n_problems == (size_t)limit)
		ret->next_cursor = kw_arena_printf(a, "%lld", (long long)problems[limit - 1].line);
	return KW_OK;
}
