/* Stock, capacity, copies of listings, makers and hubs, and the queues of the stock job. */
#include <stdlib.h>
#include <string.h>

#include "stmts.h"

static const struct kw_col text_cols[] = { KW_COL_TEXT(struct text_row, text), KW_COL_END };

#define S struct stock
static const struct kw_col stock_cols[] = {
	KW_COL_TEXT(S, listing_id),
	KW_COL_INT(S, on_hand),
	KW_COL_INT(S, allocated),
	KW_COL_INT(S, missing),
	KW_COL_INT(S, counted),
	KW_COL_I64(S, count_version),
	KW_COL_I64(S, version),
	KW_COL_END,
};

static const struct kw_col stock_change_cols[] = {
	KW_COL_TEXT(S, listing_id),
	KW_COL_INT(S, on_hand),
	KW_COL_INT(S, allocated),
	KW_COL_INT(S, missing),
	KW_COL_INT(S, counted),
	KW_COL_I64(S, count_version),
	KW_COL_I64(S, version),
	KW_COL_I64(S, read_version),
	KW_COL_END,
};
#undef S

static const struct kw_col movement_cols[] = {
	KW_COL_TEXT(struct movement, listing_id),
	KW_COL_I64(struct movement, version),
	KW_COL_ENUM(struct movement, kind, &movement_kind_names),
	KW_COL_INT(struct movement, on_hand),
	KW_COL_INT(struct movement, allocated),
	KW_COL_UUID(struct movement, order_id),
	KW_COL_INT(struct movement, line_no),
	KW_COL_END,
};

static const struct kw_col capacity_key_cols[] = {
	KW_COL_TEXT(struct capacity, maker_id),
	KW_COL_INT(struct capacity, week),
	KW_COL_END,
};

static const struct kw_col capacity_cols[] = {
	KW_COL_TEXT(struct capacity, maker_id),
	KW_COL_INT(struct capacity, week),
	KW_COL_INT(struct capacity, used),
	KW_COL_END,
};

static const struct kw_col capacity_change_cols[] = {
	KW_COL_TEXT(struct capacity, maker_id),
	KW_COL_INT(struct capacity, week),
	KW_COL_INT(struct capacity, delta),
	KW_COL_END,
};

static const struct kw_col sale_cols[] = {
	KW_COL_TEXT(struct sale_row, listing_id),
	KW_COL_UUID(struct sale_row, order_id),
	KW_COL_INT(struct sale_row, line_no),
	KW_COL_INT(struct sale_row, quantity),
	KW_COL_END,
};

#define FETCH(b, stmt, args, cols, ret, ret_n, err) \
	kw_pg_fetch((b)->pg, &routing_stmts[stmt], args, cols, sizeof(**(ret)), ret, ret_n, err)

/* ---- what allocation looks at ---- */

enum kw_rc store_find_rules(struct kw_batch *b, struct world *w, struct kw_err *err)
{
	static const struct kw_col cols[] = {
		KW_COL_TEXT(struct rule, name),
		KW_COL_TEXT(struct rule, channel),
		KW_COL_ENUM(struct rule, scope, &rule_scope_names),
		KW_COL_ENUM(struct rule, sort, &rule_sort_names),
		KW_COL_ENUM(struct rule, split, &rule_split_names),
		KW_COL_TEXT(struct rule, currency),
		KW_COL_I64(struct rule, min_total),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);
	struct rule *rules;

	KW_TRY(FETCH(b, FIND_RULES, &args, cols, &rules, &w->n_rules, err));
	w->rules = rules;
	return KW_OK;
}

