/* The threads beside the edge: consumers, publisher, jobs, and the watch that compares the topics
 * and asks how PostgreSQL and Redis are. Each bears with servers that are away; FATAL ends the
 * service. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "flow/identity.h"
#include "svc/impl.h"

#define JOB_ARENA_MAX ((size_t)256 * 1024 * 1024)
#define JOBS_MAX 32
#define JOB_BACKOFF_MIN_MS 100
#define JOB_BACKOFF_MAX_MS 5000
#define VERIFY_TIMEOUT_MS 5000
#define VERIFY_PAUSE_MS 500
#define WATCH_MS 1000
#define SAY_US (10 * KW_US_PER_S) /* the same trouble is said so often */

static void *consume(void *arg);
static void *publish(void *arg);
static void *run_jobs(void *arg);
static void *run_apart(void *arg);
static void *watch(void *arg);
static void *run_once(void *arg);

/* ---- start, stop, fail ---- */

static void start_thread(pthread_t *thread, void *(*run)(void *), void *arg)
{
	kw_assert(pthread_create(thread, NULL, run, arg) == 0);
}

void kw_work_start(struct kw_svc *svc)
{
	start_thread(&svc->watch_thread, watch, svc);
	if (svc->once) {
		start_thread(&svc->once_thread, run_once, svc);
		return;
	}
	for (int i = 0; i < svc->common.consumers; i++) {
		svc->consumers[i].svc = svc;
		start_thread(&svc->consumers[i].thread, consume, &svc->consumers[i]);
	}
	start_thread(&svc->publisher_thread, publish, svc);
	start_thread(&svc->jobs_thread, run_jobs, svc);
	start_thread(&svc->sample_thread, kw_sample_run, svc);
	start_thread(&svc->apart_thread, run_apart, svc);
}

static void close_runner(struct kw_svc *svc, struct kw_consumer_thread *c)
{
	pthread_mutex_lock(&svc->look);
	struct kw_runner *runner = c->runner;
	c->runner = NULL;
	pthread_mutex_unlock(&svc->look);
	kw_runner_close(runner);
}

static void close_publisher(struct kw_svc *svc)
{
	pthread_mutex_lock(&svc->look);
	struct kw_publisher *publisher = svc->publisher;
	svc->publisher = NULL;
	pthread_mutex_unlock(&svc->look);
	kw_publisher_close(publisher);
}

void kw_work_ask_stop(struct kw_svc *svc)
{
	pthread_mutex_lock(&svc->look);
	for (int i = 0; i < KW_CONSUMERS_MAX; i++)
		if (svc->consumers[i].runner)
			kw_runner_stop(svc->consumers[i].runner);
	if (svc->once && svc->publisher)
		kw_publisher_stop(svc->publisher);
	pthread_mutex_unlock(&svc->look);
}

/* Consumers and jobs first: the publisher may still send what they have written. */
void kw_work_stop(struct kw_svc *svc)
{
	if (!svc->watch_thread)
		return; /* never started */
	if (svc->once) {
		pthread_join(svc->once_thread, NULL);
	} else {
		for (int i = 0; i < svc->common.consumers; i++)
			pthread_join(svc->consumers[i].thread, NULL);
		pthread_join(svc->jobs_thread, NULL);
		pthread_join(svc->apart_thread, NULL);
		pthread_join(svc->sample_thread, NULL);
		pthread_mutex_lock(&svc->look);
		atomic_store(&svc->written, true);
		if (svc->publisher)
			kw_publisher_stop(svc->publisher);
		pthread_mutex_unlock(&svc->look);
		pthread_join(svc->publisher_thread, NULL);
	}
	pthread_join(svc->watch_thread, NULL);
	kw_client_free(svc->client);
}

void kw_svc_fail(struct kw_svc *svc, const char *where, const struct kw_err *err, int status)
{
	int none = 0;

	kw_health_error(where);
	kw_log_err(KW_ERROR, "cannot go on", err, KW_LS("where", where));
	atomic_compare_exchange_strong(&svc->exit_status, &none, status);
	kill(getpid(), SIGTERM);
}

bool kw_svc_wait(struct kw_svc *svc, const atomic_bool *flag, int wait_ms)
{
	int64_t until = kw_monotonic_us() + wait_ms * 1000LL;
	struct timespec ts = { until / KW_US_PER_S, until % KW_US_PER_S * 1000 };
	int timed_out = 0;

	pthread_mutex_lock(&svc->lock);
	while (!atomic_load(&svc->leaving) && !(flag && atomic_load(flag)) && !timed_out) {
		if (wait_ms < 0)
			pthread_cond_wait(&svc->changed, &svc->lock);
		else
			timed_out = pthread_cond_timedwait(&svc->changed, &svc->lock, &ts);
	}
	pthread_mutex_unlock(&svc->lock);
	return !atomic_load(&svc->leaving);
}

