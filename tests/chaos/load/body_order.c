/* Orders as their channels write them: our own schema
 * (schemas/events/karwan.order.posted.v1.json), Shopify
 * (https://shopify.dev/docs/api/admin-rest/latest/resources/order), WooCommerce
 * (https://woocommerce.github.io/woocommerce-rest-api-docs/#order-properties), Daraz, which pushes
 * a notice and tells the rest when it is asked (https://open.lazada.com/apps/doc/doc?nodeId=29526).
 */
#include <stdio.h>
#include <string.h>

#include "request.h"
#include "write.h"

/* The source's own time of a message: each later one is a second later. */
static kw_time said_at(const struct sale *s, const struct message *m)
{
	return s->placed_at + (m->version - 1) * KW_US_PER_S;
}

static void write_time(struct kw_buf *b, const char *name, kw_time at)
{
	char text[KW_TIME_TEXT];

	kw_time_format(at, text);
	write_text(b, name, text);
}

/* ---- ours ---- */

static void karwan_line(struct kw_buf *b, const struct sale *s, const struct sale_line *l)
{
	write_open(b, NULL, '{');
	write_text(b, "line_id", l->line_id);
	write_text(b, "sku", l->sku);
	write_text(b, "title", l->title);
	write_i64(b, "quantity", l->quantity);
	write_money(b, "price", l->price, s->currency);
	write_close(b, '}');
}

static void karwan_address(struct kw_buf *b, const struct sale *s)
{
	write_open(b, "ship_to", '{');
	write_text(b, "name", s->name);
	write_text(b, "line1", s->line1);
	write_text(b, "city", s->city);
	write_text(b, "postcode", s->postcode);
	write_text(b, "region", s->region);
	write_text(b, "country", s->country);
	write_text(b, "phone", s->phone);
	write_close(b, '}');
}

static void karwan_payment(struct kw_buf *b, const struct sale *s, kw_time at)
{
	write_open(b, "payments", '[');
	write_open(b, NULL, '{');
	write_text(b, "reference", s->external_id);
	write_money(b, "amount", s->total, s->currency);
	write_time(b, "paid_at", at);
	write_close(b, '}');
	write_close(b, ']');
}

static void karwan_order(struct kw_buf *b, const struct sale *s, const struct message *m)
{
	static const char *const types[WORDS] = { [SAYS_CREATED] = "order.created",
		[SAYS_UPDATED] = "order.updated",
		[SAYS_PAID] = "order.paid",
		[SAYS_CANCELLED] = "order.cancelled",
		[SAYS_GONE] = "order.cancelled" };

	write_open(b, NULL, '{');
	write_text(b, "type", types[m->word]);
	write_time(b, "timestamp", said_at(s, m));
	write_open(b, "data", '{');
	write_text(b, "order_id", s->external_id);
	write_text(b, "number", s->number);
	write_time(b, "placed_at", s->placed_at);
	write_text(b, "currency", s->currency);
	write_bool(b, "test", s->test);
	write_bool(b, "cod", s->cod);
	write_text(b, "email", s->email);
	write_text(b, "financial_status", m->word == SAYS_PAID ? "paid" : "pending");
	write_money(b, "total", s->total, s->currency);
	write_money(b, "lines_total", s->lines_total, s->currency);
	write_money(b, "shipping", s->shipping, s->currency);
	karwan_address(b, s);
	write_open(b, "lines", '[');
	for (size_t i = 0; i < s->n_lines; i++)
		karwan_line(b, s, &s->lines[i]);
	write_close(b, ']');
	if (m->word == SAYS_PAID)
		karwan_payment(b, s, said_at(s, m));
	if (m->word >= SAYS_CANCELLED)
		write_text(b, "cancel_reason", "customer");
	write_close(b, '}');
	write_close(b, '}');
}

/* ---- Shopify ---- */

static void shopify_line(struct kw_buf *b, const struct sale_line *l)
{
	write_open(b, NULL, '{');
	write_raw(b, "id", l->line_id);
	write_text(b, "sku", l->sku);
	write_text(b, "title", l->title);
	write_i64(b, "quantity", l->quantity);
	write_decimal(b, "price", l->price);
	write_text(b, "total_discount", "0.00");
	write_i64(b, "grams", l->weight_g);
	write_open(b, "discount_allocations", '[');
	write_close(b, ']');
	write_close(b, '}');
}

