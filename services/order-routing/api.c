/* The HTTP handlers: the webhook edge appends, operators' requests append, reads come from
 * PostgreSQL, through Redis where that saves work. */
#include "api.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/adapter.h"
#include "core/cnic.h"
#include "core/err.h"
#include "exceptions.h"
#include "fields.h"
#include "figures.h"
#include "recent.h"
#include "store.h"
#include "svc/exceptions.h"
#include "told.h"
#include "json/json.h"

#define CACHE_TTL_S 300

static kw_handler_fn post_order, post_cancel, get_order, get_orders, get_exceptions,
	post_resolution;

struct order_answer {
	struct kw_uuid order_id;
};
static const struct kw_field order_answer_fields[] = {
	KW_UUID(struct order_answer, order_id, KW_REQUIRED),
	KW_END,
};

/* Authentic, and nothing that concerns an order: kept nowhere. */
struct unused_answer {
	bool processed;
};
static const struct kw_field unused_answer_fields[] = {
	KW_BOOL(struct unused_answer, processed, KW_REQUIRED),
	KW_END,
};

static const struct kw_answer webhook_answers[] = {
	{ 200, unused_answer_fields, NULL },
	{ 202, order_answer_fields, NULL },
	{ 409, NULL, NULL },
	{ 0 },
};
static const struct kw_answer order_answers[] = {
	{ 200, view_order_fields, NULL },
	{ 0 },
};
static const struct kw_answer orders_answers[] = { { 200, view_orders_fields, NULL }, { 0 } };
static const struct kw_answer cancel_answers[] = {
	{ 202, order_answer_fields, NULL },
	{ 0 },
};
static const struct kw_argument orders_query[] = { { "channel", true, NULL },
	{ "external_id", true, NULL }, { 0 } };
KW_EXCEPTION_FORM(exceptions, exception_kind_names, exception_state_names);

const struct kw_route routing_routes[] = {
	{ .method = "POST",
		.path = "/v1/channels/:channel/orders",
		.handle = post_order,
		.auth = KW_AUTH_CHANNEL,
		.body = KW_RAW_BODY,
		/* WooCommerce's ping is a form */
		.media = "application/json|application/x-www-form-urlencoded",
		.headers = "*",
		.answers = webhook_answers },
	{ .method = "GET",
		.path = "/v1/orders/:id",
		.handle = get_order,
		.auth = KW_AUTH_OPERATOR,
		.answers = order_answers },
	{ .method = "GET",
		.path = "/v1/orders",
		.handle = get_orders,
		.auth = KW_AUTH_OPERATOR,
		.query = orders_query,
		.answers = orders_answers },
	{ .method = "POST",
		.path = "/v1/orders/:id/cancel",
		.handle = post_cancel,
		.auth = KW_AUTH_OPERATOR,
		.body = KW_JSON_BODY,
		.fields = cancel_body_fields,
		.in_size = sizeof(struct cancel_body),
		.headers = "Idempotency-Key",
		.answers = cancel_answers },
	{ .method = "GET",
		.path = "/v1/exceptions",
		.handle = get_exceptions,
		.auth = KW_AUTH_OPERATOR,
		.query = exceptions_query,
		.answers = exceptions_answers },
	{ .method = "POST",
		.path = "/v1/exceptions/:id/resolve",
		.handle = post_resolution,
		.auth = KW_AUTH_OPERATOR,
		.body = KW_JSON_BODY,
		.fields = kw_resolve_body_fields,
		.in_size = sizeof(struct kw_resolve_body),
		.answers = kw_resolve_answers },
	{ 0 },
};

/* ---- the webhook edge ---- */

static const char *order_answer(struct kw_arena *a, const struct kw_uuid *order_id)
{
	return kw_svc_text(a, order_answer_fields, &(struct order_answer) { *order_id });
}

static void learn(const void *order)
{
	recent_learn(order);
}

