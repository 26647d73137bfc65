/* The main loop of every service: command line, start order, signals, leave. Main thread. */
#include "svc/svc.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "svc/impl.h"
#include "json/json.h"

#define EXIT_USAGE 64
#define LEAVE_S 8 /* what is not finished then is as if we were killed: safe */

static int run(struct kw_svc *svc);
static enum kw_rc start(struct kw_svc *svc, struct kw_err *err);
static void leave(struct kw_svc *svc);

/* -1: go on. */
static int read_options(const struct kw_service *service, int argc, char **argv, bool *ret_once)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ "once", no_argument, NULL, 'o' },
		{ "describe", no_argument, NULL, 'd' },
		{ "healthcheck", no_argument, NULL, 'c' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'h':
			kw_settings_help(service, stdout);
			return 0;
		case 'v':
			printf("%s %s\n", service->name, KW_VERSION);
			return 0;
		case 'd':
			kw_describe(service, stdout);
			return 0;
		case 'c':
			return kw_ask_ready(service, stdout, stderr);
		case 'o':
			*ret_once = true;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "%s: unexpected '%s' (see --help)\n", service->name, argv[optind]);
	return EXIT_USAGE;
}

static void on_commit(void *ctx)
{
	struct kw_svc *svc = ctx;

	pthread_mutex_lock(&svc->look);
	if (svc->publisher)
		kw_publisher_nudge(svc->publisher);
	pthread_mutex_unlock(&svc->look);
}

static void on_intents(void *ctx)
{
	struct kw_svc *svc = ctx;

	pthread_mutex_lock(&svc->lock);
	for (int i = 0; i < KW_LANES; i++)
		atomic_store(&svc->called[i], true);
	pthread_cond_broadcast(&svc->changed);
	pthread_mutex_unlock(&svc->lock);
}

/* 0, or the status to leave with. */
static int load_settings(struct kw_svc *svc)
{
	char *text = NULL;
	size_t n;
	FILE *errors = open_memstream(&text, &n);
	struct kw_err err = { 0 };

	kw_assert(errors != NULL);
	enum kw_rc rc = kw_settings_load(svc, errors);
	fclose(errors);
	if (rc != KW_OK)
		fprintf(stderr, "%s: the configuration %s:\n%s", svc->service->name,
			rc == KW_RETRY ? "cannot be read now" : "is wrong (see --help)", text);
	free(text);
	if (rc != KW_OK)
		return rc == KW_RETRY ? 1 : EXIT_CONFIG;
	if (!svc->service->start || svc->service->start(svc, &err) == KW_OK)
		return 0;
	fprintf(stderr, "%s: %s%s%s\n", svc->service->name, err.pointer, err.pointer[0] ? ": " : "",
		err.reason);
	return err.rc == KW_RETRY ? 1 : EXIT_CONFIG;
}

int kw_svc_run(const struct kw_service *service, int argc, char **argv)
{
	struct kw_svc *svc = calloc(1, sizeof(*svc));
	pthread_condattr_t attr;

	kw_assert(svc != NULL);
	svc->service = service;
	int status = read_options(service, argc, argv, &svc->once);
	if (status >= 0) {
		free(svc);
		return status;
	}
	kw_json_init();
	pthread_rwlock_init(&svc->gate, NULL);
	pthread_mutex_init(&svc->look, NULL);
	pthread_mutex_init(&svc->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&svc->changed, &attr);
	pthread_condattr_destroy(&attr);
	status = load_settings(svc);
	if (status == 0)
		status = run(svc);
	kw_settings_done(svc);
	pthread_cond_destroy(&svc->changed);
	pthread_mutex_destroy(&svc->lock);
	pthread_mutex_destroy(&svc->look);
	pthread_rwlock_destroy(&svc->gate);
	free(svc);
	return status;
}

