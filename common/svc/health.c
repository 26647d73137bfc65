/* /healthz, /readyz and /metrics on the admin port, and the service's own figures. Any thread. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "svc/impl.h"
#include "json/json.h"

#define METRICS_MAX (16 * 1024 * 1024)
#define OK "ok"
#define DEGRADED "degraded"
#define POSTGRES_FRESH_US (5 * KW_US_PER_S)

/* ---- figures ---- */

static struct kw_metric http_requests = { .name = "karwan_http_requests_total",
	.help = "Requests answered.",
	.kind = KW_COUNTER,
	.labels = { "route", "method", "status" } };
static struct kw_metric http_duration = { .name = "karwan_http_request_duration_seconds",
	.help = "From a request's first line to the end of its answer.",
	.kind = KW_HISTOGRAM,
	.labels = { "route" } };
static struct kw_metric appends = { .name = "karwan_appends_total",
	.help = "Messages of the edge by what the broker said.",
	.kind = KW_COUNTER,
	.labels = { "outcome" } };
static struct kw_metric errors = { .name = "karwan_errors_total",
	.help = "Errors of our own, and what could not go on.",
	.kind = KW_COUNTER,
	.labels = { "where" } };
static struct kw_metric build_info = { .name = "karwan_build_info",
	.help = "Always 1.",
	.kind = KW_GAUGE,
	.labels = { "service", "version" } };

static struct kw_metric lag = { .name = "karwan_consumer_lag",
	.help = "Messages of a topic that are not consumed yet, in the partitions of this program.",
	.kind = KW_GAUGE,
	.labels = { "topic", "group" } };
static struct kw_metric events = { .name = "karwan_events_total",
	.help = "Events that were committed to the journal.",
	.kind = KW_COUNTER,
	.labels = { "type" } };
static struct kw_metric event_delay = { .name = "karwan_event_delay_seconds",
	.help = "From the append of a message to the acknowledgement of an event that comes from "
		"it.",
	.kind = KW_HISTOGRAM };
static struct kw_metric reachable = { .name = "karwan_reachable",
	.help = "1 where a server answers; of Redis only where it is configured.",
	.kind = KW_GAUGE,
	.labels = { "server" } };

/* Those without labels, read when they are asked for. */
enum figure {
	APPENDING,
	BATCHES,
	MESSAGES,
	BATCH_SECONDS,
	DEAD_LETTERS,
	RETRIES,
	REPEATS,
	GAPS,
	SKIPPED,
	LAST_BATCH,
	PENDING,
	PUBLISHED,
	RESENT,
	WALKS,
	LEADER,
	READY,
	MEMORY,
	VIRTUAL_MEMORY,
	FILES,
	FILES_MAX,
	CPU,
	START,
};

#define COUNTER(n, h)                                        \
	{                                                    \
		.name = (n), .help = (h), .kind = KW_COUNTER \
	}
#define GAUGE(n, h)                                        \
	{                                                  \
		.name = (n), .help = (h), .kind = KW_GAUGE \
	}
#define SECONDS(n, h)                                                                   \
	{                                                                               \
		.name = (n), .help = (h), .kind = KW_COUNTER, .per_unit = KW_PER_SECOND \
	}

