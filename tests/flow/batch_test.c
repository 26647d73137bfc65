/* The batch runner on real Kafka and PostgreSQL: exactly once under retries, poison, zombies,
 * rebalances and crashes. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bus/consumer.h"
#include "toy.h"

static void every_message_takes_effect_once(void **state)
{
	struct toy toy;

	(void)state;
	toy_make(&toy, "once", NULL, NULL);
	toy_send_many(&toy, "e", 40, 5);
	toy_consume(&toy);
	toy_publish(&toy);
	toy_consume(&toy);
	toy_publish(&toy);
	assert_int_equal(toy_count(&toy, "SELECT count(*) FROM deeds"), 200);
	assert_int_equal(toy_verify(&toy), 200);
	assert_int_equal(toy_count(&toy, "SELECT sum(number)::bigint FROM head"), 200);
	assert_int_equal(toy_count(&toy, "SELECT sum(number)::bigint FROM published"), 200);
	assert_int_equal(toy_count(&toy, "SELECT sum(messages)::bigint FROM batches"), 200);
	toy_done(&toy);
}

static void retry_runs_the_batch_again(void **state)
{
	struct toy toy;

	(void)state;
	toy_make(&toy, "retry", NULL, NULL);
	toy.retries_left = 3;
	toy_send_many(&toy, "e", 10, 2);
	toy_send(&toy, "again", 1, "retry");
	toy_consume(&toy);
	toy_publish(&toy);
	assert_int_equal(toy_verify(&toy), 21);
	assert_int_equal(toy_count(&toy, "SELECT count(*) FROM dead_letters"), 0);
	toy_done(&toy);
}

struct readiness {
	struct toy_member member;
	int commits, ready;
};

static void look_whether_ready(void *ctx)
{
	struct readiness *look = ctx;
	const char *why;

	look->commits++;
	look->ready += kw_runner_ready(look->member.r, &why);
}

/* Most of the partitions that it reads from a place have not been looked at yet. */
static void is_ready_while_it_works_off_what_waits(void **state)
{
	struct toy toy;
	struct readiness look = { 0 };

	(void)state;
	toy_make(&toy, "waits", NULL, NULL);
	toy_send_many(&toy, "e", 100, 1);
	toy_consume(&toy);
	toy_send_many(&toy, "f", 100, 1);
	toy.config.batch_max = 1;
	toy.config.on_commit = look_whether_ready;
	toy.config.commit_ctx = &look;
	toy_start(&look.member, &toy);
	toy_wait(&toy, "SELECT count(*) FROM deeds", 200);
	toy_end(&look.member);
	assert_int_equal(look.commits, 100);
	/* after the first batch, not after the last partition */
	assert_int_equal(look.ready, look.commits - 1);
	toy_done(&toy);
}

