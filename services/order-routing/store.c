/* Reading and locking orders and what allocation looks at. */
#include "store.h"

#include <stdlib.h>
#include <string.h>

#include "stmts.h"

static const struct kw_col id_cols[] = { KW_COL_UUID(struct id_row, id), KW_COL_END };
static const struct kw_col text_cols[] = { KW_COL_TEXT(struct text_row, text), KW_COL_END };

#define O struct order
static const struct kw_col order_cols[] = {
	KW_COL_I64(O, no), /* not inserted: the server gives it */
	KW_COL_UUID(O, id),
	KW_COL_TEXT(O, channel),
	KW_COL_TEXT(O, external_id),
	KW_COL_TEXT(O, number),
	KW_COL_ENUM(O, state, &order_state_names),
	KW_COL_I64(O, version),
	KW_COL_TIME(O, placed_at),
	KW_COL_TIME(O, seen_at),
	KW_COL_TIME(O, updated_at),
	KW_COL_TIME(O, source_time),
	KW_COL_ENUM(O, source_kind, &order_kind_names),
	KW_COL_TIME(O, first_time),
	KW_COL_ENUM(O, first_kind, &order_kind_names),
	KW_COL_TEXT(O, first_hash),
	KW_COL_BOOL(O, test),
	KW_COL_BOOL(O, cod),
	KW_COL_BOOL(O, cancel_asked),
	KW_COL_CHARS(O, currency),
	KW_COL_I64(O, total),
	KW_COL_I64(O, lines_total),
	KW_COL_I64(O, shipping),
	KW_COL_I64(O, tax),
	KW_COL_I64(O, discount),
	KW_COL_TEXT(O, totals_flag),
	KW_COL_TEXT(O, financial_status),
	KW_COL_TEXT(O, email_hash),
	KW_COL_INT(O, fee_bps),
	KW_COL_INT(O, park_days),
	KW_COL_TEXT(O, ship_to),
	KW_COL_TIME(O, auto_cancel_at),
	KW_COL_INT(O, n_fulfilments),
	KW_COL_I64(O, revision),
	KW_COL_END,
};

/* What changes of an order after it was inserted. */
static const struct kw_col order_change_cols[] = {
	KW_COL_UUID(O, id),
	KW_COL_ENUM(O, state, &order_state_names),
	KW_COL_I64(O, version),
	KW_COL_TIME(O, updated_at),
	KW_COL_TIME(O, source_time),
	KW_COL_ENUM(O, source_kind, &order_kind_names),
	KW_COL_BOOL(O, cancel_asked),
	KW_COL_I64(O, total),
	KW_COL_I64(O, lines_total),
	KW_COL_I64(O, shipping),
	KW_COL_I64(O, tax),
	KW_COL_I64(O, discount),
	KW_COL_TEXT(O, totals_flag),
	KW_COL_TEXT(O, financial_status),
	KW_COL_TEXT(O, ship_to),
	KW_COL_TIME(O, auto_cancel_at),
	KW_COL_INT(O, n_fulfilments),
	KW_COL_I64(O, revision),
	KW_COL_END,
};
#undef O

#define L struct line
static const struct kw_col line_cols[] = {
	KW_COL_I64(L, order_no),
	KW_COL_INT(L, no),
	KW_COL_TEXT(L, line_id),
	KW_COL_TEXT(L, sku),
	KW_COL_TEXT(L, title),
	KW_COL_INT(L, quantity),
	KW_COL_I64(L, price),
	KW_COL_I64(L, discount),
	KW_COL_TEXT(L, listing_id),
	KW_COL_INT(L, allocated),
	KW_COL_INT(L, parked),
	KW_COL_INT(L, shipped),
	KW_COL_INT(L, delivered),
	KW_COL_INT(L, incomplete),
	KW_COL_INT(L, cancelled),
	KW_COL_INT(L, expired),
	KW_COL_END,
};

static const struct kw_col line_change_cols[] = {
	KW_COL_I64(L, order_no),
	KW_COL_INT(L, no),
	KW_COL_TEXT(L, listing_id),
	KW_COL_INT(L, allocated),
	KW_COL_INT(L, parked),
	KW_COL_INT(L, shipped),
	KW_COL_INT(L, delivered),
	KW_COL_INT(L, incomplete),
	KW_COL_INT(L, cancelled),
	KW_COL_INT(L, expired),
	KW_COL_END,
};
#undef L

