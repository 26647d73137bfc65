/* The statements of courier-dispatch, one typed function each. */
#include "store.h"

#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "stmts.h"
#include "json/json.h"

#define STMT(name) (&dispatch_stmts[name])

enum kw_rc store_exec_all(
	struct kw_batch *b, int stmt, const struct kw_args *args, size_t n, struct kw_err *err)
{
	size_t affected;

	KW_TRY(kw_pg_exec(b->pg, STMT(stmt), args, &affected, err));
	if (affected != n)
		return kw_fail(
			err, KW_FATAL, "statement %d touched %zu rows, not %zu", stmt, affected, n);
	return KW_OK;
}

static const struct kw_col id_cols[] = { { KW_COL_UUID_KIND, 0, 0, NULL }, KW_COL_END };

enum kw_rc store_lock_rows(struct kw_batch *b, const struct kw_uuid *orders, size_t n_orders,
	const struct kw_uuid *parcels, size_t n_parcels, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, id_cols, orders, n_orders, sizeof(*orders));
	KW_TRY(kw_pg_exec(b->pg, STMT(LOCK_KNOWN_ORDERS), &args, NULL, err));
	kw_args_rows(&args, id_cols, parcels, n_parcels, sizeof(*parcels));
	return kw_pg_exec(b->pg, STMT(LOCK_KNOWN_PARCELS), &args, NULL, err);
}

/* ---- orders ---- */

static const struct kw_col order_cols[] = {
	KW_COL_UUID(struct order, order_id),
	KW_COL_BOOL(struct order, cod),
	KW_COL_BOOL(struct order, cleared),
	KW_COL_I64(struct order, total),
	KW_COL_I64(struct order, due_given),
	KW_COL_CHARS(struct order, currency),
	KW_COL_I64(struct order, routings),
	KW_COL_I64(struct order, epoch),
	KW_COL_I64(struct order, number),
	KW_COL_END,
};

static const struct kw_col order_id_cols[] = { KW_COL_UUID(struct order, order_id), KW_COL_END };

static int by_order(const void *left, const void *right)
{
	return strcmp(((const struct order *)left)->order_id.s,
		((const struct order *)right)->order_id.s);
}

enum kw_rc store_route_orders(struct kw_batch *b, const struct order *rows, size_t n,
	struct order **ret, struct kw_err *err)
{
	static const struct kw_col cols[] = {
		KW_COL_UUID(struct order, order_id),
		KW_COL_BOOL(struct order, cod),
		KW_COL_I64(struct order, total),
		KW_COL_CHARS(struct order, currency),
		KW_COL_I64(struct order, routings),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);
	size_t n_ret;

	kw_args_rows(&args, cols, rows, n, sizeof(*rows));
	kw_args_time(&args, b->now);
	KW_TRY(kw_pg_fetch(
		b->pg, STMT(ROUTE_ORDERS), &args, order_cols, sizeof(**ret), ret, &n_ret, err));
	if (n_ret != n)
		return kw_fail(err, KW_FATAL, "%zu of %zu orders came back", n_ret, n);
	qsort(*ret, n, sizeof(**ret), by_order);
	return KW_OK;
}

enum kw_rc store_settle_orders(struct kw_batch *b, const struct order *rows, size_t n,
	struct order **ret, size_t *ret_n, struct kw_err *err)
{
	static const struct kw_col cols[] = {
		KW_COL_UUID(struct order, order_id),
		KW_COL_BOOL(struct order, cleared),
		KW_COL_I64(struct order, epoch),
		KW_COL_I64(struct order, number),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, cols, rows, n, sizeof(*rows));
	kw_args_time(&args, b->now);
	KW_TRY(kw_pg_fetch(
		b->pg, STMT(SETTLE_ORDERS), &args, order_cols, sizeof(**ret), ret, ret_n, err));
	qsort(*ret, *ret_n, sizeof(**ret), by_order);
	return KW_OK;
}

