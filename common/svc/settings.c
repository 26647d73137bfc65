/* What a service reads before it starts, all of it checked before anything else happens: settings,
 * topics, partners; and the partners again on SIGHUP. Main thread only. */
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "svc/impl.h"

#define ARENA_MAX (16 * 1024 * 1024)

#define TEXT(m, env, fallback, lo, hi, help) \
	KW_TEXT_KEY(struct kw_common, m, "KARWAN_" env, fallback, lo, hi, help)
#define NUMBER(m, env, fallback, lo, hi, help) \
	KW_INT_KEY(struct kw_common, m, "KARWAN_" env, fallback, lo, hi, help)

const struct kw_config_key kw_common_keys[] = {
	TEXT(brokers, "KAFKA_BROKERS", NULL, 1, 2000, "Kafka, as host:port,host:port"),
	TEXT(dsn, "POSTGRES_DSN", NULL, 1, 2000, "database, as postgresql:// URI"),
	TEXT(redis_url, "REDIS_URL", "", 0, 500, "cache, as redis://host:port; empty: none"),
	TEXT(partners_file, "PARTNERS_FILE", NULL, 1, 1000, "who may send what (JSON)"),
	TEXT(topics_file, "TOPICS_FILE", NULL, 1, 1000,
		"the system's topics (schemas/topics.json)"),
	TEXT(listen, "LISTEN", "127.0.0.1:8080", 1, 300, "address of the API, as host:port"),
	TEXT(admin_listen, "ADMIN_LISTEN", "127.0.0.1:8081", 1, 300,
		"address of /healthz, /readyz and /metrics"),
	KW_CHOICE_KEY(struct kw_common, log_level, "KARWAN_LOG_LEVEL", "info",
		"debug|info|warning|error", "the least that is logged"),
	KW_BOOL_KEY(struct kw_common, access_log, "KARWAN_ACCESS_LOG", "false",
		"log a line for each request"),
	NUMBER(consumers, "CONSUMERS", "1", 1, KW_CONSUMERS_MAX,
		"threads that consume, each with its own connections"),
	NUMBER(batch_max, "BATCH_MAX", "1000", 1, 2000, "messages in one transaction"),
	NUMBER(session_ms, "SESSION_MS", "10000", 1000, 300000,
		"silence after which Kafka gives a consumer's partitions to another, in ms; "
		"not below Kafka's group.min.session.timeout.ms (6000, if nobody set it)"),
	NUMBER(linger_ms, "LINGER_MS", "1", 1, 100,
		"wait of an accepted request for others to be appended with it, in ms"),
	NUMBER(http_threads, "HTTP_THREADS", "2", 1, 64, "threads of the API"),
	NUMBER(http_connections, "HTTP_CONNECTIONS", "1024", 1, 60000, "open connections"),
	NUMBER(http_per_address, "HTTP_PER_ADDRESS", "256", 1, 60000,
		"open connections from one address"),
	NUMBER(http_deadline_ms, "HTTP_DEADLINE_MS", "10000", 100, 600000,
		"time to send a whole request, in ms"),
	NUMBER(deferred_max, "DEFERRED_MAX", "20000", 1, 1000000,
		"requests that wait for Kafka; more are refused with 503"),
	NUMBER(read_connections, "READ_CONNECTIONS", "4", 1, 100,
		"connections to PostgreSQL for API reads"),
	NUMBER(sample_ms, "SAMPLE_MS", "10000", 500, 3600000,
		"pause between two looks at what only the database knows, for /metrics, in ms"),
	TEXT(disk_paths, "DISK_PATHS", "/", 0, 900,
		"folders whose free space is shown, with commas between them"),
	NUMBER(secret_days, "SECRET_DAYS", "365", 1, 36500,
		"days after which a partner's secret is to be replaced, from the time of its file"),
	TEXT(certificate_file, "CERTIFICATE_FILE", "", 0, 1000,
		"certificates by which the gateway speaks TLS (PEM), whose end is shown; empty, or "
		"no such file: none"),
	{ 0 },
};

struct tables {
	const struct kw_config_key *tables[3];
	void *structs[3];
};

static struct tables tables_of(const struct kw_service *service, void *common, void *own)
{
	return (struct tables) { { kw_common_keys, service->config, NULL }, { common, own, NULL } };
}

