/* Stock, capacity and rules through the handlers and the stock job, on a real PostgreSQL; the view
 * drift finds what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "routing_stage.h"

static struct stage w;

static int setup(void **state)
{
	(void)state;
	stage_make(&w, "routing_stock");
	SAY(&w, HUB(&w, "hub-a", 1), HUB(&w, "hub-b", 1),
		MAKER(&w, "zainab", "hub-a", "weave", 5, "ACTIVE", 1));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stage_done(&w);
	return 0;
}

static const char *events(const char *external_id)
{
	return stage_events(&w, order_id(&w, external_id));
}

static const char *stock(const char *listing)
{
	return stage_text(&w,
		"SELECT on_hand || '/' || allocated || ' at ' || version FROM stock WHERE "
		"listing_id = $1::text",
		listing);
}

static const char *moves(const char *listing)
{
	return stage_text(&w,
		"SELECT string_agg(kind || ' ' || on_hand || '/' || allocated, ', ' ORDER BY "
		"version) FROM stock_movements WHERE listing_id = $1::text",
		listing);
}

static const char *given_to(const char *external_id)
{
	return stage_text(&w,
		"SELECT string_agg(f.maker_id || ':' || a.quantity || ':' || a.rule, ' ' ORDER "
		"BY a.n) FROM allocations a JOIN fulfilments f USING (order_no, n) "
		"WHERE order_id = $1::text::uuid",
		order_id(&w, external_id));
}

static void counts_become_movements(void **state)
{
	(void)state;
	SAY(&w, LISTING(&w, "rug", "STOCKED", "zainab", "hub-a", "weave", 10, "APPROVED", 1));
	stage_stock(&w);
	assert_string_equal(stock("rug"), "10/0 at 1");
	/* the same event again, and an older one */
	SAY(&w, LISTING(&w, "rug", "STOCKED", "zainab", "hub-a", "weave", 10, "APPROVED", 1));
	stage_stock(&w);
	assert_string_equal(stock("rug"), "10/0 at 1");
	SAY(&w, LISTING(&w, "rug", "STOCKED", "zainab", "hub-a", "weave", 7, "APPROVED", 3),
		LISTING(&w, "rug", "STOCKED", "zainab", "hub-a", "weave", 99, "APPROVED", 2));
	stage_stock(&w);
	assert_string_equal(stock("rug"), "7/0 at 2");
	SAY(&w, ORDERED(&w, .external_id = "rug1", .lines = "rug:4"));
	SAY(&w, PARCEL(&w, "handed_over", "rug1", 1));
	stage_stock(&w);
	assert_string_equal(moves("rug"), "RECEIPT 10/0, ADJUST -3/0, RESERVE 0/4, SALE -4/-4");
	stage_is_clean(&w);
}

static void promised_pieces_cannot_be_counted_away(void **state)
{
	(void)state;
	SAY(&w, LISTING(&w, "pot", "STOCKED", "zainab", "hub-a", "weave", 5, "APPROVED", 1));
	stage_stock(&w);
	SAY(&w, ORDERED(&w, .external_id = "pot1", .lines = "pot:3"));
	SAY(&w, LISTING(&w, "pot", "STOCKED", "zainab", "hub-a", "weave", 0, "APPROVED", 2));
	stage_stock(&w);
	assert_string_equal(stock("pot"), "3/3 at 3");
	assert_int_equal(
		stage_number(
			&w, "SELECT count(*) FROM exceptions WHERE kind = 'STOCK_SHORT'", NULL),
		1);
	SAY(&w, LISTING(&w, "pot", "STOCKED", "zainab", "hub-a", "weave", 5, "APPROVED", 3));
	stage_stock(&w);
	/* of the five that came three make up for those that were gone */
	assert_string_equal(stock("pot"), "5/3 at 5");
	stage_is_clean(&w);
}

static void the_last_shawl(void **state)
{
	(void)state;
	struct said said[50];

	SAY(&w, LISTING(&w, "one", "ONE_OF_A_KIND", "zainab", "hub-a", "weave", 3, "APPROVED", 1));
	stage_stock(&w);
	for (int i = 0; i < 50; i++)
		said[i] = (struct said)ORDERED(
			&w, .external_id = kw_arena_printf(w.arena, "one%d", i), .lines = "one:1");
	stage_say(&w, said, 50);
	assert_string_equal(stock("one"), "1/1 at 2");
	assert_string_equal(events("one0"), "received:1 routed:2");
	assert_string_equal(events("one49"), "received:1 parked:2");
	const char *payload =
		stage_text(&w, "SELECT payload FROM journal WHERE key = $1::text AND version = 2",
			order_id(&w, "one0"));
	assert_non_null(strstr(payload,
		"\"depleted\":[{\"listing_id\":\"one\",\"available\":0,\"stock_version\":2}]"));
	/* what is cancelled goes to the one who has waited longest */
	SAY(&w, { "karwan.order.cancel_requested.v1",
			kw_arena_printf(w.arena,
				"{\"order_id\":\"%s\",\"request_id\":\"r\",\"reason\":\"asked\",\"by\":\"operator\"}",
				order_id(&w, "one0")) });
	stage_stock(&w);
	assert_string_equal(events("one1"), "received:1 parked:2 routed:3");
	assert_string_equal(events("one2"), "received:1 parked:2");
	assert_string_equal(stock("one"), "1/1 at 4");
	stage_is_clean(&w);
}

