/* Orders through the handlers: what channels, operators and parcels say, in every order, on a real
 * PostgreSQL. */
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
	stage_make(&w, "routing_orders");
	SAY(&w, HUB(&w, "hub-a", 1), HUB(&w, "hub-b", 1),
		MAKER(&w, "zainab", "hub-a", "shawl", 5, "ACTIVE", 1),
		MAKER(&w, "bushra", "hub-b", "cap", 5, "ACTIVE", 1),
		LISTING(&w, "shawl", "STOCKED", "zainab", "hub-a", "shawl", 1000, "APPROVED", 1),
		LISTING(&w, "cap", "STOCKED", "bushra", "hub-b", "cap", 1000, "APPROVED", 1),
		LISTING(&w, "old", "STOCKED", "bushra", "hub-b", "cap", 10, "RETIRED", 1));
	stage_stock(&w);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stage_is_clean(&w);
	stage_done(&w);
	return 0;
}

static const char *events(const char *external_id)
{
	return stage_events(&w, order_id(&w, external_id));
}

static const char *state_of(const char *external_id)
{
	return stage_state(&w, order_id(&w, external_id));
}

static void an_order_is_routed(void **state)
{
	(void)state;
	SAY(&w, ORDERED(&w, .external_id = "plain", .lines = "shawl:2 cap:1"));
	assert_string_equal(events("plain"), "received:1 routed:2");
	assert_string_equal(state_of("plain"), "ROUTED");
	const char *payload =
		stage_text(&w, "SELECT payload FROM journal WHERE key = $1::text AND version = 2",
			order_id(&w, "plain"));
	assert_non_null(strstr(payload, "\"weight_g\":1000"));
	assert_non_null(
		strstr(payload, "\"declared_value\":{\"amount\":\"200.00\",\"currency\":\"PKR\"}"));
	assert_non_null(strstr(payload, "\"ship_from\":{\"name\":\"hub-b\""));
	assert_non_null(strstr(payload, "\"rule\":\"own-maker\",\"reason\":\"IN_STOCK\""));
	assert_int_equal(
		stage_number(&w, "SELECT count(*) FROM fulfilments WHERE order_id = $1::text::uuid",
			order_id(&w, "plain")),
		2);
	stage_is_clean(&w);
}

static void repeats_change_nothing(void **state)
{
	(void)state;
	SAY(&w, ORDERED(&w, .external_id = "rep", .lines = "shawl:1"),
		ORDERED(&w, .external_id = "rep", .lines = "shawl:1"));
	for (int i = 0; i < 3; i++)
		SAY(&w, ORDERED(&w, .external_id = "rep", .lines = "shawl:1"));
	assert_string_equal(events("rep"), "received:1 routed:2");
}

static void other_content_is_quarantined_once(void **state)
{
	(void)state;
	SAY(&w, ORDERED(&w, .external_id = "con", .lines = "shawl:1"));
	for (int i = 0; i < 2; i++)
		SAY(&w, ORDERED(&w, .external_id = "con", .lines = "shawl:1", .hash = "2",
				.total = "1.00"));
	assert_string_equal(events("con"), "received:1 routed:2 conflicted:3");
	assert_string_equal(
		stage_text(&w,
			"SELECT string_agg(kind || ' ' || state || ' ' || field, ',') FROM "
			"exceptions WHERE external_id = 'con'",
			NULL),
		"CONFLICT OPEN total");
	assert_int_equal(
		stage_number(&w, "SELECT total FROM orders WHERE external_id = 'con'", NULL),
		10000);
	/* the first content again is still a repeat */
	SAY(&w, ORDERED(&w, .external_id = "con", .lines = "shawl:1"));
	assert_string_equal(events("con"), "received:1 routed:2 conflicted:3");
}

static void a_conflict_in_one_batch(void **state)
{
	(void)state;
	SAY(&w, ORDERED(&w, .external_id = "con2", .lines = "shawl:1"),
		ORDERED(&w, .external_id = "con2", .lines = "shawl:1", .hash = "2",
			.total = "1.00"),
		ORDERED(&w, .external_id = "con2", .lines = "shawl:1", .hash = "2",
			.total = "1.00"));
	assert_string_equal(events("con2"), "received:1 conflicted:2 routed:3");
}

static void a_late_creation_stays_cancelled(void **state)
{
	(void)state;
	SAY(&w, ORDERED(&w, .external_id = "late", .kind = "CANCELLED",
			.source_time = "2026-03-02T09:30:00Z", .lines = "shawl:1",
			.more = ",\"cancel_reason\":\"customer\""));
	assert_string_equal(events("late"), "received:1 cancelled:2");
	SAY(&w, ORDERED(&w, .external_id = "late", .lines = "shawl:1"));
	assert_string_equal(events("late"), "received:1 cancelled:2");
	assert_string_equal(state_of("late"), "CANCELLED");
}

