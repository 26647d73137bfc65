/* A letter becomes a request: signed as its sender signs, or forged. */
#include <inttypes.h>
#include <string.h>

#include "http/signature.h"
#include "request.h"

#define CLOSE_EVERY 16 /* senders that keep no connection */
#define EXPIRED_US (3600 * KW_US_PER_S)

struct signing {
	const struct kw_partner *partner;
	struct kw_bytes key, body;
	const char *id; /* of the message */
	kw_time now;
	bool is_unsigned;
	struct kw_arena *a;
	struct kw_buf *out;
};

static struct kw_bytes text_bytes(const char *text)
{
	return (struct kw_bytes) { text, strlen(text) };
}

static void standard_webhook(const struct signing *s)
{
	struct kw_err err = { 0 };
	char *signature;

	if (kw_sign_standard_webhook(s->a, s->key, s->id, s->now, s->body, &signature, &err) !=
		KW_OK)
		die("%s", err.reason);
	kw_buf_printf(s->out, "webhook-id: %s\r\nwebhook-timestamp: %" PRId64 "\r\n", s->id,
		(int64_t)(s->now / KW_US_PER_S));
	if (!s->is_unsigned)
		kw_buf_printf(s->out, "webhook-signature: %s\r\n", signature);
}

static const char *mac_of(const struct signing *s, const struct kw_bytes *parts, size_t n, bool hex)
{
	uint8_t mac[KW_SHA256_SIZE];

	kw_hmac_sha256(s->key, parts, n, mac);
	struct kw_bytes bytes = { mac, sizeof(mac) };
	return hex ? kw_hex(s->a, bytes) : kw_base64(s->a, bytes);
}

static void body_mac(const struct signing *s, const char *header, const char *prefix, bool hex)
{
	if (!s->is_unsigned)
		kw_buf_printf(s->out, "%s: %s%s\r\n", header, prefix, mac_of(s, &s->body, 1, hex));
}

static void aftership(const struct signing *s)
{
	body_mac(s, "aftership-hmac-sha256", "", false);
}

static void easypost(const struct signing *s)
{
	body_mac(s, "X-Hmac-Signature", "hmac-sha256-hex=", true);
}

/* Over the app's key and the body. */
static void lazada(const struct signing *s)
{
	const struct kw_bytes parts[] = { text_bytes(s->partner->app_key), s->body };

	if (!s->is_unsigned)
		kw_buf_printf(
			s->out, "Authorization: %s\r\n", mac_of(s, parts, KW_LEN(parts), true));
}

static void shopify(const struct signing *s)
{
	body_mac(s, "X-Shopify-Hmac-Sha256", "", false);
}

static void woocommerce(const struct signing *s)
{
	body_mac(s, "X-WC-Webhook-Signature", "", false);
}

static void stripe(const struct signing *s)
{
	const char *t = kw_arena_printf(s->a, "%" PRId64, (int64_t)(s->now / KW_US_PER_S));
	const struct kw_bytes parts[] = { text_bytes(t), { ".", 1 }, s->body };

	if (!s->is_unsigned)
		kw_buf_printf(s->out, "Stripe-Signature: t=%s,v1=%s\r\n", t,
			mac_of(s, parts, KW_LEN(parts), true));
}

static void bearer(const struct signing *s)
{
	if (!s->is_unsigned)
		kw_buf_printf(s->out, "Authorization: Bearer %.*s\r\n", (int)s->key.n,
			(const char *)s->key.p);
}

/* By the adapter; an operator has none. */
static const struct scheme {
	const char *adapter;
	void (*sign)(const struct signing *s);
} schemes[] = {
	{ "karwan", standard_webhook },
	{ "shopify", shopify },
	{ "woocommerce", woocommerce },
	{ "lazada", lazada },
	{ "stripe", stripe },
	{ "aftership", aftership },
	{ "easypost", easypost },
	{ NULL, bearer },
};

static void sign(const struct signing *s)
{
	const struct scheme *scheme = schemes;

	while (scheme->adapter &&
		(!s->partner->adapter || strcmp(scheme->adapter, s->partner->adapter) != 0))
		scheme++;
	if (!scheme->adapter && s->partner->adapter)
		die("nobody knows how %s signs", s->partner->adapter);
	scheme->sign(s);
}

/* The last digit is another one. */
static struct kw_bytes tampered(struct kw_bytes body, struct kw_arena *a)
{
	char *text = kw_arena_copy(a, body.p, body.n);
	size_t at = body.n - 1;

	while (at > 0 && (text[at] < '0' || text[at] > '9'))
		at--;
	text[at] = text[at] == '7' ? '8' : '7';
	return (struct kw_bytes) { text, body.n };
}

struct kw_bytes record_request_of(const struct letter *l, struct kw_arena *a)
{
	const char *head = kw_arena_printf(a,
		"PUT %s HTTP/1.1\r\nHost: shops\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n\r\n",
		l->record_path, l->record.n);
	size_t n = strlen(head);
	char *text = kw_arena_alloc(a, n + l->record.n, 1);

	memcpy(text, head, n);
	memcpy(text + n, l->record.p, l->record.n);
	return (struct kw_bytes) { text, n + l->record.n };
}

struct kw_bytes request_of(const struct world *w, const struct message *m, const struct letter *l,
	kw_time now, unsigned lane, struct kw_arena *a)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf b;
	struct signing s = {
		.partner = kw_partners_find(&w->partners, l->signer, l->partner),
		.key = world_key(w, l->signer, l->partner, lane),
		.body = l->body,
		.id = l->id,
		.now = m->forgery == EXPIRED ? now - EXPIRED_US : now,
		.is_unsigned = m->forgery == UNSIGNED,
		.a = a,
		.out = &b,
	};

	if (m->forgery == WRONG_KEY)
		s.key = text_bytes("whsec_d3JvbmcgYnV0IG9mIGEgZ29vZCBsZW5ndGghISE=");
	kw_buf_init(&b, (size_t)4 * 1024 * 1024);
	kw_buf_printf(&b,
		"%s %s HTTP/1.1\r\nHost: karwan\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n%s",
		l->method, l->path, l->body.n, l->headers);
	sign(&s);
	kw_buf_str(&b, lane % CLOSE_EVERY == 0 ? "Connection: close\r\n\r\n" : "\r\n");
	struct kw_bytes body = m->forgery == TAMPERED ? tampered(l->body, a) : l->body;
	kw_buf_add(&b, body.p, body.n);
	kw_assert(!b.full);
	return (struct kw_bytes) { kw_arena_copy(a, b.p, b.n), b.n };
}
