/* The table of marketplaces, and what their parsers share. */
#include "adapter.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/cnic.h"
#include "core/err.h"
#include "fields.h"
#include "rules.h"
#include "json/json.h"

#define ROW(name) { #name, KW_CHANNEL, name##_verify, &name##_orders },
const struct kw_adapter routing_adapters[] = { MARKETPLACES(ROW) { 0 } };
#undef ROW

const struct order_adapter *order_adapter_find(const char *name)
{
	for (const struct kw_adapter *row = routing_adapters; row->name; row++)
		if (strcmp(row->name, name) == 0)
			return row->more;
	return NULL;
}

enum kw_rc order_partner_check(const struct kw_partner *partner, struct kw_err *err)
{
	const struct order_adapter *adapter = order_adapter_find(partner->adapter);

	if (partner->url && !adapter->api)
		return kw_fail_at(err, KW_INVALID, "/url", "this adapter asks no API");
	if (partner->url && partner->api_secrets.n != adapter->api->n_secrets)
		return kw_fail_at(err, KW_INVALID, "/api_secret_files", "must be %zu",
			adapter->api->n_secrets);
	return adapter->check ? adapter->check(partner, err) : KW_OK;
}

enum kw_rc money_at(const char *text, const char *currency, const char *pointer,
	struct kw_money *ret, struct kw_err *err)
{
	struct kw_err why;

	if (kw_money_parse(text, currency, ret, &why) != KW_OK)
		return kw_fail_at(err, KW_INVALID, pointer, "%s", why.reason);
	return ret->minor < 0 ? kw_fail_at(err, KW_INVALID, pointer, "below zero") : KW_OK;
}

enum kw_rc currency_at(const char *currency, const char *pointer, struct kw_err *err)
{
	if (kw_currency_digits(currency) >= 0)
		return KW_OK;
	return kw_fail_at(err, KW_INVALID, pointer, "no currency that we know");
}

static const char *sha256_hex(struct kw_arena *a, const void *p, size_t n)
{
	uint8_t hash[KW_SHA256_SIZE];

	kw_sha256((struct kw_bytes) { p, n }, hash);
	return kw_hex(a, (struct kw_bytes) { hash, sizeof(hash) });
}

const char *email_hash(struct kw_arena *a, const char *email)
{
	char *lower = kw_arena_str(a, email);

	if (!email)
		return NULL;
	for (char *c = lower; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return sha256_hex(a, lower, strlen(lower));
}

const char *text_cut(struct kw_arena *a, const char *text, size_t max)
{
	if (!text || strlen(text) <= max)
		return text;
	while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
		max--;
	return kw_arena_strn(a, text, max);
}

const char *sku_or(struct kw_arena *a, const char *sku, const char *variant_id, const char *line_id)
{
	if (sku && strlen(sku) <= 100)
		return sku;
	if (sku)
		return kw_arena_printf(a, "long:%016" PRIx64, kw_hash64(sku, strlen(sku), 0));
	if (variant_id)
		return kw_arena_printf(a, "variant:%.64s", variant_id);
	return kw_arena_printf(a, "line:%.64s", line_id);
}

/* ---- national ids ---- */

/* Buyers and shops write them into address lines and notes; they never go further than this edge.
 */
static void remove_national_ids(struct kw_arena *a, struct submitted *s)
{
	struct address *to = s->ship_to;

	s->cancel_reason = kw_cnic_drop(a, s->cancel_reason, true);
	s->number = kw_cnic_drop(a, s->number, false);
	for (size_t i = 0; i < s->n_lines; i++)
		s->lines[i].title = kw_cnic_drop(a, s->lines[i].title, true);
	if (!to)
		return;
	to->name = kw_cnic_drop(a, to->name, true);
	to->line1 = kw_cnic_drop(a, to->line1, true);
	to->line2 = kw_cnic_drop(a, to->line2, true);
	to->line3 = kw_cnic_drop(a, to->line3, true);
	to->city = kw_cnic_drop(a, to->city, true);
	to->postcode = kw_cnic_drop(a, to->postcode, true);
	to->region = kw_cnic_drop(a, to->region, true);
	to->phone = kw_cnic_drop(a, to->phone, false); /* some numbers have 13 digits */
}

/* ---- canonical ---- */

/* An address that no courier could use is none: the order parks with NO_ADDRESS and stays readable.
 */
static bool usable(const struct address *to)
{
	return to && to->name && to->line1 && to->city && to->country && strlen(to->country) == 2;
}

static void set_hash(struct kw_arena *a, struct submitted *s)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf text;

	kw_buf_init(&text, 1024 * 1024);
	kw_json_encode(submitted_content_fields, s, &text);
	kw_assert(!text.full);
	s->content_hash = sha256_hex(a, text.p, text.n);
}

/* The check speaks of canonical members; the sender knows his own. */
static enum kw_rc translate(const struct order_adapter *adapter, struct kw_err *err)
{
	char pointer[sizeof(err->pointer)], reason[sizeof(err->reason)];
	static const char lines[] = "/lines";
	bool of_lines = strncmp(err->pointer, lines, sizeof(lines) - 1) == 0;

	snprintf(reason, sizeof(reason), "%s", err->reason);
	snprintf(pointer, sizeof(pointer), "%s%.100s", of_lines ? adapter->lines : adapter->root,
		of_lines ? err->pointer + sizeof(lines) - 1 : err->pointer);
	return kw_fail_at(err, KW_INVALID, pointer, "%s", reason);
}

enum kw_rc order_canonical(const struct kw_partner *partner, const struct order_adapter *adapter,
	struct kw_arena *a, struct submitted *s, struct kw_err *err)
{
	s->channel = partner->name;
	s->order_id = kw_uuid_of("order", s->channel, s->external_id);
	s->fee_bps = partner->fee_bps;
	s->park_days = partner->park_days;
	if (!usable(s->ship_to))
		s->ship_to = NULL;
	remove_national_ids(a, s);
	if (submitted_check(s, err) != KW_OK)
		return translate(adapter, err);
	set_hash(a, s);
	return KW_OK;
}
