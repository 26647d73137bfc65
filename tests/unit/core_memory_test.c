/* Arena and buffer: contents, alignment, growth, and what happens at the maximum. */
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/arena.h"
#include "core/buf.h"
#include "dies.h"

static void test_arena_gives_zeroed_aligned_memory(void **state)
{
	(void)state;
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(8 * 1024 * 1024);
	static const unsigned char zeros[5000];
	unsigned char *last = NULL;
	for (int round = 0; round < 3; round++) {
		for (size_t n = 0; n < 1500; n++) {
			unsigned char *p = kw_arena_alloc(a, n, 1);
			assert_non_null(p);
			assert_ptr_not_equal(p, last);
			assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
			assert_memory_equal(p, zeros, n);
			memset(p, 0xee, n);
			last = p;
		}
		assert_true(kw_arena_used(a) > 1500 * 1499 / 2);
		kw_arena_reset(a);
		assert_int_equal(kw_arena_used(a), 0);
	}
	int64_t *numbers = kw_new(a, int64_t, 100000); /* larger than a block */
	assert_int_equal(numbers[99999], 0);
}

static void test_arena_copies(void **state)
{
	(void)state;
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(100000);
	char text[] = "shawl";
	char *copy = kw_arena_str(a, text), *part = kw_arena_strn(a, text, 2);
	char *bytes = kw_arena_copy(a, text, sizeof(text));
	text[0] = 'X';
	assert_string_equal(copy, "shawl");
	assert_string_equal(part, "sh");
	assert_memory_equal(bytes, "shawl", 6);
	assert_string_equal(kw_arena_printf(a, "%s-%04d", copy, 7), "shawl-0007");
	assert_int_equal(strlen(kw_arena_printf(a, "%*s", 20000, "")), 20000);
	assert_null(kw_arena_str(a, NULL));
	assert_null(kw_arena_strn(a, NULL, 3));
	assert_null(kw_arena_copy(a, NULL, 3));
	kw_arena_free(NULL);
}

static void test_arena_keeps_its_maximum(void **state)
{
	(void)state;
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(1024);
	kw_arena_alloc(a, 1000, 1);
	assert_dies(kw_arena_alloc(a, 100, 1));
	assert_dies(kw_arena_alloc(a, SIZE_MAX, 2));
	assert_dies(kw_arena_alloc(a, SIZE_MAX, 1));
	assert_dies(kw_arena_alloc(a, SIZE_MAX / 2 + 2, 2));
	kw_arena_alloc(a, 16, 1);
	assert_int_equal(kw_arena_used(a), 1024);
	assert_dies(kw_arena_alloc(a, 0, 1));
	kw_arena_reset(a);
	kw_arena_alloc(a, 1024, 1);
}

static void test_buffer_grows(void **state)
{
	(void)state;
	KW_CLEANUP(kw_buf_done) struct kw_buf b;
	kw_buf_init(&b, 100000);
	for (int i = 0; i < 10000; i++)
		kw_buf_printf(&b, "%04d,", i);
	assert_false(b.full);
	assert_int_equal(b.n, 50000);
	assert_memory_equal(b.p, "0000,0001,", 10);
	assert_string_equal(b.p + b.n - 5, "9999,");
	kw_buf_clear(&b);
	assert_int_equal(b.n, 0);
	assert_string_equal(b.p, "");
	kw_buf_add(&b, "a\0b", 3);
	kw_buf_add(&b, NULL, 0);
	assert_int_equal(b.n, 3);
	assert_memory_equal(b.p, "a\0b", 4);
}

static void test_buffer_numbers(void **state)
{
	(void)state;
	static const int64_t numbers[] = { 0, 7, -7, 10, -10, 1234567890123, INT64_MAX, INT64_MIN };
	KW_CLEANUP(kw_buf_done) struct kw_buf b;
	kw_buf_init(&b, 100);
	for (size_t i = 0; i < KW_LEN(numbers); i++) {
		char expected[32];
		snprintf(expected, sizeof(expected), "%lld", (long long)numbers[i]);
		kw_buf_clear(&b);
		kw_buf_i64(&b, numbers[i]);
		assert_string_equal(b.p, expected);
	}
}

static void test_buffer_keeps_its_maximum(void **state)
{
	(void)state;
	KW_CLEANUP(kw_buf_done) struct kw_buf b;
	kw_buf_init(&b, 8);
	kw_buf_str(&b, "12345678");
	assert_false(b.full);
	assert_int_equal(b.n, 8);
	kw_buf_str(&b, "");
	assert_false(b.full);
	kw_buf_char(&b, '9');
	assert_true(b.full);
	assert_string_equal(b.p, "12345678");

	kw_buf_clear(&b);
	assert_false(b.full);
	kw_buf_str(&b, "1234");
	kw_buf_printf(&b, "%s", "56789");
	assert_true(b.full);
	kw_buf_char(&b, '5'); /* it would fit, but what came before it is missing */
	assert_string_equal(b.p, "1234");
	kw_buf_clear(&b);
	kw_buf_printf(&b, "%s", "12345678");
	assert_false(b.full);
	kw_buf_clear(&b);
	kw_buf_add(&b, "", SIZE_MAX);
	assert_true(b.full);
}

static void test_buffer_json_texts(void **state)
{
	(void)state;
	KW_CLEANUP(kw_buf_done) struct kw_buf b;
	kw_buf_init(&b, 1000);
	kw_buf_json_str(&b, "");
	assert_string_equal(b.p, "\"\"");
	kw_buf_clear(&b);
	kw_buf_json_str(&b, "a\"b\\c/\n\t\r\x01\x1f\x7fشال\xf0\x9f\xa7\xa3");
	assert_string_equal(
		b.p, "\"a\\\"b\\\\c/\\n\\t\\u000d\\u0001\\u001f\x7fشال\xf0\x9f\xa7\xa3\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arena_gives_zeroed_aligned_memory),
		cmocka_unit_test(test_arena_copies),
		cmocka_unit_test(test_arena_keeps_its_maximum),
		cmocka_unit_test(test_buffer_grows),
		cmocka_unit_test(test_buffer_numbers),
		cmocka_unit_test(test_buffer_keeps_its_maximum),
		cmocka_unit_test(test_buffer_json_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
