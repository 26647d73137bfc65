/* An in topic that is not the one that was read: nothing is taken until an operator accepts it. And
 * one that only has offsets at which there is nothing: it is read on. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "toy.h"

static void send_from(struct toy *toy, int from, int to)
{
	for (int i = from; i <= to; i++)
		toy_send(toy, "one", i, "");
}

static bool is_ready(struct toy_member *member, bool ready)
{
	int64_t until = kw_monotonic_us() + 60 * KW_US_PER_S;
	const char *why = "";

	while (kw_runner_ready(member->r, &why) != ready && kw_monotonic_us() < until)
		sched_yield();
	return kw_runner_ready(member->r, &why) == ready;
}

/* It says so, and stays so while messages come. */
static void assert_stopped(struct toy *toy, struct toy_member *member, int64_t taken)
{
	struct kw_runner_stats before, now;
	const char *why;
	int64_t until = kw_monotonic_us() + 60 * KW_US_PER_S;

	do {
		(void)kw_runner_ready(member->r, &why);
		assert_true(kw_monotonic_us() < until);
	} while (strstr(why, "an operator must accept it") == NULL);
	send_from(toy, 900, 901);
	kw_runner_stats(member->r, &before);
	do { /* it looked several times since */
		assert_false(kw_runner_ready(member->r, &why));
		kw_runner_stats(member->r, &now);
		assert_true(kw_monotonic_us() < until);
	} while (now.retries < before.retries + 4);
	assert_int_equal(toy_count(toy, "SELECT count(*) FROM deeds"), taken);
}

static void accept(struct toy *toy)
{
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(65536);

	assert_int_equal(toy_count(toy, kw_arena_printf(a, "SELECT accept_topic('%s')", toy->in)),
		TOY_PARTITIONS);
}

/* first: messages before the topic is made anew; second: after, and two more while it is stopped.
 */
static void made_anew(const char *name, int first, int second, bool running)
{
	struct toy toy;
	struct toy_member member;
	struct toy_ear ear;
	int64_t taken;

	toy_make(&toy, name, NULL, NULL);
	toy.config.refused_ms = 200;
	send_from(&toy, 1, first);
	toy_consume(&toy);
	toy_hear(&ear);
	if (running) {
		toy_start(&member, &toy);
		assert_true(is_ready(&member, true));
	}
	toy_make_anew(&toy, toy.in);
	send_from(&toy, 101, 100 + second);
	if (!running)
		toy_start(&member, &toy);
	assert_stopped(&toy, &member, first);
	accept(&toy);
	taken = first + second + 2;
	toy_wait(&toy, "SELECT count(*) FROM deeds", taken);
	assert_true(is_ready(&member, true));
	toy_end(&member);
	assert_true(toy_heard(&ear, "\"code\":\"LOG_CHANGED\"") > 0);
	assert_int_equal(toy_count(&toy, "SELECT count(*) FROM dead_letters"), 0);
	toy_publish(&toy);
	assert_int_equal(toy_verify(&toy), taken);
	toy_done(&toy);
}

static void longer_than_what_was_read(void **state)
{
	(void)state;
	made_anew("longer", 4, 9, false);
}

/* Only the append time tells them apart. */
static void the_same_message_again(void **state)
{
	struct toy toy;
	struct toy_member member;

	(void)state;
	toy_make(&toy, "same", NULL, NULL);
	send_from(&toy, 1, 2);
	toy_consume(&toy);
	toy_make_anew(&toy, toy.in);
	send_from(&toy, 1, 2);
	toy_start(&member, &toy);
	assert_stopped(&toy, &member, 2);
	toy_end(&member);
	toy_done(&toy);
}

/* As after a lost tail. */
static void shorter_than_what_was_read(void **state)
{
	(void)state;
	made_anew("shorter", 9, 2, false);
}

static void under_a_running_consumer(void **state)
{
	(void)state;
	made_anew("running", 9, 3, true);
}

static void offsets_without_a_message_are_passed(void **state)
{
	static const char value[] = "{\"name\":\"one\",\"number\":2}";
	struct toy toy;
	struct toy_member member;
	struct toy_ear ear;
	int partition = kw_partition_of((struct kw_bytes) { "one", 3 }, TOY_PARTITIONS);

	(void)state;
	toy_make(&toy, "holes", NULL, NULL);
	send_from(&toy, 1, 1);
	kt_send_in_transaction(toy.brokers, toy.in, partition, "one", "karwan.toy.asked.v1", value);
	send_from(&toy, 3, 3);
	toy_hear(&ear);
	toy_start(&member, &toy);
	toy_wait(&toy, "SELECT count(*) FROM deeds", 3);
	assert_true(is_ready(&member, true));
	toy_end(&member);
	assert_int_equal(toy_heard(&ear, "LOG_CHANGED"), 0);
	assert_int_equal(toy_count(&toy, "SELECT count(*) FROM offsets WHERE next_offset = 4"), 1);
	/* and what was read is known again */
	send_from(&toy, 4, 4);
	toy_consume(&toy);
	toy_publish(&toy);
	assert_int_equal(toy_verify(&toy), 4);
	toy_done(&toy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(longer_than_what_was_read),
		cmocka_unit_test(the_same_message_again),
		cmocka_unit_test(shorter_than_what_was_read),
		cmocka_unit_test(under_a_running_consumer),
		cmocka_unit_test(offsets_without_a_message_are_passed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
