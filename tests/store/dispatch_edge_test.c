/* The program itself, on Apache Kafka, PostgreSQL as its own login and Redis, with two couriers:
 * others' events in, bookings out over HTTP, scans back, its own events and reads. */
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
#include "courier.h"
#include "dispatch_testing.h"
#include "http/signature.h"
#include "support.h"

#define TOKEN "operator-token-of-the-edge-test"
/* composed here, decomposed where EasyPost makes the key */
#define AGGREGATOR_SECRET \
	"s\xc3\xa9"       \
	"cret"
#define AGGREGATOR_KEY \
	"se\xcc\x81"   \
	"cret"
#define N_ORDERS 12

static struct kt_server kafka;
static struct kw_client *client;
static struct kw_producer *producer;
static struct kw_topics topics;
static struct courier *couriers[2];
static char folder[64], api[64], admin[64], service_log[128];
static pid_t service;

/* ---- the service ---- */

static void write_file(const char *name, const char *text)
{
	const char *path = kw_arena_printf(dt_arena, "%s/%s", folder, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path, 0600), 0);
}

static void start(const char *redis_url)
{
	const char *argv[] = { DISPATCH_PROGRAM, NULL };
	const char *env[] = {
		kw_arena_printf(dt_arena, "KARWAN_KAFKA_BROKERS=%s", kafka.address),
		kw_arena_printf(dt_arena, "KARWAN_POSTGRES_DSN=%s", dt_service_dsn()),
		kw_arena_printf(dt_arena, "KARWAN_PARTNERS_FILE=%s/partners.json", folder),
		"KARWAN_TOPICS_FILE=" KW_SOURCE_DIR "/schemas/topics.json",
		kw_arena_printf(dt_arena, "KARWAN_LISTEN=%s", api),
		kw_arena_printf(dt_arena, "KARWAN_ADMIN_LISTEN=%s", admin),
		"KARWAN_COURIER_DEADLINE_MS=1500",
		redis_url ? kw_arena_printf(dt_arena, "KARWAN_REDIS_URL=%s", redis_url) : NULL,
		NULL,
	};
	service = kt_spawn(argv, env, service_log);
}

static void stop(void)
{
	assert_int_equal(kill(service, SIGTERM), 0);
	assert_int_equal(kt_wait(service), 0);
	service = 0;
}

/* ---- HTTP ---- */

static struct kw_call call(const char *method, const char *base, const char *path,
	const char *const *headers, const char *body)
{
	struct kw_call c = { .method = method,
		.url = kw_arena_printf(dt_arena, "http://%s%s", base, path),
		.headers = headers,
		.body = { body, body ? strlen(body) : 0 } };

	kw_client_run(client, dt_arena, &c, 1, 10000, 1 << 20);
	return c;
}

static int status_of(struct kw_call c)
{
	return c.rc == KW_OK ? c.status : -1;
}

static const char *text_of(struct kw_call c)
{
	return kw_arena_strn(dt_arena, c.answer.p ? c.answer.p : "", c.answer.n);
}

static struct kw_call get(const char *path)
{
	static const char *const headers[] = { "Authorization: Bearer " TOKEN, NULL };

	return call("GET", api, path, headers, NULL);
}

static void wait_ready(void)
{
	for (int64_t end = kw_monotonic_us() + 30 * KW_US_PER_S; kt_again(end);)
		if (status_of(call("GET", admin, "/readyz", NULL, NULL)) == 200)
			return;
	fail_msg("the service does not get ready, see %s", service_log);
}

