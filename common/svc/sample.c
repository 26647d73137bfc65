/* The thread that samples: what the database, the disk and the files of secrets say, for /metrics.
 * A statement that took long rests so much longer, so that looking costs little, whatever there is
 * to look at. */
#include "svc/sample.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/file.h"
#include "core/log.h"
#include "http/crypto.h"
#include "svc/impl.h"

#define ARENA_MAX ((size_t)16 * 1024 * 1024)
#define REST_FACTOR 100 /* a statement takes at most this part of the time */
#define SAMPLES_MAX 32
#define SAY_US (600 * KW_US_PER_S)
#define DAY_S 86400
#define PATHS_MAX 8
#define CERTIFICATES_MAX ((size_t)256 * 1024)

#define GAUGE(n, h)                                        \
	{                                                  \
		.name = (n), .help = (h), .kind = KW_GAUGE \
	}
#define GAUGE_BY(n, h, ...)                                                           \
	{                                                                             \
		.name = (n), .help = (h), .kind = KW_GAUGE, .labels = { __VA_ARGS__ } \
	}

static struct kw_metric unpublished =
	GAUGE("karwan_journal_unpublished", "Events of the journal that Kafka has not got yet.");
static struct kw_metric unpublished_age = GAUGE("karwan_journal_unpublished_age_seconds",
	"Age of the oldest event of the journal that Kafka has not got yet; 0: none.");
static struct kw_metric letters =
	GAUGE("karwan_dead_letters_open", "Dead letters that nobody has replayed.");
static struct kw_metric intents = GAUGE_BY(
	"karwan_intents_pending", "Calls of other systems that are still to be made.", "kind");
static struct kw_metric intents_age = GAUGE_BY("karwan_intents_overdue_seconds",
	"How long the most overdue of them has been due.", "kind");
static struct kw_metric exceptions = GAUGE_BY("karwan_exceptions_open",
	"What a person must decide, by kind and age (day, week, older).", "kind", "age");
static struct kw_metric connections =
	GAUGE("karwan_postgres_connections", "Sessions of this database.");
static struct kw_metric connections_max =
	GAUGE("karwan_postgres_connections_max", "Sessions that PostgreSQL accepts.");
static struct kw_metric database_bytes =
	GAUGE("karwan_postgres_database_bytes", "Size of the database.");
static struct kw_metric archive_failing = GAUGE("karwan_postgres_archive_failing_seconds",
	"How long PostgreSQL has archived no WAL because its archive_command fails; 0: it does "
	"not.");
static struct kw_metric snapshot_xids = GAUGE("karwan_postgres_oldest_snapshot_transactions",
	"Transactions since the oldest snapshot that a session, slot or prepared transaction "
	"holds.");
static struct kw_metric snapshot_age = GAUGE("karwan_postgres_oldest_snapshot_seconds",
	"How long this program has seen that same snapshot as the oldest.");
static struct kw_metric disk_free =
	GAUGE_BY("karwan_disk_free_bytes", "Free space of the file system of a folder.", "path");
static struct kw_metric disk_size =
	GAUGE_BY("karwan_disk_size_bytes", "Size of the file system of a folder.", "path");
static struct kw_metric secret_expires = GAUGE_BY("karwan_secret_expires_timestamp_seconds",
	"When the oldest secret of a partner is older than KARWAN_SECRET_DAYS.", "kind", "partner");
static struct kw_metric certificate_expires = GAUGE("karwan_certificate_expires_timestamp_seconds",
	"When the first of the gateway's certificates expires; 0: there is none.");
static struct kw_metric failures = {
	.name = "karwan_sample_failures_total",
	.help = "Looks for gauges that failed; their gauges are of before.",
	.kind = KW_COUNTER,
	.labels = { "gauge" },
};

struct kw_metric *const kw_sample_metrics[] = { &unpublished, &unpublished_age, &letters, &intents,
	&intents_age, &exceptions, &connections, &connections_max, &database_bytes,
	&archive_failing, &snapshot_xids, &snapshot_age, &disk_free, &disk_size, &secret_expires,
	&certificate_expires, &failures, NULL };

