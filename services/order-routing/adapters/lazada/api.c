/* The API of Lazada and Daraz: signed calls, an order and its items (one row a piece), and the
 * orders that changed. https://open.lazada.com/apps/doc/doc?nodeId=10451 (signature),
 * https://open.lazada.com/apps/doc/api?path=%2Forder%2Fget */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/lazada/lazada.h"
#include "core/err.h"
#include "json/json.h"

#define PARAMS_MAX 12

struct laz_address {
	const char *first_name, *last_name, *phone, *address1, *address2, *address3, *address4,
		*address5, *city, *post_code, *country;
};

struct laz_order {
	const char *order_id, *order_number, *price, *shipping_fee, *payment_method, *created_at,
		*updated_at;
	const char **statuses;
	size_t n_statuses;
	struct laz_address *address_shipping;
};

struct laz_item {
	const char *order_item_id, *name, *sku, *shop_sku, *item_price, *paid_price, *status,
		*currency;
};

/* Every answer: code "0", or what is wrong. */
struct laz_order_answer {
	const char *code;
	struct laz_order *data;
};

struct laz_items_answer {
	const char *code;
	struct laz_item *data;
	size_t n_data;
};

struct laz_changed {
	const char *order_id, *updated_at;
};

struct laz_changes {
	struct laz_changed *orders;
	size_t n_orders;
};

struct laz_changes_answer {
	const char *code;
	struct laz_changes *data;
};

#define A struct laz_address
static const struct kw_field address_of_lazada_fields[] = {
	KW_STR(A, first_name, KW_OPTIONAL, 1, 255),
	KW_STR(A, last_name, KW_OPTIONAL, 1, 255),
	KW_ID(A, phone, KW_OPTIONAL, 1, 100),
	KW_STR(A, address1, KW_OPTIONAL, 1, 1000),
	KW_STR(A, address2, KW_OPTIONAL, 1, 1000),
	KW_STR(A, address3, KW_OPTIONAL, 1, 1000),
	KW_STR(A, address4, KW_OPTIONAL, 1, 1000),
	KW_STR(A, address5, KW_OPTIONAL, 1, 1000),
	KW_STR(A, city, KW_OPTIONAL, 1, 500),
	KW_ID(A, post_code, KW_OPTIONAL, 1, 100),
	KW_STR(A, country, KW_OPTIONAL, 1, 100),
	KW_END,
};
#undef A

/* national_registration_number is a national id: not read, so that it cannot go anywhere. */
#define O struct laz_order
static const struct kw_field order_fields[] = {
	KW_ID(O, order_id, KW_REQUIRED, 1, 64),
	KW_ID(O, order_number, KW_OPTIONAL, 1, 500),
	KW_ID(O, price, KW_REQUIRED, 1, 40),
	KW_ID(O, shipping_fee, KW_OPTIONAL, 1, 40),
	KW_STR(O, payment_method, KW_OPTIONAL, 1, 255),
	KW_STR(O, created_at, KW_REQUIRED, 1, 64),
	KW_STR(O, updated_at, KW_OPTIONAL, 1, 64),
	KW_STRS(O, statuses, KW_OPTIONAL, 0, 100),
	KW_OBJECT(O, address_shipping, KW_OPTIONAL, struct laz_address, address_of_lazada_fields),
	KW_END,
};
#undef O

#define I struct laz_item
static const struct kw_field item_fields[] = {
	KW_ID(I, order_item_id, KW_REQUIRED, 1, 64),
	KW_STR(I, name, KW_OPTIONAL, 1, 2000),
	KW_STR(I, sku, KW_OPTIONAL, 1, 1000),
	KW_STR(I, shop_sku, KW_OPTIONAL, 1, 1000),
	KW_ID(I, item_price, KW_REQUIRED, 1, 40),
	KW_ID(I, paid_price, KW_OPTIONAL, 1, 40),
	KW_STR(I, status, KW_OPTIONAL, 1, 100),
	KW_STR(I, currency, KW_OPTIONAL, 3, 3),
	KW_END,
};
#undef I

#define CODE(T) KW_ID(T, code, KW_REQUIRED, 1, 100)
static const struct kw_field order_answer_fields[] = {
	CODE(struct laz_order_answer),
	KW_OBJECT(struct laz_order_answer, data, KW_REQUIRED, struct laz_order, order_fields),
	KW_END,
};

static const struct kw_field items_answer_fields[] = {
	CODE(struct laz_items_answer),
	KW_ARRAY(struct laz_items_answer, data, KW_REQUIRED, struct laz_item, item_fields, 1,
		LINES_MAX),
	KW_END,
};

static const struct kw_field changed_fields[] = {
	KW_ID(struct laz_changed, order_id, KW_REQUIRED, 1, 64),
	KW_STR(struct laz_changed, updated_at, KW_REQUIRED, 1, 64),
	KW_END,
};

