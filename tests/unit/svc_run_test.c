/* A whole service as a process, on real Kafka, PostgreSQL and Redis: it starts, accepts, refuses,
 * survives neighbours that are away, reads its partners again, and leaves when it is told. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "bus/consumer.h"
#include "bus/envelope.h"
#include "http/signature.h"
#include "support.h"
#include "svc_toy.h"
#include "json/json.h"

static struct answer answer;

static int with_servers(void **state)
{
	static struct toy toy;
	static int n;
	char name[20];

	snprintf(name, sizeof(name), "svc%d", ++n); /* topics of its own for each test */
	toy_make(&toy, name, NULL, NULL);
	*state = &toy;
	return 0;
}

static int done(void **state)
{
	toy_done(*state);
	return 0;
}

#define NOBODY_HERE "127.0.0.1:1"

static int without_kafka(void **state)
{
	static struct toy toy;

	toy_make(&toy, "svc-alone", NOBODY_HERE, NULL);
	*state = &toy;
	return 0;
}

/* ---- command line, configuration ---- */

static void test_command_line(void **state)
{
	struct toy *toy = *state;

	toy_start(toy, "--version");
	assert_int_equal(toy_wait_end(toy), 0);
	char want[100];
	snprintf(want, sizeof(want), "%s %s\n", toy->name, KW_VERSION);
	assert_string_equal(toy->log, want);
	toy_start(toy, "--help");
	assert_int_equal(toy_wait_end(toy), 0);
	assert_true(toy_logged(toy, "KARWAN_POSTGRES_DSN"));
	assert_true(toy_logged(toy, "KARWAN_TOY_FACTOR"));
	assert_true(toy_logged(toy, "--once"));
	toy_set(toy, "KARWAN_ADMIN_LISTEN", NOBODY_HERE);
	toy_start(toy, "--healthcheck");
	assert_int_equal(toy_wait_end(toy), 1);
	toy_set(toy, "KARWAN_ADMIN_LISTEN", "8081");
	toy_start(toy, "--healthcheck");
	assert_int_equal(toy_wait_end(toy), 78);
	toy_start(toy, "--twice");
	assert_int_equal(toy_wait_end(toy), 64);
	toy_start(toy, "once");
	assert_int_equal(toy_wait_end(toy), 64);
}

static void test_all_that_is_wrong_at_once(void **state)
{
	struct toy *toy = *state;

	toy_set(toy, "KARWAN_KAFKA_BROKERS", NULL);
	toy_set(toy, "KARWAN_POSTGRES_DSN", "mysql://db");
	toy_set(toy, "KARWAN_REDIS_URL", "http://cache");
	toy_set(toy, "KARWAN_LISTEN", "nowhere");
	toy_set(toy, "KARWAN_ADMIN_LISTEN", "127.0.0.1:65536");
	toy_set(toy, "KARWAN_TOY_FACTOR", "101");
	toy_set(toy, "KARWAN_UNHEARD_OF", "1");
	toy_set(toy, "KARWAN_TOPICS_FILE", "/nonexistent/topics.json");
	toy_file(toy, "op", "\n", 0600);
	toy_start(toy, NULL);
	assert_int_equal(toy_wait_end(toy), 78);
	static const char *const lines[] = {
		"KARWAN_KAFKA_BROKERS: required",
		"KARWAN_POSTGRES_DSN: not a postgresql:// URI",
		"KARWAN_REDIS_URL: ",
		"KARWAN_LISTEN: not host:port",
		"KARWAN_ADMIN_LISTEN: not host:port",
		"KARWAN_TOY_FACTOR: 101 is not between 1 and 100",
		"KARWAN_UNHEARD_OF: no such setting",
		"KARWAN_TOPICS_FILE: ",
		"KARWAN_PARTNERS_FILE: /operators/0/secret_files/0: ",
	};
	for (size_t i = 0; i < KW_LEN(lines); i++)
		if (!toy_logged(toy, lines[i]))
			fail_msg("not said: %s\n%s", lines[i], toy->log);
	assert_false(toy_logged(toy, "\"message\""));
}

