/* The state machines of order-routing as tables, and the order's state as a function of its lines.
 * Pure; any thread. */
#ifndef ROUTING_STATES_H
#define ROUTING_STATES_H

#include "core/fsm.h"
#include "model.h"

extern const struct kw_event_type order_received_event, order_routed_event, order_parked_event,
	order_payment_reported_event, order_updated_event, order_conflicted_event,
	order_exception_resolved_event, order_cancelled_event, order_cancel_refused_event,
	order_expired_event, order_in_progress_event, order_shipped_event, order_delivered_event,
	order_closed_event;

/* Fulfilments: (state, event) -> state. What is absent is refused. */
extern const struct kw_fsm fulfilment_fsm;

/* The edge, or NULL when refused. */
const struct kw_edge *fulfilment_edge(int state, int event);
/* Did the goods leave us in this state? */
bool fulfilment_left(int state);
/* Derived, never written by hand. n >= 1. */
enum order_state order_state_of(const struct line *lines, size_t n);
/* The event type that tells an order's change to this state from parcels, or NULL when there is
 * none. */
const struct kw_event_type *order_state_event(int state);

#endif
