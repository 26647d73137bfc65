/* The edge: who asks, messages appended to the in topic, the answer when the broker has
 * acknowledged them. Handlers' threads, the jobs' for what they append, and the producer's thread
 * where said. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "bus/envelope.h"
#include "core/log.h"
#include "svc/impl.h"
#include "json/json.h"

#define MESSAGE_MAX (1024 * 1024)
#define REPLY_MAX (8 * 1024 * 1024)
#define SEND_TIMEOUT_MS 5000

/* A job that waits for the broker. */
struct waiting_job {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool over;
};

/* One request that waits for the broker, in its arena; or a job, on its stack. */
struct waiting {
	struct kw_deferred *deferred;
	struct waiting_job *job; /* not NULL: it waits, and no request */
	struct kw_append as;
	atomic_size_t left;      /* messages without a report */
	atomic_int outcome;      /* of the first that is not there for sure, or KW_PERSISTED */
	struct kw_err *not_sent; /* why one did not leave; NULL: all did */
};

/* ---- who asks ---- */

static enum kw_rc authenticate_operator(
	struct kw_request *rq, const struct kw_partners *p, struct kw_err *err)
{
	const char *authorization = kw_request_header(rq, "Authorization");

	/* all of them, so that the time does not tell which */
	for (size_t i = 0; i < p->n_operators; i++)
		if (kw_verify_bearer(&p->operators[i].secrets, authorization, NULL) == KW_OK)
			rq->caller = &p->operators[i];
	if (!rq->caller)
		return kw_fail(err, KW_INVALID, "no operator's token");
	return KW_OK;
}

static enum kw_rc authenticate(struct kw_request *rq, struct kw_err *err)
{
	static const enum kw_partner_kind kinds[] = {
		[KW_AUTH_CHANNEL] = KW_CHANNEL,
		[KW_AUTH_PROVIDER] = KW_PROVIDER,
		[KW_AUTH_COURIER] = KW_COURIER,
	};
	const struct kw_svc *svc = rq->ctx;
	const struct kw_partners *partners = kw_svc_partners(svc);

	if (rq->route->auth == KW_AUTH_OPERATOR)
		return authenticate_operator(rq, partners, err);
	kw_assert(rq->route->auth >= KW_AUTH_CHANNEL && rq->route->auth <= KW_AUTH_COURIER);
	kw_assert(rq->params[0] != NULL);
	const struct kw_partner *partner =
		kw_partners_find(partners, kinds[rq->route->auth], rq->params[0]);
	if (!partner) /* a stranger learns no names: the answer is that to a bad signature */
		return kw_fail(err, KW_INVALID, "no such partner");
	const struct kw_adapter *adapter = kw_svc_adapter(svc, partner);
	kw_assert(adapter != NULL); /* checked when the file was read */
	KW_TRY(adapter->verify(partner, rq, err));
	rq->caller = partner;
	return KW_OK;
}

/* ---- append ---- */

static void answer_appended(const struct waiting *w)
{
	const struct kw_append *as = &w->as;
	struct kw_err err;

	if (as->acknowledged)
		as->acknowledged(as->arg);
	if (as->conflict) {
		(void)kw_fail(&err, KW_CONFLICT, "%s", as->conflict);
		kw_deferred_fail(w->deferred, &err);
		return;
	}
	kw_deferred_answer(w->deferred, &(struct kw_response) { .status = 202,
						.body = { as->answer, strlen(as->answer) } });
}

static const char *const outcome_names[] = {
	[KW_PERSISTED] = "persisted",
	[KW_MAYBE] = "maybe",
	[KW_NOT_PERSISTED] = "not_persisted",
	[KW_REFUSED] = "refused",
};

/* One message fewer to wait for; the last one answers the request, which is gone then. */
static void reported(struct waiting *w, enum kw_delivery outcome)
{
	int expected = KW_PERSISTED;
	struct kw_err err;

	if (outcome != KW_PERSISTED)
		atomic_compare_exchange_strong(&w->outcome, &expected, outcome);
	if (atomic_fetch_sub(&w->left, 1) > 1)
		return;
	if (w->job) {
		pthread_mutex_lock(&w->job->lock);
		w->job->over = true;
		pthread_cond_signal(&w->job->ended);
		pthread_mutex_unlock(&w->job->lock);
		return;
	}
	int worst = atomic_load(&w->outcome);
	if (worst == KW_PERSISTED) {
		answer_appended(w);
		return;
	}
	(void)kw_fail(
		&err, KW_RETRY, "Kafka did not confirm the message: %s", outcome_names[worst]);
	kw_deferred_fail(w->deferred, w->not_sent ? w->not_sent : &err);
}

