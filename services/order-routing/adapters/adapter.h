/* A marketplace is one folder and one line below: how its webhooks are verified, and how a
 * body becomes the canonical order. A parser is a pure function of topic and bytes, run over the
 * fixtures beside it by one test. Const descriptors; any thread. */
#ifndef ROUTING_ADAPTERS_ADAPTER_H
#define ROUTING_ADAPTERS_ADAPTER_H

#include "core/arena.h"
#include "core/buf.h"
#include "model.h"
#include "svc/svc.h"

struct order_input {
	const char *topic; /* value of the header that names the kind of message, or NULL */
	struct kw_bytes body;
};

struct order_adapter {
	const char *topic_header; /* NULL: the body says it */
	/* What order_canonical does not find in order is told by the pointer of their body. */
	const char *root, *lines;
	/* Fills all that the body says: external_id, kind, times, money, lines … in the arena.
	 * NOTHING: understood and not processed (another topic, a test notification). INVALID with
	 * a pointer into their body. */
	enum kw_rc (*parse)(const struct order_input *in, struct kw_arena *a, struct submitted *ret,
		struct kw_err *err);
};

/* One line per marketplace: its folder's name. */
#define MARKETPLACES(X) \
	X(shopify)      \
	X(karwan)

/* What the folder defines. */
#define MARKETPLACE_DECLARED(name)                                                              \
	extern const struct order_adapter name##_orders;                                        \
	enum kw_rc name##_verify(const struct kw_partner *partner, const struct kw_request *rq, \
		struct kw_err *err);
MARKETPLACES(MARKETPLACE_DECLARED)
#undef MARKETPLACE_DECLARED

/* The same for the service's descriptor; { 0 }-terminated. */
extern const struct kw_adapter routing_adapters[];

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

/* Ids, contract and content hash; national ids that somebody wrote into a text are removed; what
 * cannot be true is INVALID. */
enum kw_rc order_canonical(const struct kw_partner *partner, const struct order_adapter *adapter,
	struct kw_arena *a, struct submitted *s, struct kw_err *err);

#endif
