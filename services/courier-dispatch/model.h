/* What courier-dispatch thinks in: parcels, scans, rate cards, and what a courier answers.
 * Values; texts belong to the arena of the batch. Includes only core, so that rules.c and states.c
 * stay pure. */
#ifndef DISPATCH_MODEL_H
#define DISPATCH_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/clock.h"
#include "core/fsm.h"
#include "core/id.h"
#include "core/money.h"
#include "core/strtab.h"

#define LINES_MAX 250
#define FULFILMENTS_MAX 16000
#define BATCH_PARCELS_MAX 100 /* bookings in one call to a courier */
#define COURIERS_MAX 64
#define ATTEMPTS_MAX 3 /* failed deliveries; then the parcel is wanted back */
#define SCANS_SHOWN_MAX 100

/* What we decided. The first nine are the partners'; the others are rows that no event has told of.
 */
enum parcel_state {
	PARCEL_READY,
	PARCEL_BOOKED,
	PARCEL_LABELLED,
	PARCEL_HANDED_OVER,
	PARCEL_DELIVERED,
	PARCEL_RETURNING,
	PARCEL_RETURNED,
	PARCEL_LOST,
	PARCEL_CANCELLED,
	PARCEL_PLANNED,  /* routed, its money is not cleared */
	PARCEL_EXPECTED, /* a courier speaks of it, and it is not here yet */
	PARCEL_STATES,
};
extern const struct kw_strtab parcel_states;     /* the partners' nine */
extern const struct kw_strtab parcel_row_states; /* all */

enum parcel_event {
	EV_ROUTED,
	EV_CLEARED,
	EV_REFUSED,
	EV_BOOKED,
	EV_LABELLED,
	EV_SCANNED, /* a physical scan, newer than all before */
	EV_LATE,    /* a physical scan that is older than one before */
	EV_STORY,   /* the carrier says something that moves nothing */
	EV_DELIVERED,
	EV_RETURNING,
	EV_RETURNED,
	EV_LOST,
	EV_CANCEL,
	PARCEL_EVENTS,
};
extern const struct kw_strtab parcel_events;

/* What the carrier says, in our words. */
enum carrier_status {
	CARRIER_CREATED,
	CARRIER_PICKED_UP,
	CARRIER_IN_TRANSIT,
	CARRIER_OUT_FOR_DELIVERY,
	CARRIER_ATTEMPT_FAILED,
	CARRIER_AVAILABLE_FOR_PICKUP,
	CARRIER_DELIVERED,
	CARRIER_RETURNING,
	CARRIER_RETURNED,
	CARRIER_LOST,
	CARRIER_EXCEPTION,
	CARRIER_CANCELLED,
	CARRIER_UNKNOWN,
	CARRIER_NONE, /* nothing yet; never in an event */
};
extern const struct kw_strtab carrier_statuses;     /* without NONE */
extern const struct kw_strtab carrier_row_statuses; /* with it */
extern const struct kw_strtab mapped_statuses;      /* what an unknown word may turn out to mean */

enum exception_kind {
	EXCEPTION_NO_COURIER,          /* no rate card fits, or all couriers refused */
	EXCEPTION_BOOKING_STUCK,       /* a courier has not answered for long */
	EXCEPTION_CANCEL_REFUSED,      /* the courier keeps a parcel that we cancelled */
	EXCEPTION_CARRIER_CANCELLED,   /* the courier dropped a parcel that we did not cancel */
	EXCEPTION_SCANNED_AFTER_END,   /* a cancelled or lost parcel moves */
	EXCEPTION_DELIVERED_ON_RETURN, /* "delivered" of a parcel on its way back: to whom? */
	EXCEPTION_FOREIGN_COURIER,     /* a scan by a courier that the parcel was not given to */
	EXCEPTION_UNKNOWN_STATUS,      /* a word of a courier that nobody has mapped */
	EXCEPTION_UNKNOWN_PARCEL,      /* a courier speaks of a parcel that is not here */
	EXCEPTION_SCAN_CONFLICT,  /* the same scan id with other content: the first one stands */
	EXCEPTION_RETURN_REFUSED, /* the courier does not bring back what it could not deliver */
};
extern const struct kw_strtab parcel_exception_kinds;

enum exception_state { EXCEPTION_OPEN, EXCEPTION_RESOLVED, EXCEPTION_CLOSED };
extern const struct kw_strtab parcel_exception_states;

