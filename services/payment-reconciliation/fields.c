/* The field tables of all messages of payment-reconciliation. */
#include "fields.h"

#include "http/crypto.h"
#include "messages.h"
#include "svc/resolution.h"
#include "json/json.h"

#define ID_MAX 64    /* maker, hub and listing ids */
#define TEXT_MAX 200 /* ids from outside */

/* ---- karwan.payments.in ---- */

const struct kw_field payment_reported_fields[] = {
	KW_UUID(struct payment_reported, payment_id, KW_REQUIRED),
	KW_STR(struct payment_reported, provider, KW_REQUIRED, 1, ID_MAX),
	KW_STR(struct payment_reported, provider_event_id, KW_REQUIRED, 1, TEXT_MAX),
	KW_ENUM(struct payment_reported, kind, KW_REQUIRED, &payment_kinds),
	KW_STR(struct payment_reported, provider_payment_id, KW_REQUIRED, 1, TEXT_MAX),
	KW_MONEY(struct payment_reported, amount, KW_REQUIRED),
	KW_MONEY(struct payment_reported, fee, KW_OPTIONAL),
	KW_STR(struct payment_reported, channel, KW_OPTIONAL, 1, TEXT_MAX),
	KW_STR(struct payment_reported, external_id, KW_OPTIONAL, 1, TEXT_MAX),
	KW_UUID(struct payment_reported, order_id, KW_OPTIONAL),
	KW_TIME(struct payment_reported, occurred_at, KW_REQUIRED),
	KW_STR(struct payment_reported, content_hash, KW_REQUIRED, 64, 64),
	KW_END,
};

/* What makes two words of a provider the same one. */
static const struct kw_field hashed_fields[] = {
	KW_ENUM(struct payment_reported, kind, KW_REQUIRED, &payment_kinds),
	KW_STR(struct payment_reported, provider, KW_REQUIRED, 1, ID_MAX),
	KW_STR(struct payment_reported, provider_payment_id, KW_REQUIRED, 1, TEXT_MAX),
	KW_MONEY(struct payment_reported, amount, KW_REQUIRED),
	KW_MONEY(struct payment_reported, fee, KW_OPTIONAL),
	KW_STR(struct payment_reported, channel, KW_OPTIONAL, 1, TEXT_MAX),
	KW_STR(struct payment_reported, external_id, KW_OPTIONAL, 1, TEXT_MAX),
	KW_TIME(struct payment_reported, occurred_at, KW_OPTIONAL),
	KW_END,
};

const char *payment_content_hash(struct kw_arena *a, const struct payment_reported *in)
{
	struct kw_buf text;
	uint8_t hash[KW_SHA256_SIZE];

	kw_buf_init(&text, 4096);
	kw_json_encode(hashed_fields, in, &text);
	kw_assert(!text.full);
	kw_sha256((struct kw_bytes) { text.p, text.n }, hash);
	kw_buf_done(&text);
	return kw_hex(a, (struct kw_bytes) { hash, sizeof(hash) });
}

/* ---- others' events: only what is needed ---- */

static const struct kw_field received_line_fields[] = {
	KW_STR(struct received_line, line_id, KW_REQUIRED, 1, TEXT_MAX),
	KW_STR(struct received_line, title, KW_OPTIONAL, 1, 1000),
	KW_I64(struct received_line, quantity, KW_REQUIRED, 0, 1000000),
	KW_MONEY(struct received_line, price, KW_REQUIRED),
	KW_MONEY(struct received_line, discount, KW_REQUIRED),
	KW_END,
};

const struct kw_field order_received_fields[] = {
	KW_UUID(struct order_received, order_id, KW_REQUIRED),
	KW_STR(struct order_received, channel, KW_REQUIRED, 1, TEXT_MAX),
	KW_STR(struct order_received, external_id, KW_REQUIRED, 1, TEXT_MAX),
	KW_STR(struct order_received, currency, KW_REQUIRED, 3, 3),
	KW_BOOL(struct order_received, test, KW_REQUIRED),
	KW_BOOL(struct order_received, cod, KW_OPTIONAL),
	KW_MONEY(struct order_received, total, KW_REQUIRED),
	KW_MONEY(struct order_received, shipping, KW_REQUIRED),
	KW_MONEY(struct order_received, tax, KW_REQUIRED),
	KW_MONEY(struct order_received, discount, KW_REQUIRED),
	KW_I64(struct order_received, fee_bps, KW_REQUIRED, 0, 10000),
	KW_ARRAY(struct order_received, lines, KW_REQUIRED, struct received_line,
		received_line_fields, 0, ORDER_LINES_MAX),
	KW_END,
};

static const struct kw_field line_quantity_fields[] = {
	KW_STR(struct line_quantity, line_id, KW_REQUIRED, 1, TEXT_MAX),
	KW_I64(struct line_quantity, quantity, KW_REQUIRED, 0, 1000000),
	KW_END,
};

