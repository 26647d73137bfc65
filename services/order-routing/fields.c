/* Field tables of everything that order-routing reads from topics, appends and emits. The API's are
 * in views.c. */
#include "fields.h"

#include "adapters/karwan/karwan.h"
#include "states.h"

/* ---- names of the enums ---- */

#define NAMES(table, ...)                                           \
	static const char *const table##_texts[] = { __VA_ARGS__ }; \
	const struct kw_strtab table = KW_STRTAB(table##_texts)

NAMES(order_kind_names, "CREATED", "UPDATED", "CANCELLED", "PAID");
NAMES(order_state_names, "RECEIVED", "ROUTED", "PARTLY_ROUTED", "PARKED", "IN_PROGRESS", "SHIPPED",
	"DELIVERED", "CLOSED", "CANCELLED", "EXPIRED");
NAMES(fulfilment_state_names, "OPEN", "ON_HOLD", "IN_PROGRESS", "CLOSED", "INCOMPLETE",
	"CANCELLED");
NAMES(listing_kind_names, "ONE_OF_A_KIND", "STOCKED", "MADE_TO_ORDER");
NAMES(listing_state_names, "DRAFT", "APPROVED", "RETIRED");
NAMES(publication_state_names, "PUBLISHED", "PAUSED", "UNPUBLISHED", "RETIRED");
NAMES(park_reason_names, "UNKNOWN_LISTING", "OUT_OF_STOCK", "NO_CAPACITY", "MAKER_ON_LEAVE",
	"RETIRED_LISTING", "SPLIT_NOT_ALLOWED", "UNKNOWN_HUB", "NO_RULE", "NO_ADDRESS",
	"TEST_ORDER");
NAMES(movement_kind_names, "RECEIPT", "ADJUST", "RESERVE", "RELEASE", "SALE");
NAMES(rule_scope_names, "OWN_MAKER", "SAME_HUB", "ANY_HUB");
NAMES(rule_sort_names, "FAIR_SHARE", "CAPACITY_LEFT");
NAMES(rule_split_names, "ALLOW_SPLIT", "NO_SPLIT");
NAMES(exception_kind_names, "CONFLICT", "LINES_CHANGED", "ADDRESS_CHANGED", "CURRENCY_CHANGED",
	"SHIPPED_AFTER_CANCEL", "PARCEL_CANCELLED", "STOCK_SHORT", "RETURN_REPORTED",
	"NOT_FETCHED");
NAMES(exception_state_names, "OPEN", "CLOSED");

/* ---- shared parts ---- */

const struct kw_field address_fields[] = {
	KW_STR(struct address, name, KW_REQUIRED, 1, 200),
	KW_STR(struct address, line1, KW_REQUIRED, 1, 300),
	KW_STR(struct address, line2, KW_OPTIONAL, 1, 300),
	KW_STR(struct address, line3, KW_OPTIONAL, 1, 300),
	KW_STR(struct address, city, KW_REQUIRED, 1, 120),
	KW_STR(struct address, postcode, KW_OPTIONAL, 1, 40),
	KW_STR(struct address, region, KW_OPTIONAL, 1, 120),
	KW_STR(struct address, country, KW_REQUIRED, 2, 2),
	KW_STR(struct address, phone, KW_OPTIONAL, 1, 40),
	KW_END,
};

/* ---- read ---- */

static const struct kw_field submitted_line_fields[] = {
	KW_STR(struct submitted_line, line_id, KW_REQUIRED, 1, 64),
	KW_STR(struct submitted_line, sku, KW_REQUIRED, 1, 100),
	KW_STR(struct submitted_line, title, KW_OPTIONAL, 1, 300),
	KW_I64(struct submitted_line, quantity, KW_REQUIRED, 1, QUANTITY_MAX),
	KW_MONEY(struct submitted_line, price, KW_REQUIRED),
	KW_MONEY(struct submitted_line, discount, KW_REQUIRED),
	KW_END,
};

static const struct kw_field submitted_payment_fields[] = {
	KW_STR(struct submitted_payment, reference, KW_REQUIRED, 1, 128),
	KW_MONEY(struct submitted_payment, amount, KW_REQUIRED),
	KW_TIME(struct submitted_payment, paid_at, KW_OPTIONAL),
	KW_END,
};

/* The members that a marketplace's order is made of, seen from struct T at the path p. */
#define CONTENT_OF_ORDER(T, p)                                                                  \
	KW_TIME_AS(T, p placed_at, "placed_at", KW_REQUIRED),                                   \
		KW_STR_AS(T, p currency, "currency", KW_REQUIRED, 3, 3),                        \
		KW_BOOL_AS(T, p test, "test", KW_REQUIRED),                                     \
		KW_STR_AS(T, p number, "number", KW_OPTIONAL, 1, 64),                           \
		KW_STR_AS(T, p email_hash, "email_hash", KW_OPTIONAL, 64, 64),                  \
		KW_MONEY_AS(T, p total, "total", KW_REQUIRED),                                  \
		KW_MONEY_AS(T, p lines_total, "lines_total", KW_REQUIRED),                      \
		KW_MONEY_AS(T, p shipping, "shipping", KW_REQUIRED),                            \
		KW_MONEY_AS(T, p tax, "tax", KW_REQUIRED),                                      \
		KW_MONEY_AS(T, p discount, "discount", KW_REQUIRED),                            \
		KW_STR_AS(T, p financial_status, "financial_status", KW_OPTIONAL, 1, 40),       \
		KW_BOOL_AS(T, p cod, "cod", KW_OPTIONAL),                                       \
		KW_OBJECT_AS(                                                                   \
			T, p ship_to, "ship_to", KW_OPTIONAL, struct address, address_fields),  \
		KW_ARRAY_AS(T, p lines, p n_lines, "lines", KW_REQUIRED, struct submitted_line, \
			submitted_line_fields, 1, LINES_MAX),                                   \
		KW_ARRAY_AS(T, p payments, p n_payments, "payments", KW_OPTIONAL,               \
			struct submitted_payment, submitted_payment_fields, 0, 20),             \
		KW_STR_AS(T, p cancel_reason, "cancel_reason", KW_OPTIONAL, 1, 200)

const struct kw_field submitted_content_fields[] = {
	CONTENT_OF_ORDER(struct submitted, ),
	KW_END,
};

#define M struct submitted_message
const struct kw_field submitted_fields[] = {
	KW_UUID_AS(M, order.order_id, "order_id", KW_REQUIRED),
	KW_STR_AS(M, order.channel, "channel", KW_REQUIRED, 1, 64),
	KW_STR_AS(M, order.external_id, "external_id", KW_REQUIRED, 1, 128),
	KW_ENUM_AS(M, order.kind, "kind", KW_REQUIRED, &order_kind_names),
	KW_TIME_AS(M, order.source_time, "source_time", KW_REQUIRED),
	KW_STR_AS(M, order.content_hash, "content_hash", KW_REQUIRED, 64, 64),
	KW_STR_AS(M, order.totals_flag, "totals_flag", KW_OPTIONAL, 1, 40),
	KW_I64_AS(M, order.fee_bps, "fee_bps", KW_REQUIRED, 0, 10000),
	KW_I64_AS(M, order.park_days, "park_days", KW_REQUIRED, 0, 3650),
	CONTENT_OF_ORDER(M, order.),
	KW_END,
};
#undef M

#define M struct notice_message
const struct kw_field noticed_fields[] = {
	KW_UUID_AS(M, notice.order_id, "order_id", KW_REQUIRED),
	KW_STR_AS(M, notice.channel, "channel", KW_REQUIRED, 1, 64),
	KW_STR_AS(M, notice.external_id, "external_id", KW_REQUIRED, 1, 128),
	KW_TIME_AS(M, notice.noticed_at, "noticed_at", KW_OPTIONAL),
	KW_STR_AS(M, notice.status, "status", KW_OPTIONAL, 1, 100),
	KW_STR_AS(M, notice.line_id, "line_id", KW_OPTIONAL, 1, 64),
	KW_STR_AS(M, notice.reverse_id, "reverse_id", KW_OPTIONAL, 1, 64),
	KW_END,
};
#undef M

#define M struct withdrawal_message
const struct kw_field withdrawn_fields[] = {
	KW_UUID_AS(M, withdrawal.order_id, "order_id", KW_REQUIRED),
	KW_STR_AS(M, withdrawal.channel, "channel", KW_REQUIRED, 1, 64),
	KW_STR_AS(M, withdrawal.external_id, "external_id", KW_REQUIRED, 1, 128),
	KW_END,
};
#undef M

const struct kw_field cancel_fields[] = {
	KW_UUID(struct cancel_message, order_id, KW_REQUIRED),
	KW_STR(struct cancel_message, request_id, KW_REQUIRED, 1, 128),
	KW_STR(struct cancel_message, reason, KW_REQUIRED, 1, 200),
	KW_STR(struct cancel_message, by, KW_REQUIRED, 1, 64),
	KW_END,
};

const struct kw_field maker_fields[] = {
	KW_STR(struct maker_message, maker_id, KW_REQUIRED, 1, 64),
	KW_I64(struct maker_message, version, KW_REQUIRED, 1, INT64_MAX),
	KW_STR(struct maker_message, hub_id, KW_REQUIRED, 1, 64),
	KW_STRS(struct maker_message, skills, KW_OPTIONAL, 0, 50),
	KW_I64(struct maker_message, weekly_capacity, KW_REQUIRED, 0, 1000000),
	KW_STR(struct maker_message, state, KW_REQUIRED, 1, 40),
	KW_TIME(struct maker_message, leave_until, KW_OPTIONAL),
	KW_END,
};

const struct kw_field hub_fields[] = {
	KW_STR(struct hub_message, hub_id, KW_REQUIRED, 1, 64),
	KW_I64(struct hub_message, version, KW_REQUIRED, 1, INT64_MAX),
	KW_STR(struct hub_message, name, KW_REQUIRED, 1, 200),
	KW_STR(struct hub_message, region, KW_REQUIRED, 1, 120),
	KW_OBJECT(struct hub_message, address, KW_REQUIRED, struct address, address_fields),
	KW_END,
};

static const struct kw_field publication_fields[] = {
	KW_STR(struct publication, channel, KW_REQUIRED, 1, 64),
	KW_STR(struct publication, channel_sku, KW_REQUIRED, 1, 100),
	KW_ENUM(struct publication, state, KW_REQUIRED, &publication_state_names),
	KW_END,
};

const struct kw_field listing_fields[] = {
	KW_STR(struct listing_message, listing_id, KW_REQUIRED, 1, 64),
	KW_I64(struct listing_message, version, KW_REQUIRED, 1, INT64_MAX),
	KW_STR(struct listing_message, sku, KW_REQUIRED, 1, 100),
	KW_STR(struct listing_message, title, KW_REQUIRED, 1, 300),
	KW_ENUM(struct listing_message, kind, KW_REQUIRED, &listing_kind_names),
	KW_STR(struct listing_message, maker_id, KW_REQUIRED, 1, 64),
	KW_STR(struct listing_message, hub_id, KW_REQUIRED, 1, 64),
	KW_STR(struct listing_message, skill, KW_OPTIONAL, 1, 200),
	KW_I64(struct listing_message, weight_g, KW_REQUIRED, 0, 10000000),
	KW_I64(struct listing_message, quantity, KW_REQUIRED, 0, 100000000),
	KW_I64(struct listing_message, quantity_version, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct listing_message, lead_days, KW_OPTIONAL, 0, 3650),
	KW_ENUM(struct listing_message, state, KW_REQUIRED, &listing_state_names),
	KW_ARRAY(struct listing_message, publications, KW_OPTIONAL, struct publication,
		publication_fields, 0, 100),
	KW_END,
};

const struct kw_field parcel_fields[] = {
	KW_UUID(struct parcel_message, parcel_id, KW_REQUIRED),
	KW_UUID(struct parcel_message, order_id, KW_REQUIRED),
	KW_UUID(struct parcel_message, fulfilment_id, KW_REQUIRED),
	KW_I64(struct parcel_message, version, KW_REQUIRED, 1, INT64_MAX),
	KW_END,
};

/* ---- emitted ---- */

#define E struct order_event

/* What every event of an order begins with. */
#define WHOSE                                                                      \
	KW_UUID(E, order_id, KW_REQUIRED), KW_STR(E, channel, KW_REQUIRED, 1, 64), \
		KW_STR(E, external_id, KW_REQUIRED, 1, 128)

static const struct kw_field received_line_fields[] = {
	KW_STR(struct out_line, line_id, KW_REQUIRED, 1, 64),
	KW_STR(struct out_line, sku, KW_REQUIRED, 1, 100),
	KW_STR(struct out_line, title, KW_OPTIONAL, 1, 300),
	KW_I64(struct out_line, quantity, KW_REQUIRED, 1, QUANTITY_MAX),
	KW_MONEY(struct out_line, price, KW_REQUIRED),
	KW_MONEY(struct out_line, discount, KW_REQUIRED),
	KW_END,
};

static const struct kw_field routed_line_fields[] = {
	KW_STR(struct out_line, line_id, KW_REQUIRED, 1, 64),
	KW_STR(struct out_line, listing_id, KW_REQUIRED, 1, 64),
	KW_STR(struct out_line, sku, KW_REQUIRED, 1, 100),
	KW_STR(struct out_line, title, KW_OPTIONAL, 1, 300),
	KW_I64(struct out_line, quantity, KW_REQUIRED, 1, QUANTITY_MAX),
	KW_MONEY(struct out_line, price, KW_REQUIRED),
	KW_MONEY(struct out_line, discount, KW_REQUIRED),
	KW_END,
};

static const struct kw_field fulfilment_fields[] = {
	KW_UUID(struct out_fulfilment, fulfilment_id, KW_REQUIRED),
	KW_I64(struct out_fulfilment, n, KW_REQUIRED, 1, 100000),
	KW_STR(struct out_fulfilment, maker_id, KW_REQUIRED, 1, 64),
	KW_STR(struct out_fulfilment, hub_id, KW_REQUIRED, 1, 64),
	KW_OBJECT(struct out_fulfilment, ship_from, KW_REQUIRED, struct address, address_fields),
	KW_I64(struct out_fulfilment, weight_g, KW_REQUIRED, 0, INT64_MAX),
	KW_MONEY(struct out_fulfilment, declared_value, KW_REQUIRED),
	KW_ARRAY(struct out_fulfilment, lines, KW_REQUIRED, struct out_line, routed_line_fields, 1,
		LINES_MAX),
	KW_END,
};

static const struct kw_field depleted_fields[] = {
	KW_STR(struct out_depleted, listing_id, KW_REQUIRED, 1, 64),
	KW_I64(struct out_depleted, available, KW_REQUIRED, 0, 1000000000),
	KW_I64(struct out_depleted, stock_version, KW_REQUIRED, 1, INT64_MAX),
	KW_END,
};

static const struct kw_field decision_fields[] = {
	KW_STR(struct out_decision, line_id, KW_REQUIRED, 1, 64),
	KW_STR(struct out_decision, rule, KW_REQUIRED, 0, 64),
	KW_STR(struct out_decision, reason, KW_REQUIRED, 1, 64),
	KW_END,
};

static const struct kw_field parked_line_fields[] = {
	KW_STR(struct out_parked, line_id, KW_REQUIRED, 1, 64),
	KW_STR(struct out_parked, sku, KW_REQUIRED, 1, 100),
	KW_I64(struct out_parked, quantity, KW_REQUIRED, 1, QUANTITY_MAX),
	KW_ENUM(struct out_parked, reason, KW_REQUIRED, &park_reason_names),
	KW_END,
};

static const struct kw_field cancelled_line_fields[] = {
	KW_STR(struct out_cancelled_line, line_id, KW_REQUIRED, 1, 64),
	KW_I64(struct out_cancelled_line, quantity, KW_REQUIRED, 1, QUANTITY_MAX),
	KW_END,
};

static const struct kw_field fulfilment_id_fields[] = {
	KW_UUID(struct out_fulfilment_id, fulfilment_id, KW_REQUIRED),
	KW_END,
};

static const struct kw_field received_fields[] = {
	WHOSE,
	KW_STR(E, number, KW_OPTIONAL, 1, 64),
	KW_TIME(E, placed_at, KW_REQUIRED),
	KW_BOOL(E, test, KW_REQUIRED),
	KW_BOOL(E, cod, KW_OPTIONAL),
	KW_STR(E, currency, KW_REQUIRED, 3, 3),
	KW_MONEY(E, total, KW_REQUIRED),
	KW_MONEY(E, lines_total, KW_REQUIRED),
	KW_MONEY(E, shipping, KW_REQUIRED),
	KW_MONEY(E, tax, KW_REQUIRED),
	KW_MONEY(E, discount, KW_REQUIRED),
	KW_STR(E, totals_flag, KW_OPTIONAL, 1, 40),
	KW_I64(E, fee_bps, KW_REQUIRED, 0, 10000),
	KW_OBJECT(E, ship_to, KW_OPTIONAL, struct address, address_fields),
	KW_ARRAY(E, lines, KW_REQUIRED, struct out_line, received_line_fields, 1, LINES_MAX),
	KW_ENUM(E, state, KW_REQUIRED, &order_state_names),
	KW_END,
};

NAMES(routed_state_names, "ROUTED", "PARTLY_ROUTED");

static const struct kw_field routed_fields[] = {
	WHOSE,
	KW_ENUM_AS(E, routed_state, "state", KW_REQUIRED, &routed_state_names),
	KW_STR(E, currency, KW_REQUIRED, 3, 3),
	KW_MONEY(E, total, KW_REQUIRED),
	KW_BOOL(E, cod, KW_REQUIRED),
	KW_I64(E, fee_bps, KW_REQUIRED, 0, 10000),
	KW_OBJECT(E, ship_to, KW_REQUIRED, struct address, address_fields),
	KW_ARRAY(E, fulfilments, KW_REQUIRED, struct out_fulfilment, fulfilment_fields, 1,
		ROUTED_MAX),
	KW_ARRAY(E, depleted, KW_OPTIONAL, struct out_depleted, depleted_fields, 0, LINES_MAX),
	KW_ARRAY(E, decision, KW_OPTIONAL, struct out_decision, decision_fields, 0, LINES_MAX),
	KW_END,
};

static const struct kw_field parked_fields[] = {
	WHOSE,
	KW_ARRAY_AS(E, parked, n_parked, "lines", KW_REQUIRED, struct out_parked,
		parked_line_fields, 1, LINES_MAX),
	KW_TIME(E, auto_cancel_at, KW_REQUIRED),
	KW_END,
};

static const struct kw_field payment_reported_fields[] = {
	WHOSE,
	KW_STR(E, reference, KW_REQUIRED, 1, 128),
	KW_MONEY(E, amount, KW_REQUIRED),
	KW_TIME(E, paid_at, KW_OPTIONAL),
	KW_END,
};

static const struct kw_field updated_fields[] = {
	KW_UUID(E, order_id, KW_REQUIRED),
	KW_TIME(E, source_time, KW_REQUIRED),
	KW_STR(E, financial_status, KW_OPTIONAL, 1, 40),
	KW_END,
};

static const struct kw_field conflicted_fields[] = {
	WHOSE,
	KW_UUID(E, exception_id, KW_REQUIRED),
	KW_STR(E, field, KW_OPTIONAL, 1, 40),
	KW_END,
};

static const struct kw_field exception_resolved_fields[] = {
	WHOSE,
	KW_UUID(E, exception_id, KW_REQUIRED),
	KW_ENUM(E, kind, KW_REQUIRED, &exception_kind_names),
	KW_ENUM(E, resolution, KW_REQUIRED, &kw_resolution_names),
	KW_STR(E, reason, KW_REQUIRED, 1, 200),
	KW_STR(E, by, KW_REQUIRED, 1, 64),
	KW_END,
};

static const struct kw_field cancelled_fields[] = {
	WHOSE,
	KW_STR(E, reason, KW_REQUIRED, 1, 200),
	KW_STR(E, by, KW_REQUIRED, 1, 64),
	KW_ARRAY_AS(E, cancelled, n_cancelled, "lines", KW_REQUIRED, struct out_cancelled_line,
		cancelled_line_fields, 1, LINES_MAX),
	KW_ARRAY_AS(E, ended, n_ended, "fulfilments", KW_OPTIONAL, struct out_fulfilment_id,
		fulfilment_id_fields, 0, FULFILMENTS_MAX),
	KW_ARRAY(E, depleted, KW_OPTIONAL, struct out_depleted, depleted_fields, 0, LINES_MAX),
	KW_END,
};

static const struct kw_field cancel_refused_fields[] = {
	KW_UUID(E, order_id, KW_REQUIRED),
	KW_STR(E, request_id, KW_OPTIONAL, 1, 128),
	KW_STR(E, reason, KW_REQUIRED, 1, 200),
	KW_END,
};

static const struct kw_field state_fields[] = {
	WHOSE,
	KW_ENUM(E, state, KW_REQUIRED, &order_state_names),
	KW_END,
};

#define EVENT(name, text, fields) const struct kw_event_type name = { text, fields }
EVENT(order_received_event, "karwan.order.received.v1", received_fields);
EVENT(order_routed_event, "karwan.order.routed.v1", routed_fields);
EVENT(order_parked_event, "karwan.order.parked.v1", parked_fields);
EVENT(order_payment_reported_event, "karwan.order.payment_reported.v1", payment_reported_fields);
EVENT(order_updated_event, "karwan.order.updated.v1", updated_fields);
EVENT(order_conflicted_event, "karwan.order.conflicted.v1", conflicted_fields);
EVENT(order_exception_resolved_event, "karwan.order.exception_resolved.v1",
	exception_resolved_fields);
EVENT(order_cancelled_event, "karwan.order.cancelled.v1", cancelled_fields);
EVENT(order_cancel_refused_event, "karwan.order.cancel_refused.v1", cancel_refused_fields);
EVENT(order_expired_event, "karwan.order.expired.v1", cancelled_fields);
EVENT(order_in_progress_event, "karwan.order.in_progress.v1", state_fields);
EVENT(order_shipped_event, "karwan.order.shipped.v1", state_fields);
EVENT(order_delivered_event, "karwan.order.delivered.v1", state_fields);
EVENT(order_closed_event, "karwan.order.closed.v1", state_fields);

#define OUT(name, table)                                \
	{                                               \
		name, table, sizeof(E), KW_CONTRACT_OUT \
	}
#define IN(name, table, T)                             \
	{                                              \
		name, table, sizeof(T), KW_CONTRACT_IN \
	}
const struct kw_contract_row routing_contract[] = {
	{ "karwan.order.submitted.v1", submitted_fields, sizeof(struct submitted_message),
		KW_CONTRACT_OUT },
	{ "karwan.order.noticed.v1", noticed_fields, sizeof(struct notice_message),
		KW_CONTRACT_OUT },
	{ "karwan.order.withdrawn.v1", withdrawn_fields, sizeof(struct withdrawal_message),
		KW_CONTRACT_OUT },
	{ "karwan.order.cancel_requested.v1", cancel_fields, sizeof(struct cancel_message),
		KW_CONTRACT_OUT },
	OUT("karwan.order.received.v1", received_fields),
	OUT("karwan.order.routed.v1", routed_fields),
	OUT("karwan.order.parked.v1", parked_fields),
	OUT("karwan.order.payment_reported.v1", payment_reported_fields),
	OUT("karwan.order.updated.v1", updated_fields),
	OUT("karwan.order.conflicted.v1", conflicted_fields),
	OUT("karwan.order.exception_resolved.v1", exception_resolved_fields),
	{ KW_RESOLVE_REQUESTED, kw_resolve_requested_fields, sizeof(struct kw_resolve_requested),
		KW_CONTRACT_OUT },
	OUT("karwan.order.cancelled.v1", cancelled_fields),
	OUT("karwan.order.cancel_refused.v1", cancel_refused_fields),
	OUT("karwan.order.expired.v1", cancelled_fields),
	OUT("karwan.order.in_progress.v1", state_fields),
	OUT("karwan.order.shipped.v1", state_fields),
	OUT("karwan.order.delivered.v1", state_fields),
	OUT("karwan.order.closed.v1", state_fields),
	IN("karwan.maker.changed.v1", maker_fields, struct maker_message),
	IN("karwan.hub.changed.v1", hub_fields, struct hub_message),
	IN("karwan.listing.changed.v1", listing_fields, struct listing_message),
	IN("karwan.parcel.handed_over.v1", parcel_fields, struct parcel_message),
	IN("karwan.parcel.delivered.v1", parcel_fields, struct parcel_message),
	IN("karwan.parcel.returned.v1", parcel_fields, struct parcel_message),
	IN("karwan.parcel.lost.v1", parcel_fields, struct parcel_message),
	IN("karwan.parcel.cancelled.v1", parcel_fields, struct parcel_message),
	IN("karwan.order.posted.v1", posted_fields, struct posted),
	{ 0 },
};
