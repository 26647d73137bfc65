/* Field tables of everything that courier-dispatch reads from topics, emits, stores as JSON and
 * shows. */
#include "fields.h"

#include "svc/resolution.h"

#include "states.h"
#include "json/contract.h"

#define ID_MAX 64 /* maker, hub, channel and courier names */

static const struct kw_field address_fields[] = {
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

static const struct kw_field line_fields[] = {
	KW_STR(struct parcel_line, line_id, KW_REQUIRED, 1, 64),
	KW_STR(struct parcel_line, sku, KW_REQUIRED, 1, 100),
	KW_STR(struct parcel_line, title, KW_OPTIONAL, 1, 300),
	KW_I64(struct parcel_line, quantity, KW_REQUIRED, 1, 10000),
	KW_END,
};

/* ---- others' events: only what is needed ---- */

static const struct kw_field routed_fulfilment_fields[] = {
	KW_UUID(struct routed_fulfilment, fulfilment_id, KW_REQUIRED),
	KW_I64(struct routed_fulfilment, n, KW_REQUIRED, 1, 100000),
	KW_STR(struct routed_fulfilment, maker_id, KW_REQUIRED, 1, ID_MAX),
	KW_STR(struct routed_fulfilment, hub_id, KW_REQUIRED, 1, ID_MAX),
	KW_OBJECT(struct routed_fulfilment, ship_from, KW_REQUIRED, struct address, address_fields),
	KW_I64(struct routed_fulfilment, weight_g, KW_REQUIRED, 0, INT64_MAX),
	KW_MONEY(struct routed_fulfilment, declared_value, KW_REQUIRED),
	KW_ARRAY(struct routed_fulfilment, lines, KW_REQUIRED, struct parcel_line, line_fields, 1,
		LINES_MAX),
	KW_END,
};

const struct kw_field routed_in_fields[] = {
	KW_UUID(struct order_routed, order_id, KW_REQUIRED),
	KW_STR(struct order_routed, channel, KW_REQUIRED, 1, ID_MAX),
	KW_STR(struct order_routed, external_id, KW_REQUIRED, 1, 128),
	KW_ENUM(struct order_routed, state, KW_REQUIRED, &routed_order_states),
	KW_MONEY(struct order_routed, total, KW_REQUIRED),
	KW_BOOL(struct order_routed, cod, KW_REQUIRED),
	KW_OBJECT(struct order_routed, ship_to, KW_REQUIRED, struct address, address_fields),
	KW_ARRAY(struct order_routed, fulfilments, KW_REQUIRED, struct routed_fulfilment,
		routed_fulfilment_fields, 1, FULFILMENTS_MAX),
	KW_END,
};

static const struct kw_field fulfilment_ref_fields[] = {
	KW_UUID(struct fulfilment_ref, fulfilment_id, KW_REQUIRED),
	KW_END,
};

const struct kw_field cancelled_in_fields[] = {
	KW_UUID(struct order_cancelled, order_id, KW_REQUIRED),
	KW_STR(struct order_cancelled, reason, KW_REQUIRED, 1, 200),
	KW_STR(struct order_cancelled, by, KW_REQUIRED, 1, ID_MAX),
	KW_ARRAY(struct order_cancelled, fulfilments, KW_OPTIONAL, struct fulfilment_ref,
		fulfilment_ref_fields, 0, FULFILMENTS_MAX),
	KW_END,
};

const struct kw_field settled_in_fields[] = {
	KW_UUID(struct expectation_settled, order_id, KW_REQUIRED),
	KW_BOOL(struct expectation_settled, cleared, KW_REQUIRED),
	KW_END,
};

/* ---- karwan.dispatch.in ---- */

const struct kw_field tracking_in_fields[] = {
	KW_UUID(struct tracking_reported, parcel_id, KW_OPTIONAL),
	KW_STR(struct tracking_reported, courier, KW_REQUIRED, 1, ID_MAX),
	KW_STR(struct tracking_reported, event_id, KW_REQUIRED, 1, 128),
	KW_STR(struct tracking_reported, reference, KW_OPTIONAL, 1, 64),
	KW_STR(struct tracking_reported, carrier, KW_OPTIONAL, 1, 64),
	KW_STR(struct tracking_reported, tracking_number, KW_OPTIONAL, 1, 64),
	KW_STR(struct tracking_reported, status, KW_REQUIRED, 1, 64),
	KW_TIME(struct tracking_reported, scanned_at, KW_REQUIRED),
	KW_STR(struct tracking_reported, place, KW_OPTIONAL, 1, 200),
	KW_STR(struct tracking_reported, note, KW_OPTIONAL, 1, 500),
	KW_END,
};

struct kw_uuid tracking_key(const struct tracking_reported *report)
{
	if (report->parcel_id.s[0])
		return report->parcel_id;
	return kw_uuid_of("tracked", report->courier, report->carrier, report->tracking_number);
}

const struct kw_field cancel_body_fields[] = {
	KW_STR(struct cancel_body, reason, KW_REQUIRED, 1, 200),
	KW_END,
};

const struct kw_field cancel_request_in_fields[] = {
	KW_UUID(struct cancel_requested, parcel_id, KW_REQUIRED),
	KW_STR(struct cancel_requested, reason, KW_REQUIRED, 1, 200),
	KW_STR(struct cancel_requested, by, KW_REQUIRED, 1, ID_MAX),
	KW_END,
};

/* ---- stored ---- */

const struct kw_field parcel_content_fields[] = {
	KW_OBJECT(struct parcel, ship_from, KW_REQUIRED, struct address, address_fields),
	KW_OBJECT(struct parcel, ship_to, KW_REQUIRED, struct address, address_fields),
	KW_ARRAY(struct parcel, lines, KW_REQUIRED, struct parcel_line, line_fields, 1, LINES_MAX),
	KW_END,
};

const struct kw_field courier_order_fields[] = {
	KW_STR(struct courier_order, courier, KW_REQUIRED, 1, ID_MAX),
	KW_END,
};

/* ---- karwan.dispatch.events, and the same for GET ---- */

static const struct kw_field carrier_fields[] = {
	KW_ENUM(struct carrier, status, KW_REQUIRED, &carrier_statuses),
	KW_STR(struct carrier, text, KW_OPTIONAL, 1, 64),
	KW_TIME(struct carrier, scanned_at, KW_REQUIRED),
	KW_STR(struct carrier, place, KW_OPTIONAL, 1, 200),
	KW_I64(struct carrier, attempts, KW_OPTIONAL, 0, INT64_MAX),
	KW_END,
};

#define PARCEL_FIELDS                                                                             \
	KW_UUID(struct parcel, parcel_id, KW_REQUIRED),                                           \
		KW_UUID(struct parcel, order_id, KW_REQUIRED),                                    \
		KW_STR(struct parcel, channel, KW_REQUIRED, 1, ID_MAX),                           \
		KW_STR(struct parcel, external_id, KW_REQUIRED, 1, 128),                          \
		KW_I64(struct parcel, n, KW_REQUIRED, 1, 100000),                                 \
		KW_UUID(struct parcel, fulfilment_id, KW_REQUIRED),                               \
		KW_STR(struct parcel, maker_id, KW_REQUIRED, 1, ID_MAX),                          \
		KW_STR(struct parcel, hub_id, KW_REQUIRED, 1, ID_MAX),                            \
		KW_ENUM(struct parcel, state, KW_REQUIRED, &parcel_states),                       \
		KW_STR(struct parcel, courier, KW_OPTIONAL, 1, ID_MAX),                           \
		KW_STR(struct parcel, tracking_number, KW_OPTIONAL, 1, 64),                       \
		KW_OBJECT(struct parcel, ship_from, KW_REQUIRED, struct address, address_fields), \
		KW_OBJECT(struct parcel, ship_to, KW_REQUIRED, struct address, address_fields),   \
		KW_I64(struct parcel, weight_g, KW_REQUIRED, 0, INT64_MAX),                       \
		KW_MONEY(struct parcel, declared_value, KW_REQUIRED),                             \
		KW_MONEY(struct parcel, amount_due, KW_OPTIONAL),                                 \
		KW_ARRAY(struct parcel, lines, KW_REQUIRED, struct parcel_line, line_fields, 1,   \
			LINES_MAX),                                                               \
		KW_STR(struct parcel, label_url, KW_OPTIONAL, 1, 200),                            \
		KW_OBJECT(struct parcel, carrier, KW_OPTIONAL, struct carrier, carrier_fields),   \
		KW_STR(struct parcel, reason, KW_OPTIONAL, 1, 200),                               \
		KW_TIME(struct parcel, changed_at, KW_REQUIRED),                                  \
		KW_I64(struct parcel, version, KW_REQUIRED, 1, INT64_MAX)

const struct kw_field parcel_event_fields[] = { PARCEL_FIELDS, KW_END };

static const struct kw_field scan_fields[] = {
	KW_STR(struct scan, courier, KW_REQUIRED, 1, ID_MAX),
	KW_STR(struct scan, event_id, KW_REQUIRED, 1, 128),
	KW_STR(struct scan, carrier, KW_OPTIONAL, 1, 64),
	KW_ENUM(struct scan, status, KW_REQUIRED, &carrier_statuses),
	KW_STR_AS(struct scan, word, "text", KW_REQUIRED, 1, 64),
	KW_STR(struct scan, tracking_number, KW_OPTIONAL, 1, 64),
	KW_TIME(struct scan, scanned_at, KW_REQUIRED),
	KW_TIME(struct scan, arrived_at, KW_REQUIRED),
	KW_STR(struct scan, place, KW_OPTIONAL, 1, 200),
	KW_STR(struct scan, note, KW_OPTIONAL, 1, 500),
	KW_ENUM(struct scan, standing, KW_REQUIRED, &scan_standings),
	KW_END,
};

const struct kw_field parcel_view_fields[] = {
	PARCEL_FIELDS,
	KW_ARRAY(struct parcel, scans, KW_REQUIRED, struct scan, scan_fields, 0, SCANS_SHOWN_MAX),
	KW_END,
};

#define EVENT(name, type) const struct kw_event_type name = { type, parcel_event_fields }
EVENT(parcel_created_event, "karwan.parcel.created.v1");
EVENT(parcel_refused_event, "karwan.parcel.refused.v1");
EVENT(parcel_booked_event, "karwan.parcel.booked.v1");
EVENT(parcel_labelled_event, "karwan.parcel.labelled.v1");
EVENT(parcel_handed_over_event, "karwan.parcel.handed_over.v1");
EVENT(parcel_tracked_event, "karwan.parcel.tracked.v1");
EVENT(parcel_delivered_event, "karwan.parcel.delivered.v1");
EVENT(parcel_returning_event, "karwan.parcel.returning.v1");
EVENT(parcel_returned_event, "karwan.parcel.returned.v1");
EVENT(parcel_lost_event, "karwan.parcel.lost.v1");
EVENT(parcel_cancelled_event, "karwan.parcel.cancelled.v1");

#define IN(type, fields, T)                             \
	{                                               \
		type, fields, sizeof(T), KW_CONTRACT_IN \
	}
#define OUT(type, fields, T)                             \
	{                                                \
		type, fields, sizeof(T), KW_CONTRACT_OUT \
	}
const struct kw_contract_row dispatch_contract[] = {
	OUT(KW_RESOLVE_REQUESTED, kw_resolve_requested_fields, struct kw_resolve_requested),
	OUT("karwan.tracking.reported.v1", tracking_in_fields, struct tracking_reported),
	OUT("karwan.parcel.cancel_requested.v1", cancel_request_in_fields, struct cancel_requested),
	IN("karwan.order.routed.v1", routed_in_fields, struct order_routed),
	IN("karwan.order.cancelled.v1", cancelled_in_fields, struct order_cancelled),
	IN("karwan.order.expired.v1", cancelled_in_fields, struct order_cancelled),
	IN("karwan.expectation.settled.v1", settled_in_fields, struct expectation_settled),
	OUT("karwan.parcel.created.v1", parcel_event_fields, struct parcel),
	OUT("karwan.parcel.refused.v1", parcel_event_fields, struct parcel),
	OUT("karwan.parcel.booked.v1", parcel_event_fields, struct parcel),
	OUT("karwan.parcel.labelled.v1", parcel_event_fields, struct parcel),
	OUT("karwan.parcel.handed_over.v1", parcel_event_fields, struct parcel),
	OUT("karwan.parcel.tracked.v1", parcel_event_fields, struct parcel),
	OUT("karwan.parcel.delivered.v1", parcel_event_fields, struct parcel),
	OUT("karwan.parcel.returning.v1", parcel_event_fields, struct parcel),
	OUT("karwan.parcel.returned.v1", parcel_event_fields, struct parcel),
	OUT("karwan.parcel.lost.v1", parcel_event_fields, struct parcel),
	OUT("karwan.parcel.cancelled.v1", parcel_event_fields, struct parcel),
	{ NULL, NULL, 0, KW_CONTRACT_OUT },
};
