/* Decoding: every kind at its bounds, pointers, no value in all its spellings, and hostile
 * documents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json/json.h"

struct part {
	const char *name;
	int64_t count;
};

struct line {
	const char *sku;
	struct part *parts;
	size_t n_parts;
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
	struct line *lines;
	size_t n_lines;
	const char **tags;
	size_t n_tags;
};

static const char *const state_names[] = { "NEW", "ROUTED", "PARKED" };
static const struct kw_strtab states = KW_STRTAB(state_names);

static const struct kw_field part_fields[] = {
	KW_STR(struct part, name, KW_REQUIRED, 1, 10),
	KW_I64(struct part, count, KW_OPTIONAL, 1, 5),
	KW_END,
};
static const struct kw_field line_fields[] = {
	KW_STR(struct line, sku, KW_REQUIRED, 0, 10),
	KW_ARRAY_AS(struct line, parts, n_parts, "sub/parts~", KW_OPTIONAL, struct part,
		part_fields, 1, 2),
	KW_END,
};

#define ALL_FIELDS(flags)                                                                          \
	{                                                                                          \
		KW_STR(struct all, text, flags, 2, 5), KW_ID(struct all, id, flags, 1, 20),        \
			KW_BOOL(struct all, yes, flags), KW_I64(struct all, number, flags, -3, 7), \
			KW_MONEY(struct all, money, flags), KW_TIME(struct all, time, flags),      \
			KW_UUID(struct all, uuid, flags),                                          \
			KW_ENUM(struct all, state, flags, &states),                                \
			KW_OBJECT(struct all, part, flags, struct part, part_fields),              \
			KW_ARRAY(struct all, lines, flags, struct line, line_fields, 1, 3),        \
			KW_STRS(struct all, tags, flags, 1, 2), KW_END,                            \
	}
static const struct kw_field optional_fields[] = ALL_FIELDS(KW_OPTIONAL);
static const struct kw_field required_fields[] = ALL_FIELDS(KW_REQUIRED);

/* A valid value of each member, in order of the table. */
static const struct {
	const char *name, *value;
} valid[] = {
	{ "text", "\"shawl\"" },
	{ "id", "\"A-1\"" },
	{ "yes", "true" },
	{ "number", "7" },
	{ "money", "{\"amount\":\"12.50\",\"currency\":\"PKR\"}" },
	{ "time", "\"2026-01-31T10:00:00+05:00\"" },
	{ "uuid", "\"6F1D3C52-0B7E-4E0E-9A55-2B1F6A7C9D10\"" },
	{ "state", "\"PARKED\"" },
	{ "part", "{\"name\":\"fringe\",\"count\":2}" },
	{ "lines", "[{\"sku\":\"A\"},{\"sku\":\"\",\"sub/parts~\":[{\"name\":\"x\"}]}]" },
	{ "tags", "[\"wool\",\"red\"]" },
};

static struct kw_arena *arena;
static struct kw_err err;

static int make_arena(void **state)
{
	(void)state;
	kw_json_init();
	arena = kw_arena_new(4 * 1024 * 1024);
	return 0;
}

static int drop_arena(void **state)
{
	(void)state;
	kw_arena_free(arena);
	return 0;
}

static enum kw_rc decode(const struct kw_field *fields, const char *text, struct all *ret)
{
	*ret = (struct all) { 0 };
	err = (struct kw_err) { 0 };
	/* a copy without a NUL: reading past its end is seen by the sanitizer */
	size_t n = strlen(text);
	char *bytes = malloc(n + 1);
	memcpy(bytes, text, n);
	bytes = realloc(bytes, n ? n : 1);
	enum kw_rc rc = kw_json_decode(fields, bytes, n, arena, ret, &err);
	free(bytes);
	return rc;
}

static struct all accept(const char *text)
{
	struct all all;
	if (decode(optional_fields, text, &all) != KW_OK)
		fail_msg("%s: %s %s", text, err.pointer, err.reason);
	return all;
}

static void refuse(const char *text, const char *pointer, const char *reason)
{
	struct all all;
	if (decode(optional_fields, text, &all) != KW_INVALID)
		fail_msg("%s was accepted", text);
	assert_string_equal(err.pointer, pointer);
	if (!strstr(err.reason, reason))
		fail_msg("%s: \"%s\" does not say \"%s\"", text, err.reason, reason);
	assert_string_equal(err.code, "");
}

