/* Several replicas at once on the same stock and capacity: batches of orders, cancellations,
 * parcels and the jobs, each in transactions of its own connection. Nothing is given twice, nothing
 * is lost, and all of them come to an end. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "routing_stage.h"

#define REPLICAS 4
#define ROUNDS 12
#define ORDERS 25 /* a round */

static struct stage w;

/* What one thread does, with its own connection and arena. */
struct replica {
	pthread_t thread;
	int n;
	struct stage stage;
	char failed[400];
};

static void note(struct replica *r, enum kw_rc rc)
{
	if (rc != KW_OK && rc != KW_NOTHING && !r->failed[0])
		snprintf(r->failed, sizeof(r->failed),
			"%s: "
			"%s",
			kw_rc_name(rc), r->stage.err.reason);
}

static const char *name_of(struct replica *r, int round, int i)
{
	return kw_arena_printf(r->stage.arena, "r%d-%d-%d", r->n, round, i);
}

static struct said cancel_of(struct replica *r, const char *name)
{
	return (struct said) { "karwan.order.cancel_requested.v1",
		kw_arena_printf(r->stage.arena,
			"{\"order_id\":\"%s\",\"request_id\":\"c\",\"reason\":\"asked\",\"by\":\"operator\"}",
			order_id(&r->stage, name)) };
}

/* Each round: orders for few pieces and little work, then cancellations of every fifth, then the
 * stock job. */
static void *run(void *arg)
{
	struct replica *r = arg;
	unsigned seed = 20260302u + (unsigned)r->n;

	for (int round = 0; round < ROUNDS; round++) {
		struct said said[ORDERS], cancelled[ORDERS / 5];

		for (int i = 0; i < ORDERS; i++)
			said[i] = (struct said)ORDERED(&r->stage,
				.external_id = name_of(r, round, i),
				.lines = kw_arena_printf(r->stage.arena,
					"p%d:%d p%d:1 one:1 "
					"knit:1",
					(int)(rand_r(&seed) % 8), (int)(rand_r(&seed) % 3) + 1,
					(int)(rand_r(&seed) % 8)));
		note(r, stage_try(&r->stage, said, ORDERS));
		for (int i = 0; i < ORDERS / 5; i++)
			cancelled[i] = cancel_of(r, name_of(r, round, i * 5));
		note(r, stage_try(&r->stage, cancelled, ORDERS / 5));
		note(r, stage_job(&r->stage, stock_round));
	}
	return NULL;
}

static int setup(void **state)
{
	(void)state;
	stage_make(&w, "routing_races");
	SAY(&w, HUB(&w, "hub-a", 1), MAKER(&w, "zainab", "hub-a", "knit", 60, "ACTIVE", 1),
		MAKER(&w, "bushra", "hub-a", "knit", 60, "ACTIVE", 1),
		LISTING(&w, "one", "ONE_OF_A_KIND", "zainab", "hub-a", "knit", 1, "APPROVED", 1),
		LISTING(&w, "knit", "MADE_TO_ORDER", "zainab", "hub-a", "knit", 0, "APPROVED", 1));
	for (int i = 0; i < 8; i++)
		SAY(&w, LISTING(&w, kw_arena_printf(w.arena, "p%d", i), "STOCKED", "zainab",
				"hub-a", "knit", 120, "APPROVED", 1));
	stage_stock(&w);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stage_done(&w);
	return 0;
}

static void replicas_race(void **state)
{
	struct replica replicas[REPLICAS];

	(void)state;
	for (int i = 0; i < REPLICAS; i++) {
		replicas[i] = (struct replica) { .n = i };
		stage_join(&replicas[i].stage, &w);
	}
	for (int i = 0; i < REPLICAS; i++)
		assert_int_equal(pthread_create(&replicas[i].thread, NULL, run, &replicas[i]), 0);
	for (int i = 0; i < REPLICAS; i++)
		pthread_join(replicas[i].thread, NULL);
	for (int i = 0; i < REPLICAS; i++) {
		if (replicas[i].failed[0])
			fail_msg("replica %d: %s", i, replicas[i].failed);
		stage_leave(&replicas[i].stage);
	}
	stage_is_clean(&w);
	assert_int_equal(stage_number(&w,
				 "SELECT count(*) FROM "
				 "orders",
				 NULL),
		REPLICAS * ROUNDS * ORDERS);
	assert_int_equal(stage_number(&w,
				 "SELECT allocated FROM stock WHERE listing_id = "
				 "'one'",
				 NULL),
		1);
	assert_int_equal(stage_number(&w,
				 "SELECT count(*) FROM capacity c JOIN makers m USING "
				 "(maker_id) WHERE used > weekly_capacity",
				 NULL),
		0);
	/* there was more asked for than there is: nothing is left that somebody waits for */
	stage_later(&w, 6 * 3600);
	stage_stock(&w);
	assert_int_equal(stage_number(&w,
				 "SELECT sum(on_hand - allocated) FROM stock WHERE "
				 "listing_id LIKE 'p%'",
				 NULL),
		0);
	stage_is_clean(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(replicas_race) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