/* All threads are born with these blocked; the main thread alone takes them. */
static void block_signals(sigset_t *ret)
{
	sigemptyset(ret);
	sigaddset(ret, SIGTERM);
	sigaddset(ret, SIGINT);
	sigaddset(ret, SIGHUP);
	pthread_sigmask(SIG_BLOCK, ret, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int run(struct kw_svc *svc)
{
	struct kw_err err = { 0 };
	sigset_t signals;
	int sig;

	kw_log_init(svc->service->name, kw_log_level_of(svc->common.log_level));
	block_signals(&signals);
	kw_settings_log(svc);
	if (start(svc, &err) != KW_OK)
		kw_svc_fail(svc, "start", &err, err.rc == KW_INVALID ? EXIT_CONFIG : 1);
	for (;;) {
		sig = sigwaitinfo(&signals, NULL);
		if (sig == SIGHUP)
			kw_settings_reload(svc);
		else if (sig > 0 || errno != EINTR)
			break;
	}
	leave(svc);
	return atomic_load(&svc->exit_status);
}

static enum kw_rc start(struct kw_svc *svc, struct kw_err *err)
{
	const struct kw_service *service = svc->service;

	svc->flow = (struct kw_flow_config) {
		.service = service->name,
		.schema = service->schema,
		.in_topic = service->in_topic,
		.events_topic = service->events_topic,
		.rows = service->topics,
		.lock = service->lock,
		.brokers = svc->common.brokers,
		.dsn = svc->common.dsn,
		.topics = &svc->topics,
		.clock = &kw_clock_system,
		.batch_max = (size_t)svc->common.batch_max,
		.session_ms = (int)svc->common.session_ms,
		.on_commit = on_commit,
		.on_intents = on_intents,
		.on_event = kw_health_event,
		.on_published = kw_health_published,
		.commit_ctx = svc,
		.ctx = svc,
	};
	if (!svc->once) {
		KW_TRY(kw_health_start(svc, err));
		KW_TRY(kw_edge_open(svc, err));
	}
	kw_work_start(svc);
	if (!svc->once)
		kw_log(KW_INFO, "started", KW_LS("version", KW_VERSION),
			KW_LI("port", kw_server_port(atomic_load(&svc->edge))),
			KW_LI("admin_port", kw_server_port(svc->admin)));
	return KW_OK;
}

/* A server that hangs must not keep us. */
static void *end_in_time(void *arg)
{
	struct kw_svc *svc = arg;
	int64_t until = kw_monotonic_us() + LEAVE_S * KW_US_PER_S;
	struct timespec ts = { until / KW_US_PER_S, until % KW_US_PER_S * 1000 };
	int timed_out = 0;

	pthread_mutex_lock(&svc->lock);
	while (!svc->left && !timed_out)
		timed_out = pthread_cond_timedwait(&svc->changed, &svc->lock, &ts);
	bool left = svc->left;
	pthread_mutex_unlock(&svc->lock);
	if (left)
		return NULL;
	kw_log(KW_WARNING, "left without finishing", KW_LI("waited_s", LEAVE_S));
	_exit(atomic_load(&svc->exit_status));
}

static void leave(struct kw_svc *svc)
{
	pthread_t limit;

	kw_log(KW_INFO, "leaving", KW_NO_FIELDS);
	kw_assert(pthread_create(&limit, NULL, end_in_time, svc) == 0);
	pthread_mutex_lock(&svc->lock);
	atomic_store(&svc->leaving, true);
	pthread_cond_broadcast(&svc->changed);
	pthread_mutex_unlock(&svc->lock);
	kw_work_ask_stop(svc);
	kw_edge_close(svc);
	kw_work_stop(svc);
	kw_server_stop(svc->admin);
	pthread_mutex_lock(&svc->lock);
	svc->left = true;
	pthread_cond_broadcast(&svc->changed);
	pthread_mutex_unlock(&svc->lock);
	pthread_join(limit, NULL);
	kw_log(KW_INFO, "left", KW_LI("status", atomic_load(&svc->exit_status)));
}

/* ---- what handlers ask ---- */

const void *kw_svc_config(const struct kw_svc *svc)
{
	return svc->own;
}

const struct kw_partners *kw_svc_partners(const struct kw_svc *svc)
{
	return atomic_load(&svc->partners);
}

const struct kw_adapter *kw_svc_adapter(const struct kw_svc *svc, const struct kw_partner *partner)
{
	for (const struct kw_adapter *ad = svc->service->adapters; ad && ad->name; ad++)
		if (ad->kind == partner->kind && strcmp(ad->name, partner->adapter) == 0)
			return ad;
	return NULL;
}

const struct kw_flow_config *kw_svc_flow(const struct kw_svc *svc)
{
	return &svc->flow;
}

struct kw_cache *kw_svc_cache(const struct kw_svc *svc)
{
	return svc->cache;
}