/* ---- consumers, publisher ---- */

/* A runner that may be stopped from now on; NULL when the service leaves. */
static struct kw_runner *open_runner(struct kw_svc *svc, struct kw_consumer_thread *c)
{
	struct kw_runner *runner;
	struct kw_err err = { 0 };

	if (kw_runner_open(&svc->flow, &runner, &err) != KW_OK) {
		kw_svc_fail(svc, "consumer", &err, 1);
		return NULL;
	}
	pthread_mutex_lock(&svc->look);
	c->runner = runner;
	if (atomic_load(&svc->leaving))
		kw_runner_stop(runner);
	pthread_mutex_unlock(&svc->look);
	return runner;
}

static void *consume(void *arg)
{
	struct kw_consumer_thread *c = arg;
	struct kw_svc *svc = c->svc;
	struct kw_err err = { 0 };

	if (!kw_svc_wait(svc, &svc->verified, -1))
		return NULL;
	struct kw_runner *runner = open_runner(svc, c);
	if (!runner)
		return NULL;
	if (kw_runner_run(runner, false, &err) != KW_OK)
		kw_svc_fail(svc, "consumer", &err, 1);
	close_runner(svc, c);
	return NULL;
}

static struct kw_publisher *open_publisher(struct kw_svc *svc)
{
	struct kw_publisher *publisher;
	struct kw_err err = { 0 };

	if (kw_publisher_open(&svc->flow, &publisher, &err) != KW_OK) {
		kw_svc_fail(svc, "publisher", &err, 1);
		return NULL;
	}
	pthread_mutex_lock(&svc->look);
	svc->publisher = publisher;
	if (atomic_load(&svc->written) || (svc->once && atomic_load(&svc->leaving)))
		kw_publisher_stop(publisher);
	pthread_mutex_unlock(&svc->look);
	return publisher;
}

static void *publish(void *arg)
{
	struct kw_svc *svc = arg;
	struct kw_err err = { 0 };

	if (!kw_svc_wait(svc, &svc->verified, -1))
		return NULL;
	struct kw_publisher *publisher = open_publisher(svc);
	if (!publisher)
		return NULL;
	if (kw_publisher_run(publisher, false, &err) != KW_OK)
		kw_svc_fail(svc, "publisher", &err, 1);
	close_publisher(svc);
	return NULL;
}

/* ---- jobs ---- */

struct job_state {
	const struct kw_job *job;
	int64_t due_us, rested_us; /* rested: when it may run if it is called */
	int backoff_ms;
	int64_t said_us; /* when its trouble was last logged; 0: never */
};

struct jobs {
	struct kw_svc *svc;
	struct kw_pg *pg;
	struct kw_arena *arena;
	struct job_state states[JOBS_MAX];
	size_t n;
	char application[80];
};

static enum kw_rc replay(
	struct kw_svc *svc, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err)
{
	return kw_replay_requested(&svc->flow, pg, a, err);
}

/* Every service does what operators ask of its dead letters. */
static const struct kw_job replay_job = { "replay", replay, 1000, 0, false };

/* Which jobs a thread runs. */
enum lane { TIMERS, APART, ALL };

static void add_jobs(struct jobs *jobs, const struct kw_job *job)
{
	for (; job && job->name; job++) {
		kw_assert(jobs->n < JOBS_MAX && job->interval_ms > 0);
		jobs->states[jobs->n++].job = job;
	}
}

static void jobs_open(struct jobs *jobs, struct kw_svc *svc, enum lane lane)
{
	*jobs = (struct jobs) { .svc = svc, .arena = kw_arena_new(JOB_ARENA_MAX) };
	snprintf(jobs->application, sizeof(jobs->application), "%s/%s", svc->service->name,
		lane == APART ? "apart" : "jobs");
	jobs->pg = kw_pg_new(&(struct kw_pg_config) {
		.dsn = svc->common.dsn,
		.schema = svc->service->schema,
		.application = jobs->application,
		.on_session = kw_identity_check,
	});
	if (lane != APART) {
		jobs->states[jobs->n++].job = &replay_job;
		add_jobs(jobs, svc->service->jobs);
	}
	if (lane != TIMERS)
		add_jobs(jobs, svc->service->apart);
}