static const struct kw_field changes_fields[] = {
	KW_ARRAY(struct laz_changes, orders, KW_OPTIONAL, struct laz_changed, changed_fields, 0,
		API_PAGE),
	KW_END,
};

static const struct kw_field changes_answer_fields[] = {
	CODE(struct laz_changes_answer),
	KW_OBJECT(struct laz_changes_answer, data, KW_REQUIRED, struct laz_changes, changes_fields),
	KW_END,
};

static const struct kw_field code_fields[] = { CODE(struct laz_order_answer), KW_END };

/* ---- asking ---- */

struct param {
	const char *name, *value;
};

static int by_name(const void *left, const void *right)
{
	return strcmp(((const struct param *)left)->name, ((const struct param *)right)->name);
}

/* sign = upper-case hex of HMAC-SHA256(app secret, path + names and values in the names' order). */
static const char *sign(const struct kw_partner *partner, const char *path,
	const struct param *sorted, size_t n, struct kw_arena *a)
{
	struct kw_bytes parts[1 + 2 * PARAMS_MAX] = { { path, strlen(path) } };
	uint8_t mac[KW_SHA256_SIZE];

	for (size_t i = 0; i < n; i++) {
		parts[1 + 2 * i] = (struct kw_bytes) { sorted[i].name, strlen(sorted[i].name) };
		parts[2 + 2 * i] = (struct kw_bytes) { sorted[i].value, strlen(sorted[i].value) };
	}
	kw_hmac_sha256(partner->secrets.keys[0], parts, 1 + 2 * n, mac);
	char *hex = kw_hex(a, (struct kw_bytes) { mac, sizeof(mac) });
	for (char *c = hex; *c; c++)
		if (*c >= 'a')
			*c = (char)(*c - 'a' + 'A');
	return hex;
}

static void ask(const struct kw_partner *partner, const char *path, const struct param *own,
	size_t n_own, kw_time now, struct kw_arena *a, struct kw_call *call)
{
	struct kw_bytes token = partner->api_secrets.keys[0];
	struct param params[PARAMS_MAX] = {
		{ "access_token", kw_arena_strn(a, token.p, token.n) },
		{ "app_key", partner->app_key },
		{ "sign_method", "sha256" },
		{ "timestamp", kw_arena_printf(a, "%lld", (long long)(now / 1000)) },
	};
	size_t n = 4;
	KW_CLEANUP(kw_buf_done) struct kw_buf url;

	kw_assert(n + n_own <= PARAMS_MAX);
	for (size_t i = 0; i < n_own; i++)
		params[n++] = own[i];
	qsort(params, n, sizeof(*params), by_name);
	kw_buf_init(&url, 8192);
	kw_buf_printf(&url, "%s%s?", partner->url, path);
	for (size_t i = 0; i < n; i++)
		kw_buf_printf(&url, "%s=%s&", params[i].name, text_in_url(a, params[i].value));
	kw_buf_printf(&url, "sign=%s", sign(partner, path, params, n, a));
	kw_assert(!url.full);
	*call = (struct kw_call) { .method = "GET", .url = kw_arena_strn(a, url.p, url.n) };
}

static void ask_order(const struct kw_partner *partner, const char *external_id, kw_time now,
	struct kw_arena *a, struct kw_call *calls)
{
	const struct param id = { "order_id", external_id };

	ask(partner, "/order/get", &id, 1, now, a, &calls[0]);
	ask(partner, "/order/items/get", &id, 1, now, a, &calls[1]);
}

static void ask_page(const struct kw_partner *partner, const struct page *page, kw_time now,
	struct kw_arena *a, struct kw_call *call)
{
	char since[KW_TIME_TEXT];
	const char *limit = kw_arena_printf(a, "%d", API_PAGE);
	const char *offset = kw_arena_printf(a, "%d", (page->number - 1) * API_PAGE);

	kw_time_format(page->since - page->since % KW_US_PER_S - KW_US_PER_S, since);
	since[strcspn(since, "Z")] = '\0';
	const struct param own[] = {
		{ "update_after", kw_arena_printf(a, "%s+00:00", since) },
		{ "sort_by", "updated_at" },
		{ "sort_direction", "ASC" },
		{ "limit", limit },
		{ "offset", offset },
	};
	ask(partner, "/orders/get", own, KW_LEN(own), now, a, call);
}

/* ---- reading ---- */

/* A code that is not "0" says what is wrong; its message may hold anything and is not kept. */
static enum kw_rc check_code(struct kw_bytes json, struct kw_arena *a, struct kw_err *err)
{
	static const char *const later[] = { "ApiCallLimit", "AppCallLimit", "SellerCallLimit",
		"ServiceTimeout", "ServiceUnavailable", "SystemError", "E005", "E501" };
	struct laz_order_answer answer = { 0 };