static void created_and_cancelled_in_one_batch(void **state)
{
	(void)state;
	SAY(&w, ORDERED(&w, .external_id = "both", .lines = "shawl:1"),
		ORDERED(&w, .external_id = "both", .kind = "CANCELLED",
			.source_time = "2026-03-02T09:30:00Z", .lines = "shawl:1", .hash = "3"));
	assert_string_equal(events("both"), "received:1 cancelled:2");
}

static void a_payment_before_the_order(void **state)
{
	(void)state;
	const char *pay =
		",\"payments\":[{\"reference\":\"p1\",\"amount\":{\"amount\":\"100.00\",\"currency\":\"PKR\"}}]";
	SAY(&w, ORDERED(&w, .external_id = "paid", .kind = "PAID",
			.source_time = "2026-03-02T09:30:00Z", .lines = "shawl:1", .more = pay));
	assert_string_equal(events("paid"), "received:1 payment_reported:2 routed:3");
	SAY(&w, ORDERED(&w, .external_id = "paid", .lines = "shawl:1"));
	/* the same reference in a later message is the same payment: only the facts are new */
	SAY(&w, ORDERED(&w, .external_id = "paid", .kind = "PAID",
			.source_time = "2026-03-02T09:40:00Z", .lines = "shawl:1", .more = pay));
	assert_string_equal(events("paid"), "received:1 payment_reported:2 routed:3 updated:4");
}

static void an_older_update_changes_nothing(void **state)
{
	(void)state;
	SAY(&w, ORDERED(&w, .external_id = "upd", .lines = "shawl:1"));
	SAY(&w, ORDERED(&w, .external_id = "upd", .kind = "UPDATED",
			.source_time = "2026-03-02T09:50:00Z", .lines = "shawl:1", .hash = "5",
			.more = ",\"financial_status\":\"paid\""));
	SAY(&w, ORDERED(&w, .external_id = "upd", .kind = "UPDATED",
			.source_time = "2026-03-02T09:40:00Z", .lines = "shawl:1", .hash = "4",
			.more = ",\"financial_status\":\"pending\""));
	assert_string_equal(events("upd"), "received:1 routed:2 updated:3");
	assert_string_equal(
		stage_text(
			&w, "SELECT financial_status FROM orders WHERE external_id = 'upd'", NULL),
		"paid");
}

static void changed_lines_are_a_persons_business(void **state)
{
	(void)state;
	SAY(&w, ORDERED(&w, .external_id = "edit", .lines = "shawl:1"));
	SAY(&w, ORDERED(&w, .external_id = "edit", .kind = "UPDATED",
			.source_time = "2026-03-02T09:50:00Z", .lines = "shawl:2", .hash = "5"));
	assert_string_equal(events("edit"), "received:1 routed:2 updated:3");
	assert_string_equal(
		stage_text(&w,
			"SELECT string_agg(kind, ',') FROM exceptions WHERE external_id = 'edit'",
			NULL),
		"LINES_CHANGED");
	assert_int_equal(
		stage_number(&w,
			"SELECT quantity FROM order_lines JOIN orders USING (order_no) WHERE "
			"external_id = 'edit'",
			NULL),
		1);
	SAY(&w, ORDERED(&w, .external_id = "dear", .lines = "shawl:1", .total = "1000.00"));
	SAY(&w, ORDERED(&w, .external_id = "dear", .kind = "UPDATED", .total = "1100.00",
			.source_time = "2026-03-02T09:50:00Z", .lines = "shawl:1", .hash = "5"));
	assert_string_equal(
		stage_text(&w,
			"SELECT string_agg(kind || ' ' || total, ',') FROM exceptions "
			"JOIN orders USING (order_id) WHERE orders.external_id = 'dear'",
			NULL),
		"LINES_CHANGED 100000");
}

static void a_test_order_is_kept_and_never_fulfilled(void **state)
{
	(void)state;
	SAY(&w, ORDERED(&w, .external_id = "test", .lines = "shawl:1", .test = true));
	assert_string_equal(events("test"), "received:1 parked:2");
	stage_later(&w, 10);
	stage_stock(&w);
	assert_string_equal(state_of("test"), "PARKED");
	assert_string_equal(
		stage_text(&w, "SELECT reason FROM parked WHERE order_id = $1::text::uuid",
			order_id(&w, "test")),
		"TEST_ORDER");
}

