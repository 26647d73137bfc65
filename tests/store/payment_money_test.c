/* Money that does not fit, on PostgreSQL: exceptions that open and end, suspense, contradictions,
 * refunds, cancellations, cash on delivery, channels' own facts, bad amounts; and what the API
 * reads of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "payment_world.h"
#include "store.h"
#include "svc/exceptions.h"

static struct world w;

static int setup(void **state)
{
	(void)state;
	world_make(&w, "payment_money");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_done(&w);
	return 0;
}

/* After each test: nothing drifts. */
static int check(void **state)
{
	(void)state;
	world_no_drift(&w);
	world_versions_grow(&w);
	return 0;
}

static void expect(const char *external_id, const char *wanted)
{
	assert_string_equal(
		world_text(&w,
			"SELECT format('%s %s/%s %s', state, received, expected, CASE WHEN cleared THEN 'cleared' ELSE 'held' END) "
			"FROM payment.expectations WHERE order_id = $1::text::uuid",
			order_id_of(external_id).s),
		wanted);
}

/* Open exceptions about an order and its payments, in order of their names. */
static void expect_open(const char *external_id, const char *wanted)
{
	assert_string_equal(
		world_text(&w,
			"SELECT coalesce(string_agg(kind, ' ' ORDER BY kind), '') FROM payment.exceptions "
			"WHERE state = 'OPEN' AND order_id = $1::text::uuid",
			order_id_of(external_id).s),
		wanted);
}

static int64_t balance(const char *external_id, const char *account)
{
	return world_number(&w,
		kw_arena_printf(w.arena,
			"SELECT coalesce(sum(minor), 0) FROM payment.postings WHERE entity_id = $1::text::uuid AND account = '%s'",
			account),
		order_id_of(external_id).s);
}

static int64_t count_events(const char *external_id, const char *type)
{
	return world_number(&w,
		kw_arena_printf(w.arena,
			"SELECT count(*) FROM payment.journal WHERE key = $1::text AND type = '%s'",
			type),
		order_id_of(external_id).s);
}

static void order(const char *external_id)
{
	struct order_received m = shawls(external_id);
	world_run(&w, on_order_received, &m, 1);
}

static void pay(const char *external_id, int kind, struct kw_money amount, const char *event,
	const char *payment)
{
	struct payment_reported m = word_of(external_id, kind, amount, event, payment);
	world_run(&w, on_payment_reported, &m, 1);
}

static void deliver(const char *external_id, int n)
{
	struct parcel_delivered m = parcel(external_id, n);
	world_run(&w, on_parcel_delivered, &m, 1);
}

static void route(const char *external_id)
{
	struct order_routed m = by_two(external_id);
	world_run(&w, on_order_routed, &m, 1);
}

static void test_under_then_over_then_exact(void **state)
{
	(void)state;
	order("under");
	route("under");
	deliver("under", 1);
	expect("under", "EXPECTED 0/15334 held");
	assert_int_equal(count_events("under", "karwan.expectation.settled.v1"), 0);
	pay("under", KIND_SUCCEEDED, PKR(15000), "evt_u1", "pi_u1");
	expect("under", "UNDER 15000/15334 held");
	expect_open("under", "UNDERPAID");
	assert_int_equal(balance("under", "MAKER"), 0);
	pay("under", KIND_SUCCEEDED, PKR(400), "evt_u2", "pi_u2");
	expect("under", "OVER 15400/15334 cleared");
	expect_open("under", "OVERPAID");
	assert_int_equal(balance("under", "SURPLUS"), -66);
	assert_int_equal(balance("under", "MAKER"), -5853);
	pay("under", KIND_REFUNDED, PKR(66), "evt_u3", "pi_u2");
	expect("under", "POSTED 15334/15334 cleared");
	expect_open("under", "");
	assert_int_equal(balance("under", "SURPLUS"), 0);
	deliver("under", 2);
	assert_int_equal(balance("under", "UNEARNED"), 0);
	assert_int_equal(count_events("under", "karwan.expectation.settled.v1"), 3);
	assert_int_equal(count_events("under", "karwan.exception.opened.v1"), 2);
	assert_int_equal(count_events("under", "karwan.exception.resolved.v1"), 2);
	assert_int_equal(count_events("under", "karwan.payment.captured.v1"), 2);
	assert_int_equal(count_events("under", "karwan.payment.refunded.v1"), 1);
	/* the same exception opens again: a new version of it */
	pay("under", KIND_SUCCEEDED, PKR(1), "evt_u4", "pi_u4");
	expect_open("under", "OVERPAID");
	assert_int_equal(
		world_number(&w,
			"SELECT version FROM payment.exceptions WHERE kind = 'OVERPAID' AND order_id = $1::text::uuid",
			order_id_of("under").s),
		3);
}