static enum kw_rc read_partners(
	struct kw_svc *svc, const struct kw_partners **ret, struct kw_err *err);
static enum kw_rc check_adapters(const struct kw_service *service, const char *member,
	const struct kw_partner *partners, size_t n, struct kw_err *err);
static enum kw_rc load_topics(struct kw_svc *svc, struct kw_err *err);
static bool is_address(const char *text);

static void complain(FILE *errors, const char *name, const struct kw_err *err)
{
	fprintf(errors, "%s: %s%s%s\n", name, err->pointer, err->pointer[0] ? ": " : "",
		err->reason);
}

enum kw_rc kw_settings_load(struct kw_svc *svc, FILE *errors)
{
	const struct kw_service *service = svc->service;
	struct kw_common *common = &svc->common;
	const struct kw_partners *partners;
	struct kw_err err = { 0 };

	svc->arena = kw_arena_new(ARENA_MAX);
	svc->own = kw_arena_alloc(svc->arena, 1, service->config_size);
	struct tables t = tables_of(service, common, svc->own);
	enum kw_rc rc = kw_config_load(t.tables, t.structs, svc->arena, errors), read;
	/* a member that was refused is NULL and not looked at again */
	if (common->dsn && strncmp(common->dsn, "postgresql://", 13) != 0 &&
		strncmp(common->dsn, "postgres://", 11) != 0)
		rc = (fputs("KARWAN_POSTGRES_DSN: not a postgresql:// URI\n", errors), KW_INVALID);
	if (common->listen && !is_address(common->listen))
		rc = (fputs("KARWAN_LISTEN: not host:port\n", errors), KW_INVALID);
	if (common->admin_listen && !is_address(common->admin_listen))
		rc = (fputs("KARWAN_ADMIN_LISTEN: not host:port\n", errors), KW_INVALID);
	if (common->redis_url && kw_cache_open(common->redis_url, &svc->cache, &err) != KW_OK) {
		complain(errors, "KARWAN_REDIS_URL", &err);
		rc = KW_INVALID;
	}
	if (common->topics_file && (read = load_topics(svc, &err)) != KW_OK) {
		complain(errors, "KARWAN_TOPICS_FILE", &err);
		rc = rc == KW_RETRY ? rc : read;
	}
	if (common->partners_file) {
		read = read_partners(svc, &partners, &err);
		if (read == KW_OK) {
			atomic_store(&svc->partners, partners);
		} else {
			complain(errors, "KARWAN_PARTNERS_FILE", &err);
			rc = rc == KW_RETRY ? rc : read;
		}
	}
	return rc;
}

/* "host:port", ":port" or "[::1]:port" */
static bool is_address(const char *text)
{
	const char *colon = strrchr(text, ':'), *digits = colon ? colon + 1 : "";
	size_t n = strlen(digits);

	if (n == 0 || n > 5 || strspn(digits, "0123456789") != n)
		return false;
	return strtol(digits, NULL, 10) <= 65535;
}

static enum kw_rc add_topic(struct kw_svc *svc, const struct kw_topics *all, const char *name,
	struct kw_topic *used, struct kw_err *err)
{
	const struct kw_topic *topic = kw_topics_find(all, name);

	if (!topic)
		return kw_fail(err, KW_INVALID, "%s: it has no %s", svc->common.topics_file, name);
	if (!kw_topics_find(&svc->topics, name))
		used[svc->topics.n_topics++] = *topic;
	return KW_OK;
}

static enum kw_rc load_topics(struct kw_svc *svc, struct kw_err *err)
{
	const struct kw_service *service = svc->service;
	struct kw_topics all;

	KW_TRY(kw_topics_load(svc->common.topics_file, svc->arena, &all, err));
	struct kw_topic *used = kw_new(svc->arena, struct kw_topic, all.n_topics);
	svc->topics.topics = used;
	KW_TRY(add_topic(svc, &all, service->in_topic, used, err));
	KW_TRY(add_topic(svc, &all, service->events_topic, used, err));
	for (const struct kw_topic_row *row = service->topics; row->topic; row++)
		KW_TRY(add_topic(svc, &all, row->topic, used, err));
	svc->in_topic = kw_topics_find(&svc->topics, service->in_topic);
	return KW_OK;
}

/* ---- partners ---- */