static void parked_lines_wait_for_what_comes(void **state)
{
	(void)state;
	SAY(&w, ORDERED(&w, .external_id = "wait", .lines = "later:2"));
	assert_string_equal(events("wait"), "received:1 parked:2");
	SAY(&w, LISTING(&w, "later", "STOCKED", "zainab", "hub-z", "weave", 0, "APPROVED", 1));
	stage_stock(&w);
	assert_string_equal(events("wait"), "received:1 parked:2 parked:3"); /* another reason */
	SAY(&w, LISTING(&w, "later", "STOCKED", "zainab", "hub-z", "weave", 2, "APPROVED", 2));
	stage_stock(&w);
	assert_string_equal(
		stage_text(&w, "SELECT reason FROM parked WHERE order_id = $1::text::uuid",
			order_id(&w, "wait")),
		"UNKNOWN_HUB");
	SAY(&w, HUB(&w, "hub-z", 1));
	stage_stock(&w);
	assert_string_equal(stage_state(&w, order_id(&w, "wait")), "ROUTED");
	/* the trace of the webhook goes on */
	assert_int_equal(
		stage_number(&w,
			"SELECT count(DISTINCT substr(trace, 1, 35)) FROM journal WHERE key = "
			"$1::text",
			order_id(&w, "wait")),
		1);
	stage_is_clean(&w);
}

static void an_arrival_that_crossed_is_found_by_the_clock(void **state)
{
	(void)state;
	SAY(&w, ORDERED(&w, .external_id = "cross", .lines = "crossed:1"));
	SAY(&w, LISTING(&w, "crossed", "STOCKED", "zainab", "hub-a", "weave", 1, "APPROVED", 1));
	stage_script(
		&w, "DELETE FROM wakes WHERE key LIKE 'sku:%'"); /* as if it had been taken before
								    the order's batch was visible */
	stage_stock(&w);
	assert_string_equal(events("cross"), "received:1 parked:2");
	stage_later(&w, 5);
	stage_stock(&w);
	assert_string_equal(events("cross"), "received:1 parked:2 routed:3");
}

static void work_goes_by_the_rules(void **state)
{
	(void)state;
	SAY(&w, MAKER(&w, "amina", "hub-a", "knit", 2, "ACTIVE", 1),
		MAKER(&w, "basra", "hub-a", "knit", 3, "ACTIVE", 1),
		MAKER(&w, "celia", "hub-b", "knit", 9, "ACTIVE", 1),
		LISTING(&w, "sock", "MADE_TO_ORDER", "amina", "hub-a", "knit", 0, "APPROVED", 1));
	SAY(&w, ORDERED(&w, .external_id = "s1", .lines = "sock:2"));
	assert_string_equal(given_to("s1"), "amina:2:own-maker");
	SAY(&w, ORDERED(&w, .external_id = "s2", .lines = "sock:2"));
	assert_string_equal(given_to("s2"), "basra:2:same-hub");
	SAY(&w, ORDERED(&w, .external_id = "s3", .lines = "sock:2"));
	assert_string_equal(given_to("s3"), "celia:2:any-hub");
	/* eight: more than one has left; shared by those who have */
	SAY(&w, ORDERED(&w, .external_id = "s4", .lines = "sock:8"));
	assert_string_equal(given_to("s4"), "basra:1:same-hub celia:7:any-hub");
	SAY(&w, ORDERED(&w, .external_id = "s5", .lines = "sock:1"));
	assert_string_equal(
		stage_text(&w, "SELECT reason FROM parked WHERE order_id = $1::text::uuid",
			order_id(&w, "s5")),
		"NO_CAPACITY");
	/* she takes more from now on */
	SAY(&w, MAKER(&w, "basra", "hub-a", "knit", 4, "ACTIVE", 2));
	stage_stock(&w);
	assert_string_equal(given_to("s5"), "basra:1:same-hub");
	stage_is_clean(&w);
}

static void leave_and_next_week(void **state)
{
	(void)state;
	SAY(&w, MAKER(&w, "dua", "hub-a", "bead", 1, "ON_LEAVE", 1),
		LISTING(&w, "bead", "MADE_TO_ORDER", "dua", "hub-a", "bead", 0, "APPROVED", 1));
	SAY(&w, ORDERED(&w, .external_id = "b1", .lines = "bead:1"),
		ORDERED(&w, .external_id = "b2", .lines = "bead:1"));
	assert_string_equal(
		stage_text(&w,
			"SELECT string_agg(DISTINCT reason, ' ') FROM parked JOIN orders USING "
			"(order_id) WHERE external_id LIKE 'b_'",
			NULL),
		"MAKER_ON_LEAVE");
	SAY(&w, MAKER(&w, "dua", "hub-a", "bead", 1, "ACTIVE", 2));
	stage_stock(&w);
	assert_string_equal(given_to("b1"), "dua:1:own-maker");
	assert_string_equal(given_to("b2"), "");
	/* the promise has moved to a week in which she is free */
	stage_later(&w, 7 * 86400);
	stage_stock(&w);
	assert_string_equal(given_to("b2"), "dua:1:own-maker");
	stage_is_clean(&w);
}