static struct kw_call post_scan(
	const char *courier, const char *secret, const char *body, int64_t age_s)
{
	const char **headers = kw_new(dt_arena, const char *, 5);
	kw_time at = kw_now(&kw_clock_system) - age_s * KW_US_PER_S;
	char *signature;
	struct kw_err err;

	assert_int_equal(
		kw_sign_standard_webhook(dt_arena, (struct kw_bytes) { secret, strlen(secret) },
			"msg_1", at, (struct kw_bytes) { body, strlen(body) }, &signature, &err),
		KW_OK);
	headers[0] = "Content-Type: application/json";
	headers[1] = "webhook-id: msg_1";
	headers[2] =
		kw_arena_printf(dt_arena, "webhook-timestamp: %lld", (long long)(at / KW_US_PER_S));
	headers[3] = kw_arena_printf(dt_arena, "webhook-signature: %s", signature);
	return call("POST", api, kw_arena_printf(dt_arena, "/v1/couriers/%s/tracking", courier),
		headers, body);
}

static const char *scan_body(const char *reference, const char *status, const char *scanned_at)
{
	return kw_arena_printf(dt_arena,
		"{\"type\":\"tracking.updated\",\"timestamp\":\"2026-11-12T07:45:02Z\","
		"\"data\":{\"event_id\":\"%s-%s\","
		"\"reference\":\"%s\",\"status\":\"%s\",\"scanned_at\":\"%s\","
		"\"note\":\"given to 34201-0891231-8\"}}",
		reference, status, reference, status, scanned_at);
}

/* ---- others' events ---- */

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
	static int64_t numbers[2][12];
	struct kw_header headers[KW_HEADERS_MAX];
	int32_t partition = kw_partition_of((struct kw_bytes) { key, strlen(key) }, 12);
	struct kw_err err = { 0 };
	struct kw_envelope e = { .id = kw_uuid_random(),
		.type = type,
		.source = "/karwan/test",
		.subject = key,
		.time = kw_now(&kw_clock_system),
		.place = { 1, ++numbers[strstr(topic, "orders") != NULL][partition] },
		.trace = kw_trace_from(NULL) };
	size_t n = kw_envelope_headers(&e, dt_arena, headers);
	int before = delivered_count;

	dt_must(kw_producer_send(producer, topic, partition, (struct kw_bytes) { key, strlen(key) },
			(struct kw_bytes) { json, strlen(json) }, headers, n, NULL, &err),
		&err);
	while (delivered_count == before)
		kw_producer_poll(producer, 100);
}

#define HUB \
	"{\"name\":\"Hub\",\"line1\":\"Bank Road 3\",\"city\":\"Muzaffarabad\",\"country\":\"PK\"}"
#define BUYER "{\"name\":\"Ayesha\",\"line1\":\"House 12\",\"city\":\"Lahore\",\"country\":\"PK\"}"
#define RUPEES(n) "{\"amount\":\"" n "\",\"currency\":\"PKR\"}"

static void send_order(int i, bool routed_first, int weight_g)
{
	const char *name = kw_arena_printf(dt_arena, "edge-%d", i);
	const char *order = kw_arena_str(dt_arena, dt_order(name).s);
	const char *routed = kw_arena_printf(dt_arena,
		"{\"order_id\":\"%s\",\"channel\":\"test\",\"external_id\":\"%s\","
		"\"state\":\"ROUTED\",\"currency\":\"PKR\",\"total\":" RUPEES(
			"250.00") ","
				  "\"cod\":false,\"fee_bps\":0,\"ship_to\":" BUYER
				  ",\"fulfilments\":[{\"fulfilment_id\":\"%s\",\"n\":1,"
				  "\"maker_id\":\"amina\","
				  "\"hub_id\":\"hub\",\"ship_from\":" HUB
				  ",\"weight_g\":%d,\"declared_value\":" RUPEES(
					  "200.00") ",\"lines\":[{\"line_id\":\"1\","
						    "\"listing_id\":\"L1\",\"sku\":\"SHAWL\","
						    "\"title\":\"Shawl\",\"quantity\":1,"
						    "\"price\":" RUPEES(
							    "200.00") ","
								      "\"discount\":" RUPEES(
									      "0.00") "}]}]}",
		order, name, dt_fulfilment(name, 1).s, weight_g);
	const char *settled = kw_arena_printf(dt_arena,
		"{\"order_id\":\"%s\",\"state\":\"POSTED\",\"expected\":" RUPEES(
			"250.00") ",\"received\":" RUPEES("250.00") ",\"cleared\":true}",
		order);

	if (routed_first)
		publish("karwan.orders.events", "karwan.order.routed.v1", order, routed);
	publish("karwan.payments.events", "karwan.expectation.settled.v1", order, settled);
	if (!routed_first)
		publish("karwan.orders.events", "karwan.order.routed.v1", order, routed);
}

