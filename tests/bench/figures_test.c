/* The benchmark's own arithmetic. */
#include "figures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_near(double is, double should)
{
	double off = is - should;

	if (off > 1e-6 || off < -1e-6)
		fail_msg("%f is not %f", is, should);
}

static void percentiles_are_nearest_ranks(void **state)
{
	int64_t us[1000], one = 7000;

	(void)state;
	for (int i = 0; i < 1000; i++)
		us[i] = (1000 - i) * 1000; /* 1000 ms … 1 ms */
	struct spread s = figures_spread(us, 1000);
	assert_int_equal(s.n, 1000);
	assert_near(s.p50_ms, 500);
	assert_near(s.p99_ms, 990);
	assert_near(s.p999_ms, 999);
	s = figures_spread(&one, 1);
	assert_near(s.p50_ms, 7);
	assert_near(s.p999_ms, 7);
	assert_int_equal(figures_spread(NULL, 0).n, 0);
}

static void every_number_is_due_once_and_in_its_time(void **state)
{
	static const double rates[] = { 0.3, 1, 3, 999.7, 4000, 123456.7 };

	(void)state;
	for (size_t r = 0; r < sizeof(rates) / sizeof(*rates); r++) {
		assert_int_equal(figures_due(rates[r], -1), 0);
		assert_int_equal(figures_due(rates[r], 0), 1);
		for (int64_t i = 1; i < 5000; i++) {
			int64_t at = figures_due_us(rates[r], i);

			assert_true(at > figures_due_us(rates[r], i - 1));
			assert_int_equal(figures_due(rates[r], at), i + 1);
			assert_int_equal(figures_due(rates[r], at - 1), i);
		}
	}
	assert_int_equal(figures_due_us(4000, 4000), 1000000);
	assert_int_equal(figures_due(4000, 999999), 4000);
}

static void a_backlog_is_flat_or_grows(void **state)
{
	double seconds[30], flat[30], grows[30], shrinks[30], growth;

	(void)state;
	for (int i = 0; i < 30; i++) {
		seconds[i] = i;
		flat[i] = 800 + (i % 2 ? 300 : -300);
		grows[i] = 100 + 50 * i;
		shrinks[i] = 5000 - 50 * i;
	}
	assert_true(figures_flat(seconds, flat, 30, 4000, &growth));
	assert_false(figures_flat(seconds, grows, 30, 4000, &growth));
	assert_near(growth, 50);
	assert_true(figures_flat(seconds, shrinks, 30, 4000, &growth));
	assert_near(growth, -50);
	assert_false(figures_flat(seconds, flat, 1, 4000, &growth)); /* nothing was seen */
	assert_near(figures_slope(seconds, seconds, 0), 0);
}

/* A hundred a second come in; nothing comes out from 5 to 9; then four hundred a second. */
static void a_recovery_is_seen_in_the_backlog(void **state)
{
	double seconds[20], backlog[20], out[20];

	(void)state;
	for (int i = 0; i < 20; i++) {
		double in = 100.0 * i + 30;
		seconds[i] = i;
		out[i] = i <= 5 ? 100.0 * i : i <= 9 ? 500 : 500 + 400.0 * (i - 9);
		out[i] = out[i] < in - 30 ? out[i] : in - 30;
		backlog[i] = in - out[i];
	}
	struct recovery r = figures_recovery(seconds, backlog, out, 20, 5);
	assert_near(r.back_s, 4);
	assert_near(r.peak, 430);
	assert_near(r.drain_per_s, 300); /* 400, then what was left and came */
	assert_near(figures_recovery(seconds, backlog, out, 10, 5).drain_per_s, 0);
	assert_near(figures_recovery(seconds, backlog, out, 5, 5).back_s, 0);
}

static void the_median_is_the_middle(void **state)
{
	double odd[] = { 9, 1, 5 }, even[] = { 4, 1, 3, 2 };

	(void)state;
	assert_near(figures_median(odd, 3), 5);
	assert_near(figures_median(even, 4), 2.5);
	assert_near(figures_median(NULL, 0), 0);
}

static void the_ceiling_is_what_the_parts_leave(void **state)
{
	const struct part parts[] = { { "a", 2, 30 }, { "b", 0.5, 80 }, { "c", 1, 100 } };

	(void)state;
	assert_near(figures_ceiling(2, parts, 3), 10000); /* 200 us an order on two cores */
	assert_near(figures_ceiling(1, parts, 3), 5000);
	assert_near(figures_ceiling(2, parts, 0), 0); /* no part was measured */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentiles_are_nearest_ranks),
		cmocka_unit_test(every_number_is_due_once_and_in_its_time),
		cmocka_unit_test(a_backlog_is_flat_or_grows),
		cmocka_unit_test(a_recovery_is_seen_in_the_backlog),
		cmocka_unit_test(the_median_is_the_middle),
		cmocka_unit_test(the_ceiling_is_what_the_parts_leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
