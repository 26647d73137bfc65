/* The partners file: field tables, the checks that a table cannot say, secrets. */
#include "svc/partners.h"

#include <stdio.h>
#include <string.h>

#include "core/file.h"
#include "json/json.h"

#define FILE_MAX (1024 * 1024)
#define PARTNERS_MAX 500        /* of a kind */
#define ADAPTER_KARWAN "karwan" /* Standard Webhooks: the key is base64 */

static const struct kw_field rate_fields[] = {
	KW_STR(struct kw_rate, zone, KW_REQUIRED, 1, 2),
	KW_I64(struct kw_rate, max_weight_g, KW_REQUIRED, 1, 10000000),
	KW_MONEY(struct kw_rate, price, KW_REQUIRED),
	KW_BOOL(struct kw_rate, cod, KW_OPTIONAL),
	KW_END,
};

#define COMMON                                               \
	KW_STR(struct kw_partner, name, KW_REQUIRED, 1, 32), \
		KW_STRS(struct kw_partner, secret_files, KW_REQUIRED, 1, KW_SECRETS_MAX)
#define ADAPTER KW_STR(struct kw_partner, adapter, KW_REQUIRED, 1, 32)

static const struct kw_field channel_fields[] = {
	COMMON,
	ADAPTER,
	KW_STR(struct kw_partner, shop_domain, KW_OPTIONAL, 1, 200),
	KW_STR(struct kw_partner, app_key, KW_OPTIONAL, 1, 64),
	KW_STR(struct kw_partner, seller_id, KW_OPTIONAL, 1, 64),
	KW_STR(struct kw_partner, currency, KW_OPTIONAL, 3, 3),
	KW_STR(struct kw_partner, url, KW_OPTIONAL, 1, 500),
	KW_STRS(struct kw_partner, api_secret_files, KW_OPTIONAL, 1, KW_SECRETS_MAX),
	KW_I64(struct kw_partner, poll_s, KW_OPTIONAL, 1, 86400),
	KW_I64(struct kw_partner, fee_bps, KW_REQUIRED, 0, 10000),
	KW_I64(struct kw_partner, park_days, KW_REQUIRED, 1, 365),
	KW_END,
};

static const struct kw_field provider_fields[] = { COMMON, ADAPTER, KW_END };

static const struct kw_field courier_fields[] = {
	COMMON,
	ADAPTER,
	KW_STR(struct kw_partner, url, KW_OPTIONAL, 1, 500),
	KW_I64(struct kw_partner, batch_max, KW_OPTIONAL, 1, 100),
	KW_ARRAY(struct kw_partner, rates, KW_OPTIONAL, struct kw_rate, rate_fields, 1, 500),
	KW_STRS(struct kw_partner, known_as, KW_OPTIONAL, 1, 20),
	KW_END,
};

static const struct kw_field operator_fields[] = { COMMON, KW_END };

#define KIND(member, fields)                                                            \
	KW_ARRAY(struct kw_partners, member, KW_OPTIONAL, struct kw_partner, fields, 0, \
		PARTNERS_MAX)
static const struct kw_field partners_fields[] = {
	KIND(channels, channel_fields),
	KIND(providers, provider_fields),
	KIND(couriers, courier_fields),
	KIND(operators, operator_fields),
	KW_BOOL(struct kw_partners, allow_private_urls, KW_OPTIONAL),
	KW_END,
};

struct kind {
	const char *member;
	const struct kw_partner *partners;
	size_t n;
};

/* What is wrong, all of it that the error has room for. */
struct check {
	const char *folder;
	struct kw_arena *arena;
	struct kw_err *err;
	enum kw_rc rc;
	bool allow_private_urls;
};

static struct kind kind_of(const struct kw_partners *p, enum kw_partner_kind kind);
static void check_partner(struct check *c, const struct kind *kind, size_t i);
static void check_channel(struct check *c, const char *at, const struct kw_partner *partner);
static void check_secrets(struct check *c, const char *at, struct kw_partner *partner);
static void complain(struct check *c, const char *pointer, const char *reason);

enum kw_rc kw_partners_load(
	const char *file, struct kw_arena *a, struct kw_partners *ret, struct kw_err *err)
{
	const char *slash = strrchr(file, '/');
	struct check c = {
		.folder = slash ? kw_arena_strn(a, file, (size_t)(slash - file)) : ".",
		.arena = a,
		.err = err,
	};
	struct kw_partners p = { 0 };
	struct kw_bytes text;

	KW_TRY(kw_file_read(file, FILE_MAX, a, &text, err));
	KW_TRY(kw_json_decode(partners_fields, text.p, text.n, a, &p, err));
	c.allow_private_urls = p.allow_private_urls;
	for (int k = KW_CHANNEL; k <= KW_OPERATOR; k++) {
		struct kind kind = kind_of(&p, (enum kw_partner_kind)k);
		for (size_t i = 0; i < kind.n; i++) {
			/* ours: decoded just now, handed out as const later */
			((struct kw_partner *)(uintptr_t)&kind.partners[i])->kind =
				(enum kw_partner_kind)k;
			check_partner(&c, &kind, i);
		}
	}
	if (c.rc == KW_OK)
		*ret = p;
	return c.rc;
}

const struct kw_partner *kw_partners_find(
	const struct kw_partners *p, enum kw_partner_kind kind, const char *name)
{
	struct kind of = kind_of(p, kind);

	for (size_t i = 0; i < of.n; i++)
		if (strcmp(of.partners[i].name, name) == 0)
			return &of.partners[i];
	return NULL;
}

