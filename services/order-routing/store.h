/* The statements of order-routing, one typed function each. Rows live in the batch's arena; arrays
 * come sorted by key, in bytes' order. All run in the transaction of b. Order of locks: orders,
 * exceptions, stock, capacity; rows by key. */
#ifndef ROUTING_STORE_H
#define ROUTING_STORE_H

#include "allocate.h"
#include "fields.h"
#include "rules.h"

extern const struct kw_stmt routing_stmts[];
extern const size_t routing_n_stmts;

struct id_row {
	struct kw_uuid id;
};

struct number_row {
	int64_t no; /* of an order */
};

struct order_number {
	struct kw_uuid id;
	int64_t no;
};

struct text_row {
	const char *text;
};

struct sku_row {
	const char *channel, *sku;
};

struct parked_row {
	struct kw_uuid order_id;
	int line_no, reason, tries;
	kw_time since, auto_cancel_at, retry_at;
	const char *wait_keys; /* joined by U+001F */
	const char *trace;
};

struct payment_row {
	struct kw_uuid order_id;
	const char *reference;
	struct kw_money amount;
	kw_time paid_at;
};

struct cancel_row {
	struct kw_uuid order_id;
	const char *request_id, *reason, *by, *outcome;
};

struct exception_row {
	struct kw_uuid exception_id, order_id;
	int kind;
	const char *channel, *external_id, *field, *detail, *body;
};

/* One that exists, as it is. */
struct exception_now {
	struct kw_uuid exception_id, order_id; /* order_id "": of no order */
	int kind, state;
	int64_t version;
};

struct closing_row {
	struct kw_uuid exception_id;
	int64_t version; /* that it must have */
	int resolution;  /* enum kw_resolution */
	const char *by, *note;
};

struct sale_row {
	const char *listing_id;
	struct kw_uuid order_id;
	int line_no, quantity;
};

struct count_row {
	const char *listing_id;
	int quantity;
	int64_t quantity_version;
};

/* Who could make a listing: asked for per (listing, week). */
struct want_row {
	const char *listing_id, *maker_id, *hub_id, *skill;
	int week;
};

struct maker_row {
	const char *maker_id, *hub_id, *skills, *state; /* skills joined by U+001F */
	int64_t version;
	int weekly_capacity;
	kw_time leave_until;
};

struct hub_row {
	const char *hub_id, *name, *region, *address;
	int64_t version;
};

struct listing_row {
	const char *listing_id, *sku, *title, *maker_id, *hub_id, *skill;
	int kind, state;
	int64_t version, quantity_version;
	int weight_g, lead_days, quantity;
};

struct publication_row {
	const char *channel, *channel_sku, *listing_id;
	int state;
};

struct woken_row {
	struct kw_uuid order_id;
	const char *key; /* NULL: its time came */
};

/* ---- reading and locking ---- */

enum kw_rc store_lock_orders(struct kw_batch *b, const struct id_row *ids, size_t n,
	struct order **ret, size_t *ret_n, struct kw_err *err);
enum kw_rc store_find_seen(struct kw_batch *b, const struct id_row *ids, size_t n,
	struct seen **ret, size_t *ret_n, struct kw_err *err);
enum kw_rc store_find_lines(struct kw_batch *b, const struct number_row *numbers, size_t n,
	struct line **ret, size_t *ret_n, struct kw_err *err);
enum kw_rc store_find_fulfilments(struct kw_batch *b, const struct number_row *numbers, size_t n,
	struct fulfilment **ret, size_t *ret_n, struct kw_err *err);
enum kw_rc store_find_allocations(struct kw_batch *b, const struct number_row *numbers, size_t n,
	struct allocation **ret, size_t *ret_n, struct kw_err *err);
enum kw_rc store_find_parked(struct kw_batch *b, const struct id_row *ids, size_t n,
	struct parked_row **ret, size_t *ret_n, struct kw_err *err);
enum kw_rc store_find_payments(struct kw_batch *b, const struct id_row *ids, size_t n,
	struct payment_row **ret, size_t *ret_n, struct kw_err *err);
enum kw_rc store_find_cancels(struct kw_batch *b, const struct id_row *ids, size_t n,
	struct cancel_row **ret, size_t *ret_n, struct kw_err *err);
enum kw_rc store_find_rules(struct kw_batch *b, struct world *w, struct kw_err *err);
enum kw_rc store_find_offers(struct kw_batch *b, const struct sku_row *skus, size_t n,
	struct world *w, struct kw_err *err);
enum kw_rc store_lock_stock(struct kw_batch *b, const struct text_row *listings, size_t n,
	struct world *w, struct kw_err *err);
enum kw_rc store_find_candidates(struct kw_batch *b, const struct want_row *wants, size_t n,
	struct world *w, struct kw_err *err);
/* Locks, making rows that are absent. keys: maker_id and week. */
enum kw_rc store_lock_capacity(struct kw_batch *b, const struct capacity *keys, size_t n,
	struct world *w, struct kw_err *err);

/* ---- writing orders ---- */

enum kw_rc store_insert_orders(struct kw_batch *b, const struct order *rows, size_t n,
	struct order_number **ret, size_t *ret_n, struct kw_err *err);
enum kw_rc store_update_orders(
	struct kw_batch *b, const struct order *rows, size_t n, struct kw_err *err);
