/* Shopify's order webhooks: X-Shopify-Topic names the kind, the body is the order as it is at that
 * moment. https://shopify.dev/docs/api/admin-rest/latest/resources/order,
 * https://shopify.dev/docs/apps/build/webhooks */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "adapters/adapter.h"
#include "core/err.h"
#include "json/json.h"

/* The order that "send test notification" always sends. */
#define TEST_NOTIFICATION_ID "820982911946154508"
#define COD_GATEWAY "Cash on Delivery (COD)"

struct shopify_amount {
	const char *amount;
};

struct shopify_money_set {
	struct shopify_amount *shop_money;
};

struct shopify_line {
	const char *id, *variant_id, *sku, *title, *price, *total_discount;
	int64_t quantity;
	struct shopify_amount *discount_allocations;
	size_t n_discount_allocations;
};

struct shopify_shipping_line {
	const char *price;
};

struct shopify_address {
	const char *name, *first_name, *last_name, *address1, *address2, *city, *zip, *province,
		*country_code, *phone;
};

struct shopify_order {
	const char *id, *name, *email, *currency, *total_price, *total_line_items_price, *total_tax,
		*total_discounts, *financial_status, *gateway, *cancel_reason;
	kw_time created_at, updated_at, processed_at, cancelled_at;
	bool test;
	const char **payment_gateway_names;
	size_t n_payment_gateway_names;
	struct shopify_money_set *total_shipping_price_set;
	struct shopify_line *line_items;
	size_t n_line_items;
	struct shopify_shipping_line *shipping_lines;
	size_t n_shipping_lines;
	struct shopify_address *shipping_address;
};

#define AMOUNT(T, m, flags) KW_ID(T, m, flags, 1, 40)

static const struct kw_field amount_fields[] = {
	AMOUNT(struct shopify_amount, amount, KW_REQUIRED),
	KW_END,
};

static const struct kw_field money_set_fields[] = {
	KW_OBJECT(struct shopify_money_set, shop_money, KW_OPTIONAL, struct shopify_amount,
		amount_fields),
	KW_END,
};

static const struct kw_field line_fields[] = {
	KW_ID(struct shopify_line, id, KW_REQUIRED, 1, 64),
	KW_ID(struct shopify_line, variant_id, KW_OPTIONAL, 1, 64),
	KW_STR(struct shopify_line, sku, KW_OPTIONAL, 1, 1000),
	KW_STR(struct shopify_line, title, KW_OPTIONAL, 1, 2000),
	KW_I64(struct shopify_line, quantity, KW_REQUIRED, 1, QUANTITY_MAX),
	AMOUNT(struct shopify_line, price, KW_REQUIRED),
	AMOUNT(struct shopify_line, total_discount, KW_OPTIONAL),
	KW_ARRAY(struct shopify_line, discount_allocations, KW_OPTIONAL, struct shopify_amount,
		amount_fields, 0, 100),
	KW_END,
};

static const struct kw_field shipping_line_fields[] = {
	AMOUNT(struct shopify_shipping_line, price, KW_OPTIONAL),
	KW_END,
};

#define A struct shopify_address
static const struct kw_field address_of_shopify_fields[] = {
	KW_STR(A, name, KW_OPTIONAL, 1, 500),
	KW_STR(A, first_name, KW_OPTIONAL, 1, 255),
	KW_STR(A, last_name, KW_OPTIONAL, 1, 255),
	KW_STR(A, address1, KW_OPTIONAL, 1, 1000),
	KW_STR(A, address2, KW_OPTIONAL, 1, 1000),
	KW_STR(A, city, KW_OPTIONAL, 1, 500),
	KW_ID(A, zip, KW_OPTIONAL, 1, 100),
	KW_STR(A, province, KW_OPTIONAL, 1, 500),
	KW_STR(A, country_code, KW_OPTIONAL, 1, 10),
	KW_ID(A, phone, KW_OPTIONAL, 1, 100),
	KW_END,
};
#undef A

