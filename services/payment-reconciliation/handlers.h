/* The batch handlers, and what else changes state. */
#ifndef PAYMENT_HANDLERS_H
#define PAYMENT_HANDLERS_H

#include "flow/batch.h"

kw_batch_fn on_order_received, on_order_routed, on_order_cancelled, on_parcel_delivered;
kw_batch_fn on_payment_reported, on_order_payment_reported, on_resolve_requested;

/* May a person end an exception of this kind so (enum kw_resolution)? */
bool exception_may(int kind, int resolution);

/* arg: struct missing_orders. Opens ORDER_MISSING on those that still wait. */
struct missing_order;
struct missing_orders {
	const struct missing_order *orders; /* by id, distinct */
	size_t n;
};
kw_outcome_fn mark_missing_orders;

/* The rows of the topic table. */
extern const struct kw_topic_row payment_topics[];

#endif