enum kw_rc store_find_offers(struct kw_batch *b, const struct sku_row *skus, size_t n,
	struct world *w, struct kw_err *err)
{
	static const struct kw_col sku_cols[] = {
		KW_COL_TEXT(struct sku_row, channel),
		KW_COL_TEXT(struct sku_row, sku),
		KW_COL_END,
	};
	static const struct kw_col cols[] = {
		KW_COL_TEXT(struct offer, channel),
		KW_COL_TEXT(struct offer, sku),
		KW_COL_TEXT(struct offer, listing_id),
		KW_COL_TEXT(struct offer, title),
		KW_COL_ENUM(struct offer, kind, &listing_kind_names),
		KW_COL_ENUM(struct offer, state, &listing_state_names),
		KW_COL_BOOL(struct offer, retired_here),
		KW_COL_TEXT(struct offer, maker_id),
		KW_COL_TEXT(struct offer, hub_id),
		KW_COL_TEXT(struct offer, skill),
		KW_COL_TEXT(struct offer, hub_address),
		KW_COL_INT(struct offer, weight_g),
		KW_COL_INT(struct offer, lead_days),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);
	struct offer *offers;

	w->n_offers = 0;
	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, sku_cols, skus, n, sizeof(*skus));
	KW_TRY(FETCH(b, FIND_OFFERS, &args, cols, &offers, &w->n_offers, err));
	w->offers = offers;
	return KW_OK;
}

enum kw_rc store_lock_stock(struct kw_batch *b, const struct text_row *listings, size_t n,
	struct world *w, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	w->stock = (struct stock_book) { .arena = b->arena };
	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, text_cols, listings, n, sizeof(*listings));
	KW_TRY(FETCH(b, LOCK_STOCK, &args, stock_cols, &w->stock.rows, &w->stock.n, err));
	for (size_t i = 0; i < w->stock.n; i++)
		w->stock.rows[i].read_version = w->stock.rows[i].version;
	return KW_OK;
}

enum kw_rc store_find_candidates(struct kw_batch *b, const struct want_row *wants, size_t n,
	struct world *w, struct kw_err *err)
{
	static const struct kw_col want_cols[] = {
		KW_COL_TEXT(struct want_row, listing_id),
		KW_COL_TEXT(struct want_row, maker_id),
		KW_COL_TEXT(struct want_row, hub_id),
		KW_COL_TEXT(struct want_row, skill),
		KW_COL_INT(struct want_row, week),
		KW_COL_END,
	};
	static const struct kw_col cols[] = {
		KW_COL_TEXT(struct candidate, listing_id),
		KW_COL_INT(struct candidate, week),
		KW_COL_TEXT(struct candidate, maker_id),
		KW_COL_TEXT(struct candidate, hub_id),
		KW_COL_TEXT(struct candidate, hub_address),
		KW_COL_TEXT(struct candidate, state),
		KW_COL_TIME(struct candidate, leave_until),
		KW_COL_INT(struct candidate, weekly_capacity),
		KW_COL_I64(struct candidate, load),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);
	struct candidate *candidates;

	w->n_candidates = 0;
	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, want_cols, wants, n, sizeof(*wants));
	KW_TRY(FETCH(b, FIND_CANDIDATES, &args, cols, &candidates, &w->n_candidates, err));
	w->candidates = candidates;
	return KW_OK;
}

static int compare_capacity(const void *a, const void *b)
{
	const struct capacity *x = a, *y = b;
	int c = strcmp(x->maker_id, y->maker_id);

	return c ? c : (x->week > y->week) - (x->week < y->week);
}

enum kw_rc store_lock_capacity(struct kw_batch *b, const struct capacity *keys, size_t n,
	struct world *w, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	w->n_capacity = 0;
	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, capacity_key_cols, keys, n, sizeof(*keys));
	KW_TRY(FETCH(b, LOCK_CAPACITY, &args, capacity_cols, &w->capacity, &w->n_capacity, err));
	if (w->n_capacity != n)
		return kw_fail(
			err, KW_FATAL, "%zu of %zu capacity rows were locked", w->n_capacity, n);
	qsort(w->capacity, w->n_capacity, sizeof(*w->capacity), compare_capacity);
	return KW_OK;
}

/* ---- writing ---- */

static enum kw_rc write_all(
	struct kw_batch *b, int stmt, struct kw_args *args, size_t n, struct kw_err *err)
{
	size_t affected = 0;

