/* Lazada's Open Platform, and Daraz, which is built on it: pushes say only that something happened
 * to an order; the order is asked for by signed calls. api.c has the API.
 * https://open.lazada.com/apps/doc/doc?nodeId=29526 (push), open.alitrip.com articleId=120168 */
#include "adapters/lazada/lazada.h"

#include <string.h>

#include "core/err.h"
#include "json/json.h"

#define TRADE_OR_REVERSE_ORDER 0

struct push_data {
	const char *order_status, *trade_order_id, *trade_order_line_id, *reverse_order_id,
		*reverse_order_line_id;
	int64_t status_update_time;
};

struct push {
	int64_t message_type, timestamp;
	const char *seller_id;
	struct push_data *data;
};

#define D struct push_data
static const struct kw_field data_fields[] = {
	KW_STR(D, order_status, KW_OPTIONAL, 1, 100),
	KW_I64(D, status_update_time, KW_OPTIONAL, 0, INT64_MAX),
	KW_ID(D, trade_order_id, KW_REQUIRED, 1, 64),
	KW_ID(D, trade_order_line_id, KW_OPTIONAL, 1, 64),
	KW_ID(D, reverse_order_id, KW_OPTIONAL, 1, 64),
	KW_ID(D, reverse_order_line_id, KW_OPTIONAL, 1, 64),
	KW_END,
};
#undef D

static const struct kw_field push_fields[] = {
	KW_ID(struct push, seller_id, KW_OPTIONAL, 1, 64),
	KW_I64(struct push, message_type, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct push, timestamp, KW_OPTIONAL, 0, INT64_MAX),
	KW_OBJECT(struct push, data, KW_REQUIRED, struct push_data, data_fields),
	KW_END,
};

/* Other types have other data. */
static const struct kw_field head_fields[] = {
	KW_I64(struct push, message_type, KW_REQUIRED, 0, INT64_MAX),
	KW_END,
};

/* Authorization = hex of HMAC-SHA256(app secret, app key + body). */
enum kw_rc lazada_verify(
	const struct kw_partner *partner, const struct kw_request *rq, struct kw_err *err)
{
	static const struct kw_body_mac scheme = { "Authorization", "", true };
	size_t n = strlen(partner->app_key);
	char *text = kw_arena_alloc(rq->arena, n + rq->body.n, 1);

	memcpy(text, partner->app_key, n);
	if (rq->body.n > 0)
		memcpy(text + n, rq->body.p, rq->body.n);
	return kw_verify_body_mac(&scheme, &partner->secrets,
		kw_request_header(rq, "Authorization"), (struct kw_bytes) { text, n + rq->body.n },
		err);
}

static enum kw_rc parse(
	const struct order_input *in, struct kw_arena *a, struct heard *ret, struct kw_err *err)
{
	struct push head = { 0 }, push = { 0 };
	struct notice *to = &ret->notice;

	KW_TRY(kw_json_decode(head_fields, in->body.p, in->body.n, a, &head, err));
	if (head.message_type != TRADE_OR_REVERSE_ORDER)
		return KW_NOTHING;
	KW_TRY(kw_json_decode(push_fields, in->body.p, in->body.n, a, &push, err));
	const struct push_data *d = push.data;
	const char *seller = text_given(push.seller_id);
	if (in->partner->seller_id && seller && strcmp(in->partner->seller_id, seller) != 0)
		return KW_NOTHING; /* one app may serve several sellers */
	if (!text_given(d->trade_order_id))
		return kw_fail_at(err, KW_INVALID, "/data/trade_order_id", "is required");
	ret->kind = HEARD_NOTICE;
	ret->order.external_id = d->trade_order_id;
	to->status = text_given(d->order_status);
	to->line_id = text_given(d->trade_order_line_id);
	/* a return or cancellation of an order that is there: its own ids name no order */
	to->reverse_id = text_given(d->reverse_order_id);
	if (d->status_update_time > 0)
		return time_of_number(d->status_update_time, "/data/status_update_time", in->now,
			&to->noticed_at, err);
	if (push.timestamp > 0)
		return time_of_number(push.timestamp, "/timestamp", in->now, &to->noticed_at, err);
	return KW_OK;
}

static enum kw_rc check(const struct kw_partner *partner, struct kw_err *err)
{
	if (!partner->app_key)
		return kw_fail_at(err, KW_INVALID, "/app_key", "is required");
	if (!partner->url) /* a push alone is no order */
		return kw_fail_at(err, KW_INVALID, "/url", "is required");
	if (!partner->currency) /* of the country's marketplace */
		return kw_fail_at(err, KW_INVALID, "/currency", "is required");
	return KW_OK;
}

const struct order_adapter lazada_orders = {
	.topic_header = NULL,
	.root = "",
	.lines = "/data",
	.parse = parse,
	.api = &lazada_api,
	.check = check,
};
