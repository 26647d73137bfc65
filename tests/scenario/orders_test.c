/* Scenarios 1, 2 and 4: the same order many times, the last shawl, poison; on three replicas of
 * every service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "script.h"

static struct system sys;

#define HUB                                                                                                                                   \
	"{\"version\":1,\"name\":\"Muzaffarabad hub\",\"region\":\"Azad Kashmir\",\"address\":{\"name\":\"Hub\",\"line1\":\"Upper Chattar\"," \
	"\"city\":\"Muzaffarabad\",\"country\":\"PK\"}}"
#define MAKER                                                                                                                            \
	"{\"version\":1,\"name\":\"Shabnam Bibi\",\"hub_id\":\"mzd\",\"skills\":[\"sozni\"],\"weekly_capacity\":5,\"state\":\"ACTIVE\"," \
	"\"national_id\":\"34201-0891231-8\"}"
#define MONEY "{\"amount\":\"1000.00\",\"currency\":\"PKR\"}"
#define SOLD(channel, sku)                                    \
	"{\"channel\":\"" channel "\",\"channel_sku\":\"" sku \
	"\",\"state\":\"PUBLISHED\",\"price\":" MONEY "}"
#define LISTING(sku, kind, quantity)                                                      \
	"{\"version\":1,\"sku\":\"" sku "\",\"title\":\"Shawl\",\"kind\":\"" kind         \
	"\",\"maker_id\":\"shabnam\",\"hub_id\":\"mzd\","                                 \
	"\"skill\":\"sozni\",\"price\":" MONEY ",\"weight_g\":600,\"quantity\":" quantity \
	",\"quantity_version\":1,\"state\":\"APPROVED\","                                 \
	"\"publications\":[" SOLD("pavilion", sku) "," SOLD("dibs", sku) "," SOLD(        \
		"ahaan", sku) "]}"
#define ORDER_OF(id) \
	"(SELECT order_id FROM orders WHERE channel = 'pavilion' AND external_id = '" id "')"

static const struct command same_order_many_times[] = {
	{ "hub", put("listing-ingestion /v1/hubs/mzd", HUB), .status = 202 },
	{ "maker", put("listing-ingestion /v1/makers/shabnam", MAKER), .status = 202 },
	{ "listing",
		put("listing-ingestion /v1/listings/stocked", LISTING("STOCK-1", "STOCKED", "100")),
		.status = 202 },
	{ "stock is known", settle() },
	{ "first", post("pavilion", "ONE", "STOCK-1", 2), .status = 202 },
	{ "fifty at once", again("first", 50), .status = 202 },
	{ "later", again("first", 3), .status = 202 },
	{ "forged", .verb = V_POST, .order = { "pavilion", "FORGED", "STOCK-1", NULL, 1, true },
		.status = 401 },
	{ "drain", settle() },
	{ "one order",
		number("routing", "SELECT count(*) FROM orders WHERE external_id = 'ONE'", 1) },
	{ "no forged order",
		number("routing", "SELECT count(*) FROM orders WHERE external_id = 'FORGED'", 0) },
	{ "one reservation",
		number("routing", "SELECT count(*) FROM stock_movements WHERE kind = 'RESERVE'",
			1) },
	{ "of two pieces",
		number("routing",
			"SELECT allocated::bigint FROM stock WHERE listing_id = 'stocked'", 2) },
	{ "one event",
		number("routing",
			"SELECT count(*) FROM journal WHERE type = 'karwan.order.routed.v1'", 1) },
	{ "other total", .verb = V_POST,
		.order = { "pavilion", "ONE", "STOCK-1", "1.00", 2, false }, .status = 409 },
	{ "drain", settle() },
	{ "an exception",
		number("routing",
			"SELECT count(*) FROM exceptions WHERE kind = 'CONFLICT' AND external_id = 'ONE'",
			1) },
	{ "never an overwrite",
		number("routing", "SELECT total FROM orders WHERE external_id = 'ONE'", 200000) },
	{ "paid", pay("pavilion", "ONE", 200000), .status = 202 },
	{ "paid again", pay("pavilion", "ONE", 200000), .status = 202 },
	{ "drain", settle() },
	{ "delivered", .verb = V_WITHIN, .a = "dispatch",
		.b = "SELECT count(*) FROM parcels WHERE state = 'DELIVERED'", .n = 1 },
	{ "drain", settle() },
	{ "earned", number("payment", "SELECT sum(amount)::bigint FROM earnings", 194000) },
	{ "her fee", number("payment", "SELECT sum(fee)::bigint FROM earnings", 6000) },
	{ "told", ctl("explain pavilion ONE", "karwan.earning.earned.v1") },
	{ "clean", check_clean() },
	{ 0 },
};

static const struct command last_shawl[] = {
	{ "shawl",
		put("listing-ingestion /v1/listings/last", LISTING("LAST-1", "ONE_OF_A_KIND", "1")),
		.status = 202 },
	{ "stock is known", settle() },
	{ "two hundred at once", many("LAST", "LAST-1", 200), .status = 202 },
	{ "drain", settle() },
	{ "one allocated",
		number("routing",
			"SELECT sum(allocated)::bigint FROM order_lines WHERE sku = 'LAST-1'", 1) },
	{ "the others parked",
		number("routing",
			"SELECT sum(parked)::bigint FROM order_lines WHERE sku = 'LAST-1'", 199) },
	{ "with a date", number("routing",
				 "SELECT count(*) FROM parked WHERE auto_cancel_at > now()", 199) },
	{ "other publications pause",
		within_5_s("listing",
			"SELECT count(*) FROM journal j WHERE key = 'last' AND payload NOT LIKE '%PUBLISHED%' "
			"AND version = (SELECT max(version) FROM journal WHERE key = 'last')",
			1) },
	{ "drain", settle() },
	{ "clean", check_clean() },
	{ 0 },
};

/* What the provider sent first stands; the other payments are not booked, and a person knows of
 * each. */
