#include "system.h"

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/id.h"
#include "core/log.h"
#include "http/crypto.h"
#include "http/signature.h"
#include "pg/pg.h"
#include "json/json.h"

#define PRICE "1000.00"
#define WAIT_US (120 * KW_US_PER_S)

/* ---- files of the run ---- */

static char *read_file(struct system *s, const char *path)
{
	FILE *file = fopen(path, "r");
	static char text[16 * 1024 * 1024];
	size_t n;

	if (!file)
		fail_msg("%s cannot be read", path);
	n = fread(text, 1, sizeof(text), file);
	fclose(file);
	return kw_arena_strn(s->arena, text, n);
}

static const char *in_dir(struct system *s, const char *name)
{
	return kw_arena_printf(s->arena, "%s/%s", s->dir, name);
}

static const char *secret(struct system *s, const char *name)
{
	char *text = read_file(s, kw_arena_printf(s->arena, "%s/secrets/%s", s->dir, name));

	text[strcspn(text, "\n")] = '\0';
	return text;
}

static int port_of(struct system *s, const char *name)
{
	FILE *file = fopen(in_dir(s, "ports"), "r");
	char found[100];
	int port, result = 0;

	assert_non_null(file);
	while (!result && fscanf(file, "%99s %d", found, &port) == 2)
		if (strcmp(found, name) == 0)
			result = port;
	fclose(file);
	if (!result)
		fail_msg("%s has no port", name);
	return result;
}

static const char *replica_name(struct system *s, const char *service, int replica)
{
	return replica < 2 ? service : kw_arena_printf(s->arena, "%s.%d", service, replica);
}

/* ---- up and down ---- */

static void verb(struct system *s, const char *verb_name, const char *argument)
{
	const char *script = kw_arena_printf(s->arena, "%s/system", kt_need("TEST_SERVERS_DIR"));

	setenv("BIN", kt_need("TEST_BIN_DIR"), 1);
	if (kt_run((const char *const[]) { script, s->dir, verb_name, argument, NULL },
		    kw_arena_printf(s->arena, "%s.verbs", s->dir)) != 0)
		fail_msg("system %s %s: see %s.verbs", verb_name, argument ? argument : "", s->dir);
}

void system_up(struct system *s, const char *name, int replicas)
{
	*s = (struct system) { .replicas = replicas,
		.arena = kw_arena_new((size_t)4096 * 1024 * 1024),
		.client = kw_client_new(true) };
	kw_log_init("scenario", KW_ERROR);
	kw_json_init();
	snprintf(s->dir, sizeof(s->dir), "%s/%s", kt_need("TEST_RUN_DIR"), kt_unique(name));
	verb(s, "up", kw_arena_printf(s->arena, "%d", replicas));
	s->attempts = in_dir(s, "attempts");
}

static void look_for_errors(struct system *s, const char *const *expected)
{
	const char *logs = in_dir(s, "errors");
	char line[4096];
	FILE *file;

	(void)kt_run(
		(const char *const[]) { "sh", "-c",
			kw_arena_printf(s->arena,
				"grep -hE '\"level\":\"error\"|ERROR: (Address|Leak|Undefined)|runtime error|assertion failed' %s/logs/*.log*",
				s->dir),
			NULL },
		logs);
	file = fopen(logs, "r");
	while (file && fgets(line, sizeof(line), file)) {
		bool known = false;

		for (const char *const *text = expected; text && *text && !known; text++)
			known = strstr(line, *text) != NULL;
		if (!known)
			fail_msg("an error that was not expected: %s (%s/logs)", line, s->dir);
	}
	if (file)
		fclose(file);
}

static const char *wrong_file(struct system *s)
{
	return kw_arena_printf(s->arena, "%s/wrong", s->dir);
}

void system_wrong(struct system *s, const char *topic_and_key)
{
	FILE *file = fopen(wrong_file(s), "a");

	assert_non_null(file);
	assert_true(fprintf(file, "%s\n", topic_and_key) > 0);
	assert_int_equal(fclose(file), 0);
}

