/* Field tables of the API's bodies. */
#include "fields.h"

const struct kw_field cancel_body_fields[] = {
	KW_STR(struct cancel_body, reason, KW_REQUIRED, 1, 200),
	KW_STR(struct cancel_body, request_id, KW_OPTIONAL, 1, 128),
	KW_END,
};

static const struct kw_field view_line_fields[] = {
	KW_STR(struct view_line, line_id, KW_REQUIRED, 1, 64),
	KW_STR(struct view_line, sku, KW_REQUIRED, 1, 100),
	KW_STR(struct view_line, title, KW_OPTIONAL, 1, 300),
	KW_STR(struct view_line, listing_id, KW_OPTIONAL, 1, 64),
	KW_I64(struct view_line, quantity, KW_REQUIRED, 1, QUANTITY_MAX),
	KW_I64(struct view_line, allocated, KW_REQUIRED, 0, QUANTITY_MAX),
	KW_I64(struct view_line, parked, KW_REQUIRED, 0, QUANTITY_MAX),
	KW_I64(struct view_line, shipped, KW_REQUIRED, 0, QUANTITY_MAX),
	KW_I64(struct view_line, delivered, KW_REQUIRED, 0, QUANTITY_MAX),
	KW_I64(struct view_line, incomplete, KW_REQUIRED, 0, QUANTITY_MAX),
	KW_I64(struct view_line, cancelled, KW_REQUIRED, 0, QUANTITY_MAX),
	KW_MONEY(struct view_line, price, KW_REQUIRED),
	KW_MONEY(struct view_line, discount, KW_REQUIRED),
	KW_STR(struct view_line, reason, KW_OPTIONAL, 1, 40),
	KW_END,
};

static const struct kw_field view_part_fields[] = {
	KW_STR(struct view_part, line_id, KW_REQUIRED, 1, 64),
	KW_STR(struct view_part, listing_id, KW_REQUIRED, 1, 64),
	KW_I64(struct view_part, quantity, KW_REQUIRED, 1, QUANTITY_MAX),
	KW_STR(struct view_part, rule, KW_REQUIRED, 0, 64),
	KW_END,
};

static const struct kw_field view_fulfilment_fields[] = {
	KW_UUID(struct view_fulfilment, fulfilment_id, KW_REQUIRED),
	KW_I64(struct view_fulfilment, n, KW_REQUIRED, 1, 100000),
	KW_STR(struct view_fulfilment, maker_id, KW_REQUIRED, 1, 64),
	KW_STR(struct view_fulfilment, hub_id, KW_REQUIRED, 1, 64),
	KW_ENUM(struct view_fulfilment, state, KW_REQUIRED, &fulfilment_state_names),
	KW_ARRAY(struct view_fulfilment, lines, KW_REQUIRED, struct view_part, view_part_fields, 0,
		LINES_MAX),
	KW_END,
};

const struct kw_field view_order_fields[] = {
	KW_UUID(struct view_order, order_id, KW_REQUIRED),
	KW_STR(struct view_order, channel, KW_REQUIRED, 1, 64),
	KW_STR(struct view_order, external_id, KW_REQUIRED, 1, 128),
	KW_STR(struct view_order, number, KW_OPTIONAL, 1, 64),
	KW_ENUM(struct view_order, state, KW_REQUIRED, &order_state_names),
	KW_I64(struct view_order, version, KW_REQUIRED, 1, INT64_MAX),
	KW_TIME(struct view_order, placed_at, KW_REQUIRED),
	KW_TIME(struct view_order, seen_at, KW_REQUIRED),
	KW_TIME(struct view_order, updated_at, KW_REQUIRED),
	KW_TIME(struct view_order, auto_cancel_at, KW_OPTIONAL),
	KW_BOOL(struct view_order, test, KW_REQUIRED),
	KW_BOOL(struct view_order, cod, KW_REQUIRED),
	KW_STR(struct view_order, currency, KW_REQUIRED, 3, 3),
	KW_MONEY(struct view_order, total, KW_REQUIRED),
	KW_MONEY(struct view_order, lines_total, KW_REQUIRED),
	KW_MONEY(struct view_order, shipping, KW_REQUIRED),
	KW_MONEY(struct view_order, tax, KW_REQUIRED),
	KW_MONEY(struct view_order, discount, KW_REQUIRED),
	KW_STR(struct view_order, totals_flag, KW_OPTIONAL, 1, 40),
	KW_STR(struct view_order, financial_status, KW_OPTIONAL, 1, 40),
	KW_I64(struct view_order, fee_bps, KW_REQUIRED, 0, 10000),
	KW_OBJECT(struct view_order, ship_to, KW_OPTIONAL, struct address, address_fields),
	KW_ARRAY(struct view_order, lines, KW_REQUIRED, struct view_line, view_line_fields, 1,
		LINES_MAX),
	KW_ARRAY(struct view_order, fulfilments, KW_REQUIRED, struct view_fulfilment,
		view_fulfilment_fields, 0, FULFILMENTS_MAX),
	KW_END,
};

const struct kw_field view_orders_fields[] = {
	KW_ARRAY(struct view_orders, orders, KW_REQUIRED, struct view_order, view_order_fields, 0,
		100),
	KW_STR(struct view_orders, next, KW_OPTIONAL, 1, 64),
	KW_END,
};