	KW_TRY(kw_pg_exec(b->pg, &routing_stmts[stmt], args, &affected, err));
	if (affected != n)
		return kw_fail(err, KW_FATAL, "only %zu of %zu rows were written by: %.60s",
			affected, n, routing_stmts[stmt].sql);
	return KW_OK;
}

enum kw_rc store_write_stock(struct kw_batch *b, const struct stock_book *book, struct kw_err *err)
{
	struct stock *changed = kw_new(b->arena, struct stock, book->n);
	size_t n = 0;

	for (size_t i = 0; i < book->n; i++)
		if (book->rows[i].changed)
			changed[n++] = book->rows[i];
	if (n > 0) {
		struct kw_args args = kw_args_of(b->arena);
		kw_args_rows(&args, stock_change_cols, changed, n, sizeof(*changed));
		KW_TRY(write_all(b, UPDATE_STOCK, &args, n, err));
	}
	if (book->n_moves > 0) {
		struct kw_args args = kw_args_of(b->arena);
		kw_args_rows(
			&args, movement_cols, book->moves, book->n_moves, sizeof(*book->moves));
		kw_args_time(&args, b->now);
		KW_TRY(write_all(b, INSERT_MOVEMENTS, &args, book->n_moves, err));
	}
	return KW_OK;
}

enum kw_rc store_write_capacity(struct kw_batch *b, const struct world *w, struct kw_err *err)
{
	struct capacity *changed = kw_new(b->arena, struct capacity, w->n_capacity);
	struct kw_args args = kw_args_of(b->arena);
	size_t n = 0;

	for (size_t i = 0; i < w->n_capacity; i++)
		if (w->capacity[i].delta != 0)
			changed[n++] = w->capacity[i];
	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, capacity_change_cols, changed, n, sizeof(*changed));
	return write_all(b, UPDATE_CAPACITY, &args, n, err);
}

enum kw_rc store_insert_sales(
	struct kw_batch *b, const struct sale_row *rows, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, sale_cols, rows, n, sizeof(*rows));
	return write_all(b, INSERT_SALES, &args, n, err);
}

/* ---- copies ---- */

enum kw_rc store_put_makers(
	struct kw_batch *b, const struct maker_row *rows, size_t n, struct kw_err *err)
{
	static const struct kw_col cols[] = {
		KW_COL_TEXT(struct maker_row, maker_id),
		KW_COL_I64(struct maker_row, version),
		KW_COL_TEXT(struct maker_row, hub_id),
		KW_COL_TEXT(struct maker_row, skills),
		KW_COL_INT(struct maker_row, weekly_capacity),
		KW_COL_TEXT(struct maker_row, state),
		KW_COL_TIME(struct maker_row, leave_until),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, cols, rows, n, sizeof(*rows));
	return kw_pg_exec(b->pg, &routing_stmts[PUT_MAKERS], &args, NULL, err);
}

enum kw_rc store_put_hubs(
	struct kw_batch *b, const struct hub_row *rows, size_t n, struct kw_err *err)
{
	static const struct kw_col cols[] = {
		KW_COL_TEXT(struct hub_row, hub_id),
		KW_COL_I64(struct hub_row, version),
		KW_COL_TEXT(struct hub_row, name),
		KW_COL_TEXT(struct hub_row, region),
		KW_COL_TEXT(struct hub_row, address),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, cols, rows, n, sizeof(*rows));
	return kw_pg_exec(b->pg, &routing_stmts[PUT_HUBS], &args, NULL, err);
}

enum kw_rc store_put_listings(struct kw_batch *b, const struct listing_row *rows, size_t n,
	struct text_row **ret, size_t *ret_n, struct kw_err *err)
{
	static const struct kw_col cols[] = {
		KW_COL_TEXT(struct listing_row, listing_id),
		KW_COL_I64(struct listing_row, version),
		KW_COL_TEXT(struct listing_row, sku),
		KW_COL_TEXT(struct listing_row, title),
		KW_COL_ENUM(struct listing_row, kind, &listing_kind_names),
		KW_COL_TEXT(struct listing_row, maker_id),
		KW_COL_TEXT(struct listing_row, hub_id),
		KW_COL_TEXT(struct listing_row, skill),
		KW_COL_INT(struct listing_row, weight_g),
		KW_COL_INT(struct listing_row, lead_days),
		KW_COL_ENUM(struct listing_row, state, &listing_state_names),
		KW_COL_INT(struct listing_row, quantity),
		KW_COL_I64(struct listing_row, quantity_version),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena), made = kw_args_of(b->arena);

