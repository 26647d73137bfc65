/* The parcel's state table. What is absent is refused. Const; any thread. */
#ifndef DISPATCH_STATES_H
#define DISPATCH_STATES_H

#include "model.h"

extern const struct kw_fsm parcel_fsm;

/* What an edge may emit (fields.c). */
extern const struct kw_event_type parcel_created_event, parcel_refused_event, parcel_booked_event,
	parcel_labelled_event, parcel_handed_over_event, parcel_tracked_event,
	parcel_delivered_event, parcel_returning_event, parcel_returned_event, parcel_lost_event,
	parcel_cancelled_event;

/* The one function that changes a parcel's state: follows the edge, or returns NULL where there is
 * none. An edge that emits, or that leads to another state of the partners' nine, gives the parcel
 * its next version. */
const struct kw_edge *parcel_step(struct parcel *p, int event, kw_time now);

#endif