static void test_same_event_other_content(void **state)
{
	(void)state;
	order("conflict");
	/* within one batch the first stands, and again later */
	struct payment_reported both[] = { word_of("conflict", KIND_SUCCEEDED, PKR(15334), "evt_c1",
						   "pi_c1"),
		word_of("conflict", KIND_SUCCEEDED, PKR(99999), "evt_c1", "pi_c1") };
	world_run(&w, on_payment_reported, both, 2);
	expect("conflict", "POSTED 15334/15334 cleared");
	expect_open("conflict", "EVENT_CONFLICT");
	pay("conflict", KIND_REFUNDED, PKR(15334), "evt_c1", "pi_c1");
	expect("conflict", "POSTED 15334/15334 cleared");
	assert_int_equal(count_events("conflict", "karwan.exception.opened.v1"), 1);
	assert_int_equal(
		world_number(&w,
			"SELECT count(*) FROM payment.provider_events WHERE provider_event_id = $1::text",
			"evt_c1"),
		1);

	/* another event, another amount, the same payment */
	pay("conflict", KIND_SUCCEEDED, PKR(15335), "evt_c2", "pi_c1");
	expect("conflict", "POSTED 15334/15334 cleared");
	expect_open("conflict", "CAPTURE_CONFLICT EVENT_CONFLICT");
	/* it belongs to this order, whatever is said later */
	order("conflict-2");
	pay("conflict-2", KIND_REFUNDED, PKR(10), "evt_c3", "pi_c1");
	expect("conflict", "POSTED 15334/15334 cleared");
	expect("conflict-2", "EXPECTED 0/15334 held");
	expect_open("conflict-2", "REFERENCE_CONFLICT");
}

static void test_refund_first(void **state)
{
	(void)state;
	order("refund");
	pay("refund", KIND_REFUNDED, PKR(334), "evt_r2", "pi_r1");
	expect("refund", "EXPECTED 0/15334 held");
	assert_int_equal(count_events("refund", "karwan.payment.refunded.v1"), 0);
	assert_string_equal(
		world_text(&w,
			"SELECT state FROM payment.payments WHERE provider_payment_id = $1::text",
			"pi_r1"),
		"REFUND_AHEAD");
	pay("refund", KIND_SUCCEEDED, PKR(15334), "evt_r1", "pi_r1");
	expect("refund", "PARTLY 15000/15334 held");
	expect_open("refund", "REFUND_UNEXPLAINED");
	assert_int_equal(count_events("refund", "karwan.payment.captured.v1"), 1);
	assert_int_equal(count_events("refund", "karwan.payment.refunded.v1"), 1);
	pay("refund", KIND_FAILED, PKR(15334), "evt_r0",
		"pi_r1"); /* the attempt before, told last */
	expect("refund", "PARTLY 15000/15334 held");
	pay("refund", KIND_REFUNDED, PKR(15334), "evt_r3", "pi_r1");
	expect("refund", "PARTLY 0/15334 held");
	assert_int_equal(balance("refund", "CLEARING"), 0);
	/* everything about one payment in one batch, backwards */
	order("refund-2");
	struct payment_reported all[] = { word_of("refund-2", KIND_REFUNDED, PKR(300), "evt_r23",
						  "pi_r2"),
		word_of("refund-2", KIND_REFUNDED, PKR(100), "evt_r22", "pi_r2"),
		word_of("refund-2", KIND_SUCCEEDED, PKR(15634), "evt_r21", "pi_r2"),
		word_of("refund-2", KIND_FAILED, PKR(15634), "evt_r20", "pi_r2") };
	world_run(&w, on_payment_reported, all, 4);
	expect("refund-2", "POSTED 15334/15334 cleared");
	expect_open("refund-2", "");
}

