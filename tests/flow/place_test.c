/* Rule 5, row by row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "flow/impl.h"

static void judges_places(void **state)
{
	static const struct kw_epoch_row epochs[] = { { "t", 0, 3, 70 }, { "t", 0, 2, 50 } };
	static const struct {
		struct kw_place last, next;
		bool barrier;
		size_t n_epochs;
		enum kw_place_verdict verdict;
	} rows[] = {
		{ { 0, 0 }, { 1, 1 }, false, 0,
			KW_PLACE_NEXT }, /* no place yet: the first one found */
		{ { 0, 0 }, { 1, 900 }, false, 0,
			KW_PLACE_NEXT }, /* … where older ones have aged out */
		{ { 1, 7 }, { 1, 8 }, false, 0, KW_PLACE_NEXT },
		{ { 1, 7 }, { 1, 7 }, false, 0, KW_PLACE_REPEAT },
		{ { 1, 7 }, { 1, 1 }, false, 0, KW_PLACE_REPEAT },
		{ { 1, 7 }, { 1, 9 }, false, 0, KW_PLACE_GAP },
		{ { 1, 50 }, { 2, 51 }, true, 2, KW_PLACE_NEXT }, /* the barrier is the next row */
		{ { 1, 50 }, { 1, 51 }, false, 2,
			KW_PLACE_VOID }, /* written before the database went back */
		{ { 1, 50 }, { 1, 50 }, false, 2, KW_PLACE_REPEAT },
		{ { 2, 60 }, { 1, 51 }, false, 2,
			KW_PLACE_VOID }, /* a late send of the old epoch */
		{ { 2, 60 }, { 1, 50 }, false, 2, KW_PLACE_REPEAT },
		{ { 1, 55 }, { 2, 51 }, true, 0,
			KW_PLACE_NEXT }, /* a reader that took what is void now */
		{ { 1, 55 }, { 2, 51 }, false, 0,
			KW_PLACE_REPEAT }, /* only the barrier itself brings it back */
		{ { 2, 70 }, { 3, 71 }, true, 2, KW_PLACE_NEXT },
		{ { 2, 70 }, { 2, 71 }, false, 2, KW_PLACE_VOID },
		{ { 3, 71 }, { 3, 73 }, false, 2, KW_PLACE_GAP },
	};

	(void)state;
	for (size_t i = 0; i < KW_LEN(rows); i++)
		if (kw_place_judge(epochs, rows[i].n_epochs, rows[i].last, rows[i].next,
			    rows[i].barrier) != rows[i].verdict)
			fail_msg("row %zu", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(judges_places) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
