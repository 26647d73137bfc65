/* The body of our own order webhook. Plain structs and their field table. */
#ifndef ROUTING_ADAPTERS_KARWAN_H
#define ROUTING_ADAPTERS_KARWAN_H

#include "model.h"
#include "json/field.h"

struct posted_line {
	const char *line_id, *sku, *title;
	int64_t quantity;
	struct kw_money price, discount;
};

struct posted_order {
	const char *order_id, *number, *currency, *email, *financial_status, *cancel_reason;
	kw_time placed_at;
	bool test, cod;
	struct kw_money total, lines_total, shipping, tax, discount;
	struct address *ship_to;
	struct posted_line *lines;
	size_t n_lines;
	struct submitted_payment *payments;
	size_t n_payments;
};

struct posted {
	int type; /* enum order_kind */
	kw_time timestamp;
	struct posted_order *data;
};

extern const struct kw_field posted_fields[];

#endif