static void test_unknown_reference(void **state)
{
	(void)state;
	order("late-ref");
	pay(NULL, KIND_SUCCEEDED, PKR(15334), "evt_l1", "pi_l1");
	struct kw_uuid payment = kw_uuid_of("payment", "stripe-demo", "pi_l1");
	assert_int_equal(
		world_number(&w,
			"SELECT minor FROM payment.postings WHERE entity_id = $1::text::uuid AND account = 'SUSPENSE'",
			payment.s),
		-15334);
	assert_string_equal(
		world_text(&w,
			"SELECT kind || ' ' || state FROM payment.exceptions WHERE payment_id = $1::text::uuid",
			payment.s),
		"UNKNOWN_REFERENCE OPEN");
	assert_int_equal(
		world_number(&w,
			"SELECT count(*) FROM payment.journal WHERE key = $1::text AND type = 'karwan.payment.captured.v1' "
			"AND payload LIKE '%\"suspense\":true%'",
			payment.s),
		1);
	/* a later event names the order: the money moves, and the exception ends */
	pay("late-ref", KIND_REFUNDED, PKR(1), "evt_l2", "pi_l1");
	expect("late-ref", "PARTLY 15333/15334 held");
	assert_string_equal(
		world_text(&w,
			"SELECT state FROM payment.exceptions WHERE payment_id = $1::text::uuid",
			payment.s),
		"RESOLVED");
	assert_int_equal(balance("late-ref", "SUSPENSE"), 15334);
	/* its events stay in its partition, in their order */
	assert_int_equal(
		world_number(&w,
			"SELECT count(*) FROM payment.journal WHERE entity::text = $1::text AND key = $1::text",
			payment.s),
		2);

	/* unbound and refunded: nothing is left in suspense */
	struct payment_reported both[] = { word_of(NULL, KIND_SUCCEEDED, USD(700), "evt_l3",
						   "pi_l3"),
		word_of(NULL, KIND_REFUNDED, USD(700), "evt_l4", "pi_l3") };
	world_run(&w, on_payment_reported, both, 1);
	world_run(&w, on_payment_reported, both + 1, 1);
	assert_int_equal(
		world_number(&w,
			"SELECT coalesce(sum(minor), 0) FROM payment.postings WHERE entity_id = $1::text::uuid AND account = 'SUSPENSE'",
			kw_uuid_of("payment", "stripe-demo", "pi_l3").s),
		0);
}

struct marked {
	struct missing_orders missing;
};

static enum kw_rc mark(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	(void)n;
	struct missing_orders missing = ((const struct marked *)in)->missing;
	return mark_missing_orders(b, &missing, err);
}

static void test_order_that_does_not_come(void **state)
{
	(void)state;
	struct kw_err err = { 0 };
	struct missing_order *orders;
	size_t n;

	pay("missing", KIND_SUCCEEDED, PKR(15334), "evt_m1", "pi_m1");
	expect("missing", "WAITING_ORDER 0/0 held");
	assert_int_equal(balance("missing", "SUSPENSE"), -15334);
	deliver("nowhere", 1); /* waits too, but no money does */
	assert_int_equal(store_find_missing(w.pg, w.arena,
				 kw_now(&kw_clock_system) - KW_US_PER_S * 3600, &orders, &n, &err),
		KW_OK);
	assert_int_equal(n, 0);
	assert_int_equal(store_find_missing(w.pg, w.arena, kw_now(&kw_clock_system) + KW_US_PER_S,
				 &orders, &n, &err),
		KW_OK);
	assert_int_equal(n, 1);
	assert_string_equal(orders[0].order_id.s, order_id_of("missing").s);
	struct marked marked = { { orders, n } };
	world_run(&w, mark, &marked, 1);
	expect_open("missing", "ORDER_MISSING");
	assert_int_equal(store_find_missing(w.pg, w.arena, kw_now(&kw_clock_system) + KW_US_PER_S,
				 &orders, &n, &err),
		KW_OK);
	assert_int_equal(n, 0);
	world_run(&w, mark, &marked, 1); /* run again: nothing more */
	assert_int_equal(count_events("missing", "karwan.exception.opened.v1"), 1);
	assert_int_equal(
		world_number(&w,
			"SELECT count(DISTINCT trace) * 10 + count(*) FROM payment.journal WHERE key = $1::text AND trace <> ''",
			order_id_of("missing").s),
		12); /* the trace of the money goes on */
	order("missing");
	expect("missing", "POSTED 15334/15334 cleared");
	expect_open("missing", "");
	assert_int_equal(balance("missing", "SUSPENSE"), 0);
	world_run(&w, mark, &marked, 1); /* it came meanwhile */
	expect_open("missing", "");
}

