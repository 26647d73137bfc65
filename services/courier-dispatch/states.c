/* The parcel's state table, and the names of all enums. */
#include "states.h"

static const struct kw_edge parcel_edges[] = {
	{ PARCEL_EXPECTED, EV_ROUTED, PARCEL_PLANNED, NULL },

	{ PARCEL_PLANNED, EV_ROUTED, KW_SAME, NULL },
	{ PARCEL_PLANNED, EV_CLEARED, PARCEL_READY, &parcel_created_event },
	{ PARCEL_PLANNED, EV_CANCEL, PARCEL_CANCELLED, NULL }, /* nobody was told of it */

	{ PARCEL_READY, EV_ROUTED, KW_SAME, NULL },
	{ PARCEL_READY, EV_CLEARED, KW_SAME, NULL },
	{ PARCEL_READY, EV_REFUSED, PARCEL_READY, &parcel_refused_event },
	{ PARCEL_READY, EV_BOOKED, PARCEL_BOOKED, &parcel_booked_event },
	{ PARCEL_READY, EV_CANCEL, PARCEL_CANCELLED, &parcel_cancelled_event },

	{ PARCEL_BOOKED, EV_ROUTED, KW_SAME, NULL },
	{ PARCEL_BOOKED, EV_CLEARED, KW_SAME, NULL },
	{ PARCEL_BOOKED, EV_BOOKED, KW_SAME, NULL },
	{ PARCEL_BOOKED, EV_LABELLED, PARCEL_LABELLED, &parcel_labelled_event },
	{ PARCEL_BOOKED, EV_SCANNED, PARCEL_HANDED_OVER, &parcel_handed_over_event },
	{ PARCEL_BOOKED, EV_LATE, PARCEL_HANDED_OVER, &parcel_handed_over_event },
	{ PARCEL_BOOKED, EV_STORY, PARCEL_BOOKED, &parcel_tracked_event },
	{ PARCEL_BOOKED, EV_DELIVERED, PARCEL_DELIVERED, &parcel_delivered_event },
	{ PARCEL_BOOKED, EV_RETURNING, PARCEL_RETURNING, &parcel_returning_event },
	{ PARCEL_BOOKED, EV_RETURNED, PARCEL_RETURNED, &parcel_returned_event },
	{ PARCEL_BOOKED, EV_LOST, PARCEL_LOST, &parcel_lost_event },
	{ PARCEL_BOOKED, EV_CANCEL, PARCEL_CANCELLED, &parcel_cancelled_event },

	{ PARCEL_LABELLED, EV_ROUTED, KW_SAME, NULL },
	{ PARCEL_LABELLED, EV_CLEARED, KW_SAME, NULL },
	{ PARCEL_LABELLED, EV_BOOKED, KW_SAME, NULL },
	{ PARCEL_LABELLED, EV_LABELLED, KW_SAME, NULL },
	{ PARCEL_LABELLED, EV_SCANNED, PARCEL_HANDED_OVER, &parcel_handed_over_event },
	{ PARCEL_LABELLED, EV_LATE, PARCEL_HANDED_OVER, &parcel_handed_over_event },
	{ PARCEL_LABELLED, EV_STORY, PARCEL_LABELLED, &parcel_tracked_event },
	{ PARCEL_LABELLED, EV_DELIVERED, PARCEL_DELIVERED, &parcel_delivered_event },
	{ PARCEL_LABELLED, EV_RETURNING, PARCEL_RETURNING, &parcel_returning_event },
	{ PARCEL_LABELLED, EV_RETURNED, PARCEL_RETURNED, &parcel_returned_event },
	{ PARCEL_LABELLED, EV_LOST, PARCEL_LOST, &parcel_lost_event },
	{ PARCEL_LABELLED, EV_CANCEL, PARCEL_CANCELLED, &parcel_cancelled_event },

	/* the parcel has left: a cancellation comes too late, and becomes a return elsewhere */
	{ PARCEL_HANDED_OVER, EV_ROUTED, KW_SAME, NULL },
	{ PARCEL_HANDED_OVER, EV_CLEARED, KW_SAME, NULL },
	{ PARCEL_HANDED_OVER, EV_BOOKED, KW_SAME, NULL },
	{ PARCEL_HANDED_OVER, EV_SCANNED, PARCEL_HANDED_OVER, &parcel_tracked_event },
	{ PARCEL_HANDED_OVER, EV_LATE, KW_SAME, NULL },
	{ PARCEL_HANDED_OVER, EV_STORY, PARCEL_HANDED_OVER, &parcel_tracked_event },
	{ PARCEL_HANDED_OVER, EV_DELIVERED, PARCEL_DELIVERED, &parcel_delivered_event },
	{ PARCEL_HANDED_OVER, EV_RETURNING, PARCEL_RETURNING, &parcel_returning_event },
	{ PARCEL_HANDED_OVER, EV_RETURNED, PARCEL_RETURNED, &parcel_returned_event },
	{ PARCEL_HANDED_OVER, EV_LOST, PARCEL_LOST, &parcel_lost_event },
	{ PARCEL_HANDED_OVER, EV_CANCEL, KW_SAME, NULL },

	/* final, but for a later return */
	{ PARCEL_DELIVERED, EV_ROUTED, KW_SAME, NULL },
	{ PARCEL_DELIVERED, EV_CLEARED, KW_SAME, NULL },
	{ PARCEL_DELIVERED, EV_BOOKED, KW_SAME, NULL },
	{ PARCEL_DELIVERED, EV_SCANNED, KW_SAME, NULL },
	{ PARCEL_DELIVERED, EV_LATE, KW_SAME, NULL },
	{ PARCEL_DELIVERED, EV_STORY, KW_SAME, NULL },
	{ PARCEL_DELIVERED, EV_DELIVERED, KW_SAME, NULL },
	{ PARCEL_DELIVERED, EV_RETURNING, PARCEL_RETURNING, &parcel_returning_event },
	{ PARCEL_DELIVERED, EV_RETURNED, PARCEL_RETURNED, &parcel_returned_event },
	{ PARCEL_DELIVERED, EV_LOST, KW_SAME, NULL },
	{ PARCEL_DELIVERED, EV_CANCEL, KW_SAME, NULL },

	/* on its way back, "delivered" means to us or is a mistake: told, not followed */
	{ PARCEL_RETURNING, EV_ROUTED, KW_SAME, NULL },
	{ PARCEL_RETURNING, EV_CLEARED, KW_SAME, NULL },
	{ PARCEL_RETURNING, EV_BOOKED, KW_SAME, NULL },
	{ PARCEL_RETURNING, EV_SCANNED, PARCEL_RETURNING, &parcel_tracked_event },
	{ PARCEL_RETURNING, EV_LATE, KW_SAME, NULL },
	{ PARCEL_RETURNING, EV_STORY, PARCEL_RETURNING, &parcel_tracked_event },
	{ PARCEL_RETURNING, EV_DELIVERED, PARCEL_RETURNING, &parcel_tracked_event },
	{ PARCEL_RETURNING, EV_RETURNING, PARCEL_RETURNING, &parcel_tracked_event },
	{ PARCEL_RETURNING, EV_RETURNED, PARCEL_RETURNED, &parcel_returned_event },
	{ PARCEL_RETURNING, EV_LOST, PARCEL_LOST, &parcel_lost_event },
	{ PARCEL_RETURNING, EV_CANCEL, KW_SAME, NULL },

	{ PARCEL_RETURNED, EV_ROUTED, KW_SAME, NULL },
	{ PARCEL_RETURNED, EV_CLEARED, KW_SAME, NULL },
	{ PARCEL_RETURNED, EV_BOOKED, KW_SAME, NULL },
	{ PARCEL_RETURNED, EV_SCANNED, KW_SAME, NULL },
	{ PARCEL_RETURNED, EV_LATE, KW_SAME, NULL },
	{ PARCEL_RETURNED, EV_STORY, KW_SAME, NULL },
	{ PARCEL_RETURNED, EV_DELIVERED, KW_SAME, NULL },
	{ PARCEL_RETURNED, EV_RETURNING, KW_SAME, NULL },
	{ PARCEL_RETURNED, EV_RETURNED, KW_SAME, NULL },
	{ PARCEL_RETURNED, EV_LOST, KW_SAME, NULL },
	{ PARCEL_RETURNED, EV_CANCEL, KW_SAME, NULL },

	/* ended, yet the carrier goes on: told to the partners, and an exception for a person */
	{ PARCEL_LOST, EV_ROUTED, KW_SAME, NULL },
	{ PARCEL_LOST, EV_CLEARED, KW_SAME, NULL },
	{ PARCEL_LOST, EV_BOOKED, KW_SAME, NULL },
	{ PARCEL_LOST, EV_SCANNED, PARCEL_LOST, &parcel_tracked_event },
	{ PARCEL_LOST, EV_LATE, KW_SAME, NULL },
	{ PARCEL_LOST, EV_STORY, PARCEL_LOST, &parcel_tracked_event },
	{ PARCEL_LOST, EV_DELIVERED, PARCEL_LOST, &parcel_tracked_event },
	{ PARCEL_LOST, EV_RETURNING, PARCEL_LOST, &parcel_tracked_event },
	{ PARCEL_LOST, EV_RETURNED, PARCEL_LOST, &parcel_tracked_event },
	{ PARCEL_LOST, EV_LOST, KW_SAME, NULL },
	{ PARCEL_LOST, EV_CANCEL, KW_SAME, NULL },

	{ PARCEL_CANCELLED, EV_ROUTED, KW_SAME, NULL },
	{ PARCEL_CANCELLED, EV_CLEARED, KW_SAME, NULL },
	{ PARCEL_CANCELLED, EV_BOOKED, KW_SAME, NULL }, /* the courier is asked to cancel */
	{ PARCEL_CANCELLED, EV_REFUSED, KW_SAME, NULL },
	{ PARCEL_CANCELLED, EV_SCANNED, PARCEL_CANCELLED, &parcel_tracked_event },
	{ PARCEL_CANCELLED, EV_LATE, KW_SAME, NULL },
	{ PARCEL_CANCELLED, EV_STORY, PARCEL_CANCELLED, &parcel_tracked_event },
	{ PARCEL_CANCELLED, EV_DELIVERED, PARCEL_CANCELLED, &parcel_tracked_event },
	{ PARCEL_CANCELLED, EV_RETURNING, PARCEL_CANCELLED, &parcel_tracked_event },
	{ PARCEL_CANCELLED, EV_RETURNED, PARCEL_CANCELLED, &parcel_tracked_event },
	{ PARCEL_CANCELLED, EV_LOST, PARCEL_CANCELLED, &parcel_tracked_event },
	{ PARCEL_CANCELLED, EV_CANCEL, KW_SAME, NULL },
};
const struct kw_fsm parcel_fsm = KW_FSM(parcel_edges);

