/* The working set of one handler: the parcels that it has locked, what happens to them, and what a
 * person must look at. Everything is gathered in memory, events are emitted as it happens, and rows
 * are written once, by desk_flush. Lives in the batch's arena. */
#ifndef DISPATCH_DESK_H
#define DISPATCH_DESK_H

#include "fields.h"
#include "svc/partners.h"

struct desk {
	struct kw_batch *b;
	const struct kw_partners *partners;
	const struct rate_card *cards;
	size_t n_cards;
	struct parcel *parcels; /* locked rows, sorted by id */
	size_t n_parcels;
	struct exception *raised, *resolved;
	size_t n_raised, n_resolved, cap_raised, cap_resolved;
	struct request *requests;
	size_t n_requests, cap_requests;
};

struct desk desk_open(struct kw_batch *b, const struct kw_partners *partners);
/* The parcel of the working set, or NULL. */
struct parcel *desk_find(const struct desk *d, const struct kw_uuid *parcel_id);
/* Sorted, without doubles; in place. */
size_t distinct_ids(struct kw_uuid *ids, size_t n);

/* Something happens to a parcel: its edge is followed and its event emitted. An event that has no
 * edge is our bug. */
const struct kw_edge *desk_step(
	struct desk *d, struct parcel *p, int event, const struct kw_meta *cause);
/* The next courier is chosen and asked; without one the parcel waits for a person. */
void desk_choose(struct desk *d, struct parcel *p, const char *const *refused, size_t n_refused,
	const struct kw_meta *cause);
/* PLANNED and paid: it becomes READY, with a courier. */
void desk_release(struct desk *d, struct parcel *p, const struct kw_meta *cause);
/* Cancelled, if it is not too late. by: of whom; what was asked is kept either way. */
void desk_cancel(struct desk *d, struct parcel *p, const char *reason, const char *by,
	const struct kw_meta *cause);
/* Ends a booking at a courier that has accepted it: an intent. */
void desk_call_off(
	struct desk *d, const struct parcel *p, const char *courier, const struct kw_meta *cause);
/* Asks the courier for a parcel that it could not deliver: an intent. */
void desk_bring_back(struct desk *d, const struct parcel *p, const struct kw_meta *cause);

/* subject: what tells it from others of its kind, usually the parcel id. p may be NULL. What is
 * returned may be added to until the next one. */
struct exception *desk_raise(struct desk *d, int kind, const struct parcel *p, const char *courier,
	const char *subject, const char *reason);
void desk_resolve(struct desk *d, int kind, const struct parcel *p);

/* Writes the changed rows of the working set, the requests and the exceptions. */
enum kw_rc desk_flush(struct desk *d, struct kw_err *err);

struct kw_uuid booking_intent_id(const struct kw_uuid *parcel_id, const char *courier);

#endif
