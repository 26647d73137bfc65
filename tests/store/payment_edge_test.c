/* The program itself, on Apache Kafka and PostgreSQL as its own login: providers' events in over
 * HTTP, others' events from Kafka, its own events and reads out. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bus/producer.h"
#include "core/log.h"
#include "http/client.h"
#include "http/crypto.h"
#include "payment_world.h"
#include "support.h"
#include "json/json.h"

#define SECRET "whsec_edgeTestKey0000000000000000"
#define TOKEN "operator-token-of-the-edge-test"
#define ORDER "PV-20261102-0041" /* as in the adapter's fixtures */

static struct world w;
static struct kt_server kafka;
static struct kw_client *client;
static struct kw_topics topics;
static char folder[64], api[64], admin[64], service_log[128];
static pid_t service;

/* ---- the service ---- */

static void write_file(const char *name, const char *text)
{
	const char *path = kw_arena_printf(w.arena, "%s/%s", folder, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path, 0600), 0);
}

/* The database as the service's own login sees it. */
static const char *service_dsn(void)
{
	const char *host = strchr(strstr(w.dsn, "://"), '@'), *end = strchr(host, '?');
	return kw_arena_printf(w.arena, "postgresql://karwan_payment%.*s?passfile=%s",
		(int)(end - host), host, kt_need("TEST_PGPASSFILE"));
}

static pid_t start(const char *argument)
{
	const char *argv[] = { PAYMENT_PROGRAM, argument, NULL };
	const char *env[] = {
		kw_arena_printf(w.arena, "KARWAN_KAFKA_BROKERS=%s", kafka.address),
		kw_arena_printf(w.arena, "KARWAN_POSTGRES_DSN=%s", service_dsn()),
		kw_arena_printf(w.arena, "KARWAN_PARTNERS_FILE=%s/partners.json", folder),
		"KARWAN_TOPICS_FILE=" KW_SOURCE_DIR "/schemas/topics.json",
		kw_arena_printf(w.arena, "KARWAN_LISTEN=%s", api),
		kw_arena_printf(w.arena, "KARWAN_ADMIN_LISTEN=%s", admin),
		NULL,
	};
	return kt_spawn(argv, env, service_log);
}

/* ---- HTTP ---- */

static struct kw_call call(const char *method, const char *base, const char *path,
	const char *header, const char *body)
{
	const char **headers = kw_new(w.arena, const char *, 3);
	headers[0] = "Content-Type: application/json";
	headers[1] = header;
	struct kw_call c = {
		.method = method,
		.url = kw_arena_printf(w.arena, "http://%s%s", base, path),
		.headers = headers,
		.body = { body, body ? strlen(body) : 0 },
	};
	kw_client_run(client, w.arena, &c, 1, 10000, 1 << 20);
	return c;
}

static int status_of(const struct kw_call *c)
{
	return c->rc == KW_OK ? c->status : -1;
}

static bool answers(const struct kw_call *c, const char *part)
{
	const char *text = kw_arena_strn(w.arena, c->answer.p ? c->answer.p : "", c->answer.n);
	if (!strstr(text, part))
		print_message("answer: %s\n", text);
	return strstr(text, part) != NULL;
}

static void wait_ready(void)
{
	for (int64_t end = kw_monotonic_us() + 60 * KW_US_PER_S; kt_again(end);) {
		struct kw_call c = call("GET", admin, "/readyz", NULL, NULL);
		if (status_of(&c) == 200)
			return;
	}
	fail_msg("the service does not get ready, see %s", service_log);
}

static const char *fixture(const char *name)
{
	FILE *file = fopen(
		kw_arena_printf(w.arena,
			"%s/services/payment-reconciliation/adapters/stripe/fixtures/%s.body.json",
			KW_SOURCE_DIR, name),
		"r");
	char *text = kw_arena_alloc(w.arena, 65536, 1);
	assert_non_null(file);
	assert_true(fread(text, 1, 65535, file) > 10);
	fclose(file);
	return text;
}