static void test_each_kind_of_wrong_file(void **state)
{
	struct toy *toy = *state;

	toy_file(toy, "partners.json",
		"{\"channels\":[{\"name\":\"shop\",\"adapter\":\"shopify\","
		"\"secret_files\":[\"shop\"],\"fee_bps\":0,\"park_days\":1}]}",
		0644);
	toy_start(toy, NULL);
	assert_int_equal(toy_wait_end(toy), 78);
	assert_true(toy_logged(toy, "KARWAN_PARTNERS_FILE: /channels/0/adapter: "));
	assert_true(toy_logged(toy, "has no adapter 'shopify' for channels"));
	toy_partners(toy, "");
	toy_file(toy, "topics.json",
		"{\"topics\":[{\"name\":\"other.in\",\"partitions\":12,\"retention_ms\":-1,"
		"\"kind\":\"in\"}]}",
		0644);
	toy_start(toy, NULL);
	assert_int_equal(toy_wait_end(toy), 78);
	assert_true(toy_logged(toy, "KARWAN_TOPICS_FILE: "));
	assert_true(toy_logged(toy, toy->in));
}

static void test_other_partition_count(void **state)
{
	struct toy *toy = *state;

	toy_topics(toy, 6);
	toy_start(toy, NULL);
	assert_int_equal(toy_wait_end(toy), 78);
	assert_true(toy_logged(toy, "\"level\":\"error\""));
	assert_true(toy_logged(toy, "\"where\":\"topics\""));
	assert_true(toy_logged(toy, toy->in));
}

/* ---- the way of a message ---- */

static struct kw_bytes header(const struct kw_message *m, const char *name)
{
	struct kw_bytes value = kw_message_header(m, name);

	if (!value.p)
		fail_msg("no header %s", name);
	return value;
}

#define HEADER_IS(m, name, text)                                 \
	do {                                                     \
		struct kw_bytes value_ = header((m), (name));    \
		assert_int_equal(value_.n, strlen(text));        \
		assert_memory_equal(value_.p, (text), value_.n); \
	} while (0)

/* All messages of the in topic; check is called for each. */
static size_t read_in_topic(
	struct toy *toy, void (*check)(struct toy *toy, const struct kw_message *m))
{
	struct kw_reader *reader;
	struct kw_message m;
	struct kw_err err;
	size_t n = 0;

	assert_int_equal(kw_reader_open(toy->brokers, "svc-test", &reader, &err), KW_OK);
	for (int p = 0; p < 12; p++) {
		enum kw_rc rc = KW_RETRY;
		for (int i = 0; i < 6 && rc == KW_RETRY; i++) /* a machine that is very busy */
			rc = kw_reader_begin(reader, toy->in, p, 0, &err);
		assert_int_equal(rc, KW_OK);
		while ((rc = kw_reader_next(reader, &m, &err)) == KW_OK) {
			n++;
			assert_int_equal(m.partition, p);
			check(toy, &m);
		}
		assert_int_equal(rc, KW_NOTHING);
	}
	kw_reader_close(reader);
	return n;
}

