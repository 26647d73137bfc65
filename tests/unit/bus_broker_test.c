/* Producer and consumer against an Apache Kafka of their own that is killed, stopped and cut off.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "bus/consumer.h"
#include "bus_testing.h"
#include "proxy.h"
#include "support.h"

static struct kt_server kafka;
static struct kt_proxy *proxy;
static char brokers[40];
static char topic[80];
static struct book book;
static struct kw_producer *producer;

/* Clients are told to come by the proxy only. */
static int start_kafka(void **state)
{
	char path[600];

	(void)state;
	kt_server_new(&kafka, "kafka-server", "bus-kafka");
	proxy = kt_proxy_open("127.0.0.1", kafka.port, NULL, NULL);
	snprintf(brokers, sizeof(brokers), "127.0.0.1:%d", kt_proxy_port(proxy));
	assert_int_equal(mkdir(kafka.dir, 0755), 0);
	snprintf(path, sizeof(path), "%s/extra.properties", kafka.dir);
	FILE *extra = fopen(path, "w");
	assert_non_null(extra);
	fprintf(extra, "advertised.listeners=PLAINTEXT://%s\n", brokers);
	fclose(extra);
	kt_server(&kafka, "start");
	return 0;
}

static int end_kafka(void **state)
{
	(void)state;
	kt_server_end(&kafka);
	kt_proxy_close(proxy);
	return 0;
}

static int make(void **state)
{
	static int n;

	(void)state;
	snprintf(topic, sizeof(topic), "%s.%d", kt_unique("bus-broker"), ++n);
	make_topic(brokers, topic, 1);
	book_init(&book);
	producer = NULL;
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	kw_producer_close(producer, 1000);
	return 0;
}

static void open_with(struct kw_producer_config config)
{
	config.brokers = brokers;
	config.client_id = "test";
	config.delivered = book_delivered;
	config.ctx = &book;
	OK(kw_producer_open(&config, &producer, &why));
}

static void signal_kafka(int number)
{
	char path[600];
	long pid = 0;

	snprintf(path, sizeof(path), "%s/pid", kafka.dir);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%ld", &pid), 1);
	fclose(file);
	assert_true(pid > 1);
	assert_int_equal(kill((pid_t)pid, number), 0);
}

/* The log's numbers, in its order; returns how many. */
static int read_log(int *out, int max)
{
	struct kw_reader *reader;
	struct kw_message m;
	struct kw_err err = { 0 };
	enum kw_rc rc;
	int n = 0;

	OK(kw_reader_open(brokers, "test", &reader, &why));
	OK(kw_reader_begin(reader, topic, 0, 0, &why));
	while ((rc = kw_reader_next(reader, &m, &err)) == KW_OK) {
		char value[16];

		assert_true(n < max && m.value.n < sizeof(value));
		assert_int_equal(m.offset, n);
		memcpy(value, m.value.p, m.value.n);
		value[m.value.n] = '\0';
		out[n++] = (int)strtol(value, NULL, 10);
	}
	if (rc != KW_NOTHING)
		fail_msg("reader: %s %s", err.code, err.reason);
	kw_reader_close(reader);
	return n;
}

static void poll_until(int n)
{
	int64_t until_us = kw_monotonic_us() + 60 * KW_US_PER_S;

	while (book.n_reports < n && kw_monotonic_us() < until_us)
		(void)kw_producer_poll(producer, 100);
	assert_int_equal(book.n_reports, n);
}

/* Killed while records are on their way, away for seconds, back: the log is what was sent, in
 * order. */
static void publisher_keeps_its_order_over_a_kill(void **state)
{
	(void)state;
	static int log[BOOK_MAX];

	open_with((struct kw_producer_config) { .publisher = true });
	for (int i = 0; i < 2000; i++)
		send_surely(producer, topic, 0, i);
	while (book.n_reports < 300)
		(void)kw_producer_poll(producer, 10);
	for (int i = 2000; i < 5000; i++)
		send_surely(producer, topic, 0, i);
	kt_server(&kafka, "kill");
	for (int i = 5000; i < 6000; i++)
		send_surely(producer, topic, 0, i);
	kt_server(&kafka, "start");
	for (int i = 6000; i < 8000; i++)
		send_surely(producer, topic, 0, i);
	poll_until(8000);
	assert_true(kw_producer_take_lost(producer));
	assert_once(&book, 0, 8000);
	assert_int_equal(book_count(&book, KW_PERSISTED), 8000);
	assert_int_equal(read_log(log, BOOK_MAX), 8000);
	for (int i = 0; i < 8000; i++) {
		assert_int_equal(log[i], i);
		if (book.lines[i].at.offset != -1)
			assert_int_equal(book.lines[i].at.offset, i);
	}
}

