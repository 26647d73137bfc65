/* Which courier, what is due on delivery, what a scan means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules.h"
#include "states.h"

/* ---- couriers ---- */

#define PKR(rupees)                   \
	{                             \
		(rupees) * 100, "PKR" \
	}
static const struct rate a_rates[] = {
	{ "PK", 2000, PKR(250), true },
	{ "PK", 30000, PKR(600), true },
	{ "*", 30000, PKR(5200), false },
};
static const struct rate b_rates[] = {
	{ "PK", 30000, PKR(400), false },
	{ "*", 30000, PKR(4500), false },
};
static const struct rate c_rates[] = { { "PK", 2000, PKR(250), true } };
static const struct rate_card cards[] = {
	{ "courier-b", b_rates, 2 },
	{ "courier-c", c_rates, 1 },
	{ "courier-a", a_rates, 3 },
};

static const char *choice(const char *country, int64_t weight_g, bool cod, const char *refused)
{
	struct address to = { .country = country };
	struct parcel p = { .ship_to = &to, .weight_g = weight_g };
	const struct rate_card *card;

	if (cod)
		p.amount_due = (struct kw_money) { 0, "PKR" };
	card = choose_courier(cards, KW_LEN(cards), &p, &refused, refused != NULL);
	return card ? card->courier : "none";
}

static void test_courier(void **state)
{
	(void)state;
	assert_string_equal(choice("PK", 500, false, NULL), "courier-a"); /* as c, by name */
	assert_string_equal(choice("PK", 2000, false, NULL), "courier-a");
	assert_string_equal(choice("PK", 2001, false, NULL), "courier-b");
	assert_string_equal(choice("PK", 2001, true, NULL), "courier-a"); /* b takes no cash */
	assert_string_equal(choice("PK", 30001, false, NULL), "none");
	assert_string_equal(choice("US", 500, false, NULL), "courier-b");
	assert_string_equal(choice("US", 500, true, NULL), "none");
	assert_string_equal(choice("US", 500, false, "courier-b"), "courier-a");
	assert_string_equal(choice("PK", 500, true, "courier-a"), "courier-c");
	assert_string_equal(choice("PK", 25000, true, "courier-a"), "none");
}

/* ---- due on delivery ---- */

static int64_t due_sum(
	int64_t total, int64_t given, bool last, const int64_t *values, size_t n, int64_t *due)
{
	struct kw_err err;
	int64_t sum = 0;

	assert_int_equal(divide_due(total, given, last, values, n, due, &err), KW_OK);
	for (size_t i = 0; i < n; i++) {
		assert_true(due[i] >= 0);
		sum += due[i];
	}
	return sum;
}

static void test_due(void **state)
{
	int64_t due[3];

	(void)state;
	/* all at once: the whole total, to the last paisa */
	assert_int_equal(due_sum(10000, 0, true, (int64_t[]) { 1, 1, 1 }, 3, due), 10000);
	assert_int_equal(due[0], 3334);
	/* in two goes: first their own value, then the rest */
	assert_int_equal(due_sum(10500, 0, false, (int64_t[]) { 4000, 1000 }, 2, due), 5000);
	assert_int_equal(due[0], 4000);
	assert_int_equal(due_sum(10500, 5000, true, (int64_t[]) { 5000 }, 1, due), 5500);
	/* never more than the total, and never below zero */
	assert_int_equal(due_sum(3000, 0, false, (int64_t[]) { 2000, 2000 }, 2, due), 3000);
	assert_int_equal(due[1], 1000);
	assert_int_equal(due_sum(3000, 4000, true, (int64_t[]) { 2000 }, 1, due), 0);
	/* worth nothing: all alike */
	assert_int_equal(due_sum(100, 0, true, (int64_t[]) { 0, 0, 0 }, 3, due), 100);
	assert_int_equal(due[2], 34);
	struct kw_err err;
	assert_int_equal(
		divide_due(1, 0, true, (int64_t[]) { INT64_MAX, 1 }, 2, due, &err), KW_INVALID);
	assert_int_equal(divide_due(1, 0, true, (int64_t[]) { -1 }, 1, due, &err), KW_INVALID);
}

/* ---- scans ---- */

/* Gives a parcel a scan as tracking.c does, without a database. Its state afterwards. */
static int scan(struct parcel *p, int status, kw_time at)
{
	struct scan s = { .status = status, .scanned_at = at };
	struct scan_effect effect = judge_scan(p, &s);
	const struct kw_edge *edge;

	if (effect.event == EV_NOTHING)
		return p->state;
	edge = kw_fsm_find(&parcel_fsm, p->state, effect.event);
	assert_non_null(edge);
	if (edge->to == KW_SAME)
		return p->state;
	if (effect.head) {
		p->story.status = status;
		p->story.scanned_at = at;
		p->carrier = &p->story;
	}
	p->story.attempts += effect.attempt;
	parcel_step(p, effect.event, at);
	return p->state;
}

static struct parcel labelled(void)
{
	return (struct parcel) { .state = PARCEL_LABELLED, .version = 3 };
}

