/* Partners are declared, not coded: channels, payment providers, couriers, operators, in one file,
 * with secrets by file. Checked by a field table, re-read on SIGHUP (a bad file keeps the old one).
 * A snapshot is immutable; kw_svc_partners (svc/svc.h) hands out the current one, and it stays
 * valid until the process ends (reloads are rare; at most KW_PARTNERS_RELOADS). Any thread. */
#ifndef KW_SVC_PARTNERS_H
#define KW_SVC_PARTNERS_H

#include "core/money.h"
#include "http/signature.h"
#include "json/field.h"

#define KW_PARTNERS_RELOADS 64

enum kw_partner_kind { KW_CHANNEL, KW_PROVIDER, KW_COURIER, KW_OPERATOR };

struct kw_rate {
	const char *zone; /* ISO 3166 country, or "*" */
	int64_t max_weight_g;
	struct kw_money price;
	bool cod;
};

struct kw_partner {
	const char *name;        /* never changes; 1 to 32 of a-z 0-9 - */
	const char *adapter;     /* "shopify", "karwan", "stripe"; operators have none */
	const char *url;         /* couriers: base URL; NULL: it only reports (an aggregator);
				    channels: of their API, NULL: it is never asked */
	const char *shop_domain; /* shopify: NULL accepts any */
	const char *app_key;     /* channels whose signatures hold one */
	const char *seller_id;   /* lazada: NULL accepts any */
	const char *currency;    /* channels whose orders do not tell it */
	int64_t poll_s;          /* channels: how often the API is asked for changes; 0: never */
	int64_t fee_bps;         /* channels: fee contract, frozen at the sale */
	int64_t park_days;       /* channels: after which a parked order cancels itself */
	const struct kw_rate *rates; /* couriers */
	size_t n_rates;
	int64_t batch_max;     /* couriers: parcels a call, 0: 1 */
	const char **known_as; /* couriers: how aggregators name it, in any case */
	size_t n_known_as;
	const char **secret_files;
	size_t n_secret_files;
	const char **api_secret_files; /* channels: for their API, in the adapter's order */
	size_t n_api_secret_files;
	enum kw_partner_kind kind;
	struct kw_secrets secrets, api_secrets;
};

struct kw_partners {
	const struct kw_partner *channels, *providers, *couriers, *operators;
	size_t n_channels, n_providers, n_couriers, n_operators;
	bool allow_private_urls;
};

/* Names of secret files are relative to the partners file. INVALID says all that is wrong, with the
 * pointer into the file of the first; RETRY that a file cannot be read now. */
enum kw_rc kw_partners_load(
	const char *file, struct kw_arena *a, struct kw_partners *ret, struct kw_err *err);
const struct kw_partner *kw_partners_find(
	const struct kw_partners *p, enum kw_partner_kind kind, const char *name);

#endif