const struct kw_edge *parcel_step(struct parcel *p, int event, kw_time now)
{
	const struct kw_edge *edge = kw_fsm_find(&parcel_fsm, p->state, event);

	if (!edge || edge->to == KW_SAME)
		return edge;
	p->state = edge->to;
	p->changed_at = now;
	p->changed = true;
	if (edge->emit)
		p->version++;
	return edge;
}

static const char *const parcel_state_names[] = { "READY", "BOOKED", "LABELLED", "HANDED_OVER",
	"DELIVERED", "RETURNING", "RETURNED", "LOST", "CANCELLED", "PLANNED", "EXPECTED" };
const struct kw_strtab parcel_states = { parcel_state_names, PARCEL_PLANNED };
const struct kw_strtab parcel_row_states = KW_STRTAB(parcel_state_names);

static const char *const parcel_event_names[] = { "routed", "cleared", "refused", "booked",
	"labelled", "scanned", "late", "story", "delivered", "returning", "returned", "lost",
	"cancel" };
const struct kw_strtab parcel_events = KW_STRTAB(parcel_event_names);

static const char *const carrier_status_names[] = { "CREATED", "PICKED_UP", "IN_TRANSIT",
	"OUT_FOR_DELIVERY", "ATTEMPT_FAILED", "AVAILABLE_FOR_PICKUP", "DELIVERED", "RETURNING",
	"RETURNED", "LOST", "EXCEPTION", "CANCELLED", "UNKNOWN", "NONE" };
