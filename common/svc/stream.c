/* Many messages of one request: pulled one after the other, appended with a window, answered when
 * the broker has acknowledged all. One thread and one producer for all such requests, both made at
 * the first one, so that the short requests of the edge wait for none of them. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/log.h"
#include "svc/impl.h"
#include "json/json.h"

#define WAITING_MAX 8 /* requests; more are refused with 503 */
#define IN_FLIGHT_MAX 10000
#define IN_FLIGHT_BYTES_MAX (8 * 1024 * 1024)
#define MESSAGE_MAX (1024 * 1024)
#define ARENA_MAX (64 * 1024 * 1024) /* of one message */
#define SEND_TIMEOUT_MS 5000
#define FULL_WAIT_MS 20
#define FULL_WAITS_MAX (SEND_TIMEOUT_MS / FULL_WAIT_MS)

/* One request that waits; in its arena. */
struct job {
	struct job *next;
	struct kw_deferred *deferred;
	struct kw_stream stream;
	struct kw_trace trace;
	kw_time now;
};

struct kw_streams {
	struct kw_svc *svc;
	pthread_mutex_t lock; /* all below, but for what says otherwise */
	pthread_cond_t work, moved;
	pthread_t thread;
	bool started, closing;
	struct job *first, **end;
	int n_waiting;
	/* of the request at hand */
	size_t in_flight, in_flight_bytes;
	size_t wanted, wanted_bytes; /* what the thread waits for */
	bool lost;                   /* a message was not acknowledged */
	/* the thread's own */
	struct kw_producer *producer;
	struct kw_arena *arena;
	struct kw_buf value;
};

struct kw_streams *kw_streams_new(struct kw_svc *svc)
{
	struct kw_streams *streams = calloc(1, sizeof(*streams));

	kw_assert(streams != NULL);
	streams->svc = svc;
	streams->end = &streams->first;
	pthread_mutex_init(&streams->lock, NULL);
	pthread_cond_init(&streams->work, NULL);
	pthread_cond_init(&streams->moved, NULL);
	return streams;
}

/* ---- the broker's word ---- */

static bool few(const struct kw_streams *streams)
{
	return streams->in_flight <= streams->wanted &&
	       streams->in_flight_bytes <= streams->wanted_bytes;
}

/* Producer's thread, or whoever closes the producer. opaque: the message's bytes. */
static void delivered(void *ctx, void *opaque, enum kw_delivery outcome, struct kw_landing at)
{
	static const char *const names[] = {
		[KW_PERSISTED] = "persisted",
		[KW_MAYBE] = "maybe",
		[KW_NOT_PERSISTED] = "not_persisted",
		[KW_REFUSED] = "refused",
	};
	struct kw_streams *streams = ctx;

	(void)at;
	kw_health_append(names[outcome]);
	if (outcome == KW_REFUSED)
		kw_health_error("append");
	pthread_mutex_lock(&streams->lock);
	streams->in_flight--;
	streams->in_flight_bytes -= (size_t)(uintptr_t)opaque;
	if (outcome != KW_PERSISTED)
		streams->lost = true;
	if (few(streams))
		pthread_cond_signal(&streams->moved);
	pthread_mutex_unlock(&streams->lock);
}

/* Until not more than so many are in flight. Each gets its report within the producer's time-out.
 */
static enum kw_rc wait_until(struct kw_streams *streams, size_t in_flight, struct kw_err *err)
{
	pthread_mutex_lock(&streams->lock);
	while (streams->in_flight > in_flight)
		pthread_cond_wait(&streams->moved, &streams->lock);
	bool lost = streams->lost, closing = streams->closing;
	pthread_mutex_unlock(&streams->lock);
	if (closing)
		return kw_fail(err, KW_RETRY, "leaving");
	return lost ? kw_fail(err, KW_RETRY, "Kafka did not confirm all of it") : KW_OK;
}

/* ---- one message ---- */

