/* A service that reads another one's events: rule 5 over gaps, and over a topic that was made anew.
 * The offset is a hint, the place is the truth; every event is taken once, in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "toy.h"

struct pair {
	struct toy source, reader;
};

static void pair_make(struct pair *pair, const char *source, const char *reader)
{
	toy_make(&pair->source, source, NULL, NULL);
	toy_make(&pair->reader, reader, NULL, NULL);
	toy_listen(&pair->reader, &pair->source);
}

static void pair_done(struct pair *pair)
{
	toy_done(&pair->source);
	toy_done(&pair->reader);
}

static void events(struct toy *toy, int from, int to)
{
	for (int i = from; i <= to; i++)
		toy_event(toy, "one", i);
}

/* The reader took 1..n of each entity, each once and in order, and could do all of it. */
static void assert_taken(struct toy *reader, int64_t n)
{
	assert_int_equal(toy_count(reader, "SELECT count(*) FROM deeds"), n);
	assert_int_equal(toy_count(reader, "SELECT count(*) FROM dead_letters"), 0);
	assert_int_equal(
		toy_count(reader, "SELECT count(*) FROM (SELECT version, row_number() OVER "
				  "(PARTITION BY entity ORDER BY number) AS n FROM journal) j "
				  "WHERE version = n"),
		n);
}

static int64_t place(struct toy *reader, const struct toy *source)
{
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(65536);

	return toy_count(
		reader, kw_arena_printf(a,
				"SELECT sum(place_number)::bigint FROM offsets WHERE topic = '%s'",
				source->events));
}

static void a_gap_is_filled_behind(void **state)
{
	struct pair pair;
	struct toy *source = &pair.source, *reader = &pair.reader;

	(void)state;
	pair_make(&pair, "gap-from", "gap-to");
	events(source, 1, 2);
	events(source, 4, 5);
	toy_consume(reader);
	assert_taken(reader, 2);
	assert_int_equal(place(reader, source), 2);
	/* again while the hole is there, and with more behind it */
	events(source, 6, 6);
	toy_consume(reader);
	assert_taken(reader, 2);
	/* the publisher goes on from the first number that is missing */
	events(source, 3, 7);
	toy_consume(reader);
	assert_taken(reader, 7);
	assert_int_equal(place(reader, source), 7);
	pair_done(&pair);
}

/* The same under a reader that runs on, twice. */
static void gaps_under_a_running_reader(void **state)
{
	struct pair pair;
	struct toy *source = &pair.source, *reader = &pair.reader;
	struct toy_member member;
	struct kw_runner_stats stats;

	(void)state;
	pair_make(&pair, "gaps-from", "gaps-to");
	toy_start(&member, reader);
	for (int round = 0; round < 2; round++) {
		int base = round * 10;

		events(source, base + 1, base + 3);
		events(source, base + 6, base + 8);
		toy_wait(reader, "SELECT count(*) FROM deeds", base + 3);
		events(source, base + 4, base + 10);
		toy_wait(reader, "SELECT count(*) FROM deeds", base + 10);
	}
	kw_runner_stats(member.r, &stats);
	toy_end(&member);
	assert_true(stats.gaps >= 2);
	assert_taken(reader, 20);
	pair_done(&pair);
}

/* The offset row points beyond the new log, then to another record of it. */
static void offsets_of_a_topic_made_anew_mislead(void **state)
{
	struct pair pair;
	struct toy *source = &pair.source, *reader = &pair.reader;

	(void)state;
	pair_make(&pair, "hints-from", "hints-to");
	events(source, 1, 6);
	events(source, 1, 6);
	toy_consume(reader);
	assert_taken(reader, 6);
	toy_make_anew(source, source->events);
	events(source, 1, 8);
	toy_consume(reader);
	assert_taken(reader, 8);
	toy_make_anew(source, source->events);
	events(source, 1, 4);
	events(source, 1, 4);
	events(source, 1, 10);
	toy_consume(reader);
	assert_taken(reader, 10);
	assert_int_equal(place(reader, source), 10);
	pair_done(&pair);
}