static void poison_is_isolated_and_can_be_replayed(void **state)
{
	struct toy toy;
	struct kw_pg *pg;
	struct kw_err err = { 0 };

	(void)state;
	toy_make(&toy, "poison", NULL, NULL);
	toy_send_many(&toy, "e", 10, 2);
	toy_send(&toy, "bad", 1, "refuse");
	toy_send_raw(&toy, "torn", "karwan.toy.asked.v1", "{\"name\":\"torn\",\"number\":");
	toy_send_raw(&toy, "low", "karwan.toy.asked.v1", "{\"name\":\"low\",\"number\":0}");
	toy_send_raw(&toy, "other", "karwan.other.v1", "{}");
	toy_send_raw(&toy, "bare", NULL, "{}");
	toy_send_many(&toy, "f", 10, 2);
	toy_consume(&toy);
	toy_publish(&toy);
	assert_int_equal(toy_verify(&toy), 40);
	assert_int_equal(toy_count(&toy, "SELECT count(*) FROM dead_letters"), 5);
	assert_true(toy_has_dead(&toy, "REFUSED"));
	assert_true(toy_has_dead(&toy, "UNKNOWN_TYPE"));
	assert_int_equal(
		toy_count(&toy, "SELECT count(*) FROM dead_letters WHERE pointer = '/number'"), 1);
	assert_int_equal(
		toy_count(&toy,
			"SELECT count(*) FROM dead_letters WHERE convert_from(value, 'UTF8') LIKE '%torn%'"),
		1);

	/* replay: refused again, then done once, then a duplicate */
	int64_t id = toy_count(&toy, "SELECT id FROM dead_letters WHERE code = 'REFUSED'");
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(16 * 1024 * 1024);
	pg = kw_pg_new(&(struct kw_pg_config) {
		.dsn = toy.dsn, .schema = "toy", .application = "replay" });
	assert_int_equal(kw_replay(&toy.config, pg, a, id, false, &err), KW_INVALID);
	toy.refusing = false;
	assert_int_equal(kw_replay(&toy.config, pg, a, id, true, &err), KW_OK);
	assert_int_equal(toy_count(&toy, "SELECT count(*) FROM deeds WHERE name = 'bad'"), 0);
	toy_sql(&toy, "UPDATE dead_letters SET requested = 'REPLAY' WHERE code = 'REFUSED'");
	assert_int_equal(kw_replay(&toy.config, pg, a, id, false, &err), KW_OK);
	assert_int_equal(kw_replay(&toy.config, pg, a, id, false, &err), KW_DUPLICATE);
	/* who is second to take the request does not say that it was for nothing */
	assert_int_equal(kw_replay_requested(&toy.config, pg, a, &err), KW_NOTHING);
	assert_int_equal(
		toy_count(&toy, "SELECT count(*) FROM dead_letters WHERE code = 'REFUSED' "
				"AND replays = 1 AND outcome = 'OK: done' AND requested IS NULL"),
		1);
	kw_pg_free(pg);
	toy_publish(&toy);
	assert_int_equal(toy_verify(&toy), 41);
	toy_done(&toy);
}

/* Somebody else committed the first messages: we go on from there. */
static void move_row(struct toy *toy, const struct kw_message *last)
{
	char sql[300];

	snprintf(sql, sizeof(sql),
		"UPDATE offsets SET next_offset = %lld, last_hash = %lld, last_time = to_timestamp(%lld / 1000.0) "
		"WHERE topic = '%s' AND partition = %d",
		(long long)last->offset + 1, (long long)(int64_t)kw_message_hash(last),
		(long long)last->time / 1000, toy->in, last->partition);
	toy_sql(toy, sql);
}

static void goes_on_where_the_offset_row_is(void **state)
{
	struct toy toy;
	struct kw_reader *reader;
	struct kw_message m;
	struct kw_err err = { 0 };
	int32_t partition = kw_partition_of((struct kw_bytes) { "z", 1 }, TOY_PARTITIONS);

	(void)state;
	toy_make(&toy, "zombie", NULL, NULL);
	toy_send(&toy, "z", 1, "");
	toy_consume(&toy);
	for (int k = 2; k <= 6; k++)
		toy_send(&toy, "z", k, "");
	/* the other one took 2, 3 and 4 */
	assert_int_equal(kw_reader_open(toy.brokers, "zombie", &reader, &err), KW_OK);
	assert_int_equal(kw_reader_begin(reader, toy.in, partition, 3, &err), KW_OK);
	assert_int_equal(kw_reader_next(reader, &m, &err), KW_OK);
	move_row(&toy, &m);
	kw_reader_close(reader);
	toy_consume(&toy);
	assert_int_equal(toy_count(&toy, "SELECT count(*) FROM deeds"), 3);
	assert_int_equal(
		toy_count(&toy, "SELECT count(*) FROM deeds WHERE number IN (1, 5, 6)"), 3);
	toy_done(&toy);
}

static int moved_runs;

static void move_under_the_batch(struct toy *toy)
{
	/* inside the first run: our own transaction holds the row, so a zombie's move must wait;
	 * run the check after it */
	if (moved_runs++ == 0)
		toy->retries_left = 0;
}

