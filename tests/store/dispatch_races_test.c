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

static void replica_make(struct replica *r, struct replica *other, const char *cancelled,
	const char *scanned, int round)
{
	*r = (struct replica) {
		.mixed = { .cancelled = cancelled,
			.scan = { dt_parcel(scanned, 1), "courier-a", NULL, "created", 100 },
			.between = meet,
			.ctx = r },
		.pg = dt_connect(),
		.a = kw_arena_new(16 * 1024 * 1024),
		.other = other,
	};
	r->mixed.scan.event_id = kw_arena_printf(r->a, "%s-%d", scanned, round);
}

static void test_cancel_and_tracking_cross(void **state)
{
	struct replica one, two;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		const char *left = kw_arena_printf(dt_arena, "left-%d", round);
		const char *right = kw_arena_printf(dt_arena, "right-%d", round);
		struct replica *both[] = { &one, &two };

		dt_ready(left, 1);
		dt_ready(right, 1);
		replica_make(&one, &two, left, right, round);
		replica_make(&two, &one, right, left, round);
		for (int i = 0; i < 2; i++)
			assert_int_equal(
				pthread_create(&both[i]->thread, NULL, replica_main, both[i]), 0);
		for (int i = 0; i < 2; i++)
			pthread_join(both[i]->thread, NULL);
		for (int i = 0; i < 2; i++) {
			dt_must(both[i]->rc, &both[i]->err);
			assert_int_equal(both[i]->mixed.runs, 1);
			kw_pg_free(both[i]->pg);
			kw_arena_free(both[i]->a);
		}
		assert_string_equal(dt_parcel_text("state", left, 1), "CANCELLED");
		assert_string_equal(dt_parcel_text("state", right, 1), "CANCELLED");
	}
	assert_int_equal(dt_count("SELECT count(*) FROM scans"), 2 * ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cancel_and_tracking_cross, dt_begin, dt_end),
	};
	return cmocka_run_group_tests(tests, dt_set_up, dt_tear_down);
}
