/* The loop of a runner: poll, process, recover; readiness, lag, and the end of `once`. Consumer
 * thread only. */
#include "flow/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/log.h"

#define POLL_MS 100
#define SETTLE_US KW_US_PER_S
#define REST_SHARE 3
#define REST_MAX_US 40000
#define BACKOFF_MIN_MS 20
#define BACKOFF_MAX_MS 1000

static void not_ready(struct kw_runner *r, const char *why)
{
	atomic_store(&r->why, why);
	atomic_store(&r->ready, false);
}

/* Same error again and again is said once in ten seconds. */
static void say(
	struct kw_runner *r, enum kw_log_level level, const char *message, const struct kw_err *err)
{
	static _Thread_local char last[64];
	static _Thread_local int64_t said_at;
	int64_t now = kw_monotonic_us();

	if (strncmp(last, err->reason, sizeof(last) - 1) == 0 && now - said_at < 10 * KW_US_PER_S)
		return;
	said_at = now;
	snprintf(last, sizeof(last), "%.63s", err->reason);
	kw_log_err(level, message, err, KW_LS("group", r->group));
}

static void backoff(int *ms)
{
	int wait_ms = *ms / 2 + (int)(kw_monotonic_us() % (*ms / 2 + 1));
	struct timespec ts = { wait_ms / 1000, (wait_ms % 1000) * 1000000L };

	nanosleep(&ts, NULL);
	*ms = *ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : *ms * 2;
}

static void report(struct kw_runner *r, int64_t *last_us)
{
	int64_t now = kw_monotonic_us(), lags[KW_RUNNER_TOPICS_MAX] = { 0 };

	if (now - *last_us < KW_US_PER_S / 2)
		return;
	*last_us = now;
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(1024 * 1024);
	struct kw_position *positions = kw_new(a, struct kw_position, r->n_parts);
	for (size_t i = 0; i < r->n_parts; i++) {
		const struct kw_part *part = &r->parts[i];
		int64_t high = kw_consumer_high(r->consumer, part->topic, part->partition);

		positions[i] =
			(struct kw_position) { part->topic, part->partition, part->next_offset };
		for (size_t t = 0; t < r->n_topics && high > part->next_offset; t++)
			if (strcmp(r->topics[t], part->topic) == 0)
				lags[t] += high - part->next_offset;
	}
	if (r->n_parts > 0)
		kw_consumer_report(r->consumer, positions, r->n_parts);
	for (size_t t = 0; t < r->n_topics; t++)
		atomic_store_explicit(&r->stats.lags[t], lags[t], memory_order_relaxed);
}

/* Is there a partition of which nobody has looked yet whether it is the log that was read? */
static bool unverified(const struct kw_runner *r)
{
	for (size_t i = 0; i < r->n_parts; i++)
		if (r->parts[i].verify)
			return true;
	return false;
}

/* once: is every partition read to its end? */
static bool drained(struct kw_runner *r)
{
	struct kw_err err;

	if (r->n_parts == 0 || r->pending || r->put_off_us || unverified(r))
		return false;
	for (size_t i = 0; i < r->n_parts; i++) {
		int64_t low, high;
		if (kw_consumer_watermarks(r->consumer, r->parts[i].topic, r->parts[i].partition,
			    5000, &low, &high, &err) != KW_OK ||
			r->parts[i].position < high)
			return false;
	}
	return true;
}

/* What to do after a step that did not go well. OK: go on. */
static enum kw_rc recover(
	struct kw_runner *r, enum kw_rc rc, int *backoff_ms, const struct kw_err *err)
{
	if (rc == KW_FATAL)
		return rc;
	say(r, strcmp(err->code, "LOG_CHANGED") == 0 ? KW_ERROR : KW_WARNING, "batch runner waits",
		err);
	STAT(r, retries, 1);
	if (strcmp(err->code, "EPOCH") == 0) {
		not_ready(r, "the database is not the one that was accepted");
	} else if (strcmp(err->code, "LOG_CHANGED") == 0) {
		r->changed = true;
		not_ready(r, "a topic is not what was read: an operator must accept it");
	} else {
		not_ready(r, "PostgreSQL or Kafka is away");
	}
	r->pending = r->n_parts > 0;
	backoff(backoff_ms);
	return KW_OK;
}

/* A batch that was not full is followed by a rest in proportion to its work: what comes meanwhile
 * is one batch. So a transaction, its statements and the requests behind it are shared by more
 * messages the more there is to do, and a message that comes alone waits for nothing. */
static void rest(struct kw_runner *r)
{
	int64_t left_us = r->rest_until_us - kw_monotonic_us();
	struct timespec ts = { 0, left_us * 1000 };

	if (left_us > 0)
		nanosleep(&ts, NULL);
}

static void plan_rest(struct kw_runner *r, size_t n, int64_t began_us)
{
	int64_t now = kw_monotonic_us(), rest_us = REST_SHARE * (now - began_us);

	r->rest_until_us =
		n < r->config.batch_max ? now + (rest_us < REST_MAX_US ? rest_us : REST_MAX_US) : 0;
}

/* The offset rows say at the latest after SETTLE_US what was passed over. */
static enum kw_rc settle(struct kw_runner *r, bool at_once, struct kw_err *err)
{
	if (r->pending || (!at_once && kw_monotonic_us() - r->put_off_us < SETTLE_US))
		return KW_OK;
	return kw_batch_settle(r, err);
}