static const struct kw_field routed_fulfilment_fields[] = {
	KW_UUID(struct routed_fulfilment, fulfilment_id, KW_REQUIRED),
	KW_I64(struct routed_fulfilment, n, KW_REQUIRED, 0, 1000000),
	KW_STR(struct routed_fulfilment, maker_id, KW_REQUIRED, 1, ID_MAX),
	KW_ARRAY(struct routed_fulfilment, lines, KW_REQUIRED, struct line_quantity,
		line_quantity_fields, 0, ORDER_LINES_MAX),
	KW_END,
};

const struct kw_field order_routed_fields[] = {
	KW_UUID(struct order_routed, order_id, KW_REQUIRED),
	KW_ARRAY(struct order_routed, fulfilments, KW_REQUIRED, struct routed_fulfilment,
		routed_fulfilment_fields, 0, ORDER_LINES_MAX),
	KW_END,
};

const struct kw_field order_payment_reported_fields[] = {
	KW_UUID(struct order_payment_reported, order_id, KW_REQUIRED),
	KW_STR(struct order_payment_reported, channel, KW_REQUIRED, 1, TEXT_MAX),
	KW_STR(struct order_payment_reported, external_id, KW_REQUIRED, 1, TEXT_MAX),
	KW_STR(struct order_payment_reported, reference, KW_REQUIRED, 1, TEXT_MAX),
	KW_MONEY(struct order_payment_reported, amount, KW_REQUIRED),
	KW_TIME(struct order_payment_reported, paid_at, KW_OPTIONAL),
	KW_END,
};

static const struct kw_field cancelled_fulfilment_fields[] = {
	KW_UUID(struct cancelled_fulfilment, fulfilment_id, KW_REQUIRED),
	KW_END,
};

const struct kw_field order_cancelled_fields[] = {
	KW_UUID(struct order_cancelled, order_id, KW_REQUIRED),
	KW_ARRAY(struct order_cancelled, lines, KW_REQUIRED, struct line_quantity,
		line_quantity_fields, 0, ORDER_LINES_MAX),
	KW_ARRAY(struct order_cancelled, fulfilments, KW_OPTIONAL, struct cancelled_fulfilment,
		cancelled_fulfilment_fields, 0, ORDER_LINES_MAX),
	KW_END,
};

const struct kw_field parcel_delivered_fields[] = {
	KW_UUID(struct parcel_delivered, parcel_id, KW_REQUIRED),
	KW_UUID(struct parcel_delivered, order_id, KW_REQUIRED),
	KW_UUID(struct parcel_delivered, fulfilment_id, KW_REQUIRED),
	KW_I64(struct parcel_delivered, n, KW_REQUIRED, 0, 1000000),
	KW_STR(struct parcel_delivered, maker_id, KW_REQUIRED, 1, ID_MAX),
	KW_ARRAY(struct parcel_delivered, lines, KW_REQUIRED, struct line_quantity,
		line_quantity_fields, 0, ORDER_LINES_MAX),
	KW_TIME(struct parcel_delivered, changed_at, KW_REQUIRED),
	KW_END,
};

/* ---- karwan.payments.events ---- */

static const struct kw_field expectation_settled_fields[] = {
	KW_UUID(struct expectation_settled, order_id, KW_REQUIRED),
	KW_ENUM(struct expectation_settled, state, KW_REQUIRED, &settled_states),
	KW_MONEY(struct expectation_settled, expected, KW_REQUIRED),
	KW_MONEY(struct expectation_settled, received, KW_REQUIRED),
	KW_BOOL(struct expectation_settled, cleared, KW_REQUIRED),
	KW_END,
};
const struct kw_event_type expectation_settled_event = { "karwan.expectation.settled.v1",
	expectation_settled_fields };

static const struct kw_field payment_captured_fields[] = {
	KW_UUID(struct payment_captured, payment_id, KW_REQUIRED),
	KW_STR(struct payment_captured, provider, KW_REQUIRED, 1, TEXT_MAX),
	KW_STR(struct payment_captured, provider_payment_id, KW_REQUIRED, 1, TEXT_MAX),
	KW_UUID(struct payment_captured, order_id, KW_OPTIONAL),
	KW_MONEY(struct payment_captured, amount, KW_REQUIRED),
	KW_BOOL(struct payment_captured, suspense, KW_REQUIRED),
	KW_END,
};
const struct kw_event_type payment_captured_event = { "karwan.payment.captured.v1",
	payment_captured_fields };

static const struct kw_field payment_refunded_fields[] = {
	KW_UUID(struct payment_refunded, payment_id, KW_REQUIRED),
	KW_STR(struct payment_refunded, provider, KW_REQUIRED, 1, TEXT_MAX),
	KW_UUID(struct payment_refunded, order_id, KW_OPTIONAL),
	KW_MONEY(struct payment_refunded, amount, KW_REQUIRED),
	KW_END,
};
const struct kw_event_type payment_refunded_event = { "karwan.payment.refunded.v1",
	payment_refunded_fields };

