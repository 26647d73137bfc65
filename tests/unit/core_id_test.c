/* Ids: UUIDv5 against values computed with Python's uuid.uuid5, trace contexts, FNV-1a. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/id.h"
#include "dies.h"
#include "vectors.h"

static void test_ids_are_uuid5(void **state)
{
	(void)state;
	assert_string_equal(kw_uuid_of("order", "shopify-demo", "820982911946154508").s,
		"bfa47805-d0f2-5775-9910-0ffa421e19fc");
	assert_string_equal(
		kw_uuid_of("order", "dibs", "A-1").s, "c5c6279d-b3d1-548f-9927-702231601dd8");
	assert_string_equal(kw_uuid_of("maker", "m-1").s, "fbfc2878-4d8f-5212-b7b9-44a3e297b4bb");
	assert_string_equal(kw_uuid_of("maker", "").s, "f8387fce-0ea4-50e7-b9dd-944b9e48209a");
	assert_string_equal(kw_uuid_of("parcel", "5a2d0d4f-3f6c-5e0c-9a3a-0d8f3f1f5b11", "1").s,
		"3119c6ce-9f1f-5235-ac6a-35f8344f4c77");
	assert_string_equal(kw_uuid_of("fulfilment", "o", "maker one", "hub-2", "3").s,
		"aa31587b-47aa-5509-b75b-dd812f7db6be");
	assert_string_equal(
		kw_uuid_of("listing", "شال-۱").s, "6852eb9e-71a9-55e6-a32b-a842005c3002");
	assert_string_equal(kw_uuid_of("x").s, "e87b8afb-c6ad-5f65-9333-b881ff4cf991");
	assert_string_equal(
		kw_event_id("5a2d0d4f-3f6c-5e0c-9a3a-0d8f3f1f5b11", 1, "karwan.order.received.v1")
			.s,
		"5b9f0310-5ce2-5a6f-8947-3d412cce0b02");
	assert_string_equal(
		kw_event_id("e", INT64_MIN, "t").s, "b4a8752e-bb1f-54e9-975a-65146c6733b1");
	assert_dies(kw_uuid_make((const char *const[]) { NULL }));
}

/* Every length up to several blocks of SHA-1, folded into one value: prev = uuid5("chain", prev,
 * "a" * n). */
static void test_names_of_every_length(void **state)
{
	(void)state;
	struct kw_uuid last = { "" };
	char name[300] = "";
	for (size_t n = 0; n < 300; n++) {
		last = kw_uuid_of("chain", last.s, name);
		if (n < sizeof(name) - 1)
			name[n] = 'a';
	}
	assert_string_equal(last.s, "4e5af9f3-c12d-5279-af5d-06b3ab84b18e");
}

static void test_uuid_texts(void **state)
{
	(void)state;
	struct kw_uuid u, back;
	uint8_t bytes[16];
	assert_true(kw_uuid_parse("6F1D3C52-0B7E-4E0E-9a55-2b1f6a7c9d10", &u));
	assert_string_equal(u.s, "6f1d3c52-0b7e-4e0e-9a55-2b1f6a7c9d10");
	kw_uuid_to_bytes(&u, bytes);
	assert_memory_equal(
		bytes, "\x6f\x1d\x3c\x52\x0b\x7e\x4e\x0e\x9a\x55\x2b\x1f\x6a\x7c\x9d\x10", 16);
	kw_uuid_from_bytes(bytes, &back);
	assert_string_equal(back.s, u.s);
	static const char *const wrong[] = { "", "6f1d3c52-0b7e-4e0e-9a55-2b1f6a7c9d1",
		"6f1d3c52-0b7e-4e0e-9a55-2b1f6a7c9d100", "6f1d3c520b7e4e0e9a552b1f6a7c9d10",
		"{6f1d3c52-0b7e-4e0e-9a55-2b1f6a7c9d10}", "6f1d3c52-0b7e-4e0e-9a55-2b1f6a7c9d1g",
		"6f1d3c5-20b7e-4e0e-9a55-2b1f6a7c9d10", "6f1d3c52-0b7e-4e0e-9a55 2b1f6a7c9d10",
		"6f1d3c52-0b7e-4e0e-9a55-2b1f6a7c9d1\xc3" };
	for (size_t i = 0; i < KW_LEN(wrong); i++)
		assert_false(kw_uuid_parse(wrong[i], &u));
	assert_false(kw_uuid_parse(NULL, &u));
	assert_string_equal(u.s, back.s);
	assert_dies(kw_uuid_to_bytes(&(struct kw_uuid) { "" }, bytes));
}

static void test_random_ids(void **state)
{
	(void)state;
	struct kw_uuid a = kw_uuid_random(), b = kw_uuid_random(), same;
	assert_true(kw_uuid_parse(a.s, &same));
	assert_string_equal(a.s, same.s);
	assert_int_equal(a.s[14], '4');
	assert_non_null(strchr("89ab", a.s[19]));
	assert_string_not_equal(a.s, b.s);
}

/* Whole, version 00, flags 00 or 01, ids that are not zero. */
static void assert_valid(const struct kw_trace *t)
{
	assert_int_equal(strlen(t->s), 55);
	assert_memory_equal(t->s, "00-", 3);
	for (size_t i = 3; i < 55; i++)
		assert_non_null(strchr(i == 35 || i == 52 ? "-" : "0123456789abcdef", t->s[i]));
	assert_true(strspn(t->s + 3, "0") < 32 && strspn(t->s + 36, "0") < 16);
	assert_true(strcmp(t->s + 52, "-00") == 0 || strcmp(t->s + 52, "-01") == 0);
}

static void check_traceparent(const char *const column[VECTOR_COLUMNS], int line)
{
	struct kw_trace t = kw_trace_from(column[0]);
	assert_valid(&t);
	bool kept = strlen(column[0]) >= 55 && memcmp(t.s + 3, column[0] + 3, 32) == 0;
	bool restarts = strcmp(column[1], "restart") == 0;
	if (kept == restarts)
		fail_msg("line %d: %s: %s", line, column[2], kept ? "was kept" : "was not kept");
	assert_string_equal(t.s + 53, restarts ? "01" : column[1]);
	if (kept)
		assert_memory_not_equal(t.s + 36, column[0] + 36, 16);
}

static void test_traces(void **state)
{
	(void)state;
	each_vector("traceparent.tsv", 30, check_traceparent);
	struct kw_trace a = kw_trace_from(NULL), b = kw_trace_from(NULL), c = kw_trace_from(a.s);
	assert_valid(&a);
	assert_memory_not_equal(a.s + 3, b.s + 3, 32);
	assert_memory_equal(a.s, c.s, 36);
}

/* Values of the authors' own test suite: http://www.isthe.com/chongo/tech/comp/fnv/ */
static void test_hash(void **state)
{
	(void)state;
	assert_true(kw_hash64("", 0, 0) == 0xcbf29ce484222325u);
	assert_true(kw_hash64("a", 1, 0) == 0xaf63dc4c8601ec8cu);
	assert_true(kw_hash64("foobar", 6, 0) == 0x85944171f73967e8u);
	assert_true(kw_hash64("foobar", 6, 1) != kw_hash64("foobar", 6, 0));
	assert_true(kw_hash64("a\0b", 3, 0) != kw_hash64("a\0c", 3, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids_are_uuid5),
		cmocka_unit_test(test_names_of_every_length),
		cmocka_unit_test(test_uuid_texts),
		cmocka_unit_test(test_random_ids),
		cmocka_unit_test(test_traces),
		cmocka_unit_test(test_hash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
