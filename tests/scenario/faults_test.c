/* A running load while everything is killed, restarted or away; then the checker has the word. The
 * seed is printed, and can be given: FAULT_SEED. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/clock.h"
#include "script.h"

#define WAVE 30

static struct system sys;
static unsigned seed;

static unsigned dice(unsigned sides)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % sides;
}

#define MONEY "{\"amount\":\"1000.00\",\"currency\":\"PKR\"}"
static const struct command catalogue[] = {
	{ "hub",
		put("listing-ingestion /v1/hubs/mzd",
			"{\"version\":1,\"name\":\"Hub\",\"region\":\"AJK\",\"address\":{\"name\":\"Hub\","
			"\"line1\":\"Chattar\",\"city\":\"Muzaffarabad\",\"country\":\"PK\"}}"),
		.status = 202 },
	{ "maker",
		put("listing-ingestion /v1/makers/m",
			"{\"version\":1,\"name\":\"Shabnam\",\"hub_id\":\"mzd\",\"skills\":[\"sozni\"],"
			"\"weekly_capacity\":5,\"state\":\"ACTIVE\"}"),
		.status = 202 },
	{ "listing",
		put("listing-ingestion /v1/listings/s",
			"{\"version\":1,\"sku\":\"S\",\"title\":\"Shawl\",\"kind\":\"STOCKED\","
			"\"maker_id\":\"m\",\"hub_id\":\"mzd\",\"price\":" MONEY
			",\"weight_g\":600,"
			"\"quantity\":100000,\"quantity_version\":1,\"state\":\"APPROVED\"}"),
		.status = 202 },
	{ "known", settle() },
	{ 0 },
};

/* One wave: new orders, repeats of old ones, payments; whatever the answers are. Returns how many
 * were accepted. */
static int wave(int number)
{
	static const char *const channels[] = { "pavilion", "dibs", "ahaan" };
	struct order orders[WAVE];
	struct kw_call calls[WAVE], payments[WAVE];
	int accepted = 0;

	for (int i = 0; i < WAVE; i++) {
		int id = dice(6) == 0 && number > 0 ? (int)dice((unsigned)(number * WAVE))
						    : number * WAVE + i;

		orders[i] = (struct order) { .channel = channels[id % 3],
			.sku = "S",
			.quantity = 1 + id % 3,
			.external_id = kw_arena_printf(sys.arena, "F-%d", id),
			.forged = id % 23 == 7 };
		calls[i] =
			system_order_call(&sys, &orders[i], 1 + (int)dice((unsigned)sys.replicas));
		payments[i] = system_payment_call(
			&sys, orders[i].channel, orders[i].external_id, (1 + id % 3) * 100000);
	}
	/* sometimes the money is first */
	if (dice(2))
		system_run(&sys, payments, NULL, WAVE);
	system_run(&sys, calls, orders, WAVE);
	system_run(&sys, payments, NULL, WAVE);
	for (int i = 0; i < WAVE; i++)
		accepted += calls[i].rc == KW_OK && calls[i].status == 202;
	return accepted;
}

/* Orders and payments that were not answered with a yes are sent again, as their senders would. */
static void send_again(int waves)
{
	static const char *const channels[] = { "pavilion", "dibs", "ahaan" };

	for (int id = 0; id < waves * WAVE; id += WAVE) {
		struct order orders[WAVE];
		struct kw_call calls[WAVE], payments[WAVE];

		for (int i = 0; i < WAVE; i++) {
			int k = id + i;
			orders[i] = (struct order) { .channel = channels[k % 3],
				.sku = "S",
				.quantity = 1 + k % 3,
				.external_id = kw_arena_printf(sys.arena, "F-%d", k),
				.forged = k % 23 == 7 };
			calls[i] = system_order_call(&sys, &orders[i], 1);
			payments[i] = system_payment_call(&sys, orders[i].channel,
				orders[i].external_id, (1 + k % 3) * 100000);
		}
		system_run(&sys, calls, orders, WAVE);
		system_run(&sys, payments, NULL, WAVE);
		for (int i = 0; i < WAVE; i++) {
			if (calls[i].rc != KW_OK ||
				calls[i].status != (orders[i].forged ? 401 : 202))
				fail_msg("order %s is answered %d after healing",
					orders[i].external_id, calls[i].status);
			if (payments[i].rc != KW_OK || payments[i].status != 202)
				fail_msg("payment of %s is answered %d after healing",
					orders[i].external_id, payments[i].status);
		}
	}
}

