/* The HTTP endpoints: providers' events in; payments, statements and exceptions out. */
#include "api.h"

#include <inttypes.h>
#include <string.h>

#include "adapters/adapter.h"
#include "figures.h"
#include "handlers.h"
#include "rules.h"
#include "store.h"
#include "svc/exceptions.h"
#include "svc/resolution.h"
#include "json/json.h"

#define PAGE 100

/* ---- POST /v1/providers/:provider/events ---- */

struct ignored {
	const char *ignored;
};
static const struct kw_field ignored_fields[] = {
	KW_STR(struct ignored, ignored, KW_REQUIRED, 1, 200),
	KW_END,
};

struct accepted {
	struct kw_uuid payment_id;
};
static const struct kw_field accepted_fields[] = {
	KW_UUID(struct accepted, payment_id, KW_REQUIRED),
	KW_END,
};

static enum kw_rc post_provider_event(
	struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	const struct kw_partner *provider = rq->caller;
	const struct provider_adapter *adapter = kw_svc_adapter(rq->ctx, provider)->more;
	struct payment_reported m = { .provider = provider->name };
	const char *type = NULL;

	enum kw_rc rc = adapter->map(rq->body, rq->arena, &m, &type, err);
	if (rc == KW_NOTHING) {
		struct ignored answer = { type };
		kw_count(&figure_ignored_events, 1, KW_LABELS(provider->name));
		return kw_svc_reply(rq, rs, ignored_fields, &answer, err);
	}
	if (rc != KW_OK)
		return rc;
	/* A reference counts when its channel is declared: then the order has come, or will. */
	if (m.channel && kw_partners_find(kw_svc_partners(rq->ctx), KW_CHANNEL, m.channel))
		m.order_id = kw_uuid_of("order", m.channel, m.external_id);
	m.payment_id = kw_uuid_of("payment", m.provider, m.provider_payment_id);
	m.content_hash = payment_content_hash(rq->arena, &m);
	struct accepted answer = { m.payment_id };
	const char *key = m.order_id.s[0] ? m.order_id.s : m.payment_id.s;
	return kw_svc_append(rq, "karwan.payment.reported.v1", key, &m.payment_id, &m,
		kw_svc_text(rq->arena, accepted_fields, &answer), err);
}

/* ---- GET /v1/payments/:id ---- */

static const struct kw_field payment_view_fields[] = {
	KW_UUID(struct payment_view, payment_id, KW_REQUIRED),
	KW_STR(struct payment_view, provider, KW_REQUIRED, 1, 200),
	KW_STR(struct payment_view, provider_payment_id, KW_REQUIRED, 1, 200),
	KW_UUID(struct payment_view, order_id, KW_OPTIONAL),
	KW_STR(struct payment_view, channel, KW_OPTIONAL, 1, 200),
	KW_STR(struct payment_view, external_id, KW_OPTIONAL, 1, 200),
	KW_ENUM(struct payment_view, state, KW_REQUIRED, &payment_states),
	KW_MONEY(struct payment_view, captured, KW_REQUIRED),
	KW_MONEY(struct payment_view, refunded, KW_REQUIRED),
	KW_BOOL(struct payment_view, suspense, KW_REQUIRED),
	KW_I64(struct payment_view, version, KW_REQUIRED, 0, INT64_MAX),
	KW_TIME(struct payment_view, opened_at, KW_REQUIRED),
	KW_TIME(struct payment_view, changed_at, KW_REQUIRED),
	KW_END,
};

struct payment_query {
	struct kw_arena *arena;
	struct kw_uuid id;
	struct payment_view found;
};

static enum kw_rc read_payment(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct payment_query *query = ctx;
	return store_read_payment(pg, query->arena, &query->id, &query->found, err);
}

static enum kw_rc get_payment(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	struct payment_query query = { .arena = rq->arena };
	if (!kw_uuid_parse(rq->params[0], &query.id))
		return KW_NOTHING;
	KW_TRY(kw_svc_read(rq, read_payment, &query, err));
	return kw_svc_reply(rq, rs, payment_view_fields, &query.found, err);
}

/* ---- GET /v1/makers/:id/statement ---- */

struct statement {
	const char *maker_id;
	struct statement_line *lines;
	size_t n_lines;
	const char *next_cursor;
};

