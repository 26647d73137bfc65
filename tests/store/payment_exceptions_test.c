/* What a person decides about money that does not fit, on PostgreSQL: it is accepted as it is, or
 * gets its order; the ledger follows, who and why are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/arena.h"
#include "payment_world.h"
#include "svc/resolution.h"

static struct world w;

static int setup(void **state)
{
	(void)state;
	world_make(&w, "payment_exceptions");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_done(&w);
	return 0;
}

static int check(void **state)
{
	(void)state;
	world_no_drift(&w);
	world_versions_grow(&w);
	return 0;
}

static void order(const char *external_id)
{
	struct order_received received = shawls(external_id);
	world_run(&w, on_order_received, &received, 1);
}

static void pay(const char *external_id, int kind, struct kw_money amount, const char *event,
	const char *payment)
{
	struct payment_reported word = word_of(external_id, kind, amount, event, payment);
	world_run(&w, on_payment_reported, &word, 1);
}

static struct kw_uuid payment_id(const char *provider_payment_id)
{
	return kw_uuid_of("payment", "stripe-demo", provider_payment_id);
}

static struct kw_resolve_requested request(
	const char *kind, const char *of, int64_t version, int resolution)
{
	return (struct kw_resolve_requested) {
		.meta = meta_of("resolve", of),
		.exception_id = kw_uuid_of("exception", kind, of),
		.version = version,
		.resolution = resolution,
		.reason = "the bank names it",
		.by = "sana",
	};
}

static const char *row(const char *kind, const char *of)
{
	return world_text(&w,
		"SELECT concat_ws(' ', state, version, resolution, resolved_by, note) "
		"FROM payment.exceptions WHERE exception_id = $1::text::uuid",
		kw_uuid_of("exception", kind, of).s);
}

static const char *expectation(const char *external_id)
{
	return world_text(&w,
		"SELECT format('%s %s/%s %s', state, received, expected, CASE WHEN cleared THEN 'cleared' ELSE 'held' END) "
		"FROM payment.expectations WHERE order_id = $1::text::uuid",
		order_id_of(external_id).s);
}

static void money_gets_its_order(void **state)
{
	(void)state;
	struct kw_uuid payment = payment_id("pi_a");
	order("assign");
	pay(NULL, KIND_SUCCEEDED, PKR(15334), "evt_a", "pi_a");
	struct kw_resolve_requested m = request("UNKNOWN_REFERENCE", payment.s, 1, KW_ASSIGN_ORDER);
	m.channel = "dibs";
	m.external_id = "assign";
	world_run(&w, on_resolve_requested, &m, 1);
	assert_string_equal(expectation("assign"), "POSTED 15334/15334 cleared");
	assert_string_equal(row("UNKNOWN_REFERENCE", payment.s),
		"RESOLVED 2 ASSIGN_ORDER sana the bank names it");
	assert_int_equal(
		world_number(&w,
			"SELECT coalesce(sum(minor), 0) FROM payment.postings WHERE account = 'SUSPENSE'",
			NULL),
		0);
	/* a repeat, and another order for the same version, change nothing */
	world_run(&w, on_resolve_requested, &m, 1);
	order("assign-2");
	m.external_id = "assign-2";
	world_run(&w, on_resolve_requested, &m, 1);
	assert_string_equal(expectation("assign-2"), "EXPECTED 0/15334 held");
	/* the provider's own later word of the payment is one more of the same */
	pay("assign", KIND_REFUNDED, PKR(34), "evt_a2", "pi_a");
	assert_string_equal(expectation("assign"), "PARTLY 15300/15334 held");
	assert_int_equal(
		world_number(&w,
			"SELECT count(*) FROM payment.journal WHERE type = 'karwan.exception.resolved.v1' "
			"AND payload LIKE '%\"resolution\":\"ASSIGN_ORDER\",\"by\":\"sana\",\"note\":\"the bank names it\"%'",
			NULL),
		1);
}

