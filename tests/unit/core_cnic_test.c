/* National ids in others' texts: found, counted, dropped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/cnic.h"

static void each_is_counted_and_dropped(void **state)
{
	static const struct {
		const char *text, *dashed,
			*bare; /* what is left where only the dashed are dropped; all */
		size_t count;
	} rows[] = {
		{ "", "", "", 0 },
		{ "34201-0891231-8", "*", "*", 1 },
		{ "id 34201-0891231-8.", "id *.", "id *.", 1 },
		{ "34201-0891231-8 34201-0891231-9", "* *", "* *", 2 },
		{ "3420108912318", "3420108912318", "*", 0 },
		{ "call 3420108912318 now", "call 3420108912318 now", "call * now", 0 },
		{ "134201-0891231-8", "134201-0891231-8", "134201-0891231-8", 0 },
		{ "34201-0891231-89", "34201-0891231-89", "34201-0891231-89", 0 },
		{ "34201-0891231", "34201-0891231", "34201-0891231", 0 },
		{ "34201-089123-18", "34201-089123-18", "34201-089123-18", 0 },
		{ "34201089123181", "34201089123181", "34201089123181", 0 },
		{ "چک 34201-0891231-8", "چک *", "چک *", 1 },
	};
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(1 << 16);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *text = rows[i].text;

		assert_int_equal(kw_cnic_count(text, strlen(text)), rows[i].count);
		assert_string_equal(kw_cnic_drop(a, text, false), rows[i].dashed);
		assert_string_equal(kw_cnic_drop(a, text, true), rows[i].bare);
		if (strcmp(text, rows[i].bare) == 0)
			assert_ptr_equal(kw_cnic_drop(a, text, true), text);
	}
	assert_null(kw_cnic_drop(a, NULL, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_counted_and_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
