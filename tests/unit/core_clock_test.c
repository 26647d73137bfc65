/* Time: RFC 3339 texts both ways, the calendar against the C library's, clocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/clock.h"
#include "dies.h"
#include "vectors.h"

static void check_text(const char *const column[VECTOR_COLUMNS], int line)
{
	kw_time t = -7, again;
	struct kw_err err = { 0 };
	enum kw_rc rc = kw_time_parse(column[0], &t, &err);
	if (strcmp(column[1], "reject") == 0) {
		if (rc != KW_INVALID || t != -7 || !err.reason[0])
			fail_msg(
				"line %d: \"%s\" was not refused as it should be", line, column[0]);
		return;
	}
	if (rc != KW_OK)
		fail_msg("line %d: \"%s\": %s", line, column[0], err.reason);
	char text[KW_TIME_TEXT];
	kw_time_format(t, text);
	assert_string_equal(text, column[1]);
	assert_int_equal(kw_time_parse(text, &again, NULL), KW_OK);
	assert_int_equal(again, t);
}

static void test_texts(void **state)
{
	(void)state;
	each_vector("rfc3339.tsv", 50, check_text);
	kw_time t;
	assert_int_equal(kw_time_parse(NULL, &t, NULL), KW_INVALID);
	assert_int_equal(kw_time_parse("1970-01-01T00:00:01Z", &t, NULL), KW_OK);
	assert_int_equal(t, KW_US_PER_S);
	assert_int_equal(kw_time_parse("2001-09-09T01:46:40.000001Z", &t, NULL), KW_OK);
	assert_int_equal(t, 1000000000 * KW_US_PER_S + 1);
}

static void test_every_day_is_the_c_librarys(void **state)
{
	(void)state;
	char text[KW_TIME_TEXT], expected[KW_TIME_TEXT];
	kw_time back;
	/* from 1600 to 2403: two eras of the calendar and their borders; the odd step moves the
	 * time of day */
	for (int64_t s = -11676096000; s < 13700000000; s += 86400 + 61) {
		struct tm tm;
		time_t c_time = s;
		assert_non_null(gmtime_r(&c_time, &tm));
		assert_true(strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0);
		kw_time_format(s * KW_US_PER_S, text);
		assert_string_equal(text, expected);
		assert_int_equal(kw_time_parse(text, &back, NULL), KW_OK);
		assert_int_equal(back, s * KW_US_PER_S);
	}
}

static void test_years_of_five_digits_are_our_bug(void **state)
{
	(void)state;
	char text[KW_TIME_TEXT];
	kw_time t;
	assert_int_equal(kw_time_parse("9999-12-31T23:59:59.999999Z", &t, NULL), KW_OK);
	assert_dies(kw_time_format(t + 1, text));
	assert_dies(kw_time_format(INT64_MAX, text));
	assert_dies(kw_time_format(INT64_MIN, text));
}

static void test_clocks(void **state)
{
	(void)state;
	struct kw_clock still = kw_clock_fixed(1234567);
	assert_int_equal(kw_now(&still), 1234567);
	assert_int_equal(kw_now(&still), 1234567);
	int64_t c_time = (int64_t)time(NULL) * KW_US_PER_S, ours = kw_now(&kw_clock_system);
	assert_true(ours >= c_time - KW_US_PER_S && ours < c_time + 60 * KW_US_PER_S);
	int64_t first = kw_monotonic_us();
	assert_true(first > 0 && kw_monotonic_us() >= first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_every_day_is_the_c_librarys),
		cmocka_unit_test(test_years_of_five_digits_are_our_bug),
		cmocka_unit_test(test_clocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