static void duplicate_keys_in_one_batch_keep_their_order(void **state)
{
	struct toy toy;

	(void)state;
	toy_make(&toy, "dupkeys", NULL, NULL);
	moved_runs = 0;
	toy.before = move_under_the_batch;
	for (int k = 1; k <= 300; k++)
		toy_send(&toy, "same", k, "");
	toy_consume(&toy);
	toy_publish(&toy);
	assert_true(moved_runs < 300);
	assert_int_equal(toy_verify(&toy), 300);
	assert_int_equal(
		toy_count(&toy,
			"SELECT count(*) FROM (SELECT version, row_number() OVER (ORDER BY number) AS n FROM journal) j "
			"WHERE version = n"),
		300);
	toy_done(&toy);
}

static void rebalances_lose_and_double_nothing(void **state)
{
	struct toy toy;
	struct toy_member a, b, c;

	(void)state;
	toy_make(&toy, "rebalance", NULL, NULL);
	toy_start(&a, &toy);
	toy_send_many(&toy, "a", 100, 3);
	toy_start(&b, &toy);
	toy_send_many(&toy, "b", 100, 3);
	toy_start(&c, &toy);
	toy_send_many(&toy, "c", 100, 3);
	toy_end(&a);
	toy_send_many(&toy, "d", 100, 3);
	toy_end(&c);
	toy_wait(&toy, "SELECT count(*) FROM deeds", 1200);
	toy_end(&b);
	toy_publish(&toy);
	assert_int_equal(toy_verify(&toy), 1200);
	toy_done(&toy);
}

/* A FATAL ends the process in order, as often as it comes: nothing becomes a dead letter for that.
 */
static void a_fatal_error_is_not_a_death(void **state)
{
	struct toy toy;
	struct kw_runner *r;
	struct kw_err err = { 0 };

	(void)state;
	toy_make(&toy, "fatal", NULL, NULL);
	toy_send_many(&toy, "e", 5, 2);
	toy_send(&toy, "broken", 1, "break");
	toy.breaking = true;
	for (int i = 0; i < 6; i++) {
		assert_int_equal(kw_runner_open(&toy.config, &r, &err), KW_OK);
		assert_int_equal(kw_runner_run(r, true, &err), KW_FATAL);
		kw_runner_close(r);
	}
	assert_int_equal(toy_count(&toy, "SELECT count(*) FROM dead_letters"), 0);
	toy.breaking = false;
	toy_consume(&toy);
	toy_publish(&toy);
	assert_int_equal(toy_verify(&toy), 11);
	toy_done(&toy);
}

static void a_message_that_kills_the_process_becomes_a_dead_letter(void **state)
{
	struct toy toy;
	int deaths = 0, status = 1;

	(void)state;
	toy_make(&toy, "killer", NULL, NULL);
	toy_send_many(&toy, "e", 5, 2);
	toy_send(&toy, "killer", 1, "die");
	toy_send_many(&toy, "f", 5, 2);
	for (int i = 0; i < 8 && status != 0; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			signal(SIGABRT, SIG_DFL);
			if (!freopen("/dev/null", "w", stderr))
				_exit(2);
			toy_consume(&toy);
			_exit(0);
		}
		status = kt_wait(pid);
		deaths += status != 0;
	}
	assert_int_equal(status, 0);
	assert_in_range(deaths, 4, 6);
	assert_true(toy_has_dead(&toy, "KILLED_PROCESS"));
	assert_int_equal(toy_count(&toy, "SELECT count(*) FROM deeds"), 20);
	toy_publish(&toy);
	assert_int_equal(toy_verify(&toy), 20);
	assert_int_equal(toy_count(&toy, "SELECT count(*) FROM attempts"), 0);
	toy_done(&toy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* first: it forks, before any thread of librdkafka lives */
		cmocka_unit_test(a_message_that_kills_the_process_becomes_a_dead_letter),
		cmocka_unit_test(a_fatal_error_is_not_a_death),
		cmocka_unit_test(every_message_takes_effect_once),
		cmocka_unit_test(retry_runs_the_batch_again),
		cmocka_unit_test(is_ready_while_it_works_off_what_waits),
		cmocka_unit_test(poison_is_isolated_and_can_be_replayed),
		cmocka_unit_test(goes_on_where_the_offset_row_is),
		cmocka_unit_test(duplicate_keys_in_one_batch_keep_their_order),
		cmocka_unit_test(rebalances_lose_and_double_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
