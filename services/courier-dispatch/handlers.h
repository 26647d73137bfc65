/* What a batch of each message does. The functions that the topic table names (service.c) hand over
 * the partners and come here; tests do the same. */
#ifndef DISPATCH_HANDLERS_H
#define DISPATCH_HANDLERS_H

#include "desk.h"

/* karwan.orders.events */
enum kw_rc take_routed(struct desk *d, const struct order_routed *in, size_t n, struct kw_err *err);
enum kw_rc take_cancelled(
	struct desk *d, const struct order_cancelled *in, size_t n, struct kw_err *err);
/* karwan.payments.events */
enum kw_rc take_settled(
	struct desk *d, const struct expectation_settled *in, size_t n, struct kw_err *err);
/* karwan.dispatch.in */
enum kw_rc take_cancel_requests(
	struct desk *d, const struct cancel_requested *in, size_t n, struct kw_err *err);
enum kw_rc take_tracking(
	struct desk *d, const struct tracking_reported *in, size_t n, struct kw_err *err);

/* Scans that came before their parcel was booked: called when it is, before desk_flush. ids:
 * sorted, distinct. */
enum kw_rc apply_pending_scans(
	struct desk *d, const struct kw_uuid *ids, size_t n, struct kw_err *err);

/* Scans that name no parcel get the one that has their number (numbers.c), where there is one. */
enum kw_rc find_numbers(struct desk *d, struct scan *scans, size_t n, struct kw_err *err);
/* Adds the parcels of those messages that name a number only. */
enum kw_rc numbered_parcels(struct desk *d, const struct tracking_reported *in, size_t n,
	struct kw_uuid *ids, size_t *n_ids, struct kw_err *err);
/* One that has none yet is listed. */
void raise_unmatched(struct desk *d, const struct scan *s);
/* Scans that were stored without a parcel and have one now. */
enum kw_rc take_matched(struct desk *d, struct scan *scans, size_t n, struct kw_err *err);

/* A word that neither the adapter nor a person has mapped. */
bool is_unmapped(const struct desk *d, const struct scan *s);
/* Scans with a word that the adapter does not know get the status that a person gave it (words.c).
 */
enum kw_rc find_meanings(struct desk *d, struct scan *scans, size_t n, struct kw_err *err);
/* Stored UNKNOWN scans of the working set, in their order, with the status that their word turned
 * out to mean: what was applied is applied as that. */
enum kw_rc take_named(struct desk *d, struct scan *scans, size_t n, struct kw_err *err);

/* Rows of the topic table, and what locks for several of them. */
kw_batch_fn on_routed, on_cancelled, on_settled, on_cancel_requests, on_tracking,
	on_resolve_requested;
kw_lock_fn lock_batch;
enum kw_rc lock_for_all(
	struct desk *d, const struct kw_inputs *inputs, size_t n, struct kw_err *err);

#endif