/* Those of every service. A session's backend_xmin is shown to everybody, when it began is not. */
static const struct kw_sample samples[] = {
	{ { &unpublished, &unpublished_age },
		{ "SELECT NULL::text, NULL::text, "
		  "coalesce(sum(h.number - p.number), 0)::bigint, "
		  "coalesce(extract(epoch FROM now() - min(j.time)), 0)::bigint, 0::bigint "
		  "FROM head h JOIN published p USING (partition) LEFT JOIN LATERAL "
		  "(SELECT time FROM journal j WHERE j.partition = h.partition "
		  "AND j.number = p.number + 1) j ON h.number > p.number" } },
	{ { &letters }, { "SELECT NULL::text, NULL::text, count(*), 0::bigint, 0::bigint "
			  "FROM dead_letters WHERE replayed_at IS NULL" } },
	{ { &intents, &intents_age },
		{ "SELECT kind, NULL::text, count(*), "
		  "greatest(extract(epoch FROM now() - min(due)), 0)::bigint, 0::bigint "
		  "FROM intents WHERE state = 'PENDING' GROUP BY kind" } },
	{ { &exceptions },
		{ "SELECT kind, CASE WHEN opened_at > now() - interval '1 day' THEN 'day' "
		  "WHEN opened_at > now() - interval '7 days' THEN 'week' ELSE 'older' END, "
		  "count(*), 0::bigint, 0::bigint "
		  "FROM exception_list WHERE state = 'OPEN' GROUP BY 1, 2" } },
	{ { &connections, &connections_max, &database_bytes },
		{ "SELECT NULL::text, NULL::text, count(*), "
		  "current_setting('max_connections')::bigint, "
		  "pg_database_size(current_database()) "
		  "FROM pg_stat_activity WHERE datname = current_database()" } },
	{ { &archive_failing },
		{ "SELECT NULL::text, NULL::text, CASE WHEN last_failed_time > "
		  "coalesce(last_archived_time, '-infinity') THEN 1 + extract(epoch FROM now() - "
		  "coalesce(last_archived_time, stats_reset))::bigint ELSE 0 END, "
		  "0::bigint, 0::bigint FROM pg_stat_archiver" } },
	{ { 0 }, { 0 } },
};

struct holder {
	const char *name;
	int64_t xids;
};

static const struct kw_col holder_cols[] = { KW_COL_TEXT(struct holder, name),
	KW_COL_I64(struct holder, xids), KW_COL_END };

static const struct kw_stmt find_holder = {
	"SELECT name || '/' || xmin::text, age(xmin)::bigint FROM ("
	"SELECT 'session ' || pid, backend_xmin FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
	"UNION ALL SELECT 'slot ' || slot_name, xmin FROM pg_replication_slots "
	"UNION ALL SELECT 'prepared ' || gid, transaction FROM pg_prepared_xacts) AS h(name, xmin) "
	"WHERE xmin IS NOT NULL ORDER BY age(xmin) DESC LIMIT 1"
};

struct row {
	const char *a, *b;
	int64_t values[KW_SAMPLE_GAUGES];
};

static const struct kw_col row_cols[] = {
	KW_COL_TEXT(struct row, a),
	KW_COL_TEXT(struct row, b),
	KW_COL_I64(struct row, values[0]),
	KW_COL_I64(struct row, values[1]),
	KW_COL_I64(struct row, values[2]),
	KW_COL_END,
};

struct state {
	const struct kw_sample *sample;
	int64_t due_us, said_us;
};

struct sampler {
	struct kw_svc *svc;
	struct kw_pg *pg;
	struct kw_arena *arena;
	struct state states[SAMPLES_MAX];
	size_t n;
	struct state holder_state, certificate_state;
	char holder[200]; /* of the oldest snapshot */
	int64_t holder_us;
	const struct kw_sample *now; /* what the transaction at hand runs */
	struct row *rows;
	size_t n_rows;
	struct holder oldest;
};

/* ---- the database ---- */

