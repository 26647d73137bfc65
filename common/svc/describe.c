/* --describe: what the service takes, answers and reads, as one JSON object made of the tables that
 * it runs by. The tests compare schemas/openapi and schemas/asyncapi.yaml with it. */
#include <string.h>

#include "core/money.h"
#include "svc/impl.h"
#include "json/json.h"

#define TEXT_MAX (4 * 1024 * 1024)
#define LIST_MAX 1000
#define NAMES_MAX 64

struct told_argument {
	const char *name;
	bool required;
	const char **names;
	size_t n_names;
};

struct told_answer {
	int64_t status;
	const char *media, *schema;
};

struct told_route {
	const char *method, *path, *auth, *body, *media, *headers, *schema;
	int64_t body_max;
	struct told_argument *query;
	size_t n_query;
	struct told_answer *answers;
	size_t n_answers;
};

struct told_message {
	const char *topic, *type;
};

struct told_adapter {
	const char *kind, *name;
};

struct told_currency {
	const char *code;
	int64_t digits;
};

struct told_metric {
	const char *name, *kind, *help;
	const char **labels;
	size_t n_labels;
};

struct told {
	const char *service, *in_topic, *events_topic;
	struct told_route *routes;
	struct told_message *reads;
	struct told_adapter *adapters;
	struct told_currency *currencies;
	struct told_metric *metrics;
	size_t n_routes, n_reads, n_adapters, n_currencies, n_metrics;
};

static const struct kw_field argument_fields[] = {
	KW_STR(struct told_argument, name, KW_REQUIRED, 1, 64),
	KW_BOOL(struct told_argument, required, KW_REQUIRED),
	KW_STRS(struct told_argument, names, KW_OPTIONAL, 0, NAMES_MAX),
	KW_END,
};

static const struct kw_field answer_fields[] = {
	KW_I64(struct told_answer, status, KW_REQUIRED, 100, 599),
	KW_STR(struct told_answer, media, KW_REQUIRED, 1, 64),
	KW_STR(struct told_answer, schema, KW_OPTIONAL, 1, TEXT_MAX),
	KW_END,
};

/* schema: JSON Schema as a text; absent where it is no JSON, or any. */
static const struct kw_field route_fields[] = {
	KW_STR(struct told_route, method, KW_REQUIRED, 1, 10),
	KW_STR(struct told_route, path, KW_REQUIRED, 1, 200),
	KW_STR(struct told_route, auth, KW_REQUIRED, 1, 20),
	KW_STR(struct told_route, body, KW_REQUIRED, 1, 10),
	KW_STR(struct told_route, media, KW_OPTIONAL, 1, 200),
	KW_I64(struct told_route, body_max, KW_REQUIRED, 0, INT64_MAX),
	KW_STR(struct told_route, headers, KW_OPTIONAL, 1, 200),
	KW_STR(struct told_route, schema, KW_OPTIONAL, 1, TEXT_MAX),
	KW_ARRAY(struct told_route, query, KW_REQUIRED, struct told_argument, argument_fields, 0,
		NAMES_MAX),
	KW_ARRAY(struct told_route, answers, KW_REQUIRED, struct told_answer, answer_fields, 0,
		KW_ANSWERS_MAX),
	KW_END,
};

static const struct kw_field message_fields[] = {
	KW_STR(struct told_message, topic, KW_REQUIRED, 1, 200),
	KW_STR(struct told_message, type, KW_REQUIRED, 1, 200),
	KW_END,
};

static const struct kw_field adapter_fields[] = {
	KW_STR(struct told_adapter, kind, KW_REQUIRED, 1, 20),
	KW_STR(struct told_adapter, name, KW_REQUIRED, 1, 64),
	KW_END,
};

static const struct kw_field currency_fields[] = {
	KW_STR(struct told_currency, code, KW_REQUIRED, 3, 3),
	KW_I64(struct told_currency, digits, KW_REQUIRED, 0, 4),
	KW_END,
};

static const struct kw_field metric_fields[] = {
	KW_STR(struct told_metric, name, KW_REQUIRED, 1, 200),
	KW_STR(struct told_metric, kind, KW_REQUIRED, 1, 20),
	KW_STRS(struct told_metric, labels, KW_REQUIRED, 0, KW_METRIC_LABELS_MAX),
	KW_STR(struct told_metric, help, KW_REQUIRED, 1, 500),
	KW_END,
};

static const struct kw_field told_fields[] = {
	KW_STR(struct told, service, KW_REQUIRED, 1, 64),
	KW_STR(struct told, in_topic, KW_REQUIRED, 1, 200),
	KW_STR(struct told, events_topic, KW_REQUIRED, 1, 200),
	KW_ARRAY(struct told, routes, KW_REQUIRED, struct told_route, route_fields, 0, LIST_MAX),
	KW_ARRAY(struct told, reads, KW_REQUIRED, struct told_message, message_fields, 0, LIST_MAX),
	KW_ARRAY(struct told, adapters, KW_REQUIRED, struct told_adapter, adapter_fields, 0,
		LIST_MAX),
	KW_ARRAY(struct told, currencies, KW_REQUIRED, struct told_currency, currency_fields, 0,
		LIST_MAX),
	KW_ARRAY(struct told, metrics, KW_REQUIRED, struct told_metric, metric_fields, 0, LIST_MAX),
	KW_END,
};

static const char *schema_of(struct kw_arena *a, const struct kw_field *fields)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf text;

	if (!fields)
		return NULL;
	kw_buf_init(&text, TEXT_MAX);
	kw_json_schema_of(fields, &text);
	kw_assert(!text.full);
	return kw_arena_strn(a, text.p, text.n);
}

