/* What order-routing thinks in: plain structs of orders, lines, fulfilments, listings, stock and
 * rules. Values; texts belong to the arena of the batch. Includes only core, so that rules.c and
 * states.c stay pure. */
#ifndef ROUTING_MODEL_H
#define ROUTING_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/clock.h"
#include "core/id.h"
#include "core/money.h"
#include "core/strtab.h"

/* ---- enums: the same names in messages, API and database ---- */

enum order_kind { KIND_CREATED, KIND_UPDATED, KIND_CANCELLED, KIND_PAID };

enum order_state {
	ORDER_RECEIVED,
	ORDER_ROUTED,
	ORDER_PARTLY_ROUTED,
	ORDER_PARKED,
	ORDER_IN_PROGRESS,
	ORDER_SHIPPED,
	ORDER_DELIVERED,
	ORDER_CLOSED,
	ORDER_CANCELLED,
	ORDER_EXPIRED,
};

enum fulfilment_state {
	FULFILMENT_OPEN,
	FULFILMENT_ON_HOLD,
	FULFILMENT_IN_PROGRESS,
	FULFILMENT_CLOSED,
	FULFILMENT_INCOMPLETE,
	FULFILMENT_CANCELLED,
};

enum fulfilment_event {
	EV_CANCEL,
	EV_HANDED_OVER,
	EV_DELIVERED,
	EV_RETURNED,
	EV_LOST,
	EV_PARCEL_CANCELLED,
};

enum listing_kind { ONE_OF_A_KIND, STOCKED, MADE_TO_ORDER };
enum listing_state { LISTING_DRAFT, LISTING_APPROVED, LISTING_RETIRED };
enum publication_state {
	PUBLICATION_PUBLISHED,
	PUBLICATION_PAUSED,
	PUBLICATION_UNPUBLISHED,
	PUBLICATION_RETIRED,
};

enum park_reason {
	NOT_PARKED = -1,
	UNKNOWN_LISTING,
	OUT_OF_STOCK,
	NO_CAPACITY,
	MAKER_ON_LEAVE,
	RETIRED_LISTING,
	SPLIT_NOT_ALLOWED,
	UNKNOWN_HUB,
	NO_RULE,
	NO_ADDRESS,
	TEST_ORDER,
};

enum movement_kind { MOVE_RECEIPT, MOVE_ADJUST, MOVE_RESERVE, MOVE_RELEASE, MOVE_SALE };

enum rule_scope { SCOPE_OWN_MAKER, SCOPE_SAME_HUB, SCOPE_ANY_HUB };
enum rule_sort { SORT_FAIR_SHARE, SORT_CAPACITY_LEFT };
enum rule_split { ALLOW_SPLIT, NO_SPLIT };

enum exception_kind {
	EXCEPTION_CONFLICT,
	EXCEPTION_LINES_CHANGED,
	EXCEPTION_ADDRESS_CHANGED,
	EXCEPTION_CURRENCY_CHANGED,
	EXCEPTION_SHIPPED_AFTER_CANCEL,
	EXCEPTION_PARCEL_CANCELLED,
	EXCEPTION_STOCK_SHORT,
	EXCEPTION_RETURN_REPORTED,
	EXCEPTION_NOT_FETCHED,
};
enum exception_state { EXCEPTION_OPEN, EXCEPTION_CLOSED };

extern const struct kw_strtab order_kind_names, order_state_names, fulfilment_state_names,
	listing_kind_names, listing_state_names, publication_state_names, park_reason_names,
	movement_kind_names, rule_scope_names, rule_sort_names, rule_split_names,
	exception_kind_names, exception_state_names;

/* ---- what a channel says ---- */

#define LINES_MAX 250
#define QUANTITY_MAX 10000
#define SHARED_MAX 4                             /* makers who share one line */
#define FULFILMENTS_MAX (LINES_MAX * SHARED_MAX) /* of one order, told at a time */
#define ROUTED_MAX 100                           /* fulfilments in one event */

struct address {
	const char *name, *line1, *line2, *line3, *city, *postcode, *region, *country, *phone;
};

struct submitted_line {
	const char *line_id, *sku, *title;
	int64_t quantity;
	struct kw_money price, discount; /* price of one; discount of the whole quantity */
};

struct submitted_payment {
	const char *reference;
	struct kw_money amount;
	kw_time paid_at;
};

/* The canonical order: what is appended to karwan.orders.in, whatever marketplace it came from. */
struct submitted {
	struct kw_uuid order_id;
	const char *channel, *external_id;
	int kind; /* enum order_kind */
	kw_time source_time, placed_at;
	const char *content_hash;
	const char *currency;
	bool test, cod;
	const char *number, *email_hash;
	struct kw_money total, lines_total, shipping, tax, discount;
	const char *totals_flag; /* what does not add up, or NULL */
	const char *financial_status;
	int64_t fee_bps, park_days;
	struct address *ship_to;
	struct submitted_line *lines;
	size_t n_lines;
	struct submitted_payment *payments;
	size_t n_payments;
	const char *cancel_reason; /* not NULL: the channel says that it is cancelled */
};