/* ---- set-up ---- */

#define AGGREGATOR(name, adapter) \
	"{\"name\":\"" name "\",\"adapter\":\"" adapter "\",\"secret_files\":[\"aggregator\"]}"
#define AGGREGATORS \
	AGGREGATOR("aftership-demo", "aftership") "," AGGREGATOR("easypost-demo", "easypost")

static void start_courier(size_t i, struct courier_options options)
{
	struct kw_err err = { 0 };

	options.name = dt_partners.couriers[i].name;
	options.secret = (struct kw_bytes) { DT_SECRET, strlen(DT_SECRET) };
	options.tracking_url =
		kw_arena_printf(dt_arena, "http://%s/v1/couriers/%s/tracking", api, options.name);
	options.seed = 7;
	options.step_ms = 60;
	options.hang_ms = 4000;
	options.delay_ms = 200;
	dt_must(courier_start(&options, &couriers[i], &err), &err);
}

static int set_up(void **state)
{
	struct courier_options a = courier_defaults(), b = courier_defaults();
	struct kw_err err = { 0 };
	size_t n;

	dt_set_up(state);
	kt_server_new(&kafka, "kafka-server", "dispatch-edge");
	kt_server(&kafka, "start");
	dt_must(kw_topics_load(KW_SOURCE_DIR "/schemas/topics.json", dt_arena, &topics, &err),
		&err);
	dt_must(kw_topics_apply(kafka.address, &topics, &n, &err), &err);
	dt_must(kw_producer_open(&(struct kw_producer_config) { .brokers = kafka.address,
					 .client_id = "test",
					 .publisher = true,
					 .delivered = delivered },
			&producer, &err),
		&err);
	snprintf(api, sizeof(api), "127.0.0.1:%d", kt_free_port());
	snprintf(admin, sizeof(admin), "127.0.0.1:%d", kt_free_port());
	a.refuse = 0.3;
	a.attempt = b.attempt = 0.5;
	a.duplicate = b.duplicate = a.reorder = b.reorder = a.delay = b.delay = 0.4;
	a.odd = 0.5;
	a.time_out = 0.2;
	start_courier(0, a);
	start_courier(1, b);
	snprintf(folder, sizeof(folder), "/tmp/dispatch-edge-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(service_log, sizeof(service_log), "%s/log", folder);
	write_file("courier", DT_SECRET "\n");
	write_file("operator", TOKEN "\n");
	write_file("aggregator", AGGREGATOR_SECRET "\n");
	write_file("partners.json",
		kw_arena_printf(dt_arena,
			"{\"channels\":[],\"providers\":[],\"couriers\":["
			"{\"name\":\"courier-a\",\"adapter\":\"karwan\","
			"\"secret_files\":[\"courier\"],\"url\":\"http://127.0.0.1:%d\","
			"\"batch_max\":3,"
			"\"rates\":[{\"zone\":\"PK\",\"max_weight_g\":2000,\"price\":" RUPEES(
				"250.00") ",\"cod\":true}]},"
					  "{\"name\":\"courier-b\",\"adapter\":\"karwan\","
					  "\"secret_files\":[\"courier\"],"
					  "\"url\":\"http://127.0.0.1:%d\","
					  "\"rates\":[{\"zone\":\"*\",\"max_weight_g\":2000,"
					  "\"price\":" RUPEES(
						  "400.00") ",\"cod\":false}]}," AGGREGATORS "],"
							    "\"operators\":[{\"name\":\"operator\",\"secret_files\":[\"operator\"]}],\"allow_private_urls\":true}",
			courier_port(couriers[0]), courier_port(couriers[1])));
	client = kw_client_new(true);
	return 0;
}

static int tear_down(void **state)
{
	courier_stop(couriers[0]);
	courier_stop(couriers[1]);
	if (service > 0) {
		kill(service, SIGKILL);
		kt_wait(service);
	} else { /* kept where a test has failed */
		const char *const remove[] = { "rm", "-r", folder, NULL };
		kt_run(remove, NULL);
	}
	kw_client_free(client);
	kw_producer_close(producer, 5000);
	kt_server_end(&kafka);
	return dt_tear_down(state);
}

/* ---- tests ---- */

static void test_edge(void **state)
{
	const char *nobody = "1c6bfa9b-2f4f-5d5f-9d0a-8a6f3f1f2b11";
	const char *body = scan_body(nobody, "picked_up", "2026-11-12T07:45:00Z");
	static const char other[] = "whsec_YW5vdGhlciBzZWNyZXQgb2YgYW5vdGhlciBvbmU=";

	(void)state;
	start(kt_need("TEST_REDIS_URL"));
	wait_ready();
	assert_int_equal(status_of(post_scan("courier-a", other, body, 0)), 401);
	assert_int_equal(status_of(post_scan("courier-a", DT_SECRET, body, 301)), 401);
	assert_int_equal(
		status_of(call("POST", api, "/v1/couriers/courier-a/tracking",
			(const char *[]) { "Content-Type: application/json", NULL }, body)),
		401);
	int unknown = status_of(post_scan("courier-z", DT_SECRET, body, 0));
	assert_true(unknown == 401 || unknown == 404);
	assert_int_equal(status_of(post_scan("courier-a", DT_SECRET, "{", 0)), 400);
	struct kw_call c = post_scan(
		"courier-a", DT_SECRET, scan_body("KA17", "x", "2026-11-12T07:45:00Z"), 0);
	assert_int_equal(status_of(c), 422);
	assert_non_null(strstr(text_of(c), "/data/reference"));
	c = post_scan("courier-a", DT_SECRET, scan_body(nobody, "x", "2099-11-12T07:45:00Z"), 0);
	assert_int_equal(status_of(c), 422);
	assert_non_null(strstr(text_of(c), "/data/scanned_at"));
	for (int i = 0; i < 2; i++) {
		c = post_scan("courier-a", DT_SECRET,
			scan_body(nobody, "moved_to_mars", "2026-01-12T07:45:00Z"), i);
		assert_int_equal(status_of(c), 202);
		assert_string_equal(
			text_of(c), kw_arena_printf(dt_arena, "{\"parcel_id\":\"%s\"}", nobody));
	}
	c = call("GET", admin, "/metrics", NULL, NULL);
	assert_non_null(
		strstr(text_of(c), "karwan_tracking_unknown_total{courier=\"courier-a\"} 2"));
	assert_int_equal(status_of(call("GET", api, "/v1/exceptions", NULL, NULL)), 401);
	assert_int_equal(status_of(get("/v1/parcels/not-an-id")), 404);
	assert_int_equal(
		status_of(get(kw_arena_printf(dt_arena, "/v1/parcels/%s/label", nobody))), 404);
	assert_int_equal(status_of(get("/v1/exceptions?kind=NONSENSE")), 422);
	assert_int_equal(status_of(get("/v1/exceptions?cursor=x")), 422);
	c = call("PUT", api, "/v1/exceptions", NULL, "{}");
	assert_int_equal(status_of(c), 405);
}

/* Until all that the couriers have to tell is taken. */
static void wait_delivered(void)
{
	for (int64_t end = kw_monotonic_us() + 60 * KW_US_PER_S; kt_again(end);) {
		struct courier_stats a, b;

		courier_stats(couriers[0], &a);
		courier_stats(couriers[1], &b);
		if (a.waiting + b.waiting == 0 && a.bookings + b.bookings == N_ORDERS &&
			dt_count("SELECT count(*) FROM parcels WHERE state = 'DELIVERED'") ==
				N_ORDERS &&
			dt_count("SELECT sum(h.number - p.number) FROM head h JOIN published p "
				 "USING (partition)") == 0)
			return;
	}
	fail_msg("only %s are delivered",
		dt_text("SELECT string_agg(state || ' ' || coalesce(reason, ''), ', ') FROM "
			"parcels"));
}

static void test_whole_way(void **state)
{
	struct kt_partner partner = { 0 };
	struct courier_stats a, b;
	int64_t versions[N_ORDERS] = { 0 };

	(void)state;
	for (int i = 0; i < N_ORDERS; i++)
		send_order(i, i % 2, 500);
	wait_delivered();
	courier_stats(couriers[0], &a);
	courier_stats(couriers[1], &b);
	print_message("%lld at a (%lld refused, %lld inquiries), %lld at b\n",
		(long long)a.bookings, (long long)a.refused, (long long)a.inquiries,
		(long long)b.bookings);
	assert_int_equal(a.rejected + b.rejected + a.repeats + b.repeats, 0);
	assert_int_equal(a.refused, b.bookings);
	assert_int_equal(dt_count("SELECT count(*) FROM dead_letters"), 0);
	assert_string_equal(
		dt_text("SELECT coalesce(string_agg(rule || ' ' || entity || ' ' || part, ', '), "
			"'') FROM drift"),
		"");
	/* every partner sees each parcel's versions 1, 2, 3 … once, in order */
	kt_partner_read(&partner, kafka.address, "karwan.dispatch.events", 12);
	assert_int_equal(partner.n, dt_count("SELECT count(*) FROM journal"));
	assert_int_equal(partner.gaps, 0);
	for (size_t i = 0; i < partner.n; i++)
		for (int k = 0; k < N_ORDERS; k++) {
			const char *name = kw_arena_printf(dt_arena, "edge-%d", k);
			if (strcmp(partner.events[i].key, dt_parcel(name, 1).s) != 0)
				continue;
			char wanted[40];
			snprintf(wanted, sizeof(wanted), "\"version\":%lld",
				(long long)++versions[k]);
			assert_non_null(strstr(partner.events[i].payload, wanted));
			if (versions[k] == 1)
				assert_string_equal(
					partner.events[i].type, "karwan.parcel.created.v1");
		}
	for (int k = 0; k < N_ORDERS; k++)
		assert_true(versions[k] >= 4); /* created, booked, labelled, delivered */
	kt_partner_done(&partner);
}

static void check_reads(void)
{
	const char *path = kw_arena_printf(dt_arena, "/v1/parcels/%s", dt_parcel("edge-3", 1).s);
	const char *first;

	struct kw_call c = get(path);
	assert_int_equal(status_of(c), 200);
	first = text_of(c);
	assert_non_null(strstr(first, "\"state\":\"DELIVERED\""));
	assert_non_null(strstr(first, "\"scans\":[{\"courier\":\"courier-"));
	assert_non_null(strstr(first, dt_parcel_text("tracking_number", "edge-3", 1)));
	c = get(path);
	assert_string_equal(text_of(c), first);
	c = get(kw_arena_printf(dt_arena, "%s/label", path));
	assert_int_equal(status_of(c), 200);
	assert_memory_equal(c.answer.p, "%PDF-", 5);
	c = get(kw_arena_printf(dt_arena, "%s/label?format=zpl", path));
	assert_int_equal(status_of(c), 200);
	assert_memory_equal(c.answer.p, "^XA\n", 4);
	c = get(kw_arena_printf(dt_arena, "%s/label?format=png", path));
	assert_int_equal(status_of(c), 422);
	static const char *const headers[] = { "Authorization: Bearer " TOKEN,
		"Accept: application/zpl, application/pdf;q=0.5", NULL };
	c = call("GET", api, kw_arena_printf(dt_arena, "%s/label", path), headers, NULL);
	assert_memory_equal(c.answer.p, "^XA\n", 4);
	c = get("/v1/exceptions?kind=UNKNOWN_PARCEL&state=OPEN");
	assert_int_equal(status_of(c), 200);
	assert_non_null(strstr(text_of(c), "1c6bfa9b-2f4f-5d5f-9d0a-8a6f3f1f2b11"));
	assert_non_null(strstr(text_of(c), "\"version\":1,\"owner\":\"fulfilment\""));
	c = get("/v1/exceptions?state=RESOLVED&kind=UNKNOWN_STATUS");
	assert_string_equal(text_of(c), "{\"exceptions\":[]}");
}

static struct kw_bytes bytes_of(const char *text)
{
	return (struct kw_bytes) { text, strlen(text) };
}

/* hex: EasyPost's; base64: AfterShip's */
static struct kw_call post_signed(
	const char *aggregator, const char *header, const char *key, bool hex, const char *body)
{
	struct kw_bytes part = bytes_of(body);
	uint8_t mac[KW_SHA256_SIZE];

	kw_hmac_sha256(bytes_of(key), &part, 1, mac);
	struct kw_bytes sum = { mac, sizeof(mac) };
	const char *headers[] = { "Content-Type: application/json",
		kw_arena_printf(dt_arena, "%s%s", header,
			hex ? kw_hex(dt_arena, sum) : kw_base64(dt_arena, sum)),
		NULL };
	return call("POST", api, kw_arena_printf(dt_arena, "/v1/couriers/%s/tracking", aggregator),
		headers, body);
}

static struct kw_call post_aftership(const char *key, const char *body)
{
	return post_signed("aftership-demo", "Aftership-Hmac-Sha256: ", key, false, body);
}

static struct kw_call post_easypost(const char *key, const char *body)
{
	return post_signed("easypost-demo", "X-Hmac-Signature: hmac-sha256-hex=", key, true, body);
}

static void wait_state(const char *order, const char *state)
{
	for (int64_t end = kw_monotonic_us() + 30 * KW_US_PER_S; kw_monotonic_us() < end;)
		if (strcmp(dt_parcel_text("state", order, 1), state) == 0)
			return;
	fail_msg("%s is %s, not %s", order, dt_parcel_text("state", order, 1), state);
}

/* Several scans in one webhook of someone who knows the number only. */
static void test_aggregators(void **state)
{
	const char *courier = kw_arena_str(dt_arena, dt_parcel_text("courier", "edge-5", 1));
	const char *number = dt_parcel_text("tracking_number", "edge-5", 1);
	kw_time now = kw_now(&kw_clock_system);
	char soon[KW_TIME_TEXT], later[KW_TIME_TEXT];

	(void)state;
	kw_time_format(now + 3600 * KW_US_PER_S, soon);
	kw_time_format(now + 3601 * KW_US_PER_S, later);
	const char *body = kw_arena_printf(dt_arena,
		"{\"event\":\"tracking_update\",\"event_id\":\"e-1\",\"ts\":1793691909,\"msg\":{"
		"\"slug\":\"%s\",\"tracking_number\":\"%s\",\"checkpoints\":[{\"tag\":\"Exception\","
		"\"subtag\":\"Exception_010\",\"checkpoint_time\":\"%s\"},{\"tag\":\"Exception\","
		"\"subtag\":\"Exception_011\",\"checkpoint_time\":\"%s\"}]}}",
		courier, number, soon, later);
	assert_int_equal(status_of(post_aftership("another", body)), 401);
	assert_int_equal(status_of(post_easypost(AGGREGATOR_SECRET, body)), 401);
	for (int i = 0; i < 2; i++) {
		struct kw_call c = post_aftership(AGGREGATOR_SECRET, body);
		assert_int_equal(status_of(c), 202);
		assert_string_equal(text_of(c), "{\"scans\":2}");
	}
	wait_state("edge-5", "RETURNED");
	assert_int_equal(
		dt_count("SELECT count(*) FROM scans WHERE courier = 'aftership-demo'"), 2);
	body = kw_arena_printf(dt_arena,
		"{\"object\":\"Event\",\"description\":\"tracker.updated\",\"id\":\"evt_1\",\"result\":"
		"{\"carrier\":\"Nobody\",\"tracking_code\":\"%s\",\"status\":\"x\",\"updated_at\":"
		"\"%s\",\"tracking_details\":[{\"status\":\"moved_to_mars\",\"datetime\":\"%s\"}]}}",
		number, soon, soon);
	assert_int_equal(status_of(post_easypost(AGGREGATOR_KEY, body)), 202);
	struct kw_call c = call("GET", admin, "/metrics", NULL, NULL);
	assert_non_null(
		strstr(text_of(c), "karwan_tracking_unknown_total{courier=\"easypost-demo\"} 1"));
	c = post_aftership(AGGREGATOR_SECRET, "{\"event\":\"edd_revise\"}");
	assert_int_equal(status_of(c), 200);
	c = post_aftership(AGGREGATOR_SECRET, "{\"event\":\"tracking_update\"}");
	assert_int_equal(status_of(c), 422);
}

static struct kw_call cancel(const char *parcel, const char *token, const char *body)
{
	const char **headers = kw_new(dt_arena, const char *, 3);

	headers[0] = "Content-Type: application/json";
	headers[1] = kw_arena_printf(dt_arena, "Authorization: Bearer %s", token);
	return call("POST", api, kw_arena_printf(dt_arena, "/v1/parcels/%s/cancel", parcel),
		headers, body);
}

static void wait_count(int64_t n, const char *sql)
{
	for (int64_t end = kw_monotonic_us() + 20 * KW_US_PER_S; kt_again(end);)
		if (dt_count(sql) == n)
			return;
	fail_msg("never %lld: %s", (long long)n, sql);
}

/* One that no courier takes; one that has arrived. */
static void test_cancel(void **state)
{
	static const char reason[] = "{\"reason\":\"too heavy for 34201-0891231-8\"}";
	const char *heavy = kw_arena_str(dt_arena, dt_parcel("edge-99", 1).s);
	const char *arrived = kw_arena_str(dt_arena, dt_parcel("edge-3", 1).s);

	(void)state;
	send_order(99, true, 5000);
	wait_count(1, "SELECT count(*) FROM exceptions WHERE kind = 'NO_COURIER' AND state = "
		      "'OPEN'");
	assert_int_equal(status_of(cancel(heavy, TOKEN "x", reason)), 401);
	assert_int_equal(status_of(cancel("heavy", TOKEN, reason)), 404);
	assert_int_equal(
		status_of(cancel("1c6bfa9b-2f4f-5d5f-9d0a-8a6f3f1f2b11", TOKEN, reason)), 404);
	struct kw_call c = cancel(heavy, TOKEN, "{}");
	assert_int_equal(status_of(c), 422);
	assert_non_null(strstr(text_of(c), "#/reason"));
	for (int i = 0; i < 2; i++) {
		c = cancel(heavy, TOKEN, reason);
		assert_int_equal(status_of(c), 202);
		assert_string_equal(
			text_of(c), kw_arena_printf(dt_arena, "{\"parcel_id\":\"%s\"}", heavy));
		wait_count(1,
			"SELECT count(*) FROM requests WHERE kind = 'CANCEL' AND outcome = "
			"'ACCEPTED' AND requested_by = 'operator' AND reason = 'too heavy for *'");
		wait_state("edge-99", "CANCELLED");
	}
	wait_count(0, "SELECT count(*) FROM exceptions WHERE kind = 'NO_COURIER' AND state = "
		      "'OPEN'");
	assert_int_equal(status_of(cancel(arrived, TOKEN, reason)), 202);
	wait_count(1, "SELECT count(*) FROM requests WHERE kind = 'CANCEL' AND outcome = "
		      "'REJECTED'");
	wait_state("edge-3", "DELIVERED");
}

/* A scan that changes nothing of the parcel is in its story all the same. */
static void check_late_scan(const char *name)
{
	const char *parcel = kw_arena_str(dt_arena, dt_parcel(name, 1).s);
	const char *path = kw_arena_printf(dt_arena, "/v1/parcels/%s", parcel);
	const char *event = kw_arena_printf(dt_arena, "%s-attempt_failed", parcel);
	const char *version = dt_parcel_text("version::text", name, 1);

	assert_null(strstr(text_of(get(path)), event));
	assert_int_equal(status_of(post_scan(dt_parcel_text("courier", name, 1), DT_SECRET,
				 scan_body(parcel, "attempt_failed", "2026-01-12T07:45:00Z"), 0)),
		202);
	wait_count(1, kw_arena_printf(
			      dt_arena, "SELECT count(*) FROM scans WHERE event_id = '%s'", event));
	assert_non_null(strstr(text_of(get(path)), event));
	assert_string_equal(dt_parcel_text("version::text", name, 1), version);
	assert_int_equal(dt_count(kw_arena_printf(dt_arena,
				 "SELECT count(*) FROM scans WHERE event_id = '%s' AND note = "
				 "'given to *'",
				 event)),
		1);
}

static void test_reads(void **state)
{
	const char *parcel = kw_arena_str(dt_arena, dt_parcel("edge-0", 1).s);

	(void)state;
	check_reads();
	check_late_scan("edge-3");
	/* a newer version than the one in the cache */
	struct kw_call c = get(kw_arena_printf(dt_arena, "/v1/parcels/%s", parcel));
	assert_non_null(strstr(text_of(c), "\"state\":\"DELIVERED\""));
	c = post_scan(dt_parcel_text("courier", "edge-0", 1), DT_SECRET,
		scan_body(parcel, "returned", "2099-01-01T00:00:00Z"), 0);
	assert_int_equal(status_of(c), 422);
	char soon[KW_TIME_TEXT];
	kw_time_format(kw_now(&kw_clock_system) + 3600 * KW_US_PER_S, soon);
	c = post_scan(dt_parcel_text("courier", "edge-0", 1), DT_SECRET,
		scan_body(parcel, "returned", soon), 0);
	assert_int_equal(status_of(c), 202);
	for (int64_t end = kw_monotonic_us() + 20 * KW_US_PER_S; kt_again(end);) {
		c = get(kw_arena_printf(dt_arena, "/v1/parcels/%s", parcel));
		if (strstr(text_of(c), "\"state\":\"RETURNED\""))
			break;
	}
	assert_non_null(strstr(text_of(c), "\"state\":\"RETURNED\""));
	stop();
	/* the same without Redis */
	start(NULL);
	wait_ready();
	check_reads();
	stop();
}

/* Nothing in this test is an error of the program, and no secret or buyer is in its log. */
static void test_log(void **state)
{
	char line[8192];
	size_t n = 0;
	FILE *file = fopen(service_log, "r");

	(void)state;
	assert_non_null(file);
	for (; fgets(line, sizeof(line), file); n++)
		if (strstr(line, "\"level\":\"error\"") || strstr(line, DT_SECRET) ||
			strstr(line, TOKEN) || strstr(line, "Ayesha"))
			fail_msg("%s", line);
	fclose(file);
	assert_true(n >= 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edge),
		cmocka_unit_test(test_whole_way),
		cmocka_unit_test(test_aggregators),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_log),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