static void tell_query(
	struct kw_arena *a, const struct kw_argument *query, struct told_route *route)
{
	for (; query && query->name; query++) {
		struct told_argument *to = &route->query[route->n_query++];

		kw_assert(route->n_query <= NAMES_MAX);
		*to = (struct told_argument) { query->name, query->required, NULL, 0 };
		if (!query->names)
			continue;
		to->n_names = (size_t)query->names->n;
		to->names = kw_new(a, const char *, to->n_names);
		memcpy(to->names, query->names->names, to->n_names * sizeof(*to->names));
	}
}

static void tell_route(struct kw_arena *a, const struct kw_route *r, struct told_route *route)
{
	static const char *const auths[] = {
		[KW_AUTH_NONE] = "none",
		[KW_AUTH_OPERATOR] = "operator",
		[KW_AUTH_CHANNEL] = "channel",
		[KW_AUTH_PROVIDER] = "provider",
		[KW_AUTH_COURIER] = "courier",
	};
	static const char *const bodies[] = {
		[KW_NO_BODY] = "none",
		[KW_RAW_BODY] = "raw",
		[KW_JSON_BODY] = "json",
	};
	struct kw_answer answers[KW_ANSWERS_MAX];

	*route = (struct told_route) {
		.method = r->method,
		.path = r->path,
		.auth = auths[r->auth],
		.body = bodies[r->body],
		.body_max = (int64_t)kw_route_body_max(r),
		.headers = r->headers,
		.query = kw_new(a, struct told_argument, NAMES_MAX),
		.answers = kw_new(a, struct told_answer, KW_ANSWERS_MAX),
	};
	if (r->body != KW_NO_BODY)
		route->media = r->media ? r->media : KW_JSON_MEDIA;
	if (r->body == KW_JSON_BODY)
		route->schema = schema_of(a, r->fields);
	tell_query(a, r->query, route);
	route->n_answers = kw_route_answers(r, answers);
	for (size_t i = 0; i < route->n_answers; i++)
		route->answers[i] = (struct told_answer) { answers[i].status, answers[i].media,
			schema_of(a, answers[i].fields) };
}

static void tell_service(struct kw_arena *a, const struct kw_service *service, struct told *told)
{
	static const char *const kinds[] = {
		[KW_CHANNEL] = "channel",
		[KW_PROVIDER] = "provider",
		[KW_COURIER] = "courier",
		[KW_OPERATOR] = "operator",
	};

	told->service = service->name;
	told->in_topic = service->in_topic;
	told->events_topic = service->events_topic;
	told->routes = kw_new(a, struct told_route, LIST_MAX);
	for (const struct kw_route *r = service->routes; r && r->method; r++)
		tell_route(a, r, &told->routes[told->n_routes++]);
	told->reads = kw_new(a, struct told_message, LIST_MAX);
	for (const struct kw_topic_row *row = service->topics; row && row->topic; row++)
		told->reads[told->n_reads++] = (struct told_message) { row->topic, row->type };
	told->adapters = kw_new(a, struct told_adapter, LIST_MAX);
	for (const struct kw_adapter *ad = service->adapters; ad && ad->name; ad++)
		told->adapters[told->n_adapters++] =
			(struct told_adapter) { kinds[ad->kind], ad->name };
}

static void tell_metric(struct kw_arena *a, const struct kw_metric *m, struct told *told)
{
	static const char *const kinds[] = { "counter", "gauge", "histogram" };
	struct told_metric *to = &told->metrics[told->n_metrics++];

	*to = (struct told_metric) { m->name, kinds[m->kind], m->help,
		kw_new(a, const char *, KW_METRIC_LABELS_MAX), 0 };
	while (to->n_labels < KW_METRIC_LABELS_MAX && m->labels[to->n_labels]) {
		to->labels[to->n_labels] = m->labels[to->n_labels];
		to->n_labels++;
	}
}

static void tell_metrics(struct kw_arena *a, const struct kw_service *service, struct told *told)
{
	told->metrics = kw_new(a, struct told_metric, LIST_MAX);
	for (size_t i = 0; kw_health_metric(i); i++)
		tell_metric(a, kw_health_metric(i), told);
	for (struct kw_metric *const *m = kw_sample_metrics; *m; m++)
		tell_metric(a, *m, told);
	for (struct kw_metric *const *m = service->metrics; m && *m; m++)
		tell_metric(a, *m, told);
	for (const struct kw_sample *s = service->samples; s && s->gauges[0]; s++)
		for (size_t g = 0; g < KW_SAMPLE_GAUGES && s->gauges[g]; g++)
			tell_metric(a, s->gauges[g], told);
}

void kw_describe(const struct kw_service *service, FILE *out)
{
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(64 * 1024 * 1024);
	KW_CLEANUP(kw_buf_done) struct kw_buf text;
	struct told told = { .currencies = kw_new(a, struct told_currency, LIST_MAX) };
	char code[4];
	int digits;

	tell_service(a, service, &told);
	tell_metrics(a, service, &told);
	for (size_t i = 0; kw_currency_at(i, code, &digits); i++)
		told.currencies[told.n_currencies++] =
			(struct told_currency) { kw_arena_str(a, code), digits };
	kw_buf_init(&text, TEXT_MAX);
	kw_json_encode(told_fields, &told, &text);
	kw_assert(!text.full);
	fprintf(out, "%s\n", text.p);
}
