/* How a channel's changes are read to their end: nothing is left out whatever pages hold, and no
 * page is asked for without end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "walk.h"

#define NOW (1772445600 * KW_US_PER_S)
#define S KW_US_PER_S

static void the_next_page_begins_at_the_newest_change(void **state)
{
	struct walk w = walk_new(NOW);

	(void)state;
	assert_int_equal(w.since, NOW - 24 * 3600 * S);
	assert_int_equal(walk_on(&w, NOW - 500 * S, true, NOW), WALK_MORE);
	assert_int_equal(w.since, NOW - 500 * S);
	assert_int_equal(w.page, 1);
	assert_int_equal(walk_on(&w, NOW - 300 * S, false, NOW), WALK_END);
	assert_int_equal(w.since, NOW - 420 * S); /* the end is read again */
	assert_int_equal(walk_on(&w, 0, false, NOW), WALK_END);
	assert_int_equal(w.since, NOW - 420 * S); /* a quiet channel stays where it is */
}

static void a_moment_that_fills_pages_is_counted_through(void **state)
{
	struct walk w = { .since = NOW - 500 * S, .seen_to = NOW - 500 * S, .page = 1 };

	(void)state;
	for (int page = 2; page <= WALK_PAGES_MAX; page++) {
		assert_int_equal(walk_on(&w, NOW - 500 * S, true, NOW), WALK_MORE);
		assert_int_equal(w.page, page);
	}
	assert_int_equal(walk_on(&w, NOW - 500 * S, true, NOW), WALK_ENDLESS);
	assert_int_equal(w.page, 1);
	w.page = 7;
	assert_int_equal(walk_on(&w, NOW - 499 * S, true, NOW), WALK_MORE);
	assert_int_equal(w.page, 1);
	assert_int_equal(w.since, NOW - 499 * S);
}

static void a_clock_that_is_ahead_skips_nothing(void **state)
{
	struct walk w = { .since = NOW - 500 * S, .seen_to = NOW - 500 * S, .page = 1 };

	(void)state;
	assert_int_equal(walk_on(&w, NOW + 3600 * S, false, NOW), WALK_END);
	assert_int_equal(w.seen_to, NOW);
	assert_int_equal(w.since, NOW - WALK_OVERLAP_US);
}

static void who_fails_is_asked_less_often(void **state)
{
	(void)state;
	assert_int_equal(walk_pause_us(0, 30), 30 * S);
	assert_int_equal(walk_pause_us(1, 30), 30 * S);
	assert_int_equal(walk_pause_us(2, 30), 60 * S);
	assert_int_equal(walk_pause_us(5, 30), 480 * S);
	assert_int_equal(walk_pause_us(60, 30), 600 * S);
	assert_int_equal(walk_pause_us(60, 3600), 3600 * S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_page_begins_at_the_newest_change),
		cmocka_unit_test(a_moment_that_fills_pages_is_counted_through),
		cmocka_unit_test(a_clock_that_is_ahead_skips_nothing),
		cmocka_unit_test(who_fails_is_asked_less_often),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