static void the_order_may_come_later(void **state)
{
	(void)state;
	struct kw_uuid payment = payment_id("pi_b");
	pay(NULL, KIND_SUCCEEDED, PKR(15334), "evt_b", "pi_b");
	struct kw_resolve_requested m = request("UNKNOWN_REFERENCE", payment.s, 1, KW_ASSIGN_ORDER);
	m.channel = "dibs";
	m.external_id = "later";
	world_run(&w, on_resolve_requested, &m, 1);
	order("later");
	assert_string_equal(expectation("later"), "POSTED 15334/15334 cleared");
}

static void what_is_accepted_still_ends_by_itself(void **state)
{
	(void)state;
	order("short");
	const char *id = order_id_of("short").s;
	pay("short", KIND_SUCCEEDED, PKR(15000), "evt_c", "pi_c");
	struct kw_resolve_requested m = request("UNDERPAID", id, 1, KW_KEEP);
	struct kw_resolve_requested twice[] = { m, m };
	world_run(&w, on_resolve_requested, twice, 2);
	assert_string_equal(row("UNDERPAID", id), "ACCEPTED 2 KEEP sana the bank names it");
	world_no_drift(&w); /* the fault is still there */
	assert_string_equal(expectation("short"), "UNDER 15000/15334 held");
	pay("short", KIND_SUCCEEDED, PKR(334), "evt_c2", "pi_c2");
	assert_string_equal(row("UNDERPAID", id), "RESOLVED 3 KEEP sana the bank names it");
	assert_string_equal(expectation("short"), "POSTED 15334/15334 cleared");
}

static void accepted_and_then_assigned(void **state)
{
	(void)state;
	struct kw_uuid payment = payment_id("pi_d");
	order("both");
	pay(NULL, KIND_SUCCEEDED, PKR(15334), "evt_d", "pi_d");
	struct kw_resolve_requested m = request("UNKNOWN_REFERENCE", payment.s, 1, KW_KEEP);
	world_run(&w, on_resolve_requested, &m, 1);
	assert_string_equal(expectation("both"), "EXPECTED 0/15334 held");
	m = request("UNKNOWN_REFERENCE", payment.s, 2, KW_ASSIGN_ORDER);
	m.channel = "dibs";
	m.external_id = "both";
	world_run(&w, on_resolve_requested, &m, 1);
	assert_string_equal(row("UNKNOWN_REFERENCE", payment.s),
		"RESOLVED 3 ASSIGN_ORDER sana the bank names it");
	assert_string_equal(expectation("both"), "POSTED 15334/15334 cleared");
}

static void what_cannot_be_is_refused(void **state)
{
	(void)state;
	struct kw_err err = { 0 };
	struct kw_resolve_requested m = request("UNDERPAID", order_id_of("nobody").s, 1, KW_KEEP);
	assert_int_equal(world_try(&w, on_resolve_requested, &m, 1, &err), KW_INVALID);
	assert_string_equal(err.pointer, "/exception_id");
	order("little");
	pay("little", KIND_SUCCEEDED, PKR(1), "evt_e", "pi_e");
	m = request("UNDERPAID", order_id_of("little").s, 1, KW_ASSIGN_ORDER);
	m.channel = "dibs";
	m.external_id = "little";
	assert_int_equal(world_try(&w, on_resolve_requested, &m, 1, &err), KW_INVALID);
	assert_string_equal(err.pointer, "/resolution");
}

static int64_t balance(const char *account, const char *external_id)
{
	return world_number(&w,
		kw_arena_printf(w.arena,
			"SELECT coalesce(sum(minor), 0)::bigint FROM payment.postings WHERE account = "
			"'%s' AND entity_id = $1::text::uuid",
			account),
		order_id_of(external_id).s);
}