#define O struct shopify_order
static const struct kw_field order_fields[] = {
	KW_ID(O, id, KW_REQUIRED, 1, 64),
	KW_STR(O, name, KW_OPTIONAL, 1, 500),
	KW_STR(O, email, KW_OPTIONAL, 1, 1000),
	KW_STR(O, currency, KW_REQUIRED, 3, 3),
	KW_TIME(O, created_at, KW_REQUIRED),
	KW_TIME(O, updated_at, KW_OPTIONAL),
	KW_TIME(O, processed_at, KW_OPTIONAL),
	KW_TIME(O, cancelled_at, KW_OPTIONAL),
	KW_STR(O, cancel_reason, KW_OPTIONAL, 1, 1000),
	KW_BOOL(O, test, KW_OPTIONAL),
	AMOUNT(O, total_price, KW_REQUIRED),
	AMOUNT(O, total_line_items_price, KW_OPTIONAL),
	AMOUNT(O, total_tax, KW_OPTIONAL),
	AMOUNT(O, total_discounts, KW_OPTIONAL),
	KW_STR(O, financial_status, KW_OPTIONAL, 1, 40),
	KW_STR(O, gateway, KW_OPTIONAL, 1, 255),
	KW_STRS(O, payment_gateway_names, KW_OPTIONAL, 0, 50),
	KW_OBJECT(O, total_shipping_price_set, KW_OPTIONAL, struct shopify_money_set,
		money_set_fields),
	KW_ARRAY(O, line_items, KW_REQUIRED, struct shopify_line, line_fields, 1, LINES_MAX),
	KW_ARRAY(O, shipping_lines, KW_OPTIONAL, struct shopify_shipping_line, shipping_line_fields,
		0, 50),
	KW_OBJECT(O, shipping_address, KW_OPTIONAL, struct shopify_address,
		address_of_shopify_fields),
	KW_END,
};
#undef O

enum kw_rc shopify_verify(
	const struct kw_partner *partner, const struct kw_request *rq, struct kw_err *err)
{
	const char *domain = kw_request_header(rq, "X-Shopify-Shop-Domain");

	KW_TRY(kw_verify_shopify(
		&partner->secrets, kw_request_header(rq, "X-Shopify-Hmac-Sha256"), rq->body, err));
	if (partner->shop_domain && (!domain || strcasecmp(domain, partner->shop_domain) != 0))
		return kw_fail(err, KW_INVALID, "signed for another shop");
	return KW_OK;
}

static const char *full_name(struct kw_arena *a, const struct shopify_address *from)
{
	if (from->name)
		return from->name;
	if (from->first_name && from->last_name)
		return kw_arena_printf(a, "%s %s", from->first_name, from->last_name);
	return from->last_name ? from->last_name : from->first_name;
}

static struct address *address(struct kw_arena *a, const struct shopify_address *from)
{
	struct address *to;

	if (!from)
		return NULL;
	to = kw_new(a, struct address, 1);
	*to = (struct address) {
		.name = text_cut(a, full_name(a, from), 200),
		.line1 = text_cut(a, from->address1 ? from->address1 : from->address2, 300),
		.line2 = from->address1 ? text_cut(a, from->address2, 300) : NULL,
		.city = text_cut(a, from->city, 120),
		.postcode = text_cut(a, from->zip, 40),
		.region = text_cut(a, from->province, 120),
		.country = from->country_code,
		.phone = text_cut(a, from->phone, 40),
	};
	return to;
}

static enum kw_rc optional_money(const char *text, const char *currency, const char *pointer,
	struct kw_money *ret, struct kw_err *err)
{
	return money_at(text ? text : "0", currency, pointer, ret, err);
}

static enum kw_rc add_at(const char *text, const char *currency, const char *pointer,
	struct kw_money *sum, struct kw_err *err)
{
	struct kw_money amount;

	KW_TRY(optional_money(text, currency, pointer, &amount, err));
	if (kw_money_add(*sum, amount, sum, NULL) != KW_OK)
		return kw_fail_at(err, KW_INVALID, pointer, "more than money can hold");
	return KW_OK;
}

static enum kw_rc read_line(const struct shopify_line *from, size_t at, const char *currency,
	struct kw_arena *a, struct submitted_line *to, struct kw_err *err)
{
	char pointer[96];

	*to = (struct submitted_line) {
		.line_id = from->id,
		.sku = sku_or(a, from->sku, from->variant_id, from->id),
		.title = text_cut(a, from->title, 300),
		.quantity = from->quantity,
	};
	snprintf(pointer, sizeof(pointer), "/line_items/%zu/price", at);
	KW_TRY(money_at(from->price, currency, pointer, &to->price, err));
	snprintf(pointer, sizeof(pointer), "/line_items/%zu/total_discount", at);
	KW_TRY(optional_money(from->n_discount_allocations > 0 ? NULL : from->total_discount,
		currency, pointer, &to->discount, err));
	for (size_t i = 0; i < from->n_discount_allocations; i++) {
		snprintf(pointer, sizeof(pointer),
			"/line_items/%zu/discount_allocations/%zu/amount", at, i);
		KW_TRY(add_at(from->discount_allocations[i].amount, currency, pointer,
			&to->discount, err));
	}
	return KW_OK;
}

static enum kw_rc read_lines(const struct shopify_order *from, struct kw_arena *a,
	struct submitted *to, struct kw_err *err)
{
	to->n_lines = from->n_line_items;
	to->lines = kw_new(a, struct submitted_line, to->n_lines);
	for (size_t i = 0; i < to->n_lines; i++)
		KW_TRY(read_line(&from->line_items[i], i, from->currency, a, &to->lines[i], err));
	return KW_OK;
}