static bool messages_are_right(struct system *s)
{
	const char *output = kw_arena_printf(s->arena, "%s/messages", s->dir);
	int code = kt_run(
		(const char *const[]) { "python3", KW_SOURCE_DIR "/tests/scenario/messages.py",
			system_brokers(s), wrong_file(s), NULL },
		output);

	print_message("%s", read_file(s, output));
	return code == 0;
}

void system_down(struct system *s, const char *const *expected_errors)
{
	/* whatever was found, nothing is left running */
	bool right = messages_are_right(s);
	verb(s, "down", NULL);
	look_for_errors(s, expected_errors);
	if (!right)
		fail_msg("messages are not as their schemas say: %s/messages", s->dir);
	(void)kt_run((const char *const[]) { "sh", "-c",
			     kw_arena_printf(s->arena, "rm -rf \"$(realpath %s/data)\" %s %s.verbs",
				     s->dir, s->dir, s->dir),
			     NULL },
		NULL);
	kw_client_free(s->client);
	kw_arena_free(s->arena);
}

void system_kill(struct system *s, const char *name, int sig)
{
	FILE *file = fopen(kw_arena_printf(s->arena, "%s/run/%s.pid", s->dir, name), "r");
	int pid = 0;

	/* it may be starting again at this moment */
	if (!file)
		return;
	if (fscanf(file, "%d", &pid) == 1 && pid > 1)
		kill(pid, sig);
	fclose(file);
}

void system_stop(struct system *s, const char *name)
{
	verb(s, "stop", name);
}

void system_start(struct system *s, const char *name)
{
	verb(s, "start", name);
}

static bool is_ready(struct system *s, const char *service, int replica)
{
	const char *name = kw_arena_printf(s->arena, "%s-admin", replica_name(s, service, replica));
	struct kw_call call = { .method = "GET",
		.url = kw_arena_printf(s->arena, "http://127.0.0.1:%d/readyz", port_of(s, name)) };

	kw_client_run(s->client, s->arena, &call, 1, 3000, 65536);
	return call.rc == KW_OK && call.status == 200 &&
	       memmem(call.answer.p, call.answer.n, "\"assigned\":true", 15);
}

void system_wait_ready(struct system *s)
{
	static const char *const services[] = { "listing-ingestion", "order-routing",
		"payment-reconciliation", "courier-dispatch" };
	int64_t until = kw_monotonic_us() + WAIT_US;

	for (size_t i = 0; i < KW_LEN(services); i++)
		for (int k = 1; k <= s->replicas; k++)
			while (!is_ready(s, services[i], k))
				if (!kt_again(until))
					fail_msg("%s.%d does not become ready (%s/logs)",
						services[i], k, s->dir);
}

/* ---- calls ---- */

static const char **headers(struct system *s, const char *a, const char *b, const char *c)
{
	const char **list = kw_new(s->arena, const char *, 5);

	list[0] = "Content-Type: application/json";
	list[1] = a;
	list[2] = b;
	list[3] = c;
	return list;
}

struct kw_call system_order_call(struct system *s, const struct order *order, int replica)
{
	char now[KW_TIME_TEXT], total[32];
	struct kw_money price;
	struct kw_err err = { 0 };
	char *signature;

	kw_time_format(kw_now(&kw_clock_system) / KW_US_PER_S * KW_US_PER_S, now);
	kw_money_parse(PRICE, "PKR", &price, &err);
	price.minor *= order->quantity;
	kw_money_format(price, total);
	/* placed_at is a function of the order, so that sending it again is the same message */
	const char *body = kw_arena_printf(s->arena,
		"{\"type\":\"order.created\",\"timestamp\":\"%s\",\"data\":{\"order_id\":\"%s\",\"placed_at\":\"2026-01-10T10:00:00Z\","
		"\"currency\":\"PKR\",\"total\":{\"amount\":\"%s\",\"currency\":\"PKR\"},\"ship_to\":{\"name\":\"Ayesha Khan\","
		"\"line1\":\"House 12, Street 4, near the water tank\",\"city\":\"Lahore\",\"postcode\":\"54000\",\"country\":\"PK\"},"
		"\"lines\":[{\"line_id\":\"1\",\"sku\":\"%s\",\"title\":\"Shawl\",\"quantity\":%" PRId64
		",\"price\":{\"amount\":\"" PRICE "\",\"currency\":\"PKR\"}}]}}",
		now, order->external_id, order->total ? order->total : total, order->sku,
		order->quantity);
	struct kw_bytes bytes = { body, strlen(body) };
	const char *id = kw_arena_printf(s->arena, "msg_%u", ++s->sent);
	const char *key = order->forged ? "whsec_bm90IHRoZSBzZWNyZXQgb2YgdGhpcyBjaGFubmVsISE="
					: secret(s, order->channel);
	kw_time at = kw_now(&kw_clock_system);