static void test_other_currency(void **state)
{
	(void)state;
	order("foreign");
	pay("foreign", KIND_SUCCEEDED, USD(5500), "evt_f1", "pi_f1");
	expect("foreign", "CURRENCY_MISMATCH 0/15334 held");
	expect_open("foreign", "CURRENCY_MISMATCH");
	assert_int_equal(balance("foreign", "SUSPENSE"), -5500);
	pay("foreign", KIND_REFUNDED, USD(5500), "evt_f2", "pi_f1");
	expect("foreign", "EXPECTED 0/15334 held");
	expect_open("foreign", "");
	pay("foreign", KIND_SUCCEEDED, PKR(15334), "evt_f3", "pi_f3");
	expect("foreign", "POSTED 15334/15334 cleared");
	assert_int_equal(count_events("foreign", "karwan.expectation.settled.v1"), 3);
}

static void test_cash_on_delivery(void **state)
{
	(void)state;
	struct order_received cod = shawls("cod"), test = shawls("test-order");
	cod.cod = true;
	world_run(&w, on_order_received, &cod, 1);
	expect("cod", "EXPECTED 0/15334 cleared");
	assert_int_equal(count_events("cod", "karwan.expectation.settled.v1"), 1);
	route("cod");
	deliver("cod", 1);
	deliver("cod", 2);
	assert_int_equal(balance("cod", "MAKER"), 0);
	assert_int_equal(balance("cod", "RECEIVABLE"), 15334);
	/* the money comes: now it is hers */
	pay("cod", KIND_SUCCEEDED, PKR(15334), "evt_cod", "pi_cod");
	assert_int_equal(balance("cod", "MAKER"), -5853 - 7801);

	test.test = true;
	world_run(&w, on_order_received, &test, 1);
	pay("test-order", KIND_SUCCEEDED, PKR(15334), "evt_t1", "pi_t1");
	expect("test-order", "EXPECTED 0/15334 held");
	expect_open("test-order", "TEST_MONEY");
	assert_int_equal(count_events("test-order", "karwan.expectation.settled.v1"), 0);
}

static void test_cancelled(void **state)
{
	(void)state;
	/* before any money */
	struct order_cancelled all = cancel_all("gone"), second = cancel_second("part"),
			       paid = cancel_all("paid-gone");
	order("gone");
	world_run(&w, on_order_cancelled, &all, 1);
	expect("gone", "VOID 0/0 held");
	assert_int_equal(balance("gone", "RECEIVABLE"), 0);
	/* money that comes after all is due back */
	pay("gone", KIND_SUCCEEDED, PKR(15334), "evt_g1", "pi_g1");
	expect("gone", "VOID 15334/0 held");
	expect_open("gone", "REFUND_DUE");
	pay("gone", KIND_REFUNDED, PKR(15334), "evt_g2", "pi_g1");
	expect("gone", "VOID 0/0 held");
	expect_open("gone", "");

	order("part");
	route("part");
	pay("part", KIND_SUCCEEDED, PKR(15334), "evt_p1", "pi_p1");
	deliver("part", 1);
	world_run(&w, on_order_cancelled, &second, 1);
	expect("part", "OVER 15334/6573 cleared");
	expect_open("part", "REFUND_DUE");
	assert_int_equal(balance("part", "REFUND_DUE"), -(15334 - 6573));
	assert_int_equal(balance("part", "UNEARNED"), 0);
	pay("part", KIND_REFUNDED, PKR(15334 - 6573), "evt_p2", "pi_p1");
	expect("part", "POSTED 6573/6573 cleared");
	expect_open("part", "");

	/* a cancellation that is read before the order */
	world_run(&w, on_order_cancelled, &paid, 1);
	pay("paid-gone", KIND_SUCCEEDED, PKR(15334), "evt_pg", "pi_pg");
	order("paid-gone");
	expect("paid-gone", "VOID 15334/0 held");
	expect_open("paid-gone", "REFUND_DUE");
}

