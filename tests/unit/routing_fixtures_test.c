/* Every adapter over its fixtures: headers and payload are posted to a real server, and the answer
 * is the message that is appended, a problem with its pointer, or what expected.json says; answers
 * of its API become the same; what it is asked is in asked.json. No code per marketplace. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "adapters/adapter.h"
#include "api.h"
#include "fields.h"
#include "handlers.h"
#include "http/client.h"
#include "told.h"
#include "json/json.h"

#define FIXTURES KW_SOURCE_DIR "/services/order-routing/adapters/"
#define NOW 1772445600 /* 2026-03-02T10:00:00Z */
#define HEADERS_MAX 16

static struct kw_server *server;
static struct kw_client *client;
static struct kw_arena *arena;
static struct kw_partner partner;

/* What the channel of a folder is declared with: channel.json. */
static const struct kw_field channel_fields[] = {
	KW_STR(struct kw_partner, app_key, KW_OPTIONAL, 1, 64),
	KW_STR(struct kw_partner, seller_id, KW_OPTIONAL, 1, 64),
	KW_STR(struct kw_partner, currency, KW_OPTIONAL, 3, 3),
	KW_STR(struct kw_partner, url, KW_OPTIONAL, 1, 500),
	KW_END,
};

static const struct kw_adapter *adapter_named(const char *name)
{
	for (const struct kw_adapter *a = routing_adapters; a->name; a++)
		if (strcmp(a->name, name) == 0)
			return a;
	return NULL;
}

static enum kw_rc authenticate(struct kw_request *rq, struct kw_err *err)
{
	const struct kw_adapter *a = adapter_named(rq->params[0]);

	rq->caller = &partner;
	return a ? a->verify(&partner, rq, err) : kw_fail(err, KW_INVALID, "no such channel");
}

/* {"type", "message"} */
static struct kw_bytes written(struct kw_arena *a, const struct told *told)
{
	const struct kw_topic_row *row = routing_topics;
	struct kw_buf text;

	while (strcmp(row->type, told->type) != 0)
		row++;
	kw_buf_init(&text, 1 << 20);
	kw_buf_printf(&text, "{\"type\":\"%s\",\"message\":", told->type);
	kw_json_encode(row->fields, told->data, &text);
	kw_buf_printf(&text, "}");
	assert_false(text.full);
	struct kw_bytes copy = { kw_arena_copy(a, text.p, text.n), text.n };
	kw_buf_done(&text);
	return copy;
}

static enum kw_rc post(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	const struct order_adapter *a = adapter_named(rq->params[0])->more;
	struct order_input in = { &partner,
		a->topic_header ? kw_request_header(rq, a->topic_header) : NULL, rq->body,
		rq->now };
	struct heard heard = { 0 };
	struct told told;

	enum kw_rc rc = a->parse(&in, rq->arena, &heard, err);
	if (rc == KW_NOTHING)
		return KW_OK;
	if (rc != KW_OK)
		return rc;
	KW_TRY(told_of(rq->caller, a, rq->arena, &heard, &told, err));
	rs->status = 202;
	rs->body = written(rq->arena, &told);
	return KW_OK;
}

static struct kw_route routes[] = {
	{ .method = "POST", .path = "/:adapter", .handle = post, .auth = 1, .body = KW_RAW_BODY },
	{ 0 },
};

static const char *in_dir(const char *dir, const char *name)
{
	return kw_arena_printf(arena, "%s/%s", dir, name);
}

static struct kw_bytes read_file(const char *dir, const char *name)
{
	char *bytes = kw_arena_alloc(arena, 1, 65536);
	FILE *file = fopen(in_dir(dir, name), "r");

	if (!file)
		fail_msg("there is no %s/%s", dir, name);
	size_t n = fread(bytes, 1, 65535, file);
	fclose(file);
	return (struct kw_bytes) { bytes, n };
}

static json_t *read_json(const char *dir, const char *name)
{
	struct kw_bytes text = read_file(dir, name);
	json_t *value = json_loadb(text.p, text.n, 0, NULL);

	if (!value)
		fail_msg("%s/%s is no JSON", dir, name);
	return value;
}

static const char *string_of(const json_t *object, const char *member)
{
	return json_string_value(json_object_get(object, member));
}