static enum kw_rc read_partners(
	struct kw_svc *svc, const struct kw_partners **ret, struct kw_err *err)
{
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(ARENA_MAX);
	struct kw_partners *p = kw_new(a, struct kw_partners, 1);

	if (svc->n_snapshots == KW_LEN(svc->snapshots))
		return kw_fail(err, KW_INVALID,
			"read again %d times: restart the program before the next change",
			KW_PARTNERS_RELOADS);
	KW_TRY(kw_partners_load(svc->common.partners_file, a, p, err));
	KW_TRY(check_adapters(svc->service, "channels", p->channels, p->n_channels, err));
	KW_TRY(check_adapters(svc->service, "providers", p->providers, p->n_providers, err));
	KW_TRY(check_adapters(svc->service, "couriers", p->couriers, p->n_couriers, err));
	svc->snapshots[svc->n_snapshots++] = a;
	a = NULL;
	*ret = p;
	return KW_OK;
}

/* A service knows the adapters of some kinds only; those of the others are not its business. */
static enum kw_rc check_adapters(const struct kw_service *service, const char *member,
	const struct kw_partner *partners, size_t n, struct kw_err *err)
{
	char pointer[80];
	struct kw_err why;

	for (size_t i = 0; i < n; i++) {
		bool known = false, ours = false;
		for (const struct kw_adapter *ad = service->adapters; ad && ad->name; ad++) {
			if (ad->kind != partners[i].kind)
				continue;
			ours = true;
			known = known || strcmp(ad->name, partners[i].adapter) == 0;
		}
		if (known && service->check_partner &&
			service->check_partner(&partners[i], &why) != KW_OK) {
			snprintf(pointer, sizeof(pointer), "/%s/%zu%.40s", member, i, why.pointer);
			return kw_fail_at(err, KW_INVALID, pointer, "%s", why.reason);
		}
		if (!ours || known)
			continue;
		snprintf(pointer, sizeof(pointer), "/%s/%zu/adapter", member, i);
		return kw_fail_at(err, KW_INVALID, pointer, "%s has no adapter '%s' for %s",
			service->name, partners[i].adapter, member);
	}
	return KW_OK;
}

void kw_settings_reload(struct kw_svc *svc)
{
	const struct kw_partners *partners;
	struct kw_err err = { 0 };

	if (read_partners(svc, &partners, &err) != KW_OK) {
		atomic_store(&svc->stale, true);
		kw_health_error("partners");
		kw_log_err(KW_ERROR, "partners file refused; the one read before goes on", &err,
			KW_LS("partners_file", svc->common.partners_file));
		return;
	}
	atomic_store(&svc->partners, partners);
	atomic_store(&svc->stale, false);
	kw_log(KW_INFO, "partners read", KW_LI("channels", (int64_t)partners->n_channels),
		KW_LI("providers", (int64_t)partners->n_providers),
		KW_LI("couriers", (int64_t)partners->n_couriers),
		KW_LI("operators", (int64_t)partners->n_operators));
}

void kw_settings_done(struct kw_svc *svc)
{
	for (size_t i = 0; i < svc->n_snapshots; i++)
		kw_arena_free(svc->snapshots[i]);
	kw_cache_free(svc->cache);
	kw_arena_free(svc->arena);
}

/* ---- for people ---- */

void kw_settings_help(const struct kw_service *service, FILE *out)
{
	struct tables t = tables_of(service, NULL, NULL);

	fprintf(out, "usage: %s [--once | --describe | --healthcheck | --help | --version]\n\n",
		service->name);
	fprintf(out, "  --once     does what there is to do without serving the API, then exits\n"
		     "  --describe prints its routes, bodies, topics and metrics as JSON\n");
	fprintf(out, "  --healthcheck\n"
		     "             exits with 0 if the service of this environment is ready\n\n");
	fprintf(out, "Settings, from the environment (database role: %s):\n\n",
		service->database_user ? service->database_user : "any");
	kw_config_help(t.tables, out);
	fprintf(out, "\nSIGTERM: finish and leave. SIGHUP: read the partners file again.\n");
}

void kw_settings_log(struct kw_svc *svc)
{
	struct tables t = tables_of(svc->service, &svc->common, svc->own);

	kw_log_write(KW_INFO, "settings", NULL, kw_config_show(t.tables, t.structs, svc->arena));
}