static void jobs_close(struct jobs *jobs)
{
	kw_pg_free(jobs->pg);
	kw_arena_free(jobs->arena);
}

/* Doubles to a maximum, spread over its upper half. */
static int next_backoff(int ms)
{
	int next = ms == 0 ? JOB_BACKOFF_MIN_MS : ms * 2;

	return next > JOB_BACKOFF_MAX_MS ? JOB_BACKOFF_MAX_MS : next;
}

/* One run; sets when it is due again. */
static enum kw_rc run_job(struct jobs *jobs, struct job_state *state)
{
	const struct kw_job *job = state->job;
	struct kw_err err = { 0 };
	int64_t pause_ms = job->rest_ms, rest_ms = job->rest_ms;

	kw_arena_reset(jobs->arena);
	enum kw_rc rc = job->run(jobs->svc, jobs->pg, jobs->arena, &err);
	int64_t now = kw_monotonic_us();
	if (rc == KW_FATAL) {
		kw_svc_fail(jobs->svc, job->name, &err, 1);
	} else if (rc == KW_RETRY) {
		state->backoff_ms = next_backoff(state->backoff_ms);
		pause_ms = state->backoff_ms / 2 + now % (state->backoff_ms / 2 + 1);
		rest_ms = pause_ms;
		if (state->said_us == 0 || now - state->said_us > SAY_US) {
			state->said_us = now;
			kw_log_err(KW_WARNING, "job waits", &err, KW_LS("job", job->name));
		}
	} else if (rc != KW_OK) {
		pause_ms = job->interval_ms;
		if (rc != KW_NOTHING) {
			kw_health_error(job->name);
			kw_log_err(KW_ERROR, "job failed", &err, KW_LS("job", job->name));
		}
	}
	if (rc != KW_RETRY) {
		state->backoff_ms = 0;
		state->said_us = 0;
	}
	state->due_us = now + pause_ms * 1000;
	state->rested_us = now + rest_ms * 1000;
	return rc;
}

static void call_jobs(struct jobs *jobs)
{
	for (size_t i = 0; i < jobs->n; i++) {
		struct job_state *state = &jobs->states[i];
		if (state->job->intents && state->rested_us < state->due_us)
			state->due_us = state->rested_us;
	}
}

/* Each job that is due; false after a FATAL. ret_wait_ms: until the next is due. */
static bool run_due(struct jobs *jobs, int *ret_wait_ms)
{
	int64_t next_us = INT64_MAX;

	for (size_t i = 0; i < jobs->n && !atomic_load(&jobs->svc->leaving); i++) {
		struct job_state *state = &jobs->states[i];
		if (state->due_us <= kw_monotonic_us() && run_job(jobs, state) == KW_FATAL)
			return false;
		if (state->due_us < next_us)
			next_us = state->due_us;
	}
	int64_t wait_us = next_us - kw_monotonic_us();
	*ret_wait_ms = wait_us > 0 ? (int)((wait_us + 999) / 1000) : 0;
	return true;
}

static void run_lane(struct kw_svc *svc, enum lane lane)
{
	atomic_bool *called = &svc->called[lane];
	struct jobs jobs;
	int wait_ms = 0;

	if (!kw_svc_wait(svc, &svc->verified, -1))
		return;
	jobs_open(&jobs, svc, lane);
	while (jobs.n > 0 && kw_svc_wait(svc, called, wait_ms)) {
		if (atomic_exchange(called, false))
			call_jobs(&jobs);
		if (!run_due(&jobs, &wait_ms))
			break;
	}
	jobs_close(&jobs);
}

static void *run_jobs(void *arg)
{
	run_lane(arg, TIMERS);
	return NULL;
}

static void *run_apart(void *arg)
{
	run_lane(arg, APART);
	return NULL;
}

struct kw_client *kw_svc_client(struct kw_svc *svc)
{
	bool allowed = kw_svc_partners(svc)->allow_private_urls;

	if (svc->client && svc->client_private != allowed) {
		kw_client_free(svc->client);
		svc->client = NULL;
	}
	if (!svc->client)
		svc->client = kw_client_new(allowed);
	svc->client_private = allowed;
	return svc->client;
}

/* ---- once ---- */

/* Each job until it has nothing to do. */
static enum kw_rc drain_jobs(struct kw_svc *svc, bool *ret_done_something)
{
	struct jobs jobs;
	enum kw_rc rc = KW_OK;
	int64_t wait_us = 0;

