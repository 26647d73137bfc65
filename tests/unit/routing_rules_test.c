/* Judging and folding a channel's messages, checking a canonical order, ending lines: pure
 * functions on plain structs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rules.h"
#include "states.h"

static struct kw_arena *arena;

static int setup(void **state)
{
	(void)state;
	arena = kw_arena_new(16 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kw_arena_free(arena);
	return 0;
}

#define PKR(n)             \
	{                  \
		(n), "PKR" \
	}

static struct submitted message(void)
{
	struct submitted m = {
		.order_id = kw_uuid_of("order", "shop", "1"),
		.channel = "shop",
		.external_id = "1",
		.kind = KIND_CREATED,
		.source_time = 100,
		.placed_at = 100,
		.content_hash = "a",
		.currency = "PKR",
		.total = PKR(25000),
		.lines_total = PKR(30000),
		.discount = PKR(5000),
		.shipping = PKR(0),
		.tax = PKR(0),
		.n_lines = 2,
		.lines = kw_new(arena, struct submitted_line, 2),
	};
	m.lines[0] = (struct submitted_line) { "1", "A", "a", 2, PKR(10000), PKR(5000) };
	m.lines[1] = (struct submitted_line) { "2", "B", NULL, 1, PKR(10000), PKR(0) };
	return m;
}

static void judged_by_kind_time_and_content(void **state)
{
	struct submitted m = message(), x;
	struct work k = { 0 };
	struct seen seen[] = { { m.order_id, KIND_UPDATED, 200, "u", false },
		{ m.order_id, KIND_UPDATED, 200, "v", true } };

	(void)state;
	assert_int_equal(judge_message(&k.o, true, NULL, 0, &m), MESSAGE_NEW);
	work_begin(&k, &m, NULL, 1000, arena);
	assert_int_equal(judge_message(&k.o, false, seen, 2, &m), MESSAGE_REPEAT);
	x = m, x.content_hash = "b";
	assert_int_equal(judge_message(&k.o, false, seen, 2, &x), MESSAGE_CONFLICT);
	x = m, x.content_hash = "b", x.source_time = 101;
	assert_int_equal(judge_message(&k.o, false, seen, 2, &x), MESSAGE_NEW);
	x = m, x.kind = KIND_PAID;
	assert_int_equal(judge_message(&k.o, false, seen, 2, &x), MESSAGE_NEW);
	x = m, x.kind = KIND_UPDATED, x.source_time = 200, x.content_hash = "u";
	assert_int_equal(judge_message(&k.o, false, seen, 2, &x), MESSAGE_REPEAT);
	x.content_hash = "v"; /* a conflict that is quarantined already */
	assert_int_equal(judge_message(&k.o, false, seen, 2, &x), MESSAGE_REPEAT);
	x.content_hash = "w";
	assert_int_equal(judge_message(&k.o, false, seen, 2, &x), MESSAGE_CONFLICT);
}

static void newer_by_time_then_rank(void **state)
{
	static const int ranked[] = { KIND_CREATED, KIND_UPDATED, KIND_PAID, KIND_CANCELLED };
	struct order o = { .source_time = 100 };
	struct submitted m = message();

	(void)state;
	m.kind = KIND_CANCELLED, m.source_time = 99;
	assert_false(message_is_newer(&o, &m));
	m.kind = KIND_CREATED, m.source_time = 101, o.source_kind = KIND_CANCELLED;
	assert_true(message_is_newer(&o, &m));
	m.source_time = 100;
	for (size_t i = 0; i < 4; i++)
		for (size_t j = 0; j < 4; j++) {
			o.source_kind = ranked[i], m.kind = ranked[j];
			assert_int_equal(message_is_newer(&o, &m), j > i);
		}
}