const struct kw_strtab carrier_statuses = { carrier_status_names, CARRIER_NONE };
const struct kw_strtab carrier_row_statuses = KW_STRTAB(carrier_status_names);
const struct kw_strtab mapped_statuses = { carrier_status_names, CARRIER_UNKNOWN };

static const char *const exception_kind_names[] = { "NO_COURIER", "BOOKING_STUCK", "CANCEL_REFUSED",
	"CARRIER_CANCELLED", "SCANNED_AFTER_END", "DELIVERED_ON_RETURN", "FOREIGN_COURIER",
	"UNKNOWN_STATUS", "UNKNOWN_PARCEL", "SCAN_CONFLICT", "RETURN_REFUSED" };
const struct kw_strtab parcel_exception_kinds = KW_STRTAB(exception_kind_names);

static const char *const exception_state_names[] = { "OPEN", "RESOLVED", "CLOSED" };
const struct kw_strtab parcel_exception_states = KW_STRTAB(exception_state_names);

static const char *const scan_standing_names[] = { "PENDING", "APPLIED", "FOREIGN" };
const struct kw_strtab scan_standings = KW_STRTAB(scan_standing_names);

static const char *const order_state_names[] = { "RECEIVED", "ROUTED", "PARTLY_ROUTED", "PARKED",
	"IN_PROGRESS", "SHIPPED", "DELIVERED", "CLOSED", "CANCELLED", "EXPIRED" };
const struct kw_strtab routed_order_states = KW_STRTAB(order_state_names);