static const char *signature(const char *body, const char *secret, int64_t at_s)
{
	uint8_t mac[KW_SHA256_SIZE];
	const char *time = kw_arena_printf(w.arena, "%lld.", (long long)at_s);
	struct kw_bytes parts[] = { { time, strlen(time) }, { body, strlen(body) } };
	kw_hmac_sha256((struct kw_bytes) { secret, strlen(secret) }, parts, 2, mac);
	return kw_arena_printf(w.arena, "Stripe-Signature: t=%lld,v1=%s", (long long)at_s,
		kw_hex(w.arena, (struct kw_bytes) { mac, sizeof(mac) }));
}

/* As a sender does: 503 is sent again, as long as Kafka's partitions have no leader yet. */
static struct kw_call post_event(
	const char *provider, const char *body, const char *secret, int64_t age_s)
{
	const char *path = kw_arena_printf(w.arena, "/v1/providers/%s/events", provider);
	int64_t end = kw_monotonic_us() + 60 * KW_US_PER_S;
	struct kw_call c;

	do {
		int64_t now_s = kw_now(&kw_clock_system) / KW_US_PER_S;
		c = call("POST", api, path, signature(body, secret, now_s - age_s), body);
	} while (status_of(&c) == 503 && kt_again(end));
	return c;
}

static struct kw_call get(const char *path)
{
	return call("GET", api, path, "Authorization: Bearer " TOKEN, NULL);
}

/* ---- set-up ---- */