static void an_order_that_must_not_be_split(void **state)
{
	(void)state;
	stage_script(&w,
		"INSERT INTO rules (position, name, currency, min_total, scope, split) VALUES "
		"(5, 'dear-together', 'PKR', 50000, 'OWN_MAKER', 'NO_SPLIT')");
	SAY(&w, MAKER(&w, "esha", "hub-b", "weave", 5, "ACTIVE", 1),
		LISTING(&w, "n1", "STOCKED", "zainab", "hub-a", "weave", 20, "APPROVED", 1),
		LISTING(&w, "n2", "STOCKED", "esha", "hub-b", "weave", 20, "APPROVED", 1));
	stage_stock(&w);
	SAY(&w, ORDERED(&w, .external_id = "n1", .lines = "n1:3 n2:3"),
		ORDERED(&w, .external_id = "n2", .lines = "n1:5 n2:1"),
		ORDERED(&w, .external_id = "n3", .lines = "n1:5 n1x:1"),
		ORDERED(&w, .external_id = "n4", .lines = "n1:1 n2:1"));
	assert_string_equal(events("n1"), "received:1 parked:2");
	assert_string_equal(
		stage_text(&w,
			"SELECT string_agg(o.external_id || ' ' || p.reason, ', ' ORDER BY "
			"o.external_id, p.line_no) FROM parked p JOIN orders o USING (order_id) "
			"WHERE external_id LIKE 'n_'",
			NULL),
		"n1 SPLIT_NOT_ALLOWED, n1 SPLIT_NOT_ALLOWED, n2 SPLIT_NOT_ALLOWED, n2 "
		"SPLIT_NOT_ALLOWED, n3 SPLIT_NOT_ALLOWED, n3 UNKNOWN_LISTING");
	assert_string_equal(events("n4"), "received:1 routed:2");
	assert_string_equal(stock("n1"), "20/1 at 2");
	stage_script(&w, "DELETE FROM rules WHERE position = 5");
	stage_is_clean(&w);
}

/* The check is checked: each of these must be named. */
static void mutants_are_caught(void **state)
{
	(void)state;
	static const struct {
		const char *mutate, *invariant, *heal;
	} mutants[] = {
		{ "UPDATE stock SET on_hand = on_hand + 1 WHERE listing_id = 'rug'", "stock_sum",
			"UPDATE stock SET on_hand = on_hand - 1 WHERE listing_id = 'rug'" },
		{ "UPDATE orders SET state = 'DELIVERED' WHERE external_id = 'rug1'", "order_state",
			"UPDATE orders SET state = 'SHIPPED' WHERE external_id = 'rug1'" },
		{ "UPDATE order_lines SET allocated = allocated - 1, parked = parked + 1 FROM "
		  "orders o WHERE o.order_no = order_lines.order_no AND external_id = 's1'",
			"line_allocation",
			"UPDATE order_lines SET allocated = allocated + 1, parked = parked - 1 "
			"FROM orders o WHERE o.order_no = order_lines.order_no AND external_id = "
			"'s1'" },
		{ "UPDATE capacity SET used = used + 1 WHERE maker_id = 'amina'", "capacity_used",
			"UPDATE capacity SET used = used - 1 WHERE maker_id = 'amina'" },
		{ "UPDATE allocations SET quantity = quantity + 1 FROM orders o WHERE o.order_no "
		  "= allocations.order_no AND external_id = 'n4'",
			"stock_allocated",
			"UPDATE allocations SET quantity = quantity - 1 FROM orders o WHERE "
			"o.order_no = allocations.order_no AND external_id = 'n4'" },
	};

	for (size_t i = 0; i < sizeof(mutants) / sizeof(mutants[0]); i++) {
		stage_script(&w, mutants[i].mutate);
		assert_true(
			stage_number(&w, "SELECT count(*) FROM drift WHERE rule = upper($1::text)",
				mutants[i].invariant) > 0);
		stage_script(&w, mutants[i].heal);
		stage_is_clean(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_become_movements),
		cmocka_unit_test(promised_pieces_cannot_be_counted_away),
		cmocka_unit_test(the_last_shawl),
		cmocka_unit_test(parked_lines_wait_for_what_comes),
		cmocka_unit_test(an_arrival_that_crossed_is_found_by_the_clock),
		cmocka_unit_test(work_goes_by_the_rules),
		cmocka_unit_test(leave_and_next_week),
		cmocka_unit_test(an_order_that_must_not_be_split),
		cmocka_unit_test(mutants_are_caught),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
