/* JSON text before it is decoded: numbers as their characters, elements of an array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/err.h"
#include "json/json.h"

static struct kw_arena *arena;

static int setup(void **state)
{
	(void)state;
	arena = kw_arena_new(1 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kw_arena_free(arena);
	return 0;
}

static struct kw_bytes bytes(const char *text)
{
	return (struct kw_bytes) { text, strlen(text) };
}

static void numbers_become_their_characters(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "{\"a\":19.99}", "{\"a\":\"19.99\"}" },
		{ "{\"a\":3,\"b\":-4}", "{\"a\":3,\"b\":-4}" },
		{ "[0.1,0.2,0.3]", "[\"0.1\",\"0.2\",\"0.3\"]" },
		{ "{\"a\":-1e5}", "{\"a\":\"-1e5\"}" },
		{ "{\"a\":1E+2}", "{\"a\":\"1E+2\"}" },
		{ "{\"a\":123456789012345678}", "{\"a\":123456789012345678}" },
		{ "{\"a\":99999999999999999999}", "{\"a\":\"99999999999999999999\"}" },
		{ "{\"a\":\"1.5 \\\" 2.5\",\"b\":2.50}",
			"{\"a\":\"1.5 \\\" 2.5\",\"b\":\"2.50\"}" },
		{ "{\"1.5\":true}", "{\"1.5\":true}" },
		{ "", "" },
		{ "{\"a\":\"1.5", "{\"a\":\"1.5" },
		{ "{\"a\":\"\\", "{\"a\":\"\\" },
		{ "2.5", "\"2.5\"" },
		/* what is no JSON becomes none */
		{ "{\"a\":40e}", "{\"a\":40e}" },
		{ "{\"a\":1.}", "{\"a\":1.}" },
		{ "{\"a\":-.5}", "{\"a\":-.5}" },
		{ "{\"a\":01.5}", "{\"a\":01.5}" },
		{ "{\"a\":1.5.2}", "{\"a\":1.5.2}" },
		{ "{\"a\":1.5-2}", "{\"a\":1.5-2}" },
		{ "{\"a\":1e400}", "{\"a\":1e400}" },
		{ "{1.5 :2.5}", "{1.5 :\"2.5\"}" },
	};

	(void)state;
	for (size_t i = 0; i < KW_LEN(rows); i++) {
		struct kw_bytes out = kw_json_quote_numbers(arena, bytes(rows[i].in));
		assert_int_equal(out.n, strlen(rows[i].out));
		assert_memory_equal(out.p, rows[i].out, out.n);
	}
}

static void elements_are_found(void **state)
{
	static const struct {
		const char *json, *elements[4]; /* NULL: it is refused */
	} rows[] = {
		{ "[]", { "" } },
		{ " [ ] \n", { "" } },
		{ "[{\"a\":[1,2]},{\"b\":\"],\\\"\"}]", { "{\"a\":[1,2]}", "{\"b\":\"],\\\"\"}" } },
		{ "[1, \"two\",[3]]", { "1", "\"two\"", "[3]" } },
		{ "[1,2,3,4]", { NULL } },
		{ "[1", { NULL } },
		{ "[{\"a\":\"]", { NULL } },
		{ "[1,]", { NULL } },
		{ "[,1]", { NULL } },
		{ "[1]]", { NULL } },
		{ "[1] 2", { NULL } },
		{ "{\"a\":1}", { NULL } },
		{ "", { NULL } },
		{ "null", { NULL } },
	};

	(void)state;
	for (size_t i = 0; i < KW_LEN(rows); i++) {
		struct kw_bytes *found;
		struct kw_err err;
		size_t n, wanted = 0;
		enum kw_rc rc = kw_json_elements(bytes(rows[i].json), 3, arena, &found, &n, &err);

		if (!rows[i].elements[0]) {
			assert_int_equal(rc, KW_INVALID);
			assert_string_equal(err.code, "SYNTAX");
			continue;
		}
		assert_int_equal(rc, KW_OK);
		while (rows[i].elements[wanted] && *rows[i].elements[wanted])
			wanted++;
		assert_int_equal(n, wanted);
		for (size_t k = 0; k < n; k++) {
			assert_int_equal(found[k].n, strlen(rows[i].elements[k]));
			assert_memory_equal(found[k].p, rows[i].elements[k], found[k].n);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_become_their_characters),
		cmocka_unit_test(elements_are_found),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