static int setup(void **state)
{
	(void)state;
	struct kw_err err = { 0 };
	size_t n;

	kw_json_init();
	world_make(&w, "payment_edge");
	kt_server_new(&kafka, "kafka-server", "payment-edge");
	kt_server(&kafka, "start");
	assert_int_equal(
		kw_topics_load(KW_SOURCE_DIR "/schemas/topics.json", w.arena, &topics, &err),
		KW_OK);
	assert_int_equal(kw_topics_apply(kafka.address, &topics, &n, &err), KW_OK);
	snprintf(folder, sizeof(folder), "/tmp/payment-edge-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(service_log, sizeof(service_log), "%s/log", folder);
	write_file("stripe", SECRET "\n");
	write_file("operator", TOKEN "\n");
	write_file("channel", "whsec_ZWRnZVRlc3RDaGFubmVsS2V5MDAwMDAwMDAwMDAw\n");
	write_file("partners.json",
		"{\"channels\":[{\"name\":\"pavilion\",\"adapter\":\"karwan\",\"secret_files\":[\"channel\"],\"fee_bps\":250,\"park_days\":3}],"
		"\"providers\":[{\"name\":\"stripe-demo\",\"adapter\":\"stripe\",\"secret_files\":[\"stripe\"]}],"
		"\"couriers\":[],\"operators\":[{\"name\":\"operator\",\"secret_files\":[\"operator\"]}]}");
	snprintf(api, sizeof(api), "127.0.0.1:%d", kt_free_port());
	snprintf(admin, sizeof(admin), "127.0.0.1:%d", kt_free_port());
	client = kw_client_new(true);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (service > 0) {
		kill(service, SIGKILL);
		kt_wait(service);
	} else { /* kept where a test has failed */
		const char *const remove[] = { "rm", "-r", folder, NULL };
		kt_run(remove, NULL);
	}
	kw_client_free(client);
	kt_server_end(&kafka);
	world_done(&w);
	return 0;
}

/* ---- what is refused, ignored, accepted ---- */

static void test_edge(void **state)
{
	(void)state;
	const char *body = fixture("succeeded");

	service = start(NULL);
	wait_ready();
	struct kw_call c = post_event("stripe-demo", body, "whsec_another", 0);
	assert_int_equal(status_of(&c), 401);
	c = post_event("stripe-demo", body, SECRET, 301);
	assert_int_equal(status_of(&c), 401);
	c = call("POST", api, "/v1/providers/stripe-demo/events", NULL, body);
	assert_int_equal(status_of(&c), 401);
	c = post_event("paypal-demo", body, SECRET, 0);
	assert_true(status_of(&c) == 401 || status_of(&c) == 404);
	c = call("GET", api, "/v1/providers/stripe-demo/events", NULL, NULL);
	assert_int_equal(status_of(&c), 405);
	c = post_event("stripe-demo", fixture("bad-unknown-currency"), SECRET, 0);
	assert_int_equal(status_of(&c), 422);
	assert_true(answers(&c, "/data/object/currency"));
	c = post_event("stripe-demo", fixture("bad-not-json"), SECRET, 0);
	assert_int_equal(status_of(&c), 400);
	c = post_event("stripe-demo", fixture("ignored-customer"), SECRET, 0);
	assert_int_equal(status_of(&c), 200);
	assert_true(answers(&c, "{\"ignored\":\"customer.created\"}"));
	c = call("GET", admin, "/metrics", NULL, NULL);
	assert_true(
		answers(&c, "karwan_provider_events_ignored_total{provider=\"stripe-demo\"} 1"));

	/* each of these twice: the same answer */
	struct kw_uuid payment = kw_uuid_of("payment", "stripe-demo", "pi_3QKfixture0000000000000");
	for (int i = 0; i < 2; i++) {
		c = post_event("stripe-demo", body, SECRET, i);
		assert_int_equal(status_of(&c), 202);
		assert_true(answers(
			&c, kw_arena_printf(w.arena, "{\"payment_id\":\"%s\"}", payment.s)));
		c = post_event("stripe-demo", fixture("succeeded-no-reference"), SECRET, i);
		assert_int_equal(status_of(&c), 202);
		/* its channel is not declared here: a reference that nobody knows */
		c = post_event("stripe-demo", fixture("succeeded-compact"), SECRET, i);
		assert_int_equal(status_of(&c), 202);
	}
	/* reads are the operator's */
	c = call("GET", api, "/v1/exceptions", NULL, NULL);
	assert_int_equal(status_of(&c), 401);
	c = get("/v1/payments/not-an-id");
	assert_int_equal(status_of(&c), 404);
	c = get("/v1/exceptions?kind=NONSENSE");
	assert_int_equal(status_of(&c), 422);
	c = get("/v1/makers/amina/statement?cursor=x");
	assert_int_equal(status_of(&c), 422);
	assert_int_equal(kill(service, SIGTERM), 0);
	assert_int_equal(kt_wait(service), 0);
	service = 0;
}

/* ---- the rest of the way ---- */

static struct kw_producer *producer;
static int64_t numbers[12];
static int delivered_count;

static void delivered(void *ctx, void *opaque, enum kw_delivery outcome, struct kw_landing at)
{
	(void)ctx;
	(void)opaque;
	(void)at;
	assert_int_equal(outcome, KW_PERSISTED);
	delivered_count++;
}

static void publish(const char *topic, const char *type, const char *key, const char *json)
{
	struct kw_err err = { 0 };
	struct kw_header headers[KW_HEADERS_MAX];
	int32_t partition = kw_partition_of((struct kw_bytes) { key, strlen(key) }, 12);
	struct kw_uuid id = kw_uuid_random();
	struct kw_envelope e = { .id = id,
		.type = type,
		.source = "/karwan/test",
		.subject = key,
		.time = kw_now(&kw_clock_system),
		.place = { 1, strstr(topic, "orders") ? ++numbers[partition] : 1 } };
	size_t n = kw_envelope_headers(&e, w.arena, headers);
	int before = delivered_count;

	assert_int_equal(
		kw_producer_send(producer, topic, partition, (struct kw_bytes) { key, strlen(key) },
			(struct kw_bytes) { json, strlen(json) }, headers, n, NULL, &err),
		KW_OK);
	while (delivered_count == before)
		kw_producer_poll(producer, 100);
}

static void test_whole_way(void **state)
{
	(void)state;
	struct kw_err err = { 0 };
	const char *order = kw_uuid_of("order", "pavilion", ORDER).s;
	order = kw_arena_str(w.arena, order);
	const char *fulfilment =
		kw_arena_str(w.arena, kw_uuid_of("fulfilment", order, "amina", "hub", "1").s);
	const char *parcel_id = kw_arena_str(w.arena, kw_uuid_of("parcel", order, "1").s);

	assert_int_equal(kw_producer_open(&(struct kw_producer_config) { .brokers = kafka.address,
						  .client_id = "test",
						  .publisher = true,
						  .delivered = delivered },
				 &producer, &err),
		KW_OK);
	publish("karwan.orders.events", "karwan.order.received.v1", order,
		kw_arena_printf(w.arena,
			"{\"order_id\":\"%s\",\"channel\":\"pavilion\",\"external_id\":\"" ORDER
			"\",\"placed_at\":\"2026-11-02T09:15:00Z\","
			"\"test\":false,\"currency\":\"PKR\",\"total\":{\"amount\":\"15334.50\",\"currency\":\"PKR\"},"
			"\"lines_total\":{\"amount\":\"15000.00\",\"currency\":\"PKR\"},\"shipping\":{\"amount\":\"334.50\",\"currency\":\"PKR\"},"
			"\"tax\":{\"amount\":\"0.00\",\"currency\":\"PKR\"},\"discount\":{\"amount\":\"0.00\",\"currency\":\"PKR\"},\"fee_bps\":250,"
			"\"state\":\"RECEIVED\",\"lines\":[{\"line_id\":\"1\",\"sku\":\"SHAWL\",\"title\":\"Shawl\",\"quantity\":2,"
			"\"price\":{\"amount\":\"7500.00\",\"currency\":\"PKR\"},\"discount\":{\"amount\":\"0.00\",\"currency\":\"PKR\"}}]}",
			order));
	publish("karwan.orders.events", "karwan.order.routed.v1", order,
		kw_arena_printf(w.arena,
			"{\"order_id\":\"%s\",\"fulfilments\":[{\"fulfilment_id\":\"%s\",\"n\":1,\"maker_id\":\"amina\",\"hub_id\":\"hub\","
			"\"lines\":[{\"line_id\":\"1\",\"listing_id\":\"L1\",\"sku\":\"SHAWL\",\"quantity\":2}]}]}",
			order, fulfilment));
	publish("karwan.dispatch.events", "karwan.parcel.delivered.v1", parcel_id,
		kw_arena_printf(w.arena,
			"{\"parcel_id\":\"%s\",\"order_id\":\"%s\",\"fulfilment_id\":\"%s\",\"n\":1,\"maker_id\":\"amina\",\"hub_id\":\"hub\","
			"\"state\":\"DELIVERED\",\"lines\":[{\"line_id\":\"1\",\"sku\":\"SHAWL\",\"quantity\":2}],"
			"\"changed_at\":\"2026-11-09T10:00:00Z\",\"version\":7}",
			parcel_id, order, fulfilment));
	kw_producer_close(producer, 5000);

	if (service > 0) /* the test before has failed */
		kill(service, SIGKILL);
	assert_int_equal(kt_wait(start("--once")), 0);
	assert_string_equal(
		world_text(&w,
			"SELECT format('%s %s/%s/%s', state, received, expected, released) FROM payment.expectations WHERE external_id = $1::text",
			ORDER),
		"POSTED 1533450/1533450/1533450");
	assert_int_equal(world_number(&w, "SELECT count(*) FROM payment.dead_letters", NULL), 0);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM payment.provider_events", NULL), 3);
	assert_true(world_number(&w, "SELECT sum(seen) FROM payment.provider_events", NULL) >= 6);
	assert_int_equal(
		world_number(&w,
			"SELECT -sum(minor) FROM payment.postings WHERE account = 'SUSPENSE'",
			NULL),
		2500 + 48000);
	world_no_drift(&w);
	world_versions_grow(&w);

	struct kt_partner partner = { 0 };
	kt_partner_read(&partner, kafka.address, "karwan.payments.events", 12);
	assert_int_equal(partner.n, world_number(&w, "SELECT count(*) FROM payment.journal", NULL));
	assert_int_equal(partner.gaps, 0);
	size_t settled = 0, captured = 0, earned = 0, opened = 0;
	for (size_t i = 0; i < partner.n; i++) {
		settled += strcmp(partner.events[i].type, "karwan.expectation.settled.v1") == 0;
		captured += strcmp(partner.events[i].type, "karwan.payment.captured.v1") == 0;
		earned += strcmp(partner.events[i].type, "karwan.earning.earned.v1") == 0;
		opened += strcmp(partner.events[i].type, "karwan.exception.opened.v1") == 0;
	}
	assert_int_equal(settled, 1);
	assert_int_equal(captured, 3);
	assert_int_equal(earned, 1);
	assert_int_equal(opened, 2); /* two payments of no order that we know */
	kt_partner_done(&partner);
}

static struct kw_call resolve(const char *id, const char *body)
{
	return call("POST", api, kw_arena_printf(w.arena, "/v1/exceptions/%s/resolve", id),
		"Authorization: Bearer " TOKEN, body);
}

/* A person accepts an exception: what cannot be is refused at once, the rest is a message. */
static void resolve_one(void)
{
	const char *id = world_text(&w,
		"SELECT min(exception_id::text) FROM payment.exceptions WHERE kind = 'UNKNOWN_REFERENCE'",
		NULL);
	struct kw_call c = resolve("11111111-1111-5111-8111-111111111111",
		"{\"resolution\":\"KEEP\",\"reason\":\"known\"}");
	assert_int_equal(status_of(&c), 404);
	c = resolve(id, "{\"resolution\":\"CANCEL_ORDER\",\"reason\":\"known\"}");
	assert_int_equal(status_of(&c), 422);
	assert_true(answers(&c, "#/resolution"));
	c = resolve(id,
		"{\"resolution\":\"ASSIGN_ORDER\",\"reason\":\"known\",\"channel\":\"nobody\",\"external_id\":\"1\"}");
	assert_int_equal(status_of(&c), 422);
	assert_true(answers(&c, "#/channel"));
	c = resolve(id, "{\"resolution\":\"KEEP\",\"reason\":\"known\",\"version\":7}");
	assert_int_equal(status_of(&c), 409);
	c = resolve(id, "{\"resolution\":\"KEEP\",\"reason\":\"known\",\"version\":1}");
	assert_int_equal(status_of(&c), 202);
	assert_true(answers(&c, id));
	for (int64_t end = kw_monotonic_us() + 60 * KW_US_PER_S; kw_monotonic_us() < end;)
		if (world_number(&w,
			    "SELECT count(*) FROM payment.exceptions WHERE state = 'ACCEPTED' AND note = 'known'",
			    NULL) == 1)
			return;
	fail_msg("the exception is not accepted");
}

static void test_reads(void **state)
{
	(void)state;
	struct kw_uuid payment = kw_uuid_of("payment", "stripe-demo", "pi_3QKfixture0000000000000");

	service = start(NULL);
	wait_ready();
	struct kw_call c = get(kw_arena_printf(w.arena, "/v1/payments/%s", payment.s));
	assert_int_equal(status_of(&c), 200);
	assert_true(answers(&c,
		"\"state\":\"CAPTURED\",\"captured\":{\"amount\":\"15334.50\",\"currency\":\"PKR\"}"));
	assert_true(answers(&c, "\"suspense\":false"));
	c = get("/v1/payments/11111111-1111-5111-8111-111111111111");
	assert_int_equal(status_of(&c), 404);
	c = get("/v1/makers/amina/statement");
	assert_int_equal(status_of(&c), 200);
	assert_true(answers(&c, "\"external_id\":\"" ORDER "\""));
	assert_true(answers(&c,
		"\"amount\":{\"amount\":\"14625.00\",\"currency\":\"PKR\"},\"fee\":{\"amount\":\"375.00\",\"currency\":\"PKR\"},"
		"\"running_total\":{\"amount\":\"14625.00\",\"currency\":\"PKR\"}"));
	c = get("/v1/makers/nobody/statement");
	assert_int_equal(status_of(&c), 200);
	assert_true(answers(&c, "\"lines\":[]"));
	c = get("/v1/exceptions?kind=UNKNOWN_REFERENCE&state=OPEN");
	assert_int_equal(status_of(&c), 200);
	assert_true(answers(&c, "\"reason\":\"money came without a reference"));
	c = get("/v1/exceptions?state=RESOLVED");
	assert_true(answers(&c, "\"exceptions\":[]"));
	resolve_one();
	assert_int_equal(kill(service, SIGTERM), 0);
	assert_int_equal(kt_wait(service), 0);
	service = 0;
}

/* Nothing in this test is an error of the program. */
static void test_log(void **state)
{
	(void)state;
	char line[8192];
	size_t n = 0;
	FILE *file = fopen(service_log, "r");

	assert_non_null(file);
	for (; fgets(line, sizeof(line), file); n++) {
		if (strstr(line, "\"level\":\"error\""))
			fail_msg("%s", line);
		if (strstr(line, SECRET) || strstr(line, TOKEN))
			fail_msg("a secret is in the log");
	}
	fclose(file);
	assert_true(n >= 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edge),
		cmocka_unit_test(test_whole_way),
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_log),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
