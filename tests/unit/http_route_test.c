/* The URL matcher: which route, which parameters, what is refused; and the query. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/route.h"

static struct kw_arena *a;

static int setup(void **state)
{
	(void)state;
	a = kw_arena_new(16 * 1024 * 1024);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kw_arena_free(a);
	return 0;
}

static const struct kw_route routes[] = {
	{ .method = "GET", .path = "/" },
	{ .method = "GET", .path = "/v1/orders" },
	{ .method = "POST", .path = "/v1/channels/:channel/orders" },
	{ .method = "GET", .path = "/v1/orders/:id" },
	{ .method = "PUT", .path = "/v1/makers/:id" },
	{ .method = "GET", .path = "/v1/makers/:id" },
	{ .method = "GET", .path = "/v1/:a/:b/x/:c" },
	{ 0 },
};

static const struct {
	const char *method, *target;
	enum kw_rc rc;
	const char *path; /* of the route found */
	const char *params[4], *allow;
} rows[] = {
	{ "GET", "/", KW_OK, "/", { 0 }, "" },
	{ "GET", "/?x=1", KW_OK, "/", { 0 }, "" },
	{ "GET", "/v1/orders", KW_OK, "/v1/orders", { 0 }, "" },
	{ "GET", "/v1/orders?channel=a&external_id=b", KW_OK, "/v1/orders", { 0 }, "" },
	{ "GET", "http://example.test:8080/v1/orders?a=b", KW_OK, "/v1/orders", { 0 }, "" },
	{ "GET", "HTTP://example.test/v1/orders/7", KW_OK, "/v1/orders/:id", { "7" }, "" },
	{ "POST", "/v1/channels/dibs/orders", KW_OK, "/v1/channels/:channel/orders", { "dibs" },
		"" },
	{ "GET", "/v1/orders/a%20b", KW_OK, "/v1/orders/:id", { "a b" }, "" },
	{ "GET", "/v1/orders/a+b", KW_OK, "/v1/orders/:id", { "a+b" }, "" },
	{ "GET", "/v1/orders/a%2Fb", KW_OK, "/v1/orders/:id", { "a/b" }, "" },
	{ "GET", "/v1/orders/%D8%B4%D8%A7%D9%84", KW_OK, "/v1/orders/:id", { "شال" }, "" },
	{ "GET", "/v1/%6Frders/1", KW_OK, "/v1/orders/:id", { "1" }, "" },
	{ "GET", "/v1/p/q/x/r", KW_OK, "/v1/:a/:b/x/:c", { "p", "q", "r" }, "" },
	{ "GET", "", KW_NOTHING, NULL, { 0 }, "" },
	{ "GET", "*", KW_NOTHING, NULL, { 0 }, "" },
	{ "GET", "v1/orders", KW_NOTHING, NULL, { 0 }, "" },
	{ "GET", "http://example.test", KW_NOTHING, NULL, { 0 }, "" },
	{ "GET", "/v1", KW_NOTHING, NULL, { 0 }, "" },
	{ "GET", "/v1/orders/", KW_NOTHING, NULL, { 0 }, "" },
	{ "GET", "//v1/orders", KW_NOTHING, NULL, { 0 }, "" },
	{ "GET", "/v1/orders/1/", KW_NOTHING, NULL, { 0 }, "" },
	{ "GET", "/v1//orders", KW_NOTHING, NULL, { 0 }, "" },
	{ "GET", "/V1/orders", KW_NOTHING, NULL, { 0 }, "" },
	{ "GET", "/v1/orders/a%00b", KW_NOTHING, NULL, { 0 }, "" },
	{ "GET", "/v1/orders/a%0Ab", KW_NOTHING, NULL, { 0 }, "" },
	{ "GET", "/v1/orders/a%7Fb", KW_NOTHING, NULL, { 0 }, "" },
	{ "GET", "/v1/orders/%", KW_NOTHING, NULL, { 0 }, "" },
	{ "GET", "/v1/orders/%4", KW_NOTHING, NULL, { 0 }, "" },
	{ "GET", "/v1/orders/%zz", KW_NOTHING, NULL, { 0 }, "" },
	{ "GET", "/v1/orders/%FF", KW_NOTHING, NULL, { 0 }, "" },
	{ "GET", "/v1/orders/%C0%AF", KW_NOTHING, NULL, { 0 }, "" },       /* overlong "/" */
	{ "GET", "/v1/orders/%ED%A0%80", KW_NOTHING, NULL, { 0 }, "" },    /* surrogate */
	{ "GET", "/v1/orders/%F4%90%80%80", KW_NOTHING, NULL, { 0 }, "" }, /* above U+10FFFF */
	{ "GET", "/v1/orders/%E2%82", KW_NOTHING, NULL, { 0 }, "" },       /* cut */
	{ "GET", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18", KW_NOTHING, NULL, { 0 }, "" },
	{ "DELETE", "/v1/makers/m-1", KW_INVALID, "/v1/makers/:id", { 0 }, "PUT, GET" },
	{ "HEAD", "/v1/orders", KW_INVALID, "/v1/orders", { 0 }, "GET" },
	{ "OPTIONS", "/v1/channels/x/orders", KW_INVALID, "/v1/channels/:channel/orders", { 0 },
		"POST" },
	{ "get", "/v1/orders", KW_INVALID, "/v1/orders", { 0 }, "GET" },
};

static void test_match(void **state)
{
	struct kw_match m;

	(void)state;
	for (size_t i = 0; i < KW_LEN(rows); i++) {
		struct kw_target t = kw_target_of(rows[i].target);
		enum kw_rc rc = kw_route_match(routes, rows[i].method, &t, a, &m);
		if (rc != rows[i].rc || (rows[i].path && strcmp(m.route->path, rows[i].path)) ||
			(!rows[i].path && m.route) || strcmp(m.allow, rows[i].allow))
			fail_msg("%s %s: %s, %s, allow \"%s\"", rows[i].method, rows[i].target,
				kw_rc_name(rc), m.route ? m.route->path : "no route", m.allow);
		for (size_t p = 0; rc == KW_OK && p < KW_PATH_PARAMS_MAX; p++) {
			if (rows[i].params[p])
				assert_string_equal(m.params[p], rows[i].params[p]);
			else
				assert_null(m.params[p]);
		}
	}
}

/* A parameter is 1 to 128 bytes, counted after decoding. */
static void test_param_length(void **state)
{
	char target[16 + 3 * 129] = "/v1/orders/";
	struct kw_match m;

	(void)state;
	for (size_t n = 1; n <= 129; n++) {
		for (int encoded = 0; encoded < 2; encoded++) {
			char *p = target + strlen("/v1/orders/");
			for (size_t i = 0; i < n; i++, p += encoded ? 3 : 1)
				memcpy(p, encoded ? "%61" : "aaa", 3);
			*p = '\0';
			struct kw_target t = kw_target_of(target);
			assert_int_equal(kw_route_match(routes, "GET", &t, a, &m),
				n <= 128 ? KW_OK : KW_NOTHING);
			if (n <= 128)
				assert_int_equal(strlen(m.params[0]), n);
		}
	}
}

static void test_query(void **state)
{
	const char *q =
		kw_target_of("/x?a=1&b=two+words&c=%D8%B4&d&e=&a=2&f=x%26y%3Dz&g=1?2=3").query;

	(void)state;
	assert_true(kw_query_ok(q, a));
	assert_string_equal(kw_query_find(q, "a", a), "1");
	assert_string_equal(kw_query_find(q, "b", a), "two words");
	assert_string_equal(kw_query_find(q, "c", a), "ش");
	assert_string_equal(kw_query_find(q, "d", a), "");
	assert_string_equal(kw_query_find(q, "e", a), "");
	assert_string_equal(kw_query_find(q, "f", a), "x&y=z");
	assert_string_equal(kw_query_find(q, "g", a), "1?2=3");
	assert_null(kw_query_find(q, "A", a));
	assert_null(kw_query_find(q, "", a));
	assert_null(kw_query_find("", "a", a));
	assert_null(kw_query_find("ab=1", "a", a));
}

static void test_query_refuses(void **state)
{
	static const char *const bad[] = { "a=%", "a=%0", "a=%0g", "a=%00", "a=%0a", "%ff=1",
		"a=%c3", "a=b&c=%1f" };
	char many[200] = "", big[8 + 1026] = "a=";

	(void)state;
	for (size_t i = 0; i < KW_LEN(bad); i++)
		if (kw_query_ok(bad[i], a))
			fail_msg("%s was accepted", bad[i]);
	for (size_t i = 0; i < 33; i++)
		memcpy(many + 2 * i, "a&", 2);
	assert_false(kw_query_ok(many, a));
	many[2 * 32 - 1] = '\0';
	assert_true(kw_query_ok(many, a));
	memset(big + 2, 'x', 1022);
	assert_true(kw_query_ok(big, a));
	memset(big + 2, 'x', 1023);
	assert_false(kw_query_ok(big, a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_param_length),
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_query_refuses),
	};
	return cmocka_run_group_tests_name("http_route", tests, setup, teardown);
}