static kw_time time_of(const json_t *object, const char *member)
{
	kw_time at = 0;

	if (kw_time_parse(string_of(object, member), &at, NULL) != KW_OK)
		fail_msg("no time: %s", member);
	return at;
}

static const char *const *headers_of(const char *dir)
{
	const char **headers = kw_new(arena, const char *, HEADERS_MAX);
	const char *text = read_file(dir, "headers.txt").p;

	for (size_t n = 0; *text; n++) {
		size_t line = strcspn(text, "\n");
		assert_true(n + 1 < HEADERS_MAX);
		headers[n] = kw_arena_strn(arena, text, line);
		text += line + (text[line] == '\n');
	}
	return headers;
}

/* ---- what is posted ---- */

static const char *pointer_in(const json_t *problem)
{
	const json_t *error = json_array_get(json_object_get(problem, "errors"), 0);
	const char *pointer = string_of(error, "pointer");

	/* RFC 9457: a JSON pointer as the fragment of a URI */
	return pointer && pointer[0] == '#' ? pointer + 1 : "";
}

/* expected: message, and type where it is no order. */
static void check_message(const char *dir, const json_t *expected, const json_t *answer)
{
	const json_t *message = json_object_get(expected, "message");
	const char *type = string_of(expected, "type");

	if (!message && !json_object_get(answer, "message"))
		return;
	if (message && json_equal(message, json_object_get(answer, "message")) &&
		strcmp(type ? type : "karwan.order.submitted.v1", string_of(answer, "type")) == 0)
		return;
	/* longer than cmocka's own messages may be */
	fprintf(stderr, "%s: became\n%s\nand not\n%s\n", dir, json_dumps(answer, JSON_COMPACT),
		json_dumps(expected, JSON_COMPACT));
	fail();
}

static void check_post(const char *adapter, const char *dir, const json_t *expected)
{
	struct kw_call call = {
		.method = "POST",
		.url = kw_arena_printf(
			arena, "http://127.0.0.1:%d/%s", kw_server_port(server), adapter),
		.headers = headers_of(dir),
		.body = read_file(dir, "payload.json"),
	};

	kw_client_run(client, arena, &call, 1, 5000, 1 << 20);
	if (call.rc != KW_OK)
		fail_msg("%s: %s", dir, call.err.reason);
	json_t *answer = call.answer.n ? json_loadb(call.answer.p, call.answer.n, 0, NULL) : NULL;
	if (call.status != json_integer_value(json_object_get(expected, "status")))
		fail_msg("%s: answered %d %.*s", dir, call.status, (int)call.answer.n,
			(const char *)call.answer.p);
	check_message(dir, expected, answer);
	const char *pointer = string_of(expected, "pointer");
	if (pointer && strcmp(pointer, pointer_in(answer)) != 0)
		fail_msg("%s: points at %s, not %s", dir, pointer_in(answer), pointer);
	json_decref(answer);
}

/* ---- what an API answers ---- */

static struct kw_call answer_of(const char *dir, const char *name)
{
	return (struct kw_call) { .rc = KW_OK, .status = 200, .answer = read_file(dir, name) };
}

/* expected: fails {rc, code, pointer}, nothing, or what it became. */
static bool failed(const char *dir, const json_t *expected, enum kw_rc rc, const struct kw_err *err)
{
	const json_t *fails = json_object_get(expected, "fails");
	const char *pointer = string_of(fails, "pointer"), *code = string_of(fails, "code");

	if (!fails && rc != KW_OK && rc != KW_NOTHING)
		fail_msg("%s: %s %s %s", dir, err->code, err->pointer, err->reason);
	if (!fails) {
		assert_int_equal(
			rc == KW_NOTHING, json_is_true(json_object_get(expected, "nothing")));
		return rc == KW_NOTHING;
	}
	if (strcmp(kw_rc_name(rc), string_of(fails, "rc")) != 0 ||
		(pointer && strcmp(pointer, err->pointer) != 0) ||
		(code && strcmp(code, err->code) != 0))
		fail_msg("%s: %s %s at %s: %s", dir, kw_rc_name(rc), err->code, err->pointer,
			err->reason);
	return true;
}