#define EXCEPTION_FIELDS                                                                \
	KW_UUID(struct exception_changed, exception_id, KW_REQUIRED),                   \
		KW_ENUM(struct exception_changed, kind, KW_REQUIRED, &exception_kinds), \
		KW_UUID(struct exception_changed, order_id, KW_OPTIONAL),               \
		KW_UUID(struct exception_changed, payment_id, KW_OPTIONAL),             \
		KW_MONEY(struct exception_changed, expected, KW_OPTIONAL),              \
		KW_MONEY(struct exception_changed, received, KW_OPTIONAL),              \
		KW_STR(struct exception_changed, reason, KW_REQUIRED, 1, TEXT_MAX)
static const struct kw_field exception_opened_fields[] = {
	EXCEPTION_FIELDS,
	KW_END,
};
static const struct kw_field exception_decided_fields[] = {
	EXCEPTION_FIELDS,
	KW_STR(struct exception_changed, resolution, KW_OPTIONAL, 1, 40),
	KW_STR(struct exception_changed, by, KW_OPTIONAL, 1, 64),
	KW_STR(struct exception_changed, note, KW_OPTIONAL, 1, 200),
	KW_END,
};
const struct kw_event_type exception_opened_event = { "karwan.exception.opened.v1",
	exception_opened_fields };
const struct kw_event_type exception_accepted_event = { "karwan.exception.accepted.v1",
	exception_decided_fields };
const struct kw_event_type exception_resolved_event = { "karwan.exception.resolved.v1",
	exception_decided_fields };

static const struct kw_field earning_earned_fields[] = {
	KW_UUID(struct earning_earned, earning_id, KW_REQUIRED),
	KW_UUID(struct earning_earned, order_id, KW_REQUIRED),
	KW_UUID(struct earning_earned, fulfilment_id, KW_REQUIRED),
	KW_STR(struct earning_earned, line_id, KW_REQUIRED, 1, TEXT_MAX),
	KW_STR(struct earning_earned, maker_id, KW_REQUIRED, 1, ID_MAX),
	KW_MONEY(struct earning_earned, amount, KW_REQUIRED),
	KW_MONEY(struct earning_earned, fee, KW_REQUIRED),
	KW_TIME(struct earning_earned, earned_at, KW_REQUIRED),
	KW_END,
};
const struct kw_event_type earning_earned_event = { "karwan.earning.earned.v1",
	earning_earned_fields };

const struct kw_contract_row payment_contract[] = {
	{ "karwan.payment.reported.v1", payment_reported_fields, sizeof(struct payment_reported),
		KW_CONTRACT_OUT },
	{ "karwan.order.received.v1", order_received_fields, sizeof(struct order_received),
		KW_CONTRACT_IN },
	{ "karwan.order.routed.v1", order_routed_fields, sizeof(struct order_routed),
		KW_CONTRACT_IN },
	{ "karwan.order.payment_reported.v1", order_payment_reported_fields,
		sizeof(struct order_payment_reported), KW_CONTRACT_IN },
	{ "karwan.order.cancelled.v1", order_cancelled_fields, sizeof(struct order_cancelled),
		KW_CONTRACT_IN },
	{ "karwan.order.expired.v1", order_cancelled_fields, sizeof(struct order_cancelled),
		KW_CONTRACT_IN },
	{ "karwan.parcel.delivered.v1", parcel_delivered_fields, sizeof(struct parcel_delivered),
		KW_CONTRACT_IN },
	{ "karwan.expectation.settled.v1", expectation_settled_fields,
		sizeof(struct expectation_settled), KW_CONTRACT_OUT },
	{ "karwan.payment.captured.v1", payment_captured_fields, sizeof(struct payment_captured),
		KW_CONTRACT_OUT },
	{ "karwan.payment.refunded.v1", payment_refunded_fields, sizeof(struct payment_refunded),
		KW_CONTRACT_OUT },
	{ KW_RESOLVE_REQUESTED, kw_resolve_requested_fields, sizeof(struct kw_resolve_requested),
		KW_CONTRACT_OUT },
	{ "karwan.exception.opened.v1", exception_opened_fields, sizeof(struct exception_changed),
		KW_CONTRACT_OUT },
	{ "karwan.exception.accepted.v1", exception_decided_fields,
		sizeof(struct exception_changed), KW_CONTRACT_OUT },
	{ "karwan.exception.resolved.v1", exception_decided_fields,
		sizeof(struct exception_changed), KW_CONTRACT_OUT },
	{ "karwan.earning.earned.v1", earning_earned_fields, sizeof(struct earning_earned),
		KW_CONTRACT_OUT },
	{ NULL, NULL, 0, KW_CONTRACT_OUT },
};
