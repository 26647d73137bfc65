/* Who lets others wait is left alone, longer each time, and no longer once it has answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/clock.h"
#include "rest.h"

#define S KW_US_PER_S

static void who_hangs_is_left_alone(void **state)
{
	int64_t now = 1000 * S, pauses[] = { 5, 10, 20, 40, 80, 160, 300, 300 };

	(void)state;
	assert_false(rest_has("shop", now));
	for (size_t i = 0; i < sizeof(pauses) / sizeof(*pauses); i++) {
		rest_learn("shop", true, now);
		assert_true(rest_has("shop", now + pauses[i] * S - 1));
		assert_false(rest_has("shop", now + pauses[i] * S));
		assert_false(rest_has("other", now));
		now += pauses[i] * S;
	}
	rest_learn("shop", false, now);
	assert_false(rest_has("shop", now));
	rest_learn("shop", true, now);
	assert_false(rest_has("shop", now + 5 * S));
	rest_learn("shop", false, now);
	rest_learn("other", false, now);
}

static void the_memory_is_bounded(void **state)
{
	char name[16];
	int known = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		rest_learn(name, true, 0);
	}
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		known += rest_has(name, 1);
		rest_learn(name, false, 1);
	}
	assert_int_equal(known, 64);
	rest_learn("shop", true, 0); /* there is room again */
	assert_true(rest_has("shop", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_hangs_is_left_alone),
		cmocka_unit_test(the_memory_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