#define F struct fulfilment
static const struct kw_col fulfilment_cols[] = {
	KW_COL_I64(F, order_no),
	KW_COL_UUID(F, order_id),
	KW_COL_INT(F, n),
	KW_COL_UUID(F, id),
	KW_COL_TEXT(F, maker_id),
	KW_COL_TEXT(F, hub_id),
	KW_COL_ENUM(F, state, &fulfilment_state_names),
	KW_COL_END,
};

static const struct kw_col fulfilment_change_cols[] = {
	KW_COL_I64(F, order_no),
	KW_COL_INT(F, n),
	KW_COL_ENUM(F, state, &fulfilment_state_names),
	KW_COL_END,
};
#undef F

static const struct kw_col allocation_cols[] = {
	KW_COL_I64(struct allocation, order_no),
	KW_COL_INT(struct allocation, n),
	KW_COL_INT(struct allocation, line_no),
	KW_COL_TEXT(struct allocation, listing_id),
	KW_COL_INT(struct allocation, quantity),
	KW_COL_INT(struct allocation, week),
	KW_COL_TEXT(struct allocation, rule),
	KW_COL_I64(struct allocation, version),
	KW_COL_END,
};

static const struct kw_col seen_cols[] = {
	KW_COL_UUID(struct seen, order_id),
	KW_COL_ENUM(struct seen, kind, &order_kind_names),
	KW_COL_TIME(struct seen, source_time),
	KW_COL_TEXT(struct seen, content_hash),
	KW_COL_BOOL(struct seen, conflict),
	KW_COL_END,
};

#define P struct parked_row
static const struct kw_col parked_cols[] = {
	KW_COL_UUID(P, order_id),
	KW_COL_INT(P, line_no),
	KW_COL_ENUM(P, reason, &park_reason_names),
	KW_COL_TIME(P, since),
	KW_COL_TIME(P, auto_cancel_at),
	KW_COL_TIME(P, retry_at),
	KW_COL_INT(P, tries),
	KW_COL_TEXT(P, wait_keys),
	KW_COL_TEXT(P, trace),
	KW_COL_END,
};

static const struct kw_col parked_key_cols[] = {
	KW_COL_UUID(P, order_id),
	KW_COL_INT(P, line_no),
	KW_COL_END,
};
#undef P

static const struct kw_col payment_cols[] = {
	KW_COL_UUID(struct payment_row, order_id),
	KW_COL_TEXT(struct payment_row, reference),
	KW_COL_MONEY(struct payment_row, amount),
	KW_COL_TIME(struct payment_row, paid_at),
	KW_COL_END,
};

static const struct kw_col cancel_cols[] = {
	KW_COL_UUID(struct cancel_row, order_id),
	KW_COL_TEXT(struct cancel_row, request_id),
	KW_COL_TEXT(struct cancel_row, reason),
	KW_COL_TEXT(struct cancel_row, by),
	KW_COL_TEXT(struct cancel_row, outcome),
	KW_COL_END,
};

static const struct kw_col decision_cols[] = {
	KW_COL_UUID(struct decision, order_id),
	KW_COL_I64(struct decision, version),
	KW_COL_INT(struct decision, line_no),
	KW_COL_TEXT(struct decision, rule),
	KW_COL_TEXT(struct decision, reason),
	KW_COL_END,
};

static const struct kw_col exception_cols[] = {
	KW_COL_UUID(struct exception_row, exception_id),
	KW_COL_ENUM(struct exception_row, kind, &exception_kind_names),
	KW_COL_UUID(struct exception_row, order_id),
	KW_COL_TEXT(struct exception_row, channel),
	KW_COL_TEXT(struct exception_row, external_id),
	KW_COL_TEXT(struct exception_row, field),
	KW_COL_TEXT(struct exception_row, detail),
	KW_COL_TEXT(struct exception_row, body),
	KW_COL_END,
};

static const struct kw_col exception_now_cols[] = {
	KW_COL_UUID(struct exception_now, exception_id),
	KW_COL_UUID(struct exception_now, order_id),
	KW_COL_ENUM(struct exception_now, kind, &exception_kind_names),
	KW_COL_ENUM(struct exception_now, state, &exception_state_names),
	KW_COL_I64(struct exception_now, version),
	KW_COL_END,
};

static const struct kw_col closing_cols[] = {
	KW_COL_UUID(struct closing_row, exception_id),
	KW_COL_I64(struct closing_row, version),
	KW_COL_ENUM(struct closing_row, resolution, &kw_resolution_names),
	KW_COL_TEXT(struct closing_row, by),
	KW_COL_TEXT(struct closing_row, note),
	KW_COL_END,
};