static void refuse_syntax(const char *bytes, size_t n, const char *reason)
{
	struct all all = { 0 };
	err = (struct kw_err) { 0 };
	assert_int_equal(kw_json_decode(optional_fields, bytes, n, arena, &all, &err), KW_INVALID);
	assert_string_equal(err.code, "SYNTAX");
	assert_string_equal(err.pointer, "");
	if (!strstr(err.reason, reason))
		fail_msg("\"%s\" does not say \"%s\"", err.reason, reason);
}

/* The document of all valid members, but that one has another value (NULL: is left out). */
static const char *with(size_t changed, const char *value)
{
	static char text[2000];
	size_t n = 0;
	for (size_t i = 0; i < KW_LEN(valid); i++) {
		const char *v = i == changed ? value : valid[i].value;
		if (v)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\"%s\":%s",
				n ? "," : "{", valid[i].name, v);
	}
	snprintf(text + n, sizeof(text) - n, "}");
	return text;
}

static void test_every_kind(void **state)
{
	(void)state;
	struct all all;
	assert_int_equal(decode(required_fields, with(SIZE_MAX, NULL), &all), KW_OK);
	assert_string_equal(all.text, "shawl");
	assert_string_equal(all.id, "A-1");
	assert_true(all.yes);
	assert_int_equal(all.number, 7);
	assert_int_equal(all.money.minor, 1250);
	assert_string_equal(all.money.currency, "PKR");
	assert_int_equal(all.time, 1769835600 * KW_US_PER_S);
	assert_string_equal(all.uuid.s, "6f1d3c52-0b7e-4e0e-9a55-2b1f6a7c9d10");
	assert_int_equal(all.state, 2);
	assert_string_equal(all.part->name, "fringe");
	assert_int_equal(all.part->count, 2);
	assert_int_equal(all.n_lines, 2);
	assert_string_equal(all.lines[0].sku, "A");
	assert_null(all.lines[0].parts);
	assert_string_equal(all.lines[1].sku, "");
	assert_int_equal(all.lines[1].n_parts, 1);
	assert_string_equal(all.lines[1].parts[0].name, "x");
	assert_int_equal(all.n_tags, 2);
	assert_string_equal(all.tags[1], "red");
}

static void test_required_and_optional(void **state)
{
	(void)state;
	static const char zeros[sizeof(struct all)];
	struct all all, none = accept("{}");
	assert_memory_equal(&none, zeros, sizeof(none));
	for (size_t i = 0; i < KW_LEN(valid); i++) {
		char pointer[40];
		snprintf(pointer, sizeof(pointer), "/%s", valid[i].name);
		static const char *const absent[] = { NULL, "null" };
		for (size_t j = 0; j < KW_LEN(absent); j++) {
			assert_int_equal(
				decode(required_fields, with(i, absent[j]), &all), KW_INVALID);
			assert_string_equal(err.pointer, pointer);
			assert_string_equal(err.reason, "is required");
		}
		char text[100];
		snprintf(text, sizeof(text), "{\"%s\":null}", valid[i].name);
		all = accept(text);
		assert_memory_equal(&all, zeros, sizeof(all));
	}
}

static void test_empty_texts_and_arrays_are_no_value(void **state)
{
	(void)state;
	static const char zeros[sizeof(struct all)];
	struct all all =
		accept("{\"text\":\"\",\"id\":\"\",\"time\":\"\",\"uuid\":\"\",\"state\":\"\","
		       "\"lines\":[],\"tags\":[]}");
	assert_memory_equal(&all, zeros, sizeof(all));
	for (size_t i = 0; i < KW_LEN(valid); i++) {
		bool array =
			strcmp(valid[i].name, "lines") == 0 || strcmp(valid[i].name, "tags") == 0;
		assert_int_equal(
			decode(required_fields, with(i, array ? "[]" : "\"\""), &all), KW_INVALID);
	}
	refuse("{\"yes\":\"\"}", "/yes", "is no boolean");
	refuse("{\"number\":\"\"}", "/number", "is no integer");
	refuse("{\"part\":\"\"}", "/part", "is no object");
	refuse("{\"money\":\"\"}", "/money", "is no object");
	refuse("{\"text\":[]}", "/text", "is no string");
	/* a required text of 0 bytes and more may be empty, but not absent */
	assert_string_equal(accept("{\"lines\":[{\"sku\":\"\"}]}").lines[0].sku, "");
	refuse("{\"lines\":[{}]}", "/lines/0/sku", "is required");
}

