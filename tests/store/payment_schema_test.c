/* The schema: all statements prepare as the service's login, which may do what it must and no more;
 * the ledger refuses what is not balanced, and any change; migrating twice changes nothing; each
 * seeded mutant is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "flow/schema.h"
#include "payment_world.h"
#include "pg/migrate.h"
#include "statements.h"

extern const struct kw_migration payment_migrations[];

static struct world w;

static int setup(void **state)
{
	(void)state;
	world_make(&w, "payment_schema");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_done(&w);
	return 0;
}

static void test_statements_prepare(void **state)
{
	(void)state;
	struct kw_err err = { 0 };
	for (size_t i = 0; i < N_STMTS; i++)
		assert_non_null(payment_stmts[i].sql);
	if (kw_pg_prepare_all(w.pg, payment_stmts, N_STMTS, &err) != KW_OK)
		fail_msg("%s %s", err.code, err.reason);
}

static void test_migrated_twice(void **state)
{
	(void)state;
	struct kw_err err = { 0 };
	size_t n = 77;
	struct kw_migrate_target target = { .schema = "payment",
		.sets = (const struct kw_migration *const[]) {
			kw_flow_migrations, payment_migrations, NULL } };
	assert_int_equal(kw_pg_migrate(w.admin, &target, &n, &err), KW_OK);
	assert_int_equal(n, 0);
}

static void refused(struct kw_pg *pg, const char *sql, const char *code)
{
	struct kw_err err = { 0 };
	assert_int_not_equal(kw_pg_script(pg, sql, &err), KW_OK);
	if (strcmp(err.code, code) != 0)
		fail_msg("%s gave %s %s", sql, err.code, err.reason);
	kw_pg_drop(pg); /* whatever transaction was left */
}

#define A_TRANSACTION                                                                                                \
	"BEGIN; INSERT INTO transactions VALUES ('11111111-1111-5111-8111-111111111111', 1, 'MONEY', NULL, now()); " \
	"INSERT INTO postings VALUES ('11111111-1111-5111-8111-111111111111', 1, 1, 'CLEARING', 'p', 'PKR', 100), "

static void test_ledger_refuses(void **state)
{
	(void)state;
	refused(w.pg,
		A_TRANSACTION
		"('11111111-1111-5111-8111-111111111111', 1, 2, 'SUSPENSE', 'p', 'PKR', -99)",
		"KW101");
	/* each currency by itself */
	refused(w.pg,
		A_TRANSACTION
		"('11111111-1111-5111-8111-111111111111', 1, 2, 'SUSPENSE', 'p', 'USD', -100)",
		"KW101");
	/* two wrongs in one statement do not make a right */
	refused(w.pg,
		"BEGIN; INSERT INTO transactions VALUES ('11111111-1111-5111-8111-111111111111', 1, 'MONEY', NULL, now()), "
		"('11111111-1111-5111-8111-111111111111', 2, 'MONEY', NULL, now()); INSERT INTO postings VALUES "
		"('11111111-1111-5111-8111-111111111111', 1, 1, 'CLEARING', 'p', 'PKR', 100), "
		"('11111111-1111-5111-8111-111111111111', 2, 1, 'SUSPENSE', 'p', 'PKR', -100)",
		"KW101");
	/* no transaction */
	refused(w.pg,
		"INSERT INTO postings VALUES ('11111111-1111-5111-8111-111111111111', 9, 1, 'CLEARING', 'p', 'PKR', 100), "
		"('11111111-1111-5111-8111-111111111111', 9, 2, 'SUSPENSE', 'p', 'PKR', -100)",
		"KW102");
	refused(w.pg,
		A_TRANSACTION
		"('11111111-1111-5111-8111-111111111111', 1, 2, 'POCKET', 'p', 'PKR', -100)",
		"23514");
	refused(w.pg,
		A_TRANSACTION
		"('11111111-1111-5111-8111-111111111111', 1, 2, 'SUSPENSE', 'p', 'PKR', 0)",
		"23514");
	assert_int_equal(world_number(&w, "SELECT count(*) FROM payment.postings", NULL), 0);
}