/* ---- shapes of calls ---- */

static enum kw_rc fetch_of_orders(struct kw_batch *b, int stmt, const struct id_row *ids, size_t n,
	const struct kw_col *cols, size_t size, void *ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	*ret_n = 0;
	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, id_cols, ids, n, sizeof(*ids));
	return kw_pg_fetch(b->pg, &routing_stmts[stmt], &args, cols, size, ret, ret_n, err);
}

#define OF_ORDERS(name, stmt, T, cols)                                                     \
	enum kw_rc name(struct kw_batch *b, const struct id_row *ids, size_t n, T **ret,   \
		size_t *ret_n, struct kw_err *err)                                         \
	{                                                                                  \
		return fetch_of_orders(b, stmt, ids, n, cols, sizeof(T), ret, ret_n, err); \
	}

OF_ORDERS(store_lock_orders, LOCK_ORDERS, struct order, order_cols)
OF_ORDERS(store_find_exceptions, FIND_EXCEPTIONS, struct exception_now, exception_now_cols)
OF_ORDERS(store_lock_exceptions, LOCK_EXCEPTIONS, struct exception_now, exception_now_cols)
OF_ORDERS(store_find_seen, FIND_SEEN, struct seen, seen_cols)
OF_ORDERS(store_find_parked, FIND_PARKED, struct parked_row, parked_cols)
OF_ORDERS(store_find_payments, FIND_PAYMENTS, struct payment_row, payment_cols)
OF_ORDERS(store_find_cancels, FIND_CANCELS, struct cancel_row, cancel_cols)

static enum kw_rc fetch_by_number(struct kw_batch *b, int stmt, const struct number_row *numbers,
	size_t n, const struct kw_col *cols, size_t size, void *ret, size_t *ret_n,
	struct kw_err *err)
{
	static const struct kw_col number_cols[] = { KW_COL_I64(struct number_row, no),
		KW_COL_END };
	struct kw_args args = kw_args_of(b->arena);

	*ret_n = 0;
	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, number_cols, numbers, n, sizeof(*numbers));
	return kw_pg_fetch(b->pg, &routing_stmts[stmt], &args, cols, size, ret, ret_n, err);
}

enum kw_rc store_find_lines(struct kw_batch *b, const struct number_row *numbers, size_t n,
	struct line **ret, size_t *ret_n, struct kw_err *err)
{
	KW_TRY(fetch_by_number(
		b, FIND_LINES, numbers, n, line_cols, sizeof(**ret), ret, ret_n, err));
	for (size_t i = 0; i < *ret_n; i++)
		(*ret)[i].reason = NOT_PARKED;
	return KW_OK;
}

enum kw_rc store_find_fulfilments(struct kw_batch *b, const struct number_row *numbers, size_t n,
	struct fulfilment **ret, size_t *ret_n, struct kw_err *err)
{
	return fetch_by_number(
		b, FIND_FULFILMENTS, numbers, n, fulfilment_cols, sizeof(**ret), ret, ret_n, err);
}

enum kw_rc store_find_allocations(struct kw_batch *b, const struct number_row *numbers, size_t n,
	struct allocation **ret, size_t *ret_n, struct kw_err *err)
{
	return fetch_by_number(
		b, FIND_ALLOCATIONS, numbers, n, allocation_cols, sizeof(**ret), ret, ret_n, err);
}

enum kw_rc store_insert_orders(struct kw_batch *b, const struct order *rows, size_t n,
	struct order_number **ret, size_t *ret_n, struct kw_err *err)
{
	static const struct kw_col cols[] = { KW_COL_UUID(struct order_number, id),
		KW_COL_I64(struct order_number, no), KW_COL_END };
	struct kw_args args = kw_args_of(b->arena);

	*ret_n = 0;
	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, order_cols + 1, rows, n, sizeof(*rows));
	KW_TRY(kw_pg_fetch(
		b->pg, &routing_stmts[INSERT_ORDERS], &args, cols, sizeof(**ret), ret, ret_n, err));
	if (*ret_n != n)
		return kw_fail(err, KW_FATAL, "only %zu of %zu orders were inserted", *ret_n, n);
	return KW_OK;
}

/* Every row must be written: another count means that our picture of the database is wrong. */
static enum kw_rc write_rows(struct kw_batch *b, int stmt, const struct kw_col *cols,
	const void *rows, size_t n, size_t size, kw_time at, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	size_t affected = 0;

	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, cols, rows, n, size);
	if (at != 0)
		kw_args_time(&args, at);
	KW_TRY(kw_pg_exec(b->pg, &routing_stmts[stmt], &args, &affected, err));
	if (affected != n)
		return kw_fail(err, KW_FATAL, "only %zu of %zu rows were written by: %.60s",
			affected, n, routing_stmts[stmt].sql);
	return KW_OK;
}

