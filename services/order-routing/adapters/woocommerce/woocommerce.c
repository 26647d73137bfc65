/* WooCommerce: webhooks that name their kind in X-WC-Webhook-Topic and hold the order as it is at
 * that moment, sent once; so what was missed is found by its REST API, whose orders look the same.
 * https://github.com/woocommerce/woocommerce (class-wc-webhook.php),
 * https://woocommerce.github.io/woocommerce-rest-api-docs/#orders */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "adapters/adapter.h"
#include "core/err.h"
#include "json/json.h"

#define SIGNATURE "X-WC-Webhook-Signature"
#define PING "webhook_id="

enum status { PENDING, FAILED, ON_HOLD, OTHER, PROCESSING, COMPLETED, CANCELLED, REFUNDED, TRASH };

struct woo_address {
	const char *first_name, *last_name, *company, *address_1, *address_2, *city, *state,
		*postcode, *country, *email, *phone;
};

struct woo_line {
	const char *id, *name, *product_id, *variation_id, *sku, *subtotal, *total;
	int64_t quantity;
};

struct woo_order {
	const char *id, *number, *status, *currency, *date_created_gmt, *date_modified_gmt,
		*date_paid_gmt, *total, *total_tax, *shipping_total, *payment_method;
	struct woo_address *billing, *shipping;
	struct woo_line *line_items;
	size_t n_line_items;
};

/* Of every order: which one it is, and when it changed. */
struct woo_head {
	const char *id, *date_modified_gmt;
};

static const struct kw_field head_fields[] = {
	KW_ID(struct woo_head, id, KW_REQUIRED, 1, 64),
	KW_STR(struct woo_head, date_modified_gmt, KW_OPTIONAL, 1, 64),
	KW_END,
};

#define A struct woo_address
static const struct kw_field address_of_woo_fields[] = {
	KW_STR(A, first_name, KW_OPTIONAL, 1, 255),
	KW_STR(A, last_name, KW_OPTIONAL, 1, 255),
	KW_STR(A, company, KW_OPTIONAL, 1, 500),
	KW_STR(A, address_1, KW_OPTIONAL, 1, 1000),
	KW_STR(A, address_2, KW_OPTIONAL, 1, 1000),
	KW_STR(A, city, KW_OPTIONAL, 1, 500),
	KW_STR(A, state, KW_OPTIONAL, 1, 500),
	KW_ID(A, postcode, KW_OPTIONAL, 1, 100),
	KW_STR(A, country, KW_OPTIONAL, 1, 10),
	KW_STR(A, email, KW_OPTIONAL, 1, 1000),
	KW_ID(A, phone, KW_OPTIONAL, 1, 100),
	KW_END,
};
#undef A

#define L struct woo_line
static const struct kw_field line_fields[] = {
	KW_ID(L, id, KW_REQUIRED, 1, 64),
	KW_STR(L, name, KW_OPTIONAL, 1, 2000),
	KW_ID(L, product_id, KW_OPTIONAL, 1, 64),
	KW_ID(L, variation_id, KW_OPTIONAL, 1, 64),
	KW_STR(L, sku, KW_OPTIONAL, 1, 1000),
	KW_I64(L, quantity, KW_REQUIRED, 1, QUANTITY_MAX),
	KW_ID(L, subtotal, KW_OPTIONAL, 1, 40),
	KW_ID(L, total, KW_REQUIRED, 1, 40),
	KW_END,
};
#undef L

#define O struct woo_order
static const struct kw_field order_fields[] = {
	KW_ID(O, id, KW_REQUIRED, 1, 64),
	KW_ID(O, number, KW_OPTIONAL, 1, 500),
	KW_STR(O, status, KW_REQUIRED, 1, 100),
	KW_STR(O, currency, KW_REQUIRED, 3, 3),
	KW_STR(O, date_created_gmt, KW_REQUIRED, 1, 64),
	KW_STR(O, date_modified_gmt, KW_OPTIONAL, 1, 64),
	KW_STR(O, date_paid_gmt, KW_OPTIONAL, 1, 64),
	KW_ID(O, total, KW_REQUIRED, 1, 40),
	KW_ID(O, total_tax, KW_OPTIONAL, 1, 40),
	KW_ID(O, shipping_total, KW_OPTIONAL, 1, 40),
	KW_STR(O, payment_method, KW_OPTIONAL, 1, 255),
	KW_OBJECT(O, billing, KW_OPTIONAL, struct woo_address, address_of_woo_fields),
	KW_OBJECT(O, shipping, KW_OPTIONAL, struct woo_address, address_of_woo_fields),
	KW_ARRAY(O, line_items, KW_REQUIRED, struct woo_line, line_fields, 1, LINES_MAX),
	KW_END,
};
#undef O

