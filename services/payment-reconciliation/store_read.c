/* The typed functions around the statements that the API and the timer use. */
#include "store.h"

#include "statements.h"

static const struct kw_col missing_cols[] = {
	KW_COL_UUID(struct missing_order, order_id),
	KW_COL_TEXT(struct missing_order, trace),
	KW_COL_END,
};

enum kw_rc store_find_missing(struct kw_pg *pg, struct kw_arena *a, kw_time before,
	struct missing_order **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(a);
	kw_args_time(&args, before);
	kw_args_i64(&args, FAULT_BIT(FAULT_ORDER_MISSING));
	return kw_pg_fetch(
		pg, STMT(FIND_MISSING), &args, missing_cols, sizeof(**ret), ret, ret_n, err);
}

static const struct kw_col payment_view_cols[] = {
	KW_COL_UUID(struct payment_view, payment_id),
	KW_COL_UUID(struct payment_view, order_id),
	KW_COL_TEXT(struct payment_view, provider),
	KW_COL_TEXT(struct payment_view, provider_payment_id),
	KW_COL_TEXT(struct payment_view, channel),
	KW_COL_TEXT(struct payment_view, external_id),
	KW_COL_ENUM(struct payment_view, state, &payment_states),
	KW_COL_MONEY(struct payment_view, captured),
	KW_COL_MONEY(struct payment_view, refunded),
	KW_COL_BOOL(struct payment_view, suspense),
	KW_COL_I64(struct payment_view, version),
	KW_COL_TIME(struct payment_view, opened_at),
	KW_COL_TIME(struct payment_view, changed_at),
	KW_COL_END,
};

enum kw_rc store_read_payment(struct kw_pg *pg, struct kw_arena *a, const struct kw_uuid *id,
	struct payment_view *ret, struct kw_err *err)
{
	struct kw_args args = kw_args_of(a);
	kw_args_uuid(&args, id);
	return kw_pg_fetch_one(
		pg, STMT(READ_PAYMENT), &args, payment_view_cols, sizeof(*ret), ret, err);
}

static const struct kw_col statement_cols[] = {
	KW_COL_UUID(struct statement_line, earning_id),
	KW_COL_UUID(struct statement_line, order_id),
	KW_COL_UUID(struct statement_line, fulfilment_id),
	KW_COL_TEXT(struct statement_line, channel),
	KW_COL_TEXT(struct statement_line, external_id),
	KW_COL_TEXT(struct statement_line, line_id),
	KW_COL_TEXT(struct statement_line, title),
	KW_COL_I64(struct statement_line, quantity),
	KW_COL_MONEY(struct statement_line, amount),
	KW_COL_MONEY(struct statement_line, fee),
	KW_COL_MONEY(struct statement_line, total),
	KW_COL_TIME(struct statement_line, earned_at),
	KW_COL_END,
};

/* Where a list begins: before everything. A time of 0 means NULL to the arguments, so the first
 * microsecond stands for it. */
static void after_args(struct kw_args *args, kw_time time, const struct kw_uuid *id)
{
	static const struct kw_uuid first = { "00000000-0000-0000-0000-000000000000" };
	kw_args_time(args, time ? time : 1);
	kw_args_uuid(args, id->s[0] ? id : &first);
}

enum kw_rc store_read_statement(struct kw_pg *pg, struct kw_arena *a, const char *maker_id,
	kw_time after_time, const struct kw_uuid *after_id, int64_t limit,
	struct statement_line **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(a);
	kw_args_text(&args, maker_id);
	after_args(&args, after_time, after_id);
	kw_args_i64(&args, limit);
	return kw_pg_fetch(
		pg, STMT(READ_STATEMENT), &args, statement_cols, sizeof(**ret), ret, ret_n, err);
}
