/* The toy service itself: a descriptor, as every service has one. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "svc_toy.h"
#include "json/json.h"

struct config {
	int64_t factor;
};

static const struct kw_config_key config_keys[] = {
	KW_INT_KEY(struct config, factor, "KARWAN_TOY_FACTOR", "1", 1, 100, "numbers are times it"),
	{ 0 },
};

struct toy_message {
	struct kw_meta meta;
	const char *name;
	int64_t number;
};

static const struct kw_field message_fields[] = {
	KW_STR(struct toy_message, name, KW_REQUIRED, 1, 64),
	KW_I64(struct toy_message, number, KW_REQUIRED, 1, 1000000),
	KW_END,
};

static const struct kw_event_type kept = { "karwan.toy.kept.v1", message_fields };
static const struct kw_event_type fetched = { "karwan.toy.fetched.v1", message_fields };

/* ---- handler and job ---- */

static const struct kw_col row_cols[] = {
	KW_COL_TEXT(struct toy_message, name),
	KW_COL_I64(struct toy_message, number),
	KW_COL_END,
};

static enum kw_rc on_asked(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	static const struct kw_stmt insert = {
		"INSERT INTO toys SELECT * FROM unnest($1::text[], $2::bigint[])"
	};
	const struct toy_message *m = in;
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, row_cols, m, n, sizeof(*m));
	KW_TRY(kw_pg_exec(b->pg, &insert, &args, NULL, err));
	for (size_t i = 0; i < n; i++) {
		char number[24];
		snprintf(number, sizeof(number), "%lld", (long long)m[i].number);
		struct kw_uuid id = kw_uuid_of("toy", m[i].name, number);
		kw_emit(b, &kept, m[i].name, &id, 1, &m[i].meta, &m[i]);
		kw_intend(b, "errand", &id, &id, b->now, &m[i].meta, message_fields, &m[i]);
		id = kw_uuid_of("parrot", m[i].name, number);
		if (strcmp(m[i].name, "parrot") == 0)
			kw_intend(b, "echo", &id, &id, b->now, &m[i].meta, message_fields, &m[i]);
	}
	return KW_OK;
}

struct errands {
	struct kw_intent *intents;
	size_t n;
};

static enum kw_rc end_errands(struct kw_batch *b, void *arg, struct kw_err *err)
{
	const struct errands *e = arg;
	struct kw_intent_outcome *outcomes = kw_new(b->arena, struct kw_intent_outcome, e->n);

	for (size_t i = 0; i < e->n; i++)
		outcomes[i] = (struct kw_intent_outcome) { .id = e->intents[i].id,
			.token = e->intents[i].token,
			.result = KW_INTENT_DONE };
	KW_TRY(kw_lease_finish(b, outcomes, e->n, err));
	for (size_t i = 0; i < e->n; i++) {
		struct toy_message m = { 0 };
		const char *payload = e->intents[i].payload;

		KW_TRY(kw_json_decode(message_fields, payload, strlen(payload), b->arena, &m, err));
		snprintf(m.meta.trace.s, sizeof(m.meta.trace.s), "%s", e->intents[i].trace);
		kw_emit(b, &fetched, m.name, &e->intents[i].entity, 2, &m.meta, &m);
	}
	return KW_OK;
}

static enum kw_rc run_errands(
	struct kw_svc *svc, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err)
{
	struct errands e;

	KW_TRY(kw_lease_take(pg, a, "errand", 100, 10000, &e.intents, &e.n, err));
	return kw_outcome_run(kw_svc_flow(svc), pg, a, end_errands, &e, err);
}

static enum kw_rc end_echo(struct kw_batch *b, void *arg, struct kw_err *err)
{
	const struct kw_intent *intent = arg;
	struct kw_intent_outcome outcome = {
		.id = intent->id, .token = intent->token, .result = KW_INTENT_DONE
	};

	return kw_lease_finish(b, &outcome, 1, err);
}

/* A parrot says what it was told: on its own thread, by the way that all messages take. */
static enum kw_rc run_echo(
	struct kw_svc *svc, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err)
{
	struct toy_message m = { 0 };
	struct kw_intent *intent;
	size_t n;

	if (!kw_svc_appends(svc))
		return KW_NOTHING;
	KW_TRY(kw_lease_take(pg, a, "echo", 1, 10000, &intent, &n, err));
	KW_TRY(kw_json_decode(
		message_fields, intent->payload, strlen(intent->payload), a, &m, err));
	m.name = "echo";
	struct kw_job_message messages[] = { { "karwan.toy.asked.v1", intent->trace,
		{ m.name, kw_uuid_of("toy", m.name), &m } } };
	KW_TRY(kw_svc_append_now(svc, a, messages, 1, err));
	return kw_outcome_run(kw_svc_flow(svc), pg, a, end_echo, intent, err);
}

