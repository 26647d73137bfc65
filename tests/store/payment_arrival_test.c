/* The handlers on PostgreSQL: the same facts in every order of arrival, one by one and in batches,
 * end in the same rows and the same ledger. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "payment_world.h"

enum { RECEIVED, ROUTED, PAID, DELIVERED_1, DELIVERED_2, N_FACTS };
#define ORDERS 120 /* 5! */

static struct world w;
static int orders[ORDERS][N_FACTS];
static char names[ORDERS][24], events[ORDERS][24], payments[ORDERS][24];

static void permute(int *at, int k, size_t *n)
{
	if (k == N_FACTS) {
		memcpy(orders[(*n)++], at, sizeof(orders[0]));
		return;
	}
	for (int i = k; i < N_FACTS; i++) {
		int t = at[k];
		at[k] = at[i];
		at[i] = t;
		permute(at, k + 1, n);
		t = at[k];
		at[k] = at[i];
		at[i] = t;
	}
}

static int setup(void **state)
{
	(void)state;
	int at[N_FACTS] = { 0, 1, 2, 3, 4 };
	size_t n = 0;
	permute(at, 0, &n);
	assert_int_equal(n, ORDERS);
	world_make(&w, "payment_arrival");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_done(&w);
	return 0;
}

static void name_orders(const char *prefix)
{
	for (int i = 0; i < ORDERS; i++) {
		snprintf(names[i], sizeof(names[i]), "%s-%03d", prefix, i);
		snprintf(events[i], sizeof(events[i]), "evt_%s", names[i]);
		snprintf(payments[i], sizeof(payments[i]), "pi_%s", names[i]);
	}
}

static struct order_received received[ORDERS];
static struct order_routed routed[ORDERS];
static struct payment_reported paid[ORDERS];
static struct parcel_delivered delivered[2 * ORDERS];

/* The facts of kind `fact` for those orders whose turn it is, in one batch. */
static void run_fact(int fact, const int *which, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *name = names[which[i]];
		if (fact == RECEIVED)
			received[i] = shawls(name);
		else if (fact == ROUTED)
			routed[i] = by_two(name);
		else if (fact == PAID)
			paid[i] = word_of(name, KIND_SUCCEEDED, PKR(15334), events[which[i]],
				payments[which[i]]);
		else
			delivered[i] = parcel(name, fact == DELIVERED_1 ? 1 : 2);
	}
	if (n == 0)
		return;
	if (fact == RECEIVED)
		world_run(&w, on_order_received, received, n);
	else if (fact == ROUTED)
		world_run(&w, on_order_routed, routed, n);
	else if (fact == PAID)
		world_run(&w, on_payment_reported, paid, n);
	else
		world_run(&w, on_parcel_delivered, delivered, n);
}

/* All orders ended alike: rows, balances, earnings, events by type and last version. */
static void all_alike(const char *prefix)
{
	char like[32];
	snprintf(like, sizeof(like), "%s-%%", prefix);
	assert_int_equal(
		world_number(&w,
			"SELECT count(*) FROM payment.expectations WHERE external_id LIKE $1::text AND state = 'POSTED' AND cleared "
			"AND expected = 15334 AND received = 15334 AND captured = 15334 AND released = 15334 AND faults = 0 "
			"AND NOT waiting AND foreign_payments = 0 AND held_payments = 0",
			like),
		ORDERS);
	static const char *const balances[] = { "CLEARING/stripe-demo/15334", "FEE/dibs/-350",
		"MAKER/amina/-5853", "MAKER/bano/-7801", "SHIPPING/dibs/-999", "TAX/dibs/-331" };
	for (size_t i = 0; i < sizeof(balances) / sizeof(balances[0]); i++)
		assert_int_equal(
			world_number(&w,
				kw_arena_printf(w.arena,
					"SELECT count(*) FROM (SELECT p.entity_id, format('%%s/%%s/%%s', account, party, sum(minor)) AS b "
					"FROM payment.postings p JOIN payment.expectations e ON e.order_id = p.entity_id "
					"WHERE e.external_id LIKE $1::text GROUP BY p.entity_id, account, party) x WHERE b = '%s'",
					balances[i]),
				like),
			ORDERS);
	/* and nothing else is left anywhere */
	assert_int_equal(
		world_number(&w,
			"SELECT count(*) FROM (SELECT 1 FROM payment.postings p JOIN payment.expectations e ON e.order_id = p.entity_id "
			"WHERE e.external_id LIKE $1::text GROUP BY p.entity_id, account, party, p.currency HAVING sum(minor) <> 0) x",
			like),
		6 * ORDERS);
	assert_int_equal(
		world_number(&w,
			"SELECT count(*) FROM payment.earnings n JOIN payment.expectations e USING (order_id) "
			"WHERE e.external_id LIKE $1::text",
			like),
		3 * ORDERS);
	assert_int_equal(
		world_number(&w,
			"SELECT count(*) FROM payment.journal j JOIN payment.expectations e ON j.key = e.order_id::text "
			"WHERE e.external_id LIKE $1::text AND j.type = 'karwan.earning.earned.v1'",
			like),
		3 * ORDERS);
	assert_int_equal(
		world_number(&w,
			"SELECT count(*) FROM payment.journal j JOIN payment.expectations e ON j.key = e.order_id::text "
			"WHERE e.external_id LIKE $1::text AND j.type = 'karwan.expectation.settled.v1' AND j.payload LIKE '%POSTED%'",
			like),
		ORDERS);
	world_no_drift(&w);
	world_versions_grow(&w);
}

