#include "orders.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/crypto.h"

/* Places that every order fills in; each is as long as what goes there. */
#define TAG_AT "TTTTTTTT"
#define NUMBER_AT "NNNNNNNNN"
#define SKU_A_AT "BEN-AAAA"
#define SKU_B_AT "BEN-BBBB"
#define SIGNATURE_AT "SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS"
#define HEX_AT SIGNATURE_AT "SSSSSSSSSSSSSSSSSSSS"
#define TIME_AT "0123456789"

#define ID TAG_AT "-" NUMBER_AT
#define MONEY(amount) "{\"amount\":\"" amount "\",\"currency\":\"PKR\"}"

static const char order_body[] =
	"{\"type\":\"order.created\",\"timestamp\":\"2026-03-02T09:20:00Z\",\"data\":{"
	"\"order_id\":\"" ID "\",\"number\":\"#" NUMBER_AT
	"\",\"placed_at\":\"2026-03-02T14:14:58+05:00\",\"currency\":\"PKR\","
	"\"email\":\"ayesha." NUMBER_AT "@buyers.example\",\"financial_status\":\"pending\","
	"\"total\":" MONEY("3850.00") ",\"shipping\":" MONEY(
		"250.00") ","
			  "\"ship_to\":{\"name\":\"Ayesha Khan\",\"line1\":\"House 14, Street 3, Model Town\","
			  "\"city\":\"Lahore\",\"postcode\":\"54000\",\"region\":\"Punjab\",\"country\":\"PK\","
			  "\"phone\":\"+923005552001\"},\"lines\":["
			  "{\"line_id\":\"1\",\"sku\":\"" SKU_A_AT
			  "\",\"title\":\"Multani khes, double weave\","
			  "\"quantity\":1,\"price\":" MONEY(
				  "1200.00") "},"
					     "{\"line_id\":\"2\",\"sku\":\"" SKU_B_AT
					     "\",\"title\":\"Chunri dupatta, indigo dots\","
					     "\"quantity\":2,\"price\":" MONEY("1200.00") "}]}}";

static const char order_head[] = "POST /v1/channels/pavilion/orders HTTP/1.1\r\nHost: karwan\r\n"
				 "Content-Type: application/json\r\nwebhook-id: msg_" ID "\r\n"
				 "webhook-timestamp: " TIME_AT "\r\n"
				 "webhook-signature: v1," SIGNATURE_AT "\r\n"
				 "Content-Length: ";

static const char event_body[] =
	"{\"id\":\"evt_" ID "\",\"object\":\"event\",\"api_version\":\"2025-06-30.basil\","
	"\"created\":1772445601,\"livemode\":false,\"pending_webhooks\":1,"
	"\"type\":\"payment_intent.succeeded\",\"data\":{\"object\":{\"id\":\"pi_" ID "\","
	"\"object\":\"payment_intent\",\"amount\":385000,\"amount_received\":385000,"
	"\"status\":\"succeeded\",\"created\":1772445600,\"currency\":\"pkr\",\"livemode\":false,"
	"\"metadata\":{\"channel\":\"pavilion\",\"order_id\":\"" ID "\"}}}}";

static const char event_head[] =
	"POST /v1/providers/stripe-demo/events HTTP/1.1\r\nHost: karwan\r\n"
	"Content-Type: application/json\r\n"
	"Stripe-Signature: t=" TIME_AT ",v1=" HEX_AT "\r\n"
	"Content-Length: ";

#define HOLES_MAX 6

struct template
{
	char text[REQUEST_MAX];
	size_t n, body, time, signature, signature_n;
	size_t numbers[HOLES_MAX], n_numbers, id; /* id: of the message, in the head */
	size_t sku_a, sku_b;
};

struct orders {
	struct template order, event;
	char order_key[256];
	size_t n_order_key;
	struct kw_bytes stripe_key;
};

static size_t find(const struct template *t, const char *what)
{
	const char *at = strstr(t->text, what);

	return at ? (size_t)(at - t->text) : 0;
}

static void prepare(struct template *t, const char *head, const char *body, const char *tag)
{
	*t = (struct template) { 0 };
	int n = snprintf(t->text, sizeof(t->text), "%s%zu\r\n\r\n%s", head, strlen(body), body);
	kw_assert(n > 0 && n < REQUEST_MAX);
	t->n = (size_t)n;
	t->body = t->n - strlen(body);
	for (char *at = t->text; (at = strstr(at, TAG_AT)) != NULL; at += TAG_LENGTH)
		memcpy(at, tag, TAG_LENGTH);
	for (char *at = t->text; (at = strstr(at, NUMBER_AT)) != NULL; at += NUMBER_LENGTH) {
		kw_assert(t->n_numbers < HOLES_MAX);
		t->numbers[t->n_numbers++] = (size_t)(at - t->text);
	}
	t->time = find(t, TIME_AT);
	t->signature = find(t, HEX_AT);
	t->signature_n = t->signature ? sizeof(HEX_AT) - 1 : sizeof(SIGNATURE_AT) - 1;
	if (!t->signature)
		t->signature = find(t, SIGNATURE_AT);
	t->id = find(t, "msg_");
	t->sku_a = find(t, SKU_A_AT);
	t->sku_b = find(t, SKU_B_AT);
	kw_assert(t->time && t->signature);
}