static void check_first(struct toy *toy, const struct kw_message *m)
{
	struct kw_uuid id = kw_uuid_of("toy", "red-car");
	char source[100];

	snprintf(source, sizeof(source), "/karwan/%s/edge", toy->name);
	assert_int_equal(m->partition, kw_partition_of((struct kw_bytes) { "red-car", 7 }, 12));
	assert_int_equal(m->key.n, 7);
	assert_memory_equal(m->key.p, "red-car", 7);
	assert_int_equal(m->value.n, strlen("{\"name\":\"red-car\",\"number\":21}"));
	assert_memory_equal(m->value.p, "{\"name\":\"red-car\",\"number\":21}", m->value.n);
	HEADER_IS(m, "ce_specversion", "1.0");
	HEADER_IS(m, "ce_type", "karwan.toy.asked.v1");
	HEADER_IS(m, "ce_source", source);
	HEADER_IS(m, "ce_subject", id.s);
	HEADER_IS(m, "content-type", "application/json");
	assert_int_equal(header(m, "ce_id").n, 36);
	assert_int_equal(header(m, "traceparent").n, 55);
	assert_non_null(header(m, "ce_time").p);
	assert_null(kw_message_header(m, "ce_sequence").p);
}

static void test_post_to_event(void **state)
{
	struct toy *toy = *state;
	struct kt_partner partner;

	toy_set(toy, "KARWAN_TOY_FACTOR", "7");
	toy_up(toy);
	toy_until(toy, "/readyz", 200, "\"assigned\":true", &answer);
	assert_int_equal(toy_post(toy, "red-car", 3, &answer), 202);
	char want[100];
	snprintf(want, sizeof(want), "{\"toy_id\":\"%s\"}", kw_uuid_of("toy", "red-car").s);
	assert_string_equal(answer.body, want);
	assert_non_null(strstr(answer.head, "Content-Type: application/json"));
	/* published: the toy's row, and that its errand was run */
	toy_until(toy, "/metrics", 200, "karwan_published_total 2\n", &answer);
	assert_int_equal(toy_get(toy, "red-car", &answer), 200);
	assert_string_equal(answer.body, "{\"name\":\"red-car\",\"number\":21}");
	assert_int_equal(toy_get(toy, "blue-car", &answer), 404);
	assert_int_equal(toy_stop(toy), 0);
	toy_no_errors(toy);
	assert_int_equal(read_in_topic(toy, check_first), 1);
	kt_partner_read(&partner, toy->brokers, toy->events, 12);
	assert_int_equal(partner.n, 2);
	assert_string_equal(partner.events[0].type, "karwan.toy.kept.v1");
	assert_string_equal(partner.events[1].type, "karwan.toy.fetched.v1");
	assert_string_equal(partner.events[1].payload, "{\"name\":\"red-car\",\"number\":21}");
	kt_partner_done(&partner);
}

static char trace_of_all[64];

static void check_trace(struct toy *toy, const struct kw_message *m)
{
	struct kw_bytes trace = header(m, "traceparent");

	(void)toy;
	if (!trace_of_all[0]) /* version and trace id */
		snprintf(trace_of_all, sizeof(trace_of_all), "%.35s", (const char *)trace.p);
	assert_memory_equal(trace.p, trace_of_all, 35);
}

/* What a job appends is there when it goes on, and belongs to the trace that caused it. */
static void test_a_job_appends(void **state)
{
	struct toy *toy = *state;

	toy_up(toy);
	toy_until(toy, "/readyz", 200, "\"assigned\":true", &answer);
	assert_int_equal(toy_post(toy, "parrot", 3, &answer), 202);
	/* two toys, two errands */
	toy_until(toy, "/metrics", 200, "karwan_published_total 4\n", &answer);
	assert_int_equal(toy_get(toy, "echo", &answer), 200);
	assert_string_equal(answer.body, "{\"name\":\"echo\",\"number\":3}");
	assert_int_equal(toy_stop(toy), 0);
	toy_no_errors(toy);
	assert_int_equal(read_in_topic(toy, check_trace), 2);
	assert_int_equal(toy_count(toy, "SELECT count(*) FROM intents WHERE state = 'PENDING'"), 0);
}