/* In step k the k-th fact of every order: many orders in each batch, at different points of their
 * lives. */
static void test_every_order_in_batches(void **state)
{
	(void)state;
	name_orders("batch");
	for (int step = 0; step < N_FACTS; step++) {
		for (int fact = 0; fact < N_FACTS; fact++) {
			int which[ORDERS];
			size_t n = 0;
			for (int i = 0; i < ORDERS; i++)
				if (orders[i][step] == fact)
					which[n++] = i;
			run_fact(fact, which, n);
		}
		world_no_drift(&w);
	}
	all_alike("batch");
}

static void test_every_order_one_by_one(void **state)
{
	(void)state;
	name_orders("single");
	for (int i = 0; i < ORDERS; i++)
		for (int step = 0; step < N_FACTS; step++)
			run_fact(orders[i][step], &i, 1);
	all_alike("single");
}

/* Everything twice, in the order of the topic table, both in one batch and again: repeats change
 * nothing. */
static void test_repeats(void **state)
{
	(void)state;
	struct order_received r[2];
	struct order_routed o[2];
	struct payment_reported p[2];
	struct parcel_delivered d[2];

	name_orders("batch"); /* they are there already */
	int64_t postings = world_number(&w, "SELECT count(*) FROM payment.postings", NULL);
	int64_t journal = world_number(&w, "SELECT count(*) FROM payment.journal", NULL);
	for (int i = 0; i < 10; i++) {
		for (int twice = 0; twice < 2; twice++) {
			r[twice] = shawls(names[i]);
			o[twice] = by_two(names[i]);
			p[twice] = word_of(
				names[i], KIND_SUCCEEDED, PKR(15334), events[i], payments[i]);
			d[twice] = parcel(names[i], 1 + i % 2);
		}
		world_run(&w, on_order_received, r, 2);
		world_run(&w, on_order_routed, o, 2);
		world_run(&w, on_payment_reported, p, 2);
		world_run(&w, on_parcel_delivered, d, 2);
	}
	assert_int_equal(world_number(&w, "SELECT count(*) FROM payment.postings", NULL), postings);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM payment.journal", NULL), journal);
	all_alike("batch");
}

/* A new order with everything twice in the same batches. */
static void test_doubles_in_one_batch(void **state)
{
	(void)state;
	struct order_received r[] = { shawls("double-1"), shawls("double-1") };
	struct payment_reported p[] = { word_of("double-1", KIND_SUCCEEDED, PKR(15334), "evt_d1",
						"pi_d1"),
		word_of("double-1", KIND_SUCCEEDED, PKR(15334), "evt_d1", "pi_d1"),
		word_of("double-1", KIND_SUCCEEDED, PKR(15334), "evt_d1b", "pi_d1") };
	struct order_routed o[] = { by_two("double-1"), by_two("double-1") };
	struct parcel_delivered d[] = { parcel("double-1", 2), parcel("double-1", 1),
		parcel("double-1", 2) };

	world_run(&w, on_order_received, r, 2);
	world_run(&w, on_order_routed, o, 2);
	world_run(&w, on_payment_reported, p, 3);
	world_run(&w, on_parcel_delivered, d, 3);
	assert_string_equal(
		world_text(&w,
			"SELECT format('%s %s %s', state, received, released) FROM payment.expectations WHERE external_id = $1::text",
			"double-1"),
		"POSTED 15334 15334");
	world_no_drift(&w);
	world_versions_grow(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_order_in_batches),
		cmocka_unit_test(test_every_order_one_by_one),
		cmocka_unit_test(test_repeats),
		cmocka_unit_test(test_doubles_in_one_batch),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