static void release(const char *external_id, int64_t version)
{
	struct kw_resolve_requested m =
		request("UNDERPAID", order_id_of(external_id).s, version, KW_RELEASE);
	struct kw_resolve_requested twice[] = { m, m };

	world_run(&w, on_resolve_requested, twice, 2);
	world_no_drift(&w);
}

static void an_underpaid_order_goes(void **state)
{
	(void)state;
	const char *id = order_id_of("release").s;
	order("release");
	pay("release", KIND_SUCCEEDED, PKR(15000), "evt_f", "pi_f");
	release("release", 1);
	assert_string_equal(row("UNDERPAID", id), "RESOLVED 2 RELEASE sana the bank names it");
	assert_string_equal(expectation("release"), "WAIVED 15000/15334 cleared");
	assert_int_equal(balance("SHORTFALL", "release"), 334);
	assert_int_equal(balance("RECEIVABLE", "release"), 0);
	/* the makers have all of theirs */
	struct order_routed routed = by_two("release");
	struct parcel_delivered parcels[] = { parcel("release", 1), parcel("release", 2) };
	world_run(&w, on_order_routed, &routed, 1);
	world_run(&w, on_parcel_delivered, parcels, 2);
	assert_int_equal(balance("UNEARNED", "release"), 0);
	/* the rest comes in two parts */
	pay("release", KIND_SUCCEEDED, PKR(100), "evt_f2", "pi_f2");
	assert_string_equal(expectation("release"), "WAIVED 15100/15334 cleared");
	assert_int_equal(balance("SHORTFALL", "release"), 234);
	pay("release", KIND_SUCCEEDED, PKR(234), "evt_f3", "pi_f3");
	assert_string_equal(expectation("release"), "POSTED 15334/15334 cleared");
	assert_int_equal(balance("SHORTFALL", "release"), 0);
}

static void what_goes_missing_later_was_not_waived(void **state)
{
	(void)state;
	const char *id = order_id_of("refunded").s;
	order("refunded");
	pay("refunded", KIND_SUCCEEDED, PKR(15000), "evt_g", "pi_g");
	release("refunded", 1);
	pay("refunded", KIND_REFUNDED, PKR(1000), "evt_g2", "pi_g");
	assert_string_equal(expectation("refunded"), "UNDER 14000/15334 held");
	assert_int_equal(balance("RECEIVABLE", "refunded"), 1000);
	assert_string_equal(row("UNDERPAID", id), "OPEN 3");
	release("refunded", 1); /* of what was known before */
	assert_string_equal(expectation("refunded"), "UNDER 14000/15334 held");
	release("refunded", 3);
	assert_string_equal(expectation("refunded"), "WAIVED 14000/15334 cleared");
	struct order_cancelled cancelled = cancel_all("refunded");
	world_run(&w, on_order_cancelled, &cancelled, 1);
	assert_int_equal(balance("SHORTFALL", "refunded"), 0);
	assert_int_equal(balance("REFUND_DUE", "refunded"), -14000);
}

static void more_is_missing_than_was_seen(void **state)
{
	(void)state;
	order("less");
	pay("less", KIND_SUCCEEDED, PKR(15000), "evt_h", "pi_h");
	pay("less", KIND_REFUNDED, PKR(1), "evt_h2", "pi_h");
	release("less", 1);
	assert_string_equal(expectation("less"), "UNDER 14999/15334 held");
	assert_string_equal(row("UNDERPAID", order_id_of("less").s), "OPEN 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(money_gets_its_order, check),
		cmocka_unit_test_teardown(the_order_may_come_later, check),
		cmocka_unit_test_teardown(what_is_accepted_still_ends_by_itself, check),
		cmocka_unit_test_teardown(accepted_and_then_assigned, check),
		cmocka_unit_test_teardown(what_cannot_be_is_refused, check),
		cmocka_unit_test_teardown(an_underpaid_order_goes, check),
		cmocka_unit_test_teardown(what_goes_missing_later_was_not_waived, check),
		cmocka_unit_test_teardown(more_is_missing_than_was_seen, check),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