static void shopify_order(struct kw_buf *b, const struct sale *s, const struct message *m)
{
	bool cancelled = m->word >= SAYS_CANCELLED;

	write_open(b, NULL, '{');
	write_raw(b, "id", s->external_id);
	write_text(b, "name", s->number);
	write_text(b, "email", s->email);
	write_time(b, "created_at", s->placed_at);
	write_time(b, "updated_at", said_at(s, m));
	if (cancelled) {
		write_time(b, "cancelled_at", said_at(s, m));
		write_text(b, "cancel_reason", "customer");
	} else {
		write_null(b, "cancelled_at");
		write_null(b, "cancel_reason");
	}
	write_bool(b, "test", s->test);
	write_text(b, "currency", s->currency);
	write_open(b, "payment_gateway_names", '[');
	write_text(b, NULL, s->cod ? "Cash on Delivery (COD)" : "shopify_payments");
	write_close(b, ']');
	write_text(b, "financial_status",
		cancelled              ? "voided"
		: m->word == SAYS_PAID ? "paid"
				       : "pending");
	write_decimal(b, "total_line_items_price", s->lines_total);
	write_text(b, "total_discounts", "0.00");
	write_text(b, "total_tax", "0.00");
	write_decimal(b, "total_price", s->total);
	write_open(b, "shipping_lines", '[');
	write_open(b, NULL, '{');
	write_decimal(b, "price", s->shipping);
	write_close(b, '}');
	write_close(b, ']');
	write_open(b, "line_items", '[');
	for (size_t i = 0; i < s->n_lines; i++)
		shopify_line(b, &s->lines[i]);
	write_close(b, ']');
	write_open(b, "shipping_address", '{');
	write_text(b, "name", s->name);
	write_text(b, "address1", s->line1);
	write_text(b, "city", s->city);
	write_text(b, "zip", s->postcode);
	write_text(b, "province", s->region);
	write_text(b, "country_code", s->country);
	write_text(b, "phone", s->phone);
	write_close(b, '}');
	write_close(b, '}');
}

/* ---- WooCommerce ---- */

static void woo_time(struct kw_buf *b, const char *name, kw_time at)
{
	char text[KW_TIME_TEXT];

	kw_time_format(at, text);
	text[strcspn(text, "Z")] = '\0';
	write_text(b, name, text);
}

static void woo_line(struct kw_buf *b, const struct sale_line *l)
{
	write_open(b, NULL, '{');
	write_raw(b, "id", l->line_id);
	write_text(b, "name", l->title);
	write_i64(b, "product_id", 0);
	write_i64(b, "variation_id", 0);
	write_i64(b, "quantity", l->quantity);
	write_text(b, "sku", l->sku);
	write_decimal(b, "subtotal", l->price * (l->quantity < 0 ? 1 : l->quantity));
	write_decimal(b, "total", l->price * (l->quantity < 0 ? 1 : l->quantity));
	write_close(b, '}');
}

static void woo_address(struct kw_buf *b, const char *name, const struct sale *s)
{
	write_open(b, name, '{');
	write_text(b, "first_name", "");
	write_text(b, "last_name", s->name);
	write_text(b, "address_1", s->line1);
	write_text(b, "city", s->city);
	write_text(b, "state", s->region);
	write_text(b, "postcode", s->postcode);
	write_text(b, "country", s->country);
	write_text(b, "phone", s->phone);
	if (strcmp(name, "billing") == 0)
		write_text(b, "email", s->email);
	write_close(b, '}');
}

static void woo_order(struct kw_buf *b, const struct sale *s, const struct message *m)
{
	bool paid = m->word == SAYS_PAID;

	write_open(b, NULL, '{');
	write_raw(b, "id", s->external_id);
	if (m->word == SAYS_GONE) { /* it tells no more */
		write_close(b, '}');
		return;
	}
	write_text(b, "number", s->external_id);
	write_text(b, "status", paid || s->cod ? "processing" : "pending");
	write_text(b, "currency", s->currency);
	woo_time(b, "date_created_gmt", s->placed_at);
	woo_time(b, "date_modified_gmt", said_at(s, m));
	if (paid)
		woo_time(b, "date_paid_gmt", said_at(s, m));
	else
		write_null(b, "date_paid_gmt");
	write_text(b, "discount_total", "0.00");
	write_decimal(b, "shipping_total", s->shipping);
	write_decimal(b, "total", s->total);
	write_text(b, "total_tax", "0.00");
	write_text(b, "payment_method", s->cod ? "cod" : "bacs");
	woo_address(b, "billing", s);
	woo_address(b, "shipping", s);
	write_open(b, "line_items", '[');
	for (size_t i = 0; i < s->n_lines; i++)
		woo_line(b, &s->lines[i]);
	write_close(b, ']');
	write_close(b, '}');
}

/* ---- Daraz ---- */