static void test_once(void **state)
{
	struct toy *toy = *state;
	struct kt_partner partner;
	char value[100];

	for (int i = 1; i <= 50; i++) {
		snprintf(value, sizeof(value), "{\"name\":\"t%d\",\"number\":%d}", i, i);
		kt_send(toy->brokers, toy->in, i % 12, "key", "karwan.toy.asked.v1", value);
	}
	toy_start(toy, "--once");
	assert_int_equal(toy_wait_end(toy), 0);
	toy_no_errors(toy);
	assert_false(toy_logged(toy, "\"message\":\"started\"")); /* no API */
	assert_int_equal(toy_count(toy, "SELECT count(*) FROM toys"), 50);
	assert_int_equal(toy_count(toy, "SELECT count(*) FROM intents WHERE state = 'DONE'"), 50);
	kt_partner_read(&partner, toy->brokers, toy->events, 12);
	assert_int_equal(partner.n, 100);
	kt_partner_done(&partner);
	/* again there is nothing to do */
	toy_start(toy, "--once");
	assert_int_equal(toy_wait_end(toy), 0);
	assert_int_equal(toy_count(toy, "SELECT count(*) FROM toys"), 50);
}

/* ---- who may ask ---- */

static int post_signed(struct toy *toy, const char *channel, const char *secret, const char *body)
{
	kw_time now = kw_now(&kw_clock_system);
	struct kw_err err;
	char path[200], headers[400], *signature;

	assert_int_equal(
		kw_sign_standard_webhook(toy->arena, (struct kw_bytes) { secret, strlen(secret) },
			"msg-1", now, (struct kw_bytes) { body, strlen(body) }, &signature, &err),
		KW_OK);
	snprintf(path, sizeof(path), "/v1/channels/%s/toys", channel);
	snprintf(headers, sizeof(headers),
		"Content-Type: application/json\r\nwebhook-id: msg-1\r\nwebhook-timestamp: %lld\r\n"
		"webhook-signature: %s\r\n",
		(long long)(now / KW_US_PER_S), signature);
	toy_ask(toy->port, "POST", path, headers, body, &answer);
	return answer.status;
}

#define GOOD_BODY "{\"name\":\"doll\",\"number\":1}"
#define OTHER_SECRET "whsec_b3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIh"

static void test_who_may_ask(void **state)
{
	struct toy *toy = *state;
	char refused[sizeof(answer.body)];

	toy_up(toy);
	toy_until(toy, "/readyz", 200, "", &answer);
	assert_int_equal(post_signed(toy, "shop", TOY_SECRET, GOOD_BODY), 202);
	assert_int_equal(post_signed(toy, "shop", OTHER_SECRET, GOOD_BODY), 401);
	snprintf(refused, sizeof(refused), "%s", answer.body);
	/* a name that nobody has gets the very same answer */
	assert_int_equal(post_signed(toy, "nobody", TOY_SECRET, GOOD_BODY), 401);
	assert_string_equal(answer.body, refused);
	/* so does a partner of another kind */
	assert_int_equal(post_signed(toy, "other", TOY_SECRET, GOOD_BODY), 401);
	assert_string_equal(answer.body, refused);
	assert_int_equal(post_signed(toy, "shop", TOY_SECRET, "{\"name\":\"doll\"}"), 422);
	assert_non_null(strstr(answer.body, "/number"));
	assert_int_equal(post_signed(toy, "shop", TOY_SECRET, "{"), 400);
	toy_ask(toy->port, "GET", "/v1/toys/doll", "", "", &answer);
	assert_int_equal(answer.status, 401);
	toy_ask(toy->port, "GET", "/v1/toys/doll", "Authorization: Bearer " TOY_SECRET "\r\n", "",
		&answer);
	assert_int_equal(answer.status, 401);
	toy_ask(toy->port, "GET", "/v1/channels", "", "", &answer);
	assert_int_equal(answer.status, 404);
	toy_ask(toy->port, "PUT", "/v1/toys", "", "", &answer);
	assert_int_equal(answer.status, 405);
	assert_non_null(strstr(answer.head, "Allow: POST"));
	/* health is on the admin port only */
	toy_ask(toy->port, "GET", "/metrics", "", "", &answer);
	assert_int_equal(answer.status, 404);
	toy_until(toy, "/metrics", 200, "karwan_appends_total{outcome=\"persisted\"} 1\n", &answer);
	assert_non_null(strstr(answer.body,
		"karwan_http_requests_total{route=\"/v1/channels/:channel/toys\",method=\"POST\","
		"status=\"401\"} 3\n"));
	assert_int_equal(toy_stop(toy), 0);
	toy_no_errors(toy);
	assert_false(toy_logged(toy, TOY_TOKEN));
	assert_false(toy_logged(toy, TOY_SECRET));
}