static const struct kw_field statement_line_fields[] = {
	KW_UUID(struct statement_line, earning_id, KW_REQUIRED),
	KW_UUID(struct statement_line, order_id, KW_REQUIRED),
	KW_STR(struct statement_line, channel, KW_REQUIRED, 1, 200),
	KW_STR(struct statement_line, external_id, KW_REQUIRED, 1, 200),
	KW_UUID(struct statement_line, fulfilment_id, KW_REQUIRED),
	KW_STR(struct statement_line, line_id, KW_REQUIRED, 1, 200),
	KW_STR(struct statement_line, title, KW_OPTIONAL, 1, 1000),
	KW_I64(struct statement_line, quantity, KW_REQUIRED, 1, INT64_MAX),
	KW_MONEY(struct statement_line, amount, KW_REQUIRED),
	KW_MONEY(struct statement_line, fee, KW_REQUIRED),
	KW_MONEY_AS(struct statement_line, total, "running_total", KW_REQUIRED),
	KW_TIME(struct statement_line, earned_at, KW_REQUIRED),
	KW_END,
};

static const struct kw_field statement_fields[] = {
	KW_STR(struct statement, maker_id, KW_REQUIRED, 1, 64),
	KW_ARRAY(struct statement, lines, KW_REQUIRED, struct statement_line, statement_line_fields,
		0, PAGE),
	KW_STR(struct statement, next_cursor, KW_OPTIONAL, 1, 64),
	KW_END,
};

struct statement_query {
	struct kw_arena *arena;
	kw_time after_time;
	struct kw_uuid after_id;
	struct statement *to;
};

static enum kw_rc read_statement(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct statement_query *query = ctx;
	struct statement *to = query->to;
	return store_read_statement(pg, query->arena, to->maker_id, query->after_time,
		&query->after_id, PAGE + 1, &to->lines, &to->n_lines, err);
}

static enum kw_rc get_statement(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	struct statement answer = { .maker_id = rq->params[0] };
	struct statement_query query = { .arena = rq->arena, .to = &answer };

	if (strlen(rq->params[0]) > 64)
		return KW_NOTHING;
	KW_TRY(kw_svc_cursor(rq, &query.after_time, &query.after_id, err));
	KW_TRY(kw_svc_read(rq, read_statement, &query, err));
	if (answer.n_lines > PAGE) {
		const struct statement_line *last = &answer.lines[PAGE - 1];
		answer.n_lines = PAGE;
		answer.next_cursor =
			kw_svc_cursor_text(rq->arena, last->earned_at, &last->earning_id);
	}
	return kw_svc_reply(rq, rs, statement_fields, &answer, err);
}

/* ---- GET /v1/exceptions ---- */

/* NONE is the state of what is not kept. */
static const char *const shown_state_names[] = { "OPEN", "ACCEPTED", "RESOLVED" };
static const struct kw_strtab shown_states = KW_STRTAB(shown_state_names);
KW_EXCEPTION_FORM(exceptions, exception_kinds, shown_states);

static enum kw_rc get_exceptions(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	return kw_svc_exceptions(rq, rs, &exceptions, err);
}

/* ---- POST /v1/exceptions/:id/resolve ---- */

static bool may_resolve(const char *kind, int resolution)
{
	return exception_may(kw_strtab_value(&exception_kinds, kind), resolution);
}

static enum kw_rc post_resolution(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	(void)rs;
	return kw_svc_resolve(rq, may_resolve, NULL, err);
}

static const struct kw_answer event_answers[] = {
	{ 200, ignored_fields, NULL },
	{ 202, accepted_fields, NULL },
	{ 0 },
};
static const struct kw_answer payment_answers[] = {
	{ 200, payment_view_fields, NULL },
	{ 0 },
};
static const struct kw_argument statement_query[] = { { "cursor", false, NULL }, { 0 } };
static const struct kw_answer statement_answers[] = {
	{ 200, statement_fields, NULL },
	{ 0 },
};

const struct kw_route payment_routes[] = {
	{ .method = "POST",
		.path = "/v1/providers/:provider/events",
		.handle = post_provider_event,
		.auth = KW_AUTH_PROVIDER,
		.body = KW_RAW_BODY,
		.answers = event_answers },
	{ .method = "GET",
		.path = "/v1/payments/:id",
		.handle = get_payment,
		.auth = KW_AUTH_OPERATOR,
		.answers = payment_answers },
	{ .method = "GET",
		.path = "/v1/makers/:id/statement",
		.handle = get_statement,
		.auth = KW_AUTH_OPERATOR,
		.query = statement_query,
		.answers = statement_answers },
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