/* After a step that went well. With much to work off it takes long until each partition has been
 * looked at: who commits is ready, unless one of them was not what it should be. */
static void judge_ready(struct kw_runner *r)
{
	if (r->n_parts == 0 || r->pending)
		return;
	if (!unverified(r))
		r->changed = false;
	else if (r->changed || atomic_load(&r->stats.batches) == 0)
		return;
	atomic_store(&r->ready, true);
}

static enum kw_rc step(struct kw_runner *r, bool once, bool *ret_done, struct kw_err *err)
{
	const struct kw_message *ms;
	struct kw_position fault = { 0 };
	size_t n = 0;
	enum kw_rc rc;

	if (kw_consumer_take_lost(r->consumer) && r->n_parts > 0)
		r->pending = true;
	if (r->pending)
		KW_TRY(kw_reload(r, err));
	rest(r);
	KW_TRY(settle(r, false, err));
	rc = kw_consumer_poll(r->consumer, POLL_MS, r->config.batch_max, KW_BATCH_BYTES_MAX, &ms,
		&n, &fault, err);
	if (rc == KW_NOTHING) {
		*ret_done = once && drained(r);
		rc = once ? settle(r, true, err) : KW_OK;
	} else if (rc == KW_OK && r->n_parts > 0 && kw_consumer_take_lost(r->consumer)) {
		/* what came may be of a log that lost its tail meanwhile: verified first */
		r->pending = true;
	} else if (rc == KW_OK && !r->pending) {
		int64_t began_us = kw_monotonic_us();
		rc = kw_batch_process(r, ms, n, err);
		plan_rest(r, n, began_us);
	}
	if (rc == KW_OK)
		judge_ready(r);
	return rc;
}

enum kw_rc kw_runner_run(struct kw_runner *r, bool once, struct kw_err *err)
{
	int backoff_ms = BACKOFF_MIN_MS;
	int64_t reported_us = 0;
	bool done = false;

	while (!done && !atomic_load(&r->stop)) {
		enum kw_rc rc = step(r, once, &done, err);
		if (rc == KW_OK)
			backoff_ms = BACKOFF_MIN_MS;
		else
			KW_TRY(recover(r, rc, &backoff_ms, err));
		report(r, &reported_us);
	}
	return KW_OK;
}

enum kw_rc kw_runner_open(
	const struct kw_flow_config *config, struct kw_runner **ret, struct kw_err *err)
{
	struct kw_runner *r = calloc(1, sizeof(*r));

	kw_assert(r != NULL);
	r->config = *config;
	if (r->config.batch_max == 0)
		r->config.batch_max = 1000;
	snprintf(r->group, sizeof(r->group), "karwan.%s", config->service);
	for (const struct kw_topic_row *row = config->rows; row->topic; row++) {
		bool known = false;
		for (size_t i = 0; i < r->n_topics && !known; i++)
			known = strcmp(r->topics[i], row->topic) == 0;
		kw_assert(known || r->n_topics < KW_LEN(r->topics));
		if (!known)
			r->topics[r->n_topics++] = row->topic;
	}
	r->arena = kw_arena_new(KW_ARENA_MAX);
	r->assign_arena = kw_arena_new(KW_ARENA_MAX);
	r->load_arena = kw_arena_new(KW_ARENA_MAX);
	kw_batch_impl_init(&r->impl, config);
	atomic_store(&r->why, "starting");
	r->pg = kw_pg_new(&(struct kw_pg_config) {
		.dsn = config->dsn,
		.schema = config->schema,
		.application = r->group,
		.on_session = kw_identity_check,
	});
	enum kw_rc rc = kw_consumer_open(
		&(struct kw_consumer_config) {
			.brokers = config->brokers,
			.group = r->group,
			.client_id = config->service,
			.topics = r->topics,
			.n_topics = r->n_topics,
			.session_ms = config->session_ms,
			.on_assign = kw_assign,
			.on_revoke = kw_revoke,
			.ctx = r,
		},
		&r->consumer, err);
	if (rc != KW_OK) {
		kw_runner_close(r);
		return rc;
	}
	*ret = r;
	return KW_OK;
}

void kw_runner_close(struct kw_runner *r)
{
	if (!r)
		return;
	if (r->consumer)
		kw_consumer_close(r->consumer, 3000);
	kw_pg_free(r->pg);
	kw_batch_impl_done(&r->impl);
	kw_arena_free(r->arena);
	kw_arena_free(r->assign_arena);
	kw_arena_free(r->load_arena);
	free(r);
}

void kw_runner_stop(struct kw_runner *r)
{
	atomic_store(&r->stop, true);
}

bool kw_runner_ready(struct kw_runner *r, const char **ret_why)
{
	bool ready = atomic_load(&r->ready);

	*ret_why = ready ? "" : atomic_load(&r->why);
	return ready;
}

void kw_runner_stats(struct kw_runner *r, struct kw_runner_stats *ret)
{
#define READ(name) .name = atomic_load_explicit(&r->stats.name, memory_order_relaxed)
	*ret = (struct kw_runner_stats) { READ(batches), READ(messages), READ(retries),
		READ(dead_letters), READ(repeats), READ(gaps), READ(skipped), READ(last_batch),
		READ(batch_us_sum), .n_topics = r->n_topics };
#undef READ
	for (size_t t = 0; t < r->n_topics; t++) {
		ret->topics[t] = r->topics[t];
		ret->lags[t] = atomic_load_explicit(&r->stats.lags[t], memory_order_relaxed);
	}
}
