/* Result names, errors, string tables, state machines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/err.h"
#include "core/fsm.h"
#include "core/strtab.h"
#include "dies.h"

static enum kw_rc leave_early(enum kw_rc rc, int *ret_reached)
{
	*ret_reached = 1;
	KW_TRY(rc);
	*ret_reached = 2;
	return KW_OK;
}

static void test_results(void **state)
{
	(void)state;
	static const char *const names[] = { "OK", "NOTHING", "DUPLICATE", "INVALID", "CONFLICT",
		"RETRY", "FATAL" };
	for (int rc = KW_OK; rc <= KW_FATAL; rc++)
		assert_string_equal(kw_rc_name((enum kw_rc)rc), names[rc]);
	assert_string_equal(kw_rc_name((enum kw_rc)99), "UNKNOWN");
	int reached;
	assert_int_equal(leave_early(KW_RETRY, &reached), KW_RETRY);
	assert_int_equal(reached, 1);
	assert_int_equal(leave_early(KW_OK, &reached), KW_OK);
	assert_int_equal(reached, 2);
}

static void test_errors(void **state)
{
	(void)state;
	struct kw_err err;
	assert_int_equal(kw_fail(NULL, KW_RETRY, "nobody asks"), KW_RETRY);
	assert_int_equal(kw_fail_at(&err, KW_INVALID, "/lines/3", "%d is below 1", 0), KW_INVALID);
	int line = __LINE__ - 1;
	assert_int_equal(err.rc, KW_INVALID);
	assert_string_equal(err.reason, "0 is below 1");
	assert_string_equal(err.pointer, "/lines/3");
	assert_string_equal(err.code, "");
	assert_non_null(strstr(err.file, "core_tables_test.c"));
	assert_int_equal(err.line, line);
	assert_int_equal(kw_fail_code(&err, KW_FATAL, "57P01", "again: %s", err.reason), KW_FATAL);
	assert_string_equal(err.reason, "again: 0 is below 1");
	assert_string_equal(err.pointer, "");
	assert_string_equal(err.code, "57P01");
	assert_int_equal(kw_fail_at(&err, KW_INVALID, err.code, "kept"), KW_INVALID);
	assert_string_equal(err.pointer, "57P01");
}

static void test_long_errors_are_cut_between_characters(void **state)
{
	(void)state;
	struct kw_err err;
	char text[1001] = "";
	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "ش", 2);
	kw_fail_at(&err, KW_INVALID, text, "%s", text);
	assert_true(strlen(err.reason) >= sizeof(err.reason) - 3);
	assert_int_equal(strlen(err.reason) % 2, 0);
	assert_true(strlen(err.pointer) >= sizeof(err.pointer) - 3);
	assert_int_equal(strlen(err.pointer) % 2, 0);
}

static void test_assertions_end_the_process(void **state)
{
	(void)state;
	kw_assert(1 + 1 == 2);
	assert_dies(kw_assert(1 + 1 == 3));
}

static void test_string_tables(void **state)
{
	(void)state;
	static const char *const names[] = { "NEW", "ROUTED", "PARKED" };
	static const struct kw_strtab table = KW_STRTAB(names);
	assert_int_equal(table.n, 3);
	for (int i = 0; i < table.n; i++) {
		assert_string_equal(kw_strtab_name(&table, i), names[i]);
		assert_int_equal(kw_strtab_value(&table, names[i]), i);
	}
	assert_null(kw_strtab_name(&table, -1));
	assert_null(kw_strtab_name(&table, 3));
	assert_int_equal(kw_strtab_value(&table, "routed"), -1);
	assert_int_equal(kw_strtab_value(&table, ""), -1);
	assert_int_equal(kw_strtab_value(&table, NULL), -1);
}

static void test_state_machines(void **state)
{
	(void)state;
	enum { READY, BOOKED, GONE };
	enum { BOOK, SCAN };
	static const struct kw_edge edges[] = {
		{ READY, BOOK, BOOKED, NULL },
		{ BOOKED, BOOK, KW_SAME, NULL },
		{ BOOKED, SCAN, GONE, NULL },
	};
	static const struct kw_fsm fsm = KW_FSM(edges);
	int found = 0;
	for (int from = READY; from <= GONE; from++)
		for (int event = BOOK; event <= SCAN; event++)
			found += kw_fsm_find(&fsm, from, event) != NULL;
	assert_int_equal(found, 3);
	assert_ptr_equal(kw_fsm_find(&fsm, READY, BOOK), &edges[0]);
	assert_ptr_equal(kw_fsm_find(&fsm, BOOKED, BOOK), &edges[1]);
	assert_ptr_equal(kw_fsm_find(&fsm, BOOKED, SCAN), &edges[2]);
	assert_null(kw_fsm_find(&fsm, READY, SCAN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_long_errors_are_cut_between_characters),
		cmocka_unit_test(test_assertions_end_the_process),
		cmocka_unit_test(test_string_tables),
		cmocka_unit_test(test_state_machines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
