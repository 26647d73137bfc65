/* Stripe's events. Amounts count minor units and currencies are in lower case; metadata.channel and
 * metadata.order_id say which order is meant. A refund's event tells the charge, whose
 * amount_refunded is the sum of all its refunds so far. Neither order nor uniqueness is promised.
 */
#include "adapters/stripe/stripe.h"

#include <string.h>

#include "json/json.h"

struct metadata {
	const char *channel, *order_id;
};

/* A payment intent, or a charge of one. */
struct object {
	const char *id, *payment_intent, *currency;
	int64_t amount, amount_received, amount_refunded;
	struct metadata *metadata;
};

struct data {
	struct object *object;
};

struct event {
	const char *id, *type;
	int64_t created;
	struct data *data;
};

#define AMOUNT_MAX 99999999999LL /* Stripe: eleven digits at most */
#define ID_MAX 200

static const struct kw_field metadata_fields[] = {
	KW_STR(struct metadata, channel, KW_OPTIONAL, 1, ID_MAX),
	KW_ID(struct metadata, order_id, KW_OPTIONAL, 1, ID_MAX),
	KW_END,
};

static const struct kw_field object_fields[] = {
	KW_STR(struct object, id, KW_REQUIRED, 1, ID_MAX),
	KW_STR(struct object, payment_intent, KW_OPTIONAL, 1, ID_MAX),
	KW_STR(struct object, currency, KW_REQUIRED, 3, 3),
	KW_I64(struct object, amount, KW_REQUIRED, 0, AMOUNT_MAX),
	KW_I64(struct object, amount_received, KW_OPTIONAL, 0, AMOUNT_MAX),
	KW_I64(struct object, amount_refunded, KW_OPTIONAL, 0, AMOUNT_MAX),
	KW_OBJECT(struct object, metadata, KW_OPTIONAL, struct metadata, metadata_fields),
	KW_END,
};

static const struct kw_field data_fields[] = {
	KW_OBJECT(struct data, object, KW_REQUIRED, struct object, object_fields),
	KW_END,
};

static const struct kw_field event_fields[] = {
	KW_STR(struct event, id, KW_REQUIRED, 1, ID_MAX),
	KW_STR(struct event, type, KW_REQUIRED, 1, ID_MAX),
	KW_I64(struct event, created, KW_REQUIRED, 1, 253402300799),
	KW_OBJECT(struct event, data, KW_REQUIRED, struct data, data_fields),
	KW_END,
};

/* Of an event whose object we do not know. */
static const struct kw_field type_fields[] = {
	KW_STR(struct event, type, KW_REQUIRED, 1, ID_MAX),
	KW_END,
};

static const struct kind {
	const char *type;
	int kind;
	size_t amount;
	const char *pointer;
} kinds[] = {
	{ "payment_intent.succeeded", KIND_SUCCEEDED, offsetof(struct object, amount_received),
		"/data/object/amount_received" },
	{ "payment_intent.payment_failed", KIND_FAILED, offsetof(struct object, amount),
		"/data/object/amount" },
	{ "charge.refunded", KIND_REFUNDED, offsetof(struct object, amount_refunded),
		"/data/object/amount_refunded" },
};

static const struct kind *kind_of(const char *type)
{
	for (size_t i = 0; i < KW_LEN(kinds); i++)
		if (strcmp(kinds[i].type, type) == 0)
			return &kinds[i];
	return NULL;
}

/* Where Stripe's minor unit is not ISO 4217's (https://docs.stripe.com/currencies, "special cases"
 * and "zero-decimal"). */
static const struct {
	const char *currency;
	int digits;
} special[] = {
	{ "ISK", 2 },
	{ "UGX", 2 },
	{ "MGA", 0 },
};

static enum kw_rc read_amount(const struct object *object, const struct kind *kind,
	struct kw_money *ret, struct kw_err *err)
{
	int64_t minor = *(const int64_t *)(const void *)((const char *)object + kind->amount);
	char currency[4] = "";

	for (int i = 0; i < 3; i++) {
		char c = object->currency[i];
		currency[i] = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
	}
	if (minor == 0)
		return kw_fail_at(err, KW_INVALID, kind->pointer, "is required and above 0");
	if (kw_currency_digits(currency) < 0)
		return kw_fail_at(err, KW_INVALID, "/data/object/currency", "is not a currency");
	for (size_t i = 0; i < KW_LEN(special); i++) {
		if (strcmp(special[i].currency, currency) != 0)
			continue;
		for (int d = special[i].digits; d < kw_currency_digits(currency); d++)
			minor *= 10;
		for (int d = kw_currency_digits(currency); d < special[i].digits; d++) {
			if (minor % 10 != 0)
				return kw_fail_at(err, KW_INVALID, kind->pointer,
					"is a fraction of %s", currency);
			minor /= 10;
		}
	}
	return kw_money_from_minor(minor, currency, ret, err);
}

static enum kw_rc map(struct kw_bytes body, struct kw_arena *a, struct payment_reported *ret,
	const char **ret_type, struct kw_err *err)
{
	struct event event = { 0 }, other = { 0 };

	/* One parse for what we use; anything else needs no more than a type. */
	enum kw_rc rc = kw_json_decode(event_fields, body.p, body.n, a, &event, err);
	if (rc != KW_OK) {
		if (kw_json_decode(type_fields, body.p, body.n, a, &other, NULL) != KW_OK ||
			kind_of(other.type))
			return rc;
		*ret_type = other.type;
		return KW_NOTHING;
	}
	const struct kind *kind = kind_of(event.type);
	*ret_type = event.type;
	if (!kind)
		return KW_NOTHING;
	const struct object *object = event.data->object;
	KW_TRY(read_amount(object, kind, &ret->amount, err));
	ret->provider_event_id = event.id;
	ret->kind = kind->kind;
	ret->provider_payment_id = object->payment_intent ? object->payment_intent : object->id;
	if (object->metadata && object->metadata->channel && object->metadata->order_id) {
		ret->channel = object->metadata->channel;
		ret->external_id = object->metadata->order_id;
	}
	ret->occurred_at = event.created * KW_US_PER_S;
	return KW_OK;
}

const struct provider_adapter stripe_adapter = {
	.name = "stripe",
	.signature_header = "Stripe-Signature",
	.verify = kw_verify_stripe,
	.map = map,
};
