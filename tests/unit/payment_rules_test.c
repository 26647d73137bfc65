/* What pieces are worth, what one payment's words come to, what the money says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules.h"
#include "states.h"

static struct kw_err err;

/* ---- worth ---- */

static struct order_line line(const char *id, int64_t quantity, int64_t price, int64_t discount)
{
	return (struct order_line) {
		.line_id = id, .quantity = quantity, .price = price, .discount = discount
	};
}

static struct expectation order(int64_t total, int64_t shipping, int64_t tax, int64_t discount)
{
	struct expectation e = { .channel = "dibs", .currency = "PKR", .state = EXPECTED };
	e.total = total;
	e.shipping = shipping;
	e.tax = tax;
	e.discount = discount;
	return e;
}

static void test_divides_exactly(void **state)
{
	(void)state;
	/* 3 x 100.00 - 10.00, 1 x 50.00; shipping 9.99, tax 17.00; the discount is the line's own
	 */
	struct order_line lines[] = { line("a", 3, 10000, 1000), line("b", 1, 5000, 0) };
	struct expectation e = order(36699, 999, 1700, 1000);
	struct worth w[2];

	assert_int_equal(divide_order(&e, lines, 2, w, &err), KW_OK);
	assert_int_equal(w[0].net, 29000);
	assert_int_equal(w[1].net, 5000);
	/* 999 x 29/34 = 852.09, 999 x 5/34 = 146.91: the larger remainder is the second's */
	assert_int_equal(w[0].shipping, 852);
	assert_int_equal(w[1].shipping, 147);
	assert_int_equal(w[0].tax, 1450);
	assert_int_equal(w[1].tax, 250);
	assert_int_equal(w[0].difference, 0);
	assert_int_equal(w[1].difference, 0);
}

static void test_discount_of_the_order(void **state)
{
	(void)state;
	/* 10.00 off the whole order, none of it named by a line */
	struct order_line lines[] = { line("a", 1, 10000, 0), line("b", 1, 5000, 0) };
	struct expectation e = order(14000, 0, 0, 1000);
	struct worth w[2];

	assert_int_equal(divide_order(&e, lines, 2, w, &err), KW_OK);
	assert_int_equal(w[0].net, 10000 - 667);
	assert_int_equal(w[1].net, 5000 - 333);
	assert_int_equal(w[0].difference + w[1].difference, 0);

	/* the lines' own discounts explain the total: the order's figure is not taken off twice */
	lines[0].discount = 400;
	e = order(14600, 0, 0, 1000);
	assert_int_equal(divide_order(&e, lines, 2, w, &err), KW_OK);
	assert_int_equal(w[0].net, 9600);
	assert_int_equal(w[1].net, 5000);
}

static void test_total_that_does_not_add_up(void **state)
{
	(void)state;
	struct order_line lines[] = { line("a", 2, 19900, 0), line("b", 1, 19900, 0) };
	struct expectation e = order(39800, 0, 0, 0); /* says two pieces, lists three */
	struct worth w[2];

	assert_int_equal(divide_order(&e, lines, 2, w, &err), KW_OK);
	assert_int_equal(w[0].net + w[1].net, 59700);
	assert_int_equal(w[0].difference, -13267);
	assert_int_equal(w[1].difference, -6633);
}

static void test_extremes(void **state)
{
	(void)state;
	struct worth w[2];
	struct order_line free_goods[] = { line("a", 1, 0, 0), line("b", 3, 0, 0) };
	struct expectation e = order(400, 400, 0, 0);
	assert_int_equal(divide_order(&e, free_goods, 2, w, &err), KW_OK);
	assert_int_equal(w[0].shipping, 100);
	assert_int_equal(w[1].shipping, 300);

	struct order_line nothing[] = { line("a", 0, 500, 0) };
	e = order(500, 0, 0, 0);
	assert_int_equal(divide_order(&e, nothing, 1, w, &err), KW_OK);
	assert_int_equal(w[0].difference, 500);
	assert_int_equal(worth_total(worth_of_pieces(&w[0], 0, 0, 0)), 0);

	struct order_line too_large[] = { line("a", 1000000, INT64_MAX / 2, 0) };
	assert_int_equal(divide_order(&e, too_large, 1, w, &err), KW_INVALID);

	/* a discount above the price counts as far as it can; the rest is a difference, nobody owes
	 * for a gift */
	struct order_line gift[] = { line("a", 1, 500, 700) };
	e = order(0, 0, 0, 700);
	assert_int_equal(divide_order(&e, gift, 1, w, &err), KW_OK);
	assert_int_equal(w[0].net, 0);
	assert_int_equal(worth_total(w[0]), 0);
}