static enum kw_rc fetch_rows(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct sampler *s = ctx;
	struct kw_args none = kw_args_of(s->arena);

	return kw_pg_fetch(
		pg, &s->now->stmt, &none, row_cols, sizeof(*s->rows), &s->rows, &s->n_rows, err);
}

static enum kw_rc fetch_holder(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct sampler *s = ctx;
	struct kw_args none = kw_args_of(s->arena);

	s->oldest = (struct holder) { 0 };
	enum kw_rc rc = kw_pg_fetch_one(
		pg, &find_holder, &none, holder_cols, sizeof(s->oldest), &s->oldest, err);
	return rc == KW_NOTHING ? KW_OK : rc;
}

static void show_rows(const struct sampler *s)
{
	struct kw_gauge_row *rows = kw_new(s->arena, struct kw_gauge_row, s->n_rows);

	for (size_t g = 0; g < KW_SAMPLE_GAUGES && s->now->gauges[g]; g++) {
		for (size_t i = 0; i < s->n_rows; i++)
			rows[i] = (struct kw_gauge_row) { { s->rows[i].a, s->rows[i].b },
				s->rows[i].values[g] };
		kw_gauge_all(s->now->gauges[g], rows, s->n_rows);
	}
}

static void show_holder(struct sampler *s)
{
	const char *name = s->oldest.name ? s->oldest.name : "";
	int64_t now = kw_monotonic_us();

	if (strncmp(name, s->holder, sizeof(s->holder) - 1) != 0 || name[0] == '\0') {
		s->holder_us = now;
		snprintf(s->holder, sizeof(s->holder), "%s", name);
	}
	kw_gauge(&snapshot_xids, s->oldest.xids, KW_NO_LABELS);
	kw_gauge(&snapshot_age, (now - s->holder_us) / KW_US_PER_S, KW_NO_LABELS);
}

/* A database that is away is nothing to tell: /readyz and its own gauge do. */
static void fail(struct state *state, const char *gauge, const struct kw_err *err)
{
	int64_t now = kw_monotonic_us();

	kw_count(&failures, 1, KW_LABELS(gauge));
	if (err->rc == KW_RETRY || (state->said_us && now - state->said_us < SAY_US))
		return;
	state->said_us = now;
	kw_log_err(KW_ERROR, "sample failed", err, KW_LS("gauge", gauge));
}

static void take(struct sampler *s, struct state *state)
{
	struct kw_tx tx = {
		.run = state->sample ? fetch_rows : fetch_holder, .ctx = s, .read_only = true
	};
	int64_t began = kw_monotonic_us(), pause_us = s->svc->common.sample_ms * 1000;
	struct kw_err err = { 0 };

	if (state->due_us > began)
		return;
	kw_arena_reset(s->arena);
	s->now = state->sample;
	tx.max_tries = 1;
	if (kw_pg_tx_run(s->pg, &tx, &err) != KW_OK)
		fail(state, s->now ? s->now->gauges[0]->name : snapshot_age.name, &err);
	else if (s->now)
		show_rows(s);
	else
		show_holder(s);
	int64_t now = kw_monotonic_us(), rest_us = (now - began) * REST_FACTOR;
	state->due_us = now + (rest_us > pause_us ? rest_us : pause_us);
}

/* ---- files ---- */

static void look_at_disks(const struct kw_svc *svc)
{
	char paths[1000], *at = paths, *path;

	snprintf(paths, sizeof(paths), "%s", svc->common.disk_paths);
	for (int i = 0; i < PATHS_MAX && (path = strsep(&at, ",")) != NULL; i++) {
		struct statvfs fs;
		if (path[0] == '\0' || statvfs(path, &fs) != 0)
			continue;
		kw_gauge(&disk_free, (int64_t)(fs.f_bavail * fs.f_frsize), KW_LABELS(path));
		kw_gauge(&disk_size, (int64_t)(fs.f_blocks * fs.f_frsize), KW_LABELS(path));
	}
}

/* The oldest of some files, in seconds since 1970. */
static void look_at_files(const char *folder, const char **files, size_t n, int64_t *oldest)
{
	char path[2048];
	struct stat st;

	for (size_t i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s%s%s", files[i][0] == '/' ? "" : folder,
			files[i][0] == '/' ? "" : "/", files[i]);
		if (stat(path, &st) == 0 && (*oldest == 0 || st.st_mtime < *oldest))
			*oldest = st.st_mtime;
	}
}

