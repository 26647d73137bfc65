/* Replicas side by side: orders, routes, money and parcels of the same orders come in through four
 * connections at once, in random batches. Whoever is second sees the first: every order ends posted
 * and earned, once, and nothing drifts. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "payment_world.h"

#define ORDERS 300
#define KINDS 4

static struct world w;
static char names[ORDERS][24], events[ORDERS][24], payments[ORDERS][24];
static struct order_received received[ORDERS];
static struct order_routed routed[ORDERS];
static struct payment_reported paid[ORDERS];
static struct parcel_delivered delivered[2 * ORDERS];

static int setup(void **state)
{
	(void)state;
	world_make(&w, "payment_races");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_done(&w);
	return 0;
}

struct feeder {
	pthread_t thread;
	kw_batch_fn *handler;
	const char *messages; /* shuffled */
	size_t n, size;
	unsigned seed;
	int batches, failures;
	struct kw_err err;
};

static void shuffle(void *messages, size_t n, size_t size, unsigned *seed)
{
	char *at = messages, *t = malloc(size);
	for (size_t i = n; i > 1; i--) {
		size_t j = (size_t)rand_r(seed) % i;
		memcpy(t, at + (i - 1) * size, size);
		memcpy(at + (i - 1) * size, at + j * size, size);
		memcpy(at + j * size, t, size);
	}
	free(t);
}

static void *feed(void *arg)
{
	struct feeder *f = arg;
	struct kw_pg *pg = world_connect(&w);
	struct kw_arena *a = kw_arena_new(64 << 20);

	for (size_t at = 0; at < f->n && f->failures == 0;) {
		size_t n = 1 + (size_t)rand_r(&f->seed) % 25;
		n = n < f->n - at ? n : f->n - at;
		if (world_run_on(&w, pg, a, f->handler, f->messages + at * f->size, n, &f->err) !=
			KW_OK)
			f->failures++;
		f->batches++;
		at += n;
	}
	kw_arena_free(a);
	kw_pg_free(pg);
	return NULL;
}

static void test_four_at_once(void **state)
{
	(void)state;
	unsigned seed = 11;
	struct feeder feeders[KINDS] = {
		{ .handler = on_order_received,
			.messages = (char *)received,
			.n = ORDERS,
			.size = sizeof(received[0]) },
		{ .handler = on_order_routed,
			.messages = (char *)routed,
			.n = ORDERS,
			.size = sizeof(routed[0]) },
		{ .handler = on_payment_reported,
			.messages = (char *)paid,
			.n = ORDERS,
			.size = sizeof(paid[0]) },
		{ .handler = on_parcel_delivered,
			.messages = (char *)delivered,
			.n = 2 * ORDERS,
			.size = sizeof(delivered[0]) },
	};

	print_message("seed %u\n", seed);
	for (int i = 0; i < ORDERS; i++) {
		snprintf(names[i], sizeof(names[i]), "race-%03d", i);
		snprintf(events[i], sizeof(events[i]), "evt_%03d", i);
		snprintf(payments[i], sizeof(payments[i]), "pi_%03d", i);
		received[i] = shawls(names[i]);
		routed[i] = by_two(names[i]);
		paid[i] = word_of(names[i], KIND_SUCCEEDED, PKR(15334), events[i], payments[i]);
		delivered[2 * i] = parcel(names[i], 1);
		delivered[2 * i + 1] = parcel(names[i], 2);
	}
	shuffle(received, ORDERS, sizeof(received[0]), &seed);
	shuffle(routed, ORDERS, sizeof(routed[0]), &seed);
	shuffle(paid, ORDERS, sizeof(paid[0]), &seed);
	shuffle(delivered, 2 * ORDERS, sizeof(delivered[0]), &seed);
	for (int k = 0; k < KINDS; k++) {
		feeders[k].seed = seed + (unsigned)k;
		assert_int_equal(pthread_create(&feeders[k].thread, NULL, feed, &feeders[k]), 0);
	}
	for (int k = 0; k < KINDS; k++)
		pthread_join(feeders[k].thread, NULL);
	for (int k = 0; k < KINDS; k++)
		if (feeders[k].failures)
			fail_msg("feeder %d: %s %s", k, feeders[k].err.code, feeders[k].err.reason);
	assert_int_equal(
		world_number(&w,
			"SELECT count(*) FROM payment.expectations WHERE state = 'POSTED' AND cleared AND released = 15334 AND NOT waiting "
			"AND faults = 0",
			NULL),
		ORDERS);
	assert_int_equal(
		world_number(&w, "SELECT count(*) FROM payment.earnings", NULL), 3 * ORDERS);
	assert_int_equal(
		world_number(&w,
			"SELECT sum(minor) FROM payment.postings WHERE account = 'CLEARING'", NULL),
		15334 * ORDERS);
	assert_int_equal(
		world_number(&w, "SELECT count(*) FROM payment.balances WHERE minor <> 0", NULL),
		6);
	world_no_drift(&w);
	world_versions_grow(&w);
	/* array statements in order of their keys: replicas wait for each other, they do not meet
	 * head on */
	assert_int_equal(
		world_number(&w,
			"SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
			NULL),
		0);
}

/* Two replicas hear the same provider's events: each counts once. */
static void test_same_words_twice_at_once(void **state)
{
	(void)state;
	int64_t postings = world_number(&w, "SELECT count(*) FROM payment.postings", NULL);
	static struct payment_reported more[ORDERS];
	static char ids[ORDERS][24];
	struct feeder feeders[2] = {
		{ .handler = on_payment_reported,
			.messages = (char *)more,
			.n = ORDERS,
			.size = sizeof(more[0]),
			.seed = 5 },
		{ .handler = on_payment_reported,
			.messages = (char *)more,
			.n = ORDERS,
			.size = sizeof(more[0]),
			.seed = 6 },
	};

	for (int i = 0; i < ORDERS; i++) {
		snprintf(ids[i], sizeof(ids[i]), "evt_more_%03d", i);
		more[i] =
			word_of(i % 3 ? names[i] : NULL, KIND_SUCCEEDED, PKR(100), ids[i], ids[i]);
	}
	for (int k = 0; k < 2; k++)
		assert_int_equal(pthread_create(&feeders[k].thread, NULL, feed, &feeders[k]), 0);
	for (int k = 0; k < 2; k++) {
		pthread_join(feeders[k].thread, NULL);
		if (feeders[k].failures)
			fail_msg("feeder %d: %s %s", k, feeders[k].err.code, feeders[k].err.reason);
	}
	assert_int_equal(world_number(&w, "SELECT count(*) FROM payment.postings", NULL),
		postings + 2 * ORDERS);
	assert_int_equal(
		world_number(&w,
			"SELECT sum(seen) FROM payment.provider_events WHERE provider_event_id LIKE 'evt_more_%'",
			NULL),
		2 * ORDERS);
	world_no_drift(&w);
	world_versions_grow(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_four_at_once),
		cmocka_unit_test(test_same_words_twice_at_once),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
