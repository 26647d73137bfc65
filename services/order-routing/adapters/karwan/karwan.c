/* Our own order schema, for marketplaces without one: Standard Webhooks, body {type, timestamp,
 * data}; schemas/events/karwan.order.posted.v1.json.
 * https://github.com/standard-webhooks/standard-webhooks */
#include "adapters/karwan/karwan.h"

#include <string.h>

#include "adapters/adapter.h"
#include "core/err.h"
#include "fields.h"
#include "json/json.h"

static const char *const type_texts[] = { "order.created", "order.updated", "order.cancelled",
	"order.paid" };
static const struct kw_strtab types = KW_STRTAB(type_texts); /* as enum order_kind */

#define L struct posted_line
static const struct kw_field line_fields[] = {
	KW_ID(L, line_id, KW_REQUIRED, 1, 64),
	KW_STR(L, sku, KW_REQUIRED, 1, 100),
	KW_STR(L, title, KW_OPTIONAL, 1, 300),
	KW_I64(L, quantity, KW_REQUIRED, 1, QUANTITY_MAX),
	KW_MONEY(L, price, KW_REQUIRED),
	KW_MONEY(L, discount, KW_OPTIONAL),
	KW_END,
};
#undef L

static const struct kw_field payment_fields[] = {
	KW_ID(struct submitted_payment, reference, KW_REQUIRED, 1, 128),
	KW_MONEY(struct submitted_payment, amount, KW_REQUIRED),
	KW_TIME(struct submitted_payment, paid_at, KW_OPTIONAL),
	KW_END,
};

#define D struct posted_order
static const struct kw_field data_fields[] = {
	KW_ID(D, order_id, KW_REQUIRED, 1, 128),
	KW_STR(D, number, KW_OPTIONAL, 1, 64),
	KW_TIME(D, placed_at, KW_REQUIRED),
	KW_STR(D, currency, KW_REQUIRED, 3, 3),
	KW_BOOL(D, test, KW_OPTIONAL),
	KW_BOOL(D, cod, KW_OPTIONAL),
	KW_STR(D, email, KW_OPTIONAL, 3, 320),
	KW_STR(D, financial_status, KW_OPTIONAL, 1, 40),
	KW_MONEY(D, total, KW_REQUIRED),
	KW_MONEY(D, lines_total, KW_OPTIONAL),
	KW_MONEY(D, shipping, KW_OPTIONAL),
	KW_MONEY(D, tax, KW_OPTIONAL),
	KW_MONEY(D, discount, KW_OPTIONAL),
	KW_OBJECT(D, ship_to, KW_OPTIONAL, struct address, address_fields),
	KW_ARRAY(D, lines, KW_REQUIRED, struct posted_line, line_fields, 1, LINES_MAX),
	KW_ARRAY(D, payments, KW_OPTIONAL, struct submitted_payment, payment_fields, 0, 20),
	KW_STR(D, cancel_reason, KW_OPTIONAL, 1, 200),
	KW_END,
};
#undef D

const struct kw_field posted_fields[] = {
	KW_ENUM(struct posted, type, KW_REQUIRED, &types),
	KW_TIME(struct posted, timestamp, KW_REQUIRED),
	KW_OBJECT(struct posted, data, KW_REQUIRED, struct posted_order, data_fields),
	KW_END,
};

struct head {
	const char *type;
};

static const struct kw_field head_fields[] = {
	KW_STR(struct head, type, KW_REQUIRED, 1, 200),
	KW_END,
};

enum kw_rc karwan_verify(
	const struct kw_partner *partner, const struct kw_request *rq, struct kw_err *err)
{
	return kw_verify_standard_webhook(&partner->secrets, kw_request_header(rq, "webhook-id"),
		kw_request_header(rq, "webhook-timestamp"),
		kw_request_header(rq, "webhook-signature"), rq->body, rq->now, err);
}

/* No value means nothing of it, in the order's currency. */
static struct kw_money or_zero(struct kw_money m, const char *currency)
{
	if (m.currency[0] == '\0')
		memcpy(m.currency, currency, 4);
	return m;
}

/* The lines, and their sum where the sender does not tell one. */
static void read_lines(const struct posted_order *d, struct kw_arena *a, struct submitted *ret)
{
	struct kw_money *sum = &ret->lines_total;

	ret->n_lines = d->n_lines;
	ret->lines = kw_new(a, struct submitted_line, d->n_lines);
	for (size_t i = 0; i < d->n_lines; i++) {
		const struct posted_line *l = &d->lines[i];
		struct kw_money amount;

		ret->lines[i] = (struct submitted_line) { l->line_id, l->sku, l->title, l->quantity,
			l->price, or_zero(l->discount, d->currency) };
		/* what does not fit is found and named by order_canonical */
		if (kw_money_mul(l->price, l->quantity, &amount, NULL) == KW_OK)
			(void)kw_money_add(*sum, amount, sum, NULL);
	}
	if (d->lines_total.currency[0] != '\0')
		*sum = d->lines_total;
}

static enum kw_rc parse(
	const struct order_input *in, struct kw_arena *a, struct heard *heard, struct kw_err *err)
{
	struct submitted *ret = &heard->order;
	struct posted posted = { 0 };
	struct head head = { 0 };
	enum kw_rc rc = kw_json_decode(posted_fields, in->body.p, in->body.n, a, &posted, err);

	if (rc != KW_OK) {
		/* another type of message may look otherwise */
		if (kw_json_decode(head_fields, in->body.p, in->body.n, a, &head, NULL) == KW_OK &&
			kw_strtab_value(&types, head.type) < 0)
			return KW_NOTHING;
		return rc;
	}
	const struct posted_order *d = posted.data;
	KW_TRY(currency_at(d->currency, "/data/currency", err));
	*ret = (struct submitted) {
		.external_id = d->order_id,
		.kind = posted.type,
		/* an order is created once; a later message under the same time is the same */
		.source_time = posted.type == KIND_CREATED ? d->placed_at : posted.timestamp,
		.placed_at = d->placed_at,
		.currency = d->currency,
		.test = d->test,
		.cod = d->cod,
		.number = d->number,
		.email_hash = email_hash(a, d->email),
		.total = d->total,
		.lines_total = or_zero((struct kw_money) { 0 }, d->currency),
		.shipping = or_zero(d->shipping, d->currency),
		.tax = or_zero(d->tax, d->currency),
		.discount = or_zero(d->discount, d->currency),
		.financial_status = d->financial_status,
		.ship_to = d->ship_to,
		.payments = d->payments,
		.n_payments = d->n_payments,
		.cancel_reason = d->cancel_reason,
	};
	if (posted.type == KIND_CANCELLED && !ret->cancel_reason)
		ret->cancel_reason = "other";
	read_lines(d, a, ret);
	return KW_OK;
}

const struct order_adapter karwan_orders = {
	.topic_header = NULL,
	.root = "/data",
	.lines = "/data/lines",
	.parse = parse,
};