static void what_cannot_be_filled_parks(void **state)
{
	(void)state;
	SAY(&w, ORDERED(&w, .external_id = "park", .lines = "shawl:1 nobody:1 old:1 cap:5000"));
	assert_string_equal(events("park"), "received:1 routed:2 parked:3");
	assert_string_equal(state_of("park"), "PARTLY_ROUTED");
	assert_string_equal(
		stage_text(&w,
			"SELECT string_agg(reason, ' ' ORDER BY line_no) FROM parked WHERE "
			"order_id = $1::text::uuid",
			order_id(&w, "park")),
		"UNKNOWN_LISTING RETIRED_LISTING OUT_OF_STOCK");
	SAY(&w, ORDERED(&w, .external_id = "nowhere", .lines = "shawl:1", .no_address = true));
	assert_string_equal(events("nowhere"), "received:1 parked:2");
	SAY(&w, ORDERED(&w, .external_id = "nowhere", .kind = "UPDATED",
			.source_time = "2026-03-02T09:50:00Z", .lines = "shawl:1", .hash = "9"));
	assert_string_equal(events("nowhere"), "received:1 parked:2 updated:3 routed:4");
}

static void parked_orders_expire(void **state)
{
	(void)state;
	SAY(&w, ORDERED(&w, .external_id = "exp", .lines = "nobody:1"),
		ORDERED(&w, .external_id = "exp2", .lines = "shawl:1 nobody:1"));
	stage_later(&w, 7 * 86400 - 1);
	stage_expire(&w);
	assert_string_equal(events("exp"), "received:1 parked:2");
	stage_later(&w, 1);
	stage_expire(&w);
	stage_expire(&w);
	assert_string_equal(events("exp"), "received:1 parked:2 expired:3");
	assert_string_equal(state_of("exp"), "EXPIRED");
	assert_string_equal(events("exp2"), "received:1 routed:2 parked:3 expired:4");
	assert_string_equal(state_of("exp2"), "ROUTED");
	stage_is_clean(&w);
}

static struct said cancel(const char *external_id, const char *request)
{
	return (struct said) { "karwan.order.cancel_requested.v1",
		kw_arena_printf(w.arena,
			"{\"order_id\":\"%s\",\"request_id\":\"%s\",\"reason\":\"asked\",\"by\":\"operator\"}",
			order_id(&w, external_id), request) };
}

static void an_operator_cancels(void **state)
{
	(void)state;
	int64_t before =
		stage_number(&w, "SELECT allocated FROM stock WHERE listing_id = 'shawl'", NULL);
	SAY(&w, ORDERED(&w, .external_id = "can", .lines = "shawl:3"));
	SAY(&w, cancel("can", "r1"), cancel("can", "r1"), cancel("can", "r2"));
	SAY(&w, cancel("can", "r1"));
	assert_string_equal(events("can"), "received:1 routed:2 cancelled:3 cancel_refused:4");
	assert_string_equal(stage_text(&w,
				    "SELECT string_agg(outcome, ' ' ORDER BY request_id) FROM "
				    "cancel_requests WHERE order_id = $1::text::uuid",
				    order_id(&w, "can")),
		"CANCELLED ALREADY_CANCELLED");
	assert_int_equal(
		stage_number(&w, "SELECT allocated FROM stock WHERE listing_id = 'shawl'", NULL),
		before);
	const char *payload =
		stage_text(&w, "SELECT payload FROM journal WHERE key = $1::text AND version = 3",
			order_id(&w, "can"));
	assert_non_null(strstr(payload, "\"fulfilments\":[{\"fulfilment_id\":"));
	assert_non_null(strstr(payload, "\"depleted\":[{\"listing_id\":\"shawl\",\"available\":"));
	/* the channel's own cancellation finds it done */
	SAY(&w, ORDERED(&w, .external_id = "can", .kind = "CANCELLED",
			.source_time = "2026-03-02T09:55:00Z", .lines = "shawl:3"));
	assert_string_equal(
		events("can"), "received:1 routed:2 cancelled:3 cancel_refused:4 updated:5");
}

static void a_cancellation_of_nothing_is_invalid(void **state)
{
	(void)state;
	struct said said = cancel("never", "r1");
	assert_int_equal(stage_try(&w, &said, 1), KW_INVALID);
	assert_string_equal(w.err.pointer, "/order_id");
}

static void an_id_of_another_order_is_invalid(void **state)
{
	(void)state;
	struct said said = ORDERED(&w, .external_id = "real", .lines = "shawl:1");
	char *json = kw_arena_str(w.arena, said.json);
	memcpy(strstr(json, "\"external_id\":\"real\"") + 15, "fake", 4);
	said.json = json;
	assert_int_equal(stage_try(&w, &said, 1), KW_INVALID);
	assert_string_equal(w.err.pointer, "/order_id");
}