static void an_update_takes_facts_and_names_the_rest(void **state)
{
	struct submitted m = message(), x;
	struct work k = { 0 };

	(void)state;
	work_begin(&k, &m, "home", 1000, arena);
	assert_int_equal(k.o.seen_at, 1000);
	assert_int_equal(k.lines[0].parked, 2);
	x = message(), x.kind = KIND_UPDATED, x.source_time = 200, x.financial_status = "paid";
	assert_int_equal(work_update(&k, &x, "home"), 0);
	assert_string_equal(k.o.financial_status, "paid");
	assert_int_equal(work_update(&k, &x, "away"), 0); /* nobody was told the old one */
	assert_string_equal(k.o.ship_to, "away");
	k.o.n_fulfilments = 1;
	assert_int_equal(work_update(&k, &x, "home"), 1u << EXCEPTION_ADDRESS_CHANGED);
	assert_string_equal(k.o.ship_to, "away");
	x.lines[1].quantity = 3;
	assert_int_equal(work_update(&k, &x, "away"), 1u << EXCEPTION_LINES_CHANGED);
	x = message(), x.kind = KIND_UPDATED, x.shipping.minor++, x.total.minor++;
	assert_int_equal(work_update(&k, &x, "away"), 1u << EXCEPTION_LINES_CHANGED);
	assert_int_equal(k.o.total, m.total.minor);
	assert_int_equal(k.o.shipping, m.shipping.minor);
	memcpy(x.total.currency, "USD", 4);
	assert_int_equal(work_update(&k, &x, "away"), 1u << EXCEPTION_CURRENCY_CHANGED);
	assert_string_equal(k.o.currency, "PKR");
}

static void the_field_that_differs(void **state)
{
	struct submitted m = message(), x = message();
	struct work k = { 0 };

	(void)state;
	work_begin(&k, &m, "home", 1000, arena);
	assert_string_equal(differing_field(&k, &x, "home"), "content");
	assert_string_equal(differing_field(&k, &x, NULL), "ship_to");
	x.lines[0].sku = "other";
	assert_string_equal(differing_field(&k, &x, "home"), "lines");
	x.total.minor++;
	assert_string_equal(differing_field(&k, &x, "home"), "total");
}

static void checked(struct submitted *m, const char *pointer)
{
	struct kw_err err = { 0 };

	assert_int_equal(submitted_check(m, &err), KW_INVALID);
	assert_string_equal(err.pointer, pointer);
}

static void totals_are_flagged_and_nonsense_refused(void **state)
{
	struct submitted m = message();
	struct kw_err err;

	(void)state;
	assert_int_equal(submitted_check(&m, &err), KW_OK);
	assert_null(m.totals_flag);
	m.tax = (struct kw_money)PKR(100); /* in the prices already */
	assert_int_equal(submitted_check(&m, &err), KW_OK);
	assert_null(m.totals_flag);
	m.total.minor += 100; /* or on top */
	assert_int_equal(submitted_check(&m, &err), KW_OK);
	assert_null(m.totals_flag);
	m.total.minor += 100;
	assert_int_equal(submitted_check(&m, &err), KW_OK);
	assert_string_equal(m.totals_flag, "TOTAL");
	m.lines_total.minor -= 200;
	assert_int_equal(submitted_check(&m, &err), KW_OK);
	assert_string_equal(m.totals_flag, "LINES_TOTAL TOTAL");

	m = message(), m.total.minor = -1;
	checked(&m, "/total");
	m = message(), memcpy(m.shipping.currency, "USD", 4);
	checked(&m, "/shipping");
	m = message(), memcpy(m.lines[1].price.currency, "USD", 4);
	checked(&m, "/lines/1/price");
	m = message(), m.lines[1].line_id = "1";
	checked(&m, "/lines/1/line_id");
	m = message(), m.lines[0].discount.minor = -1;
	checked(&m, "/lines/0/discount");
	m = message(), m.lines[0].price.minor = INT64_MAX;
	checked(&m, "/lines/0/price");
}

/* One line of two from stock in fulfilment 1, one of one in fulfilment 2. */
static struct work routed(struct world *w)
{
	static const struct line lines[] = {
		{ .no = 1, .quantity = 2, .allocated = 2, .reason = NOT_PARKED },
		{ .no = 2, .quantity = 2, .allocated = 1, .parked = 1, .reason = OUT_OF_STOCK }
	};
	struct stock *stock = kw_new(arena, struct stock, 1);
	struct work k = { .n_lines = 2, .n_fulfilments = 2, .n_allocations = 2 };