	if (kw_sign_standard_webhook(s->arena, (struct kw_bytes) { key, strlen(key) }, id, at,
		    bytes, &signature, &err) != KW_OK)
		fail_msg("%s", err.reason);
	return (struct kw_call) {
		.method = "POST",
		.url = kw_arena_printf(s->arena, "http://127.0.0.1:%d/v1/channels/%s/orders",
			port_of(s, replica_name(s, "order-routing", replica)), order->channel),
		.headers = headers(s, kw_arena_printf(s->arena, "webhook-id: %s", id),
			kw_arena_printf(s->arena, "webhook-timestamp: %" PRId64,
				(int64_t)(at / KW_US_PER_S)),
			kw_arena_printf(s->arena, "webhook-signature: %s", signature)),
		.body = bytes,
	};
}

struct kw_call system_payment_call(
	struct system *s, const char *channel, const char *external_id, int64_t minor)
{
	return system_event_call(s, kw_arena_printf(s->arena, "%s_%s", channel, external_id),
		channel, external_id, minor);
}

struct kw_call system_event_call(struct system *s, const char *event, const char *channel,
	const char *external_id, int64_t minor)
{
	const char *key = secret(s, "stripe-demo");
	const char *body = kw_arena_printf(s->arena,
		"{\"id\":\"evt_%s\",\"object\":\"event\",\"type\":\"payment_intent.succeeded\",\"created\":1768040000,\"data\":{\"object\":"
		"{\"id\":\"pi_%s_%s\",\"object\":\"payment_intent\",\"amount\":%" PRId64
		",\"amount_received\":%" PRId64
		",\"currency\":\"pkr\",\"metadata\":{\"channel\":\"%s\",\"order_id\":\"%s\"}}}}",
		event, channel, external_id, minor, minor, channel, external_id);
	const char *t = kw_arena_printf(
		s->arena, "%" PRId64, (int64_t)(kw_now(&kw_clock_system) / KW_US_PER_S));
	struct kw_bytes parts[] = { { t, strlen(t) }, { ".", 1 }, { body, strlen(body) } };
	uint8_t mac[KW_SHA256_SIZE];

	kw_hmac_sha256((struct kw_bytes) { key, strlen(key) }, parts, 3, mac);
	return (struct kw_call) {
		.method = "POST",
		.url = kw_arena_printf(s->arena,
			"http://127.0.0.1:%d/v1/providers/stripe-demo/events",
			port_of(s, "payment-reconciliation")),
		.headers = headers(s,
			kw_arena_printf(s->arena, "Stripe-Signature: t=%s,v1=%s", t,
				kw_hex(s->arena, (struct kw_bytes) { mac, sizeof(mac) })),
			NULL, NULL),
		.body = { body, strlen(body) },
	};
}

struct kw_call system_operator_call(struct system *s, const char *method, const char *service,
	const char *path, const char *body)
{
	return (struct kw_call) {
		.method = method,
		.url = kw_arena_printf(
			s->arena, "http://127.0.0.1:%d%s", port_of(s, service), path),
		.headers = headers(s,
			kw_arena_printf(
				s->arena, "Authorization: Bearer %s", secret(s, "operator")),
			NULL, NULL),
		.body = { body, body ? strlen(body) : 0 },
	};
}

void system_run(struct system *s, struct kw_call *calls, const struct order *orders, size_t n)
{
	FILE *file = fopen(s->attempts, "a");

	assert_non_null(file);
	kw_client_run(s->client, s->arena, calls, n, 20000, 1024 * 1024);
	for (size_t i = 0; orders && i < n; i++)
		fprintf(file,
			"{\"channel\":\"%s\",\"external_id\":\"%s\",\"kind\":\"CREATED\",\"forged\":%s,\"status\":%d}\n",
			orders[i].channel, orders[i].external_id,
			orders[i].forged ? "true" : "false",
			calls[i].rc == KW_OK ? calls[i].status : 0);
	fclose(file);
}