static enum kw_rc send_bytes(struct kw_streams *streams, const struct kw_stream_message *m,
	const struct kw_header *headers, size_t n_headers, struct kw_err *err)
{
	const struct kw_topic *topic = streams->svc->in_topic;
	struct kw_bytes key = { m->key, strlen(m->key) },
			value = { streams->value.p, streams->value.n };
	enum kw_rc rc = KW_RETRY;

	pthread_mutex_lock(&streams->lock);
	streams->in_flight++;
	streams->in_flight_bytes += value.n;
	pthread_mutex_unlock(&streams->lock);
	/* a full queue, or an instance that is being replaced: for a moment only */
	for (int i = 0; rc == KW_RETRY && i < FULL_WAITS_MAX; i++) {
		if (i > 0)
			nanosleep(&(struct timespec) { .tv_nsec = FULL_WAIT_MS * 1000000L }, NULL);
		rc = kw_producer_send(streams->producer, topic->name,
			kw_partition_of(key, (int32_t)topic->partitions), key, value, headers,
			n_headers, (void *)(uintptr_t)value.n, err);
	}
	if (rc == KW_OK)
		return KW_OK;
	kw_health_append("not_sent");
	pthread_mutex_lock(&streams->lock);
	streams->in_flight--;
	streams->in_flight_bytes -= value.n;
	pthread_mutex_unlock(&streams->lock);
	return rc;
}

static enum kw_rc send_one(struct kw_streams *streams, const struct job *job,
	const struct kw_stream_message *m, struct kw_err *err)
{
	struct kw_svc *svc = streams->svc;
	struct kw_header headers[KW_HEADERS_MAX];

	kw_buf_clear(&streams->value);
	kw_json_encode(kw_edge_row(svc, m->type)->fields, m->data, &streams->value);
	if (streams->value.full)
		return kw_fail(err, KW_INVALID, "a message would be larger than 1 MiB");
	struct kw_envelope e = {
		.id = kw_edge_message_id(m->type, m->key, &streams->value),
		.type = m->type,
		.source = svc->source,
		.subject = m->subject.s,
		.time = job->now,
		.trace = job->trace,
	};
	size_t n = kw_envelope_headers(&e, streams->arena, headers);
	if (m->after_all)
		KW_TRY(wait_until(streams, 0, err));
	KW_TRY(send_bytes(streams, m, headers, n, err));
	pthread_mutex_lock(&streams->lock);
	bool full = streams->in_flight >= IN_FLIGHT_MAX ||
		    streams->in_flight_bytes >= IN_FLIGHT_BYTES_MAX;
	bool stop = streams->lost || streams->closing;
	pthread_mutex_unlock(&streams->lock);
	return full || stop ? wait_until(streams, stop ? 0 : 2, err) : KW_OK;
}

/* ---- one request ---- */

static enum kw_rc send_all(struct kw_streams *streams, const struct job *job, struct kw_err *err)
{
	enum kw_rc rc = KW_OK;

	if (!streams->producer)
		KW_TRY(kw_producer_open(
			&(struct kw_producer_config) {
				.brokers = streams->svc->common.brokers,
				.client_id = streams->svc->service->name,
				.linger_ms = (int)streams->svc->common.linger_ms,
				.timeout_ms = SEND_TIMEOUT_MS,
				.queue_max_messages = 2 * IN_FLIGHT_MAX,
				.delivered = delivered,
				.ctx = streams,
			},
			&streams->producer, err));
	streams->lost = false;
	while (rc == KW_OK) {
		struct kw_stream_message m = { 0 };

		kw_arena_reset(streams->arena);
		rc = job->stream.next(job->stream.arg, streams->arena, &m, err);
		if (rc == KW_OK)
			rc = send_one(streams, job, &m, err);
	}
	if (rc == KW_NOTHING)
		return wait_until(streams, 0, err);
	(void)wait_until(streams, 0, &(struct kw_err) { 0 });
	return rc;
}

