/* The operators' rules over stock and capacity in memory: who is asked, in which order, and what is
 * undone when it does not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "allocate.h"

#define NOW 1772445600000000LL /* Monday, 2026-03-02T10:00:00Z */

static struct kw_arena *arena;

static int setup(void **state)
{
	(void)state;
	arena = kw_arena_new(16 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kw_arena_free(arena);
	return 0;
}

static const struct rule default_rules[] = {
	{ .name = "own", .scope = SCOPE_OWN_MAKER },
	{ .name = "hub", .scope = SCOPE_SAME_HUB },
	{ .name = "any", .scope = SCOPE_ANY_HUB },
};

static const struct offer offers[] = {
	{ .channel = "shop", .sku = "draft", .listing_id = "d", .state = LISTING_DRAFT },
	{ .channel = "shop",
		.sku = "gone",
		.listing_id = "g",
		.kind = STOCKED,
		.state = LISTING_APPROVED,
		.retired_here = true,
		.maker_id = "ma",
		.hub_id = "ha",
		.hub_address = "x" },
	{ .channel = "shop",
		.sku = "made",
		.listing_id = "m",
		.kind = MADE_TO_ORDER,
		.state = LISTING_APPROVED,
		.maker_id = "mb",
		.hub_id = "hb",
		.hub_address = "x",
		.skill = "s" },
	{ .channel = "shop",
		.sku = "nohub",
		.listing_id = "n",
		.kind = STOCKED,
		.state = LISTING_APPROVED,
		.maker_id = "ma",
		.hub_id = "hz" },
	{ .channel = "shop",
		.sku = "old",
		.listing_id = "o",
		.kind = STOCKED,
		.state = LISTING_RETIRED,
		.maker_id = "ma",
		.hub_id = "ha",
		.hub_address = "x" },
	{ .channel = "shop",
		.sku = "shawl",
		.listing_id = "s",
		.kind = STOCKED,
		.state = LISTING_APPROVED,
		.maker_id = "ma",
		.hub_id = "ha",
		.hub_address = "x" },
};

static struct world world(void)
{
	int week = week_of(NOW);
	struct stock *stock = kw_new(arena, struct stock, 2);
	struct candidate *c = kw_new(arena, struct candidate, 4);
	struct capacity *u = kw_new(arena, struct capacity, 4);

	stock[0] = (struct stock) { .listing_id = "n", .on_hand = 5 };
	stock[1] = (struct stock) { .listing_id = "s", .on_hand = 5 };
	c[0] = (struct candidate) { "m", week, "ma", "ha", "x", "ACTIVE", 0, 4, 0 };
	c[1] = (struct candidate) { "m", week, "mb", "hb", "x", "ACTIVE", 0, 4, 9 };
	c[2] = (struct candidate) { "m", week, "mc", "hb", "x", "ACTIVE", 0, 4, 5 };
	c[3] = (struct candidate) { "m", week, "md", "hb", "x", "ACTIVE", 0, 4, 2 };
	for (size_t i = 0; i < 4; i++)
		u[i] = (struct capacity) { c[i].maker_id, week, 0, 0 };
	return (struct world) {
		.stock = { .rows = stock, .n = 2, .arena = arena },
		.rules = default_rules,
		.n_rules = 3,
		.offers = offers,
		.n_offers = sizeof(offers) / sizeof(offers[0]),
		.candidates = c,
		.n_candidates = 4,
		.capacity = u,
		.n_capacity = 4,
		.now = NOW,
		.arena = arena,
	};
}

/* "sku:2 sku:1" */
static struct work *work(const char *lines)
{
	struct work *k = kw_new(arena, struct work, 1);

	k->o = (struct order) { .id = kw_uuid_of("order", "shop", lines),
		.channel = "shop",
		.currency = "PKR",
		.total = 100,
		.ship_to = "x" };
	k->lines = kw_new(arena, struct line, 8);
	while (*lines) {
		struct line *l = &k->lines[k->n_lines++];
		size_t sku = strcspn(lines, ":");
		char *end;
		l->no = (int)k->n_lines;
		l->sku = kw_arena_strn(arena, lines, sku);
		l->quantity = l->parked = (int)strtol(lines + sku + 1, &end, 10);
		l->reason = NOT_PARKED;
		lines = *end ? end + 1 : end;
	}
	return k;
}

/* "ma:2/own mb:1/hub | OUT_OF_STOCK" */
static const char *outcome(const struct work *k)
{
	const char *text = "";

	for (size_t i = 0; i < k->n_allocations; i++) {
		const struct allocation *a = &k->allocations[i];
		const char *maker = NULL;
		for (size_t j = 0; j < k->n_fulfilments; j++)
			if (k->fulfilments[j].n == a->n)
				maker = k->fulfilments[j].maker_id;
		assert_non_null(maker);
		text = kw_arena_printf(
			arena, "%s%s%s:%d/%s", text, *text ? " " : "", maker, a->quantity, a->rule);
	}
	for (size_t i = 0; i < k->n_lines; i++) {
		const struct line *l = &k->lines[i];
		assert_int_equal(l->quantity, l->allocated + l->parked);
		if (l->parked > 0)
			text = kw_arena_printf(arena, "%s%s| %s", text, *text ? " " : "",
				kw_strtab_name(&park_reason_names, l->reason));
	}
	return text;
}

static const char *allocated(struct world *w, const char *lines)
{
	struct work *k = work(lines);
	allocate_order(w, k);
	return outcome(k);
}

static void stock_is_given_while_it_lasts(void **state)
{
	struct world w = world();

	(void)state;
	assert_string_equal(allocated(&w, "shawl:3"), "ma:3/own");
	assert_string_equal(allocated(&w, "shawl:3"), "| OUT_OF_STOCK");
	assert_string_equal(allocated(&w, "shawl:2"), "ma:2/own");
	assert_int_equal(w.stock.n_moves, 2);
	assert_int_equal(stock_available(&w.stock.rows[1]), 0);
}

static void reasons_are_named(void **state)
{
	struct world w = world();
	struct work *k;

	(void)state;
	assert_string_equal(allocated(&w, "draft:1 gone:1 nohub:1 old:1 what:1"),
		"| UNKNOWN_LISTING | RETIRED_LISTING | UNKNOWN_HUB | RETIRED_LISTING | "
		"UNKNOWN_LISTING");
	k = work("shawl:1"), k->o.ship_to = NULL;
	allocate_order(&w, k);
	assert_string_equal(outcome(k), "| NO_ADDRESS");
	k = work("shawl:1"), k->o.test = true;
	allocate_order(&w, k);
	assert_string_equal(outcome(k), "| TEST_ORDER");
	w.n_rules = 0;
	assert_string_equal(allocated(&w, "shawl:1 made:1"), "| NO_RULE | NO_RULE");
}

static void work_goes_to_her_then_her_hub_then_anybody(void **state)
{
	struct world w = world();

	(void)state;
	assert_string_equal(allocated(&w, "made:3"), "mb:3/own");
	/* at her hub the one who was given least */
	assert_string_equal(allocated(&w, "made:3"), "md:3/hub");
	assert_string_equal(allocated(&w, "made:3"), "mc:3/hub");
	assert_string_equal(allocated(&w, "made:3"), "ma:3/any");
	/* one is left with each of four: shared */
	assert_string_equal(allocated(&w, "made:5"), "| NO_CAPACITY");
	assert_string_equal(allocated(&w, "made:4"), "mb:1/own md:1/hub mc:1/hub ma:1/any");
	assert_string_equal(allocated(&w, "made:1"), "| NO_CAPACITY");
}

static void what_is_given_now_counts_for_fairness(void **state)
{
	struct world w = world();
	static const struct rule any = { .name = "any", .scope = SCOPE_ANY_HUB };

	(void)state;
	w.rules = &any, w.n_rules = 1;
	assert_string_equal(allocated(&w, "made:3"), "ma:3/any"); /* 0 */
	assert_string_equal(allocated(&w, "made:1"), "md:1/any"); /* 2 against 3 */
	assert_string_equal(allocated(&w, "made:1"), "ma:1/any"); /* 3 and 3: by name */
	assert_string_equal(allocated(&w, "made:1"), "md:1/any");
}

static void most_capacity_first_if_the_rule_says_so(void **state)
{
	struct world w = world();
	static const struct rule most = {
		.name = "most", .scope = SCOPE_ANY_HUB, .sort = SORT_CAPACITY_LEFT
	};

	(void)state;
	w.rules = &most, w.n_rules = 1;
	w.capacity[0].used = 2, w.capacity[1].used = 1, w.capacity[2].used = 3;
	assert_string_equal(allocated(&w, "made:1"), "md:1/most");
	assert_string_equal(allocated(&w, "made:1"), "mb:1/most");
}

static void who_is_away_is_not_asked(void **state)
{
	struct world w = world();
	struct candidate *c = kw_arena_copy(arena, w.candidates, 4 * sizeof(*w.candidates));

	(void)state;
	w.candidates = c;
	c[1].state = "ON_LEAVE";
	assert_string_equal(allocated(&w, "made:1"), "md:1/hub");
	c[1].leave_until = NOW; /* back before it is promised */
	assert_string_equal(allocated(&w, "made:1"), "mb:1/own");
	for (size_t i = 0; i < 4; i++)
		c[i].state = "SUSPENDED";
	assert_string_equal(allocated(&w, "made:1"), "| NO_CAPACITY");
	c[2].state = "ON_LEAVE";
	assert_string_equal(allocated(&w, "made:1"), "| MAKER_ON_LEAVE");
}

static void together_or_not_at_all(void **state)
{
	static const struct rule whole = { .name = "whole",
		.scope = SCOPE_ANY_HUB,
		.split = NO_SPLIT,
		.currency = "PKR",
		.min_total = 100 };
	struct world w = world();
	struct work *k;

	(void)state;
	w.rules = &whole, w.n_rules = 1;
	assert_string_equal(allocated(&w, "shawl:1 made:1"), "ma:1/whole ma:1/whole");
	assert_string_equal(
		allocated(&w, "shawl:1 what:1"), "| SPLIT_NOT_ALLOWED | UNKNOWN_LISTING");
	w.capacity[0].used = 3; /* she is full; another maker would be another parcel */
	assert_string_equal(
		allocated(&w, "shawl:1 made:1"), "| SPLIT_NOT_ALLOWED | SPLIT_NOT_ALLOWED");
	assert_int_equal(w.stock.n_moves, 1);
	assert_int_equal(stock_available(&w.stock.rows[1]), 4);
	assert_int_equal(w.capacity[3].delta, 0);
	/* below the threshold no rule holds */
	k = work("shawl:1"), k->o.total = 99;
	allocate_order(&w, k);
	assert_string_equal(outcome(k), "| NO_RULE");
}

static void one_fulfilment_for_a_maker_and_hub(void **state)
{
	struct world w = world();
	struct work *k = work("shawl:1 shawl:2 made:1");
	char n[] = "1";

	(void)state;
	allocate_order(&w, k);
	assert_int_equal(k->n_fulfilments, 2);
	assert_int_equal(k->n_allocations, 3);
	assert_string_equal(
		k->fulfilments[0].id.s, kw_uuid_of("fulfilment", k->o.id.s, "ma", "ha", n).s);
	assert_int_equal(k->n_decisions, 3);
	/* released, everything is as before */
	for (size_t i = 0; i < k->n_allocations; i++)
		release_allocation(&w, &k->allocations[i], &k->o.id,
			k->fulfilments[k->allocations[i].n - 1].maker_id);
	assert_int_equal(stock_available(&w.stock.rows[1]), 5);
	assert_int_equal(w.capacity[1].delta, 0);
}

static void weeks_begin_on_monday(void **state)
{
	static const kw_time day = 86400 * KW_US_PER_S;
	kw_time monday = NOW - 10 * 3600 * KW_US_PER_S;

	(void)state;
	assert_int_equal(week_of(monday - 1), week_of(monday) - 1);
	for (int i = 0; i < 7; i++)
		assert_int_equal(week_of(monday + i * day), week_of(monday));
	assert_int_equal(week_of(monday + 7 * day), week_of(monday) + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stock_is_given_while_it_lasts),
		cmocka_unit_test(reasons_are_named),
		cmocka_unit_test(work_goes_to_her_then_her_hub_then_anybody),
		cmocka_unit_test(what_is_given_now_counts_for_fairness),
		cmocka_unit_test(most_capacity_first_if_the_rule_says_so),
		cmocka_unit_test(who_is_away_is_not_asked),
		cmocka_unit_test(together_or_not_at_all),
		cmocka_unit_test(one_fulfilment_for_a_maker_and_hub),
		cmocka_unit_test(weeks_begin_on_monday),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