static void test_partners_are_read_again(void **state)
{
	struct toy *toy = *state;
	const char *second = "Authorization: Bearer token-of-the-second\r\n";

	toy_up(toy);
	toy_until(toy, "/readyz", 200, "\"configuration\":\"ok\"", &answer);
	toy_ask(toy->port, "GET", "/v1/toys/x", second, "", &answer);
	assert_int_equal(answer.status, 401);
	toy_file(toy, "op2", "token-of-the-second\n", 0600);
	toy_partners(toy, ",{\"name\":\"second\",\"secret_files\":[\"op2\"]}");
	kill(toy->pid, SIGHUP);
	toy_wait_line(toy, "partners read");
	toy_ask(toy->port, "GET", "/v1/toys/x", second, "", &answer);
	assert_int_equal(answer.status, 404);
	assert_int_equal(toy_get(toy, "x", &answer), 404);
	toy_no_errors(toy);
	/* a bad file keeps the old one, and says so */
	toy_file(toy, "partners.json", "{\"operators\":[{\"name\":\"op\"}]}", 0644);
	kill(toy->pid, SIGHUP);
	toy_wait_line(toy, "partners file refused");
	toy_ask(toy->port, "GET", "/v1/toys/x", second, "", &answer);
	assert_int_equal(answer.status, 404);
	toy_until(toy, "/readyz", 200, "\"configuration\":\"stale\"", &answer);
	toy_until(toy, "/metrics", 200, "karwan_errors_total{where=\"partners\"} 1\n", &answer);
	toy_partners(toy, "");
	kill(toy->pid, SIGHUP);
	toy_wait_line(toy, "partners read");
	toy_ask(toy->port, "GET", "/v1/toys/x", second, "", &answer);
	assert_int_equal(answer.status, 401);
	toy_until(toy, "/readyz", 200, "\"configuration\":\"ok\"", &answer);
	assert_int_equal(toy_stop(toy), 0);
}

/* ---- health ---- */

/* What --healthcheck of the same environment exits with, having said that. */
static int healthcheck(const struct toy *toy, const char *says)
{
	struct toy asking = *toy;
	char admin[40];

	asking.pid = 0;
	asking.log = malloc(LOG_MAX);
	assert_non_null(asking.log);
	snprintf(admin, sizeof(admin), ":%d", toy->admin);
	toy_set(&asking, "KARWAN_ADMIN_LISTEN", admin);
	toy_start(&asking, "--healthcheck");
	int status = toy_wait_end(&asking);
	assert_true(toy_logged(&asking, says));
	free(asking.log);
	return status;
}