static enum kw_rc post_order(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	const struct kw_partner *partner = rq->caller;
	const struct order_adapter *adapter =
		kw_svc_adapter((const struct kw_svc *)rq->ctx, partner)->more;
	struct order_input in = { .partner = partner, .body = rq->body, .now = rq->now };
	struct heard heard = { 0 };
	struct told told;

	if (adapter->topic_header)
		in.topic = kw_request_header(rq, adapter->topic_header);
	enum kw_rc rc = adapter->parse(&in, rq->arena, &heard, err);
	if (rc == KW_NOTHING) {
		kw_count(&figure_not_processed, 1, KW_LABELS(partner->name));
		return kw_svc_reply(
			rq, rs, unused_answer_fields, &(struct unused_answer) { false }, err);
	}
	if (rc != KW_OK)
		return rc;
	KW_TRY(told_of(partner, adapter, rq->arena, &heard, &told, err));
	if (told.order && told.order->totals_flag)
		kw_count(&figure_flagged, 1, KW_LABELS(partner->name));
	return kw_svc_append_as(rq, told.type, told.order_id.s, &told.order_id, told.data,
		&(struct kw_append) {
			.answer = order_answer(rq->arena, &told.order_id),
			.conflict = told.order && recent_conflicts(told.order)
					    ? "this order was sent before with other content"
					    : NULL,
			.acknowledged = told.order ? learn : NULL,
			.arg = told.order,
		},
		err);
}

/* ---- operators ---- */

static enum kw_rc order_id_of(struct kw_request *rq, struct kw_uuid *ret)
{
	return kw_uuid_parse(rq->params[0], ret) ? KW_OK : KW_NOTHING;
}

static enum kw_rc post_cancel(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	const struct cancel_body *body = rq->in;
	const struct kw_partner *operator= rq->caller;
	const char *key = kw_request_header(rq, "Idempotency-Key");
	struct cancel_message *m = kw_new(rq->arena, struct cancel_message, 1);

	(void)rs;
	KW_TRY(order_id_of(rq, &m->order_id));
	m->request_id = body->request_id ? body->request_id : key;
	if (!m->request_id || !*m->request_id || strlen(m->request_id) > 128)
		return kw_fail_code(err, KW_INVALID, "SYNTAX",
			"request_id or an Idempotency-Key of 1 to 128 characters is required");
	m->reason = kw_cnic_drop(rq->arena, body->reason, true);
	m->by = operator->name;
	return kw_svc_append(rq, "karwan.order.cancel_requested.v1", m->order_id.s, &m->order_id, m,
		order_answer(rq->arena, &m->order_id), err);
}

static bool may_resolve(const char *kind, int resolution)
{
	return exception_may(kw_strtab_value(&exception_kind_names, kind), resolution == KW_KEEP,
		resolution == KW_CANCEL_ORDER);
}

static enum kw_rc post_resolution(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	(void)rs;
	return kw_svc_resolve(rq, may_resolve, NULL, err);
}

/* ---- reads ---- */

static struct kw_money money(const struct order *o, int64_t minor)
{
	struct kw_money m = { .minor = minor };

	memcpy(m.currency, o->currency, sizeof(m.currency));
	return m;
}

static void view_lines(struct kw_arena *a, const struct work *k, struct view_order *v)
{
	v->n_lines = k->n_lines;
	v->lines = kw_new(a, struct view_line, k->n_lines);
	for (size_t i = 0; i < k->n_lines; i++) {
		const struct line *l = &k->lines[i];
		v->lines[i] = (struct view_line) {
			.line_id = l->line_id,
			.sku = l->sku,
			.title = l->title,
			.listing_id = l->listing_id,
			.quantity = l->quantity,
			.allocated = l->allocated,
			.parked = l->parked,
			.shipped = l->shipped,
			.delivered = l->delivered,
			.incomplete = l->incomplete,
			.cancelled = l->cancelled,
			.price = money(&k->o, l->price),
			.discount = money(&k->o, l->discount),
			.reason = kw_strtab_name(&park_reason_names, l->reason),
		};
	}
}

static void view_fulfilments(struct kw_arena *a, const struct work *k, struct view_order *v)
{
	v->n_fulfilments = k->n_fulfilments;
	v->fulfilments = kw_new(a, struct view_fulfilment, k->n_fulfilments);
	for (size_t i = 0; i < k->n_fulfilments; i++) {
		const struct fulfilment *f = &k->fulfilments[i];
		struct view_fulfilment *to = &v->fulfilments[i];

		*to = (struct view_fulfilment) {
			.fulfilment_id = f->id,
			.n = f->n,
			.maker_id = f->maker_id,
			.hub_id = f->hub_id,
			.state = f->state,
			.lines = kw_new(a, struct view_part, k->n_allocations),
		};
		for (size_t j = 0; j < k->n_allocations; j++) {
			const struct allocation *x = &k->allocations[j];
			if (x->n == f->n)
				to->lines[to->n_lines++] =
					(struct view_part) { k->lines[x->line_no - 1].line_id,
						x->listing_id, x->rule, x->quantity };
		}
	}
}

static enum kw_rc view_order(
	struct kw_arena *a, const struct work *k, struct view_order *v, struct kw_err *err)
{
	const struct order *o = &k->o;

