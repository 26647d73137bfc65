/* Statements and the handlers of an order's facts, on a real PostgreSQL with the service's login.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dispatch_testing.h"
#include "stmts.h"

static void test_statements(void **state)
{
	struct kw_err err = { 0 };

	(void)state;
	dt_must(kw_pg_prepare_all(dt_pg, dispatch_stmts, dispatch_n_stmts, &err), &err);
}

/* Nothing is deleted, and nobody else's rows are touched. */
static void test_rights(void **state)
{
	static const char *const forbidden[] = { "DELETE FROM parcels",
		"UPDATE requests SET reason = ''", "UPDATE journal SET payload = ''",
		"DELETE FROM refusals", "CREATE TABLE mine (id int)" };
	struct kw_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < KW_LEN(forbidden); i++) {
		assert_int_not_equal(kw_pg_script(dt_pg, forbidden[i], &err), KW_OK);
		assert_string_equal(err.code, "42501");
	}
}

static void test_either_comes_first(void **state)
{
	struct dt_routed second = { .order = "o2", .n = 1 };

	(void)state;
	/* routed, then cleared */
	dt_route(&(struct dt_routed) { .order = "o1", .n = 2 }, 1);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "PLANNED");
	assert_int_equal(dt_count("SELECT count(*) FROM journal"), 0);
	dt_settle("o1", false, 1);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "PLANNED");
	dt_settle("o1", true, 2);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "READY");
	assert_string_equal(dt_parcel_text("courier", "o1", 2), "courier-a");
	assert_string_equal(dt_events("o1", 2), "created");
	/* cleared, then routed */
	dt_settle("o2", true, 3);
	dt_route(&second, 1);
	assert_string_equal(dt_parcel_text("state", "o2", 1), "READY");
	assert_string_equal(dt_events("o2", 1), "created");
	assert_int_equal(dt_count("SELECT count(*) FROM intents WHERE kind = 'book'"), 3);
	/* all of it again */
	dt_route(&second, 1);
	dt_settle("o2", true, 3);
	dt_settle("o1", true, 2);
	assert_int_equal(dt_count("SELECT count(*) FROM journal"), 3);
	assert_int_equal(dt_count("SELECT count(*) FROM parcels"), 3);
}

/* A word about the money that is older than the last one changes nothing. */
static void test_stale_word(void **state)
{
	(void)state;
	dt_settle("o1", false, 9);
	dt_settle("o1", true, 8);
	dt_route(&(struct dt_routed) { .order = "o1", .n = 1 }, 1);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "PLANNED");
	dt_settle("o1", true, 10);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "READY");
}

/* One batch: the same order routed twice, others between. */
static void test_batch(void **state)
{
	struct dt_routed in[] = {
		{ .order = "o3", .n = 2, .state = ORDER_PARTLY_ROUTED },
		{ .order = "o1", .n = 1 },
		{ .order = "o3", .n = 2, .first_n = 2 }, /* n 2 again, and 3 */
		{ .order = "o2", .n = 3 },
	};

	(void)state;
	dt_settle("o3", true, 1);
	dt_route(in, KW_LEN(in));
	assert_int_equal(dt_count("SELECT count(*) FROM parcels WHERE state = 'READY'"), 3);
	assert_int_equal(dt_count("SELECT count(*) FROM parcels WHERE state = 'PLANNED'"), 4);
	assert_int_equal(dt_count("SELECT routings FROM orders ORDER BY routings DESC LIMIT 1"), 2);
	assert_int_equal(dt_count("SELECT count(*) FROM journal"), 3);
	/* what the events carry is what was routed */
	assert_int_equal(
		dt_count("SELECT count(*) FROM journal WHERE payload::json #>> '{ship_to,city}' = "
			 "'Lahore' AND "
			 "payload::json #>> '{lines,0,sku}' = 'SHAWL-1' AND payload::json ->> "
			 "'weight_g' = '500' AND "
			 "payload::json #>> '{declared_value,amount}' = '1000.00' AND "
			 "payload::json ->> 'version' = '1'"),
		3);
}

static void test_on_delivery(void **state)
{
	struct dt_routed first = {
		.order = "o1", .n = 2, .cod = true, .total = 330000, .state = ORDER_PARTLY_ROUTED
	};
	struct dt_routed rest = {
		.order = "o1", .n = 1, .first_n = 3, .cod = true, .total = 330000
	};

	(void)state;
	dt_settle("o1", true, 1);
	dt_route(&first, 1);
	assert_string_equal(dt_parcel_text("amount_due", "o1", 1), "100000");
	dt_route(&rest, 1);
	assert_string_equal(dt_parcel_text("amount_due", "o1", 3), "130000");
	dt_route(&rest, 1);
	assert_int_equal(dt_count("SELECT sum(amount_due) FROM parcels"), 330000);
	assert_int_equal(
		dt_count("SELECT count(*) FROM journal WHERE payload::json #>> '{amount_due,"
			 "amount}' = '1300.00'"),
		1);
	/* not on delivery: no amount at all */
	dt_ready("o2", 1);
	assert_int_equal(
		dt_count(
			"SELECT count(*) FROM journal WHERE payload::json -> 'amount_due' IS NULL"),
		1);
}

