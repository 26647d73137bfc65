/* The publisher against the faults of its neighbours; after each, a partner who follows rule 5 has
 * every event once, in order. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bus/consumer.h"
#include "bus/producer.h"
#include "toy.h"

static struct kt_server kafka;

static int start_kafka(void **state)
{
	(void)state;
	kt_server_new(&kafka, "kafka-server", "publisher-kafka");
	kt_server(&kafka, "start");
	return 0;
}

static int end_kafka(void **state)
{
	(void)state;
	kt_server_end(&kafka);
	return 0;
}

/* ---- a publisher on a thread of its own ---- */

struct leader {
	struct kw_publisher *p;
	pthread_t thread;
};

static void *leader_main(void *arg)
{
	struct leader *leader = arg;
	struct kw_err err = { 0 };

	if (kw_publisher_run(leader->p, false, &err) != KW_OK)
		fprintf(stderr, "publisher: %s\n", err.reason);
	return NULL;
}

static void leader_start(struct leader *leader, struct toy *toy)
{
	struct kw_err err = { 0 };

	assert_int_equal(kw_publisher_open(&toy->config, &leader->p, &err), KW_OK);
	pthread_create(&leader->thread, NULL, leader_main, leader);
}

static void leader_end(struct leader *leader)
{
	kw_publisher_stop(leader->p);
	pthread_join(leader->thread, NULL);
	kw_publisher_close(leader->p);
}

/* Journal rows straight into the table: the publisher does not ask who wrote them. */
static void journal_many(struct toy *toy, int from, int n)
{
	char sql[900];

	snprintf(sql, sizeof(sql),
		"SELECT journal_append('%s', array_agg(i %% 12), array_agg(gen_random_uuid()), array_agg('k' || i), "
		"array_agg('karwan.toy.done.v1'::text), array_agg(gen_random_uuid()), array_agg(1::bigint), now(), array_agg(''::text), "
		"array_agg('{\"n\":' || i || ',\"filler\":\"' || repeat('x', 200) || '\"}')) FROM generate_series(%d, %d) i",
		toy->events, from, from + n - 1);
	toy_sql(toy, sql);
}

static void wait_published(struct toy *toy, int64_t n)
{
	int64_t until = kw_monotonic_us() + 90 * KW_US_PER_S;

	while (toy_count(toy, "SELECT sum(number)::bigint FROM published") < n)
		if (!kt_again(until))
			fail_msg("published %lld of %lld",
				(long long)toy_count(
					toy, "SELECT sum(number)::bigint FROM published"),
				(long long)n);
}

static void kafka_away_and_back(void **state)
{
	struct toy toy;
	struct leader leader;

	(void)state;
	toy_make(&toy, "away", kafka.address, NULL);
	leader_start(&leader, &toy);
	journal_many(&toy, 1, 5000);
	kt_server(&kafka, "kill");
	journal_many(&toy, 5001, 5000);
	kt_server(&kafka, "start");
	journal_many(&toy, 10001, 2000);
	wait_published(&toy, 12000);
	leader_end(&leader);
	assert_int_equal(toy_verify(&toy), 12000);
	toy_done(&toy);
}

static void broker_killed_in_mid_send(void **state)
{
	struct toy toy;
	struct leader leader;

	(void)state;
	toy_make(&toy, "midsend", kafka.address, NULL);
	leader_start(&leader, &toy);
	for (int i = 0; i < 4; i++) {
		journal_many(&toy, 1 + i * 10000, 10000);
		wait_published(&toy, 1 + i * 10000);
		kt_server(&kafka, "kill");
		kt_server(&kafka, "start");
	}
	wait_published(&toy, 40000);
	leader_end(&leader);
	assert_int_equal(toy_verify(&toy), 40000);
	toy_done(&toy);
}

/* A child process publishes until it is killed. */
static pid_t child_publisher(struct toy *toy)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct kw_publisher *p;
		struct kw_err err = { 0 };

		if (kw_publisher_open(&toy->config, &p, &err) == KW_OK)
			(void)kw_publisher_run(p, false, &err);
		_exit(0);
	}
	return pid;
}

static void expire_lease(struct toy *toy)
{
	toy_sql(toy, "UPDATE leases SET until = '-infinity'");
}