enum kw_rc store_lock_orders(
	struct kw_batch *b, const struct order *rows, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, order_id_cols, rows, n, sizeof(*rows));
	kw_args_time(&args, b->now);
	return store_exec_all(b, LOCK_ORDERS, &args, n, err);
}

enum kw_rc store_write_due(
	struct kw_batch *b, const struct order *rows, size_t n, struct kw_err *err)
{
	static const struct kw_col cols[] = {
		KW_COL_UUID(struct order, order_id),
		KW_COL_I64(struct order, due_given),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);

	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, cols, rows, n, sizeof(*rows));
	return store_exec_all(b, WRITE_DUE, &args, n, err);
}

static const struct kw_col cancelled_cols[] = {
	KW_COL_UUID(struct cancelled_fulfilment, fulfilment_id),
	KW_COL_UUID(struct cancelled_fulfilment, order_id),
	KW_COL_TEXT(struct cancelled_fulfilment, reason),
	KW_COL_END,
};

enum kw_rc store_find_cancelled(struct kw_batch *b, const struct order *orders, size_t n,
	struct cancelled_fulfilment **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, order_id_cols, orders, n, sizeof(*orders));
	return kw_pg_fetch(
		b->pg, STMT(FIND_CANCELLED), &args, cancelled_cols, sizeof(**ret), ret, ret_n, err);
}

enum kw_rc store_remember_cancelled(
	struct kw_batch *b, const struct cancelled_fulfilment *rows, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, cancelled_cols, rows, n, sizeof(*rows));
	kw_args_time(&args, b->now);
	return kw_pg_exec(b->pg, STMT(REMEMBER_CANCELLED), &args, NULL, err);
}

/* ---- parcels ---- */

static const struct kw_col parcel_cols[] = {
	KW_COL_UUID(struct parcel, parcel_id),
	KW_COL_UUID(struct parcel, order_id),
	KW_COL_UUID(struct parcel, fulfilment_id),
	KW_COL_I64(struct parcel, n),
	KW_COL_TEXT(struct parcel, channel),
	KW_COL_TEXT(struct parcel, external_id),
	KW_COL_TEXT(struct parcel, maker_id),
	KW_COL_TEXT(struct parcel, hub_id),
	KW_COL_ENUM(struct parcel, state, &parcel_row_states),
	KW_COL_TEXT(struct parcel, courier),
	KW_COL_TEXT(struct parcel, tracking_number),
	KW_COL_TEXT(struct parcel, label_url),
	KW_COL_I64(struct parcel, weight_g),
	KW_COL_MONEY(struct parcel, declared_value),
	KW_COL_MONEY(struct parcel, amount_due),
	KW_COL_ENUM(struct parcel, story.status, &carrier_row_statuses),
	KW_COL_TEXT(struct parcel, story.text),
	KW_COL_TIME(struct parcel, story.scanned_at),
	KW_COL_TEXT(struct parcel, story.place),
	KW_COL_I64(struct parcel, story.attempts),
	KW_COL_TEXT(struct parcel, reason),
	KW_COL_TEXT(struct parcel, content),
	KW_COL_I64(struct parcel, version),
	KW_COL_TIME(struct parcel, changed_at),
	KW_COL_END,
};

static int by_parcel(const void *left, const void *right)
{
	return strcmp(((const struct parcel *)left)->parcel_id.s,
		((const struct parcel *)right)->parcel_id.s);
}

/* What is not a column: addresses and lines from the content, the carrier where it spoke. */
static enum kw_rc complete(struct kw_arena *a, struct parcel *rows, size_t n, struct kw_err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct parcel *p = &rows[i];

		p->read_version = p->version;
		p->carrier = p->story.status == CARRIER_NONE ? NULL : &p->story;
		if (p->content && kw_json_decode(parcel_content_fields, p->content,
					  strlen(p->content), a, p, err) != KW_OK)
			return kw_fail(err, KW_FATAL, "the content of parcel %s cannot be read",
				p->parcel_id.s);
	}
	return KW_OK;
}