static void parcels_carry_the_order_to_its_end(void **state)
{
	(void)state;
	SAY(&w, ORDERED(&w, .external_id = "go", .lines = "shawl:1 cap:1"));
	SAY(&w, PARCEL(&w, "handed_over", "go", 1));
	assert_string_equal(state_of("go"), "IN_PROGRESS");
	SAY(&w, PARCEL(&w, "handed_over", "go", 2), PARCEL(&w, "handed_over", "go", 1));
	assert_string_equal(state_of("go"), "SHIPPED");
	/* what has left cannot be cancelled */
	SAY(&w, cancel("go", "r1"));
	SAY(&w, PARCEL(&w, "delivered", "go", 1));
	SAY(&w, PARCEL(&w, "delivered", "go", 2));
	assert_string_equal(state_of("go"), "DELIVERED");
	assert_string_equal(events("go"),
		"received:1 routed:2 in_progress:3 shipped:4 cancel_refused:5 delivered:6");
	stage_stock(&w);
	assert_int_equal(
		stage_number(&w,
			"SELECT count(*) FROM stock_movements WHERE kind = 'SALE' AND order_id = "
			"$1::text::uuid",
			order_id(&w, "go")),
		2);
	stage_is_clean(&w);
}

static void a_part_is_cancelled_the_other_lost(void **state)
{
	(void)state;
	SAY(&w, ORDERED(&w, .external_id = "half", .lines = "shawl:1 cap:1"));
	SAY(&w, PARCEL(&w, "handed_over", "half", 2));
	SAY(&w, cancel("half", "r1"));
	assert_string_equal(state_of("half"), "SHIPPED");
	SAY(&w, PARCEL(&w, "lost", "half", 2));
	assert_string_equal(state_of("half"), "CLOSED");
	assert_string_equal(
		events("half"), "received:1 routed:2 in_progress:3 cancelled:4 closed:5");
	/* the other parcel leaves in spite of the cancellation: a person looks at it */
	SAY(&w, PARCEL(&w, "handed_over", "half", 1));
	SAY(&w, PARCEL(&w, "delivered", "half", 1));
	assert_string_equal(
		stage_text(&w,
			"SELECT string_agg(kind, ',') FROM exceptions WHERE external_id = 'half'",
			NULL),
		"SHIPPED_AFTER_CANCEL");
	stage_is_clean(&w);
}

static void delivered_is_seen_first(void **state)
{
	(void)state;
	SAY(&w, ORDERED(&w, .external_id = "quick", .lines = "shawl:1"));
	SAY(&w, PARCEL(&w, "delivered", "quick", 1));
	SAY(&w, PARCEL(&w, "handed_over", "quick", 1), PARCEL(&w, "delivered", "quick", 1));
	assert_string_equal(events("quick"), "received:1 routed:2 delivered:3");
}

static void a_parcel_cancelled_by_dispatch_holds(void **state)
{
	(void)state;
	SAY(&w, ORDERED(&w, .external_id = "hold", .lines = "shawl:1"));
	SAY(&w, PARCEL(&w, "cancelled", "hold", 1));
	assert_string_equal(
		stage_text(&w,
			"SELECT f.state || ' ' || x.kind FROM fulfilments f JOIN exceptions x "
			"USING (order_id) WHERE order_id = $1::text::uuid",
			order_id(&w, "hold")),
		"ON_HOLD PARCEL_CANCELLED");
	SAY(&w, cancel("hold", "r1"));
	assert_string_equal(state_of("hold"), "CANCELLED");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_order_is_routed),
		cmocka_unit_test(repeats_change_nothing),
		cmocka_unit_test(other_content_is_quarantined_once),
		cmocka_unit_test(a_conflict_in_one_batch),
		cmocka_unit_test(a_late_creation_stays_cancelled),
		cmocka_unit_test(created_and_cancelled_in_one_batch),
		cmocka_unit_test(a_payment_before_the_order),
		cmocka_unit_test(an_older_update_changes_nothing),
		cmocka_unit_test(changed_lines_are_a_persons_business),
		cmocka_unit_test(a_test_order_is_kept_and_never_fulfilled),
		cmocka_unit_test(what_cannot_be_filled_parks),
		cmocka_unit_test(an_operator_cancels),
		cmocka_unit_test(a_cancellation_of_nothing_is_invalid),
		cmocka_unit_test(an_id_of_another_order_is_invalid),
		cmocka_unit_test(parcels_carry_the_order_to_its_end),
		cmocka_unit_test(a_part_is_cancelled_the_other_lost),
		cmocka_unit_test(delivered_is_seen_first),
		cmocka_unit_test(a_parcel_cancelled_by_dispatch_holds),
		cmocka_unit_test(parked_orders_expire),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
