/* The state machines of order-routing as tables, and the order's state as a function of its lines.
 */
#include "states.h"

#include "core/err.h"

/* Late and repeated parcel events have explicit edges; the diagram in README.md is compared with
 * this table. */
static const struct kw_edge fulfilment_edges[] = {
	{ FULFILMENT_OPEN, EV_CANCEL, FULFILMENT_CANCELLED, &order_cancelled_event },
	{ FULFILMENT_OPEN, EV_HANDED_OVER, FULFILMENT_IN_PROGRESS, NULL },
	{ FULFILMENT_OPEN, EV_DELIVERED, FULFILMENT_CLOSED, NULL },
	{ FULFILMENT_OPEN, EV_RETURNED, FULFILMENT_INCOMPLETE, NULL },
	{ FULFILMENT_OPEN, EV_LOST, FULFILMENT_INCOMPLETE, NULL },
	{ FULFILMENT_OPEN, EV_PARCEL_CANCELLED, FULFILMENT_ON_HOLD, NULL },

	{ FULFILMENT_ON_HOLD, EV_CANCEL, FULFILMENT_CANCELLED, &order_cancelled_event },
	{ FULFILMENT_ON_HOLD, EV_HANDED_OVER, FULFILMENT_IN_PROGRESS, NULL },
	{ FULFILMENT_ON_HOLD, EV_DELIVERED, FULFILMENT_CLOSED, NULL },
	{ FULFILMENT_ON_HOLD, EV_RETURNED, FULFILMENT_INCOMPLETE, NULL },
	{ FULFILMENT_ON_HOLD, EV_LOST, FULFILMENT_INCOMPLETE, NULL },
	{ FULFILMENT_ON_HOLD, EV_PARCEL_CANCELLED, KW_SAME, NULL },

	{ FULFILMENT_IN_PROGRESS, EV_HANDED_OVER, KW_SAME, NULL },
	{ FULFILMENT_IN_PROGRESS, EV_DELIVERED, FULFILMENT_CLOSED, NULL },
	{ FULFILMENT_IN_PROGRESS, EV_RETURNED, FULFILMENT_INCOMPLETE, NULL },
	{ FULFILMENT_IN_PROGRESS, EV_LOST, FULFILMENT_INCOMPLETE, NULL },
	{ FULFILMENT_IN_PROGRESS, EV_PARCEL_CANCELLED, KW_SAME, NULL },

	{ FULFILMENT_CLOSED, EV_HANDED_OVER, KW_SAME, NULL },
	{ FULFILMENT_CLOSED, EV_DELIVERED, KW_SAME, NULL },
	{ FULFILMENT_CLOSED, EV_RETURNED, KW_SAME, NULL },
	{ FULFILMENT_CLOSED, EV_LOST, KW_SAME, NULL },
	{ FULFILMENT_CLOSED, EV_PARCEL_CANCELLED, KW_SAME, NULL },

	{ FULFILMENT_INCOMPLETE, EV_HANDED_OVER, KW_SAME, NULL },
	{ FULFILMENT_INCOMPLETE, EV_DELIVERED, KW_SAME, NULL },
	{ FULFILMENT_INCOMPLETE, EV_RETURNED, KW_SAME, NULL },
	{ FULFILMENT_INCOMPLETE, EV_LOST, KW_SAME, NULL },
	{ FULFILMENT_INCOMPLETE, EV_PARCEL_CANCELLED, KW_SAME, NULL },

	/* a parcel that moves although its fulfilment was cancelled is an exception, not a state */
	{ FULFILMENT_CANCELLED, EV_HANDED_OVER, KW_SAME, NULL },
	{ FULFILMENT_CANCELLED, EV_DELIVERED, KW_SAME, NULL },
	{ FULFILMENT_CANCELLED, EV_RETURNED, KW_SAME, NULL },
	{ FULFILMENT_CANCELLED, EV_LOST, KW_SAME, NULL },
	{ FULFILMENT_CANCELLED, EV_PARCEL_CANCELLED, KW_SAME, NULL },
};

const struct kw_fsm fulfilment_fsm = KW_FSM(fulfilment_edges);

const struct kw_edge *fulfilment_edge(int state, int event)
{
	return kw_fsm_find(&fulfilment_fsm, state, event);
}

bool fulfilment_left(int state)
{
	return state == FULFILMENT_IN_PROGRESS || state == FULFILMENT_CLOSED ||
	       state == FULFILMENT_INCOMPLETE;
}

enum order_state order_state_of(const struct line *lines, size_t n)
{
	int64_t allocated = 0, parked = 0, shipped = 0, delivered = 0, incomplete = 0,
		cancelled = 0, expired = 0;

	kw_assert(n > 0);
	for (size_t i = 0; i < n; i++) {
		allocated += lines[i].allocated;
		parked += lines[i].parked;
		shipped += lines[i].shipped;
		delivered += lines[i].delivered;
		incomplete += lines[i].incomplete;
		cancelled += lines[i].cancelled;
		expired += lines[i].expired;
	}
	if (allocated + parked + shipped == 0)
		return expired > 0 && expired == cancelled ? ORDER_EXPIRED : ORDER_CANCELLED;
	if (shipped == 0) {
		if (parked == 0)
			return ORDER_ROUTED;
		return allocated == 0 ? ORDER_PARKED : ORDER_PARTLY_ROUTED;
	}
	if (allocated + parked > 0)
		return ORDER_IN_PROGRESS;
	if (delivered + incomplete < shipped)
		return ORDER_SHIPPED;
	return incomplete == 0 ? ORDER_DELIVERED : ORDER_CLOSED;
}

const struct kw_event_type *order_state_event(int state)
{
	switch (state) {
	case ORDER_IN_PROGRESS:
		return &order_in_progress_event;
	case ORDER_SHIPPED:
		return &order_shipped_event;
	case ORDER_DELIVERED:
		return &order_delivered_event;
	case ORDER_CLOSED:
		return &order_closed_event;
	default:
		return NULL;
	}
}
