#include "toy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/log.h"
#include "flow/schema.h"
#include "pg/migrate.h"

static const struct kw_field message_fields[] = {
	KW_STR(struct toy_message, name, KW_REQUIRED, 1, 64),
	KW_I64(struct toy_message, number, KW_REQUIRED, 1, 1000000),
	KW_STR(struct toy_message, deed, KW_OPTIONAL, 1, 20),
	KW_END,
};

static const struct kw_event_type done_event = { "karwan.toy.done.v1", message_fields };

static const struct kw_migration toy_migrations[] = {
	{ "001_toy.sql",
		"CREATE TABLE deeds (name text NOT NULL, number bigint NOT NULL, PRIMARY KEY (name, number));" },
	{ 0 },
};

static const struct kw_stmt insert_deeds = {
	"INSERT INTO deeds SELECT * FROM unnest($1::text[], $2::bigint[])"
};

static const struct kw_col deed_cols[] = {
	KW_COL_TEXT(struct toy_message, name),
	KW_COL_I64(struct toy_message, number),
	KW_COL_END,
};

static enum kw_rc on_message(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	const struct toy_message *messages = in;
	struct toy *toy = b->ctx;
	struct kw_args args = kw_args_of(b->arena);

	if (toy->before)
		toy->before(toy);
	for (size_t i = 0; i < n; i++) {
		const char *deed = messages[i].deed ? messages[i].deed : "";
		if (strcmp(deed, "refuse") == 0 && toy->refusing)
			return kw_fail_code(err, KW_INVALID, "REFUSED", "the handler refuses it");
		if (strcmp(deed, "retry") == 0 && toy->retries_left-- > 0)
			return kw_fail(err, KW_RETRY, "once more");
		if (strcmp(deed, "break") == 0 && toy->breaking)
			return kw_fail(err, KW_FATAL, "broken");
		if (strcmp(deed, "die") == 0)
			abort();
	}
	kw_args_rows(&args, deed_cols, messages, n, sizeof(*messages));
	KW_TRY(kw_pg_exec(b->pg, &insert_deeds, &args, NULL, err));
	for (size_t i = 0; i < n; i++) {
		struct kw_uuid entity = kw_uuid_of("toy", messages[i].name);
		kw_emit(b, &done_event, messages[i].name, &entity, messages[i].number,
			&messages[i].meta, &messages[i]);
	}
	return KW_OK;
}

static void must(enum kw_rc rc, const struct kw_err *err)
{
	if (rc != KW_OK)
		fail_msg("%s: %s %s (%s:%d)", kw_rc_name(rc), err->code, err->reason, err->file,
			err->line);
}

static struct kw_pg *connection(struct toy *toy)
{
	return kw_pg_new(&(struct kw_pg_config) {
		.dsn = toy->dsn, .schema = "toy", .application = "toy-test" });
}

void toy_make(struct toy *toy, const char *name, const char *brokers, const char *dsn)
{
	static struct kw_topic_row rows[8][3];
	static int next;
	struct kw_topic_row *row = rows[next++ % 8];
	struct kw_topic *topics;
	struct kw_err err;
	size_t n;

	memset(toy, 0, sizeof(*toy));
	kw_log_init("toy", KW_WARNING);
	toy->arena = kw_arena_new(1024 * 1024);
	toy->refusing = true;
	snprintf(toy->dsn_text, sizeof(toy->dsn_text), "%s",
		dsn ? dsn : kt_database(kt_unique(name)));
	toy->dsn = toy->dsn_text;
	snprintf(toy->brokers, sizeof(toy->brokers), "%s",
		brokers ? brokers : kt_need("TEST_KAFKA_BROKERS"));
	snprintf(toy->in, sizeof(toy->in), "%s.in", kt_unique(name));
	snprintf(toy->events, sizeof(toy->events), "%s.events", kt_unique(name));
	topics = kw_new(toy->arena, struct kw_topic, 2);
	topics[0] = (struct kw_topic) { toy->in, TOY_PARTITIONS, -1, "in" };
	topics[1] = (struct kw_topic) { toy->events, TOY_PARTITIONS, 2592000000, "events" };
	toy->topics = (struct kw_topics) { topics, 2 };
	must(kw_topics_apply(toy->brokers, &toy->topics, &n, &err), &err);
	struct kw_pg *pg =
		kw_pg_new(&(struct kw_pg_config) { .dsn = toy->dsn, .application = "toy-migrate" });
	struct kw_migrate_target target = { .schema = "toy",
		.sets = (const struct kw_migration *const[]) {
			kw_flow_migrations, toy_migrations, NULL } };
	must(kw_pg_migrate(pg, &target, &n, &err), &err);
	kw_pg_free(pg);
	row[0] = (struct kw_topic_row) { toy->in, "karwan.toy.asked.v1", message_fields,
		sizeof(struct toy_message), on_message };
	row[1] = row[2] = (struct kw_topic_row) { 0 };
	toy->config = (struct kw_flow_config) {
		.service = kw_arena_str(toy->arena, kt_unique(name)),
		.schema = "toy",
		.in_topic = toy->in,
		.events_topic = toy->events,
		.rows = row,
		.brokers = toy->brokers,
		.dsn = toy->dsn,
		.topics = &toy->topics,
		.clock = &kw_clock_system,
		.session_ms = 2000,
		.ctx = toy,
	};
}