static struct kind kind_of(const struct kw_partners *p, enum kw_partner_kind kind)
{
	switch (kind) {
	case KW_CHANNEL:
		return (struct kind) { "channels", p->channels, p->n_channels };
	case KW_PROVIDER:
		return (struct kind) { "providers", p->providers, p->n_providers };
	case KW_COURIER:
		return (struct kind) { "couriers", p->couriers, p->n_couriers };
	default:
		return (struct kind) { "operators", p->operators, p->n_operators };
	}
}

static void check_partner(struct check *c, const struct kind *kind, size_t i)
{
	const struct kw_partner *partner = &kind->partners[i];
	char at[64], pointer[120];

	snprintf(at, sizeof(at), "/%s/%zu", kind->member, i);
	snprintf(pointer, sizeof(pointer), "%s/name", at);
	if (strspn(partner->name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(partner->name))
		complain(c, pointer, "only a-z, 0-9 and - are allowed");
	for (size_t k = 0; k < i; k++)
		if (strcmp(kind->partners[k].name, partner->name) == 0)
			complain(c, pointer, "the name is taken");
	snprintf(pointer, sizeof(pointer), "%s/url", at);
	if (partner->url && strncmp(partner->url, "http://", 7) != 0 &&
		strncmp(partner->url, "https://", 8) != 0)
		complain(c, pointer, "neither http:// nor https://");
	if (!partner->url != (partner->n_rates == 0) && partner->kind == KW_COURIER)
		complain(c, pointer,
			"a courier that books has url and rates, one that only reports neither");
	for (size_t k = 0; k < partner->n_rates; k++) {
		const char *zone = partner->rates[k].zone;
		snprintf(pointer, sizeof(pointer), "%s/rates/%zu/zone", at, k);
		if (strcmp(zone, "*") != 0 &&
			(strlen(zone) != 2 || strspn(zone, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 2))
			complain(c, pointer, "neither * nor two capital letters");
		snprintf(pointer, sizeof(pointer), "%s/rates/%zu/price", at, k);
		if (partner->rates[k].price.minor < 0)
			complain(c, pointer, "below zero");
	}
	if (partner->kind == KW_CHANNEL)
		check_channel(c, at, partner);
	check_secrets(c, at, (struct kw_partner *)(uintptr_t)partner);
}

static void check_channel(struct check *c, const char *at, const struct kw_partner *partner)
{
	char pointer[120];

	snprintf(pointer, sizeof(pointer), "%s/currency", at);
	if (partner->currency && kw_currency_digits(partner->currency) < 0)
		complain(c, pointer, "no currency of ISO 4217");
	snprintf(pointer, sizeof(pointer), "%s/url", at);
	if (!partner->url != (partner->n_api_secret_files == 0))
		complain(c, pointer, "an API that is asked has url and api_secret_files");
	if (!partner->url && partner->poll_s > 0)
		complain(c, pointer, "poll_s is of an API that is asked");
	if (!partner->url)
		return;
	/* its secrets travel with each call */
	bool tls = strncmp(partner->url, "https://", 8) == 0;
	bool plain = strncmp(partner->url, "http://", 7) == 0;
	if (!tls && !(plain && c->allow_private_urls))
		complain(c, pointer, "not https://");
	if (partner->url[strlen(partner->url) - 1] == '/')
		complain(c, pointer, "ends with /");
}

static void read_secrets(struct check *c, const char *at, const char *const *files, size_t n,
	bool webhook, struct kw_secrets *ret)
{
	char pointer[120];

	for (size_t i = 0; i < n; i++) {
		const char *name = files[i];
		struct kw_err err;

		snprintf(pointer, sizeof(pointer), "%s/%zu", at, i);
		if (name[0] != '/')
			name = kw_arena_printf(c->arena, "%s/%s", c->folder, name);
		enum kw_rc rc = kw_secret_read(name, c->arena, &ret->keys[i], &err);
		if (rc != KW_OK)
			complain(c, pointer, err.reason);
		else if (webhook && !kw_standard_webhook_secret_ok(ret->keys[i]))
			complain(c, pointer, "not a Standard Webhooks secret (base64)");
		if (rc == KW_RETRY)
			c->rc = rc;
	}
	ret->n = n;
}

static void check_secrets(struct check *c, const char *at, struct kw_partner *partner)
{
	bool webhook = partner->adapter && strcmp(partner->adapter, ADAPTER_KARWAN) == 0;
	char pointer[96];

	snprintf(pointer, sizeof(pointer), "%s/secret_files", at);
	read_secrets(c, pointer, partner->secret_files, partner->n_secret_files, webhook,
		&partner->secrets);
	snprintf(pointer, sizeof(pointer), "%s/api_secret_files", at);
	read_secrets(c, pointer, partner->api_secret_files, partner->n_api_secret_files, false,
		&partner->api_secrets);
}

static void complain(struct check *c, const char *pointer, const char *reason)
{
	if (c->rc == KW_OK) {
		c->rc = kw_fail_at(c->err, KW_INVALID, pointer, "%s", reason);
		return;
	}
	if (!c->err)
		return;
	size_t n = strlen(c->err->reason);
	snprintf(c->err->reason + n, sizeof(c->err->reason) - n, "; %s: %s", pointer, reason);
}
