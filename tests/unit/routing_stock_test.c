/* Stock rows in memory: they equal their movements and never go below what is promised, whatever
 * happens in whatever order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stock.h"

static struct kw_arena *arena;

static int setup(void **state)
{
	(void)state;
	arena = kw_arena_new(256 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kw_arena_free(arena);
	return 0;
}

static const struct kw_uuid order = { "16fc7cbc-000a-5e61-b91c-ebe2a41dd30a" };

static void a_count_is_told_by_its_difference(void **state)
{
	struct stock s = { .listing_id = "a" };
	struct stock_book book = { .rows = &s, .n = 1, .arena = arena };

	(void)state;
	stock_count(&book, &s, 5, 3);
	stock_count(&book, &s, 9, 3); /* the same version: it is known */
	stock_count(&book, &s, 9, 2);
	assert_int_equal(s.on_hand, 5);
	stock_count(&book, &s, 5, 4); /* counted again: nothing moves */
	assert_int_equal(book.n_moves, 1);
	assert_int_equal(s.count_version, 4);
	stock_count(&book, &s, 2, 5);
	assert_int_equal(s.on_hand, 2);
	assert_int_equal(book.moves[1].kind, MOVE_ADJUST);
}

static void missing_pieces_are_taken_when_free(void **state)
{
	struct stock s = { .listing_id = "a" };
	struct stock_book book = { .rows = &s, .n = 1, .arena = arena };

	(void)state;
	stock_count(&book, &s, 5, 1);
	stock_reserve(&book, &s, 3, &order, 1);
	stock_count(&book, &s, 1, 2);
	assert_int_equal(s.on_hand, 3);
	assert_int_equal(s.missing, 2);
	stock_release(&book, &s, 3, &order, 1);
	assert_int_equal(s.on_hand, 1);
	assert_int_equal(s.missing, 0);
	assert_int_equal(stock_available(&s), 1);
}

static void sold_pieces_were_not_missing(void **state)
{
	struct stock s = { .listing_id = "a" };
	struct stock_book book = { .rows = &s, .n = 1, .arena = arena };

	(void)state;
	stock_count(&book, &s, 3, 1);
	stock_reserve(&book, &s, 3, &order, 1);
	stock_count(&book, &s, 0, 2);
	assert_int_equal(s.missing, 3);
	stock_sell(&book, &s, 3, &order, 1);
	assert_int_equal(s.on_hand, 0);
	assert_int_equal(s.missing, 0);
}

static void any_history_adds_up(void **state)
{
	unsigned seed = 20260302;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct stock s = { .listing_id = "a" };
		struct stock_book book = { .rows = &s, .n = 1, .arena = arena };
		int open = 0, on_hand = 0, allocated = 0;

		for (int i = 1; i <= 100; i++) {
			int what = (int)(rand_r(&seed) % 4), n = (int)(rand_r(&seed) % 5) + 1;
			if (what == 0)
				stock_count(&book, &s, (int)(rand_r(&seed) % 20), i);
			else if (what == 1 && stock_available(&s) >= n)
				stock_reserve(&book, &s, n, &order, i), open += n;
			else if (what == 2 && open >= n)
				stock_release(&book, &s, n, &order, i), open -= n;
			else if (what == 3 && open >= n)
				stock_sell(&book, &s, n, &order, i), open -= n;
			assert_int_equal(s.allocated, open);
			assert_true(s.on_hand >= s.allocated && s.missing >= 0 &&
				    s.missing <= s.allocated);
		}
		for (size_t i = 0; i < book.n_moves; i++) {
			on_hand += book.moves[i].on_hand;
			allocated += book.moves[i].allocated;
			assert_int_equal(book.moves[i].version, i + 1);
		}
		assert_int_equal(s.on_hand, on_hand);
		assert_int_equal(s.allocated, allocated);
		assert_int_equal(s.version, book.n_moves);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_count_is_told_by_its_difference),
		cmocka_unit_test(missing_pieces_are_taken_when_free),
		cmocka_unit_test(sold_pieces_were_not_missing),
		cmocka_unit_test(any_history_adds_up),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