#define WRITE(name, stmt, T, cols, at)                                                   \
	enum kw_rc name(struct kw_batch *b, const T *rows, size_t n, struct kw_err *err) \
	{                                                                                \
		return write_rows(b, stmt, cols, rows, n, sizeof(T), at, err);           \
	}

WRITE(store_update_orders, UPDATE_ORDERS, struct order, order_change_cols, 0)
WRITE(store_insert_lines, INSERT_LINES, struct line, line_cols, 0)
WRITE(store_update_lines, UPDATE_LINES, struct line, line_change_cols, 0)
WRITE(store_insert_fulfilments, INSERT_FULFILMENTS, struct fulfilment, fulfilment_cols, 0)
WRITE(store_update_fulfilments, UPDATE_FULFILMENTS, struct fulfilment, fulfilment_change_cols, 0)
WRITE(store_insert_allocations, INSERT_ALLOCATIONS, struct allocation, allocation_cols, 0)
WRITE(store_put_parked, PUT_PARKED, struct parked_row, parked_cols, 0)
WRITE(store_delete_parked, DELETE_PARKED, struct parked_row, parked_key_cols, 0)
WRITE(store_insert_messages, INSERT_MESSAGES, struct seen, seen_cols, 0)
WRITE(store_insert_payments, INSERT_PAYMENTS, struct payment_row, payment_cols, 0)
WRITE(store_insert_cancels, INSERT_CANCELS, struct cancel_row, cancel_cols, b->now)
WRITE(store_insert_decisions, INSERT_DECISIONS, struct decision, decision_cols, b->now)
WRITE(store_close_exceptions, CLOSE_EXCEPTIONS, struct closing_row, closing_cols, b->now)
WRITE(store_insert_wakes, INSERT_WAKES, struct text_row, text_cols, 0)

/* The same exception again changes nothing. */
enum kw_rc store_insert_exceptions(
	struct kw_batch *b, const struct exception_row *rows, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, exception_cols, rows, n, sizeof(*rows));
	kw_args_time(&args, b->now);
	return kw_pg_exec(b->pg, &routing_stmts[INSERT_EXCEPTIONS], &args, NULL, err);
}

/* ---- the API's reads ---- */

struct revision_row {
	int64_t version;
};

enum kw_rc store_read_revision(struct kw_pg *pg, struct kw_arena *a, const struct kw_uuid *id,
	int64_t *ret, struct kw_err *err)
{
	static const struct kw_col cols[] = { KW_COL_I64(struct revision_row, version),
		KW_COL_END };
	struct kw_args args = kw_args_of(a);
	struct revision_row row = { 0 };

	kw_args_uuid(&args, id);
	KW_TRY(kw_pg_fetch_one(
		pg, &routing_stmts[READ_REVISION], &args, cols, sizeof(row), &row, err));
	*ret = row.version;
	return KW_OK;
}

enum kw_rc store_read_order(struct kw_pg *pg, struct kw_arena *a, const struct kw_uuid *id,
	struct work *ret, struct kw_err *err)
{
	struct kw_batch b = { .arena = a, .pg = pg };
	struct id_row ids = { *id };
	struct order *orders;
	struct parked_row *parked;
	size_t n, n_parked;

	KW_TRY(fetch_of_orders(
		&b, READ_ORDER, &ids, 1, order_cols, sizeof(*orders), &orders, &n, err));
	if (n == 0)
		return KW_NOTHING;
	ret->o = orders[0];
	struct number_row no = { ret->o.no };
	KW_TRY(store_find_lines(&b, &no, 1, &ret->lines, &ret->n_lines, err));
	KW_TRY(store_find_fulfilments(&b, &no, 1, &ret->fulfilments, &ret->n_fulfilments, err));
	KW_TRY(store_find_allocations(&b, &no, 1, &ret->allocations, &ret->n_allocations, err));
	KW_TRY(store_find_parked(&b, &ids, 1, &parked, &n_parked, err));
	for (size_t i = 0; i < n_parked; i++)
		for (size_t j = 0; j < ret->n_lines; j++)
			if (ret->lines[j].no == parked[i].line_no)
				ret->lines[j].reason = parked[i].reason;
	return KW_OK;
}
