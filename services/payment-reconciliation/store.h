/* The statements of payment-reconciliation, one typed function each. Arrays go in sorted by key;
 * rows come back in order of their key. All inside the batch's transaction; what is returned lives
 * in the batch's arena. */
#ifndef PAYMENT_STORE_H
#define PAYMENT_STORE_H

#include "flow/batch.h"
#include "model.h"

/* ---- expectations ---- */

/* Locks the rows of these orders, making those that are absent (WAITING_ORDER). ids: sorted,
 * distinct; ret has n rows. */
enum kw_rc store_lock_orders(struct kw_batch *b, const struct kw_uuid *ids, size_t n,
	struct expectation **ret, struct kw_err *err);
/* Inserts complete rows of orders that came. One that waits already comes back as it is
 * (WAITING_ORDER), locked; one that has its order already does not come back. */
enum kw_rc store_insert_orders(struct kw_batch *b, const struct expectation *rows, size_t n,
	struct expectation **ret, size_t *ret_n, struct kw_err *err);
enum kw_rc store_update_orders(
	struct kw_batch *b, const struct expectation *rows, size_t n, struct kw_err *err);

/* ---- lines and shares ---- */

enum kw_rc store_write_lines(
	struct kw_batch *b, const struct order_line *lines, size_t n, struct kw_err *err);
/* Adds to what is cancelled. */
enum kw_rc store_cancel_lines(
	struct kw_batch *b, const struct order_line *lines, size_t n, struct kw_err *err);
enum kw_rc store_route_shares(
	struct kw_batch *b, const struct share *shares, size_t n, struct kw_err *err);
enum kw_rc store_deliver_shares(
	struct kw_batch *b, const struct share *shares, size_t n, struct kw_err *err);
/* order_id and fulfilment_id of each are used. */
enum kw_rc store_cancel_shares(
	struct kw_batch *b, const struct share *shares, size_t n, struct kw_err *err);
/* In order of (order, line). */
enum kw_rc store_load_lines(struct kw_batch *b, const struct kw_uuid *orders, size_t n,
	struct order_line **ret, size_t *ret_n, struct kw_err *err);
/* In order of (order, line, n). */
enum kw_rc store_load_shares(struct kw_batch *b, const struct kw_uuid *orders, size_t n,
	struct share **ret, size_t *ret_n, struct kw_err *err);

/* ---- what providers say ---- */

struct provider_event {
	const char *provider, *provider_event_id;
	struct kw_uuid payment_id;
	int kind;
	struct kw_money amount, fee;
	struct kw_uuid order_id;
	kw_time occurred_at;
	const char *content_hash;
	int64_t seen; /* how often in this batch */
};
struct seen_event {
	const char *provider, *provider_event_id, *content_hash; /* the hash that is kept */
	int64_t seen; /* how often at all: as often as in this batch means that it is new */
};
/* Sorted by (provider, id), distinct. ret has n rows in the same order. */
enum kw_rc store_see_events(struct kw_batch *b, const struct provider_event *events, size_t n,
	struct seen_event **ret, struct kw_err *err);
enum kw_rc store_refuse_events(
	struct kw_batch *b, const struct seen_event *events, size_t n, struct kw_err *err);

/* Locks those that exist; was_* are set. */
enum kw_rc store_lock_payments(struct kw_batch *b, const struct kw_uuid *ids, size_t n,
	struct payment **ret, size_t *ret_n, struct kw_err *err);
/* RETRY where another made one of them meanwhile. */
enum kw_rc store_insert_payments(
	struct kw_batch *b, const struct payment *rows, size_t n, struct kw_err *err);
enum kw_rc store_update_payments(
	struct kw_batch *b, const struct payment *rows, size_t n, struct kw_err *err);
/* Of these orders, in order of (order, payment), with was_* set. The orders are locked. */
enum kw_rc store_load_payments(struct kw_batch *b, const struct kw_uuid *orders, size_t n,
	struct payment **ret, size_t *ret_n, struct kw_err *err);

/* ---- ledger, earnings, exceptions ---- */

struct ledger_transaction {
	struct kw_uuid entity_id;
	int64_t revision;
	int kind;
	struct kw_uuid cause;
};
struct ledger_posting {
	struct kw_uuid entity_id;
	int64_t revision, n;
	struct posting p;
};
/* All postings of a transaction in the one call. */
enum kw_rc store_book(struct kw_batch *b, const struct ledger_transaction *transactions, size_t n,
	const struct ledger_posting *postings, size_t n_postings, struct kw_err *err);
enum kw_rc store_earn(
	struct kw_batch *b, const struct earning *earnings, size_t n, struct kw_err *err);

struct exception {
	struct kw_uuid exception_id, home, order_id, payment_id;
	int kind;
	struct kw_money expected, received;
	const char *reason, *owner;
	int state; /* enum exception_state */
	int64_t version;
	const char *resolution, *by, *note; /* of the person who decided, if one did */
};
/* Those that exist, in order of the id; ids sorted. */
enum kw_rc store_find_exceptions(struct kw_batch *b, const struct kw_uuid *ids, size_t n,
	struct exception **ret, size_t *ret_n, struct kw_err *err);
/* The same, locked. */
enum kw_rc store_lock_exceptions(struct kw_batch *b, const struct kw_uuid *ids, size_t n,
	struct exception **ret, size_t *ret_n, struct kw_err *err);
/* Inserts, or overwrites the one row that has the version before. */
enum kw_rc store_write_exceptions(
	struct kw_batch *b, const struct exception *rows, size_t n, struct kw_err *err);

/* ---- the timer: orders that do not come ---- */

struct missing_order {
	struct kw_uuid order_id;
	const char *trace; /* of the last event about its money */
};

enum kw_rc store_find_missing(struct kw_pg *pg, struct kw_arena *a, kw_time before,
	struct missing_order **ret, size_t *ret_n, struct kw_err *err);

/* ---- reads of the API ---- */

struct payment_view {
	struct kw_uuid payment_id, order_id;
	const char *provider, *provider_payment_id, *channel, *external_id;
	int state;
	struct kw_money captured, refunded;
	bool suspense;
	int64_t version;
	kw_time opened_at, changed_at;
};
enum kw_rc store_read_payment(struct kw_pg *pg, struct kw_arena *a, const struct kw_uuid *id,
	struct payment_view *ret, struct kw_err *err);

struct statement_line {
	struct kw_uuid earning_id, order_id, fulfilment_id;
	const char *channel, *external_id, *line_id, *title;
	int64_t quantity;
	struct kw_money amount, fee,
		total; /* total: of all her lines up to this one, in this currency */
	kw_time earned_at;
};
/* The lines after (after_time, after_id), at most limit. */
enum kw_rc store_read_statement(struct kw_pg *pg, struct kw_arena *a, const char *maker_id,
	kw_time after_time, const struct kw_uuid *after_id, int64_t limit,
	struct statement_line **ret, size_t *ret_n, struct kw_err *err);

#endif