/* ---- API ---- */

static enum kw_rc append(struct kw_request *rq, const struct toy_message *in, struct kw_err *err)
{
	const struct config *config = kw_svc_config(rq->ctx);
	struct toy_message *m = kw_arena_copy(rq->arena, in, sizeof(*in));
	struct kw_uuid id = kw_uuid_of("toy", m->name);

	m->number *= config->factor;
	return kw_svc_append(rq, "karwan.toy.asked.v1", m->name, &id, m,
		kw_arena_printf(rq->arena, "{\"toy_id\":\"%s\"}", id.s), err);
}

static enum kw_rc post_toy(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	(void)rs;
	return append(rq, rq->in, err);
}

static enum kw_rc post_channel_toy(
	struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	struct toy_message m = { 0 };

	(void)rs;
	KW_TRY(kw_json_decode(message_fields, rq->body.p, rq->body.n, rq->arena, &m, err));
	return append(rq, &m, err);
}

struct find {
	struct kw_arena *arena;
	struct toy_message row;
};

static enum kw_rc find_toy(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	static const struct kw_stmt stmt = {
		"SELECT name, number FROM toys WHERE name = $1::text ORDER BY number DESC LIMIT 1"
	};
	struct find *find = ctx;
	struct kw_args args = kw_args_of(find->arena);

	kw_args_text(&args, find->row.name);
	return kw_pg_fetch_one(pg, &stmt, &args, row_cols, sizeof(find->row), &find->row, err);
}

static enum kw_rc get_toy(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	struct find find = { rq->arena, { .name = rq->params[0] } };

	KW_TRY(kw_svc_read(rq, find_toy, &find, err));
	return kw_svc_reply(rq, rs, message_fields, &find.row, err);
}

static enum kw_rc verify_channel(
	const struct kw_partner *partner, const struct kw_request *rq, struct kw_err *err)
{
	return kw_verify_standard_webhook(&partner->secrets, kw_request_header(rq, "webhook-id"),
		kw_request_header(rq, "webhook-timestamp"),
		kw_request_header(rq, "webhook-signature"), rq->body, rq->now, err);
}

/* ---- descriptor ---- */

static const struct kw_route routes[] = {
	{ .method = "POST",
		.path = "/v1/toys",
		.handle = post_toy,
		.auth = KW_AUTH_OPERATOR,
		.body = KW_JSON_BODY,
		.fields = message_fields,
		.in_size = sizeof(struct toy_message) },
	{ .method = "POST",
		.path = "/v1/channels/:channel/toys",
		.handle = post_channel_toy,
		.auth = KW_AUTH_CHANNEL,
		.body = KW_RAW_BODY },
	{ .method = "GET", .path = "/v1/toys/:name", .handle = get_toy, .auth = KW_AUTH_OPERATOR },
	{ 0 },
};

static const struct kw_adapter adapters[] = {
	{ "karwan", KW_CHANNEL, verify_channel, NULL },
	{ 0 },
};

/* Within a test nothing but a batch that has written intents makes it run. */
static const struct kw_job jobs[] = { { "errands", run_errands, 600000, 0, true }, { 0 } };
static const struct kw_job apart[] = { { "echo", run_echo, 20, 0, false }, { 0 } };

int toy_main(int argc, char **argv)
{
	static char in[80], events[80];
	static struct kw_topic_row rows[] = {
		{ in, "karwan.toy.asked.v1", message_fields, sizeof(struct toy_message), on_asked },
		{ 0 },
	};
	const struct kw_service service = {
		.name = getenv("TOY_SERVICE"),
		.schema = "toy",
		.in_topic = in,
		.events_topic = events,
		.config = config_keys,
		.config_size = sizeof(struct config),
		.routes = routes,
		.topics = rows,
		.jobs = jobs,
		.apart = apart,
		.adapters = adapters,
	};

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* it does not outlive the test */
	/* unlike a real service's, its names are those of one run of the test */
	snprintf(in, sizeof(in), "%s.in", service.name);
	snprintf(events, sizeof(events), "%s.events", service.name);
	return kw_svc_run(&service, argc, argv);
}

bool toy_is_me(void)
{
	return getenv("TOY_SERVICE") != NULL;
}
