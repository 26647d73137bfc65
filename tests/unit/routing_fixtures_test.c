/* Every adapter over its fixtures, through a real server: headers and payload are posted, and the
 * answer is the canonical message, a problem with its pointer, or what expected.json says. No code
 * per marketplace. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "adapters/adapter.h"
#include "fields.h"
#include "http/client.h"
#include "json/json.h"

#define FIXTURES KW_SOURCE_DIR "/services/order-routing/adapters/"
#define NOW 1772445600 /* 2026-03-02T10:00:00Z */
#define HEADERS_MAX 16

static struct kw_server *server;
static struct kw_client *client;
static struct kw_arena *arena;
static struct kw_partner partner = {
	.name = "shop", .kind = KW_CHANNEL, .fee_bps = 300, .park_days = 7
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

static enum kw_rc post(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	const struct order_adapter *a = adapter_named(rq->params[0])->more;
	struct submitted_message *m = kw_new(rq->arena, struct submitted_message, 1);
	struct order_input in = { a->topic_header ? kw_request_header(rq, a->topic_header) : NULL,
		rq->body };
	struct kw_buf text;

	enum kw_rc rc = a->parse(&in, rq->arena, &m->order, err);
	if (rc == KW_NOTHING)
		return KW_OK;
	if (rc != KW_OK)
		return rc;
	KW_TRY(order_canonical(rq->caller, a, rq->arena, &m->order, err));
	kw_buf_init(&text, 1 << 20);
	kw_json_encode(submitted_fields, m, &text);
	rs->status = 202;
	rs->body = (struct kw_bytes) { kw_arena_copy(rq->arena, text.p, text.n), text.n };
	kw_buf_done(&text);
	return KW_OK;
}

static const struct kw_route routes[] = {
	{ "POST", "/:adapter", post, 1, KW_RAW_BODY, NULL, 0, 0, NULL },
	{ 0 },
};

static struct kw_bytes read_file(const char *dir, const char *name)
{
	const char *path = kw_arena_printf(arena, "%s/%s", dir, name);
	char *bytes = kw_arena_alloc(arena, 1, 65536);
	FILE *file = fopen(path, "r");

	if (!file)
		fail_msg("there is no %s", path);
	size_t n = fread(bytes, 1, 65535, file);
	fclose(file);
	return (struct kw_bytes) { bytes, n };
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

static const char *pointer_in(const json_t *problem)
{
	const json_t *error = json_array_get(json_object_get(problem, "errors"), 0);
	const char *pointer = json_string_value(json_object_get(error, "pointer"));

	/* RFC 9457: a JSON pointer as the fragment of a URI */
	return pointer && pointer[0] == '#' ? pointer + 1 : "";
}

static void check(const char *adapter, const char *name)
{
	const char *dir = kw_arena_printf(arena, FIXTURES "%s/fixtures/%s", adapter, name);
	struct kw_bytes said = read_file(dir, "expected.json");
	json_t *expected = json_loadb(said.p, said.n, 0, NULL);
	struct kw_call call = {
		.method = "POST",
		.url = kw_arena_printf(
			arena, "http://127.0.0.1:%d/%s", kw_server_port(server), adapter),
		.headers = headers_of(dir),
		.body = read_file(dir, "payload.json"),
	};

	assert_non_null(expected);
	kw_client_run(client, arena, &call, 1, 5000, 1 << 20);
	if (call.rc != KW_OK)
		fail_msg("%s: %s", dir, call.err.reason);
	json_t *answer = call.answer.n ? json_loadb(call.answer.p, call.answer.n, 0, NULL) : NULL;
	if (call.status != json_integer_value(json_object_get(expected, "status")))
		fail_msg("%s: answered %d %.*s", dir, call.status, (int)call.answer.n,
			(const char *)call.answer.p);
	const json_t *message = json_object_get(expected, "message");
	if (message && !json_equal(message, answer))
		fail_msg("%s: became\n%.*s\nand not\n%s", dir, (int)call.answer.n,
			(const char *)call.answer.p, json_dumps(message, JSON_COMPACT));
	const char *pointer = json_string_value(json_object_get(expected, "pointer"));
	if (pointer && strcmp(pointer, pointer_in(answer)) != 0)
		fail_msg("%s: points at %s, not %s", dir, pointer_in(answer), pointer);
	json_decref(expected);
	json_decref(answer);
}

static void all_fixtures(void **state)
{
	(void)state;
	for (const struct kw_adapter *a = routing_adapters; a->name; a++) {
		const char *folder = kw_arena_printf(arena, FIXTURES "%s/fixtures", a->name);
		DIR *dir = opendir(folder);
		size_t n = 0;

		assert_non_null(dir);
		/* what signed the fixtures */
		struct kw_bytes secret = read_file(folder, "secret.txt");
		secret.n = strcspn(secret.p, "\n");
		partner.secrets.keys[0] = secret;
		partner.secrets.n = 1;
		for (const struct dirent *e; (e = readdir(dir));)
			if (!strchr(e->d_name, '.')) { /* a case is a folder */
				check(a->name, e->d_name);
				n++;
			}
		closedir(dir);
		assert_true(n >= 10);
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
	const struct CMUnitTest tests[] = { cmocka_unit_test(all_fixtures) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