static void test_texts(void **state)
{
	(void)state;
	refuse("{\"text\":\"a\"}", "/text", "is shorter than 2 bytes");
	assert_string_equal(accept("{\"text\":\"ab\"}").text, "ab");
	assert_string_equal(accept("{\"text\":\"abcde\"}").text, "abcde");
	refuse("{\"text\":\"abcdef\"}", "/text", "is longer than 5 bytes");
	refuse("{\"text\":\"شال\"}", "/text", "is longer than 5 bytes"); /* 3 letters, 6 bytes */
	assert_string_equal(accept("{\"text\":\"\\u0634\\u0627\"}").text, "شا");
	assert_string_equal(accept("{\"text\":\"\\ud83e\\udde3\"}").text, "\xf0\x9f\xa7\xa3");
	assert_string_equal(accept("{\"text\":\"a\\/\\\"\"}").text, "a/\"");
	assert_string_equal(accept("{\"text\":\"\\t\\n\"}").text, "\t\n");
	refuse("{\"text\":5}", "/text", "is no string");
	refuse("{\"text\":\"ab\\u0000c\"}", "/text", "U+0000");
	refuse("{\"text\":\"ab\\r\"}", "/text", "U+000D");
	refuse("{\"text\":\"ab\\u001b\"}", "/text", "U+001B");
	refuse("{\"text\":\"ab\x7f\"}", "/text", "U+007F");
	/* not ours, not looked at */
	accept("{\"other\":\"ab\\u0000c\"}");
}

static void test_ids(void **state)
{
	(void)state;
	assert_string_equal(accept("{\"id\":820982911946154508}").id, "820982911946154508");
	assert_string_equal(accept("{\"id\":\"820982911946154508\"}").id, "820982911946154508");
	assert_string_equal(accept("{\"id\":9223372036854775807}").id, "9223372036854775807");
	assert_string_equal(accept("{\"id\":-1}").id, "-1");
	assert_string_equal(accept("{\"id\":0}").id, "0");
	refuse("{\"id\":1.0}", "/id", "is no string or integer");
	refuse("{\"id\":true}", "/id", "is no string or integer");
	refuse("{\"id\":\"123456789012345678901\"}", "/id", "is longer than 20 bytes");
}

static void test_numbers(void **state)
{
	(void)state;
	assert_int_equal(accept("{\"number\":-3}").number, -3);
	assert_int_equal(accept("{\"number\":7}").number, 7);
	refuse("{\"number\":-4}", "/number", "-4 is below -3");
	refuse("{\"number\":8}", "/number", "8 is above 7");
	refuse("{\"number\":1.0}", "/number", "is no integer");
	refuse("{\"number\":1e0}", "/number", "is no integer");
	refuse("{\"number\":\"1\"}", "/number", "is no integer");
	refuse("{\"number\":true}", "/number", "is no integer");
	assert_false(accept("{\"yes\":false}").yes);
	refuse("{\"yes\":1}", "/yes", "is no boolean");
	refuse("{\"yes\":\"true\"}", "/yes", "is no boolean");
}

static void test_money(void **state)
{
	(void)state;
	assert_int_equal(
		accept("{\"money\":{\"currency\":\"JPY\",\"amount\":\"-5\",\"x\":1}}").money.minor,
		-5);
	refuse("{\"money\":\"12.50\"}", "/money", "is no object");
	refuse("{\"money\":{\"amount\":\"1\"}}", "/money/currency", "is required");
	refuse("{\"money\":{\"currency\":\"PKR\"}}", "/money/amount", "is required");
	refuse("{\"money\":{\"currency\":\"PKR\",\"amount\":1}}", "/money/amount", "is no string");
	refuse("{\"money\":{\"currency\":\"PKR\",\"amount\":1.5}}", "/money/amount",
		"is no string");
	refuse("{\"money\":{\"currency\":\"PKR\",\"amount\":\"\"}}", "/money/amount", "is shorter");
	refuse("{\"money\":{\"currency\":\"PKR\",\"amount\":\"1e2\"}}", "/money/amount",
		"plain decimal");
	refuse("{\"money\":{\"currency\":\"PKR\",\"amount\":\"1.005\"}}", "/money/amount",
		"2 decimal digits");
	refuse("{\"money\":{\"currency\":\"ZZZ\",\"amount\":\"1\"}}", "/money/currency",
		"ISO 4217");
	refuse("{\"money\":{\"currency\":\"pkr\",\"amount\":\"1\"}}", "/money/currency",
		"ISO 4217");
	refuse("{\"money\":{\"currency\":\"\",\"amount\":\"1\"}}", "/money/currency", "is shorter");
}

