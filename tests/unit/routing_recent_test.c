/* The edge's hints: the first content under a key counts, another one conflicts, another key never
 * does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "recent.h"

static void first_content_counts(void **state)
{
	struct submitted m = { .order_id = kw_uuid_of("order", "shop", "1"),
		.kind = KIND_CREATED,
		.source_time = 5,
		.content_hash = "aaaa" };
	struct submitted other = m, later = m, paid = m;

	(void)state;
	other.content_hash = "bbbb";
	later.content_hash = paid.content_hash = "cccc";
	later.source_time = 6;
	paid.kind = KIND_PAID;
	recent_forget_all();
	assert_false(recent_conflicts(&other)); /* nothing is known yet */
	recent_learn(&m);
	assert_false(recent_conflicts(&m));
	assert_true(recent_conflicts(&other));
	assert_false(recent_conflicts(&later));
	assert_false(recent_conflicts(&paid));
	recent_learn(&other);
	assert_false(recent_conflicts(&m));
	assert_true(recent_conflicts(&other));
}

static void it_forgets_but_never_lies(void **state)
{
	struct submitted m = { .kind = KIND_CREATED, .source_time = 5, .content_hash = "aaaa" };
	char id[32];

	(void)state;
	recent_forget_all();
	for (int i = 0; i < 300000; i++) {
		snprintf(id, sizeof(id), "%d", i);
		m.order_id = kw_uuid_of("order", "shop", id);
		assert_false(recent_conflicts(&m));
		recent_learn(&m);
		assert_false(recent_conflicts(&m));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_content_counts),
		cmocka_unit_test(it_forgets_but_never_lies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