/* Producer's thread, or whoever closes the producer. */
static void delivered(void *ctx, void *opaque, enum kw_delivery outcome, struct kw_landing at)
{
	struct kw_svc *svc = ctx;

	(void)at;
	kw_health_append(outcome_names[outcome]);
	atomic_fetch_sub_explicit(&svc->appending, 1, memory_order_relaxed);
	if (outcome == KW_REFUSED)
		kw_health_error("append");
	reported(opaque, outcome);
}

/* Producer's thread: one wake-up for a round of reports. */
static void round_done(void *ctx)
{
	struct kw_svc *svc = ctx;
	struct kw_server *edge = atomic_load(&svc->edge);

	if (edge)
		kw_server_wake(edge);
}

static const struct kw_topic_row *row_of(const struct kw_svc *svc, const char *type)
{
	const struct kw_topic_row *row = svc->service->topics;

	while (row->topic &&
		(strcmp(row->topic, svc->service->in_topic) != 0 || strcmp(row->type, type) != 0))
		row++;
	kw_assert(row->topic != NULL);
	return row;
}

/* The same content under the same key is the same message, however often it comes. */
static struct kw_uuid message_id(const char *type, const char *key, const struct kw_buf *value)
{
	char hash[32];

	snprintf(hash, sizeof(hash), "%016" PRIx64, kw_hash64(value->p, value->n, 0));
	return kw_uuid_of("message", type, key, hash);
}

/* A message as the broker takes it, in the arena of who sends it. */
struct sendable {
	struct kw_bytes key, value;
	struct kw_header headers[KW_HEADERS_MAX];
	size_t n_headers;
};

/* Whose message it is. */
struct sender {
	const struct kw_svc *svc;
	struct kw_arena *arena;
	kw_time now;
	struct kw_trace trace;
};

static enum kw_rc make_sendable(const struct sender *from, const char *type,
	const struct kw_message_out *m, struct sendable *ret, struct kw_err *err)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf value;

	kw_buf_init(&value, MESSAGE_MAX);
	kw_json_encode(row_of(from->svc, type)->fields, m->data, &value);
	if (value.full)
		return kw_fail(err, KW_INVALID, "the message would be larger than 1 MiB");
	struct kw_envelope e = {
		.id = message_id(type, m->key, &value),
		.type = type,
		.source = from->svc->source,
		.subject = m->subject.s,
		.time = from->now,
		.trace = from->trace,
	};
	ret->key = (struct kw_bytes) { m->key, strlen(m->key) };
	ret->value = (struct kw_bytes) { kw_arena_copy(from->arena, value.p, value.n), value.n };
	ret->n_headers = kw_envelope_headers(&e, from->arena, ret->headers);
	return KW_OK;
}

/* With the gate held; each message gets its report. With the last one the waiting request is gone,
 * and m with it: none is touched after its turn. */
static void send_all(struct kw_svc *svc, struct waiting *w, struct kw_arena *a,
	const struct sendable *m, size_t n, struct kw_err *err)
{
	atomic_init(&w->left, n);
	atomic_init(&w->outcome, KW_PERSISTED);
	atomic_fetch_add_explicit(&svc->appending, (int)n, memory_order_relaxed);
	for (size_t i = 0; i < n; i++)
		if (kw_producer_send(svc->producer, svc->in_topic->name,
			    kw_partition_of(m[i].key, (int32_t)svc->in_topic->partitions), m[i].key,
			    m[i].value, m[i].headers, m[i].n_headers, w, err) != KW_OK) {
			atomic_fetch_sub_explicit(&svc->appending, 1, memory_order_relaxed);
			kw_health_append("not_sent");
			w->not_sent = kw_arena_copy(a, err, sizeof(*err));
			reported(w, KW_NOT_PERSISTED);
		}
}

