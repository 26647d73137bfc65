/* Two replicas whose batches work on each other's parcels: the one cancels what the other hears of
 * from a courier. Both come to their end at the first try. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dispatch_testing.h"

#define ROUNDS 5

struct replica {
	struct dt_mixed mixed;
	struct kw_pg *pg;
	struct kw_arena *a;
	pthread_t thread;
	struct replica *other;
	atomic_bool between;
	enum kw_rc rc;
	struct kw_err err;
};

static bool somebody_waits(struct replica *r)
{
	static const struct kw_stmt waits = {
		"SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
		"AND wait_event_type = 'Lock' LIMIT 1"
	};
	struct kw_pg *pg = dt_connect();
	struct kw_args args = kw_args_of(r->a);
	struct kw_err err = { 0 };
	size_t n = 0;

	dt_must(kw_pg_exec(pg, &waits, &args, &n, &err), &err);
	kw_pg_free(pg);
	return n > 0;
}

/* Goes on when the other is here as well, or when it waits for us. */
static void meet(void *ctx)
{
	struct replica *r = ctx;

	atomic_store(&r->between, true);
	while (!atomic_load(&r->other->between) && !somebody_waits(r))
		sched_yield();
}

static void *replica_main(void *arg)
{
	struct replica *r = arg;

	r->rc = dt_mixed(r->pg, r->a, &r->mixed, &r->err);
	atomic_store(&r->between, true);
	return NULL;
}

static void replica_make(struct replica *r, struct replica *other, const char *cancelled)
{
	*r = (struct replica) {
		.mixed = { .cancelled = cancelled, .between = meet, .ctx = r },
		.pg = dt_connect(),
		.a = kw_arena_new(16 * 1024 * 1024),
		.other = other,
	};
}

/* Each cancels its own parcel and hears of the other's. */
static void cross(struct dt_scan scans[2], const char *const orders[2])
{
	struct replica both[2];

	for (int i = 0; i < 2; i++) {
		replica_make(&both[i], &both[1 - i], orders[i]);
		both[i].mixed.scan = scans[1 - i];
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&both[i].thread, NULL, replica_main, &both[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(both[i].thread, NULL);
	for (int i = 0; i < 2; i++) {
		dt_must(both[i].rc, &both[i].err);
		assert_int_equal(both[i].mixed.runs, 1);
		assert_string_equal(dt_parcel_text("state", orders[i], 1), "CANCELLED");
		kw_pg_free(both[i].pg);
		kw_arena_free(both[i].a);
	}
}

static void test_cancel_and_tracking_cross(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		const char *orders[2];
		struct dt_scan scans[2];

		for (int i = 0; i < 2; i++) {
			orders[i] = kw_arena_printf(dt_arena, "order-%d-%d", round, i);
			dt_ready(orders[i], 1);
			scans[i] = (struct dt_scan) { dt_parcel(orders[i], 1), "courier-a",
				orders[i], "created", 100, NULL, NULL };
		}
		cross(scans, orders);
	}
	assert_int_equal(dt_count("SELECT count(*) FROM scans"), 2 * ROUNDS);
}

/* An aggregator names the carrier and its number; which parcel that is, the database knows. */
static void test_the_same_by_number(void **state)
{
	const char *orders[2];
	struct dt_scan scans[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		const char *number = kw_arena_printf(dt_arena, "KA%d", i);

		orders[i] = kw_arena_printf(dt_arena, "numbered-%d", i);
		dt_ready(orders[i], 1);
		dt_exec(kw_arena_printf(dt_arena,
			"UPDATE intents SET state = 'DONE', attempts = 1, detail = 'ACCEPTED %s' "
			"WHERE entity = '%s' AND kind = 'book'",
			number, dt_parcel(orders[i], 1).s));
		dt_exec(kw_arena_printf(dt_arena,
			"UPDATE parcels SET state = 'BOOKED', tracking_number = '%s', booked_at = now() "
			"WHERE parcel_id = '%s'",
			number, dt_parcel(orders[i], 1).s));
		scans[i] = (struct dt_scan) { { "" }, "aggregator", orders[i], "created",
			kw_now(&kw_clock_system) / KW_US_PER_S, "courier-a", number };
	}
	cross(scans, orders);
	assert_int_equal(dt_count("SELECT count(*) FROM scans WHERE parcel_id IS NOT NULL"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cancel_and_tracking_cross, dt_begin, dt_end),
		cmocka_unit_test_setup_teardown(test_the_same_by_number, dt_begin, NULL),
	};
	return cmocka_run_group_tests(tests, dt_set_up, dt_tear_down);
}