static void test_health(void **state)
{
	static const char *const names[] = { "karwan_http_requests_total",
		"karwan_http_request_duration_seconds", "karwan_batches_total",
		"karwan_messages_total", "karwan_batch_duration_seconds_total",
		"karwan_dead_letters_total", "karwan_retries_total", "karwan_repeats_total",
		"karwan_gaps_total", "karwan_consumer_lag", "karwan_last_batch_size",
		"karwan_journal_pending", "karwan_published_total", "karwan_resent_total",
		"karwan_publisher_leader", "karwan_build_info", "process_resident_memory_bytes",
		"process_open_fds", "process_cpu_seconds_total", "process_start_time_seconds",
		"karwan_events_total", "karwan_ready", "karwan_reachable",
		"karwan_journal_unpublished", "karwan_dead_letters_open",
		"karwan_postgres_connections", "karwan_postgres_oldest_snapshot_seconds",
		"karwan_disk_free_bytes", "karwan_secret_expires_timestamp_seconds",
		"karwan_certificate_expires_timestamp_seconds" };
	struct toy *toy = *state;
	char line[100];

	toy_set(toy, "KARWAN_CERTIFICATE_FILE", "/nonexistent/certificate.pem");
	toy_up(toy);
	toy_ask(toy->admin, "GET", "/healthz", "", "", &answer);
	assert_int_equal(answer.status, 200);
	toy_until(toy, "/readyz", 200, "\"assigned\":true", &answer);
	toy_until(toy, "/readyz", 200, "\"postgres\":\"ok\"", &answer);
	toy_until(toy, "/readyz", 200, "\"redis\":\"ok\"", &answer);
	assert_int_equal(healthcheck(toy, "\"ready\":true"), 0);
	assert_string_equal(answer.body,
		"{\"ready\":true,\"kafka\":\"ok\",\"configuration\":\"ok\",\"postgres\":\"ok\","
		"\"redis\":\"ok\",\"assigned\":true}");
	assert_int_equal(toy_post(toy, "top", 1, &answer), 202);
	toy_until(toy, "/metrics", 200, "karwan_published_total 2\n", &answer);
	/* counted now and then */
	toy_until(toy, "/metrics", 200, "karwan_journal_pending 0\n", &answer);
	assert_non_null(
		strstr(answer.head, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	for (size_t i = 0; i < KW_LEN(names); i++) {
		snprintf(line, sizeof(line), "# TYPE %s ", names[i]);
		if (!strstr(answer.body, line))
			fail_msg("no %s in\n%s", names[i], answer.body);
	}
	assert_non_null(strstr(answer.body, "karwan_publisher_leader 1\n"));
	assert_non_null(strstr(answer.body, "karwan_messages_total 1\n"));
	assert_non_null(strstr(answer.body, "karwan_certificate_expires_timestamp_seconds 0\n"));
	FILE *promtool = popen("promtool check metrics", "w");
	assert_non_null(promtool);
	fputs(answer.body, promtool);
	assert_int_equal(pclose(promtool), 0);
	assert_int_equal(toy_stop(toy), 0);
	toy_no_errors(toy);
}

/* ---- neighbours that are away ---- */

static void test_kafka_never_there(void **state)
{
	struct toy *toy = *state;

	toy_up(toy);
	toy_ask(toy->admin, "GET", "/healthz", "", "", &answer);
	assert_int_equal(answer.status, 200);
	toy_until(toy, "/readyz", 503, "\"kafka\":\"degraded\"", &answer);
	assert_int_equal(healthcheck(toy, "\"ready\":false"), 1);
	assert_non_null(strstr(answer.body, "\"ready\":false"));
	assert_int_equal(toy_post(toy, "train", 1, &answer), 503);
	assert_non_null(strstr(answer.head, "Retry-After: 1"));
	assert_non_null(strstr(answer.head, "application/problem+json"));
	/* reads need no Kafka */
	assert_int_equal(toy_get(toy, "train", &answer), 404);
	int64_t began = kw_monotonic_us();
	assert_int_equal(toy_stop(toy), 0);
	assert_true(kw_monotonic_us() - began < 10 * KW_US_PER_S);
	toy_no_errors(toy);
}

static struct kt_server kafka;

static int with_own_kafka(void **state)
{
	static struct toy toy;

	kt_server_new(&kafka, "kafka-server", "svc-kafka");
	kt_server(&kafka, "start");
	toy_make(&toy, "svc-private", kafka.address, NULL);
	toy_apply_topics(&toy);
	*state = &toy;
	return 0;
}

static int done_with_own_kafka(void **state)
{
	toy_done(*state);
	kt_server_end(&kafka);
	return 0;
}

static void test_kafka_goes_and_returns(void **state)
{
	struct toy *toy = *state;

	toy_up(toy);
	toy_until(toy, "/readyz", 200, "\"assigned\":true", &answer);
	assert_int_equal(toy_post(toy, "kite", 1, &answer), 202);
	kt_server(&kafka, "kill");
	assert_int_equal(toy_post(toy, "kite", 2, &answer), 503);
	assert_non_null(strstr(answer.head, "Retry-After: 1"));
	toy_until(toy, "/readyz", 503, "\"kafka\":\"degraded\"", &answer);
	kt_server(&kafka, "start");
	toy_until(toy, "/readyz", 200, "\"kafka\":\"ok\"", &answer);
	int status = 503; /* its connection may be older than the news */
	for (int i = 0; i < 20 && status == 503; i++)
		status = toy_post(toy, "kite", 3, &answer);
	assert_int_equal(status, 202);
	toy_until(toy, "/readyz", 200, "\"assigned\":true", &answer);
	assert_int_equal(toy_stop(toy), 0);
	toy_no_errors(toy);
}

static void test_postgres_away(void **state)
{
	struct toy *toy = *state;

	toy_set(toy, "KARWAN_POSTGRES_DSN", "postgresql://toy@127.0.0.1:1/toy");
	toy_up(toy);
	toy_until(toy, "/readyz", 200, "\"postgres\":\"degraded\"", &answer);
	assert_non_null(strstr(answer.body, "\"assigned\":false"));
	assert_int_equal(toy_post(toy, "yoyo", 1, &answer), 202);
	assert_int_equal(toy_get(toy, "yoyo", &answer), 503);
	assert_non_null(strstr(answer.head, "Retry-After: 1"));
	int64_t began = kw_monotonic_us();
	assert_int_equal(toy_stop(toy), 0);
	assert_true(kw_monotonic_us() - began < 10 * KW_US_PER_S);
	toy_no_errors(toy);
	/* what was accepted is there when PostgreSQL is */
	toy_set(toy, "KARWAN_POSTGRES_DSN", toy->dsn);
	toy_start(toy, "--once");
	assert_int_equal(toy_wait_end(toy), 0);
	assert_int_equal(toy_count(toy, "SELECT count(*) FROM toys WHERE name = 'yoyo'"), 1);
}

static void test_redis_away(void **state)
{
	struct toy *toy = *state;

	toy_set(toy, "KARWAN_REDIS_URL", "redis://127.0.0.1:1");
	toy_up(toy);
	toy_until(toy, "/readyz", 200, "\"redis\":\"degraded\"", &answer);
	assert_int_equal(toy_post(toy, "ball", 1, &answer), 202);
	assert_int_equal(toy_stop(toy), 0);
	toy_set(toy, "KARWAN_REDIS_URL", "");
	toy_up(toy);
	toy_until(toy, "/readyz", 200, "\"redis\":\"off\"", &answer);
	assert_int_equal(toy_stop(toy), 0);
	toy_no_errors(toy);
}

/* ---- leave ---- */

#define SENDERS 8

struct sender {
	struct toy *toy;
	int id, accepted, refused, lost;
	struct answer answer;
};

/* Posts until nobody listens any more. */
static void *send_until_gone(void *arg)
{
	struct sender *s = arg;
	char name[40];

	for (int i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "s%d-%d", s->id, i);
		int status = toy_post(s->toy, name, 1, &s->answer);
		s->accepted += status == 202;
		s->refused += status == 503;
		s->lost += status == 0;
		if (status == 0 && s->lost > 20)
			break;
	}
	return NULL;
}

static void count_only(struct toy *toy, const struct kw_message *m)
{
	(void)toy;
	(void)m;
}

/* SIGTERM under load: every 202 is in the topic, and nothing that was sent stays without an answer
 * because the process left. */
static void test_leaves_under_load(void **state)
{
	static struct sender senders[SENDERS];
	struct toy *toy = *state;
	pthread_t threads[SENDERS];
	int accepted = 0;

	toy_up(toy);
	toy_until(toy, "/readyz", 200, "\"assigned\":true", &answer);
	for (int i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender) { .toy = toy, .id = i };
		pthread_create(&threads[i], NULL, send_until_gone, &senders[i]);
	}
	/* in the middle of it */
	for (int64_t seen = 0; seen < 200;) {
		toy_until(toy, "/metrics", 200, "outcome=\"persisted\"} ", &answer);
		seen = strtoll(strstr(answer.body, "outcome=\"persisted\"} ") + 21, NULL, 10);
	}
	int64_t began = kw_monotonic_us();
	assert_int_equal(toy_stop(toy), 0);
	assert_true(kw_monotonic_us() - began < 9 * KW_US_PER_S);
	for (int i = 0; i < SENDERS; i++) {
		pthread_join(threads[i], NULL);
		accepted += senders[i].accepted;
	}
	toy_no_errors(toy);
	assert_true(accepted >= 200);
	/* nothing was answered but not sent, nor sent and not answered */
	assert_int_equal(read_in_topic(toy, count_only), accepted);
	/* what was consumed was consumed whole: the rest follows, each once */
	toy_start(toy, "--once");
	assert_int_equal(toy_wait_end(toy), 0);
	assert_int_equal(toy_count(toy, "SELECT count(*) FROM toys"), accepted);
	assert_int_equal(toy_count(toy, "SELECT count(DISTINCT name) FROM toys"), accepted);
}