enum kw_rc store_insert_lines(
	struct kw_batch *b, const struct line *rows, size_t n, struct kw_err *err);
enum kw_rc store_update_lines(
	struct kw_batch *b, const struct line *rows, size_t n, struct kw_err *err);
enum kw_rc store_insert_fulfilments(
	struct kw_batch *b, const struct fulfilment *rows, size_t n, struct kw_err *err);
enum kw_rc store_update_fulfilments(
	struct kw_batch *b, const struct fulfilment *rows, size_t n, struct kw_err *err);
enum kw_rc store_insert_allocations(
	struct kw_batch *b, const struct allocation *rows, size_t n, struct kw_err *err);
enum kw_rc store_put_parked(
	struct kw_batch *b, const struct parked_row *rows, size_t n, struct kw_err *err);
enum kw_rc store_delete_parked(
	struct kw_batch *b, const struct parked_row *rows, size_t n, struct kw_err *err);
enum kw_rc store_insert_messages(
	struct kw_batch *b, const struct seen *rows, size_t n, struct kw_err *err);
enum kw_rc store_insert_payments(
	struct kw_batch *b, const struct payment_row *rows, size_t n, struct kw_err *err);
enum kw_rc store_insert_cancels(
	struct kw_batch *b, const struct cancel_row *rows, size_t n, struct kw_err *err);
enum kw_rc store_insert_decisions(
	struct kw_batch *b, const struct decision *rows, size_t n, struct kw_err *err);
enum kw_rc store_insert_exceptions(
	struct kw_batch *b, const struct exception_row *rows, size_t n, struct kw_err *err);

/* Orders that their channels have withdrawn; again is harmless. ids: sorted, distinct. */
enum kw_rc store_insert_withdrawn(
	struct kw_batch *b, const struct id_row *ids, size_t n, struct kw_err *err);
enum kw_rc store_find_withdrawn(struct kw_batch *b, const struct id_row *ids, size_t n,
	struct id_row **ret, size_t *ret_n, struct kw_err *err);

/* Those of the ids that exist, in order of the id. */
enum kw_rc store_find_exceptions(struct kw_batch *b, const struct id_row *ids, size_t n,
	struct exception_now **ret, size_t *ret_n, struct kw_err *err);
enum kw_rc store_lock_exceptions(struct kw_batch *b, const struct id_row *ids, size_t n,
	struct exception_now **ret, size_t *ret_n, struct kw_err *err);
/* Sorted; each must be as locked. */
enum kw_rc store_close_exceptions(
	struct kw_batch *b, const struct closing_row *rows, size_t n, struct kw_err *err);

/* ---- writing stock ---- */

enum kw_rc store_write_stock(struct kw_batch *b, const struct stock_book *book, struct kw_err *err);
enum kw_rc store_write_capacity(struct kw_batch *b, const struct world *w, struct kw_err *err);
enum kw_rc store_insert_sales(
	struct kw_batch *b, const struct sale_row *rows, size_t n, struct kw_err *err);
enum kw_rc store_insert_wakes(
	struct kw_batch *b, const struct text_row *keys, size_t n, struct kw_err *err);

/* ---- copies of others' facts: newest version wins; no id twice in one call ---- */

enum kw_rc store_put_makers(
	struct kw_batch *b, const struct maker_row *rows, size_t n, struct kw_err *err);
enum kw_rc store_put_hubs(
	struct kw_batch *b, const struct hub_row *rows, size_t n, struct kw_err *err);
/* ret: the listings that were really newer. */
enum kw_rc store_put_listings(struct kw_batch *b, const struct listing_row *rows, size_t n,
	struct text_row **ret, size_t *ret_n, struct kw_err *err);
enum kw_rc store_put_publications(
	struct kw_batch *b, const struct publication_row *rows, size_t n, struct kw_err *err);

/* ---- the jobs ---- */

/* Is there anything to do? NOTHING when not. */
enum kw_rc store_peek(struct kw_pg *pg, struct kw_arena *a, kw_time now, struct kw_err *err);
enum kw_rc store_take_wakes(
	struct kw_batch *b, int limit, struct text_row **ret, size_t *ret_n, struct kw_err *err);
enum kw_rc store_take_sales(
	struct kw_batch *b, int limit, struct sale_row **ret, size_t *ret_n, struct kw_err *err);
/* Orders with parked lines that wait for one of the keys, the oldest per_key of each, and those
 * whose time to be looked at came. */
enum kw_rc store_find_woken(struct kw_batch *b, const struct text_row *keys, size_t n, int per_key,
	int due, struct woken_row **ret, size_t *ret_n, struct kw_err *err);
enum kw_rc store_find_counts(struct kw_batch *b, const struct text_row *listings, size_t n,
	struct count_row **ret, size_t *ret_n, struct kw_err *err);
enum kw_rc store_find_expired(
	struct kw_batch *b, int limit, struct id_row **ret, size_t *ret_n, struct kw_err *err);

/* ---- the API's reads ---- */

enum kw_rc store_read_revision(struct kw_pg *pg, struct kw_arena *a, const struct kw_uuid *id,
	int64_t *ret, struct kw_err *err);
enum kw_rc store_read_order(struct kw_pg *pg, struct kw_arena *a, const struct kw_uuid *id,
	struct work *ret, struct kw_err *err);

#endif