static struct kw_metric figures[] = {
	[APPENDING] = GAUGE("karwan_appending", "Requests that wait for the broker."),
	[BATCHES] = COUNTER("karwan_batches_total", "Batches committed."),
	[MESSAGES] = COUNTER("karwan_messages_total", "Messages in committed batches."),
	[BATCH_SECONDS] = SECONDS("karwan_batch_duration_seconds_total", "Time spent in batches."),
	[DEAD_LETTERS] = COUNTER("karwan_dead_letters_total", "Messages that became dead letters."),
	[RETRIES] = COUNTER("karwan_retries_total", "Batches that were run again."),
	[REPEATS] = COUNTER("karwan_repeats_total", "Events dropped because they came before."),
	[GAPS] = COUNTER("karwan_gaps_total", "Gaps met in events topics."),
	[SKIPPED] = COUNTER("karwan_skipped_total", "Events of types that are not for us."),
	[LAST_BATCH] = GAUGE("karwan_last_batch_size", "Messages in the last batch."),
	[PENDING] = GAUGE("karwan_journal_pending",
		"Events journaled but not yet published, where this program publishes."),
	[PUBLISHED] = COUNTER("karwan_published_total", "Events that the broker acknowledged."),
	[RESENT] = COUNTER("karwan_resent_total", "Events sent once more."),
	[WALKS] =
		COUNTER("karwan_publisher_walks_total", "Comparisons of the log with the journal."),
	[LEADER] = GAUGE("karwan_publisher_leader", "1 where this program publishes."),
	[MEMORY] = GAUGE("process_resident_memory_bytes", "Resident memory size in bytes."),
	[READY] = GAUGE("karwan_ready", "1 where /readyz says 200."),
	[VIRTUAL_MEMORY] = GAUGE("process_virtual_memory_bytes", "Virtual memory size in bytes."),
	[FILES] = GAUGE("process_open_fds", "Number of open file descriptors."),
	[FILES_MAX] = GAUGE("process_max_fds", "Maximum number of open file descriptors."),
	[START] = GAUGE("process_start_time_seconds",
		"Start time of the process since unix epoch in seconds."),
	[CPU] = SECONDS("process_cpu_seconds_total", "User and system CPU time in seconds."),
};

static void set(enum figure figure, int64_t value)
{
	kw_gauge(&figures[figure], value, KW_NO_LABELS);
}

void kw_health_observe(void *ctx, const struct kw_route *route, int status, int64_t duration_us)
{
	const char *path = route ? route->path : "none";
	char text[16];

	(void)ctx;
	snprintf(text, sizeof(text), "%d", status);
	kw_count(&http_requests, 1, KW_LABELS(path, route ? route->method : "none", text));
	kw_observe_us(&http_duration, duration_us, KW_LABELS(path));
	if (status == 500)
		kw_health_error("edge");
}

void kw_health_error(const char *where)
{
	kw_count(&errors, 1, KW_LABELS(where));
}

void kw_health_append(const char *outcome)
{
	kw_count(&appends, 1, KW_LABELS(outcome));
}

void kw_health_event(void *ctx, const char *type)
{
	(void)ctx;
	kw_count(&events, 1, KW_LABELS(type));
}

void kw_health_published(void *ctx, int64_t delay_us)
{
	(void)ctx;
	kw_observe_us(&event_delay, delay_us, KW_NO_LABELS);
}

const struct kw_metric *kw_health_metric(size_t i)
{
	static const struct kw_metric *const labelled[] = { &http_requests, &http_duration,
		&appends, &errors, &build_info, &lag, &events, &event_delay, &reachable };

	if (i < KW_LEN(labelled))
		return labelled[i];
	return i - KW_LEN(labelled) < KW_LEN(figures) ? &figures[i - KW_LEN(labelled)] : NULL;
}

/* All runners of a process read the same topics. */
static void show_lags(const struct kw_svc *svc, const struct kw_runner_stats *sum)
{
	char group[100];

	snprintf(group, sizeof(group), "karwan.%s", svc->service->name);
	for (size_t i = 0; i < sum->n_topics; i++)
		kw_gauge(&lag, sum->lags[i], KW_LABELS(sum->topics[i], group));
}