	*v = (struct view_order) {
		.order_id = o->id,
		.channel = o->channel,
		.external_id = o->external_id,
		.number = o->number,
		.state = o->state,
		.version = o->version,
		.fee_bps = o->fee_bps,
		.placed_at = o->placed_at,
		.seen_at = o->seen_at,
		.updated_at = o->updated_at,
		.auto_cancel_at = o->auto_cancel_at,
		.test = o->test,
		.cod = o->cod,
		.currency = o->currency,
		.totals_flag = o->totals_flag,
		.financial_status = o->financial_status,
		.total = money(o, o->total),
		.lines_total = money(o, o->lines_total),
		.shipping = money(o, o->shipping),
		.tax = money(o, o->tax),
		.discount = money(o, o->discount),
	};
	if (o->ship_to) {
		v->ship_to = kw_new(a, struct address, 1);
		KW_TRY(kw_json_decode(
			address_fields, o->ship_to, strlen(o->ship_to), a, v->ship_to, err));
	}
	view_lines(a, k, v);
	view_fulfilments(a, k, v);
	return KW_OK;
}

/* A copy in Redis is shown only while the row still has its revision. */
struct order_read {
	struct kw_request *rq;
	struct kw_uuid id;
	int64_t cached; /* revision of the copy at hand, 0: none */
	int64_t revision;
	bool fresh; /* the copy is the order as it is */
	struct work work;
};

static enum kw_rc read_order(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct order_read *read = ctx;

	read->fresh = false;
	if (read->cached > 0) {
		KW_TRY(store_read_revision(pg, read->rq->arena, &read->id, &read->revision, err));
		read->fresh = read->revision == read->cached;
		if (read->fresh)
			return KW_OK;
	}
	memset(&read->work, 0, sizeof(read->work));
	KW_TRY(store_read_order(pg, read->rq->arena, &read->id, &read->work, err));
	read->revision = read->work.o.revision;
	return KW_OK;
}

/* The order's JSON, from Redis or made anew. */
static enum kw_rc order_json(
	struct kw_request *rq, const struct kw_uuid *id, struct kw_response *rs, struct kw_err *err)
{
	struct kw_cache *cache = kw_svc_cache(rq->ctx);
	struct order_read read = { .rq = rq, .id = *id };
	const char *key = kw_arena_printf(rq->arena, "karwan:routing:order:%s", id->s);
	struct kw_bytes copy = { 0 };
	struct view_order view;

	if (kw_cache_get(cache, key, rq->arena, &copy, &read.cached) != KW_OK)
		read.cached = 0;
	KW_TRY(kw_svc_read(rq, read_order, &read, err));
	if (read.fresh) {
		rs->body = copy;
	} else {
		KW_TRY(view_order(rq->arena, &read.work, &view, err));
		KW_TRY(kw_svc_reply(rq, rs, view_order_fields, &view, err));
		kw_cache_put(cache, key, rs->body, read.revision, CACHE_TTL_S);
	}
	rs->etag = kw_arena_printf(rq->arena, "\"%" PRId64 "\"", read.revision);
	return KW_OK;
}

static enum kw_rc get_order(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	struct kw_uuid id;

	KW_TRY(order_id_of(rq, &id));
	return order_json(rq, &id, rs, err);
}

/* The id is a function of what is asked for, so the list has one order or none. */
static enum kw_rc get_orders(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	const char *channel = kw_request_query(rq, "channel");
	const char *external_id = kw_request_query(rq, "external_id");

	if (!channel || !external_id || !*channel || !*external_id)
		return kw_fail_code(
			err, KW_INVALID, "SYNTAX", "channel and external_id are required");
	struct kw_uuid id = kw_uuid_of("order", channel, external_id);
	struct kw_response one = { 0 };
	enum kw_rc rc = order_json(rq, &id, &one, err);
	if (rc != KW_OK && rc != KW_NOTHING)
		return rc;
	KW_CLEANUP(kw_buf_done) struct kw_buf text;
	kw_buf_init(&text, 16 * 1024 * 1024);
	kw_buf_str(&text, "{\"orders\":[");
	if (rc == KW_OK)
		kw_buf_add(&text, one.body.p, one.body.n);
	kw_buf_str(&text, "]}");
	rs->body = (struct kw_bytes) { kw_arena_copy(rq->arena, text.p, text.n), text.n };
	return KW_OK;
}

static enum kw_rc get_exceptions(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	return kw_svc_exceptions(rq, rs, &exceptions, err);
}
