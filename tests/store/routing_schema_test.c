/* The statements against the migrated database, the rights of the service's role, and the SQL
 * copies of pure functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "routing_stage.h"
#include "states.h"
#include "store.h"

static struct stage w;

static int setup(void **state)
{
	(void)state;
	stage_make(&w, "routing_schema");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stage_done(&w);
	return 0;
}

static void all_statements_prepare(void **state)
{
	(void)state;
	for (size_t i = 0; i < routing_n_stmts; i++)
		assert_non_null(routing_stmts[i].sql);
	if (kw_pg_prepare_all(w.pg, routing_stmts, routing_n_stmts, &w.err) != KW_OK)
		fail_msg("%s", w.err.reason);
}

static void refused(const char *sql)
{
	enum kw_rc rc = kw_pg_script(w.pg, sql, &w.err);
	if (rc == KW_OK)
		fail_msg("allowed: %s", sql);
	assert_string_equal(w.err.code, "42501");
}

static void history_cannot_be_changed(void **state)
{
	(void)state;
	refused("UPDATE stock_movements SET on_hand = 1");
	refused("DELETE FROM stock_movements");
	refused("UPDATE allocations SET quantity = 1");
	refused("DELETE FROM decisions");
	refused("DELETE FROM orders");
	refused("UPDATE journal SET number = 1");
	refused("UPDATE rules SET enabled = false");
	refused("CREATE TABLE routing.mine (a int)");
}

/* The view's state function is that of states.c, for all small combinations. */
static void sql_says_the_same_state(void **state)
{
	(void)state;
	for (int code = 0; code < 3 * 3 * 3 * 3 * 3 * 3 * 3; code++) {
		int d[7], rest = code;
		for (int i = 0; i < 7; i++, rest /= 3)
			d[i] = rest % 3;
		struct line l = { .allocated = d[0],
			.parked = d[1],
			.shipped = d[2] + d[3] + d[4],
			.delivered = d[3],
			.incomplete = d[4],
			.cancelled = d[5] + d[6],
			.expired = d[6] };
		l.quantity = l.allocated + l.parked + l.shipped + l.cancelled;
		if (l.quantity == 0)
			continue;
		const char *sql = kw_arena_printf(w.arena,
			"SELECT order_state_of(%d, %d, %d, %d, %d, %d, %d)", l.allocated, l.parked,
			l.shipped, l.delivered, l.incomplete, l.cancelled, l.expired);
		assert_string_equal(stage_text(&w, sql, NULL),
			kw_strtab_name(&order_state_names, order_state_of(&l, 1)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_statements_prepare),
		cmocka_unit_test(history_cannot_be_changed),
		cmocka_unit_test(sql_says_the_same_state),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