static void run_job(struct kw_streams *streams, struct job *job, bool closing)
{
	struct kw_server *edge = atomic_load(&streams->svc->edge);
	struct kw_deferred *deferred = job->deferred;
	const char *answer = job->stream.answer;
	struct kw_err err = { 0 };
	enum kw_rc rc = closing ? kw_fail(&err, KW_RETRY, "leaving") : send_all(streams, job, &err);

	if (job->stream.done)
		job->stream.done(job->stream.arg);
	if (rc == KW_OK)
		kw_deferred_answer(deferred, &(struct kw_response) { .status = 202,
						     .body = { answer, strlen(answer) } });
	else
		kw_deferred_fail(deferred, &err);
	if (edge)
		kw_server_wake(edge);
}

static void *run(void *arg)
{
	struct kw_streams *streams = arg;

	streams->arena = kw_arena_new(ARENA_MAX);
	kw_buf_init(&streams->value, MESSAGE_MAX);
	for (;;) {
		pthread_mutex_lock(&streams->lock);
		while (!streams->first && !streams->closing)
			pthread_cond_wait(&streams->work, &streams->lock);
		struct job *job = streams->first;
		bool closing = streams->closing;
		if (job) {
			streams->first = job->next;
			streams->end = streams->first ? streams->end : &streams->first;
			streams->n_waiting--;
		}
		pthread_mutex_unlock(&streams->lock);
		if (!job)
			break;
		run_job(streams, job, closing);
	}
	if (streams->producer)
		kw_producer_close(streams->producer, SEND_TIMEOUT_MS);
	kw_buf_done(&streams->value);
	kw_arena_free(streams->arena);
	return NULL;
}

/* ---- the edge's side ---- */

/* With the lock. */
static void start(struct kw_streams *streams)
{
	sigset_t all, before;

	sigfillset(&all); /* signals are for the main thread */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	kw_assert(pthread_create(&streams->thread, NULL, run, streams) == 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	streams->started = true;
}

enum kw_rc kw_svc_append_stream(
	struct kw_request *rq, const struct kw_stream *stream, struct kw_err *err)
{
	struct kw_svc *svc = rq->ctx;
	struct kw_streams *streams = svc->streams;
	struct job *job = kw_new(rq->arena, struct job, 1);
	enum kw_rc rc = KW_OK;

	*job = (struct job) { .stream = *stream, .trace = rq->trace, .now = rq->now };
	pthread_mutex_lock(&streams->lock);
	if (streams->closing)
		rc = kw_fail(err, KW_RETRY, "leaving");
	else if (!atomic_load(&svc->verified))
		rc = kw_fail(err, KW_RETRY, "Kafka's topics are not verified yet");
	else if (streams->n_waiting >= WAITING_MAX)
		rc = kw_fail(err, KW_RETRY, "%d requests of this kind wait already", WAITING_MAX);
	if (rc == KW_OK) {
		if (!streams->started)
			start(streams);
		job->deferred = kw_request_defer(rq);
		*streams->end = job;
		streams->end = &job->next;
		streams->n_waiting++;
		pthread_cond_signal(&streams->work);
	}
	pthread_mutex_unlock(&streams->lock);
	if (rc != KW_OK && stream->done)
		stream->done(stream->arg);
	return rc;
}

void kw_streams_close(struct kw_streams *streams)
{
	if (!streams)
		return;
	pthread_mutex_lock(&streams->lock);
	streams->closing = true;
	bool started = streams->started;
	pthread_cond_broadcast(&streams->work);
	pthread_mutex_unlock(&streams->lock);
	if (started)
		pthread_join(streams->thread, NULL);
}

void kw_streams_free(struct kw_streams *streams)
{
	if (!streams)
		return;
	pthread_mutex_destroy(&streams->lock);
	pthread_cond_destroy(&streams->work);
	pthread_cond_destroy(&streams->moved);
	free(streams);
}