static void test_rights(void **state)
{
	(void)state;
	static const char *const never[] = { "UPDATE postings SET minor = 1",
		"DELETE FROM postings", "TRUNCATE postings",
		"UPDATE transactions SET kind = 'SALE'", "DELETE FROM transactions",
		"UPDATE earnings SET amount = 1", "DELETE FROM earnings", "DELETE FROM payments",
		"DELETE FROM expectations", "DELETE FROM provider_events", "DELETE FROM exceptions",
		"DELETE FROM order_lines", "DELETE FROM shares", "UPDATE journal SET payload = ''",
		"DELETE FROM journal", "CREATE TABLE payment.mine (x int)",
		"SELECT * FROM pg_authid" };
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		refused(w.pg, never[i], "42501");
	/* not even the owner changes the ledger */
	static const char *const nobody[] = { "UPDATE payment.postings SET minor = 1",
		"DELETE FROM payment.transactions", "TRUNCATE payment.earnings",
		"DELETE FROM payment.earnings" };
	for (size_t i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++)
		refused(w.admin, nobody[i], "KW103");
	assert_int_equal(
		world_number(&w,
			"SELECT count(*) FROM information_schema.role_table_grants WHERE grantee = 'karwan_payment' "
			"AND table_schema <> 'payment'",
			NULL),
		0);
}

/* Each changes one thing behind the triggers' back; the check must name it, and be clean again when
 * it is undone. */