static enum kw_rc read_totals(
	const struct shopify_order *from, struct submitted *to, struct kw_err *err)
{
	const char *c = from->currency;
	const struct shopify_money_set *set = from->total_shipping_price_set;

	KW_TRY(currency_at(c, "/currency", err));
	KW_TRY(money_at(from->total_price, c, "/total_price", &to->total, err));
	KW_TRY(optional_money(
		from->total_line_items_price, c, "/total_line_items_price", &to->lines_total, err));
	KW_TRY(optional_money(from->total_tax, c, "/total_tax", &to->tax, err));
	KW_TRY(optional_money(from->total_discounts, c, "/total_discounts", &to->discount, err));
	KW_TRY(optional_money(set && set->shop_money ? set->shop_money->amount : NULL, c,
		"/total_shipping_price_set/shop_money/amount", &to->shipping, err));
	for (size_t i = 0; !set && i < from->n_shipping_lines; i++) {
		char pointer[64];
		snprintf(pointer, sizeof(pointer), "/shipping_lines/%zu/price", i);
		KW_TRY(add_at(from->shipping_lines[i].price, c, pointer, &to->shipping, err));
	}
	return KW_OK;
}

static bool is_cod(const struct shopify_order *from)
{
	if (from->gateway && strcmp(from->gateway, COD_GATEWAY) == 0)
		return true;
	for (size_t i = 0; i < from->n_payment_gateway_names; i++)
		if (strcmp(from->payment_gateway_names[i], COD_GATEWAY) == 0)
			return true;
	return false;
}

/* The body holds no transaction: the order's being paid is the fact, once per order. */
static void read_payment(const struct shopify_order *from, struct kw_arena *a, struct submitted *to)
{
	to->payments = kw_new(a, struct submitted_payment, 1);
	to->n_payments = 1;
	to->payments[0] = (struct submitted_payment) {
		.reference = kw_arena_printf(a, "%s:paid", from->id),
		.amount = to->total,
		.paid_at = to->source_time,
	};
}

/* -1: a topic that we do not process. */
static int kind_of(const char *topic)
{
	static const struct {
		const char *topic;
		int kind;
	} rows[] = {
		{ "orders/create", KIND_CREATED },
		{ "orders/updated", KIND_UPDATED },
		{ "orders/cancelled", KIND_CANCELLED },
		{ "orders/paid", KIND_PAID },
	};

	for (size_t i = 0; i < KW_LEN(rows); i++)
		if (strcmp(topic, rows[i].topic) == 0)
			return rows[i].kind;
	return -1;
}

/* The source's own time of this kind of message: an order is created once. */
static kw_time source_time(const struct shopify_order *from, int kind)
{
	kw_time updated = from->updated_at ? from->updated_at : from->created_at;

	if (kind == KIND_CREATED)
		return from->created_at;
	return kind == KIND_CANCELLED && from->cancelled_at ? from->cancelled_at : updated;
}

static enum kw_rc parse(
	const struct order_input *in, struct kw_arena *a, struct heard *heard, struct kw_err *err)
{
	struct submitted *ret = &heard->order;
	struct shopify_order from = { 0 };

	if (!in->topic)
		return kw_fail_code(err, KW_INVALID, "SYNTAX", "X-Shopify-Topic is missing");
	int kind = kind_of(in->topic);
	if (kind < 0)
		return KW_NOTHING;
	KW_TRY(kw_json_decode(order_fields, in->body.p, in->body.n, a, &from, err));
	if (from.test && strcmp(from.id, TEST_NOTIFICATION_ID) == 0)
		return KW_NOTHING;
	KW_TRY(read_totals(&from, ret, err));
	KW_TRY(read_lines(&from, a, ret, err));
	ret->external_id = from.id;
	ret->kind = kind;
	ret->source_time = source_time(&from, kind);
	ret->placed_at = from.created_at;
	ret->currency = from.currency;
	ret->test = from.test;
	ret->cod = is_cod(&from);
	ret->number = text_cut(a, from.name, 64);
	ret->email_hash = email_hash(a, from.email);
	ret->financial_status = from.financial_status;
	ret->ship_to = address(a, from.shipping_address);
	if (from.cancelled_at || kind == KIND_CANCELLED)
		ret->cancel_reason =
			from.cancel_reason ? text_cut(a, from.cancel_reason, 200) : "other";
	if (kind == KIND_PAID)
		read_payment(&from, a, ret);
	return KW_OK;
}

const struct order_adapter shopify_orders = {
	.topic_header = "X-Shopify-Topic",
	.root = "",
	.lines = "/line_items",
	.parse = parse,
};