static atomic_bool stop_sending;

static void *send_on(void *arg)
{
	int *sent = arg;
	struct kw_err err;

	/* slow enough that the book lasts for the outage */
	for (; *sent < BOOK_MAX && !atomic_load(&stop_sending); pause_ms(5))
		if (send_number(producer, topic, 0, *sent, &err) == KW_OK)
			(*sent)++;
	return NULL;
}

/* What the edge answers: 202 only for what is there, where it is said to be, and what is called
 * absent is absent. A record may be there twice: librdkafka bumps its epoch when records time out,
 * and sends again what it has no answer for (seen with 2.8). Ids are functions of the source, so a
 * repeat is harmless on an in topic. */
static void edge_tells_the_truth_over_a_kill(void **state)
{
	(void)state;
	static int log[BOOK_MAX];
	static int times[BOOK_MAX];
	pthread_t thread;
	int sent = 0, n;

	open_with((struct kw_producer_config) { .timeout_ms = 1500 });
	atomic_store(&stop_sending, false);
	assert_int_equal(pthread_create(&thread, NULL, send_on, &sent), 0);
	for (int round = 0; round < 2; round++) {
		int target = book_count(&book, KW_PERSISTED) + 200;

		UNTIL(book_count(&book, KW_PERSISTED) >= target, 60);
		kt_server(&kafka, "kill");
		kt_server(&kafka, "start");
		UNTIL(kw_producer_up(producer), 60);
	}
	int target = book_count(&book, KW_PERSISTED) + 200;
	UNTIL(book_count(&book, KW_PERSISTED) >= target, 60);
	atomic_store(&stop_sending, true);
	pthread_join(thread, NULL);
	book_wait(&book, sent);
	kw_producer_close(producer, 1000);
	producer = NULL;
	assert_once(&book, 0, sent);
	assert_true(book_count(&book, KW_PERSISTED) < sent);
	n = read_log(log, BOOK_MAX);
	for (int i = 0; i < n; i++)
		times[log[i]]++;
	for (int i = 0; i < sent; i++) {
		int64_t offset = book.lines[i].at.offset;

		assert_int_not_equal(book.lines[i].outcome, KW_REFUSED);
		if (book.lines[i].outcome == KW_PERSISTED && times[i] == 0)
			fail_msg("record %d is called persisted, but is not there", i);
		if (book.lines[i].outcome == KW_NOT_PERSISTED && times[i] != 0)
			fail_msg("record %d is called absent, but is there", i);
		if (offset != -1)
			assert_true(offset < n && log[offset] == i);
	}
}

/* ---- a consumer ---- */

static const char *topics[] = { topic };
static int64_t next_offset;
static int n_assigned;

static enum kw_rc on_assign(void *ctx, struct kw_position *positions, size_t n, struct kw_err *err)
{
	(void)ctx;
	(void)err;
	n_assigned++;
	for (size_t i = 0; i < n; i++)
		positions[i].offset = next_offset;
	return KW_OK;
}

static void on_revoke(void *ctx)
{
	(void)ctx;
}

static struct kw_consumer *join(void)
{
	struct kw_consumer *c;

	next_offset = 0;
	n_assigned = 0;
	OK(kw_consumer_open(
		&(struct kw_consumer_config) {
			.brokers = brokers,
			.group = topic,
			.client_id = "test",
			.topics = topics,
			.n_topics = 1,
			.on_assign = on_assign,
			.on_revoke = on_revoke,
		},
		&c, &why));
	return c;
}

/* Each record once and in order, whatever happens to connections and to the group. */
static void take_until(struct kw_consumer *c, int64_t offset)
{
	int64_t until_us = kw_monotonic_us() + 60 * KW_US_PER_S;

	while (next_offset < offset && kw_monotonic_us() < until_us) {
		const struct kw_message *ms;
		struct kw_position fault;
		size_t n = 0;
		enum kw_rc rc = kw_consumer_poll(c, 100, 500, 1000000, &ms, &n, &fault, NULL);

		assert_true(rc == KW_OK || rc == KW_NOTHING || rc == KW_RETRY);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(ms[i].offset, next_offset++);
	}
	assert_int_equal(next_offset, offset);
}

static void consumer_goes_on_after_a_kill(void **state)
{
	(void)state;
	open_with((struct kw_producer_config) { .publisher = true });
	for (int i = 0; i < 1000; i++)
		send_surely(producer, topic, 0, i);
	poll_until(1000);
	struct kw_consumer *c = join();
	take_until(c, 1000);
	(void)kw_consumer_take_lost(c);
	kt_server(&kafka, "kill");
	UNTIL(kw_consumer_take_lost(c), 60);
	kt_server(&kafka, "start");
	for (int i = 1000; i < 2000; i++)
		send_surely(producer, topic, 0, i);
	poll_until(2000);
	take_until(c, 2000);
	kw_consumer_close(c, 5000);
}