/* ---- webhooks ---- */

/* What a shop sends when a webhook is made: unsigned, and it must be answered 200. It says nothing,
 * so it is let in and kept nowhere. */
static bool is_ping(struct kw_bytes body)
{
	const char *p = body.p;
	size_t n = sizeof(PING) - 1;

	if (body.n <= n || body.n > n + 20 || memcmp(p, PING, n) != 0)
		return false;
	while (n < body.n && isdigit((unsigned char)p[n]))
		n++;
	return n == body.n;
}

enum kw_rc woocommerce_verify(
	const struct kw_partner *partner, const struct kw_request *rq, struct kw_err *err)
{
	static const struct kw_body_mac scheme = { SIGNATURE, "", false };
	const char *signature = kw_request_header(rq, SIGNATURE);

	if (!signature && is_ping(rq->body))
		return KW_OK;
	return kw_verify_body_mac(&scheme, &partner->secrets, signature, rq->body, err);
}

static enum status status_of(const char *text)
{
	static const struct {
		const char *text;
		enum status status;
	} rows[] = {
		{ "pending", PENDING },
		{ "failed", FAILED },
		{ "on-hold", ON_HOLD },
		{ "processing", PROCESSING },
		{ "completed", COMPLETED },
		{ "cancelled", CANCELLED },
		{ "refunded", REFUNDED },
		{ "trash", TRASH },
	};

	for (size_t i = 0; i < KW_LEN(rows); i++)
		if (strcmp(rows[i].text, text) == 0)
			return rows[i].status;
	return OTHER; /* plugins have statuses of their own */
}

/* A basket that nobody has ordered yet. */
static bool is_draft(const char *status)
{
	return strcmp(status, "checkout-draft") == 0 || strcmp(status, "auto-draft") == 0;
}

static const char *joined(struct kw_arena *a, const char *first, const char *last)
{
	return first && last ? kw_arena_printf(a, "%s %s", first, last) : last ? last : first;
}

static struct address *address(struct kw_arena *a, const struct woo_order *from)
{
	const struct woo_address *b = from->billing, *s = from->shipping;
	struct address *to;

	if (!s || (!s->address_1 && !s->address_2))
		s = b; /* shops that ask for one address only */
	if (!s)
		return NULL;
	const char *name = joined(a, s->first_name, s->last_name);
	to = kw_new(a, struct address, 1);
	*to = (struct address) {
		.name = text_cut(a, name ? name : s->company, 200),
		.line1 = text_cut(a, s->address_1 ? s->address_1 : s->address_2, 300),
		.line2 = s->address_1 ? text_cut(a, s->address_2, 300) : NULL,
		.city = text_cut(a, s->city, 120),
		.postcode = text_cut(a, s->postcode, 40),
		.region = text_cut(a, s->state, 120),
		.country = s->country,
		.phone = text_cut(a,
			s->phone ? s->phone
			: b      ? b->phone
				 : NULL,
			40),
	};
	return to;
}

static enum kw_rc too_much(const char *pointer, struct kw_err *err)
{
	return kw_fail_at(err, KW_INVALID, pointer, "more than money can hold");
}

/* A line tells what all its pieces cost, before and after discounts. Where that is not a whole
 * number of paisas each, the price is the next one, and the difference is in the discount: so the
 * line's sum is exact. The member price is a rounded number, and not read. */
static enum kw_rc read_line(const struct woo_line *from, size_t at, const char *currency,
	struct kw_arena *a, struct submitted *to, struct kw_err *err)
{
	const char *variant = from->variation_id && strcmp(from->variation_id, "0") != 0
				      ? from->variation_id
				      : from->product_id;
	struct submitted_line *l = &to->lines[at];
	struct kw_money before, after, gross;
	char pointer[64];

	snprintf(pointer, sizeof(pointer), "/line_items/%zu/total", at);
	KW_TRY(money_at(from->total, currency, pointer, &after, err));
	snprintf(pointer, sizeof(pointer), "/line_items/%zu/subtotal", at);
	KW_TRY(money_at(
		from->subtotal ? from->subtotal : from->total, currency, pointer, &before, err));
	if (before.minor < after.minor)
		before = after;
	*l = (struct submitted_line) {
		.line_id = from->id,
		.sku = sku_or(a, from->sku, variant && strcmp(variant, "0") != 0 ? variant : NULL,
			from->id),
		.title = text_cut(a, text_plain(a, from->name), 300),
		.quantity = from->quantity,
		.price = before,
	};
	l->price.minor = before.minor / from->quantity + (before.minor % from->quantity != 0);
	if (kw_money_mul(l->price, from->quantity, &gross, NULL) != KW_OK ||
		kw_money_sub(gross, after, &l->discount, NULL) != KW_OK ||
		kw_money_add(to->lines_total, gross, &to->lines_total, NULL) != KW_OK ||
		kw_money_add(to->discount, l->discount, &to->discount, NULL) != KW_OK)
		return too_much(pointer, err);
	return KW_OK;
}

