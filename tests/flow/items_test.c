/* What the runner makes of offsets that were passed over, message by message, without servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/log.h"
#include "flow/impl.h"

#define TOPIC "t.in"
#define TYPE "karwan.test.asked.v1"

struct bench {
	struct kw_runner r;
	struct kw_part part;
	struct kw_item items[4];
	size_t n;
	struct kw_err err;
};

static struct kw_message message(int64_t offset, const char *value)
{
	struct kw_message m = { .topic = TOPIC,
		.offset = offset,
		.time = 1000 * offset,
		.key = { "k", 1 },
		.value = { value, strlen(value) } };
	static const char *const headers[][2] = { { "ce_specversion", "1.0" },
		{ "ce_id", "6f1d3c52-0b7e-4e0e-9a55-2b1f6a7c9d10" }, { "ce_source", "/test" },
		{ "ce_type", TYPE } };

	for (size_t i = 0; i < KW_LEN(headers); i++)
		m.headers[m.n_headers++] = (struct kw_header) { headers[i][0],
			{ headers[i][1], strlen(headers[i][1]) } };
	return m;
}

/* Messages before 5 were read. */
static void bench_make(struct bench *b)
{
	static const struct kw_topic_row rows[] = { { .topic = TOPIC, .type = TYPE }, { 0 } };
	struct kw_message last = message(4, "four");

	*b = (struct bench) { .part = { .topic = TOPIC,
				      .in = true,
				      .row_offset = 5,
				      .next_offset = 5,
				      .position = 5,
				      .last_hash = kw_message_hash(&last),
				      .last_time = last.time } };
	kw_log_init("items-test", KW_ERROR);
	b->r.config = (struct kw_flow_config) { .in_topic = TOPIC, .rows = rows };
	b->r.arena = kw_arena_new(1024 * 1024);
	b->r.parts = &b->part;
	b->r.n_parts = 1;
}

/* As the look at the offset row leaves it. */
static void loaded(struct bench *b)
{
	assert_true(b->r.pending);
	b->r.pending = false;
	b->part.verify = true;
	b->part.position = b->part.next_offset - 1;
}

static enum kw_rc make(struct bench *b, const struct kw_message *ms, size_t n)
{
	return kw_items_make(&b->r, ms, n, b->items, &b->n, &b->err);
}

static void a_jump_is_looked_at_first(void **state)
{
	struct bench b;
	struct kw_message jumped[] = { message(5, "five"), message(7, "seven") };

	(void)state;
	bench_make(&b);
	assert_int_equal(make(&b, jumped, 2), KW_NOTHING);
	assert_int_equal(b.n, 1); /* what is before it is done */
	assert_int_equal(b.part.position, 6);
	assert_true(b.r.pending);
	kw_arena_free(b.r.arena);
}

static void the_same_log_with_a_hole_is_read_on(void **state)
{
	struct bench b;
	struct kw_message hole[] = { message(4, "four"), message(7, "seven") };

	(void)state;
	bench_make(&b);
	assert_int_equal(make(&b, &hole[1], 1), KW_NOTHING);
	assert_int_equal(b.n, 0);
	loaded(&b);
	assert_int_equal(make(&b, hole, 2), KW_OK);
	assert_int_equal(b.n, 1);
	assert_int_equal(b.items[0].m->offset, 7);
	assert_false(b.r.pending);
	/* the next one is looked at again */
	b.part.next_offset = 8;
	struct kw_message next = message(9, "nine");
	assert_int_equal(make(&b, &next, 1), KW_NOTHING);
	assert_true(b.r.pending);
	kw_arena_free(b.r.arena);
}

static void a_poll_that_skipped_is_read_again(void **state)
{
	struct bench b;
	struct kw_message all[] = { message(4, "four"), message(5, "five"), message(6, "six"),
		message(7, "seven") };

	(void)state;
	bench_make(&b);
	assert_int_equal(make(&b, &all[3], 1), KW_NOTHING);
	loaded(&b);
	assert_int_equal(make(&b, all, 4), KW_OK);
	assert_int_equal(b.n, 3);
	assert_int_equal(b.items[0].m->offset, 5);
	kw_arena_free(b.r.arena);
}

static void another_log_stops_it(void **state)
{
	static const char *const values[] = { "FOUR", "four" };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct bench b;
		struct kw_message other[] = { message(4, values[i]), message(7, "seven") };

		other[0].time += i; /* another text, then another time */
		bench_make(&b);
		assert_int_equal(make(&b, &other[1], 1), KW_NOTHING);
		loaded(&b);
		assert_int_equal(make(&b, other, 2), KW_CONFLICT);
		assert_string_equal(b.err.code, "LOG_CHANGED");
		assert_int_equal(b.n, 0);
		kw_arena_free(b.r.arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_jump_is_looked_at_first),
		cmocka_unit_test(the_same_log_with_a_hole_is_read_on),
		cmocka_unit_test(a_poll_that_skipped_is_read_again),
		cmocka_unit_test(another_log_stops_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