static void test_channels_own_word(void **state)
{
	(void)state;
	struct order_payment_reported said = {
		.meta = meta_of("karwan.order.payment_reported.v1", "own"),
		.order_id = order_id_of("own"),
		.channel = "dibs",
		.external_id = "own",
		.reference = "txn-881",
		.amount = PKR(15334),
	};
	struct order_payment_reported again = said, other = said;

	again.paid_at = 1793610927000000;
	other.amount = PKR(15333);
	world_run(&w, on_order_payment_reported, &said, 1);
	order("own");
	expect("own", "POSTED 15334/15334 cleared");
	world_run(&w, on_order_payment_reported, &again, 1);
	expect_open("own", "");
	world_run(&w, on_order_payment_reported, &other, 1);
	expect("own", "POSTED 15334/15334 cleared");
	expect_open("own", "EVENT_CONFLICT");
	assert_int_equal(
		world_number(&w,
			"SELECT sum(minor) FROM payment.postings WHERE account = 'CLEARING' AND party = $1::text",
			"dibs"),
		15334);
}

static void test_totals_that_do_not_add_up(void **state)
{
	(void)state;
	struct order_received m = shawls("odd");
	m.total = PKR(15003); /* the tax is in the prices */
	world_run(&w, on_order_received, &m, 1);
	expect_open("odd", "TOTALS_MISMATCH");
	route("odd");
	pay("odd", KIND_SUCCEEDED, PKR(15003), "evt_o1", "pi_o1");
	deliver("odd", 1);
	deliver("odd", 2);
	expect("odd", "POSTED 15003/15003 cleared");
	assert_int_equal(balance("odd", "UNEARNED"), 0);
	assert_int_equal(balance("odd", "DIFFERENCE"), 331);
	assert_int_equal(balance("odd", "TAX"), -331);
}

static void invalid(kw_batch_fn *handler, const void *message, const char *pointer)
{
	struct kw_err err = { 0 };
	assert_int_equal(world_try(&w, handler, message, 1, &err), KW_INVALID);
	assert_string_equal(err.pointer, pointer);
}

static void test_bad_amounts_are_invalid(void **state)
{
	(void)state;
	int64_t rows = world_number(&w, "SELECT count(*) FROM payment.expectations", NULL);
	struct order_received m = shawls("bad");
	m.total = PKR(-1);
	invalid(on_order_received, &m, "/total");
	m = shawls("bad");
	m.total = PKR(MONEY_MAX + 1);
	invalid(on_order_received, &m, "/total");
	m = shawls("bad");
	m.shipping = USD(999);
	invalid(on_order_received, &m, "/shipping");
	struct received_line twice[] = { m.lines[0], m.lines[0] };
	m = shawls("bad");
	m.lines = twice;
	invalid(on_order_received, &m, "/lines");
	struct payment_reported p = word_of("bad", KIND_SUCCEEDED, PKR(-5), "evt_b", "pi_b");
	invalid(on_payment_reported, &p, "/amount");
	p = word_of("bad", KIND_REFUNDED, PKR(0), "evt_b", "pi_b");
	invalid(on_payment_reported, &p, "/amount");
	assert_int_equal(world_number(&w, "SELECT count(*) FROM payment.expectations", NULL), rows);
	assert_int_equal(
		world_number(&w,
			"SELECT count(*) FROM payment.payments WHERE provider_payment_id = 'pi_b'",
			NULL),
		0);
}