static const struct command event_of_another_payment[] = {
	{ "another payment", pay_as("pavilion_ONE", "pavilion", "OTHER", 200000), .status = 202 },
	{ "a third", pay_as("pavilion_ONE", "pavilion", "THIRD", 300000), .status = 202 },
	{ "drain", settle() },
	{ "two exceptions",
		number("payment", "SELECT count(*) FROM exceptions WHERE kind = 'EVENT_CONFLICT'",
			2) },
	{ "no payment",
		number("payment",
			"SELECT count(*) FROM payments WHERE provider_payment_id IN ('pi_pavilion_OTHER', 'pi_pavilion_THIRD')",
			0) },
	{ "clean", check_clean() },
	{ 0 },
};

static const struct command poison[] = {
	{ "before", many("BEFORE", "STOCK-1", 20), .status = 202 },
	{
		"torn",
		raw("karwan.orders.in torn", "karwan.order.submitted.v1", "{\"order_id\":"),
	},
	{ "impossible",
		raw("karwan.orders.in torn", "karwan.order.cancel_requested.v1",
			"{\"order_id\":\"6f1d3c52-0b7e-4e0e-9a55-2b1f6a7c9d10\",\"request_id\":\"r\",\"reason\":\"\",\"by\":\"x\"}") },
	{ "unknown type", raw("karwan.orders.in torn", "karwan.order.sung.v1", "{}") },
	{ "after", many("AFTER", "STOCK-1", 20), .status = 202 },
	{ "drain", settle() },
	{ "three dead letters", number("routing", "SELECT count(*) FROM dead_letters", 3) },
	{ "with their place",
		number("routing",
			"SELECT count(*) FROM dead_letters WHERE topic = 'karwan.orders.in' AND attempts > 0 "
			"AND reason <> '' AND at_offset >= 0",
			3) },
	{ "later orders flow",
		number("routing",
			"SELECT count(*) FROM orders WHERE external_id LIKE 'AFTER%' AND state <> 'RECEIVED'",
			20) },
	{ "list", ctl("dlq list", "order-routing/1") },
	{ "show", ctl("dlq show order-routing/1", "ce_type=") },
	{ "dry run", ctl("dlq replay --dry-run order-routing/1", "INVALID"), .status = 1 },
	{ "replay", ctl("dlq replay order-routing/1", "INVALID"), .status = 1 },
	{ "replay 2", ctl("dlq replay order-routing/1", "INVALID"), .status = 1 },
	{ "replay 3", ctl("dlq replay order-routing/1", "INVALID"), .status = 1 },
	{ "replay 4", ctl("dlq replay order-routing/1", "INVALID"), .status = 1 },
	{ "replay 5", ctl("dlq replay order-routing/1", "INVALID"), .status = 1 },
	{ "the guard", ctl("dlq replay order-routing/1", "LOOP_GUARD"), .status = 1 },
	{ "one of the others",
		ctl("dlq replay --max 1 order-routing",
			"asked for 1; replayed in all 0, left to try 2"),
		.status = 1 },
	{ "at most so often each",
		ctl("dlq replay order-routing", "asked for 2; replayed in all 0, left to try 2"),
		.status = 1 },
	{ "clean", check_clean() },
	{ 0 },
};

static void scenario_1(void **state)
{
	(void)state;
	script_run(&sys, same_order_many_times);
}

/* The conflict of scenario 1, as an operator works it. */
static void a_conflict_is_worked(void **state)
{
	static const char member[] = "\"exception_id\":\"";
	const char *output, *found;

	(void)state;
	assert_int_equal(system_ctl(&sys, &output,
				 (const char *const[]) { "--json", "exceptions", "list", NULL }),
		0);
	found = strstr(output, member);
	assert_non_null(found);
	const char *id = kw_arena_strn(sys.arena, found + strlen(member), 36);
	assert_int_equal(
		system_ctl(&sys, &output, (const char *const[]) { "exceptions", "show", id, NULL }),
		0);
	assert_non_null(strstr(output, "CONFLICT"));
	assert_non_null(strstr(output, "\"external_id\":\"ONE\"")); /* what was set aside */
	const char *const resolve[] = { "exceptions", "resolve", id, "KEEP", "--reason",
		"the first total is right", NULL };
	assert_int_equal(system_ctl(&sys, &output, resolve), 0);
	assert_non_null(strstr(output, id));
	system_settle(&sys);
	assert_int_equal(
		system_number(&sys, "routing",
			"SELECT count(*) FROM exceptions WHERE kind = 'CONFLICT' AND state = 'CLOSED' "
			"AND resolved_by = 'operator' AND note = 'the first total is right'"),
		1);
	assert_int_equal(system_ctl(&sys, &output, resolve), 1); /* it is closed */
	assert_int_equal(system_ctl(&sys, &output,
				 (const char *const[]) { "explain", "pavilion", "ONE", NULL }),
		0);
	assert_non_null(strstr(output, "karwan.order.exception_resolved.v1"));
	system_check(&sys);
}