	kw_args_rows(&args, cols, rows, n, sizeof(*rows));
	KW_TRY(FETCH(b, PUT_LISTINGS, &args, text_cols, ret, ret_n, err));
	kw_args_rows(&made, text_cols, *ret, *ret_n, sizeof(**ret));
	return kw_pg_exec(b->pg, &routing_stmts[MAKE_STOCK], &made, NULL, err);
}

enum kw_rc store_put_publications(
	struct kw_batch *b, const struct publication_row *rows, size_t n, struct kw_err *err)
{
	static const struct kw_col cols[] = {
		KW_COL_TEXT(struct publication_row, channel),
		KW_COL_TEXT(struct publication_row, channel_sku),
		KW_COL_TEXT(struct publication_row, listing_id),
		KW_COL_ENUM(struct publication_row, state, &publication_state_names),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);

	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, cols, rows, n, sizeof(*rows));
	return kw_pg_exec(b->pg, &routing_stmts[PUT_PUBLICATIONS], &args, NULL, err);
}

/* ---- the jobs ---- */

struct peek_row {
	int one;
};

enum kw_rc store_peek(struct kw_pg *pg, struct kw_arena *a, kw_time now, struct kw_err *err)
{
	static const struct kw_col cols[] = { KW_COL_INT(struct peek_row, one), KW_COL_END };
	struct kw_args args = kw_args_of(a);
	struct peek_row row = { 0 };

	kw_args_time(&args, now);
	return kw_pg_fetch_one(pg, &routing_stmts[PEEK], &args, cols, sizeof(row), &row, err);
}

enum kw_rc store_take_wakes(
	struct kw_batch *b, int limit, struct text_row **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	kw_args_int(&args, limit);
	return FETCH(b, TAKE_WAKES, &args, text_cols, ret, ret_n, err);
}

enum kw_rc store_take_sales(
	struct kw_batch *b, int limit, struct sale_row **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	kw_args_int(&args, limit);
	return FETCH(b, TAKE_SALES, &args, sale_cols, ret, ret_n, err);
}

enum kw_rc store_find_woken(struct kw_batch *b, const struct text_row *keys, size_t n, int per_key,
	int due, struct woken_row **ret, size_t *ret_n, struct kw_err *err)
{
	static const struct kw_col cols[] = {
		KW_COL_UUID(struct woken_row, order_id),
		KW_COL_TEXT(struct woken_row, key),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, text_cols, keys, n, sizeof(*keys));
	kw_args_int(&args, per_key);
	kw_args_int(&args, due);
	kw_args_time(&args, b->now);
	return FETCH(b, FIND_WOKEN, &args, cols, ret, ret_n, err);
}

enum kw_rc store_find_counts(struct kw_batch *b, const struct text_row *listings, size_t n,
	struct count_row **ret, size_t *ret_n, struct kw_err *err)
{
	static const struct kw_col cols[] = {
		KW_COL_TEXT(struct count_row, listing_id),
		KW_COL_INT(struct count_row, quantity),
		KW_COL_I64(struct count_row, quantity_version),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);

	*ret_n = 0;
	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, text_cols, listings, n, sizeof(*listings));
	return FETCH(b, FIND_COUNTS, &args, cols, ret, ret_n, err);
}

enum kw_rc store_find_expired(
	struct kw_batch *b, int limit, struct id_row **ret, size_t *ret_n, struct kw_err *err)
{
	static const struct kw_col cols[] = { KW_COL_UUID(struct id_row, id), KW_COL_END };
	struct kw_args args = kw_args_of(b->arena);

	kw_args_int(&args, limit);
	kw_args_time(&args, b->now);
	return FETCH(b, FIND_EXPIRED, &args, cols, ret, ret_n, err);
}