/* With the gate held: may something be sent? */
static enum kw_rc may_send(const struct kw_svc *svc, struct kw_err *err)
{
	/* before, a message could go to a partition where nobody looks for its key */
	if (!atomic_load(&svc->verified))
		return kw_fail(err, KW_RETRY, "Kafka's topics are not verified yet");
	if (svc->closed || !svc->producer)
		return kw_fail(err, KW_RETRY, "leaving");
	return KW_OK;
}

static enum kw_rc append(struct kw_request *rq, const char *type,
	const struct kw_message_out *messages, size_t n, const struct kw_append *as,
	struct kw_err *err)
{
	struct kw_svc *svc = rq->ctx;
	const struct sender from = { svc, rq->arena, rq->now, rq->trace };
	struct sendable *m = kw_new(rq->arena, struct sendable, n);
	struct waiting *w = kw_new(rq->arena, struct waiting, 1);

	kw_assert(n > 0);
	for (size_t i = 0; i < n; i++)
		KW_TRY(make_sendable(&from, type, &messages[i], &m[i], err));
	pthread_rwlock_rdlock(&svc->gate);
	enum kw_rc rc = may_send(svc, err);
	if (rc == KW_OK) {
		w->as = *as;
		w->deferred = kw_request_defer(rq);
		send_all(svc, w, rq->arena, m, n, err);
	}
	pthread_rwlock_unlock(&svc->gate);
	return rc;
}

enum kw_rc kw_svc_append_now(struct kw_svc *svc, struct kw_arena *a,
	const struct kw_job_message *messages, size_t n, struct kw_err *err)
{
	struct waiting_job job = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false };
	struct waiting w = { .job = &job };
	struct sendable *m = kw_new(a, struct sendable, n);

	if (n == 0)
		return KW_OK;
	for (size_t i = 0; i < n; i++) {
		const struct sender from = { svc, a, kw_now(&kw_clock_system),
			kw_trace_from(messages[i].trace) };
		KW_TRY(make_sendable(&from, messages[i].type, &messages[i].out, &m[i], err));
	}
	pthread_rwlock_rdlock(&svc->gate);
	enum kw_rc rc = may_send(svc, err);
	if (rc == KW_OK)
		send_all(svc, &w, a, m, n, err);
	pthread_rwlock_unlock(&svc->gate);
	if (rc != KW_OK)
		return rc;
	pthread_mutex_lock(&job.lock);
	while (!job.over) /* each message has its report within the producer's time-out */
		pthread_cond_wait(&job.ended, &job.lock);
	pthread_mutex_unlock(&job.lock);
	int worst = atomic_load(&w.outcome);
	return worst == KW_PERSISTED
		       ? KW_OK
		       : kw_fail(err, KW_RETRY, "Kafka did not confirm the message: %s",
				 outcome_names[worst]);
}

bool kw_svc_appends(const struct kw_svc *svc)
{
	return !svc->once;
}

enum kw_rc kw_svc_append(struct kw_request *rq, const char *type, const char *key,
	const struct kw_uuid *subject, const void *data, const char *answer, struct kw_err *err)
{
	return kw_svc_append_as(
		rq, type, key, subject, data, &(struct kw_append) { .answer = answer }, err);
}

enum kw_rc kw_svc_append_as(struct kw_request *rq, const char *type, const char *key,
	const struct kw_uuid *subject, const void *data, const struct kw_append *as,
	struct kw_err *err)
{
	return append(rq, type, &(struct kw_message_out) { key, *subject, data }, 1, as, err);
}

enum kw_rc kw_svc_append_all(struct kw_request *rq, const char *type,
	const struct kw_message_out *messages, size_t n, const char *answer, struct kw_err *err)
{
	return append(rq, type, messages, n, &(struct kw_append) { .answer = answer }, err);
}

enum kw_rc kw_svc_reply(struct kw_request *rq, struct kw_response *rs,
	const struct kw_field *fields, const void *data, struct kw_err *err)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf text;

	kw_buf_init(&text, REPLY_MAX);
	kw_json_encode(fields, data, &text);
	if (text.full)
		return kw_fail(err, KW_FATAL, "an answer larger than 8 MiB");
	rs->body = (struct kw_bytes) { kw_arena_copy(rq->arena, text.p, text.n), text.n };
	return KW_OK;
}

