/* A marketplace is one folder and one line below: how its webhooks are verified, how a body becomes
 * the canonical order, and how its API is asked, where it has one. All pure functions over bytes,
 * run over the fixtures beside them by two tests. Const descriptors; any thread. */
#ifndef ROUTING_ADAPTERS_ADAPTER_H
#define ROUTING_ADAPTERS_ADAPTER_H

#include "core/arena.h"
#include "core/buf.h"
#include "model.h"
#include "svc/svc.h"

struct order_input {
	const struct kw_partner *partner;
	const char *topic; /* value of the header that names the kind of message, or NULL */
	struct kw_bytes body;
	kw_time now;
};

enum heard_kind {
	HEARD_ORDER,      /* the whole order */
	HEARD_NOTICE,     /* something changed about it: its API says what */
	HEARD_WITHDRAWAL, /* it is gone at the channel */
};

/* What a body says. */
struct heard {
	int kind;
	struct submitted order; /* a NOTICE and a WITHDRAWAL tell external_id alone */
	struct notice notice;
};

/* One page of the orders that changed, oldest change first. */
struct page {
	kw_time since; /* those that changed then are in it */
	int number;    /* 1, 2 … of the same since */
};

struct found {
	const char *external_id;
	kw_time changed_at;
	struct heard heard; /* an order, or a notice where the page does not hold all of it */
};

struct page_read {
	struct found *found;
	size_t n;
	bool full; /* there may be more */
};

#define API_CALLS_MAX 2 /* that one order takes */
#define API_PAGE 100    /* orders */

/* Calls are made by the jobs, with the limits of all outbound calls; what they tell lives in the
 * arena. ask_… set method, url, headers and body. read_… get calls that were answered 200: anything
 * that cannot be what was asked for is INVALID with a reason, RETRY where they say so themselves.
 */
struct order_api {
	size_t n_secrets; /* that it takes, in the order of api_secret_files */
	size_t n_calls;   /* that one order takes, side by side */
	void (*ask_order)(const struct kw_partner *partner, const char *external_id, kw_time now,
		struct kw_arena *a, struct kw_call *calls);
	enum kw_rc (*read_order)(const struct kw_partner *partner, const struct kw_call *calls,
		kw_time now, struct kw_arena *a, struct heard *ret, struct kw_err *err);
	void (*ask_page)(const struct kw_partner *partner, const struct page *page, kw_time now,
		struct kw_arena *a, struct kw_call *call);
	enum kw_rc (*read_page)(const struct kw_partner *partner, const struct kw_call *call,
		kw_time now, struct kw_arena *a, struct page_read *ret, struct kw_err *err);
};

struct order_adapter {
	const char *topic_header; /* NULL: the body says it */
	/* What order_canonical does not find in order is told by the pointer of their body. */
	const char *root, *lines;
	/* Fills all that the body says: external_id, kind, times, money, lines … in the arena.
	 * NOTHING: understood and not processed (another topic, a test notification). INVALID with
	 * a pointer into their body. */
	enum kw_rc (*parse)(const struct order_input *in, struct kw_arena *a, struct heard *ret,
		struct kw_err *err);
	const struct order_api *api; /* NULL: it has none that we ask */
	/* Of a channel that is declared with it, with a pointer to the member. May be NULL. */
	enum kw_rc (*check)(const struct kw_partner *partner, struct kw_err *err);
};

/* One line per marketplace: its folder's name. */
#define MARKETPLACES(X) \
	X(shopify)      \
	X(karwan)       \
	X(woocommerce)  \
	X(lazada)

/* What the folder defines. */
#define MARKETPLACE_DECLARED(name)                                                              \
	extern const struct order_adapter name##_orders;                                        \
	enum kw_rc name##_verify(const struct kw_partner *partner, const struct kw_request *rq, \
		struct kw_err *err);
MARKETPLACES(MARKETPLACE_DECLARED)
#undef MARKETPLACE_DECLARED

/* The same for the service's descriptor; { 0 }-terminated. */
extern const struct kw_adapter routing_adapters[];
/* NULL: there is none of this name. */
const struct order_adapter *order_adapter_find(const char *name);
/* For the service's descriptor: has the channel what its adapter needs? */
enum kw_rc order_partner_check(const struct kw_partner *partner, struct kw_err *err);

/* ---- what parsers share ---- */

/* Amount from characters, not below zero. pointer: of the member, for the error. */
enum kw_rc money_at(const char *text, const char *currency, const char *pointer,
	struct kw_money *ret, struct kw_err *err);
/* INVALID when it is not an ISO 4217 currency. */
enum kw_rc currency_at(const char *currency, const char *pointer, struct kw_err *err);
/* SHA-256 of the lower-cased address, in hex; NULL stays NULL. */
const char *email_hash(struct kw_arena *a, const char *email);
/* At most max bytes, cut between characters. */
const char *text_cut(struct kw_arena *a, const char *text, size_t max);
/* The SKU, or a stand-in that no listing has when there is none or it is longer than ours may be.
 */
const char *sku_or(
	struct kw_arena *a, const char *sku, const char *variant_id, const char *line_id);

/* HTML's entities as the characters that they stand for. */
const char *text_plain(struct kw_arena *a, const char *text);
/* NULL for what some senders write where there is no value: "", "null". */
const char *text_given(const char *text);
/* Percent-encoded, as the value of a query. */
const char *text_in_url(struct kw_arena *a, const char *text);
/* "2026-03-02T10:00:00" or "2026-03-02 10:00:00", with an offset as "Z", "+05:00" or "+0500";
 * without one it is UTC. NULL is no time. INVALID with the pointer. */
enum kw_rc time_at(const char *text, const char *pointer, kw_time *ret, struct kw_err *err);
/* Seconds or milliseconds since 1970, whichever lies within ten years of now. */
enum kw_rc time_of_number(
	int64_t n, const char *pointer, kw_time now, kw_time *ret, struct kw_err *err);

/* Was a call answered 200? INVALID or RETRY with a code and a reason else. */
enum kw_rc api_answered(const struct kw_call *call, struct kw_err *err);

/* Ids, contract and content hash; national ids that somebody wrote into a text are removed; what
 * cannot be true is INVALID. */
enum kw_rc order_canonical(const struct kw_partner *partner, const struct order_adapter *adapter,
	struct kw_arena *a, struct submitted *s, struct kw_err *err);

#endif
