/* Leased outbound work on the intents table. */
#include "flow/lease.h"

#include <stdlib.h>
#include <string.h>

#include "flow/impl.h"

enum { TAKE, FINISH };

static const struct kw_stmt stmts[] = {
	[TAKE] = { "UPDATE intents i SET token = nextval('lease_tokens'), attempts = i.attempts + "
		   "1, leased = true, "
		   "due = clock_timestamp() + $3::int * interval '1 millisecond' "
		   "FROM (SELECT id, leased FROM intents WHERE kind = $1::text AND state = "
		   "'PENDING' AND due <= clock_timestamp() "
		   "ORDER BY due LIMIT $2::bigint FOR UPDATE SKIP LOCKED) d WHERE i.id = d.id "
		   "RETURNING i.id, i.entity, i.payload, i.trace, i.token, i.attempts, d.leased" },
	[FINISH] = { "UPDATE intents i SET state = CASE o.result WHEN 0 THEN 'DONE' WHEN 3 THEN "
		     "'FAILED' ELSE 'PENDING' END, "
		     "leased = (o.result = 2), due = coalesce(o.due, i.due), detail = o.detail, "
		     "ended_at = CASE WHEN o.result IN (0, 3) THEN $6::timestamptz END "
		     "FROM unnest($1::uuid[], $2::bigint[], $3::int[], $4::timestamptz[], "
		     "$5::text[]) "
		     "AS o(id, token, result, due, detail) "
		     "WHERE i.id = o.id AND i.token = o.token AND i.state = 'PENDING' RETURNING "
		     "i.id" },
};

static const struct kw_col intent_cols[] = {
	KW_COL_UUID(struct kw_intent, id),
	KW_COL_UUID(struct kw_intent, entity),
	KW_COL_TEXT(struct kw_intent, payload),
	KW_COL_TEXT(struct kw_intent, trace),
	KW_COL_I64(struct kw_intent, token),
	KW_COL_INT(struct kw_intent, attempts),
	KW_COL_BOOL(struct kw_intent, inquire),
	KW_COL_END,
};

static const struct kw_col outcome_cols[] = {
	KW_COL_UUID(struct kw_intent_outcome, id),
	KW_COL_I64(struct kw_intent_outcome, token),
	KW_COL_INT(struct kw_intent_outcome, result),
	KW_COL_TIME(struct kw_intent_outcome, due),
	KW_COL_TEXT(struct kw_intent_outcome, detail),
	KW_COL_END,
};

enum kw_rc kw_lease_take(struct kw_pg *pg, struct kw_arena *a, const char *kind, size_t limit,
	int lease_ms, struct kw_intent **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(a);

	kw_args_text(&args, kind);
	kw_args_i64(&args, (int64_t)limit);
	kw_args_int(&args, lease_ms);
	KW_TRY(kw_pg_fetch(pg, &stmts[TAKE], &args, intent_cols, sizeof(**ret), ret, ret_n, err));
	return *ret_n > 0 ? KW_OK : KW_NOTHING;
}

struct held_row {
	struct kw_uuid id;
};

static const struct kw_col held_cols[] = { KW_COL_UUID(struct held_row, id), KW_COL_END };

static int by_id(const void *left, const void *right)
{
	return strcmp(
		((const struct held_row *)left)->id.s, ((const struct held_row *)right)->id.s);
}

enum kw_rc kw_lease_finish(
	struct kw_batch *b, struct kw_intent_outcome *outcomes, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	struct held_row *held;
	size_t n_held;

	kw_args_rows(&args, outcome_cols, outcomes, n, sizeof(*outcomes));
	kw_args_time(&args, b->now);
	KW_TRY(kw_pg_fetch(
		b->pg, &stmts[FINISH], &args, held_cols, sizeof(*held), &held, &n_held, err));
	if (n_held > 0)
		qsort(held, n_held, sizeof(*held), by_id);
	for (size_t i = 0; i < n; i++) {
		struct held_row key = { outcomes[i].id };

		outcomes[i].held =
			n_held > 0 && bsearch(&key, held, n_held, sizeof(*held), by_id) != NULL;
	}
	return KW_OK;
}