const char *kw_svc_text(struct kw_arena *a, const struct kw_field *fields, const void *data)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf text;

	kw_buf_init(&text, MESSAGE_MAX);
	kw_json_encode(fields, data, &text);
	kw_assert(!text.full);
	return kw_arena_strn(a, text.p, text.n);
}

enum kw_rc kw_svc_cursor(
	struct kw_request *rq, kw_time *ret_time, struct kw_uuid *ret_id, struct kw_err *err)
{
	const char *text = kw_request_query(rq, "cursor");
	kw_time time = 0;
	int digits = 0;

	if (!text)
		return KW_OK;
	for (; text[digits] >= '0' && text[digits] <= '9' && digits < 17; digits++)
		time = time * 10 + (text[digits] - '0');
	if (digits == 0 || text[digits] != '_' || !kw_uuid_parse(text + digits + 1, ret_id))
		return kw_fail_at(err, KW_INVALID, "/cursor", "is not a cursor of this list");
	*ret_time = time;
	return KW_OK;
}

const char *kw_svc_cursor_text(struct kw_arena *a, kw_time time, const struct kw_uuid *id)
{
	return kw_arena_printf(a, "%" PRId64 "_%s", time, id->s);
}

/* ---- for stream.c ---- */

const struct kw_topic_row *kw_edge_row(const struct kw_svc *svc, const char *type)
{
	return row_of(svc, type);
}

struct kw_uuid kw_edge_message_id(const char *type, const char *key, const struct kw_buf *value)
{
	return message_id(type, key, value);
}

/* ---- open, close ---- */

enum kw_rc kw_edge_open(struct kw_svc *svc, struct kw_err *err)
{
	const struct kw_common *c = &svc->common;
	struct kw_producer *producer;
	struct kw_server *edge;

	snprintf(svc->source, sizeof(svc->source), "/karwan/%s/edge", svc->service->name);
	KW_TRY(kw_producer_open(
		&(struct kw_producer_config) {
			.brokers = c->brokers,
			.client_id = svc->service->name,
			.linger_ms = (int)c->linger_ms,
			.timeout_ms = SEND_TIMEOUT_MS,
			.delivered = delivered,
			.round_done = round_done,
			.ctx = svc,
		},
		&producer, err));
	pthread_rwlock_wrlock(&svc->gate); /* /readyz looks at it */
	svc->producer = producer;
	pthread_rwlock_unlock(&svc->gate);
	svc->readers = kw_readers_new(svc);
	svc->streams = kw_streams_new(svc);
	KW_TRY(kw_server_start(
		&(struct kw_server_config) {
			.listen = c->listen,
			.routes = svc->service->routes,
			.authenticate = authenticate,
			.observe = kw_health_observe,
			.clock = &kw_clock_system,
			.ctx = svc,
			.threads = (int)c->http_threads,
			.connections_max = (int)c->http_connections,
			.per_address_max = (int)c->http_per_address,
			.deadline_ms = (int)c->http_deadline_ms,
			.deferred_max = (int)c->deferred_max,
			.access_log = c->access_log,
		},
		&edge, err));
	atomic_store(&svc->edge, edge);
	return KW_OK;
}

bool kw_edge_kafka_up(struct kw_svc *svc)
{
	pthread_rwlock_rdlock(&svc->gate);
	bool up = svc->producer && !svc->closed && kw_producer_up(svc->producer);
	pthread_rwlock_unlock(&svc->gate);
	return up;
}

void kw_edge_close(struct kw_svc *svc)
{
	struct kw_server *edge = atomic_load(&svc->edge);

	if (edge)
		kw_server_drain(edge);
	kw_streams_close(svc->streams);
	pthread_rwlock_wrlock(&svc->gate);
	svc->closed = true; /* from here on nobody uses the producer */
	pthread_rwlock_unlock(&svc->gate);
	if (svc->producer)
		kw_producer_close(svc->producer, SEND_TIMEOUT_MS);
	kw_server_stop(edge);
	atomic_store(&svc->edge, NULL);
	kw_streams_free(svc->streams);
	svc->streams = NULL;
	kw_readers_free(svc->readers);
	svc->readers = NULL;
}
