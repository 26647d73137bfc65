/* The same seed is the same run: every message, byte for byte, and nothing is missing in the mix.
 * Without a system. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/id.h"
#include "plan.h"
#include "request.h"
#include "json/json.h"

#define MESSAGES 20000
#define RATE 40
#define START (1772445600 * KW_US_PER_S)
#define ARENA ((size_t)16 * 1024 * 1024)

/* A number for a letter: of all that is sent but its signature. */
static uint64_t sum_of(const struct letter *l, uint64_t sum)
{
	sum = kw_hash64(l->path, strlen(l->path), sum);
	sum = kw_hash64(l->headers, strlen(l->headers), sum);
	sum = kw_hash64(l->ref, strlen(l->ref), sum);
	sum = kw_hash64(l->body.p, l->body.n, sum);
	if (l->record_path)
		sum = kw_hash64(l->record.p, l->record.n, sum);
	return sum;
}

static uint64_t sum_of_run(uint64_t seed, kw_time start)
{
	struct kw_arena *a = kw_arena_new(ARENA);
	struct run run = { seed, start };
	struct plan *p = plan_new(seed, RATE, start);
	struct message m, catalogue[LISTINGS];
	struct letter l;
	uint64_t sum = 0;
	size_t n;

	for (int round = 0; (n = plan_catalogue(p, round, catalogue)) > 0; round++)
		for (size_t i = 0; i < n; i++) {
			letter_of(&run, &catalogue[i], a, &l);
			sum = sum_of(&l, sum);
		}
	for (int i = 0; i < MESSAGES / 4; i++) {
		plan_next(p, &m);
		kw_arena_reset(a);
		letter_of(&run, &m, a, &l);
		sum = kw_hash64(&m.lane, sizeof(m.lane), sum_of(&l, sum));
	}
	plan_free(p);
	kw_arena_free(a);
	return sum;
}

static void test_same_seed(void **state)
{
	(void)state;
	uint64_t sum = sum_of_run(7, START);

	assert_true(sum == sum_of_run(7, START));
	assert_false(sum == sum_of_run(8, START));
	assert_false(sum == sum_of_run(7, START + 60 * KW_US_PER_S));
}

/* What was said before under a name, and how. */
struct said {
	uint64_t name, content;
};

static int by_name(const void *left, const void *right)
{
	const struct said *l = left, *r = right;

	if (l->name != r->name)
		return l->name < r->name ? -1 : 1;
	return (l->content > r->content) - (l->content < r->content);
}

static size_t distinct(struct said *rows, size_t n)
{
	size_t names = 0;

	qsort(rows, n, sizeof(*rows), by_name);
	for (size_t i = 0; i < n; i++)
		names += i == 0 || rows[i].name != rows[i - 1].name;
	return names;
}

static uint64_t name_of(const struct message *m, const struct letter *l)
{
	uint64_t name = kw_hash64(l->ref, strlen(l->ref), (uint64_t)m->kind);

	name = kw_hash64(&m->word, sizeof(m->word), name);
	return kw_hash64(&m->version, sizeof(m->version), name);
}

static uint64_t content_of(const struct letter *l)
{
	return l->record_path ? kw_hash64(l->record.p, l->record.n, 0)
			      : kw_hash64(l->body.p, l->body.n, 0);
}

/* A first message has a name of its own, a repeat says the same under it, a changed one something
 * else. Operators' cancels of one order share a name and are left out. */
static void test_names(void **state)
{
	struct kw_arena *a = kw_arena_new(ARENA);
	struct run run = { 3, START };
	struct plan *p = plan_new(run.seed, RATE, run.start);
	struct said *rows[CHANGES];
	size_t n[CHANGES] = { 0 };

	(void)state;
	for (int c = 0; c < CHANGES; c++)
		rows[c] = calloc(MESSAGES * 2, sizeof(**rows));
	for (int i = 0; i < MESSAGES; i++) {
		struct message m;
		struct letter l;

		plan_next(p, &m);
		if (m.forgery || m.kind == CANCEL || m.kind >= HUB)
			continue;
		kw_arena_reset(a);
		letter_of(&run, &m, a, &l);
		rows[m.change][n[m.change]++] = (struct said) { name_of(&m, &l), content_of(&l) };
	}
	size_t firsts = n[FIRST], all = n[FIRST] + n[UPDATED];
	assert_int_equal(distinct(rows[FIRST], n[FIRST]), firsts);
	memcpy(rows[FIRST] + n[FIRST], rows[UPDATED], n[UPDATED] * sizeof(**rows));
	assert_int_equal(distinct(rows[FIRST], all), all);
	for (size_t i = 0; i < n[CHANGED]; i++)
		assert_null(bsearch(&rows[CHANGED][i], rows[FIRST], all, sizeof(**rows), by_name));
	/* one whose first is still to come is named later in this run, or after its end */
	size_t known = 0;
	for (size_t i = 0; i < n[REPEAT]; i++)
		known += bsearch(&rows[REPEAT][i], rows[FIRST], all, sizeof(**rows), by_name) !=
			 NULL;
	assert_true(n[REPEAT] > 500 && n[CHANGED] > 100);
	assert_true(known + RATE * 4 >= n[REPEAT]);
	for (int c = 0; c < CHANGES; c++)
		free(rows[c]);
	plan_free(p);
	kw_arena_free(a);
}

static void is_used(const char *what, const int *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] < 5)
			fail_msg("%s %zu: %d of %d messages", what, i, list[i], MESSAGES);
}
#define all_used(list) is_used(#list, (list), sizeof(list) / sizeof((list)[0]))

/* Each word of each table is used. */
static void test_mix(void **state)
{
	struct plan *p = plan_new(11, RATE, START);
	int kinds[KINDS] = { 0 }, forgeries[FORGERIES] = { 0 }, flaws[FLAWS] = { 0 },
	    words[WORDS] = { 0 }, channels[CHANNELS] = { 0 }, tellers[TELLERS] = { 0 }, cod = 0,
	    ids = 0;
	struct message m;
	struct sale s;

	(void)state;
	for (int i = 0; i < MESSAGES; i++) {
		plan_next(p, &m);
		kinds[m.kind]++;
		forgeries[m.forgery]++;
		flaws[m.flaw]++;
		if (m.kind == TRACKING)
			tellers[m.by]++;
		if (m.kind != ORDER && (m.kind != CANCEL || m.by != BY_CHANNEL))
			continue;
		words[m.word]++;
		sale_of(11, START, m.n, m.flaw, m.differs, &s);
		channels[s.channel]++;
		cod += s.cod;
		ids += s.national_id[0] != '\0';
	}
	all_used(kinds);
	all_used(forgeries);
	all_used(flaws);
	all_used(words);
	all_used(channels);
	all_used(tellers);
	assert_true(cod > 100 && ids > 50);
	assert_true(kinds[ORDER] > MESSAGES / 3);
	plan_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_seed),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_mix),
	};

	kw_json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
