/* The state tables: expectation, payment, exception. What is absent is refused. Const; any thread.
 */
#ifndef PAYMENT_STATES_H
#define PAYMENT_STATES_H

#include "model.h"

extern const struct kw_fsm expectation_fsm, payment_fsm, exception_fsm;

/* What an edge may emit (fields.c). */
extern const struct kw_event_type expectation_settled_event, payment_captured_event,
	payment_refunded_event, exception_opened_event, exception_accepted_event,
	exception_resolved_event;

#endif