	KW_TRY(kw_json_decode(code_fields, json.p, json.n, a, &answer, err));
	if (strcmp(answer.code, "0") == 0)
		return KW_OK;
	for (size_t i = 0; i < KW_LEN(later); i++)
		if (strcmp(answer.code, later[i]) == 0)
			return kw_fail_code(
				err, KW_RETRY, "VENDOR_LATER", "answered %.60s", answer.code);
	return kw_fail_code(err, KW_INVALID, "VENDOR_REFUSED", "answered %.60s", answer.code);
}

static enum kw_rc decode(const struct kw_field *fields, const struct kw_call *call,
	struct kw_arena *a, void *ret, struct kw_err *err)
{
	struct kw_bytes json = kw_json_quote_numbers(a, call->answer);

	KW_TRY(check_code(json, a, err));
	return kw_json_decode(fields, json.p, json.n, a, ret, err);
}

/* They write names; we keep ISO 3166. */
static const char *country_code(const char *name)
{
	static const struct {
		const char *name, *code;
	} rows[] = {
		{ "Pakistan", "PK" },
		{ "Bangladesh", "BD" },
		{ "Sri Lanka", "LK" },
		{ "Nepal", "NP" },
		{ "Myanmar", "MM" },
		{ "Singapore", "SG" },
		{ "Malaysia", "MY" },
		{ "Indonesia", "ID" },
		{ "Thailand", "TH" },
		{ "Vietnam", "VN" },
		{ "Philippines", "PH" },
	};

	for (size_t i = 0; name && i < KW_LEN(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return rows[i].code;
	return name;
}

static const char *joined(struct kw_arena *a, const char *one, const char *two, const char *between)
{
	return one && two ? kw_arena_printf(a, "%s%s%s", one, between, two) : one ? one : two;
}

static struct address *address(struct kw_arena *a, const struct laz_address *from)
{
	struct address *to;

	if (!from)
		return NULL;
	const char *rest = joined(a, from->address3, from->address4, ", ");
	to = kw_new(a, struct address, 1);
	*to = (struct address) {
		.name = text_cut(a, joined(a, from->first_name, from->last_name, " "), 200),
		.line1 = text_cut(a, from->address1, 300),
		.line2 = text_cut(a, from->address2, 300),
		.line3 = text_cut(a, joined(a, rest, from->address5, ", "), 300),
		.city = text_cut(a, from->city, 120),
		.postcode = text_cut(a, from->post_code, 40),
		.country = country_code(from->country),
		.phone = text_cut(a, from->phone, 40),
	};
	return to;
}

/* How far a piece has come: it only grows. */
static int rank(const char *status)
{
	static const char *const words[] = { "unpaid", "pending", "packed", "ready_to_ship",
		"shipped", "delivered", "returned", "canceled" };

	for (size_t i = 0; status && i < KW_LEN(words); i++)
		if (strcmp(words[i], status) == 0)
			return (int)i;
	return 1;
}

static bool is_canceled(const char *status)
{
	return status && (strcmp(status, "canceled") == 0 || strcmp(status, "cancelled") == 0);
}

static enum kw_rc add(
	struct kw_money *sum, struct kw_money amount, const char *pointer, struct kw_err *err)
{
	if (kw_money_add(*sum, amount, sum, NULL) != KW_OK)
		return kw_fail_at(err, KW_INVALID, pointer, "more than money can hold");
	return KW_OK;
}

static enum kw_rc read_item(const struct laz_item *from, size_t at, struct kw_arena *a,
	struct submitted *to, struct kw_err *err)
{
	struct submitted_line *l = &to->lines[to->n_lines++];
	char pointer[64];
	struct kw_money paid;

	*l = (struct submitted_line) {
		.line_id = from->order_item_id,
		.sku = sku_or(a, from->sku, from->shop_sku, from->order_item_id),
		.title = text_cut(a, text_plain(a, from->name), 300),
		.quantity = 1,
	};
	snprintf(pointer, sizeof(pointer), "/data/%zu/paid_price", at);
	KW_TRY(money_at(from->paid_price ? from->paid_price : from->item_price, to->currency,
		pointer, &paid, err));
	snprintf(pointer, sizeof(pointer), "/data/%zu/item_price", at);
	KW_TRY(money_at(from->item_price, to->currency, pointer, &l->price, err));
	l->discount = l->price;
	l->discount.minor = l->price.minor > paid.minor ? l->price.minor - paid.minor : 0;
	KW_TRY(add(&to->lines_total, l->price, pointer, err));
	return add(&to->discount, l->discount, pointer, err);
}

/* What was canceled is no line any more, unless all is: then the order is. */
static enum kw_rc read_items(const struct laz_items_answer *from, struct kw_arena *a,
	struct submitted *to, struct kw_err *err)
{
	size_t n_canceled = 0, n_unpaid = 0;

	to->lines = kw_new(a, struct submitted_line, from->n_data);
	for (size_t i = 0; i < from->n_data; i++)
		n_canceled += is_canceled(from->data[i].status);
	for (size_t i = 0; i < from->n_data; i++) {
		const struct laz_item *item = &from->data[i];
		bool canceled = is_canceled(item->status);

		to->source_time += rank(item->status); /* see read_order */
		if (item->currency && strcmp(item->currency, to->currency) != 0)
			return kw_fail_at(err, KW_INVALID, "/data",
				"an item in another currency than the channel's");
		n_unpaid += !canceled && rank(item->status) == 0;
		if (!canceled || n_canceled == from->n_data)
			KW_TRY(read_item(item, i, a, to, err));
	}
	if (n_canceled == from->n_data) {
		to->kind = KIND_CANCELLED;
		to->cancel_reason = "canceled";
		to->financial_status = "voided";
	} else if (!to->cod && n_unpaid == 0) {
		to->kind = KIND_PAID; /* the marketplace has the money */
		to->financial_status = "paid";
	}
	return KW_OK;
}

/* Kind and time follow from the order alone. Their times have whole seconds, in which an order may
 * have two states: what its pieces' statuses add up to is the fraction, so that these are two
 * messages, and in their order. */
static enum kw_rc read_order(const struct kw_partner *partner, const struct kw_call *calls,
	kw_time now, struct kw_arena *a, struct heard *ret, struct kw_err *err)
{
	struct laz_order_answer order = { 0 };
	struct laz_items_answer items = { 0 };
	struct submitted *to = &ret->order;
	const char *c = partner->currency;

	(void)now;
	KW_TRY(decode(order_answer_fields, &calls[0], a, &order, err));
	KW_TRY(decode(items_answer_fields, &calls[1], a, &items, err));
	const struct laz_order *from = order.data;
	for (size_t i = 0; i < items.n_data && from->n_statuses == 1; i++)
		if (!items.data[i].status)
			items.data[i].status = from->statuses[0];
	*to = (struct submitted) {
		.external_id = from->order_id,
		.kind = KIND_UPDATED,
		.currency = c,
		.number = text_cut(a, from->order_number, 64),
		.cod = from->payment_method && strcmp(from->payment_method, "COD") == 0,
		.financial_status = "pending",
		.ship_to = address(a, from->address_shipping),
	};
	KW_TRY(money_at("0", c, "", &to->tax, err));
	to->lines_total = to->discount = to->tax;
	KW_TRY(time_at(from->created_at, "/data/created_at", &to->placed_at, err));
	KW_TRY(time_at(from->updated_at ? from->updated_at : from->created_at, "/data/updated_at",
		&to->source_time, err));
	if (to->source_time == to->placed_at)
		to->kind = KIND_CREATED;
	KW_TRY(money_at(from->price, c, "/data/price", &to->total, err));
	KW_TRY(money_at(from->shipping_fee ? from->shipping_fee : "0", c, "/data/shipping_fee",
		&to->shipping, err));
	KW_TRY(read_items(&items, a, to, err));
	if (to->kind != KIND_PAID)
		return KW_OK;
	to->payments = kw_new(a, struct submitted_payment, 1);
	to->n_payments = 1;
	to->payments[0].reference = kw_arena_printf(a, "%s:paid", from->order_id);
	to->payments[0].amount = to->total;
	return KW_OK;
}

static enum kw_rc read_page(const struct kw_partner *partner, const struct kw_call *call,
	kw_time now, struct kw_arena *a, struct page_read *ret, struct kw_err *err)
{
	struct laz_changes_answer answer = { 0 };

	(void)partner;
	(void)now;
	KW_TRY(decode(changes_answer_fields, call, a, &answer, err));
	const struct laz_changes *changes = answer.data;
	ret->n = changes->n_orders;
	ret->full = ret->n == API_PAGE;
	ret->found = kw_new(a, struct found, ret->n);
	for (size_t i = 0; i < ret->n; i++) {
		struct found *f = &ret->found[i];
		char pointer[64];

		snprintf(pointer, sizeof(pointer), "/data/orders/%zu/updated_at", i);
		KW_TRY(time_at(changes->orders[i].updated_at, pointer, &f->changed_at, err));
		f->external_id = changes->orders[i].order_id;
		f->heard.kind = HEARD_NOTICE; /* it has no items */
		f->heard.order.external_id = f->external_id;
		f->heard.notice.noticed_at = f->changed_at;
	}
	return KW_OK;
}

const struct order_api lazada_api = {
	.n_secrets = 1,
	.n_calls = 2,
	.ask_order = ask_order,
	.read_order = read_order,
	.ask_page = ask_page,
	.read_page = read_page,
};
