/* The messages that courier-dispatch reads and writes, as structs of their field tables (fields.c).
 * Of others' events only what is needed is decoded. Texts belong to the arena of the batch or
 * request. */
#ifndef DISPATCH_FIELDS_H
#define DISPATCH_FIELDS_H

#include "flow/batch.h"
#include "model.h"

/* ---- in: karwan.orders.events, karwan.payments.events ---- */

struct routed_fulfilment {
	struct kw_uuid fulfilment_id;
	int64_t n;
	const char *maker_id, *hub_id;
	struct address *ship_from;
	int64_t weight_g;
	struct kw_money declared_value;
	struct parcel_line *lines;
	size_t n_lines;
};

struct order_routed {
	struct kw_meta meta;
	struct kw_uuid order_id;
	const char *channel, *external_id;
	int state; /* enum order_state */
	struct kw_money total;
	bool cod;
	struct address *ship_to;
	struct routed_fulfilment *fulfilments;
	size_t n_fulfilments;
};

struct fulfilment_ref {
	struct kw_uuid fulfilment_id;
};

/* order.cancelled and order.expired */
struct order_cancelled {
	struct kw_meta meta;
	struct kw_uuid order_id;
	const char *reason, *by;
	struct fulfilment_ref *fulfilments;
	size_t n_fulfilments;
};

struct expectation_settled {
	struct kw_meta meta;
	struct kw_uuid order_id;
	bool cleared;
};

/* ---- in: karwan.dispatch.in ---- */

/* parcel_id, or carrier and tracking_number: an aggregator knows no parcels of ours. */
struct tracking_reported {
	struct kw_meta meta;
	struct kw_uuid parcel_id;
	const char *courier, *event_id, *reference, *carrier, *tracking_number, *status;
	kw_time scanned_at;
	const char *place, *note;
};

struct cancel_requested {
	struct kw_meta meta;
	struct kw_uuid parcel_id;
	const char *reason, *by;
};

/* POST /v1/parcels/:id/cancel */
struct cancel_body {
	const char *reason;
};

extern const struct kw_field cancel_body_fields[], routed_in_fields[], cancelled_in_fields[],
	settled_in_fields[], tracking_in_fields[], cancel_request_in_fields[];

/* Key and subject of a report: the parcel, or a function of reporter, carrier and number. */
struct kw_uuid tracking_key(const struct tracking_reported *report);

/* ---- stored, and given to jobs ---- */

/* parcels.content: addresses and lines of a struct parcel. */
extern const struct kw_field parcel_content_fields[];

/* Payload of the intents "book" and "cancel"; their entity is the parcel. */
struct courier_order {
	const char *courier;
};
extern const struct kw_field courier_order_fields[];

/* ---- API ---- */

/* Data of every event: a struct parcel. The view has the carrier's whole story too. */
extern const struct kw_field parcel_event_fields[], parcel_view_fields[];

#endif