static void test_no_courier(void **state)
{
	struct kw_err err = { 0 };

	(void)state;
	dt_settle("o1", true, 1);
	dt_route(&(struct dt_routed) { .order = "o1", .n = 1, .country = "US" }, 1);
	dt_settle("o2", true, 2);
	dt_route(&(struct dt_routed) { .order = "o2", .n = 1, .weight_g = 30001 }, 1);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "READY");
	assert_string_equal(dt_parcel_text("reason", "o1", 1), "NO_COURIER");
	assert_string_equal(dt_events("o1", 1), "created");
	assert_int_equal(
		dt_count("SELECT count(*) FROM exceptions WHERE kind = 'NO_COURIER' AND state = "
			 "'OPEN'"),
		2);
	assert_int_equal(dt_count("SELECT count(*) FROM intents"), 0);
	dt_must(dt_cancel(dt_pg, dt_arena, "o1", 1, 1, &err), &err);
	assert_int_equal(dt_count("SELECT count(*) FROM exceptions WHERE state = 'OPEN'"), 1);
}

static void test_cancel(void **state)
{
	struct kw_err err = { 0 };

	(void)state;
	dt_ready("o1", 3);
	dt_must(dt_cancel(dt_pg, dt_arena, "o1", 1, 2, &err), &err);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "CANCELLED");
	assert_string_equal(dt_parcel_text("reason", "o1", 2), "CUSTOMER");
	assert_string_equal(dt_parcel_text("state", "o1", 3), "READY");
	assert_string_equal(dt_events("o1", 1), "created cancelled");
	assert_int_equal(dt_count("SELECT count(*) FROM intents WHERE state = 'FAILED'"), 2);
	assert_int_equal(dt_count("SELECT count(*) FROM intents WHERE kind = 'cancel'"), 0);
	/* again: nothing */
	dt_must(dt_cancel(dt_pg, dt_arena, "o1", 1, 2, &err), &err);
	assert_string_equal(dt_events("o1", 1), "created cancelled");
	assert_int_equal(dt_count("SELECT count(*) FROM requests WHERE outcome = 'ACCEPTED'"), 2);
}

/* Cancelled before it was paid: no partner hears of it. Cancelled before it was routed: remembered.
 */
static void test_cancel_early(void **state)
{
	struct kw_err err = { 0 };

	(void)state;
	dt_route(&(struct dt_routed) { .order = "o1", .n = 1 }, 1);
	dt_must(dt_cancel(dt_pg, dt_arena, "o1", 1, 1, &err), &err);
	dt_settle("o1", true, 1);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "CANCELLED");
	assert_string_equal(dt_events("o1", 1), "");

	dt_must(dt_cancel(dt_pg, dt_arena, "o2", 2, 1, &err), &err);
	dt_settle("o2", true, 2);
	dt_route(&(struct dt_routed) { .order = "o2", .n = 2 }, 1);
	assert_string_equal(dt_parcel_text("state", "o2", 1), "READY");
	assert_string_equal(dt_parcel_text("state", "o2", 2), "CANCELLED");
	assert_int_equal(dt_count("SELECT count(*) FROM intents"), 1);
}

static void test_operator_cancels(void **state)
{
	struct kw_uuid unknown = dt_parcel("nobody", 1), parcel = dt_parcel("o1", 1);
	struct kw_err err = { 0 };

	(void)state;
	dt_ready("o1", 1);
	assert_int_equal(dt_request_cancel(&unknown, &err), KW_INVALID);
	assert_string_equal(err.code, "NO_SUCH_PARCEL");
	dt_must(dt_request_cancel(&parcel, &err), &err);
	assert_string_equal(dt_parcel_text("reason", "o1", 1), "DAMAGED");
	assert_string_equal(dt_events("o1", 1), "created cancelled");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, dt_begin, dt_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_statements),
		TEST(test_rights),
		TEST(test_either_comes_first),
		TEST(test_stale_word),
		TEST(test_batch),
		TEST(test_on_delivery),
		TEST(test_no_courier),
		TEST(test_cancel),
		TEST(test_cancel_early),
		TEST(test_operator_cancels),
	};
	return cmocka_run_group_tests(tests, dt_set_up, dt_tear_down);
}
