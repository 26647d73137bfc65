/* What a person decides about exceptions of orders, on a real PostgreSQL: who and why are kept, an
 * order is cancelled or left, a repeat or a late request changes nothing. */
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
	stage_make(&w, "routing_exceptions");
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

static const char *exception_of(const char *external_id)
{
	return stage_text(&w,
		"SELECT exception_id::text FROM exceptions WHERE order_id = $1::text::uuid",
		order_id(&w, external_id));
}

static const char *row_of(const char *external_id)
{
	return stage_text(&w,
		"SELECT concat_ws(' ', state, version, resolution, resolved_by, note) "
		"FROM exceptions WHERE order_id = $1::text::uuid",
		order_id(&w, external_id));
}

static struct said resolve(const char *exception_id, int version, const char *resolution)
{
	return (struct said) { "karwan.exception.resolve_requested.v1",
		kw_arena_printf(w.arena,
			"{\"exception_id\":\"%s\",\"version\":%d,\"resolution\":\"%s\","
			"\"reason\":\"she called\",\"by\":\"sana\"}",
			exception_id, version, resolution) };
}

static void conflict(const char *external_id)
{
	SAY(&w, ORDERED(&w, .external_id = external_id, .lines = "shawl:1"));
	SAY(&w, ORDERED(&w, .external_id = external_id, .lines = "shawl:1", .hash = "2",
			.total = "1.00"));
}

static void what_is_kept_is_closed_once(void **state)
{
	(void)state;
	conflict("keep");
	assert_string_equal(row_of("keep"), "OPEN 1");
	struct said said = resolve(exception_of("keep"), 1, "KEEP");
	SAY(&w, said, said);
	SAY(&w, said, resolve(exception_of("keep"), 1, "CANCEL_ORDER"));
	assert_string_equal(row_of("keep"), "CLOSED 2 KEEP sana she called");
	assert_string_equal(stage_events(&w, order_id(&w, "keep")),
		"received:1 routed:2 conflicted:3 exception_resolved:4");
	assert_string_equal(stage_state(&w, order_id(&w, "keep")), "ROUTED");
}

static void the_order_is_cancelled_with_it(void **state)
{
	(void)state;
	conflict("drop");
	SAY(&w, resolve(exception_of("drop"), 1, "CANCEL_ORDER"));
	assert_string_equal(row_of("drop"), "CLOSED 2 CANCEL_ORDER sana she called");
	assert_string_equal(stage_events(&w, order_id(&w, "drop")),
		"received:1 routed:2 conflicted:3 cancelled:4 exception_resolved:5");
	assert_string_equal(stage_state(&w, order_id(&w, "drop")), "CANCELLED");
}

static void too_late_to_cancel_stays_open(void **state)
{
	(void)state;
	conflict("gone");
	SAY(&w, PARCEL(&w, "handed_over", "gone", 1));
	SAY(&w, resolve(exception_of("gone"), 1, "CANCEL_ORDER"));
	assert_string_equal(row_of("gone"), "OPEN 1");
	assert_string_equal(stage_events(&w, order_id(&w, "gone")),
		"received:1 routed:2 conflicted:3 shipped:4 cancel_refused:5");
	SAY(&w, resolve(exception_of("gone"), 1, "KEEP"));
	assert_string_equal(row_of("gone"), "CLOSED 2 KEEP sana she called");
}

static void another_version_is_not_touched(void **state)
{
	(void)state;
	conflict("other");
	SAY(&w, resolve(exception_of("other"), 2, "CANCEL_ORDER"));
	assert_string_equal(row_of("other"), "OPEN 1");
	assert_string_equal(stage_state(&w, order_id(&w, "other")), "ROUTED");
}

static void what_cannot_be_is_refused(void **state)
{
	(void)state;
	struct said unknown = resolve("11111111-1111-5111-8111-111111111111", 1, "KEEP");
	assert_int_equal(stage_try(&w, &unknown, 1), KW_INVALID);
	assert_string_equal(w.err.pointer, "/exception_id");
	conflict("money");
	struct said money = resolve(exception_of("money"), 1, "ASSIGN_ORDER");
	assert_int_equal(stage_try(&w, &money, 1), KW_INVALID);
	assert_string_equal(w.err.pointer, "/resolution");
	assert_string_equal(row_of("money"), "OPEN 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_kept_is_closed_once),
		cmocka_unit_test(the_order_is_cancelled_with_it),
		cmocka_unit_test(too_late_to_cancel_stays_open),
		cmocka_unit_test(another_version_is_not_touched),
		cmocka_unit_test(what_cannot_be_is_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