	jobs_open(&jobs, svc, ALL);
	for (size_t i = 0; i < jobs.n && rc != KW_FATAL;) {
		if (!kw_svc_wait(svc, NULL, wait_us > 0 ? (int)((wait_us + 999) / 1000) : 0))
			break;
		rc = run_job(&jobs, &jobs.states[i]);
		wait_us = jobs.states[i].due_us - kw_monotonic_us();
		if (rc == KW_OK)
			*ret_done_something = true;
		else if (rc != KW_RETRY) {
			i++;
			wait_us = 0;
		}
	}
	jobs_close(&jobs);
	return rc == KW_FATAL ? KW_FATAL : KW_OK;
}

static enum kw_rc publish_once(struct kw_svc *svc, struct kw_err *err)
{
	struct kw_publisher *publisher = open_publisher(svc);

	if (!publisher)
		return KW_FATAL;
	enum kw_rc rc = kw_publisher_run(publisher, true, err);
	close_publisher(svc);
	return rc;
}

static void *run_once(void *arg)
{
	struct kw_svc *svc = arg;
	struct kw_consumer_thread *c = &svc->consumers[0];
	struct kw_err err = { 0 };
	bool more = false;

	if (!kw_svc_wait(svc, &svc->verified, -1))
		return NULL;
	struct kw_runner *runner = open_runner(svc, c);
	if (!runner)
		return NULL;
	enum kw_rc rc = kw_runner_run(runner, true, &err);
	close_runner(svc, c);
	if (rc == KW_OK && !atomic_load(&svc->leaving))
		rc = publish_once(svc, &err);
	if (rc == KW_OK && !atomic_load(&svc->leaving) && drain_jobs(svc, &more) == KW_FATAL)
		return NULL; /* said already */
	if (rc == KW_OK && more && !atomic_load(&svc->leaving))
		rc = publish_once(svc, &err);
	if (rc != KW_OK)
		kw_svc_fail(svc, "once", &err, 1);
	else
		kill(getpid(), SIGTERM); /* done: the main thread leaves */
	return NULL;
}

/* ---- watch ---- */

static bool verify_topics(struct kw_svc *svc)
{
	int64_t said_us = 0;

	do {
		struct kw_err err = { 0 };
		enum kw_rc rc = kw_topics_verify(
			svc->common.brokers, &svc->topics, VERIFY_TIMEOUT_MS, &err);
		int64_t now = kw_monotonic_us();
		if (rc == KW_OK) {
			pthread_mutex_lock(&svc->lock);
			atomic_store(&svc->verified, true);
			pthread_cond_broadcast(&svc->changed);
			pthread_mutex_unlock(&svc->lock);
			return true;
		}
		if (rc != KW_RETRY) {
			kw_svc_fail(svc, "topics", &err, rc == KW_CONFLICT ? 78 : 1);
			return false;
		}
		if (said_us == 0 || now - said_us > SAY_US) {
			said_us = now;
			kw_log_err(KW_WARNING, "topics not verified yet", &err, KW_NO_FIELDS);
		}
	} while (kw_svc_wait(svc, NULL, VERIFY_PAUSE_MS));
	return false;
}

static enum kw_rc ask(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	static const struct kw_stmt stmt = { "SELECT 1" };
	struct kw_args none = kw_args_of(ctx);

	return kw_pg_exec(pg, &stmt, &none, NULL, err);
}

static void *watch(void *arg)
{
	struct kw_svc *svc = arg;
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(1024 * 1024);
	const char *said = "starting";
	char application[80];

	if (!verify_topics(svc))
		return NULL;
	snprintf(application, sizeof(application), "%s/watch", svc->service->name);
	struct kw_pg *pg = kw_pg_new(&(struct kw_pg_config) {
		.dsn = svc->common.dsn,
		.schema = svc->service->schema,
		.application = application,
		.read_only = true,
	});
	struct kw_tx tx = { .run = ask, .ctx = a, .max_tries = 1, .read_only = true };
	do {
		struct kw_bytes value;
		int64_t version;
		struct kw_err err;

		kw_arena_reset(a);
		if (kw_pg_tx_run(pg, &tx, &err) == KW_OK)
			atomic_store(&svc->postgres_us, kw_monotonic_us());
		/* only so that kw_cache_up is of now */
		(void)kw_cache_get(svc->cache, "karwan:watch", a, &value, &version);
		kw_health_tell(svc, &said);
	} while (kw_svc_wait(svc, NULL, WATCH_MS));
	kw_pg_free(pg);
	return NULL;
}