static void check_order(const struct order_adapter *a, const char *dir, const json_t *expected)
{
	struct kw_call calls[API_CALLS_MAX];
	struct heard heard = { 0 };
	struct kw_err err = { 0 };
	struct told told;

	for (size_t i = 0; i < a->api->n_calls; i++)
		calls[i] = answer_of(dir, kw_arena_printf(arena, "answer-%zu.json", i + 1));
	enum kw_rc rc = a->api->read_order(&partner, calls, NOW * KW_US_PER_S, arena, &heard, &err);
	if (rc == KW_OK)
		rc = told_of(&partner, a, arena, &heard, &told, &err);
	if (failed(dir, expected, rc, &err))
		return;
	struct kw_bytes text = written(arena, &told);
	json_t *answer = json_loadb(text.p, text.n, 0, NULL);
	check_message(dir, expected, answer);
	json_decref(answer);
}

/* expected: full, found [{external_id, changed_at, type}] */
static void check_page(const struct order_adapter *a, const char *dir, const json_t *expected)
{
	const json_t *found = json_object_get(expected, "found");
	struct kw_call call = answer_of(dir, "page.json");
	struct page_read page = { 0 };
	struct kw_err err = { 0 };
	enum kw_rc rc = a->api->read_page(&partner, &call, NOW * KW_US_PER_S, arena, &page, &err);

	if (failed(dir, expected, rc, &err))
		return;
	assert_int_equal(page.n, json_array_size(found));
	assert_int_equal(page.full, json_is_true(json_object_get(expected, "full")));
	for (size_t i = 0; i < page.n; i++) {
		const json_t *row = json_array_get(found, i);
		const struct found *f = &page.found[i];
		struct told told;

		assert_string_equal(f->external_id, string_of(row, "external_id"));
		assert_int_equal(f->changed_at, time_of(row, "changed_at"));
		assert_int_equal(told_of(&partner, a, arena, &f->heard, &told, NULL), KW_OK);
		assert_string_equal(told.type, string_of(row, "type"));
		assert_string_equal(told.order_id.s, kw_uuid_of("order", "shop", f->external_id).s);
	}
}

/* ---- what an API is asked ---- */

static void check_asked(const char *dir, const struct kw_call *call, const json_t *expected)
{
	size_t n = 0;

	if (strcmp(call->url, string_of(expected, "url")) != 0)
		fail_msg("%s: asks for\n%s", dir, call->url);
	assert_string_equal(call->method, "GET");
	while (call->headers && call->headers[n])
		n++;
	assert_int_equal(n, json_array_size(json_object_get(expected, "headers")));
	for (size_t i = 0; i < n; i++)
		assert_string_equal(call->headers[i],
			json_string_value(json_array_get(json_object_get(expected, "headers"), i)));
}

static void check_asks(const struct order_adapter *a, const char *folder)
{
	struct kw_call calls[API_CALLS_MAX];
	json_t *asked = read_json(folder, "asked.json");
	const json_t *order = json_object_get(asked, "order");
	struct page page = { time_of(asked, "since"),
		(int)json_integer_value(json_object_get(asked, "number")) };

	assert_int_equal(a->api->n_calls, json_array_size(order));
	a->api->ask_order(
		&partner, string_of(asked, "external_id"), time_of(asked, "now"), arena, calls);
	for (size_t i = 0; i < a->api->n_calls; i++)
		check_asked(folder, &calls[i], json_array_get(order, i));
	a->api->ask_page(&partner, &page, time_of(asked, "now"), arena, calls);
	check_asked(folder, calls, json_object_get(asked, "page"));
	json_decref(asked);
}

/* ---- all ---- */

static void check(const char *adapter, const char *folder, const char *name)
{
	const struct order_adapter *a = order_adapter_find(adapter);
	const char *dir = in_dir(folder, name);
	json_t *expected = read_json(dir, "expected.json");

	if (access(in_dir(dir, "answer-1.json"), F_OK) == 0)
		check_order(a, dir, expected);
	else if (access(in_dir(dir, "page.json"), F_OK) == 0)
		check_page(a, dir, expected);
	else
		check_post(adapter, dir, expected);
	json_decref(expected);
}