static enum kw_rc read_money(
	const struct woo_order *from, struct kw_arena *a, struct submitted *to, struct kw_err *err)
{
	const char *c = from->currency;

	KW_TRY(currency_at(c, "/currency", err));
	KW_TRY(money_at(from->total, c, "/total", &to->total, err));
	KW_TRY(money_at(from->total_tax ? from->total_tax : "0", c, "/total_tax", &to->tax, err));
	KW_TRY(money_at(from->shipping_total ? from->shipping_total : "0", c, "/shipping_total",
		&to->shipping, err));
	memcpy(to->lines_total.currency, to->total.currency, sizeof(to->total.currency));
	memcpy(to->discount.currency, to->total.currency, sizeof(to->total.currency));
	to->n_lines = from->n_line_items;
	to->lines = kw_new(a, struct submitted_line, to->n_lines);
	for (size_t i = 0; i < to->n_lines; i++)
		KW_TRY(read_line(&from->line_items[i], i, c, a, to, err));
	return KW_OK;
}

static void read_state(const struct woo_order *from, enum status status, kw_time modified,
	kw_time paid, struct kw_arena *a, struct submitted *to)
{
	to->cod = from->payment_method && strcmp(from->payment_method, "cod") == 0;
	bool is_paid = paid != 0 && !to->cod && status != PENDING && status != FAILED;
	if (status >= CANCELLED) {
		to->kind = KIND_CANCELLED;
		to->cancel_reason = from->status;
		to->financial_status = status == REFUNDED ? "refunded" : "voided";
	} else if (is_paid) {
		to->kind = KIND_PAID;
		to->financial_status = "paid";
		to->payments = kw_new(a, struct submitted_payment, 1);
		to->n_payments = 1;
		to->payments[0] = (struct submitted_payment) {
			.reference = kw_arena_printf(a, "%s:paid", from->id),
			.amount = to->total,
			.paid_at = paid,
		};
	} else {
		to->kind = modified == to->placed_at ? KIND_CREATED : KIND_UPDATED;
		to->financial_status = "pending";
	}
	/* Their times have whole seconds, in which an order often has two states: the state's rank
	 * is the fraction, so that they are two messages, and in their order. */
	to->source_time = modified + (kw_time)status;
}

/* The same from a webhook and from the API: kind and time follow from the order alone, so that what
 * came by both ways is a repeat. */
static enum kw_rc read_order(
	struct kw_bytes json, struct kw_arena *a, struct heard *ret, struct kw_err *err)
{
	struct woo_order from = { 0 };
	struct submitted *to = &ret->order;
	kw_time created = 0, modified = 0, paid = 0;

	json = kw_json_quote_numbers(a, json);
	KW_TRY(kw_json_decode(order_fields, json.p, json.n, a, &from, err));
	if (is_draft(from.status))
		return KW_NOTHING;
	KW_TRY(time_at(from.date_created_gmt, "/date_created_gmt", &created, err));
	KW_TRY(time_at(from.date_modified_gmt ? from.date_modified_gmt : from.date_created_gmt,
		"/date_modified_gmt", &modified, err));
	KW_TRY(time_at(from.date_paid_gmt, "/date_paid_gmt", &paid, err));
	KW_TRY(read_money(&from, a, to, err));
	to->external_id = from.id;
	to->placed_at = created;
	to->currency = from.currency;
	to->number = text_cut(a, from.number, 64);
	to->email_hash = email_hash(a, from.billing ? from.billing->email : NULL);
	to->ship_to = address(a, &from);
	read_state(&from, status_of(from.status), modified, paid, a, to);
	return KW_OK;
}

static enum kw_rc parse(
	const struct order_input *in, struct kw_arena *a, struct heard *ret, struct kw_err *err)
{
	struct woo_head head = { 0 };

	if (is_ping(in->body))
		return KW_NOTHING;
	if (!in->topic)
		return kw_fail_code(err, KW_INVALID, "SYNTAX", "X-WC-Webhook-Topic is missing");
	if (strcmp(in->topic, "order.deleted") == 0) { /* {"id": 727} and nothing else */
		KW_TRY(kw_json_decode(head_fields, in->body.p, in->body.n, a, &head, err));
		ret->kind = HEARD_WITHDRAWAL;
		ret->order.external_id = head.id;
		return KW_OK;
	}
	if (strcmp(in->topic, "order.created") != 0 && strcmp(in->topic, "order.updated") != 0 &&
		strcmp(in->topic, "order.restored") != 0)
		return KW_NOTHING;
	return read_order(in->body, a, ret, err);
}

