/* The statements of courier-dispatch, one typed function each. Arrays go in sorted by key; rows
 * come back in the order of their key. What takes a batch works inside its transaction; what is
 * returned lives in the arena. */
#ifndef DISPATCH_STORE_H
#define DISPATCH_STORE_H

#include "flow/batch.h"
#include "model.h"

/* Locks the rows that exist: these orders, then their parcels together with these others. Ids
 * sorted, distinct. */
enum kw_rc store_lock_rows(struct kw_batch *b, const struct kw_uuid *orders, size_t n_orders,
	const struct kw_uuid *parcels, size_t n_parcels, struct kw_err *err);

/* ---- orders: sorted by id, distinct ---- */

/* Locks the rows, making those that are absent; routings, cod, total and currency are taken over.
 * *ret has n rows. */
enum kw_rc store_route_orders(struct kw_batch *b, const struct order *rows, size_t n,
	struct order **ret, struct kw_err *err);
/* The same with the word about the money; only rows to which the word was news come back. */
enum kw_rc store_settle_orders(struct kw_batch *b, const struct order *rows, size_t n,
	struct order **ret, size_t *ret_n, struct kw_err *err);
/* The same, and nothing else. */
enum kw_rc store_lock_orders(
	struct kw_batch *b, const struct order *rows, size_t n, struct kw_err *err);
enum kw_rc store_write_due(
	struct kw_batch *b, const struct order *rows, size_t n, struct kw_err *err);

struct cancelled_fulfilment {
	struct kw_uuid fulfilment_id, order_id;
	const char *reason;
};
/* Those that were cancelled before they were routed. */
enum kw_rc store_find_cancelled(struct kw_batch *b, const struct order *orders, size_t n,
	struct cancelled_fulfilment **ret, size_t *ret_n, struct kw_err *err);
enum kw_rc store_remember_cancelled(
	struct kw_batch *b, const struct cancelled_fulfilment *rows, size_t n, struct kw_err *err);

/* ---- parcels: come back complete (contents decoded), sorted by id ---- */

/* All of these orders, locked. state: only those in it; -1: any. */
enum kw_rc store_parcels_of(struct kw_batch *b, const struct order *orders, size_t n, int state,
	struct parcel **ret, size_t *ret_n, struct kw_err *err);
/* Those that exist, locked. */
enum kw_rc store_lock_parcels(struct kw_batch *b, const struct kw_uuid *ids, size_t n,
	struct parcel **ret, size_t *ret_n, struct kw_err *err);
/* Makes EXPECTED rows of those that do not exist; all n come back, locked. */
enum kw_rc store_expect_parcels(struct kw_batch *b, const struct kw_uuid *ids, size_t n,
	struct parcel **ret, struct kw_err *err);
/* New ones, or in the place of EXPECTED rows. */
enum kw_rc store_insert_parcels(
	struct kw_batch *b, const struct parcel *rows, size_t n, struct kw_err *err);
/* What may change of a parcel. Each row must be at its read_version. */
enum kw_rc store_update_parcels(
	struct kw_batch *b, const struct parcel *rows, size_t n, struct kw_err *err);

/* ---- what couriers said ---- */

/* Sets is_new of each. Sorted by (courier, event_id), distinct. */
enum kw_rc store_insert_scans(struct kw_batch *b, struct scan *rows, size_t n, struct kw_err *err);
/* Of these (courier, event_id), those that are stored with other content. */
enum kw_rc store_conflicting_scans(struct kw_batch *b, const struct scan *rows, size_t n,
	struct scan **ret, size_t *ret_n, struct kw_err *err);
/* Pending ones of these parcels, in order of parcel and arrival. */
enum kw_rc store_pending_scans(struct kw_batch *b, const struct kw_uuid *ids, size_t n,
	struct scan **ret, size_t *ret_n, struct kw_err *err);
enum kw_rc store_stand_scans(
	struct kw_batch *b, const struct scan *rows, size_t n, struct kw_err *err);

/* ---- numbers: an aggregator knows a parcel by its courier and tracking number ---- */

/* Courier: as declared; number: upper case, without blanks. The parcel that was booked under it
 * last before the scan (a day of grace for clocks), since numbers are used again. Sets parcel_id
 * where there is one. */
struct numbered {
	const char *courier, *tracking_number;
	kw_time scanned_at;
	struct kw_uuid parcel_id;
};
enum kw_rc store_find_numbers(
	struct kw_batch *b, struct numbered *rows, size_t n, struct kw_err *err);