/* secret.txt signed the fixtures; api-secrets.txt has a line each. */
static void declare(const char *folder)
{
	struct kw_bytes secret = read_file(folder, "secret.txt");

	secret.n = strcspn(secret.p, "\n");
	partner = (struct kw_partner) {
		.name = "shop", .kind = KW_CHANNEL, .fee_bps = 300, .park_days = 7
	};
	partner.secrets.keys[0] = secret;
	partner.secrets.n = 1;
	if (access(in_dir(folder, "channel.json"), F_OK) != 0)
		return;
	struct kw_bytes channel = read_file(folder, "channel.json");
	assert_int_equal(
		kw_json_decode(channel_fields, channel.p, channel.n, arena, &partner, NULL), KW_OK);
	for (const char *text = read_file(folder, "api-secrets.txt").p; *text;) {
		size_t n = strcspn(text, "\n");
		partner.api_secrets.keys[partner.api_secrets.n++] = (struct kw_bytes) { text, n };
		text += n + (text[n] == '\n');
	}
}

static void all_fixtures(void **state)
{
	(void)state;
	for (const struct kw_adapter *a = routing_adapters; a->name; a++) {
		const char *folder = kw_arena_printf(arena, FIXTURES "%s/fixtures", a->name);
		const struct order_adapter *orders = a->more;
		DIR *dir = opendir(folder);
		size_t n = 0;

		assert_non_null(dir);
		declare(folder);
		for (const struct dirent *e; (e = readdir(dir));)
			if (!strchr(e->d_name, '.')) { /* a case is a folder */
				check(a->name, folder, e->d_name);
				n++;
			}
		closedir(dir);
		assert_true(n >= 10);
		if (orders->api)
			check_asks(orders, folder);
	}
}

/* What the partners file's own table cannot say. */
static void a_channel_has_what_its_adapter_needs(void **state)
{
	static const struct {
		struct kw_partner channel;
		size_t n_api_secrets;
		const char *pointer; /* NULL: it is well */
	} rows[] = {
		{ { .adapter = "shopify" }, 0, NULL },
		{ { .adapter = "shopify", .url = "https://a" }, 1, "/url" },
		{ { .adapter = "woocommerce" }, 0, NULL },
		{ { .adapter = "woocommerce", .url = "https://a" }, 2, NULL },
		{ { .adapter = "woocommerce", .url = "https://a" }, 1, "/api_secret_files" },
		{ { .adapter = "lazada", .url = "https://a", .app_key = "1", .currency = "PKR" }, 1,
			NULL },
		{ { .adapter = "lazada", .url = "https://a", .app_key = "1", .currency = "PKR" }, 2,
			"/api_secret_files" },
		{ { .adapter = "lazada", .url = "https://a", .app_key = "1" }, 1, "/currency" },
		{ { .adapter = "lazada", .url = "https://a", .currency = "PKR" }, 1, "/app_key" },
		{ { .adapter = "lazada", .app_key = "1", .currency = "PKR" }, 0, "/url" },
	};

	(void)state;
	for (size_t i = 0; i < KW_LEN(rows); i++) {
		struct kw_partner channel = rows[i].channel;
		struct kw_err err = { 0 };

		channel.api_secrets.n = rows[i].n_api_secrets;
		assert_int_equal(
			order_partner_check(&channel, &err), rows[i].pointer ? KW_INVALID : KW_OK);
		if (rows[i].pointer)
			assert_string_equal(err.pointer, rows[i].pointer);
	}
}

static int setup(void **state)
{
	static struct kw_clock clock;
	struct kw_err err;

	(void)state;
	clock = kw_clock_fixed(NOW * KW_US_PER_S);
	arena = kw_arena_new(64 << 20);
	client = kw_client_new(true);
	routes[0].media = routing_routes[0].media;
	kw_json_init();
	return kw_server_start(&(struct kw_server_config) { .listen = "127.0.0.1:0",
				       .routes = routes,
				       .authenticate = authenticate,
				       .clock = &clock },
		       &server, &err) == KW_OK
		       ? 0
		       : -1;
}

static int teardown(void **state)
{
	(void)state;
	kw_server_stop(server);
	kw_client_free(client);
	kw_arena_free(arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_fixtures),
		cmocka_unit_test(a_channel_has_what_its_adapter_needs),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