static void publisher_killed_and_stopped(void **state)
{
	struct toy toy;
	pid_t first, second;

	(void)state;
	toy_make(&toy, "killed", kafka.address, NULL);
	journal_many(&toy, 1, 20000);
	first = child_publisher(&toy);
	wait_published(&toy, 2000);
	kill(first, SIGKILL);
	kt_wait(first);
	expire_lease(&toy);
	/* a second one is stopped in its work, a third takes over, then the second comes back: two
	 * at once */
	first = child_publisher(&toy);
	wait_published(&toy, 6000);
	kill(first, SIGSTOP);
	expire_lease(&toy);
	second = child_publisher(&toy);
	journal_many(&toy, 20001, 20000);
	wait_published(&toy, 25000);
	kill(first, SIGCONT);
	journal_many(&toy, 40001, 20000);
	wait_published(&toy, 60000);
	kill(first, SIGTERM);
	kill(second, SIGTERM);
	kt_wait(first);
	kt_wait(second);
	assert_int_equal(toy_verify(&toy), 60000);
	toy_done(&toy);
}

/* Cuts the newest segment of each partition of the topic to a part of its length. */
static int cut_segments(const char *topic, int keep_percent)
{
	char folder[700], file[1000];
	int cut = 0;

	for (int i = 0; i < TOY_PARTITIONS; i++) {
		snprintf(folder, sizeof(folder), "%s/data/%s-%d", kafka.dir, topic, i);
		DIR *dir = opendir(folder);
		assert_non_null(dir);
		for (struct dirent *entry; (entry = readdir(dir));) {
			struct stat st;
			size_t n = strlen(entry->d_name);

			snprintf(file, sizeof(file), "%s/%s", folder, entry->d_name);
			if (n > 4 && strcmp(entry->d_name + n - 4, ".log") == 0 &&
				stat(file, &st) == 0 && st.st_size > 0) {
				assert_int_equal(
					truncate(file, st.st_size * keep_percent / 100), 0);
				cut++;
			} else if (n > 5 && (strstr(entry->d_name, ".index") ||
						    strstr(entry->d_name, ".timeindex") ||
						    strstr(entry->d_name, ".snapshot"))) {
				unlink(file);
			}
		}
		closedir(dir);
	}
	return cut;
}

static void tail_of_the_log_is_lost_under_a_live_publisher(void **state)
{
	struct toy toy;
	struct leader leader;
	char clean[700];

	(void)state;
	toy_make(&toy, "tail", kafka.address, NULL);
	leader_start(&leader, &toy);
	for (int round = 0; round < 2; round++) {
		journal_many(&toy, 1 + round * 12000, 12000);
		wait_published(&toy, (round + 1) * 12000);
		kt_server(&kafka, "kill");
		snprintf(clean, sizeof(clean), "%s/data/.kafka_cleanshutdown", kafka.dir);
		unlink(clean);
		assert_true(cut_segments(toy.events, round ? 0 : 40) > 0);
		kt_server(&kafka, "start");
	}
	journal_many(&toy, 24001, 500);
	wait_published(&toy, 24500);
	/* the remembered numbers went back and forth: only the log can say when all is there */
	leader_end(&leader);
	toy_publish(&toy);
	assert_int_equal(toy_verify(&toy), 24500);
	toy_done(&toy);
}

static void make_events_anew(struct toy *toy)
{
	struct kw_err err = { 0 };
	size_t created = 0;
	int64_t until = kw_monotonic_us() + 30 * KW_US_PER_S;

	kt_delete_topic(kafka.address, toy->events);
	do
		(void)kw_topics_apply(kafka.address, &toy->topics, &created, &err);
	while (created == 0 && kt_again(until));
	assert_int_equal(created, 1);
}

static void topic_made_anew(void **state)
{
	struct toy toy;

	(void)state;
	toy_make(&toy, "anew", kafka.address, NULL);
	journal_many(&toy, 1, 3000);
	toy_publish(&toy);
	make_events_anew(&toy);
	journal_many(&toy, 3001, 100);
	toy_publish(&toy);
	assert_int_equal(toy_verify(&toy), 3100);
	toy_done(&toy);
}

static void no_report(void *ctx, void *opaque, enum kw_delivery outcome, struct kw_landing at)
{
	(void)ctx, (void)opaque, (void)at;
	assert_int_equal(outcome, KW_PERSISTED);
}

/* What a reader hands out is valid until its next call only. */
static struct kw_message copy_of(struct kw_arena *a, const struct kw_message *m)
{
	struct kw_message copy = *m;