/* How a scan stands to its parcel. */
enum scan_standing {
	SCAN_PENDING, /* the parcel is not booked as far as we know */
	SCAN_APPLIED,
	SCAN_FOREIGN, /* of another courier: evidence only */
};
extern const struct kw_strtab scan_standings;

/* An order's state, as order-routing names it. */
enum order_state {
	ORDER_RECEIVED,
	ORDER_ROUTED,
	ORDER_PARTLY_ROUTED, /* more parcels will come */
	ORDER_PARKED,
	ORDER_IN_PROGRESS,
	ORDER_SHIPPED,
	ORDER_DELIVERED,
	ORDER_CLOSED,
	ORDER_CANCELLED,
	ORDER_EXPIRED,
};
extern const struct kw_strtab routed_order_states;

struct address {
	const char *name, *line1, *line2, *line3, *city, *postcode, *region, *country, *phone;
};

struct parcel_line {
	const char *line_id, *sku, *title;
	int64_t quantity;
};

struct carrier {
	int status;       /* enum carrier_status */
	const char *text; /* the carrier's own word */
	kw_time scanned_at;
	const char *place;
	int64_t attempts; /* failed deliveries */
};

struct scan {
	const char *courier, *event_id; /* who reported it: a courier, or an aggregator */
	const char *carrier;            /* whose scan it is, as an aggregator names it; or NULL */
	struct kw_uuid parcel_id;       /* "": known by its number only, and no such parcel yet */
	struct kw_uuid subject;         /* key of a message that named no parcel, or "" */
	int status;                     /* enum carrier_status */
	const char *word;               /* as the carrier said it */
	const char *tracking_number;
	kw_time scanned_at, arrived_at;
	const char *place, *note;
	int standing;         /* enum scan_standing */
	int64_t content_hash; /* of all that the carrier said */
	const char *trace;    /* of its message */
	const void *cause;    /* struct kw_meta: the message whose trace goes on */
	bool is_new;
};

/* A parcel is what its events carry (fields.c), and a little more. */
struct parcel {
	struct kw_uuid parcel_id, order_id, fulfilment_id;
	const char *channel, *external_id, *maker_id, *hub_id;
	int64_t n;
	int state; /* enum parcel_state */
	const char *courier, *tracking_number;
	struct address *ship_from, *ship_to;
	int64_t weight_g;
	struct kw_money declared_value,
		amount_due; /* amount_due: no value unless paid on delivery */
	struct parcel_line *lines;
	size_t n_lines;
	const char *label_url;
	struct carrier *carrier; /* &story, or NULL before the first scan */
	const char *reason;
	kw_time changed_at;
	int64_t version; /* 0: no event has told of it */
	/* for GET only */
	struct scan *scans;
	size_t n_scans;
	/* as stored */
	struct carrier story;
	const char *content;  /* JSON of addresses and lines, which never change */
	int64_t read_version; /* as locked */
	bool changed;
};

/* The row where an order's facts meet. */
struct order {
	struct kw_uuid order_id;
	bool cod, cleared;
	int64_t total, due_given; /* minor units */
	char currency[4];
	int64_t routings;      /* messages that gave it parcels */
	int64_t epoch, number; /* place of the last word about its money */
};

struct exception {
	struct kw_uuid exception_id, parcel_id, order_id;
	int kind, state;
	const char *courier, *reason, *word; /* word: of UNKNOWN_STATUS */
	int64_t occurrences, seq;
	kw_time opened_at, updated_at;
};

/* ---- choosing a courier ---- */

struct rate {
	const char *zone; /* country, or "*" */
	int64_t max_weight_g;
	struct kw_money price;
	bool cod;
};

struct rate_card {
	const char *courier;
	const struct rate *rates;
	size_t n_rates;
};

/* ---- what a courier answers ---- */

enum answer_kind {
	ANSWER_UNKNOWN, /* it may have been done: inquire before anything else */
	ANSWER_AGAIN,   /* it was surely not done: ask again later */
	ANSWER_ABSENT,  /* to an inquiry: there is no such booking */
	ANSWER_ACCEPTED,
	ANSWER_REFUSED,
};

struct answer {
	int kind;
	const char *tracking_number;
	const char *reason; /* the courier's words, or ours for UNKNOWN and AGAIN */
};

#endif