/* A database that refuses what the programs rely on is not waited for: the supervisor's business.
 */
static void test_fatal_ends_it(void **state)
{
	struct toy *toy = *state;

	assert_int_equal(toy_count(toy, "WITH x AS (SELECT 1) SELECT count(*) FROM x"), 1);
	toy_set(toy, "KARWAN_POSTGRES_DSN", kt_database(kt_unique("svc-empty")));
	toy_start(toy, NULL);
	assert_int_equal(toy_wait_end(toy), 1);
	assert_true(toy_logged(toy, "\"message\":\"cannot go on\""));
}

int main(int argc, char **argv)
{
	if (toy_is_me())
		return toy_main(argc, argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_command_line, without_kafka, done),
		cmocka_unit_test_setup_teardown(
			test_all_that_is_wrong_at_once, without_kafka, done),
		cmocka_unit_test_setup_teardown(test_each_kind_of_wrong_file, without_kafka, done),
		cmocka_unit_test_setup_teardown(test_other_partition_count, with_servers, done),
		cmocka_unit_test_setup_teardown(test_post_to_event, with_servers, done),
		cmocka_unit_test_setup_teardown(test_a_job_appends, with_servers, done),
		cmocka_unit_test_setup_teardown(test_once, with_servers, done),
		cmocka_unit_test_setup_teardown(test_who_may_ask, with_servers, done),
		cmocka_unit_test_setup_teardown(test_partners_are_read_again, with_servers, done),
		cmocka_unit_test_setup_teardown(test_health, with_servers, done),
		cmocka_unit_test_setup_teardown(test_kafka_never_there, without_kafka, done),
		cmocka_unit_test_setup_teardown(
			test_kafka_goes_and_returns, with_own_kafka, done_with_own_kafka),
		cmocka_unit_test_setup_teardown(test_postgres_away, with_servers, done),
		cmocka_unit_test_setup_teardown(test_redis_away, with_servers, done),
		cmocka_unit_test_setup_teardown(test_leaves_under_load, with_servers, done),
		cmocka_unit_test_setup_teardown(test_fatal_ends_it, with_servers, done),
	};

	kw_json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