struct orders *orders_new(const struct place *p, const char tag[TAG_LENGTH + 1])
{
	static const char prefix[] = "whsec_";
	struct orders *o = calloc(1, sizeof(*o));
	const char *key = p->order_key.p;
	size_t n = p->order_key.n;

	kw_assert(o != NULL);
	if (n > sizeof(prefix) && strncmp(key, prefix, sizeof(prefix) - 1) == 0) {
		key += sizeof(prefix) - 1;
		n -= sizeof(prefix) - 1;
	}
	if (n > sizeof(o->order_key) ||
		!kw_base64_read(key, n, (uint8_t *)o->order_key, &o->n_order_key))
		die("the channel's secret is not one of Standard Webhooks");
	o->stripe_key = p->stripe_key;
	prepare(&o->order, order_head, order_body, tag);
	prepare(&o->event, event_head, event_body, tag);
	return o;
}

void orders_free(struct orders *o)
{
	free(o);
}

static void put_number(char *to, size_t digits, int64_t value)
{
	for (size_t i = digits; i > 0; i--, value /= 10)
		to[i - 1] = (char)('0' + value % 10);
}

static size_t fill(const struct template *t, int64_t i, int64_t now_s, char *out)
{
	memcpy(out, t->text, t->n);
	for (size_t k = 0; k < t->n_numbers; k++)
		put_number(out + t->numbers[k], NUMBER_LENGTH, i);
	put_number(out + t->time, sizeof(TIME_AT) - 1, now_s);
	return t->n;
}

/* splitmix64: which pieces an order is of is a function of its number. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

size_t orders_order(struct orders *o, int64_t i, int64_t now_s, char out[REQUEST_MAX])
{
	const struct template *t = &o->order;
	size_t n = fill(t, i, now_s, out);
	uint64_t random = mix((uint64_t)i);
	/* two pieces of one maker: one fulfilment, one parcel */
	uint64_t maker = random % MAKERS, a = (random >> 32) % SKUS_A_MAKER,
		 b = (a + 1 + (random >> 48) % (SKUS_A_MAKER - 1)) % SKUS_A_MAKER;
	uint8_t mac[KW_SHA256_SIZE];
	char text[KW_SHA256_SIZE * 2];

	put_number(out + t->sku_a + 4, 4, (int64_t)(maker * SKUS_A_MAKER + a));
	put_number(out + t->sku_b + 4, 4, (int64_t)(maker * SKUS_A_MAKER + b));
	const struct kw_bytes parts[] = {
		{ out + t->id, 4 + EXTERNAL_ID_LENGTH },
		{ ".", 1 },
		{ out + t->time, sizeof(TIME_AT) - 1 },
		{ ".", 1 },
		{ out + t->body, n - t->body },
	};
	kw_hmac_sha256(
		(struct kw_bytes) { o->order_key, o->n_order_key }, parts, KW_LEN(parts), mac);
	kw_assert(kw_base64_write((struct kw_bytes) { mac, sizeof(mac) }, text) == t->signature_n);
	memcpy(out + t->signature, text, t->signature_n);
	return n;
}

size_t orders_event(struct orders *o, int64_t i, int64_t now_s, char out[REQUEST_MAX])
{
	static const char digits[] = "0123456789abcdef";
	const struct template *t = &o->event;
	size_t n = fill(t, i, now_s, out);
	uint8_t mac[KW_SHA256_SIZE];
	const struct kw_bytes parts[] = {
		{ out + t->time, sizeof(TIME_AT) - 1 },
		{ ".", 1 },
		{ out + t->body, n - t->body },
	};

	kw_hmac_sha256(o->stripe_key, parts, KW_LEN(parts), mac);
	for (size_t k = 0; k < sizeof(mac); k++) {
		out[t->signature + 2 * k] = digits[mac[k] >> 4];
		out[t->signature + 2 * k + 1] = digits[mac[k] & 15];
	}
	return n;
}

int64_t orders_number(const char *tag, const char *external_id)
{
	if (memcmp(external_id, tag, TAG_LENGTH) != 0 || external_id[TAG_LENGTH] != '-')
		return -1;
	int64_t number = 0;
	for (size_t i = 0; i < NUMBER_LENGTH; i++)
		number = number * 10 + (external_id[TAG_LENGTH + 1 + i] - '0');
	return number;
}
