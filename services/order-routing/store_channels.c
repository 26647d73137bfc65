/* Channels that are asked, and withdrawn orders. */
#include "store_channels.h"

#include "stmts.h"

static const struct kw_col text_cols[] = { KW_COL_TEXT(struct text_row, text), KW_COL_END };
static const struct kw_col id_cols[] = { KW_COL_UUID(struct id_row, id), KW_COL_END };

static const struct kw_col poll_cols[] = {
	KW_COL_TEXT(struct poll_row, channel),
	KW_COL_TIME(struct poll_row, walk.since),
	KW_COL_INT(struct poll_row, walk.page),
	KW_COL_TIME(struct poll_row, walk.seen_to),
	KW_COL_I64(struct poll_row, token),
	KW_COL_INT(struct poll_row, failures),
	KW_COL_END,
};

static const struct kw_col outcome_cols[] = {
	KW_COL_TEXT(struct poll_outcome, channel),
	KW_COL_I64(struct poll_outcome, token),
	KW_COL_TIME(struct poll_outcome, walk.since),
	KW_COL_INT(struct poll_outcome, walk.page),
	KW_COL_TIME(struct poll_outcome, walk.seen_to),
	KW_COL_I64(struct poll_outcome, pause_ms),
	KW_COL_TEXT(struct poll_outcome, reason),
	KW_COL_INT(struct poll_outcome, failures),
	KW_COL_I64(struct poll_outcome, orders),
	KW_COL_BOOL(struct poll_outcome, read_to_end),
	KW_COL_END,
};

enum kw_rc store_take_polls(struct kw_pg *pg, struct kw_arena *a, const struct text_row *channels,
	size_t n, int limit, kw_time now, int lease_ms, struct poll_row **ret, size_t *ret_n,
	struct kw_err *err)
{
	struct kw_args args = kw_args_of(a);

	kw_args_rows(&args, text_cols, channels, n, sizeof(*channels));
	kw_args_time(&args, walk_new(now).since);
	kw_args_int(&args, lease_ms);
	kw_args_int(&args, limit);
	return kw_pg_fetch(
		pg, &routing_stmts[TAKE_POLLS], &args, poll_cols, sizeof(**ret), ret, ret_n, err);
}

enum kw_rc store_save_polls(
	struct kw_batch *b, const struct poll_outcome *rows, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, outcome_cols, rows, n, sizeof(*rows));
	kw_args_time(&args, b->now);
	return kw_pg_exec(b->pg, &routing_stmts[SAVE_POLLS], &args, NULL, err);
}

enum kw_rc store_due_fetches(struct kw_pg *pg, struct kw_arena *a, struct text_row **ret,
	size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(a);

	return kw_pg_fetch(
		pg, &routing_stmts[DUE_FETCHES], &args, text_cols, sizeof(**ret), ret, ret_n, err);
}

enum kw_rc store_insert_withdrawn(
	struct kw_batch *b, const struct id_row *ids, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, id_cols, ids, n, sizeof(*ids));
	kw_args_time(&args, b->now);
	return kw_pg_exec(b->pg, &routing_stmts[INSERT_WITHDRAWN], &args, NULL, err);
}

enum kw_rc store_find_withdrawn(struct kw_batch *b, const struct id_row *ids, size_t n,
	struct id_row **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	*ret_n = 0;
	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, id_cols, ids, n, sizeof(*ids));
	return kw_pg_fetch(b->pg, &routing_stmts[FIND_WITHDRAWN], &args, id_cols, sizeof(**ret),
		ret, ret_n, err);
}