static const struct {
	const char *rule, *change, *undo;
} mutants[] = {
	{ "LEDGER_ZERO",
		"UPDATE payment.postings SET minor = minor + 1 WHERE account = 'MAKER' AND party = 'amina'",
		"UPDATE payment.postings SET minor = minor - 1 WHERE account = 'MAKER' AND party = 'amina'" },
	{ "MAKER",
		"UPDATE payment.postings SET minor = minor + CASE account WHEN 'MAKER' THEN 5 ELSE -5 END WHERE (account, party) IN "
		"(('MAKER', 'amina'), ('FEE', 'dibs')) AND (entity_id, revision) IN (SELECT entity_id, revision FROM payment.postings "
		"WHERE account = 'MAKER' AND party = 'amina')",
		"UPDATE payment.postings SET minor = minor - CASE account WHEN 'MAKER' THEN 5 ELSE -5 END WHERE (account, party) IN "
		"(('MAKER', 'amina'), ('FEE', 'dibs')) AND (entity_id, revision) IN (SELECT entity_id, revision FROM payment.postings "
		"WHERE account = 'MAKER' AND party = 'amina')" },
	{ "RECEIVED",
		"UPDATE payment.expectations SET received = received - 1 WHERE external_id = 'm1'",
		"UPDATE payment.expectations SET received = received + 1 WHERE external_id = 'm1'" },
	{ "STATE", "UPDATE payment.expectations SET state = 'OVER' WHERE external_id = 'm1'",
		"UPDATE payment.expectations SET state = 'POSTED' WHERE external_id = 'm1'" },
	{ "STATE", "UPDATE payment.expectations SET cleared = false WHERE external_id = 'm1'",
		"UPDATE payment.expectations SET cleared = true WHERE external_id = 'm1'" },
	{ "EXPECTED", "UPDATE payment.expectations SET cancelled = 7 WHERE external_id = 'm1'",
		"UPDATE payment.expectations SET cancelled = 0 WHERE external_id = 'm1'" },
	{ "PROVIDER_EVENTS",
		"UPDATE payment.provider_events SET payment_id = gen_random_uuid() WHERE provider_event_id = 'evt_m1'",
		"UPDATE payment.provider_events SET payment_id = (SELECT payment_id FROM payment.payments WHERE provider_payment_id = "
		"'pi_m1') WHERE provider_event_id = 'evt_m1'" },
	{ "CLEARING",
		"UPDATE payment.payments SET captured = captured + 1 WHERE provider_payment_id = 'pi_m2'",
		"UPDATE payment.payments SET captured = captured - 1 WHERE provider_payment_id = 'pi_m2'" },
	{ "SUSPENSE",
		"UPDATE payment.payments SET order_id = NULL WHERE provider_payment_id = 'pi_m1'",
		"UPDATE payment.payments SET order_id = (SELECT order_id FROM payment.expectations WHERE external_id = 'm1') "
		"WHERE provider_payment_id = 'pi_m1'" },
	{ "EARNED_DELIVERED",
		"UPDATE payment.shares SET delivered_at = NULL WHERE maker_id = 'amina'",
		"UPDATE payment.shares SET delivered_at = now() WHERE maker_id = 'amina'" },
	{ "EARNED_MISSING",
		"UPDATE payment.shares SET delivered_at = now() WHERE maker_id = 'bano'",
		"UPDATE payment.shares SET delivered_at = NULL WHERE maker_id = 'bano'" },
	{ "LINE_EARNED_TWICE", "UPDATE payment.order_lines SET quantity = 1 WHERE line_id = 'a'",
		"UPDATE payment.order_lines SET quantity = 3 WHERE line_id = 'a'" },
	{ "LEDGER_WHOLE",
		"INSERT INTO payment.transactions VALUES ('11111111-1111-5111-8111-111111111111', 1, 'MONEY', NULL, now())",
		"DELETE FROM payment.transactions WHERE entity_id = '11111111-1111-5111-8111-111111111111'" },
	{ "LEDGER_NUMBERS",
		"UPDATE payment.expectations SET revision = revision + 1 WHERE external_id = 'm1'",
		"UPDATE payment.expectations SET revision = revision - 1 WHERE external_id = 'm1'" },
	{ "RELEASED",
		"UPDATE payment.expectations SET released = released + 1 WHERE external_id = 'm1'",
		"UPDATE payment.expectations SET released = released - 1 WHERE external_id = 'm1'" },
	{ "EXCEPTIONS", "UPDATE payment.expectations SET faults = 1 WHERE external_id = 'm1'",
		"UPDATE payment.expectations SET faults = 0 WHERE external_id = 'm1'" },
};

static void test_mutants(void **state)
{
	(void)state;
	struct order_received order = shawls("m1");
	struct order_routed routed = by_two("m1");
	struct payment_reported paid = word_of("m1", KIND_SUCCEEDED, PKR(15334), "evt_m1", "pi_m1");
	struct payment_reported stray = word_of(NULL, KIND_SUCCEEDED, USD(500), "evt_m2", "pi_m2");
	struct parcel_delivered delivered = parcel("m1", 1);

	world_run(&w, on_order_received, &order, 1);
	world_run(&w, on_order_routed, &routed, 1);
	world_run(&w, on_payment_reported, &paid, 1);
	world_run(&w, on_payment_reported, &stray, 1);
	world_run(&w, on_parcel_delivered, &delivered, 1);
	world_no_drift(&w);
	for (size_t i = 0; i < sizeof(mutants) / sizeof(mutants[0]); i++) {
		world_script(
			&w, kw_arena_printf(w.arena, "SET session_replication_role = replica; %s",
				    mutants[i].change));
		if (world_number(&w, "SELECT count(*) FROM payment.drift WHERE rule = $1::text",
			    mutants[i].rule) == 0)
			fail_msg("mutant %zu was not found by %s", i, mutants[i].rule);
		world_script(
			&w, kw_arena_printf(w.arena, "SET session_replication_role = replica; %s",
				    mutants[i].undo));
		world_no_drift(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_statements_prepare),
		cmocka_unit_test(test_migrated_twice),
		cmocka_unit_test(test_ledger_refuses),
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_mutants),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
