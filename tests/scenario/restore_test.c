/* PostgreSQL is restored from an older copy: after karwanctl epoch everything that was accepted
 * since is done again, the topics are the journals, and a partner who follows the rule of places
 * has every event once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/clock.h"
#include "script.h"

#define ORDERS 20
#define MONEY "{\"amount\":\"1000.00\",\"currency\":\"PKR\"}"

static struct system sys;

static const char *const services[] = { "listing-ingestion", "order-routing",
	"payment-reconciliation", "courier-dispatch" };

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
			"\"quantity\":1000,\"quantity_version\":1,\"state\":\"APPROVED\"}"),
		.status = 202 },
	{ "known", settle() },
	{ 0 },
};

static void deliver(const char *prefix, int64_t in_all)
{
	static const char *const channels[] = { "pavilion", "dibs", "ahaan" };
	const struct command send[] = {
		{ "orders", many(prefix, "S", ORDERS), .status = 202 },
		{ 0 },
	};
	int64_t until = kw_monotonic_us() + 90 * KW_US_PER_S;

	script_run(&sys, send);
	for (int i = 0; i < ORDERS; i++)
		(void)system_call(&sys,
			system_payment_call(&sys, channels[i % 3],
				kw_arena_printf(sys.arena, "%s-%d", prefix, i), 100000),
			202);
	while (system_number(&sys, "payment", "SELECT count(*) FROM earnings") < in_all)
		if (!kt_again(until))
			fail_msg("not all of %s are delivered (%s/logs)", prefix, sys.dir);
	system_settle(&sys);
	system_check(&sys);
}

static void stop_all(void)
{
	for (size_t i = 0; i < KW_LEN(services); i++)
		system_stop(&sys, services[i]);
	system_stop(&sys, "postgres");
}

static void start_services(void)
{
	for (size_t i = 0; i < KW_LEN(services); i++)
		system_start(&sys, services[i]);
	system_wait_ready(&sys);
}

static void shell(const char *text)
{
	const char *log = kw_arena_printf(sys.arena, "%s.shell", sys.dir);

	if (kt_run((const char *const[]) { "sh", "-ec", text, NULL }, log) != 0)
		fail_msg("%s: see %s", text, log);
	(void)kt_run((const char *const[]) { "rm", log, NULL }, NULL);
}

/* Every parcel's story once: versions 1, 2, 3 … */
static void has_every_event_once(int64_t parcels)
{
	struct kt_partner partner;
	const char *brokers = system_brokers(&sys);
	int64_t delivered = 0;

	kt_partner_read(&partner, brokers, "karwan.dispatch.events", 12);
	assert_true(partner.n_voided > 0);
	for (size_t i = 0; i < partner.n; i++) {
		int version = 1;

		delivered += strcmp(partner.events[i].type, "karwan.parcel.delivered.v1") == 0;
		for (size_t k = 0; k < i; k++)
			version += strcmp(partner.events[k].key, partner.events[i].key) == 0;
		if (strcmp(partner.events[i].key, "epoch") != 0 &&
			!strstr(partner.events[i].payload,
				kw_arena_printf(sys.arena, "\"version\":%d}", version)))
			fail_msg("not version %d: %s", version, partner.events[i].payload);
	}
	assert_int_equal(delivered, parcels);
	kt_partner_done(&partner);
}

static const char *place_of(const char *copy)
{
	return kw_arena_printf(sys.arena, "%s/data/%s", sys.dir, copy);
}

static void take_copy(const char *copy)
{
	stop_all();
	shell(kw_arena_printf(sys.arena, "cp -a %s %s", place_of("postgres/data"), place_of(copy)));
	system_start(&sys, "postgres");
	start_services();
}

/* PostgreSQL alone; the services are stopped. */
static void restore(const char *copy)
{
	const char *data = place_of("postgres/data");

	stop_all();
	/* recovery.signal makes PostgreSQL begin a timeline of its own */
	shell(kw_arena_printf(sys.arena,
		"rm -r %s; cp -a %s %s; echo \"restore_command = 'false'\" >>%s/postgresql.auto.conf; "
		"cp -p %s/PG_VERSION %s/recovery.signal",
		data, place_of(copy), data, data, data, data));
	system_start(&sys, "postgres");
	/* it is a standby until it has ended its recovery */
	shell(kw_arena_printf(sys.arena,
		"timeout 60 sh -c 'until psql -Atc \"SELECT pg_is_in_recovery()\" \"%s\" | grep -q f; do :; done'",
		system_dsn(&sys)));
}

/* All that was accepted is done again. */
static void go_on(const char *epoch, int64_t in_all)
{
	int64_t until = kw_monotonic_us() + 90 * KW_US_PER_S;
	const char *output;

	assert_int_equal(system_ctl(&sys, &output, (const char *const[]) { "epoch", NULL }), 0);
	assert_non_null(strstr(output, epoch));
	start_services();
	while (system_number(&sys, "payment", "SELECT count(*) FROM earnings") < in_all)
		if (!kt_again(until))
			fail_msg("not all is done again (%s/logs)", sys.dir);
	system_settle(&sys);
	system_check(&sys);
	has_every_event_once(in_all);
}

static void a_restore_loses_nothing(void **state)
{
	const char *output;

	(void)state;
	deliver("BEFORE", ORDERS);
	take_copy("older");
	deliver("SINCE", 2 * ORDERS);
	take_copy("newer");
	restore("older");
	assert_int_equal(system_number(&sys, "payment", "SELECT count(*) FROM earnings"), ORDERS);
	go_on("epoch 2", 2 * ORDERS);
	/* goes on where epoch 2 has made everything void */
	restore("newer");
	assert_int_equal(system_ctl(&sys, &output, (const char *const[]) { "epoch", NULL }), 2);
	assert_non_null(strstr(output, "restore one of that epoch, or one that is older"));
	restore("older");
	go_on("epoch 3", 2 * ORDERS);
	deliver("AFTER", 3 * ORDERS);
}

static int up(void **state)
{
	(void)state;
	system_up(&sys, "restore", 1);
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
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_restore_loses_nothing) };

	return cmocka_run_group_tests(tests, up, down);
}