static enum kw_rc fetch_parcels(struct kw_pg *pg, struct kw_arena *a, int stmt,
	const struct kw_args *args, struct parcel **ret, size_t *ret_n, struct kw_err *err)
{
	KW_TRY(kw_pg_fetch(pg, STMT(stmt), args, parcel_cols, sizeof(**ret), ret, ret_n, err));
	qsort(*ret, *ret_n, sizeof(**ret), by_parcel);
	return complete(a, *ret, *ret_n, err);
}

enum kw_rc store_parcels_of(struct kw_batch *b, const struct order *orders, size_t n, int state,
	struct parcel **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, order_id_cols, orders, n, sizeof(*orders));
	kw_args_text(&args, state < 0 ? NULL : kw_strtab_name(&parcel_row_states, state));
	return fetch_parcels(b->pg, b->arena, PARCELS_OF, &args, ret, ret_n, err);
}

enum kw_rc store_lock_parcels(struct kw_batch *b, const struct kw_uuid *ids, size_t n,
	struct parcel **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, id_cols, ids, n, sizeof(*ids));
	return fetch_parcels(b->pg, b->arena, LOCK_PARCELS, &args, ret, ret_n, err);
}

enum kw_rc store_expect_parcels(struct kw_batch *b, const struct kw_uuid *ids, size_t n,
	struct parcel **ret, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	size_t n_ret;

	kw_args_rows(&args, id_cols, ids, n, sizeof(*ids));
	KW_TRY(fetch_parcels(b->pg, b->arena, EXPECT_PARCELS, &args, ret, &n_ret, err));
	if (n_ret != n)
		return kw_fail(err, KW_FATAL, "%zu of %zu parcels came back", n_ret, n);
	return KW_OK;
}

enum kw_rc store_insert_parcels(
	struct kw_batch *b, const struct parcel *rows, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, parcel_cols, rows, n, sizeof(*rows));
	return store_exec_all(b, INSERT_PARCELS, &args, n, err);
}

enum kw_rc store_update_parcels(
	struct kw_batch *b, const struct parcel *rows, size_t n, struct kw_err *err)
{
	static const struct kw_col cols[] = {
		KW_COL_UUID(struct parcel, parcel_id),
		KW_COL_I64(struct parcel, read_version),
		KW_COL_ENUM(struct parcel, state, &parcel_row_states),
		KW_COL_TEXT(struct parcel, courier),
		KW_COL_TEXT(struct parcel, tracking_number),
		KW_COL_TEXT(struct parcel, label_url),
		KW_COL_ENUM(struct parcel, story.status, &carrier_row_statuses),
		KW_COL_TEXT(struct parcel, story.text),
		KW_COL_TIME(struct parcel, story.scanned_at),
		KW_COL_TEXT(struct parcel, story.place),
		KW_COL_I64(struct parcel, story.attempts),
		KW_COL_TEXT(struct parcel, reason),
		KW_COL_I64(struct parcel, version),
		KW_COL_TIME(struct parcel, changed_at),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);

	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, cols, rows, n, sizeof(*rows));
	return store_exec_all(b, UPDATE_PARCELS, &args, n, err);
}

/* ---- reading ---- */

enum kw_rc store_read_parcels(struct kw_pg *pg, struct kw_arena *a, const struct kw_uuid *ids,
	size_t n, struct parcel **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(a);

	kw_args_rows(&args, id_cols, ids, n, sizeof(*ids));
	return fetch_parcels(pg, a, READ_PARCELS, &args, ret, ret_n, err);
}

struct stamp_row {
	int64_t stamp;
};
static const struct kw_col stamp_cols[] = { KW_COL_I64(struct stamp_row, stamp), KW_COL_END };

enum kw_rc store_read_stamp(struct kw_pg *pg, struct kw_arena *a, const struct kw_uuid *id,
	int64_t *ret, struct kw_err *err)
{
	struct kw_args args = kw_args_of(a);
	struct stamp_row row;

	kw_args_uuid(&args, id);
	KW_TRY(kw_pg_fetch_one(pg, STMT(READ_STAMP), &args, stamp_cols, sizeof(row), &row, err));
	*ret = row.stamp;
	return KW_OK;
}