static void collect_flow(struct kw_svc *svc)
{
	struct kw_runner_stats sum = { 0 }, one;
	struct kw_publisher_stats p = { 0 };

	pthread_mutex_lock(&svc->look);
	for (int i = 0; i < KW_CONSUMERS_MAX; i++) {
		if (!svc->consumers[i].runner)
			continue;
		kw_runner_stats(svc->consumers[i].runner, &one);
		sum.batches += one.batches;
		sum.messages += one.messages;
		sum.retries += one.retries;
		sum.dead_letters += one.dead_letters;
		sum.repeats += one.repeats;
		sum.gaps += one.gaps;
		sum.skipped += one.skipped;
		for (size_t t = 0; t < one.n_topics; t++) {
			sum.topics[t] = one.topics[t];
			sum.lags[t] += one.lags[t];
		}
		sum.n_topics = one.n_topics;
		sum.batch_us_sum += one.batch_us_sum;
		sum.last_batch = one.last_batch > sum.last_batch ? one.last_batch : sum.last_batch;
	}
	if (svc->publisher)
		kw_publisher_stats(svc->publisher, &p);
	show_lags(svc, &sum);
	pthread_mutex_unlock(&svc->look);
	set(BATCHES, sum.batches);
	set(MESSAGES, sum.messages);
	set(BATCH_SECONDS, sum.batch_us_sum);
	set(DEAD_LETTERS, sum.dead_letters);
	set(RETRIES, sum.retries);
	set(REPEATS, sum.repeats);
	set(GAPS, sum.gaps);
	set(SKIPPED, sum.skipped);
	set(LAST_BATCH, sum.last_batch);
	set(PENDING, p.pending);
	set(PUBLISHED, p.published);
	set(RESENT, p.resent);
	set(WALKS, p.walks);
	set(LEADER, p.leader);
}

static int64_t started_s; /* set before the admin server starts */

