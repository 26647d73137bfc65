/* The program itself, on Apache Kafka, PostgreSQL (as its own login) and Redis: webhooks in over
 * HTTP, events out as a partner reads them. */
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

#include "http/client.h"
#include "http/signature.h"
#include "routing_stage.h"
#include "support.h"
#include "json/json.h"

#define SECRET "whsec_ZWRnZVRlc3RDaGFubmVsS2V5MDAwMDAwMDAwMDAw"
#define SHOP_SECRET "edge-test-shop-key"
#define TOKEN "operator-token-of-the-edge-test"

static struct stage w;
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
	return kw_arena_printf(w.arena, "postgresql://karwan_routing%.*s?passfile=%s",
		(int)(end - host), host, kt_need("TEST_PGPASSFILE"));
}

static pid_t start(void)
{
	const char *argv[] = { ROUTING_PROGRAM, NULL };
	const char *env[] = {
		kw_arena_printf(w.arena, "KARWAN_KAFKA_BROKERS=%s", kafka.address),
		kw_arena_printf(w.arena, "KARWAN_POSTGRES_DSN=%s", service_dsn()),
		kw_arena_printf(w.arena, "KARWAN_REDIS_URL=%s", kt_need("TEST_REDIS_URL")),
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
	const char *const *more, const char *body)
{
	const char **headers = kw_new(w.arena, const char *, 8);
	size_t n = 0;

	headers[n++] = "Content-Type: application/json";
	for (size_t i = 0; more && more[i]; i++)
		headers[n++] = more[i];
	struct kw_call c = {
		.method = method,
		.url = kw_arena_printf(w.arena, "http://%s%s", base, path),
		.headers = headers,
		.body = { body, body ? strlen(body) : 0 },
	};
	kw_client_run(client, w.arena, &c, 1, 10000, 1 << 20);
	return c;
}

static const char *text_of(const struct kw_call *c)
{
	return kw_arena_strn(w.arena, c->answer.p ? c->answer.p : "", c->answer.n);
}

static void answered(struct kw_call c, int status, const char *part)
{
	if (c.rc != KW_OK || c.status != status || !strstr(text_of(&c), part))
		fail_msg("%s %s: %d %s, not %d with %s", c.method, c.url, c.status, text_of(&c),
			status, part);
}

static struct kw_call operator_call(const char *method, const char *path, const char *body)
{
	return call(method, api, path,
		(const char *const[]) { "Authorization: Bearer " TOKEN, NULL }, body);
}

static struct kw_call post_to(const char *channel, const char *key, const char *body)
{
	kw_time now = kw_now(&kw_clock_system);
	const char *id = "msg_edge";
	char *signature;
	struct kw_err err;

	assert_int_equal(
		kw_sign_standard_webhook(w.arena, (struct kw_bytes) { key, strlen(key) }, id, now,
			(struct kw_bytes) { body, strlen(body) }, &signature, &err),
		KW_OK);
	return call("POST", api, kw_arena_printf(w.arena, "/v1/channels/%s/orders", channel),
		(const char *const[]) { kw_arena_printf(w.arena, "webhook-id: %s", id),
			kw_arena_printf(w.arena,
				"webhook-timestamp: "
				"%lld",
				(long long)(now / KW_US_PER_S)),
			kw_arena_printf(w.arena, "webhook-signature: %s", signature), NULL },
		body);
}

static const char *order_body(const char *type, const char *id, const char *sku, int total)
{
	return kw_arena_printf(w.arena,
		"{\"type\":\"%s\",\"timestamp\":\"2026-03-02T09:30:00Z\",\"data\":{\"order_id\":"
		"\"%s\",\"placed_at\":\"2026-03-02T09:00:00Z\",\"currency\":\"PKR\",\"total\":"
		"{\"amount\":\"%d.00\",\"currency\":\"PKR\"},\"ship_to\":{\"name\":\"Asma\","
		"\"line1\":\"House 1\",\"city\":\"Lahore\",\"country\":\"PK\"},\"lines\":[{"
		"\"line_id\":\"1\",\"sku\":\"%s\",\"quantity\":1,\"price\":{\"amount\":\"100.00\","
		"\"currency\":\"PKR\"}}]}}",
		type, id, total, sku);
}

/* Asks until the answer has the part. */
static void becomes(const char *path, const char *part)
{
	struct kw_call c = { 0 };

	for (int64_t end = kw_monotonic_us() + 30 * KW_US_PER_S; kt_again(end);) {
		c = operator_call("GET", path, NULL);
		if (c.rc == KW_OK && c.status == 200 && strstr(text_of(&c), part))
			return;
	}
	fail_msg("%s: %d %s does not become %s", path, c.status, text_of(&c), part);
}

static const char *path_of(const char *external_id)
{
	return kw_arena_printf(w.arena, "/v1/orders/%s", order_id(&w, external_id));
}

/* ---- set-up ---- */

static int setup(void **state)
{
	struct kw_err err;
	size_t n;

	(void)state;
	kw_json_init();
	stage_make(&w, "routing_edge");
	SAY(&w, HUB(&w, "hub-a", 1), MAKER(&w, "zainab", "hub-a", "weave", 5, "ACTIVE", 1),
		LISTING(&w, "shawl", "STOCKED", "zainab", "hub-a", "weave", 10, "APPROVED", 1));
	stage_stock(&w);
	kt_server_new(&kafka, "kafka-server", "routing-edge");
	kt_server(&kafka, "start");
	assert_int_equal(
		kw_topics_load(KW_SOURCE_DIR "/schemas/topics.json", w.arena, &topics, &err),
		KW_OK);
	assert_int_equal(kw_topics_apply(kafka.address, &topics, &n, &err), KW_OK);
	snprintf(folder, sizeof(folder), "/tmp/routing-edge-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(service_log, sizeof(service_log), "%s/log", folder);
	write_file("channel", SECRET "\n");
	write_file("shopify", SHOP_SECRET "\n");
	write_file("operator", TOKEN "\n");
	write_file("partners.json",
		"{\"channels\":[{\"name\":\"shop\",\"adapter\":\"karwan\",\"secret_files\":[\"channel\"],"
		"\"fee_bps\":250,\"park_days\":3},{\"name\":\"shopify-demo\",\"adapter\":\"shopify\","
		"\"secret_files\":[\"shopify\"],\"fee_bps\":300,\"park_days\":7}],\"providers\":[],"
		"\"couriers\":[],\"operators\":[{\"name\":\"operator\",\"secret_files\":[\"operator\"]}]}");
	snprintf(api, sizeof(api), "127.0.0.1:%d", kt_free_port());
	snprintf(admin, sizeof(admin), "127.0.0.1:%d", kt_free_port());
	client = kw_client_new(true);
	service = start();
	for (int64_t end = kw_monotonic_us() + 60 * KW_US_PER_S; kt_again(end);) {
		struct kw_call c = call("GET", admin, "/readyz", NULL, NULL);
		if (c.rc == KW_OK && c.status == 200)
			return 0;
	}
	print_error("the service does not get ready, see %s\n", service_log);
	return -1;
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
	stage_done(&w);
	return 0;
}

/* ---- tests, one after the other on the same program ---- */

static void an_order_is_answered_and_routed(void **state)
{
	const char *body = order_body("order.created", "e1", "shawl", 100);

	(void)state;
	for (int i = 0; i < 3; i++)
		answered(post_to("shop", SECRET, body), 202, order_id(&w, "e1"));
	becomes(path_of("e1"), "\"state\":\"ROUTED\"");
	answered(operator_call("GET", "/v1/orders?channel=shop&external_id=e1", NULL), 200,
		order_id(&w, "e1"));
	answered(operator_call("GET", "/v1/orders?channel=shop&external_id=none", NULL), 200,
		"{\"orders\":[]}");
	answered(operator_call("GET", path_of("none"), NULL), 404, "");
	answered(operator_call("GET", "/v1/orders/no-uuid", NULL), 404, "");
	answered(operator_call("GET", "/v1/orders", NULL), 400, "channel");
	answered(call("GET", api, path_of("e1"), NULL, NULL), 401, "");
}

static void other_content_is_answered_409_and_kept(void **state)
{
	(void)state;
	answered(post_to("shop", SECRET, order_body("order.created", "e1", "shawl", 999)), 409, "");
	becomes("/v1/exceptions?kind=CONFLICT&state=OPEN", "\"external_id\":\"e1\"");
	becomes("/v1/exceptions?state=open", "\"version\":1,\"owner\":\"fulfilment\"");
	becomes(path_of("e1"), "\"version\":3");
	answered(post_to("shop", SECRET, order_body("order.created", "e1", "shawl", 100)), 202,
		order_id(&w, "e1"));
	answered(
		operator_call("GET", path_of("e1"), NULL), 200, "\"total\":{\"amount\":\"100.00\"");
	answered(operator_call("GET", "/v1/exceptions?kind=NOTHING", NULL), 422, "#/kind");
	answered(operator_call("GET", "/v1/exceptions?cursor=x", NULL), 422, "#/cursor");
}

static void what_is_wrong_is_refused(void **state)
{
	const char *good = order_body("order.created", "e2", "shawl", 100);

	(void)state;
	answered(post_to("shop", "whsec_YW5vdGhlci1zZWNyZXQtd2hpY2gtaXMtbm90LW91cnM=", good), 401,
		"");
	answered(post_to("nobody", SECRET, good), 401, "");
	answered(post_to("shop", SECRET, "{"), 400, "");
	answered(post_to("shop", SECRET, order_body("order.created", "e2", "", 100)), 422,
		"#/data/lines/0/sku");
	answered(post_to("shop", SECRET, "{\"type\":\"ping\"}"), 200, "{\"processed\":false}");
	answered(call("GET", api, "/v1/channels/shop/orders", NULL, NULL), 405, "");
	answered(operator_call("GET", path_of("e2"), NULL), 404, "");
	answered(call("GET", admin, "/metrics", NULL, NULL), 200,
		"karwan_webhooks_not_processed_total{channel=\"shop\"} 1");
}

static void an_operator_cancels(void **state)
{
	const char *path = kw_arena_printf(w.arena, "%s/cancel", path_of("e1"));

	(void)state;
	answered(operator_call("POST", path, "{\"reason\":\"asked\"}"), 400, "Idempotency-Key");
	answered(operator_call("POST", path, "{\"request_id\":\"r1\"}"), 422, "#/reason");
	for (int i = 0; i < 2; i++)
		answered(
			operator_call("POST", path, "{\"reason\":\"asked\",\"request_id\":\"r1\"}"),
			202, order_id(&w, "e1"));
	becomes(path_of("e1"), "\"state\":\"CANCELLED\"");
	/* an unknown order's is a dead letter; later orders flow */
	answered(operator_call("POST", kw_arena_printf(w.arena, "%s/cancel", path_of("e9")),
			 "{\"reason\":\"asked\",\"request_id\":\"r1\"}"),
		202, "");
	answered(post_to("shop", SECRET, order_body("order.created", "e3", "nothing", 100)), 202,
		order_id(&w, "e3"));
	becomes(path_of("e3"), "\"reason\":\"UNKNOWN_LISTING\"");
	for (int64_t end = kw_monotonic_us() + 10 * KW_US_PER_S; kt_again(end);)
		if (stage_number(&w,
			    "SELECT count(*) FROM dead_letters WHERE reason LIKE '%no "
			    "such order%'",
			    NULL) == 1)
			return;
	fail_msg("no dead letter");
}

static void it_leaves_when_asked(void **state)
{
	struct kt_partner partner = { 0 };
	const char *types = "";

	(void)state;
	kill(service, SIGTERM);
	assert_int_equal(kt_wait(service), 0);
	service = 0;
	stage_is_clean(&w);
	kt_partner_read(&partner, kafka.address, "karwan.orders.events", 12);
	for (size_t i = 0; i < partner.n; i++)
		if (strcmp(partner.events[i].key, order_id(&w, "e1")) == 0)
			types = kw_arena_printf(w.arena, "%s %s", types, partner.events[i].type);
	assert_string_equal(types,
		" karwan.order.received.v1 karwan.order.routed.v1 karwan.order.conflicted.v1"
		" karwan.order.cancelled.v1");
	assert_int_equal(partner.gaps, 0);
	assert_int_equal(partner.n, stage_number(&w, "SELECT count(*) FROM journal", NULL));
	kt_partner_done(&partner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_order_is_answered_and_routed),
		cmocka_unit_test(other_content_is_answered_409_and_kept),
		cmocka_unit_test(what_is_wrong_is_refused),
		cmocka_unit_test(an_operator_cancels),
		cmocka_unit_test(it_leaves_when_asked),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