/* All accepted orders are done: dispatched, delivered, earned. */
static void everything_is_done(int waves)
{
	int64_t orders = 0, quantity = 0;

	for (int id = 0; id < waves * WAVE; id++)
		if (id % 23 != 7) {
			orders++;
			quantity += 1 + id % 3;
		}
	system_settle(&sys);
	struct command done[] = {
		{ "orders", number("routing", "SELECT count(*) FROM orders", orders) },
		{ "delivered", .verb = V_WITHIN, .a = "dispatch",
			.b = "SELECT count(*) FROM parcels WHERE state = 'DELIVERED'",
			.n = orders },
		{ "drain", settle() },
		{ "sold",
			number("routing",
				"SELECT (100000 - on_hand)::bigint FROM stock WHERE listing_id = 's'",
				quantity) },
		{ "earned", number("payment", "SELECT count(*) FROM earnings", orders) },
		{ "no dead letters", number("routing", "SELECT count(*) FROM dead_letters", 0) },
		{ "clean", check_clean() },
		{ 0 },
	};
	int64_t until = kw_monotonic_us() + 90 * KW_US_PER_S;
	while (system_number(&sys, "dispatch",
		       "SELECT count(*) FROM parcels WHERE state = 'DELIVERED'") < orders &&
		kt_again(until))
		;
	script_run(&sys, done);
}

/* Not the couriers: their simulators keep what they have booked in memory alone. */
static void programs_are_killed_at_random_moments(void **state)
{
	static const char *const programs[] = { "listing-ingestion", "order-routing",
		"order-routing.2", "payment-reconciliation", "payment-reconciliation.2",
		"courier-dispatch", "courier-dispatch.2", "redis" };
	enum { WAVES = 24 };

	(void)state;
	for (int i = 0; i < WAVES; i++) {
		int64_t until = kw_monotonic_us() + 60 * KW_US_PER_S;

		system_kill(&sys, programs[dice(KW_LEN(programs))], SIGKILL);
		/* both replicas of an edge may be down: the next kill must again meet a load */
		while (wave(i) == 0)
			assert_true(kt_again(until));
	}
	system_wait_ready(&sys);
	send_again(WAVES);
	everything_is_done(WAVES);
}

static void kafka_and_postgresql_restart_under_load(void **state)
{
	enum { WAVES = 8 };

	(void)state;
	for (int i = 24; i < 24 + WAVES; i++) {
		if (i == 25)
			system_kill(&sys, "kafka", SIGKILL);
		if (i == 27)
			system_kill(&sys, "postgres", SIGQUIT);
		if (i == 30)
			system_kill(&sys, "kafka", SIGTERM);
		(void)wave(i);
	}
	system_wait_ready(&sys);
	send_again(24 + WAVES);
	everything_is_done(24 + WAVES);
}

static void redis_is_away_the_whole_run(void **state)
{
	enum { WAVES = 3 };

	(void)state;
	system_stop(&sys, "redis");
	for (int i = 32; i < 32 + WAVES; i++)
		assert_true(wave(i) > WAVE / 2);
	send_again(32 + WAVES);
	everything_is_done(32 + WAVES);
	const char *body = system_call(&sys,
		system_operator_call(&sys, "GET", "order-routing",
			"/v1/orders?channel=dibs&external_id=F-1", NULL),
		200);
	assert_non_null(strstr(body, "DELIVERED"));
	system_start(&sys, "redis");
}

static int up(void **state)
{
	const char *given = getenv("FAULT_SEED");

	(void)state;
	seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)kw_monotonic_us();
	printf("FAULT_SEED=%u\n", seed);
	system_up(&sys, "faults", 2);
	script_run(&sys, catalogue);
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
		cmocka_unit_test(programs_are_killed_at_random_moments),
		cmocka_unit_test(kafka_and_postgresql_restart_under_load),
		cmocka_unit_test(redis_is_away_the_whole_run),
	};

	return cmocka_run_group_tests(tests, up, down);
}