static uint64_t seed;
static int64_t any(int64_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (int64_t)((seed >> 33) % (uint64_t)below);
}

/* Whatever the amounts: the lines sum to the total, the pieces of a line to the line, in any cut.
 */
static void test_sums_of_random_orders(void **state)
{
	(void)state;
	seed = 20261124;
	print_message("seed %llu\n", (unsigned long long)seed);
	for (int round = 0; round < 3000; round++) {
		struct order_line lines[12];
		struct worth w[12];
		size_t n = 1 + (size_t)any(12);
		for (size_t i = 0; i < n; i++)
			lines[i] = line("x", any(9), any(round % 2 ? 100000 : 7), any(5000));
		struct expectation e = order(any(900000), any(3000), any(9999), any(9000));
		assert_int_equal(divide_order(&e, lines, n, w, &err), KW_OK);
		int64_t sum = 0;
		for (size_t i = 0; i < n; i++) {
			sum += worth_total(w[i]);
			int64_t q = lines[i].quantity, cut = q ? any(q + 1) : 0,
				cut2 = cut + (q > cut ? any(q - cut + 1) : 0);
			int64_t parts = worth_total(worth_of_pieces(&w[i], q, 0, cut)) +
					worth_total(worth_of_pieces(&w[i], q, cut, cut2)) +
					worth_total(worth_of_pieces(&w[i], q, cut2, q));
			if (q > 0)
				assert_int_equal(parts, worth_total(w[i]));
			for (int64_t k = 1; k < q; k++) { /* two pieces of a line differ by a minor
							     unit at most, by component */
				struct worth a = worth_of_pieces(&w[i], q, k - 1, k),
					     b = worth_of_pieces(&w[i], q, k, k + 1);
				assert_in_range(llabs(a.net - b.net), 0, 1);
				assert_in_range(llabs(a.shipping - b.shipping), 0, 1);
			}
		}
		assert_int_equal(sum, e.total);
	}
}

/* ---- one payment ---- */

static const struct kw_uuid order_1 = { "11111111-1111-5111-8111-111111111111" };
static const struct kw_uuid order_2 = { "22222222-2222-5222-8222-222222222222" };

static struct payment_word word(
	int kind, int64_t minor, const char *currency, const struct kw_uuid *order_id)
{
	struct payment_word w = { .kind = kind, .amount = { .minor = minor } };
	memcpy(w.amount.currency, currency, 4);
	if (order_id)
		w.order_id = *order_id;
	return w;
}

static void words_in(const struct payment_word *words, const size_t *at, size_t n,
	struct payment *p, size_t *ret_events)
{
	*p = (struct payment) { .payment_id = { "99999999-9999-5999-8999-999999999999" },
		.state = PAYMENT_NEW };
	*ret_events = 0;
	for (size_t i = 0; i < n; i++) {
		int64_t version = p->version;
		struct payment_change change = payment_apply(p, &words[at[i]]);
		assert_int_equal(change.fault, -1);
		size_t emits = (change.emit[0] != NULL) + (change.emit[1] != NULL);
		assert_int_equal(p->version, version + (int64_t)emits);
		*ret_events += emits;
	}
}