	*stock = (struct stock) { .listing_id = "A", .on_hand = 3, .allocated = 3 };
	*w = (struct world) { .stock = { .rows = stock, .n = 1, .arena = arena }, .arena = arena };
	k.lines = kw_arena_copy(arena, lines, sizeof(lines));
	k.fulfilments = kw_new(arena, struct fulfilment, 2);
	k.fulfilments[0] = (struct fulfilment) { .n = 1, .maker_id = "m" };
	k.fulfilments[1] = (struct fulfilment) { .n = 2, .maker_id = "m" };
	k.allocations = kw_new(arena, struct allocation, 2);
	k.allocations[0] =
		(struct allocation) { .n = 1, .line_no = 1, .listing_id = "A", .quantity = 2 };
	k.allocations[1] =
		(struct allocation) { .n = 2, .line_no = 2, .listing_id = "A", .quantity = 1 };
	return k;
}

static void cancelling_takes_what_has_not_left(void **state)
{
	struct world w;
	struct work k = routed(&w);
	int cancelled[2] = { 0 };

	(void)state;
	k.fulfilments[0].state = FULFILMENT_IN_PROGRESS;
	k.lines[0].allocated = 0, k.lines[0].shipped = 2;
	assert_int_equal(work_cancel(&w, &k, cancelled), 2);
	assert_int_equal(cancelled[0], 0);
	assert_int_equal(cancelled[1], 2);
	assert_int_equal(k.fulfilments[1].state, FULFILMENT_CANCELLED);
	assert_int_equal(w.stock.rows[0].allocated, 2);
	assert_int_equal(order_state_of(k.lines, 2), ORDER_SHIPPED);
	/* again: nothing is left, and it says why */
	memset(cancelled, 0, sizeof(cancelled));
	assert_int_equal(work_cancel(&w, &k, cancelled), 0);
	assert_string_equal(cancel_refusal(&k), "ALREADY_HANDED_OVER");
	assert_int_equal(w.stock.rows[0].allocated, 2);
}

static void expiry_takes_what_is_parked(void **state)
{
	struct world w;
	struct work k = routed(&w);
	int cancelled[2] = { 0 };

	(void)state;
	assert_int_equal(work_expire(&k, cancelled), 1);
	assert_int_equal(k.lines[1].expired, 1);
	assert_int_equal(order_state_of(k.lines, 2), ORDER_ROUTED);
	assert_int_equal(work_expire(&k, cancelled), 0);
}

static void parcels_move_the_counters(void **state)
{
	struct world w;
	struct work k = routed(&w);
	struct fulfilment *f = &k.fulfilments[0];

	(void)state;
	assert_int_equal(work_parcel(&k, f, EV_HANDED_OVER), PARCEL_LEFT);
	assert_int_equal(k.lines[0].shipped, 2);
	assert_int_equal(work_parcel(&k, f, EV_HANDED_OVER), PARCEL_NOTHING);
	assert_int_equal(work_parcel(&k, f, EV_PARCEL_CANCELLED), PARCEL_NOTHING);
	assert_int_equal(work_parcel(&k, f, EV_DELIVERED), PARCEL_MOVED);
	assert_int_equal(k.lines[0].delivered, 2);
	assert_int_equal(work_parcel(&k, f, EV_LOST), PARCEL_NOTHING);
	assert_int_equal(k.lines[0].incomplete, 0);
	f = &k.fulfilments[1];
	assert_int_equal(work_parcel(&k, f, EV_PARCEL_CANCELLED), PARCEL_EXCEPTION);
	assert_int_equal(work_parcel(&k, f, EV_RETURNED), PARCEL_LEFT);
	assert_int_equal(k.lines[1].incomplete, 1);
	assert_int_equal(k.lines[1].shipped, 1);
	f->state = FULFILMENT_CANCELLED;
	assert_int_equal(work_parcel(&k, f, EV_DELIVERED), PARCEL_EXCEPTION);
	assert_int_equal(work_parcel(&k, f, EV_PARCEL_CANCELLED), PARCEL_NOTHING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judged_by_kind_time_and_content),
		cmocka_unit_test(newer_by_time_then_rank),
		cmocka_unit_test(an_update_takes_facts_and_names_the_rest),
		cmocka_unit_test(the_field_that_differs),
		cmocka_unit_test(totals_are_flagged_and_nonsense_refused),
		cmocka_unit_test(cancelling_takes_what_has_not_left),
		cmocka_unit_test(expiry_takes_what_is_parked),
		cmocka_unit_test(parcels_move_the_counters),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
