/* What channels tell without telling it, on a real PostgreSQL: notices become intents once,
 * withdrawals cancel whichever comes first, and the place of a poll is leased and remembered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "flow/lease.h"
#include "routing_stage.h"
#include "store_channels.h"

#define HELD_MS 60000

static struct stage w;

static int setup(void **state)
{
	(void)state;
	stage_make(&w, "routing_channels");
	SAY(&w, HUB(&w, "hub-a", 1), MAKER(&w, "zainab", "hub-a", "shawl", 5, "ACTIVE", 1),
		LISTING(&w, "shawl", "STOCKED", "zainab", "hub-a", "shawl", 1000, "APPROVED", 1));
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

/* ---- notices ---- */

static struct said noticed(const char *external_id, const char *more)
{
	return (struct said) { "karwan.order.noticed.v1",
		kw_arena_printf(w.arena,
			"{\"order_id\":\"%s\",\"channel\":\"shop\",\"external_id\":\"%s\"%s}",
			order_id(&w, external_id), external_id, more) };
}

static int64_t intents_of(const char *external_id)
{
	return stage_number(&w,
		"SELECT count(*) FROM intents WHERE entity = $1::text::uuid AND kind = 'fetch:shop' "
		"AND state = 'PENDING'",
		order_id(&w, external_id));
}

static void a_notice_is_fetched_once(void **state)
{
	const char *first = ",\"noticed_at\":\"2026-03-02T09:00:00Z\",\"status\":\"unpaid\"";

	(void)state;
	SAY(&w, noticed("n1", first), noticed("n1", first));
	SAY(&w, noticed("n1", first));
	assert_int_equal(intents_of("n1"), 1);
	SAY(&w, noticed("n1", ",\"noticed_at\":\"2026-03-02T09:00:00Z\",\"status\":\"pending\""));
	SAY(&w, noticed("n1", ",\"noticed_at\":\"2026-03-02T09:00:01Z\",\"status\":\"unpaid\""));
	assert_int_equal(intents_of("n1"), 3);
	/* it is no order before it was fetched */
	assert_int_equal(
		stage_number(&w, "SELECT count(*) FROM orders WHERE external_id = 'n1'", NULL), 0);
}

static void a_return_is_told_to_a_person_once(void **state)
{
	static const char count[] =
		"SELECT count(*) FROM exceptions WHERE kind = 'RETURN_REPORTED' "
		"AND external_id = $1::text AND state = 'OPEN'";

	(void)state;
	SAY(&w, noticed("r1",
			",\"reverse_id\":\"88\",\"line_id\":\"7\",\"status\":\"REQUEST_INITIATE\""));
	SAY(&w, noticed("r1", ",\"reverse_id\":\"88\",\"status\":\"REQUEST_COMPLETE\""));
	assert_int_equal(stage_number(&w, count, "r1"), 1);
	SAY(&w, noticed("r1", ",\"reverse_id\":\"89\""));
	assert_int_equal(stage_number(&w, count, "r1"), 2);
	assert_int_equal(
		stage_number(&w, "SELECT count(*) FROM orders WHERE external_id = '88'", NULL), 0);
}

static void an_id_that_is_not_its_orders_is_refused(void **state)
{
	struct said other = { "karwan.order.noticed.v1",
		kw_arena_printf(w.arena,
			"{\"order_id\":\"%s\",\"channel\":\"shop\",\"external_id\":\"other\"}",
			order_id(&w, "n1")) };
	struct said gone = other;

	(void)state;
	gone.type = "karwan.order.withdrawn.v1";
	assert_int_equal(stage_try(&w, &other, 1), KW_INVALID);
	assert_string_equal(w.err.pointer, "/order_id");
	assert_int_equal(stage_try(&w, &gone, 1), KW_INVALID);
	assert_string_equal(w.err.pointer, "/order_id");
}

/* ---- withdrawals ---- */

static struct said withdrawn(const char *external_id)
{
	return (struct said) { "karwan.order.withdrawn.v1",
		kw_arena_printf(w.arena,
			"{\"order_id\":\"%s\",\"channel\":\"shop\",\"external_id\":\"%s\"}",
			order_id(&w, external_id), external_id) };
}

static void what_is_gone_is_cancelled_once(void **state)
{
	(void)state;
	SAY(&w, ORDERED(&w, .external_id = "w1", .lines = "shawl:1"));
	SAY(&w, withdrawn("w1"), withdrawn("w1"));
	SAY(&w, withdrawn("w1"));
	assert_string_equal(stage_state(&w, order_id(&w, "w1")), "CANCELLED");
	assert_string_equal(
		stage_events(&w, order_id(&w, "w1")), "received:1 routed:2 cancelled:3");
}