/* A channel says that something happened to an order, and its API knows what. */
struct notice {
	struct kw_uuid order_id;
	const char *channel, *external_id;
	kw_time noticed_at;                        /* the source's own time; 0: not told */
	const char *status, *line_id, *reverse_id; /* its words; reverse_id: a return */
};

/* An order is gone at its channel, and nobody can tell any more what it was. */
struct withdrawal {
	struct kw_uuid order_id;
	const char *channel, *external_id;
};

/* ---- our own view ---- */

struct order {
	struct kw_uuid id;
	int64_t no; /* under which its lines, fulfilments and allocations are kept: grows, so that
		       they lie together */
	const char *channel, *external_id, *number;
	int state; /* enum order_state: derived from the lines */
	int64_t version;
	kw_time placed_at, seen_at, updated_at;
	kw_time source_time; /* newest facts taken from the channel, with the kind that told them */
	int source_kind;
	kw_time first_time; /* the message that made the order: kind, time and content */
	int first_kind;
	const char *first_hash;
	bool test, cod, cancel_asked; /* cancel_asked: the channel's cancellation was acted upon */
	char currency[4];
	int64_t total, lines_total, shipping, tax, discount;
	const char *totals_flag, *financial_status, *email_hash;
	int fee_bps, park_days;
	const char *ship_to; /* JSON of struct address */
	kw_time auto_cancel_at;
	int n_fulfilments; /* given out so far */
	int64_t revision;  /* of the row: grows with every change, also those that no event tells */
};

/* quantity = allocated + parked + shipped + cancelled; delivered and incomplete are parts of
 * shipped, expired of cancelled. */
struct line {
	int64_t order_no;
	int no; /* 1, 2, 3 … as the channel listed them */
	const char *line_id, *sku, *title;
	int quantity;
	int64_t price, discount;
	const char *listing_id;
	int allocated, parked, shipped, delivered, incomplete, cancelled, expired;
	int reason; /* enum park_reason, while parked > 0 */
};

struct fulfilment {
	int64_t order_no;
	struct kw_uuid order_id;
	int n;
	struct kw_uuid id;
	const char *maker_id, *hub_id;
	int state; /* enum fulfilment_state */
	bool changed;
};

struct allocation {
	int64_t order_no;
	int n; /* fulfilment */
	int line_no;
	const char *listing_id;
	int quantity;
	int week; /* of the maker's capacity; 0: a piece from stock */
	const char *rule;
	int64_t version; /* of the order, at the event that told it */
};

/* ---- copies of other services' facts, as allocation needs them ---- */

/* What a channel's SKU stands for. */
struct offer {
	const char *channel, *sku;
	const char *listing_id, *title;
	int kind, state;   /* enum listing_kind, listing_state */
	bool retired_here; /* its publication on this channel is retired */
	const char *maker_id, *hub_id, *skill, *hub_address;
	int weight_g, lead_days;
};

/* Somebody who could make a MADE_TO_ORDER listing. The listing's own maker is always among them. */
struct candidate {
	const char *listing_id;
	int week;
	const char *maker_id, *hub_id, *hub_address;
	const char *state;   /* as the maker's events say: "ACTIVE", "ON_LEAVE", … */
	kw_time leave_until; /* 0: not said */
	int weekly_capacity;
	int64_t load; /* pieces given to her in the weeks before: fair share */
};

struct capacity {
	const char *maker_id;
	int week;
	int used;
	int delta; /* of this round */
};

struct stock {
	const char *listing_id;
	int on_hand, allocated;
	int missing; /* counted away although promised to orders */
	int counted; /* last count that was taken in, and its version */
	int64_t count_version;
	int64_t version;      /* of the last movement */
	int64_t read_version; /* as locked */
	bool changed;
};

struct movement {
	const char *listing_id;
	int64_t version;
	int kind;               /* enum movement_kind */
	int on_hand, allocated; /* differences */
	struct kw_uuid order_id;
	int line_no;
};

/* A row of routing.rules. */
struct rule {
	const char *name, *channel; /* channel NULL: any */
	int scope, sort, split;
	const char *currency; /* NULL: any total */
	int64_t min_total;
};

/* Why a line was given to somebody, or not. */
struct decision {
	struct kw_uuid order_id;
	int line_no;
	const char *rule, *reason;
	int64_t version; /* of the order, at the event that told it */
};

/* One order while a batch works on it. */
struct work {
	struct order o;
	bool is_new, changed, lines_changed;
	struct address *address; /* of o.ship_to, when it is at hand */
	struct line *lines;
	size_t n_lines;
	struct fulfilment *fulfilments; /* n_old are stored already, the rest is new */
	size_t n_fulfilments, n_old_fulfilments;
	struct allocation *allocations;
	size_t n_allocations, n_old_allocations;
	struct decision *decisions;
	size_t n_decisions;
	bool load;                            /* its lines and what hangs on them are needed */
	bool withdrawn;                       /* the channel had withdrawn it before it came */
	bool allocate, cancel, expire;        /* what is wanted of it in this round */
	const char *reason, *by, *request_id; /* of the cancellation */
	const char *refusal;                  /* why nothing could be cancelled */
	kw_time since;                        /* older ones are served first */
	const void *cause;                    /* the message (struct kw_meta) whose trace goes on */
};

#endif