static size_t look_at_secrets(const struct kw_svc *svc, const struct kw_partner *partners, size_t n,
	const char *kind, struct kw_gauge_row *rows)
{
	char folder[1024];
	size_t filled = 0;

	snprintf(folder, sizeof(folder), "%s", svc->common.partners_file);
	char *slash = strrchr(folder, '/');
	snprintf(slash ? slash : folder, 2, "%s", slash ? "" : ".");
	for (size_t i = 0; i < n; i++) {
		int64_t oldest = 0;
		look_at_files(
			folder, partners[i].secret_files, partners[i].n_secret_files, &oldest);
		look_at_files(folder, partners[i].api_secret_files, partners[i].n_api_secret_files,
			&oldest);
		if (oldest > 0)
			rows[filled++] = (struct kw_gauge_row) { { kind, partners[i].name },
				oldest + svc->common.secret_days * DAY_S };
	}
	return filled;
}

static void look_at_partners(struct sampler *s)
{
	const struct kw_svc *svc = s->svc;
	const struct kw_partners *p = kw_svc_partners(svc);
	size_t n = 0;

	kw_arena_reset(s->arena);
	struct kw_gauge_row *rows = kw_new(s->arena, struct kw_gauge_row,
		p->n_channels + p->n_providers + p->n_couriers + p->n_operators);
	n += look_at_secrets(svc, p->channels, p->n_channels, "channel", rows + n);
	n += look_at_secrets(svc, p->providers, p->n_providers, "provider", rows + n);
	n += look_at_secrets(svc, p->couriers, p->n_couriers, "courier", rows + n);
	n += look_at_secrets(svc, p->operators, p->n_operators, "operator", rows + n);
	kw_gauge_all(&secret_expires, rows, n);
}

/* It may come, be replaced, and go while we run. */
static void look_at_certificate(struct sampler *s)
{
	const char *path = s->svc->common.certificate_file;
	struct kw_bytes pem;
	struct kw_err err = { 0 };
	int64_t expires = 0;

	if (path[0] == '\0')
		return;
	kw_arena_reset(s->arena);
	if (access(path, F_OK) == 0 &&
		(kw_file_read(path, CERTIFICATES_MAX, s->arena, &pem, &err) != KW_OK ||
			kw_certificate_expires(pem, &expires, &err) != KW_OK))
		fail(&s->certificate_state, certificate_expires.name, &err);
	else
		kw_gauge(&certificate_expires, expires, KW_NO_LABELS);
}

/* ---- the thread ---- */

static void add(struct sampler *s, const struct kw_sample *sample)
{
	for (; sample && sample->gauges[0]; sample++) {
		kw_assert(s->n < SAMPLES_MAX);
		s->states[s->n++].sample = sample;
	}
}

void *kw_sample_run(void *arg)
{
	struct kw_svc *svc = arg;
	char application[80];

	if (!kw_svc_wait(svc, &svc->verified, -1))
		return NULL;
	struct sampler *s = calloc(1, sizeof(*s));
	kw_assert(s != NULL);
	*s = (struct sampler) { .svc = svc, .arena = kw_arena_new(ARENA_MAX) };
	snprintf(application, sizeof(application), "%s/look", svc->service->name);
	s->pg = kw_pg_new(&(struct kw_pg_config) {
		.dsn = svc->common.dsn,
		.schema = svc->service->schema,
		.application = application,
	});
	add(s, samples);
	add(s, svc->service->samples);
	do {
		look_at_disks(svc);
		look_at_partners(s);
		look_at_certificate(s);
		take(s, &s->holder_state);
		for (size_t i = 0; i < s->n && !atomic_load(&svc->leaving); i++)
			take(s, &s->states[i]);
	} while (kw_svc_wait(svc, NULL, (int)svc->common.sample_ms));
	kw_pg_free(s->pg);
	kw_arena_free(s->arena);
	free(s);
	return NULL;
}