void toy_done(struct toy *toy)
{
	kw_arena_free(toy->arena);
}

void toy_send_raw(struct toy *toy, const char *key, const char *type, const char *value)
{
	kt_send(toy->brokers, toy->in,
		kw_partition_of((struct kw_bytes) { key, strlen(key) }, TOY_PARTITIONS), key, type,
		value);
}

void toy_send(struct toy *toy, const char *name, int64_t number, const char *deed)
{
	char value[256];

	snprintf(value, sizeof(value), "{\"name\":\"%s\",\"number\":%lld,\"deed\":\"%s\"}", name,
		(long long)number, deed);
	toy_send_raw(toy, name, "karwan.toy.asked.v1", value);
}

void toy_send_many(struct toy *toy, const char *prefix, int entities, int each)
{
	for (int k = 1; k <= each; k++)
		for (int i = 0; i < entities; i++) {
			char name[64];
			snprintf(name, sizeof(name), "%s%d", prefix, i);
			toy_send(toy, name, k, "");
		}
}

void toy_listen(struct toy *toy, const struct toy *of)
{
	struct kw_topic_row *rows = kw_new(toy->arena, struct kw_topic_row, 3);

	rows[0] = toy->config.rows[0];
	rows[1] = (struct kw_topic_row) { of->events, "karwan.toy.done.v1", message_fields,
		sizeof(struct toy_message), on_message };
	toy->config.rows = rows;
}

void toy_event_of(struct toy *toy, const char *type, const char *name, int64_t number)
{
	char value[256], sequence[40];

	snprintf(
		value, sizeof(value), "{\"name\":\"%s\",\"number\":%lld}", name, (long long)number);
	snprintf(sequence, sizeof(sequence), "000001-%019lld", (long long)number);
	kt_send_event(toy->brokers, toy->events,
		kw_partition_of((struct kw_bytes) { name, strlen(name) }, TOY_PARTITIONS), name,
		type, sequence, value);
}

void toy_event(struct toy *toy, const char *name, int64_t number)
{
	toy_event_of(toy, "karwan.toy.done.v1", name, number);
}

void toy_make_anew(struct toy *toy, const char *topic)
{
	int64_t until = kw_monotonic_us() + 30 * KW_US_PER_S;
	struct kw_err err;
	size_t created = 0;

	kt_delete_topic(toy->brokers, topic);
	while (created == 0 && kw_monotonic_us() < until)
		(void)kw_topics_apply(toy->brokers, &toy->topics, &created, &err);
	assert_int_equal(created, 1);
}

struct kt_proxy *toy_through(struct toy *toy, kt_proxy_hook *hook, void *ctx)
{
	const char *at = strchr(toy->dsn, '@'), *slash = at ? strchr(at, '/') : NULL;
	char host[64];
	int port;

	assert_non_null(slash);
	assert_int_equal(sscanf(at, "@%63[^:]:%d", host, &port), 2);
	struct kt_proxy *p = kt_proxy_open(host, port, hook, ctx);
	/* what a proxy cuts must not be encrypted */
	toy->config.dsn = kw_arena_printf(toy->arena, "%.*s@127.0.0.1:%d%s%csslmode=disable",
		(int)(at - toy->dsn), toy->dsn, kt_proxy_port(p), slash,
		strchr(slash, '?') ? '&' : '?');
	return p;
}

static void *member_main(void *arg)
{
	struct toy_member *member = arg;
	struct kw_err err = { 0 };

	if (kw_runner_run(member->r, false, &err) != KW_OK)
		fprintf(stderr, "member: %s\n", err.reason);
	return NULL;
}

void toy_start(struct toy_member *member, struct toy *toy)
{
	struct kw_err err = { 0 };

	must(kw_runner_open(&toy->config, &member->r, &err), &err);
	assert_int_equal(pthread_create(&member->thread, NULL, member_main, member), 0);
}