	copy.key.p = kw_arena_copy(a, m->key.p, m->key.n);
	copy.value.p = kw_arena_copy(a, m->value.p, m->value.n);
	for (size_t i = 0; i < m->n_headers; i++) {
		struct kw_header *h = &copy.headers[i];

		h->name = kw_arena_copy(a, h->name, strlen(h->name) + 1);
		h->value.p = kw_arena_copy(a, h->value.p, h->value.n);
	}
	return copy;
}

#define EVENTS 3 /* of partition 0 */

static void read_events(struct toy *toy, struct kw_message events[EVENTS])
{
	struct kw_reader *reader;
	struct kw_err err = { 0 };
	struct kw_message m;

	assert_int_equal(kw_reader_open(kafka.address, "test", &reader, &err), KW_OK);
	assert_int_equal(kw_reader_begin(reader, toy->events, 0, 0, &err), KW_OK);
	for (int i = 0; i < EVENTS; i++) {
		assert_int_equal(kw_reader_next(reader, &m, &err), KW_OK);
		events[i] = copy_of(toy->arena, &m);
	}
	kw_reader_close(reader);
}

static void send_events(struct toy *toy, const struct kw_message *const *events, size_t n)
{
	struct kw_producer_config config = {
		.brokers = kafka.address, .client_id = "late", .delivered = no_report
	};
	struct kw_producer *producer;
	struct kw_err err = { 0 };

	assert_int_equal(kw_producer_open(&config, &producer, &err), KW_OK);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(
			kw_producer_send(producer, toy->events, 0, events[i]->key, events[i]->value,
				events[i]->headers, events[i]->n_headers, NULL, &err),
			KW_OK);
	kw_producer_close(producer, 30000);
}

/* The log is lost whole. Then requests of a publisher that is gone land late, so that the last
 * event lies where it was before, and the one before it is not there. */
static void late_repeat_where_the_remembered_event_was(void **state)
{
	struct toy toy;
	struct kw_message events[EVENTS];

	(void)state;
	toy_make(&toy, "late", kafka.address, NULL);
	journal_many(&toy, 1, EVENTS * TOY_PARTITIONS);
	toy_publish(&toy);
	read_events(&toy, events);
	make_events_anew(&toy);
	send_events(&toy, (const struct kw_message *[]) { &events[0], &events[0], &events[2] }, 3);
	toy_publish(&toy);
	assert_int_equal(toy_verify(&toy), EVENTS * TOY_PARTITIONS);
	toy_done(&toy);
}

/* The topic is made anew while an event is on its way, which lands first. Whoever begins to read
 * then has them all, too. */
static void late_event_before_the_start(void **state)
{
	struct toy toy;
	struct kw_message events[EVENTS];

	(void)state;
	toy_make(&toy, "stray", kafka.address, NULL);
	journal_many(&toy, 1, EVENTS * TOY_PARTITIONS);
	toy_publish(&toy);
	read_events(&toy, events);
	make_events_anew(&toy);
	send_events(&toy, (const struct kw_message *[]) { &events[2] }, 1);
	toy_publish(&toy);
	assert_int_equal(toy_verify(&toy), EVENTS * TOY_PARTITIONS);
	toy_done(&toy);
}

struct race {
	struct toy *toy;
	int from, n;
};

static void *race_main(void *arg)
{
	struct race *race = arg;

	for (int i = 0; i < race->n; i += 20)
		journal_many(race->toy, race->from + i, 20);
	return NULL;
}

static void replicas_race_for_the_head_rows(void **state)
{
	struct toy toy;
	struct leader leader;
	struct race races[4];
	pthread_t threads[4];

	(void)state;
	toy_make(&toy, "race", kafka.address, NULL);
	leader_start(&leader, &toy);
	for (int i = 0; i < 4; i++) {
		races[i] = (struct race) { &toy, 1 + i * 2000, 2000 };
		pthread_create(&threads[i], NULL, race_main, &races[i]);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	wait_published(&toy, 8000);
	leader_end(&leader);
	assert_int_equal(toy_verify(&toy), 8000);
	toy_done(&toy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* first: it forks */
		cmocka_unit_test(publisher_killed_and_stopped),
		cmocka_unit_test(kafka_away_and_back),
		cmocka_unit_test(broker_killed_in_mid_send),
		cmocka_unit_test(tail_of_the_log_is_lost_under_a_live_publisher),
		cmocka_unit_test(topic_made_anew),
		cmocka_unit_test(late_repeat_where_the_remembered_event_was),
		cmocka_unit_test(late_event_before_the_start),
		cmocka_unit_test(replicas_race_for_the_head_rows),
	};

	return cmocka_run_group_tests(tests, start_kafka, end_kafka);
}