static void scenario_2(void **state)
{
	(void)state;
	script_run(&sys, last_shawl);
}

static void event_conflict(void **state)
{
	(void)state;
	script_run(&sys, event_of_another_payment);
}

static void scenario_4(void **state)
{
	(void)state;
	script_run(&sys, poison);
}

/* The checker is checked: each seeded mutant is caught, and named. */
static void mutants_are_caught(void **state)
{
	static const struct {
		const char *schema, *seed, *mend, *rule;
	} mutants[] = {
		{ "routing",
			"WITH x AS (UPDATE stock SET on_hand = on_hand + 1 WHERE listing_id = 'stocked' RETURNING 1) SELECT count(*) FROM x",
			"WITH x AS (UPDATE stock SET on_hand = on_hand - 1 WHERE listing_id = 'stocked' RETURNING 1) SELECT count(*) FROM x",
			"STOCK_SUM" },
		{ "dispatch",
			"WITH x AS (UPDATE journal SET payload = replace(payload, 'Shawl', 'Shaw1') WHERE type = 'karwan.parcel.created.v1' "
			"AND key = (SELECT min(key) FROM journal WHERE type = 'karwan.parcel.created.v1') RETURNING 1) SELECT count(*) FROM x",
			"WITH x AS (UPDATE journal SET payload = replace(payload, 'Shaw1', 'Shawl') WHERE payload LIKE '%Shaw1%' RETURNING 1) SELECT count(*) FROM x",
			"TOPIC_IS_JOURNAL" },
		{ "payment",
			"WITH x AS (UPDATE expectations SET captured = captured - 1 WHERE external_id = 'ONE' AND released > 0 RETURNING 1) SELECT count(*) FROM x",
			"WITH x AS (UPDATE expectations SET captured = captured + 1 WHERE external_id = 'ONE' RETURNING 1) SELECT count(*) FROM x",
			"EARNED_UNPAID" },
		{ "dispatch",
			"WITH x AS (UPDATE parcels SET amount_due = 1, due_currency = 'PKR' WHERE external_id = 'ONE' RETURNING 1) SELECT count(*) FROM x",
			"WITH x AS (UPDATE parcels SET amount_due = NULL, due_currency = NULL WHERE external_id = 'ONE' RETURNING 1) SELECT count(*) FROM x",
			"ON_DELIVERY" },
		{ "routing",
			"WITH x AS (DELETE FROM journal WHERE partition = 3 AND number = 1 RETURNING 1) SELECT count(*) FROM x",
			NULL, "JOURNAL_NUMBERS" },
		{ "routing",
			"WITH x AS (DELETE FROM orders WHERE external_id = 'AFTER-1' RETURNING 1) SELECT count(*) FROM x",
			NULL, "MESSAGE_HAS_OUTCOME" },
		{ "payment",
			"WITH x AS (DELETE FROM exceptions WHERE exception_id = (SELECT min(exception_id::text)::uuid FROM exceptions "
			"WHERE kind = 'EVENT_CONFLICT') RETURNING 1) SELECT count(*) FROM x",
			NULL, "karwan.payment.reported.v1: should be a row or a dead letter" },
	};

	(void)state;
	for (size_t i = 0; i < KW_LEN(mutants); i++) {
		const char *output;
		int code;

		assert_int_equal(system_number(&sys, mutants[i].schema, mutants[i].seed), 1);
		code = system_ctl(&sys, &output, (const char *const[]) { "check", NULL });
		if (code != 1 || !strstr(output, mutants[i].rule))
			fail_msg("the mutant of %s was not caught: %d\n%s", mutants[i].rule, code,
				output);
		if (mutants[i].mend)
			assert_int_equal(
				system_number(&sys, mutants[i].schema, mutants[i].mend), 1);
	}
}

static int up(void **state)
{
	(void)state;
	system_up(&sys, "orders", 3);
	return 0;
}

static int down(void **state)
{
	(void)state;
	system_down(&sys, NULL);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scenario_1),
		cmocka_unit_test(a_conflict_is_worked),
		cmocka_unit_test(scenario_2),
		cmocka_unit_test(event_conflict),
		cmocka_unit_test(scenario_4),
		cmocka_unit_test(mutants_are_caught),
	};

	return cmocka_run_group_tests(tests, up, down);
}
