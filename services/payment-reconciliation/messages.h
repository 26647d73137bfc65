/* The messages that payment-reconciliation reads and writes, as structs of their field tables
 * (fields.c). Of others' events only what is needed is decoded. Texts belong to the arena of the
 * batch or request. */
#ifndef PAYMENT_MESSAGES_H
#define PAYMENT_MESSAGES_H

#include "flow/batch.h"
#include "model.h"

/* ---- in: karwan.payments.in ---- */

struct payment_reported {
	struct kw_meta meta;
	struct kw_uuid payment_id;
	const char *provider, *provider_event_id;
	int kind;
	const char *provider_payment_id;
	struct kw_money amount; /* SUCCEEDED: captured; REFUNDED: the sum of all refunds so far;
				   FAILED: asked for */
	struct kw_money fee;
	const char *channel, *external_id;
	struct kw_uuid order_id; /* "": no reference, or its channel is not declared */
	kw_time occurred_at;
	const char *content_hash;
};

/* ---- in: karwan.orders.events ---- */

struct received_line {
	const char *line_id, *title;
	int64_t quantity;
	struct kw_money price, discount;
};

struct order_received {
	struct kw_meta meta;
	struct kw_uuid order_id;
	const char *channel, *external_id, *currency;
	bool test, cod;
	struct kw_money total, shipping, tax, discount;
	int64_t fee_bps;
	struct received_line *lines;
	size_t n_lines;
};

struct line_quantity {
	const char *line_id;
	int64_t quantity;
};

struct routed_fulfilment {
	struct kw_uuid fulfilment_id;
	int64_t n;
	const char *maker_id;
	struct line_quantity *lines;
	size_t n_lines;
};

struct order_routed {
	struct kw_meta meta;
	struct kw_uuid order_id;
	struct routed_fulfilment *fulfilments;
	size_t n_fulfilments;
};

struct order_payment_reported {
	struct kw_meta meta;
	struct kw_uuid order_id;
	const char *channel, *external_id, *reference;
	struct kw_money amount;
	kw_time paid_at;
};

struct cancelled_fulfilment {
	struct kw_uuid fulfilment_id;
};

struct order_cancelled {
	struct kw_meta meta;
	struct kw_uuid order_id;
	struct line_quantity *lines;
	size_t n_lines;
	struct cancelled_fulfilment *fulfilments;
	size_t n_fulfilments;
};

/* ---- in: karwan.dispatch.events ---- */

struct parcel_delivered {
	struct kw_meta meta;
	struct kw_uuid parcel_id, order_id, fulfilment_id;
	int64_t n;
	const char *maker_id;
	struct line_quantity *lines;
	size_t n_lines;
	kw_time changed_at;
};

extern const struct kw_field payment_reported_fields[], order_received_fields[],
	order_routed_fields[], order_payment_reported_fields[], order_cancelled_fields[],
	parcel_delivered_fields[];

/* SHA-256 (hex) of what the provider said: kind, payment, amount, reference, time. */
const char *payment_content_hash(struct kw_arena *a, const struct payment_reported *in);

/* ---- out: karwan.payments.events ---- */

struct expectation_settled {
	struct kw_uuid order_id;
	int state;
	struct kw_money expected, received;
	bool cleared;
};

struct payment_captured {
	struct kw_uuid payment_id;
	const char *provider, *provider_payment_id;
	struct kw_uuid order_id;
	struct kw_money amount;
	bool suspense;
};

struct payment_refunded {
	struct kw_uuid payment_id;
	const char *provider;
	struct kw_uuid order_id;
	struct kw_money amount; /* the sum of all refunds so far */
};

struct exception_changed {
	struct kw_uuid exception_id;
	int kind;
	struct kw_uuid order_id, payment_id;
	struct kw_money expected, received;
	const char *reason;
	const char *resolution, *by, *note; /* of the person who decided, if one did */
};

struct earning_earned {
	struct kw_uuid earning_id, order_id, fulfilment_id;
	const char *line_id, *maker_id;
	struct kw_money amount, fee;
	kw_time earned_at;
};

extern const struct kw_event_type expectation_settled_event, payment_captured_event,
	payment_refunded_event, exception_opened_event, exception_accepted_event,
	exception_resolved_event, earning_earned_event;

#endif