static void test_times_ids_and_names(void **state)
{
	(void)state;
	refuse("{\"time\":\"2026-01-31T10:00:00\"}", "/time", "RFC 3339");
	refuse("{\"time\":\"2026-02-30T10:00:00Z\"}", "/time", "no such day");
	refuse("{\"time\":1769835600}", "/time", "is no string");
	refuse("{\"time\":\"1970-01-01T00:00:00Z\"}", "/time", "1970");
	refuse("{\"uuid\":\"6f1d3c52\"}", "/uuid", "is no UUID");
	refuse("{\"uuid\":5}", "/uuid", "is no string");
	refuse("{\"state\":\"GONE\"}", "/state", "is none of NEW, ROUTED, PARKED");
	refuse("{\"state\":\"routed\"}", "/state", "is none of");
	refuse("{\"state\":1}", "/state", "is no string");
	assert_int_equal(accept("{\"state\":\"NEW\"}").state, 0);
}

static void test_nested_pointers(void **state)
{
	(void)state;
	refuse("{\"part\":[]}", "/part", "is no object");
	refuse("{\"part\":{\"name\":\"x\",\"count\":0}}", "/part/count", "0 is below 1");
	refuse("{\"lines\":{}}", "/lines", "is no array");
	refuse("{\"lines\":[{\"sku\":\"A\"},5]}", "/lines/1", "is no object");
	refuse("{\"lines\":[{\"sku\":\"A\"},null]}", "/lines/1", "is no object");
	refuse("{\"lines\":[{\"sku\":\"A\"},{\"sku\":\"A\"},{\"sku\":\"A\"},{\"sku\":\"A\"}]}",
		"/lines", "more than 3 elements");
	refuse("{\"lines\":[{\"sku\":\"A\"},{\"sku\":\"A\",\"sub/parts~\":[{\"name\":\"a\"},{\"name\":7}]}]}",
		"/lines/1/sub~1parts~0/1/name", "is no string");
	refuse("{\"tags\":[\"a\",\"b\",\"c\"]}", "/tags", "more than 2 elements");
	refuse("{\"tags\":[\"a\",\"\"]}", "/tags/1", "is shorter than 1 bytes");
	refuse("{\"tags\":[\"a\",7]}", "/tags/1", "is no string");
	refuse("{\"tags\":\"a\"}", "/tags", "is no array");
	char text[400];
	snprintf(text, sizeof(text), "{\"tags\":[\"%0201d\"]}", 0);
	refuse(text, "/tags/0", "is longer than 200 bytes");
	snprintf(text, sizeof(text), "{\"tags\":[\"%0200d\"]}", 0);
	assert_int_equal(strlen(accept(text).tags[0]), 200);
}

static void test_not_json_at_all(void **state)
{
	(void)state;
	static const struct {
		const char *text, *reason;
	} rows[] = {
		{ "", "" },
		{ " ", "" },
		{ "{", "ends too early" },
		{ "{\"text\":\"ab", "ends too early" },
		{ "{\"text\":\"ab\\", "" },
		{ "[]", "not a JSON object" },
		{ "null", "" },
		{ "7", "" },
		{ "\"text\"", "" },
		{ "{} {}", "more than one value" },
		{ "{\"a\":1,}", "not JSON" },
		{ "{'a':1}", "not JSON" },
		{ "{\"a\":01}", "" },
		{ "{\"a\":+1}", "not JSON" },
		{ "{\"a\":NaN}", "not JSON" },
		{ "{\"a\":1 /* x */}", "not JSON" },
		{ "{\"a\":99999999999999999999}", "a number out of range" },
		{ "{\"a\":1e999}", "a number out of range" },
		{ "{\"a\":\"\xff\"}", "not UTF-8" },
		{ "{\"a\":\"\xc0\xaf\"}", "not UTF-8" },
		{ "{\"a\":\"\xed\xa0\x80\"}", "not UTF-8" },
		{ "{\"a\":\"\\ud800\"}", "" },
		{ "{\"a\":\"two\nlines\"}", "" },
		{ "{\"a\\u0000b\":1}", "NUL in a member's name" },
		{ "{\"a\":1,\"a\":1}", "a member twice" },
		{ "{\"x\":{\"b\":1,\"b\":2}}", "a member twice" },
		{ "{\"number\":1,\"n\\u0075mber\":2}", "a member twice" },
		{ "\xef\xbb\xbf{}", "" },
	};
	for (size_t i = 0; i < KW_LEN(rows); i++)
		refuse_syntax(rows[i].text, strlen(rows[i].text), rows[i].reason);
	refuse_syntax(NULL, 0, "");
	refuse_syntax("{}\0", 3, "");
	refuse_syntax("{\"a\":\"\0\"}", 9, "");
}