/* All partitions at once, with the publisher's walk, with the reader away and under it. */
static void all_partitions_are_made_anew(void **state)
{
	struct pair pair;
	struct toy *source = &pair.source, *reader = &pair.reader;
	struct toy_member member;

	(void)state;
	pair_make(&pair, "anew-from", "anew-to");
	toy_send_many(source, "a", 40, 3);
	toy_consume(source);
	toy_publish(source);
	toy_consume(reader);
	assert_taken(reader, 120);
	toy_make_anew(source, source->events);
	toy_send_many(source, "b", 40, 3);
	toy_consume(source);
	toy_publish(source);
	toy_consume(reader);
	assert_taken(reader, 240);
	toy_start(&member, reader);
	toy_send_many(source, "c", 40, 3);
	toy_consume(source);
	toy_publish(source);
	toy_wait(reader, "SELECT count(*) FROM deeds", 360);
	toy_make_anew(source, source->events);
	toy_send_many(source, "d", 40, 3);
	toy_consume(source);
	toy_publish(source);
	toy_wait(reader, "SELECT count(*) FROM deeds", 480);
	toy_end(&member);
	assert_taken(reader, 480);
	assert_int_equal(toy_verify(source), 480);
	pair_done(&pair);
}

static void unwanted(struct toy *toy, int from, int to)
{
	for (int i = from; i <= to; i++)
		toy_event_of(toy, "karwan.toy.rested.v1", "one", i);
}

static void wait_skipped(struct toy_member *member, int64_t n)
{
	int64_t until = kw_monotonic_us() + 60 * KW_US_PER_S;
	struct kw_runner_stats stats;

	do
		kw_runner_stats(member->r, &stats);
	while (stats.skipped < n && kw_monotonic_us() < until);
	assert_int_equal(stats.skipped, n);
}

/* The row follows by itself, with what is wanted, and with the next reader; each message is of one
 * batch. */
static void what_nobody_wants_is_passed_over(void **state)
{
	static const char place[] = "SELECT sum(place_number)::bigint FROM offsets";
	struct pair pair;
	struct toy *source = &pair.source, *reader = &pair.reader;
	struct toy_member member;

	(void)state;
	pair_make(&pair, "rest-from", "rest-to");
	toy_start(&member, reader);
	events(source, 1, 3);
	unwanted(source, 4, 8);
	wait_skipped(&member, 5);
	toy_wait(reader, place, 8);
	unwanted(source, 9, 10);
	wait_skipped(&member, 7);
	events(source, 11, 11);
	toy_wait(reader, "SELECT count(*) FROM deeds", 4);
	toy_wait(reader, place, 11);
	unwanted(source, 12, 14);
	wait_skipped(&member, 10);
	toy_end(&member);
	toy_consume(reader);
	toy_wait(reader, place, 14);
	assert_int_equal(toy_count(reader, "SELECT count(*) FROM deeds"), 4);
	assert_int_equal(toy_count(reader, "SELECT sum(messages)::bigint FROM batches"), 14);
	assert_int_equal(toy_count(reader, "SELECT sum(next_offset)::bigint FROM offsets"), 14);
	pair_done(&pair);
}

/* ---- locks of a batch that has messages for two rows ---- */

static struct {
	kw_time now;
	int calls, handled, handled_locked;
} locks;

static enum kw_rc on_lock(
	struct kw_batch *b, const struct kw_inputs *inputs, size_t n, struct kw_err *err)
{
	(void)err;
	assert_int_equal(n, 2);
	assert_ptr_not_equal(inputs[0].row, inputs[1].row);
	for (size_t i = 0; i < n; i++) {
		const struct toy_message *message = inputs[i].in;

		assert_true(inputs[i].n > 0);
		assert_string_equal(message->meta.topic, inputs[i].row->topic);
		assert_true(message->number > 0);
	}
	locks.now = b->now;
	locks.calls++;
	locks.handled = 0;
	return KW_OK;
}

static void on_handler(struct toy *toy)
{
	(void)toy;
	if (locks.calls > 0 && ++locks.handled == 2)
		locks.handled_locked++;
}

static void one_look_locks_for_all_handlers(void **state)
{
	struct pair pair;
	struct toy *reader = &pair.reader;
	int64_t until = kw_monotonic_us() + 60 * KW_US_PER_S;
	int n = 0;

	(void)state;
	pair_make(&pair, "locks-from", "locks-to");
	reader->config.lock = on_lock;
	reader->before = on_handler;
	/* both topics must come in one poll */
	for (; locks.calls == 0 && kw_monotonic_us() < until; n++) {
		toy_event(&pair.source, "one", n + 1);
		toy_send(reader, "two", n + 1, "");
		toy_consume(reader);
	}
	assert_int_equal(locks.calls, 1);
	assert_int_equal(locks.handled_locked, 1);
	assert_taken(reader, 2 * n);
	pair_done(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_gap_is_filled_behind),
		cmocka_unit_test(gaps_under_a_running_reader),
		cmocka_unit_test(offsets_of_a_topic_made_anew_mislead),
		cmocka_unit_test(all_partitions_are_made_anew),
		cmocka_unit_test(what_nobody_wants_is_passed_over),
		cmocka_unit_test(one_look_locks_for_all_handlers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