/* ---- the REST API ---- */

/* Consumer key and secret as Basic credentials, over TLS. */
static void ask(const struct kw_partner *partner, const char *what, struct kw_arena *a,
	struct kw_call *call)
{
	const struct kw_bytes *k = partner->api_secrets.keys;
	const char *pair = kw_arena_printf(a, "%.*s:%.*s", (int)k[0].n, (const char *)k[0].p,
		(int)k[1].n, (const char *)k[1].p);
	const char **headers = kw_new(a, const char *, 3);

	headers[0] = kw_arena_printf(a, "Authorization: Basic %s",
		kw_base64(a, (struct kw_bytes) { pair, strlen(pair) }));
	headers[1] = "Accept: application/json";
	*call = (struct kw_call) {
		.method = "GET",
		.url = kw_arena_printf(a, "%s/wp-json/wc/v3/orders%s", partner->url, what),
		.headers = headers,
	};
}

static void ask_order(const struct kw_partner *partner, const char *external_id, kw_time now,
	struct kw_arena *a, struct kw_call *calls)
{
	(void)now;
	ask(partner, kw_arena_printf(a, "/%s", text_in_url(a, external_id)), a, calls);
}

static enum kw_rc read_fetched(const struct kw_partner *partner, const struct kw_call *calls,
	kw_time now, struct kw_arena *a, struct heard *ret, struct kw_err *err)
{
	(void)partner;
	(void)now;
	return read_order(calls[0].answer, a, ret, err);
}

static void ask_page(const struct kw_partner *partner, const struct page *page, kw_time now,
	struct kw_arena *a, struct kw_call *call)
{
	char since[KW_TIME_TEXT];

	(void)now;
	/* a second earlier: whether "after" holds the moment itself depends on the version */
	kw_time_format(page->since - page->since % KW_US_PER_S - KW_US_PER_S, since);
	since[strcspn(since, "Z")] = '\0';
	ask(partner,
		kw_arena_printf(a,
			"?modified_after=%s&dates_are_gmt=true&orderby=modified&order=asc"
			"&per_page=%d&page=%d",
			text_in_url(a, since), API_PAGE, page->number),
		a, call);
}

static enum kw_rc read_page(const struct kw_partner *partner, const struct kw_call *call,
	kw_time now, struct kw_arena *a, struct page_read *ret, struct kw_err *err)
{
	struct kw_bytes *elements;
	size_t n;

	(void)partner;
	(void)now;
	KW_TRY(kw_json_elements(call->answer, API_PAGE, a, &elements, &n, err));
	ret->found = kw_new(a, struct found, n);
	ret->full = n == API_PAGE;
	for (size_t i = 0; i < n; i++) {
		struct found *f = &ret->found[ret->n];
		struct woo_head head = { 0 };
		char pointer[48];

		/* which order it is must be told; if the rest of it cannot be read, it is fetched
		 * alone, and that says why */
		KW_TRY(kw_json_decode(head_fields, elements[i].p, elements[i].n, a, &head, err));
		snprintf(pointer, sizeof(pointer), "/%zu/date_modified_gmt", i);
		KW_TRY(time_at(head.date_modified_gmt, pointer, &f->changed_at, err));
		if (f->changed_at == 0)
			return kw_fail_at(err, KW_INVALID, pointer, "is required");
		enum kw_rc rc = read_order(elements[i], a, &f->heard, NULL);
		if (rc == KW_INVALID) {
			f->heard = (struct heard) { .kind = HEARD_NOTICE };
			f->heard.notice.noticed_at = f->changed_at;
			f->heard.order.external_id = head.id;
		}
		f->external_id = head.id;
		if (rc != KW_NOTHING)
			ret->n++;
	}
	return KW_OK;
}

static const struct order_api api = {
	.n_secrets = 2,
	.n_calls = 1,
	.ask_order = ask_order,
	.read_order = read_fetched,
	.ask_page = ask_page,
	.read_page = read_page,
};

const struct order_adapter woocommerce_orders = {
	.topic_header = "X-WC-Webhook-Topic",
	.root = "",
	.lines = "/line_items",
	.parse = parse,
	.api = &api,
};