/* librdkafka itself is silent about an error that repeats within half a minute. */
static void every_cut_is_told(void **state)
{
	(void)state;
	open_with((struct kw_producer_config) { .publisher = true });
	struct kw_consumer *c = join();
	for (int round = 0; round < 4; round++) {
		send_surely(producer, topic, 0, round);
		poll_until(round + 1);
		take_until(c, round + 1);
		(void)kw_consumer_take_lost(c);
		(void)kw_producer_take_lost(producer);
		kt_proxy_cut(proxy);
		UNTIL(kw_consumer_take_lost(c), 60);
		UNTIL(kw_producer_take_lost(producer), 60);
		UNTIL(kw_producer_up(producer), 60);
	}
	/* the group has not even noticed */
	assert_int_equal(n_assigned, 1);
	kw_consumer_close(c, 5000);
}

/* A link that carries nothing and tells nobody: the edge says so in time, and is back when the link
 * is. */
static void dead_link(void **state)
{
	(void)state;
	open_with((struct kw_producer_config) { .timeout_ms = BOOK_ENOUGH_MS });
	send_surely(producer, topic, 0, 0);
	book_wait(&book, 1);
	kt_proxy_stall(proxy, true);
	int64_t from_us = kw_monotonic_us();
	for (int i = 1; i < 100; i++)
		send_surely(producer, topic, 0, i);
	book_wait(&book, 100);
	assert_true(kw_monotonic_us() - from_us < 5 * BOOK_ENOUGH_MS * 1000LL);
	assert_once(&book, 0, 100);
	assert_int_equal(book_count(&book, KW_PERSISTED), 1);
	assert_true(kw_producer_take_lost(producer));
	kt_proxy_stall(proxy, false);
	kt_proxy_cut(proxy);
	UNTIL(kw_producer_up(producer), 60);
	send_surely(producer, topic, 0, 100);
	book_wait(&book, 101);
	assert_int_equal(book.lines[100].outcome, KW_PERSISTED);
}

/* A broker that is stopped answers nothing; nobody waits for it longer than said. */
static void closing_beside_a_stopped_broker(void **state)
{
	(void)state;
	open_with((struct kw_producer_config) { 0 });
	send_surely(producer, topic, 0, 0);
	book_wait(&book, 1);
	struct kw_consumer *c = join();
	take_until(c, 1);
	signal_kafka(SIGSTOP);
	for (int i = 1; i < 50; i++)
		send_surely(producer, topic, 0, i);
	int64_t from_us = kw_monotonic_us();
	kw_consumer_close(c, 500);
	kw_producer_close(producer, 500);
	producer = NULL;
	int64_t took_us = kw_monotonic_us() - from_us;
	signal_kafka(SIGCONT);
	/* a request to leave the group waits 5 s in librdkafka, however it is closed */
	assert_true(took_us < 10 * KW_US_PER_S);
	assert_once(&book, 0, 50);
	assert_int_equal(book_count(&book, KW_PERSISTED), 1);
}

static void renewing_beside_a_stopped_broker(void **state)
{
	(void)state;
	open_with((struct kw_producer_config) { .publisher = true });
	send_surely(producer, topic, 0, 0);
	poll_until(1);
	signal_kafka(SIGSTOP);
	for (int i = 1; i < 50; i++)
		send_surely(producer, topic, 0, i);
	int64_t from_us = kw_monotonic_us();
	OK(kw_producer_renew(producer, &why));
	int64_t took_us = kw_monotonic_us() - from_us;
	signal_kafka(SIGCONT);
	assert_true(took_us < KW_US_PER_S);
	send_surely(producer, topic, 0, 50);
	poll_until(2);
	assert_int_equal(book.lines[50].outcome, KW_PERSISTED);
}

#define KAFKA_TEST(f) cmocka_unit_test_setup_teardown(f, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		KAFKA_TEST(publisher_keeps_its_order_over_a_kill),
		KAFKA_TEST(edge_tells_the_truth_over_a_kill),
		KAFKA_TEST(consumer_goes_on_after_a_kill),
		KAFKA_TEST(every_cut_is_told),
		KAFKA_TEST(dead_link),
		KAFKA_TEST(closing_beside_a_stopped_broker),
		KAFKA_TEST(renewing_beside_a_stopped_broker),
	};

	return cmocka_run_group_tests(tests, start_kafka, end_kafka);
}