const char *system_call(struct system *s, struct kw_call call, int status)
{
	system_run(s, &call, NULL, 1);
	if (call.rc != KW_OK || call.status != status)
		fail_msg("%s %s: %s %d, not %d: %.*s %s", call.method, call.url,
			kw_rc_name(call.rc), call.status, status, (int)call.answer.n,
			(const char *)call.answer.p, call.err.reason);
	return kw_arena_strn(s->arena, call.answer.n ? call.answer.p : "", call.answer.n);
}

/* ---- looking ---- */

const char *system_brokers(struct system *s)
{
	return kw_arena_printf(s->arena, "127.0.0.1:%d", port_of(s, "kafka"));
}

const char *system_dsn(struct system *s)
{
	return kw_arena_printf(s->arena,
		"postgresql://postgres@127.0.0.1:%d/karwan?passfile=%s/data/postgres/superuser.pgpass",
		port_of(s, "postgres"), s->dir);
}

struct number {
	int64_t value;
};

int64_t system_number(struct system *s, const char *schema, const char *sql)
{
	static const struct kw_col cols[] = { KW_COL_I64(struct number, value), KW_COL_END };
	struct kw_pg *pg = kw_pg_new(&(struct kw_pg_config) {
		.dsn = system_dsn(s),
		.schema = schema,
		.application = "scenario",
	});
	struct kw_stmt stmt = { sql };
	struct kw_args args = kw_args_of(s->arena);
	struct number row = { -1 };
	struct kw_err err = { 0 };

	if (kw_pg_fetch_one(pg, &stmt, &args, cols, sizeof(row), &row, &err) != KW_OK)
		fail_msg("%s: %s %s", sql, err.code, err.reason);
	kw_pg_free(pg);
	return row.value;
}

int system_ctl(struct system *s, const char **ret_output, const char *const *words)
{
	const char *output = kw_arena_printf(s->arena, "%s/ctl.%u", s->dir, ++s->sent);
	const char *argv[20] = { kw_arena_printf(
		s->arena, "%s/karwanctl", kt_need("TEST_BIN_DIR")) };
	const char *env[] = {
		kw_arena_printf(s->arena,
			"KARWAN_POSTGRES_DSN=postgresql://karwan_operator@127.0.0.1:%d/karwan?passfile=%s/secrets/pgpass",
			port_of(s, "postgres"), s->dir),
		kw_arena_printf(s->arena, "KARWAN_KAFKA_BROKERS=%s", system_brokers(s)),
		kw_arena_printf(
			s->arena, "KARWAN_TOPICS_FILE=%s/schemas/topics.json", KW_SOURCE_DIR),
		kw_arena_printf(s->arena, "KARWAN_PARTNERS_FILE=%s/partners.json", s->dir),
		kw_arena_printf(s->arena, "KARWAN_ROUTING_URL=http://127.0.0.1:%d",
			port_of(s, "order-routing")),
		"PATH=/usr/bin:/bin",
		NULL,
	};
	int code;

	for (size_t i = 0; words[i]; i++)
		argv[i + 1] = words[i];
	code = kt_wait(kt_spawn(argv, env, output));
	*ret_output = read_file(s, output);
	return code;
}

void system_settle(struct system *s)
{
	int64_t until = kw_monotonic_us() + WAIT_US;
	const char *output = "";

	for (;;) {
		(void)system_ctl(s, &output, (const char *const[]) { "check", "--json", NULL });
		if (strstr(output, "\"behind\":0,"))
			return;
		if (!kt_again(until))
			fail_msg("it does not settle (%s/logs): %s", s->dir, output);
	}
}

void system_check(struct system *s)
{
	const char *output;
	int code = system_ctl(
		s, &output, (const char *const[]) { "check", "--attempts", s->attempts, NULL });

	if (code != 0)
		fail_msg("check: %d (%s)\n%s", code, s->dir, output);
}