static void test_reasons_do_not_quote_the_body(void **state)
{
	(void)state;
	static const char *const bodies[] = { "{\"a\": SECRET}", "{\"SECRET\":1,\"SECRET\":2}",
		"{} SECRET", "{\"state\":\"SECRET\"}", "{\"text\":\"SECRET TEXT\"}",
		"{\"uuid\":\"SECRET\"}", "{\"time\":\"SECRET\"}",
		"{\"money\":{\"amount\":\"SECRET\",\"currency\":\"PKR\"}}" };
	for (size_t i = 0; i < KW_LEN(bodies); i++) {
		struct all all;
		assert_int_equal(decode(optional_fields, bodies[i], &all), KW_INVALID);
		assert_null(strstr(err.reason, "SECRET"));
		assert_true(err.reason[0]);
	}
}

static void test_depth(void **state)
{
	(void)state;
	char text[500];
	for (int depth = 30; depth <= 34; depth++) {
		int n = snprintf(text, sizeof(text), "{\"a\":");
		memset(text + n, '[', (size_t)depth - 1);
		memset(text + n + depth - 1, ']', (size_t)depth - 1);
		snprintf(text + n + 2 * (depth - 1), 10, "}");
		if (depth <= 32)
			accept(text);
		else
			refuse_syntax(text, strlen(text), "nested deeper than 32");
	}
	/* brackets in a text do not count, and quotes in it do not end it */
	memset(text, '[', sizeof(text));
	memcpy(text, "{\"a\":\"\\\"", 8);
	snprintf(text + 200, sizeof(text) - 200, "\"}");
	accept(text);
	static char deep[200000];
	memset(deep, '[', sizeof(deep));
	refuse_syntax(deep, sizeof(deep), "nested deeper than 32");
}

static void test_any_cut_or_changed_byte_is_survived(void **state)
{
	(void)state;
	char text[2000];
	snprintf(text, sizeof(text), "%s", with(SIZE_MAX, NULL));
	size_t n = strlen(text), refused = 0;
	for (size_t i = 0; i < n; i++) {
		struct all all;
		char old = text[i];
		text[i] = '\0';
		assert_int_equal(decode(required_fields, text, &all), KW_INVALID);
		static const char bytes[] = "\x01\"\\{}[],:0-x\xff";
		for (size_t j = 0; j + 1 < sizeof(bytes); j++) {
			text[i] = bytes[j];
			refused += decode(required_fields, text, &all) == KW_INVALID;
		}
		text[i] = old;
		kw_arena_reset(arena);
	}
	assert_true(refused > n * 8);
}

static void test_no_error_wanted(void **state)
{
	(void)state;
	struct all all = { 0 };
	assert_int_equal(kw_json_decode(optional_fields, "{\"number\":9}", 12, arena, &all, NULL),
		KW_INVALID);
	assert_int_equal(kw_json_decode(optional_fields, "{", 1, arena, &all, NULL), KW_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind),
		cmocka_unit_test(test_required_and_optional),
		cmocka_unit_test(test_empty_texts_and_arrays_are_no_value),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_money),
		cmocka_unit_test(test_times_ids_and_names),
		cmocka_unit_test(test_nested_pointers),
		cmocka_unit_test(test_not_json_at_all),
		cmocka_unit_test(test_reasons_do_not_quote_the_body),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_any_cut_or_changed_byte_is_survived),
		cmocka_unit_test(test_no_error_wanted),
	};
	return cmocka_run_group_tests(tests, make_arena, drop_arena);
}