static void what_was_gone_before_it_came_is_cancelled_when_it_comes(void **state)
{
	(void)state;
	SAY(&w, withdrawn("w2"));
	assert_int_equal(
		stage_number(&w, "SELECT count(*) FROM orders WHERE external_id = 'w2'", NULL), 0);
	SAY(&w, ORDERED(&w, .external_id = "w2", .lines = "shawl:1"));
	assert_string_equal(stage_state(&w, order_id(&w, "w2")), "CANCELLED");
	/* in one batch, either way round */
	SAY(&w, withdrawn("w3"), ORDERED(&w, .external_id = "w3", .lines = "shawl:1"));
	assert_string_equal(stage_state(&w, order_id(&w, "w3")), "CANCELLED");
}

static void what_has_left_is_not_cancelled(void **state)
{
	(void)state;
	SAY(&w, ORDERED(&w, .external_id = "w4", .lines = "shawl:1"));
	SAY(&w, PARCEL(&w, "handed_over", "w4", 1));
	SAY(&w, withdrawn("w4"));
	assert_string_equal(stage_state(&w, order_id(&w, "w4")), "SHIPPED");
	assert_string_equal(stage_events(&w, order_id(&w, "w4")),
		"received:1 routed:2 shipped:3 cancel_refused:4");
}

/* ---- polls ---- */

static size_t take(struct stage *s, const char *channel, struct poll_row **ret)
{
	struct text_row rows[] = { { channel } };
	struct kw_err err;
	size_t n;

	assert_int_equal(store_take_polls(s->pg, s->arena, rows, 1, 8, s->clock.fixed, HELD_MS, ret,
				 &n, &err),
		KW_OK);
	return n;
}

static struct poll_outcome saved;

static enum kw_rc save(struct kw_batch *b, void *arg, struct kw_err *err)
{
	(void)arg;
	return store_save_polls(b, &saved, 1, err);
}

static void a_poll_is_leased_and_remembers_its_place(void **state)
{
	static const char row[] = "SELECT concat_ws(' ', state, page, failures, orders, reason) "
				  "FROM polls WHERE channel = $1::text";
	struct poll_row *rows;
	struct stage other;

	(void)state;
	stage_join(&other, &w);
	assert_int_equal(take(&w, "a", &rows), 0); /* it has its row now */
	assert_string_equal(stage_text(&w, row, "a"), "NEW 1 0 0");
	assert_int_equal(take(&w, "a", &rows), 1);
	assert_int_equal(rows[0].walk.since, w.clock.fixed - WALK_FIRST_US);
	struct poll_row *none;
	assert_int_equal(take(&other, "a", &none), 0); /* it is held */

	saved = (struct poll_outcome) {
		.channel = "a", .token = rows[0].token, .walk = rows[0].walk, .orders = 100
	};
	saved.walk.since += 5 * KW_US_PER_S;
	saved.walk.page = 2;
	assert_int_equal(stage_job(&w, save), KW_OK);
	assert_string_equal(stage_text(&w, row, "a"), "GOOD 2 0 100");
	struct poll_row *next;
	assert_int_equal(take(&other, "a", &next), 1); /* the next page, by whoever comes first */
	assert_int_equal(next[0].walk.page, 2);
	assert_int_equal(next[0].walk.since, rows[0].walk.since + 5 * KW_US_PER_S);

	/* who held it before is not listened to any more */
	saved.reason = "TIMEOUT: late";
	saved.failures = 1;
	assert_int_equal(stage_job(&w, save), KW_OK);
	assert_string_equal(stage_text(&w, row, "a"), "GOOD 2 0 100");
	saved.token = next[0].token;
	saved.pause_ms = 3600000;
	saved.orders = 0;
	assert_int_equal(stage_job(&w, save), KW_OK);
	assert_string_equal(stage_text(&w, row, "a"), "FAILING 2 1 100 TIMEOUT: late");
	assert_int_equal(take(&w, "a", &rows), 0); /* it is not due for an hour */
	stage_leave(&other);
}

static void a_lease_that_ran_out_is_taken_by_another(void **state)
{
	struct poll_row *rows, *again;

	(void)state;
	take(&w, "b", &rows);
	assert_int_equal(take(&w, "b", &rows), 1);
	stage_script(&w, "UPDATE polls SET due = clock_timestamp() WHERE channel = 'b'");
	assert_int_equal(take(&w, "b", &again), 1);
	assert_true(again[0].token > rows[0].token);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_notice_is_fetched_once),
		cmocka_unit_test(a_return_is_told_to_a_person_once),
		cmocka_unit_test(an_id_that_is_not_its_orders_is_refused),
		cmocka_unit_test(what_is_gone_is_cancelled_once),
		cmocka_unit_test(what_was_gone_before_it_came_is_cancelled_when_it_comes),
		cmocka_unit_test(what_has_left_is_not_cancelled),
		cmocka_unit_test(a_poll_is_leased_and_remembers_its_place),
		cmocka_unit_test(a_lease_that_ran_out_is_taken_by_another),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