/* Failed attempt, capture, two refunds, a repeat of each: the same end in all 5,040 orders. */
static void test_words_in_any_order(void **state)
{
	(void)state;
	const struct payment_word words[] = {
		word(KIND_FAILED, 10000, "PKR", &order_1),
		word(KIND_SUCCEEDED, 10000, "PKR", &order_1),
		word(KIND_SUCCEEDED, 10000, "PKR", NULL),
		word(KIND_REFUNDED, 2500, "PKR", NULL),
		word(KIND_REFUNDED, 2500, "PKR", &order_1),
		word(KIND_REFUNDED, 10000, "PKR", &order_1),
		word(KIND_FAILED, 10000, "PKR", NULL),
	};
	size_t at[] = { 0, 1, 2, 3, 4, 5, 6 }, c[7] = { 0 }, n = 7, tried = 1;

	for (size_t i = 0; i <= n;) { /* Heap's algorithm */
		struct payment p;
		size_t events;
		if (i == 0 || c[i] == 0 || i == n) {
			words_in(words, at, n, &p, &events);
			assert_int_equal(p.captured, 10000);
			assert_int_equal(p.refunded, 10000);
			assert_int_equal(p.state, PAYMENT_REFUNDED);
			assert_string_equal(p.order_id.s, order_1.s);
			assert_in_range(events, 2, 3); /* captured, refunded once or in two steps */
		}
		for (i = 1; i < n && c[i] >= i; i++)
			c[i] = 0;
		if (i == n)
			break;
		size_t j = i % 2 ? c[i] : 0, t = at[j];
		at[j] = at[i];
		at[i] = t;
		c[i]++;
		tried++;
		words_in(words, at, n, &p, &events);
		assert_int_equal(p.state, PAYMENT_REFUNDED);
		assert_int_equal(p.captured - p.refunded, 0);
		assert_string_equal(p.order_id.s, order_1.s);
		i = 0;
	}
	assert_int_equal(tried, 5040);
}

static void test_refund_before_capture(void **state)
{
	(void)state;
	struct payment p = { .payment_id = { "99999999-9999-5999-8999-999999999999" },
		.state = PAYMENT_NEW };
	struct payment_word refund = word(KIND_REFUNDED, 4000, "PKR", &order_1),
			    capture = word(KIND_SUCCEEDED, 10000, "PKR", &order_1);

	struct payment_change change = payment_apply(&p, &refund);
	assert_true(change.changed);
	assert_null(change.emit[0]);
	assert_int_equal(p.state, PAYMENT_REFUND_AHEAD);
	assert_int_equal(payment_net(p.captured, p.refunded), 0);

	change = payment_apply(&p, &capture);
	assert_ptr_equal(change.emit[0], &payment_captured_event);
	assert_ptr_equal(change.emit[1], &payment_refunded_event);
	assert_int_equal(p.state, PAYMENT_PARTLY_REFUNDED);
	assert_int_equal(p.version, 2);
	assert_int_equal(payment_net(p.captured, p.refunded), 6000);
}

static void test_contradictions_change_nothing(void **state)
{
	(void)state;
	struct payment p = { .payment_id = { "99999999-9999-5999-8999-999999999999" },
		.state = PAYMENT_NEW };
	struct payment_word first = word(KIND_SUCCEEDED, 10000, "PKR", &order_1);
	const struct {
		struct payment_word word;
		int fault;
	} cases[] = {
		{ word(KIND_SUCCEEDED, 10001, "PKR", &order_1), FAULT_CAPTURE_CONFLICT },
		{ word(KIND_SUCCEEDED, 10000, "USD", &order_1), FAULT_CAPTURE_CONFLICT },
		{ word(KIND_REFUNDED, 10000, "USD", &order_1), FAULT_CAPTURE_CONFLICT },
		{ word(KIND_REFUNDED, 10000, "PKR", &order_2), FAULT_REFERENCE_CONFLICT },
	};

	payment_apply(&p, &first);
	for (size_t i = 0; i < KW_LEN(cases); i++) {
		struct payment before = p;
		struct payment_change change = payment_apply(&p, &cases[i].word);
		assert_int_equal(change.fault, cases[i].fault);
		assert_null(change.emit[0]);
		assert_int_equal(change.changed, i == 0); /* that it is disputed */
		assert_true(p.disputed);
		before.disputed = true;
		assert_memory_equal(&before, &p, sizeof(p));
	}
}