void toy_end(struct toy_member *member)
{
	kw_runner_stop(member->r);
	pthread_join(member->thread, NULL);
	kw_runner_close(member->r);
}

void toy_hear(struct toy_ear *ear)
{
	ear->file = tmpfile();
	assert_non_null(ear->file);
	ear->stderr_fd = dup(STDERR_FILENO);
	assert_int_equal(dup2(fileno(ear->file), STDERR_FILENO), STDERR_FILENO);
}

int toy_heard(struct toy_ear *ear, const char *text)
{
	char line[2000];
	int n = 0;

	assert_int_equal(dup2(ear->stderr_fd, STDERR_FILENO), STDERR_FILENO);
	close(ear->stderr_fd);
	rewind(ear->file);
	while (fgets(line, sizeof(line), ear->file)) {
		n += strstr(line, text) != NULL;
		fputs(line, stderr);
	}
	fclose(ear->file);
	return n;
}

void toy_wait(struct toy *toy, const char *sql, int64_t value)
{
	int64_t until = kw_monotonic_us() + 60 * KW_US_PER_S, is;

	while ((is = toy_count(toy, sql)) != value)
		if (kw_monotonic_us() > until)
			fail_msg("%s is %lld, not %lld", sql, (long long)is, (long long)value);
}

void toy_consume(struct toy *toy)
{
	struct kw_runner *r;
	struct kw_err err = { 0 };

	must(kw_runner_open(&toy->config, &r, &err), &err);
	must(kw_runner_run(r, true, &err), &err);
	kw_runner_close(r);
}

void toy_publish(struct toy *toy)
{
	struct kw_publisher *p;
	struct kw_err err = { 0 };

	must(kw_publisher_open(&toy->config, &p, &err), &err);
	must(kw_publisher_run(p, true, &err), &err);
	kw_publisher_close(p);
}

struct one {
	int64_t value;
};
static const struct kw_col one_cols[] = { KW_COL_I64(struct one, value), KW_COL_END };

int64_t toy_count(struct toy *toy, const char *sql)
{
	struct kw_pg *pg = connection(toy);
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(1024 * 1024);
	struct kw_args args = kw_args_of(a);
	struct kw_stmt stmt = { sql };
	struct kw_err err = { 0 };
	struct one row = { -1 };

	must(kw_pg_fetch_one(pg, &stmt, &args, one_cols, sizeof(row), &row, &err), &err);
	kw_pg_free(pg);
	return row.value;
}

void toy_sql(struct toy *toy, const char *sql)
{
	struct kw_pg *pg = connection(toy);
	struct kw_err err = { 0 };

	must(kw_pg_script(pg, sql, &err), &err);
	kw_pg_free(pg);
}

struct journaled {
	int64_t partition, number;
	struct kw_uuid id;
	const char *payload;
};
static const struct kw_col journaled_cols[] = {
	KW_COL_I64(struct journaled, partition),
	KW_COL_I64(struct journaled, number),
	KW_COL_UUID(struct journaled, id),
	KW_COL_TEXT(struct journaled, payload),
	KW_COL_END,
};

static int by_place(const void *a, const void *b)
{
	const struct kt_event *x = a, *y = b;

	if (x->partition != y->partition)
		return x->partition < y->partition ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

size_t toy_verify(struct toy *toy)
{
	static const struct kw_stmt all = {
		"SELECT partition::bigint, number, id, payload FROM journal ORDER BY partition, number"
	};
	struct kw_pg *pg = connection(toy);
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(256 * 1024 * 1024);
	struct kw_args args = kw_args_of(a);
	struct journaled *rows;
	struct kt_partner partner;
	struct kw_err err = { 0 };
	size_t n;

	must(kw_pg_fetch(pg, &all, &args, journaled_cols, sizeof(*rows), &rows, &n, &err), &err);
	kw_pg_free(pg);
	kt_partner_read(&partner, toy->brokers, toy->events, TOY_PARTITIONS);
	qsort(partner.events, partner.n, sizeof(*partner.events), by_place);
	assert_int_equal(partner.n, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(partner.events[i].partition, rows[i].partition);
		assert_int_equal(partner.events[i].number, rows[i].number);
		assert_string_equal(partner.events[i].id, rows[i].id.s);
		assert_string_equal(partner.events[i].payload, rows[i].payload);
	}
	kt_partner_done(&partner);
	return n;
}

bool toy_has_dead(struct toy *toy, const char *code_or_reason)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
		"SELECT count(*) FROM dead_letters WHERE code = '%s' OR reason LIKE '%%%s%%'",
		code_or_reason, code_or_reason);
	return toy_count(toy, sql) == 1;
}