static const char *daraz_status(const struct sale *s, const struct message *m)
{
	if (m->word >= SAYS_CANCELLED)
		return "canceled";
	return m->word == SAYS_PAID || s->cod ? "pending" : "unpaid";
}

/* No more than that something happened. */
static void daraz_push(struct kw_buf *b, const struct sale *s, const struct message *m)
{
	write_open(b, NULL, '{');
	write_text(b, "seller_id", "1000154");
	write_i64(b, "message_type", 0);
	write_text(b, "site", "daraz_pk");
	write_i64(b, "timestamp", said_at(s, m) / 1000);
	write_open(b, "data", '{');
	write_text(b, "trade_order_id", s->external_id);
	write_text(b, "order_status", daraz_status(s, m));
	write_i64(b, "status_update_time", said_at(s, m) / KW_US_PER_S);
	write_close(b, '}');
	write_close(b, '}');
}

static void daraz_time(struct kw_buf *b, const char *name, kw_time at)
{
	char text[KW_TIME_TEXT], whole[KW_TIME_TEXT + 8];

	kw_time_format(at, text);
	text[strcspn(text, "TZ")] = ' ';
	text[strcspn(text, "Z")] = '\0';
	snprintf(whole, sizeof(whole), "%s +0000", text);
	write_text(b, name, whole);
}

static void daraz_address(struct kw_buf *b, const struct sale *s)
{
	write_open(b, "address_shipping", '{');
	write_text(b, "first_name", s->name);
	write_text(b, "phone", s->phone);
	write_text(b, "address1", s->line1);
	write_text(b, "address3", s->region);
	write_text(b, "city", s->city);
	write_text(b, "post_code", s->postcode);
	write_text(b, "country", "Pakistan");
	write_close(b, '}');
}

/* An item a piece. */
void record_of_order(const struct sale *s, const struct message *m, struct kw_buf *b)
{
	write_open(b, NULL, '{');
	write_open(b, "order", '{');
	write_raw(b, "order_id", s->external_id);
	write_raw(b, "order_number", s->external_id);
	write_decimal(b, "price", s->total);
	write_decimal(b, "shipping_fee", s->shipping);
	write_open(b, "statuses", '[');
	write_text(b, NULL, daraz_status(s, m));
	write_close(b, ']');
	write_text(b, "payment_method", s->cod ? "COD" : "MIXEDCARD");
	daraz_time(b, "created_at", s->placed_at);
	daraz_time(b, "updated_at", said_at(s, m));
	daraz_address(b, s);
	write_close(b, '}');
	write_open(b, "items", '[');
	for (size_t i = 0; i < s->n_lines; i++)
		for (int64_t k = 0; k < s->lines[i].quantity; k++) {
			char id[32];

			snprintf(id, sizeof(id), "%s%d", s->lines[i].line_id, (int)k);
			write_open(b, NULL, '{');
			write_raw(b, "order_item_id", id);
			write_text(b, "name", s->lines[i].title);
			write_text(b, "sku", s->lines[i].sku);
			write_decimal(b, "item_price", s->lines[i].price);
			write_decimal(b, "paid_price", s->lines[i].price);
			write_text(b, "currency", s->currency);
			write_text(b, "status", daraz_status(s, m));
			write_close(b, '}');
		}
	write_close(b, ']');
	write_close(b, '}');
}

/* ---- all ---- */

void body_of_order(const struct sale *s, const struct message *m, struct kw_buf *b)
{
	switch (s->channel) {
	case SHOPIFY:
		shopify_order(b, s, m);
		break;
	case WOO:
		woo_order(b, s, m);
		break;
	case DARAZ:
		daraz_push(b, s, m);
		break;
	default:
		karwan_order(b, s, m);
		break;
	}
}

const char *headers_of_order(const struct sale *s, const struct message *m, struct kw_arena *a)
{
	static const char *const shopify[WORDS] = { "orders/create", "orders/updated",
		"orders/paid", "orders/cancelled", "orders/cancelled" };
	static const char *const woo[WORDS] = { "order.created", "order.updated", "order.updated",
		"order.updated", "order.deleted" };

	switch (s->channel) {
	case SHOPIFY:
		return kw_arena_printf(a,
			"X-Shopify-Topic: %s\r\n"
			"X-Shopify-Shop-Domain: karwan-demo.myshopify.example\r\n",
			shopify[m->word]);
	case WOO:
		return kw_arena_printf(a,
			"X-WC-Webhook-Topic: %s\r\nX-WC-Webhook-Source: https://woo-demo.example/\r\n",
			woo[m->word]);
	default:
		return "";
	}
}