/* Pages of any size give the same lines, and each line's total is the sum of all before it. */
static void test_statement_adds_up(void **state)
{
	(void)state;
	struct kw_err err = { 0 };
	struct statement_line *all, *page;
	size_t n_all, n, seen = 0;
	const struct kw_uuid none = { "" };

	assert_int_equal(
		store_read_statement(w.pg, w.arena, "amina", 0, &none, 1000, &all, &n_all, &err),
		KW_OK);
	assert_true(n_all >= 4);
	int64_t sum = 0;
	for (size_t i = 0; i < n_all; i++) {
		sum += all[i].amount.minor;
		assert_int_equal(all[i].total.minor, sum);
		assert_string_equal(all[i].title, "Shawl");
		assert_string_equal(all[i].channel, "dibs");
	}
	assert_int_equal(
		-world_number(&w,
			"SELECT sum(minor) FROM payment.postings WHERE account = 'MAKER' AND party = $1::text",
			"amina"),
		sum);
	for (kw_time time = 0;;) {
		struct kw_uuid id = seen ? all[seen - 1].earning_id : none;
		assert_int_equal(
			store_read_statement(w.pg, w.arena, "amina", time, &id, 3, &page, &n, &err),
			KW_OK);
		if (n == 0)
			break;
		for (size_t i = 0; i < n; i++, seen++) {
			assert_string_equal(page[i].earning_id.s, all[seen].earning_id.s);
			assert_int_equal(page[i].total.minor, all[seen].total.minor);
		}
		time = page[n - 1].earned_at;
	}
	assert_int_equal(seen, n_all);
	assert_int_equal(
		store_read_statement(w.pg, w.arena, "nobody", 0, &none, 10, &page, &n, &err),
		KW_OK);
	assert_int_equal(n, 0);
}

static const struct kw_col exception_cols[] = {
	KW_EXCEPTION_COLS(&exception_kinds, &exception_states),
	KW_COL_END,
};
static const struct kw_exception_form exceptions = { &exception_kinds, &exception_states,
	exception_cols, NULL };

static void test_reads(void **state)
{
	(void)state;
	struct kw_err err = { 0 };
	struct payment_view view;
	struct kw_exception *list, *page;
	size_t n, n_page;
	const struct kw_uuid id = kw_uuid_of("payment", "stripe-demo", "pi_l3");

	assert_int_equal(store_read_payment(w.pg, w.arena, &id, &view, &err), KW_OK);
	assert_int_equal(view.state, PAYMENT_REFUNDED);
	assert_int_equal(view.captured.minor, 700);
	assert_string_equal(view.captured.currency, "USD");
	assert_false(view.suspense);
	struct kw_uuid test = kw_uuid_of("payment", "stripe-demo", "pi_t1");
	assert_int_equal(store_read_payment(w.pg, w.arena, &test, &view, &err), KW_OK);
	assert_true(view.suspense);
	struct kw_uuid unknown = kw_uuid_random();
	assert_int_equal(store_read_payment(w.pg, w.arena, &unknown, &view, &err), KW_NOTHING);

	struct kw_exception_asked all = { .limit = 1000 };
	assert_int_equal(
		kw_exceptions_read(w.pg, w.arena, &exceptions, &all, &list, &n, &err), KW_OK);
	assert_int_equal(n, world_number(&w, "SELECT count(*) FROM payment.exceptions", NULL));
	struct kw_exception_asked next = {
		.after_time = list[1].opened_at, .after_id = list[1].exception_id, .limit = 2
	};
	assert_int_equal(
		kw_exceptions_read(w.pg, w.arena, &exceptions, &next, &page, &n_page, &err), KW_OK);
	assert_int_equal(n_page, 2);
	assert_string_equal(page[0].exception_id.s, list[2].exception_id.s);
	struct kw_exception_asked some = {
		.kind = "EVENT_CONFLICT", .state = "OPEN", .limit = 1000
	};
	assert_int_equal(
		kw_exceptions_read(w.pg, w.arena, &exceptions, &some, &page, &n_page, &err), KW_OK);
	assert_int_equal(n_page, 2);
	assert_int_equal(page[0].kind, FAULT_EVENT_CONFLICT);
	assert_string_equal(page[0].owner, "finance");
	assert_int_equal(page[0].received.minor, 99999);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_under_then_over_then_exact, check),
		cmocka_unit_test_teardown(test_same_event_other_content, check),
		cmocka_unit_test_teardown(test_refund_first, check),
		cmocka_unit_test_teardown(test_unknown_reference, check),
		cmocka_unit_test_teardown(test_order_that_does_not_come, check),
		cmocka_unit_test_teardown(test_other_currency, check),
		cmocka_unit_test_teardown(test_cash_on_delivery, check),
		cmocka_unit_test_teardown(test_cancelled, check),
		cmocka_unit_test_teardown(test_channels_own_word, check),
		cmocka_unit_test_teardown(test_totals_that_do_not_add_up, check),
		cmocka_unit_test_teardown(test_bad_amounts_are_invalid, check),
		cmocka_unit_test(test_statement_adds_up),
		cmocka_unit_test(test_reads),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