/* Who an aggregator means by a name (lower case). */
struct known_as {
	const char *name, *courier;
};
/* Scans of the last 60 days without a parcel for which there is one now, locked; others' locks are
 * stepped over. */
enum kw_rc store_unmatched_scans(struct kw_batch *b, const struct known_as *names, size_t n_names,
	struct scan **ret, size_t *ret_n, struct kw_err *err);

/* ---- words: what a person says that a courier's unknown word means ---- */

struct meaning {
	const char *courier, *word;
	int status; /* enum carrier_status */
};
/* Those of these words that have one now, sorted, distinct. */
enum kw_rc store_find_meanings(struct kw_batch *b, const struct meaning *words, size_t n,
	struct meaning **ret, size_t *ret_n, struct kw_err *err);
/* Only id and kind, of those that exist. */
enum kw_rc store_exception_kinds(struct kw_batch *b, const struct kw_uuid *ids, size_t n,
	struct exception **ret, size_t *ret_n, struct kw_err *err);
/* Each whose exception is still of that version makes the next version of its word, and resolves
 * the exception. */
struct mapping {
	struct kw_uuid exception_id;
	int64_t version; /* of the exception */
	const char *status, *by, *reason;
};
enum kw_rc store_map_words(
	struct kw_batch *b, const struct mapping *rows, size_t n, struct kw_err *err);
/* Up to 1,000 UNKNOWN scans without a parcel get what their word means; others' locks are stepped
 * over. */
enum kw_rc store_name_unmatched(struct kw_batch *b, size_t *ret_n, struct kw_err *err);
/* Parcels of the first 1,000 UNKNOWN scans whose word has a meaning; nothing is locked. */
enum kw_rc store_nameless_parcels(
	struct kw_batch *b, struct kw_uuid **ret, size_t *ret_n, struct kw_err *err);
/* Up to 1,000 such scans of these parcels, in order of arrival, with the status that is meant. */
enum kw_rc store_nameless_scans(struct kw_batch *b, const struct kw_uuid *ids, size_t n,
	struct scan **ret, size_t *ret_n, struct kw_err *err);
enum kw_rc store_name_scans(
	struct kw_batch *b, const struct scan *rows, size_t n, struct kw_err *err);
/* Open exceptions of words that have a meaning. */
enum kw_rc store_resolve_mapped(struct kw_batch *b, struct kw_err *err);

struct refusal {
	struct kw_uuid parcel_id;
	const char *courier, *reason;
};
enum kw_rc store_insert_refusals(
	struct kw_batch *b, const struct refusal *rows, size_t n, struct kw_err *err);
enum kw_rc store_find_refusals(struct kw_batch *b, const struct kw_uuid *ids, size_t n,
	struct refusal **ret, size_t *ret_n, struct kw_err *err);

/* ---- requests, intents, exceptions ---- */

struct request {
	struct kw_uuid request_id, parcel_id;
	const char *kind, *reason, *by, *outcome;
};
enum kw_rc store_insert_requests(
	struct kw_batch *b, const struct request *rows, size_t n, struct kw_err *err);
/* Ends intents that nobody has leased yet. */
enum kw_rc store_drop_intents(
	struct kw_batch *b, const struct kw_uuid *ids, size_t n, struct kw_err *err);
/* Opens them, or counts them again. Sorted by id, distinct. */
enum kw_rc store_raise(
	struct kw_batch *b, const struct exception *rows, size_t n, struct kw_err *err);
/* Open ones of (parcel, kind). */
enum kw_rc store_resolve(
	struct kw_batch *b, const struct exception *rows, size_t n, struct kw_err *err);

enum kw_rc store_resolve_ids(
	struct kw_batch *b, const struct kw_uuid *ids, size_t n, struct kw_err *err);

/* ---- reading, without a batch ---- */

enum kw_rc store_read_parcels(struct kw_pg *pg, struct kw_arena *a, const struct kw_uuid *ids,
	size_t n, struct parcel **ret, size_t *ret_n, struct kw_err *err);
/* NOTHING: absent, or no event has told of it. A hash of its version and of its scans as they
 * stand: another one when either changes. */
enum kw_rc store_read_stamp(struct kw_pg *pg, struct kw_arena *a, const struct kw_uuid *id,
	int64_t *ret, struct kw_err *err);
/* Its scans, newest last, SCANS_SHOWN_MAX at most. */
enum kw_rc store_read_scans(struct kw_pg *pg, struct kw_arena *a, const struct kw_uuid *id,
	struct scan **ret, size_t *ret_n, struct kw_err *err);

#endif
