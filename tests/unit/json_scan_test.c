/* The scanner accepts exactly what jansson accepts: over documents with bytes changed, taken out,
 * doubled and moved by a fixed seed, and over documents made to be odd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "json/scan.h"

#define TEXT_MAX 2048
#define ROUNDS 150000

static const char *const documents[] = {
	"{}",
	"[]",
	"{\"a\":1,\"b\":-0,\"c\":[1.5,2e3,-7E-2,0.25e+1,9223372036854775807,-9223372036854775808]}",
	"{\"text\":\"\\ud83e\\udde3 \\u0634\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\",\"\\u0061\":true}",
	"{\"order_id\":\"PK-1001\",\"total\":{\"amount\":\"13950.00\",\"currency\":\"PKR\"},"
	"\"lines\":[{\"sku\":\"شال\",\"quantity\":2},{\"sku\":\"\",\"quantity\":null}],"
	"\"test\":false, \"cod\" : true ,\n\t\"x\":{\"y\":[[[]],{\"z\":{}}]}}",
	"{\"m\":{\"a\":0,\"b\":0,\"c\":0,\"d\":0,\"e\":0,\"f\":0,\"g\":0,\"h\":0,\"i\":0,\"j\":0,"
	"\"k\":0,\"l\":0,\"m\":0,\"n\":0,\"o\":0,\"p\":0,\"q\":0,\"r\":0,\"s\":0,\"t\":0,\"u\":0,"
	"\"v\":0,\"w\":0,\"x\":0,\"y\":0,\"z\":0,\"A\":0,\"B\":0}}",
	"[\"\xf0\x9f\xa7\xa3\",\"\xe0\xa0\x80\",\"\xed\x9f\xbf\",\"\xf4\x8f\xbf\xbf\",\"\xc2\x80\"]",
};

/* No NUL: jansson overlooks one behind a number. */
static const char odd_bytes[] = "\"\\{}[],:eE+-.0123456789 \n\tunrtfsa\x1f\x7f\x80\xbf\xc0\xc2"
				"\xe0\xed\xef\xf0\xf4\xf5\xff";

static uint64_t seed;

static size_t below(size_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(seed >> 33) % n;
}

static void compare(const char *text, size_t n)
{
	struct kw_arena *a = kw_arena_new(1024 * 1024);
	struct kw_scan s = { 0 };
	json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	bool mine = kw_scan(&s, text, n, a);

	if (mine != (root != NULL))
		fail_msg("%.*s: the scanner %s it, jansson %s it", (int)n, text,
			mine ? "takes" : "refuses", root ? "takes" : "refuses");
	kw_scan_done(&s);
	json_decref(root);
	kw_arena_free(a);
}

static void change(char *text, size_t *n)
{
	size_t at = below(*n + 1), other = below(*n + 1);

	switch (below(4)) {
	case 0: /* another byte */
		if (at < *n)
			text[at] = odd_bytes[below(sizeof(odd_bytes) - 1)];
		break;
	case 1: /* one more */
		memmove(text + at + 1, text + at, *n - at);
		text[at] = odd_bytes[below(sizeof(odd_bytes) - 1)];
		(*n)++;
		break;
	case 2: /* one less */
		if (at < *n) {
			memmove(text + at, text + at + 1, *n - at - 1);
			(*n)--;
		}
		break;
	default: /* one from elsewhere */
		if (at < *n && other < *n)
			text[at] = text[other];
	}
}

static void test_as_jansson(void **state)
{
	(void)state;
	seed = 20260302;
	for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++)
		compare(documents[i], strlen(documents[i]));
	for (int round = 0; round < ROUNDS; round++) {
		const char *from = documents[below(sizeof(documents) / sizeof(*documents))];
		char text[TEXT_MAX];
		size_t n = strlen(from);

		memcpy(text, from, n);
		for (size_t k = 1 + below(3); k > 0; k--)
			change(text, &n);
		compare(text, n);
	}
}

static void test_numbers(void **state)
{
	static const char *const numbers[] = { "0", "-0", "00", "-", "1.", ".5", "1e", "1e+", "1E5",
		"0e0", "0.0e-0", "9223372036854775807", "9223372036854775808",
		"-9223372036854775808", "-9223372036854775809", "1e200", "1e400", "-1e400",
		"1e-400", "0x1", "1_0", "1e5.5" };
	char text[100];

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		int n = snprintf(text, sizeof(text), "[%s]", numbers[i]);
		compare(text, (size_t)n);
	}
}

/* Deeper than ours is refused, and many names are compared as few are. */
static void test_limits(void **state)
{
	struct kw_arena *a = kw_arena_new((size_t)16 * 1024 * 1024);
	char deep[2 * KW_DEPTH_MAX + 2], *many = malloc(2000 * 16);
	struct kw_scan s;
	size_t n = 0;

	(void)state;
	memset(deep, '[', KW_DEPTH_MAX + 1);
	memset(deep + KW_DEPTH_MAX + 1, ']', KW_DEPTH_MAX + 1);
	assert_false(kw_scan(&s, deep, sizeof(deep), a));
	kw_scan_done(&s);
	assert_true(kw_scan(&s, deep + 1, sizeof(deep) - 2, a));
	assert_int_equal(s.n, KW_DEPTH_MAX);
	kw_scan_done(&s);
	for (int i = 0; i < 2000; i++)
		n += (size_t)snprintf(many + n, 17, "%s\"n%04d\":%d", i ? "," : "{", i, i % 10);
	many[n++] = '}';
	assert_true(kw_scan(&s, many, n, a));
	assert_int_equal(s.tokens[0].count, 2000);
	kw_scan_done(&s);
	memcpy(strstr(many, "n1999"), "n0000", 5);
	assert_false(kw_scan(&s, many, n, a));
	kw_scan_done(&s);
	free(many);
	kw_arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_jansson),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
