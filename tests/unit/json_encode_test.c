/* Encoding: every kind, what is left out, what must not be left out, and the way back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dies.h"
#include "json/json.h"

struct part {
	const char *name;
	int64_t count;
};

struct all {
	const char *text, *id;
	bool yes;
	int64_t number;
	struct kw_money money;
	kw_time time;
	struct kw_uuid uuid;
	int state;
	struct part *part;
	struct part *parts;
	size_t n_parts;
	const char **tags;
	size_t n_tags;
};

static const char *const state_names[] = { "NEW", "ROUTED" };
static const struct kw_strtab states = KW_STRTAB(state_names);

static const struct kw_field part_fields[] = {
	KW_STR(struct part, name, KW_REQUIRED, 1, 10),
	KW_I64(struct part, count, KW_OPTIONAL, INT64_MIN, INT64_MAX),
	KW_END,
};

#define ALL_FIELDS(flags)                                                                     \
	{                                                                                     \
		KW_STR(struct all, text, flags, 1, 50), KW_ID(struct all, id, flags, 1, 20),  \
			KW_BOOL(struct all, yes, flags),                                      \
			KW_I64(struct all, number, flags, INT64_MIN, INT64_MAX),              \
			KW_MONEY(struct all, money, flags), KW_TIME(struct all, time, flags), \
			KW_UUID(struct all, uuid, flags),                                     \
			KW_ENUM(struct all, state, flags, &states),                           \
			KW_OBJECT(struct all, part, flags, struct part, part_fields),         \
			KW_ARRAY(struct all, parts, flags, struct part, part_fields, 0, 3),   \
			KW_STRS(struct all, tags, flags, 0, 2), KW_END,                       \
	}
static const struct kw_field optional_fields[] = ALL_FIELDS(KW_OPTIONAL);
static const struct kw_field required_fields[] = ALL_FIELDS(KW_REQUIRED);

static const char *const two_tags[] = { "a", "ش\n" };
static struct part parts[] = { { "x", 1 }, { "y", 0 } };

static struct all full(void)
{
	struct all all = {
		.text = "say \"hi\"\t\\",
		.id = "820982911946154508",
		.yes = true,
		.number = INT64_MIN,
		.money = { -5, "PKR" },
		.time = 1769835600 * KW_US_PER_S + 5,
		.uuid = { "6f1d3c52-0b7e-4e0e-9a55-2b1f6a7c9d10" },
		.state = 1,
		.part = &parts[0],
		.parts = parts,
		.n_parts = 2,
		.n_tags = 2,
	};
	memcpy(&all.tags, &(const char *const *) { two_tags }, sizeof(all.tags));
	return all;
}

static const char full_text[] =
	"{\"text\":\"say \\\"hi\\\"\\t\\\\\",\"id\":\"820982911946154508\",\"yes\":true,"
	"\"number\":-9223372036854775808,\"money\":{\"amount\":\"-0.05\",\"currency\":\"PKR\"},"
	"\"time\":\"2026-01-31T05:00:00.000005Z\",\"uuid\":\"6f1d3c52-0b7e-4e0e-9a55-2b1f6a7c9d10\","
	"\"state\":\"ROUTED\",\"part\":{\"name\":\"x\",\"count\":1},"
	"\"parts\":[{\"name\":\"x\",\"count\":1},{\"name\":\"y\"}],\"tags\":[\"a\",\"ش\\n\"]}";

static void assert_text(const struct kw_field *fields, const struct all *all, const char *expected)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf out;
	kw_buf_init(&out, 10000);
	kw_json_encode(fields, all, &out);
	assert_false(out.full);
	assert_string_equal(out.p, expected);
}

static void test_every_kind(void **state)
{
	(void)state;
	struct all all = full();
	assert_text(required_fields, &all, full_text);
	assert_text(optional_fields, &all, full_text);
}

static void test_no_value_is_left_out(void **state)
{
	(void)state;
	struct all all = { .text = "", .id = "" };
	assert_text(optional_fields, &all, "{}");
	all.number = 1;
	assert_text(optional_fields, &all, "{\"number\":1}");
}

static void test_required_zeros_are_written(void **state)
{
	(void)state;
	struct all all = full();
	all.yes = false;
	all.number = all.state = 0;
	all.money = (struct kw_money) { 0, "JPY" };
	all.n_parts = all.n_tags = 0;
	assert_text(required_fields, &all,
		"{\"text\":\"say \\\"hi\\\"\\t\\\\\",\"id\":\"820982911946154508\",\"yes\":false,\"number\":0,"
		"\"money\":{\"amount\":\"0\",\"currency\":\"JPY\"},\"time\":\"2026-01-31T05:00:00.000005Z\","
		"\"uuid\":\"6f1d3c52-0b7e-4e0e-9a55-2b1f6a7c9d10\",\"state\":\"NEW\","
		"\"part\":{\"name\":\"x\",\"count\":1},\"parts\":[],\"tags\":[]}");
}

static void test_required_without_value_is_our_bug(void **state)
{
	(void)state;
	struct kw_buf out;
	kw_buf_init(&out, 10000);
	struct all all = full();
#define WITHOUT(member, value)                                             \
	do {                                                               \
		struct all less = all;                                     \
		less.member = (value);                                     \
		assert_dies(kw_json_encode(required_fields, &less, &out)); \
	} while (0)
	WITHOUT(text, NULL);
	WITHOUT(text, "");
	WITHOUT(id, NULL);
	WITHOUT(money, ((struct kw_money) { 0, "" }));
	WITHOUT(time, 0);
	WITHOUT(uuid, ((struct kw_uuid) { "" }));
	WITHOUT(state, 2);
	WITHOUT(state, -1);
	WITHOUT(part, NULL);
	kw_buf_done(&out);
}

static void test_texts_that_may_be_empty(void **state)
{
	(void)state;
	static const struct kw_field fields[] = { KW_STR(struct all, text, KW_REQUIRED, 0, 9),
		KW_END };
	struct all all = { 0 };
	assert_text(fields, &all, "{\"text\":\"\"}");
	all.text = "";
	assert_text(fields, &all, "{\"text\":\"\"}");
}

static void test_the_way_back(void **state)
{
	(void)state;
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(100000);
	struct all all = full(), back = { 0 };
	struct kw_err err = { 0 };
	if (kw_json_decode(required_fields, full_text, sizeof(full_text) - 1, a, &back, &err) !=
		KW_OK)
		fail_msg("%s: %s", err.pointer, err.reason);
	assert_string_equal(back.text, all.text);
	assert_text(required_fields, &back, full_text);
}

static void test_a_buffer_that_is_too_small(void **state)
{
	(void)state;
	struct all all = full();
	for (size_t max = 0; max < sizeof(full_text) - 1; max++) {
		KW_CLEANUP(kw_buf_done) struct kw_buf out;
		kw_buf_init(&out, max);
		kw_json_encode(required_fields, &all, &out);
		assert_true(out.full);
		assert_true(out.n <= max);
		assert_memory_equal(out.n ? out.p : "", full_text, out.n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind),
		cmocka_unit_test(test_no_value_is_left_out),
		cmocka_unit_test(test_required_zeros_are_written),
		cmocka_unit_test(test_required_without_value_is_our_bug),
		cmocka_unit_test(test_texts_that_may_be_empty),
		cmocka_unit_test(test_the_way_back),
		cmocka_unit_test(test_a_buffer_that_is_too_small),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