/* ---- what the money says ---- */

static void test_judgement(void **state)
{
	(void)state;
	const struct {
		struct expectation e;
		bool voided;
		int event;
	} cases[] = {
		{ { .expected = 100 }, false, MONEY_NONE },
		{ { .expected = 100, .cod = true }, false, MONEY_ON_DELIVERY },
		{ { .expected = 100, .received = 100, .captured = 100 }, false, MONEY_EXACT },
		{ { .expected = 100, .received = 100, .captured = 100, .cod = true }, false,
			MONEY_EXACT },
		{ { .expected = 0 }, false, MONEY_EXACT },
		{ { .expected = 100, .received = 101, .captured = 101 }, false, MONEY_MORE },
		{ { .expected = 100, .received = 99, .captured = 99 }, false, MONEY_LESS },
		{ { .expected = 100, .received = 99, .captured = 100 }, false, MONEY_WENT_BACK },
		{ { .expected = 100, .received = 99, .captured = 99, .waived = 1 }, false,
			MONEY_WAIVED },
		{ { .expected = 100, .received = 98, .captured = 99, .waived = 1 }, false,
			MONEY_LESS },
		{ { .expected = 100, .received = 99, .captured = 100, .waived = 1 }, false,
			MONEY_WENT_BACK },
		{ { .expected = 100, .received = 100, .captured = 100, .waived = 1 }, false,
			MONEY_EXACT },
		{ { .expected = 100, .foreign = 1 }, false, MONEY_FOREIGN },
		{ { .expected = 100, .received = 60, .captured = 60, .foreign = 1 }, false,
			MONEY_FOREIGN },
		{ { .expected = 100, .received = 100, .captured = 100, .foreign = 1 }, false,
			MONEY_EXACT },
		{ { .expected = 0, .received = 100, .captured = 100 }, true, MONEY_CANCELLED },
		{ { .expected = 100, .test = true }, false, MONEY_NONE },
		{ { .expected = 0, .test = true }, false, MONEY_NONE },
	};
	for (size_t i = 0; i < KW_LEN(cases); i++)
		if (judge_money(&cases[i].e, cases[i].voided) != cases[i].event)
			fail_msg("case %zu is %s", i,
				kw_strtab_name(
					&money_events, judge_money(&cases[i].e, cases[i].voided)));
}

static void test_every_fault_has_a_reason_and_an_owner(void **state)
{
	(void)state;
	for (int kind = 0; kind < exception_kinds.n; kind++) {
		assert_true(strlen(fault_reason(kind)) > 10);
		assert_true(strlen(fault_owner(kind)) > 3);
	}
	assert_string_equal(
		kw_strtab_name(&exception_kinds, FAULT_ALLOCATION_MISMATCH), "ALLOCATION_MISMATCH");
	assert_int_equal(
		FAULT_BIT(FAULT_ALLOCATION_MISMATCH), 128); /* as sql/002_check.sql writes it */
	assert_string_equal(
		kw_strtab_name(&exception_kinds, FAULT_REFERENCE_CONFLICT), "REFERENCE_CONFLICT");
	assert_int_equal(exception_kinds.n, FAULT_REFERENCE_CONFLICT + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_divides_exactly),
		cmocka_unit_test(test_discount_of_the_order),
		cmocka_unit_test(test_total_that_does_not_add_up),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_sums_of_random_orders),
		cmocka_unit_test(test_words_in_any_order),
		cmocka_unit_test(test_refund_before_capture),
		cmocka_unit_test(test_contradictions_change_nothing),
		cmocka_unit_test(test_judgement),
		cmocka_unit_test(test_every_fault_has_a_reason_and_an_owner),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