/* Delivered stays delivered, unless it comes back later. */
static void test_scan_vectors(void **state)
{
	struct parcel p = labelled();

	(void)state;
	assert_int_equal(scan(&p, CARRIER_CREATED, 100), PARCEL_LABELLED);
	assert_int_equal(scan(&p, CARRIER_PICKED_UP, 900), PARCEL_HANDED_OVER);
	assert_int_equal(scan(&p, CARRIER_DELIVERED, 1000), PARCEL_DELIVERED);
	assert_int_equal(scan(&p, CARRIER_IN_TRANSIT, 930), PARCEL_DELIVERED);
	assert_int_equal(scan(&p, CARRIER_IN_TRANSIT, 1030), PARCEL_DELIVERED);
	assert_int_equal(p.carrier->status, CARRIER_DELIVERED);
	assert_int_equal(scan(&p, CARRIER_RETURNING, 1100), PARCEL_RETURNING);
	assert_int_equal(scan(&p, CARRIER_DELIVERED, 1000), PARCEL_RETURNING);
	assert_int_equal(scan(&p, CARRIER_RETURNED, 1200), PARCEL_RETURNED);
	assert_int_equal(scan(&p, CARRIER_PICKED_UP, 1300), PARCEL_RETURNED);

	p = labelled();
	scan(&p, CARRIER_ATTEMPT_FAILED, 100);
	assert_int_equal(p.story.attempts, 1);
	scan(&p, CARRIER_IN_TRANSIT, 300);
	scan(&p, CARRIER_ATTEMPT_FAILED,
		200); /* late: counts, and is not what the carrier says now */
	assert_int_equal(p.story.attempts, 2);
	assert_int_equal(p.carrier->status, CARRIER_IN_TRANSIT);
	int64_t version = p.version;
	assert_int_equal(scan(&p, CARRIER_UNKNOWN, 400), PARCEL_HANDED_OVER);
	assert_int_equal(p.carrier->status, CARRIER_UNKNOWN);
	assert_int_equal(p.version, version + 1);
	assert_int_equal(
		scan(&p, CARRIER_UNKNOWN, 50), PARCEL_HANDED_OVER); /* an old one: nothing new */
	assert_int_equal(p.version, version + 1);
}

static void test_late_scans(void **state)
{
	struct parcel p = labelled();

	(void)state;
	/* the first physical scan may be older than a word that was not one */
	scan(&p, CARRIER_EXCEPTION, 500);
	assert_int_equal(scan(&p, CARRIER_CREATED, 100), PARCEL_LABELLED);
	assert_int_equal(scan(&p, CARRIER_PICKED_UP, 400), PARCEL_HANDED_OVER);
	assert_int_equal(p.carrier->status, CARRIER_EXCEPTION);
	/* at the same time, the later step of its life is the newer */
	p = labelled();
	scan(&p, CARRIER_OUT_FOR_DELIVERY, 500);
	scan(&p, CARRIER_IN_TRANSIT, 500);
	assert_int_equal(p.carrier->status, CARRIER_OUT_FOR_DELIVERY);
	assert_int_equal(scan(&p, CARRIER_DELIVERED, 500), PARCEL_DELIVERED);
	/* lost is no scan */
	p = labelled();
	assert_int_equal(scan(&p, CARRIER_LOST, 10), PARCEL_LOST);
	assert_int_equal(scan(&p, CARRIER_DELIVERED, 20), PARCEL_LOST);
	assert_int_equal(p.carrier->status, CARRIER_DELIVERED);
}

/* Whatever the order in which a carrier's story arrives: the same end. */
static void test_any_order(void **state)
{
	static const struct {
		int status;
		kw_time at;
	} story[] = { { CARRIER_PICKED_UP, 10 }, { CARRIER_IN_TRANSIT, 20 },
		{ CARRIER_OUT_FOR_DELIVERY, 30 }, { CARRIER_ATTEMPT_FAILED, 40 },
		{ CARRIER_OUT_FOR_DELIVERY, 50 }, { CARRIER_DELIVERED, 60 },
		{ CARRIER_RETURNING, 70 }, { CARRIER_RETURNED, 80 } };

	(void)state;
	srandom(4711);
	for (int round = 0; round < 20000; round++) {
		size_t n = 6 + (size_t)round % 3; /* ends delivered, returning, returned */
		size_t order[KW_LEN(story)];
		struct parcel p = labelled();
		int last = p.state;

		for (size_t i = 0; i < n; i++) {
			size_t k = (size_t)random() % (i + 1);
			order[i] = order[k];
			order[k] = i;
		}
		for (size_t i = 0; i < n; i++) {
			int now = scan(&p, story[order[i]].status, story[order[i]].at);
			if (random() % 4 == 0) /* told twice */
				now = scan(&p, story[order[i]].status, story[order[i]].at);
			assert_true(
				now >= last); /* never back: the enum is in the order of a life */
			last = now;
		}
		assert_int_equal(last, n == 6   ? PARCEL_DELIVERED
				       : n == 7 ? PARCEL_RETURNING
						: PARCEL_RETURNED);
		assert_int_equal(p.carrier->status, story[n - 1].status);
	}
}

static void test_retry(void **state)
{
	(void)state;
	assert_int_equal(retry_delay_us(1), 1000000);
	assert_int_equal(retry_delay_us(4), 8000000);
	assert_int_equal(retry_delay_us(7), 60000000);
	assert_int_equal(retry_delay_us(1000000), 60000000);
}

/* ---- exceptions ---- */

static void test_ends(void **state)
{
	(void)state;
	for (int kind = 0; kind < parcel_exception_kinds.n; kind++) {
		assert_int_equal(exception_may(kind, true, false), kind != EXCEPTION_NO_COURIER);
		assert_int_equal(
			exception_may(kind, false, true), kind == EXCEPTION_UNKNOWN_STATUS);
		assert_false(exception_may(kind, false, false));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_courier),
		cmocka_unit_test(test_due),
		cmocka_unit_test(test_scan_vectors),
		cmocka_unit_test(test_late_scans),
		cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