static void collect_process(void)
{
	struct rusage usage;
	char statm[128] = "";
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && fgets(statm, sizeof(statm), f)) {
		char *resident = strchr(statm, ' ');
		set(VIRTUAL_MEMORY, strtoll(statm, NULL, 10) * sysconf(_SC_PAGESIZE));
		if (resident)
			set(MEMORY, strtoll(resident, NULL, 10) * sysconf(_SC_PAGESIZE));
	}
	if (f)
		fclose(f);
	DIR *dir = opendir("/proc/self/fd");
	int64_t files = -3; /* ".", ".." and the folder itself */
	while (dir && readdir(dir))
		files++;
	if (dir) {
		closedir(dir);
		set(FILES, files);
	}
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		set(FILES_MAX, limit.rlim_cur == RLIM_INFINITY ? -1 : (int64_t)limit.rlim_cur);
	set(START, started_s);
	if (getrusage(RUSAGE_SELF, &usage) == 0)
		set(CPU, (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * KW_US_PER_S +
				 usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* ---- readiness ---- */

struct readiness {
	bool ready, assigned;
	const char *kafka, *configuration, *postgres, *redis, *why;
};

static const struct kw_field readiness_fields[] = {
	KW_BOOL(struct readiness, ready, KW_REQUIRED),
	KW_STR(struct readiness, kafka, KW_REQUIRED, 1, 20),
	KW_STR(struct readiness, configuration, KW_REQUIRED, 1, 20),
	KW_STR(struct readiness, postgres, KW_REQUIRED, 1, 20),
	KW_STR(struct readiness, redis, KW_REQUIRED, 1, 20),
	KW_BOOL(struct readiness, assigned, KW_REQUIRED),
	KW_STR(struct readiness, why, KW_OPTIONAL, 1, 200),
	KW_END,
};

/* Has every consumer its partitions, and can it commit? */
static bool is_assigned(struct kw_svc *svc, const char **ret_why)
{
	bool assigned = true;

	pthread_mutex_lock(&svc->look);
	for (int i = 0; i < svc->common.consumers && assigned; i++) {
		*ret_why = "starting";
		assigned = svc->consumers[i].runner &&
			   kw_runner_ready(svc->consumers[i].runner, ret_why);
	}
	pthread_mutex_unlock(&svc->look);
	return assigned;
}

static struct readiness judge(struct kw_svc *svc)
{
	bool verified = atomic_load(&svc->verified), stale = atomic_load(&svc->stale);
	bool kafka = verified && kw_edge_kafka_up(svc);
	int64_t answered = atomic_load(&svc->postgres_us);
	bool postgres = answered && kw_monotonic_us() - answered < POSTGRES_FRESH_US;
	const char *why = NULL;
	struct readiness r = {
		.assigned = is_assigned(svc, &why),
		.kafka = kafka ? OK : DEGRADED,
		.configuration = !verified ? "unverified"
				 : stale   ? "stale"
					   : OK,
		.postgres = postgres ? OK : DEGRADED,
		.redis = !svc->common.redis_url[0] ? "off"
			 : kw_cache_up(svc->cache) ? OK
						   : DEGRADED,
	};

	r.ready = kafka && !atomic_load(&svc->leaving);
	if (atomic_load(&svc->leaving))
		r.why = "leaving";
	else if (!verified)
		r.why = "Kafka's topics are not verified yet";
	else if (!kafka)
		r.why = "Kafka is away";
	else if (stale)
		r.why = "the partners file was refused; the one read before goes on";
	else if (!r.assigned)
		r.why = why;
	else if (!postgres)
		r.why = "PostgreSQL is away";
	return r;
}

static void show_readiness(struct kw_svc *svc)
{
	struct readiness r = judge(svc);

	set(READY, r.ready);
	kw_gauge(&reachable, strcmp(r.kafka, OK) == 0, KW_LABELS("kafka"));
	kw_gauge(&reachable, strcmp(r.postgres, OK) == 0, KW_LABELS("postgres"));
	if (svc->common.redis_url[0])
		kw_gauge(&reachable, strcmp(r.redis, OK) == 0, KW_LABELS("redis"));
}

void kw_health_tell(struct kw_svc *svc, const char **said)
{
	struct readiness r = judge(svc);
	const char *why = r.why ? r.why : "";

	if (atomic_load(&svc->leaving) || strcmp(why, *said) == 0)
		return;
	*said = why;
	if (!r.why)
		kw_log(KW_INFO, "ready", KW_NO_FIELDS);
	else
		kw_log(KW_WARNING, r.ready ? "accepts, and does nothing else" : "not ready",
			KW_LS("why", why));
}

/* ---- routes ---- */

static enum kw_rc get_metrics(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	struct kw_svc *svc = rq->ctx;
	KW_CLEANUP(kw_buf_done) struct kw_buf text;

	set(APPENDING, atomic_load_explicit(&svc->appending, memory_order_relaxed));
	collect_flow(svc);
	collect_process();
	show_readiness(svc);
	kw_buf_init(&text, METRICS_MAX);
	kw_metrics_render(&text);
	if (text.full)
		return kw_fail(err, KW_FATAL, "more metrics than fit");
	rs->content_type = "text/plain; version=0.0.4; charset=utf-8";
	rs->body = (struct kw_bytes) { kw_arena_copy(rq->arena, text.p, text.n), text.n };
	return KW_OK;
}

static enum kw_rc get_health(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	(void)rq;
	(void)err;
	rs->body = (struct kw_bytes) { "{\"healthy\":true}", 16 };
	return KW_OK;
}

static enum kw_rc get_ready(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	struct readiness r = judge(rq->ctx);

	rs->status = r.ready ? 200 : 503;
	return kw_svc_reply(rq, rs, readiness_fields, &r, err);
}

static const struct kw_route routes[] = {
	{ .method = "GET", .path = "/healthz", .handle = get_health },
	{ .method = "GET", .path = "/readyz", .handle = get_ready },
	{ .method = "GET", .path = "/metrics", .handle = get_metrics },
	{ 0 },
};

enum kw_rc kw_health_start(struct kw_svc *svc, struct kw_err *err)
{
	started_s = kw_now(&kw_clock_system) / KW_US_PER_S;
	kw_gauge(&build_info, 1, KW_LABELS(svc->service->name, KW_VERSION));
	return kw_server_start(
		&(struct kw_server_config) {
			.listen = svc->common.admin_listen,
			.routes = routes,
			.clock = &kw_clock_system,
			.ctx = svc,
			.threads = 1,
			.connections_max = 64,
			.per_address_max = 64,
		},
		&svc->admin, err);
}
