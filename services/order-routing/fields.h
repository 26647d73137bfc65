/* The messages of order-routing: what it reads (with the runner's struct kw_meta first), what it
 * emits and what its API shows, and their field tables. Const tables; any thread. */
#ifndef ROUTING_FIELDS_H
#define ROUTING_FIELDS_H

#include "flow/batch.h"
#include "model.h"
#include "svc/resolution.h"
#include "json/contract.h"

/* ---- read ---- */

struct submitted_message {
	struct kw_meta meta;
	struct submitted order;
};

struct notice_message {
	struct kw_meta meta;
	struct notice notice;
};

struct withdrawal_message {
	struct kw_meta meta;
	struct withdrawal withdrawal;
};

struct cancel_message {
	struct kw_meta meta;
	struct kw_uuid order_id;
	const char *request_id, *reason, *by;
};

struct maker_message {
	struct kw_meta meta;
	const char *maker_id, *hub_id, *state;
	int64_t version, weekly_capacity;
	const char **skills;
	size_t n_skills;
	kw_time leave_until;
};

struct hub_message {
	struct kw_meta meta;
	const char *hub_id, *name, *region;
	int64_t version;
	struct address *address;
};

struct publication {
	const char *channel, *channel_sku;
	int state; /* enum publication_state */
};

struct listing_message {
	struct kw_meta meta;
	const char *listing_id, *sku, *title, *maker_id, *hub_id, *skill;
	int64_t version, weight_g, quantity, quantity_version, lead_days;
	int kind, state; /* enum listing_kind, listing_state */
	struct publication *publications;
	size_t n_publications;
};

struct parcel_message {
	struct kw_meta meta;
	struct kw_uuid parcel_id, order_id, fulfilment_id;
	int64_t version;
};

extern const struct kw_strtab routed_state_names;
extern const struct kw_field submitted_fields[], noticed_fields[], withdrawn_fields[],
	cancel_fields[], maker_fields[], hub_fields[], listing_fields[], parcel_fields[],
	address_fields[];
/* The business content of struct submitted: what the content hash covers. */
extern const struct kw_field submitted_content_fields[];

/* ---- emitted ---- */

struct out_line {
	const char *line_id, *sku, *title, *listing_id;
	int64_t quantity;
	struct kw_money price, discount;
};

struct out_fulfilment {
	struct kw_uuid fulfilment_id;
	int64_t n, weight_g;
	const char *maker_id, *hub_id;
	struct address *ship_from;
	struct kw_money declared_value;
	struct out_line *lines;
	size_t n_lines;
};

struct out_depleted {
	const char *listing_id;
	int64_t available, stock_version;
};

struct out_decision {
	const char *line_id, *rule, *reason;
};

struct out_parked {
	const char *line_id, *sku;
	int64_t quantity;
	int reason;
};

struct out_cancelled_line {
	const char *line_id;
	int64_t quantity;
};

struct out_fulfilment_id {
	struct kw_uuid fulfilment_id;
};

/* One struct for all events of an order; each table takes its part. */
struct order_event {
	struct kw_uuid order_id, exception_id;
	const char *channel, *external_id, *number, *currency, *totals_flag, *financial_status;
	kw_time placed_at, auto_cancel_at, source_time, paid_at;
	bool test, cod;
	struct kw_money total, lines_total, shipping, tax, discount, amount;
	int64_t fee_bps;
	struct address *ship_to;
	int kind, resolution; /* enum exception_kind, kw_resolution */
	int state;
	int routed_state; /* 0: all of it has somebody, 1: a part is parked */
	const char *reference, *field, *reason, *by, *request_id;
	struct out_line *lines;
	size_t n_lines;
	struct out_fulfilment *fulfilments;
	size_t n_fulfilments;
	struct out_depleted *depleted;
	size_t n_depleted;
	struct out_decision *decision;
	size_t n_decision;
	struct out_parked *parked;
	size_t n_parked;
	struct out_cancelled_line *cancelled;
	size_t n_cancelled;
	struct out_fulfilment_id *ended;
	size_t n_ended;
};

/* Everything above, for the contract test. */
extern const struct kw_contract_row routing_contract[];

/* ---- API ---- */

struct cancel_body {
	const char *reason, *request_id;
};

struct view_line {
	const char *line_id, *sku, *title, *listing_id;
	int64_t quantity, allocated, parked, shipped, delivered, incomplete, cancelled;
	struct kw_money price, discount;
	const char *reason;
};

struct view_part {
	const char *line_id, *listing_id, *rule;
	int64_t quantity;
};

struct view_fulfilment {
	struct kw_uuid fulfilment_id;
	int64_t n;
	const char *maker_id, *hub_id;
	int state;
	struct view_part *lines;
	size_t n_lines;
};

struct view_order {
	struct kw_uuid order_id;
	const char *channel, *external_id, *number;
	int state;
	int64_t version, fee_bps;
	kw_time placed_at, seen_at, updated_at, auto_cancel_at;
	bool test, cod;
	const char *currency, *totals_flag, *financial_status;
	struct kw_money total, lines_total, shipping, tax, discount;
	struct address *ship_to;
	struct view_line *lines;
	size_t n_lines;
	struct view_fulfilment *fulfilments;
	size_t n_fulfilments;
};

struct view_orders {
	struct view_order *orders;
	size_t n_orders;
	const char *next;
};

extern const struct kw_field cancel_body_fields[], view_order_fields[], view_orders_fields[];

#endif
