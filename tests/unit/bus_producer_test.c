/* The producer on librdkafka's mock cluster: every record has exactly one report, whatever the
 * broker does. */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdatomic.h>

#include "bus_testing.h"

#define PRODUCE 0 /* Kafka's ApiKey */
#define PARTITIONS 12

static rd_kafka_t *host;
static rd_kafka_mock_cluster_t *cluster;
static struct book book;
static struct kw_producer *producer;
static const char *topic = "topic";

static int make_cluster(void **state)
{
	char why[256];

	(void)state;
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_set(conf, "log_level", "3", why, sizeof(why));
	host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	cluster = rd_kafka_mock_cluster_new(host, 1);
	rd_kafka_mock_topic_create(cluster, topic, PARTITIONS, 1);
	book_init(&book);
	producer = NULL;
	return cluster ? 0 : -1;
}

static int end_cluster(void **state)
{
	(void)state;
	kw_producer_close(producer, 0);
	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(host);
	return 0;
}

static void open_with(struct kw_producer_config config)
{
	config.brokers = rd_kafka_mock_cluster_bootstraps(cluster);
	config.client_id = "test";
	config.delivered = book_delivered;
	config.round_done = config.publisher ? NULL : book_round;
	config.ctx = &book;
	OK(kw_producer_open(&config, &producer, &why));
}

static void send_many(int from, int to)
{
	for (int i = from; i < to; i++)
		send_surely(producer, topic, i % PARTITIONS, i);
}

static void answer_produce_with(rd_kafka_resp_err_t rerr)
{
	rd_kafka_mock_push_request_errors(cluster, PRODUCE, 1, rerr);
}

/* The first record settles topic, producer id and connection, so that faults hit the ones after it.
 */
static void warm_up(void)
{
	send_surely(producer, topic, 0, 0);
	book_wait(&book, 1);
	assert_int_equal(book.lines[0].outcome, KW_PERSISTED);
	(void)kw_producer_take_lost(producer);
}

static void every_record_is_reported_once_with_its_offset(void **state)
{
	(void)state;
	int64_t next[PARTITIONS] = { 0 };

	open_with((struct kw_producer_config) { 0 });
	send_many(0, 6000);
	book_wait(&book, 6000);
	assert_once(&book, 0, 6000);
	for (int i = 0; i < 6000; i++) {
		assert_int_equal(book.lines[i].outcome, KW_PERSISTED);
		assert_int_equal(book.lines[i].at.offset, next[i % PARTITIONS]++);
	}
	assert_true(kw_producer_up(producer));
	kw_producer_close(producer, 1000);
	producer = NULL;
	assert_int_equal(book.n_reports, 6000);
	/* one wake-up serves many */
	assert_int_equal(book.empty_rounds, 0);
	assert_int_equal(book.in_round, 0);
	assert_in_range(book.n_rounds, 1, 3000);
}

static void fatal_error_makes_a_new_instance(void **state)
{
	(void)state;
	open_with((struct kw_producer_config) { 0 });
	warm_up();
	rd_kafka_mock_broker_set_rtt(cluster, 1, 300);
	send_many(1, 200);
	assert_false(kw_producer_take_lost(producer));
	kw_producer_test_fatal(producer);
	book_wait(&book, 200);
	rd_kafka_mock_broker_set_rtt(cluster, 1, 0);
	assert_once(&book, 0, 200);
	/* nothing of what was on its way is called persisted */
	assert_int_equal(book_count(&book, KW_PERSISTED), 1);
	assert_int_equal(book_count(&book, KW_REFUSED), 0);
	UNTIL(kw_producer_take_lost(producer), 60);
	send_many(200, 300);
	book_wait(&book, 300);
	assert_once(&book, 0, 300);
	assert_int_equal(book_count(&book, KW_PERSISTED), 101);
	UNTIL(kw_producer_up(producer), 60);
}

static atomic_int next_number;

static void *send_without_end(void *arg)
{
	atomic_bool *stop = arg;
	struct kw_err err;
	int number = -1;

	while (!atomic_load(stop)) {
		if (number < 0)
			number = atomic_fetch_add(&next_number, 1);
		if (number >= BOOK_MAX)
			return NULL;
		if (send_number(producer, topic, number % PARTITIONS, number, &err) == KW_OK)
			number = -1;
	}
	/* its number was taken but not sent: told apart from a lost report */
	return (void *)((uintptr_t)number + 1);
}

static void many_senders_and_many_fatal_errors(void **state)
{
	(void)state;
	atomic_bool stop = false;
	pthread_t senders[4];
	int unsent[4], sent = 0;

	atomic_store(&next_number, 0);
	open_with((struct kw_producer_config) { .queue_max_messages = 2000 });
	for (size_t i = 0; i < KW_LEN(senders); i++)
		assert_int_equal(pthread_create(&senders[i], NULL, send_without_end, &stop), 0);
	for (int round = 0; round < 5; round++) {
		int target = book_count(&book, KW_PERSISTED) + 200;

		UNTIL(book_count(&book, KW_PERSISTED) >= target ||
				atomic_load(&next_number) >= BOOK_MAX,
			60);
		kw_producer_test_fatal(producer);
		UNTIL(kw_producer_take_lost(producer), 60);
	}
	atomic_store(&stop, true);
	for (size_t i = 0; i < KW_LEN(senders); i++) {
		void *left;
		pthread_join(senders[i], &left);
		unsent[i] = (int)(uintptr_t)left - 1;
	}
	kw_producer_close(producer, 10000);
	producer = NULL;
	for (int i = 0; i < BOOK_MAX && i < atomic_load(&next_number); i++) {
		bool skip = false;
		for (size_t k = 0; k < KW_LEN(unsent); k++)
			skip = skip || unsent[k] == i;
		assert_int_equal(book.lines[i].reports, skip ? 0 : 1);
		sent += !skip;
	}
	assert_int_equal(book.n_reports, sent);
	assert_true(sent >= 1000);
}

static void sequence_out_of_order_is_fatal_and_told(void **state)
{
	(void)state;
	open_with((struct kw_producer_config) { 0 });
	warm_up();
	answer_produce_with(RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
	send_surely(producer, topic, 0, 1);
	book_wait(&book, 2);
	assert_int_equal(book.lines[1].outcome, KW_MAYBE);
	assert_int_equal(book.lines[1].at.offset, -1);
	UNTIL(kw_producer_take_lost(producer), 60);
	send_surely(producer, topic, 0, 2);
	book_wait(&book, 3);
	assert_int_equal(book.lines[2].outcome, KW_PERSISTED);
	assert_once(&book, 0, 3);
}

static void passing_errors_are_tried_again(void **state)
{
	(void)state;
	static const rd_kafka_resp_err_t passing[] = {
		RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
		RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
		RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
		RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
	};

	open_with((struct kw_producer_config) { 0 });
	warm_up();
	for (size_t i = 0; i < KW_LEN(passing); i++) {
		answer_produce_with(passing[i]);
		send_surely(producer, topic, 0, (int)i + 1);
		book_wait(&book, (int)i + 2);
		assert_int_equal(book.lines[i + 1].outcome, KW_PERSISTED);
	}
	assert_once(&book, 0, 1 + (int)KW_LEN(passing));
	assert_false(kw_producer_take_lost(producer));
}

static void what_the_broker_never_takes_is_refused(void **state)
{
	(void)state;
	static const rd_kafka_resp_err_t refusals[] = {
		RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_INVALID_RECORD,
		RD_KAFKA_RESP_ERR_POLICY_VIOLATION, RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
		RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, /* the last: librdkafka remembers it
							       */
	};
	int n = (int)KW_LEN(refusals);
	struct kw_err err;

	open_with((struct kw_producer_config) { 0 });
	warm_up();
	for (int i = 0; i < n; i++) {
		answer_produce_with(refusals[i]);
		send_surely(producer, topic, 0, i + 1);
		book_wait(&book, i + 2);
		if (book.lines[i + 1].outcome != KW_REFUSED)
			fail_msg("%s is reported as %d", rd_kafka_err2name(refusals[i]),
				book.lines[i + 1].outcome);
	}
	assert_once(&book, 0, n + 1);
	/* no more is taken for that topic: not now, at least */
	assert_int_equal(send_number(producer, topic, 0, n + 1, &err), KW_RETRY);
	assert_string_equal(err.code, "TOPIC_AUTHORIZATION_FAILED");
	assert_int_equal(book.lines[n + 1].reports, 0);
}

static void topic_that_may_not_be_written(void **state)
{
	(void)state;
	open_with((struct kw_producer_config) { 0 });
	rd_kafka_mock_topic_set_error(
		cluster, "forbidden", RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
	send_surely(producer, "forbidden", 0, 0);
	book_wait(&book, 1);
	assert_int_equal(book.lines[0].outcome, KW_REFUSED);
	assert_once(&book, 0, 1);
}

static void partition_that_is_not_there(void **state)
{
	(void)state;
	struct kw_err err;

	open_with((struct kw_producer_config) { 0 });
	/* the topic is not known yet: taken, and refused when it is */
	assert_int_equal(send_number(producer, topic, PARTITIONS, 0, &err), KW_OK);
	book_wait(&book, 1);
	assert_int_equal(book.lines[0].outcome, KW_REFUSED);
	assert_int_equal(send_number(producer, topic, PARTITIONS, 1, &err), KW_RETRY);
	assert_string_equal(err.code, "_UNKNOWN_PARTITION");
	send_surely(producer, topic, PARTITIONS - 1, 2);
	book_wait(&book, 2);
	assert_int_equal(book.lines[2].outcome, KW_PERSISTED);
}

/* The broker has it, but its answer never comes: neither yes nor no may be said. */
static void answer_that_never_comes_is_maybe(void **state)
{
	(void)state;
	open_with((struct kw_producer_config) { .timeout_ms = BOOK_ENOUGH_MS });
	warm_up();
	rd_kafka_mock_broker_set_rtt(cluster, 1, 10 * BOOK_ENOUGH_MS);
	send_surely(producer, topic, 0, 1);
	book_wait(&book, 2);
	assert_int_equal(book.lines[1].outcome, KW_MAYBE);
	rd_kafka_mock_broker_set_rtt(cluster, 1, 0);
	assert_once(&book, 0, 2);
}

static void broker_away_and_back(void **state)
{
	(void)state;
	struct kw_err err;

	open_with((struct kw_producer_config) { .timeout_ms = BOOK_ENOUGH_MS });
	warm_up();
	assert_true(kw_producer_up(producer));
	rd_kafka_mock_broker_set_down(cluster, 1);
	UNTIL(!kw_producer_up(producer), 60);
	assert_true(kw_producer_take_lost(producer));
	for (int i = 1; i < 20; i++)
		assert_int_equal(send_number(producer, topic, i % PARTITIONS, i, &err), KW_OK);
	book_wait(&book, 20);
	assert_once(&book, 0, 20);
	/* the ones that never left are not there; the others may be */
	assert_int_equal(book_count(&book, KW_PERSISTED), 1);
	assert_int_equal(book_count(&book, KW_REFUSED), 0);
	rd_kafka_mock_broker_set_up(cluster, 1);
	UNTIL(kw_producer_up(producer), 60);
	(void)kw_producer_take_lost(producer);
	send_surely(producer, topic, 0, 20);
	book_wait(&book, 21);
	assert_int_equal(book.lines[20].outcome, KW_PERSISTED);
	assert_false(kw_producer_take_lost(producer));
}

/* An outage whose connections fail in the same way again and again is still told each time. */
static void each_loss_is_told(void **state)
{
	(void)state;
	open_with((struct kw_producer_config) { 0 });
	warm_up();
	for (int i = 0; i < 3; i++) {
		rd_kafka_mock_broker_set_down(cluster, 1);
		UNTIL(!kw_producer_up(producer), 60);
		rd_kafka_mock_broker_set_up(cluster, 1);
		UNTIL(kw_producer_up(producer), 60);
		assert_true(kw_producer_take_lost(producer));
		send_surely(producer, topic, 0, i + 1);
		book_wait(&book, i + 2);
		assert_false(kw_producer_take_lost(producer));
	}
}

static void queue_is_bounded(void **state)
{
	(void)state;
	struct kw_err err;
	enum kw_rc rc = KW_OK;
	int n = 0;

	open_with((struct kw_producer_config) { .queue_max_messages = 50, .timeout_ms = 3000 });
	rd_kafka_mock_broker_set_down(cluster, 1);
	while (n < 1000 && (rc = send_number(producer, topic, 0, n, &err)) == KW_OK)
		n++;
	assert_int_equal(rc, KW_RETRY);
	assert_string_equal(err.code, "_QUEUE_FULL");
	assert_int_equal(n, 50);
	rd_kafka_mock_broker_set_up(cluster, 1);
	book_wait(&book, n);
	assert_once(&book, 0, n);
	/* what was refused has left no trace, and there is room again */
	assert_int_equal(book.lines[n].reports, 0);
	send_surely(producer, topic, 0, n);
	book_wait(&book, n + 1);
}

static void queue_is_bounded_in_bytes(void **state)
{
	(void)state;
	static char value[40000];
	struct kw_err err = { 0 };
	uintptr_t n = 0;

	open_with((struct kw_producer_config) { .queue_max_kb = 100 });
	rd_kafka_mock_broker_set_down(cluster, 1);
	while (n < 10 && kw_producer_send(producer, topic, 0, (struct kw_bytes) { "k", 1 },
				 (struct kw_bytes) { value, sizeof(value) }, NULL, 0,
				 (void *)(n + 1), &err) == KW_OK)
		n++;
	assert_in_range(n, 2, 3);
	assert_string_equal(err.code, "_QUEUE_FULL");
	rd_kafka_mock_broker_set_up(cluster, 1);
	book_wait(&book, (int)n);
}

static void record_that_is_too_large(void **state)
{
	(void)state;
	static char value[1024 * 1024];
	struct kw_header header = { "name", { "value", 5 } };
	struct kw_err err;
	struct kw_bytes key = { "key", 3 };

	open_with((struct kw_producer_config) { 0 });
	assert_int_equal(kw_producer_send(producer, topic, 0, key,
				 (struct kw_bytes) { value, sizeof(value) - 3 - 9 + 1 }, &header, 1,
				 NULL, &err),
		KW_INVALID);
	assert_string_equal(err.code, "MSG_SIZE_TOO_LARGE");
	OK(kw_producer_send(producer, topic, 0, key,
		(struct kw_bytes) { value, sizeof(value) - 3 - 9 }, &header, 1, (void *)1, &why));
	book_wait(&book, 1);
	assert_int_equal(book.lines[0].outcome, KW_PERSISTED);
}

static void close_waits_then_reports_the_rest(void **state)
{
	(void)state;
	open_with((struct kw_producer_config) { .linger_ms = 100 });
	send_many(0, 100);
	kw_producer_close(producer, 10000);
	assert_once(&book, 0, 100);
	assert_int_equal(book_count(&book, KW_PERSISTED), 100);
	book_init(&book);
	open_with((struct kw_producer_config) { 0 });
	warm_up();
	rd_kafka_mock_broker_set_rtt(cluster, 1, 10 * BOOK_ENOUGH_MS);
	send_many(1, 100);
	int64_t from_us = kw_monotonic_us();
	kw_producer_close(producer, 100);
	producer = NULL;
	assert_true(kw_monotonic_us() - from_us < 5 * BOOK_ENOUGH_MS * 1000LL);
	assert_once(&book, 0, 100);
	assert_int_equal(book_count(&book, KW_PERSISTED), 1);
	assert_int_equal(book.in_round, 0);
}

/* ---- the publisher's ---- */

static void poll_until(int n)
{
	int64_t until_us = kw_monotonic_us() + 30 * KW_US_PER_S;
	int polled = 0, before = book.n_reports;

	while (book.n_reports < n && kw_monotonic_us() < until_us)
		polled += kw_producer_poll(producer, 100);
	assert_true(book.n_reports >= n);
	assert_int_equal(polled, book.n_reports - before);
}

static void publisher_reports_when_polled(void **state)
{
	(void)state;
	int64_t next[PARTITIONS] = { 0 };

	open_with((struct kw_producer_config) { .publisher = true });
	send_many(0, 1000);
	assert_int_equal(book.n_reports, 0);
	poll_until(1000);
	assert_once(&book, 0, 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(book.lines[i].at.offset, next[i % PARTITIONS]++);
	assert_int_equal(kw_producer_poll(producer, 0), 0);
}

static void publisher_waits_for_a_broker_without_end(void **state)
{
	(void)state;
	open_with((struct kw_producer_config) { .publisher = true });
	send_many(0, 1);
	poll_until(1);
	rd_kafka_mock_broker_set_down(cluster, 1);
	send_many(1, 100);
	int64_t until_us = kw_monotonic_us() + 2 * KW_US_PER_S;
	while (kw_monotonic_us() < until_us)
		assert_int_equal(kw_producer_poll(producer, 100), 0);
	assert_true(kw_producer_take_lost(producer));
	rd_kafka_mock_broker_set_up(cluster, 1);
	poll_until(100);
	assert_once(&book, 0, 100);
	assert_int_equal(book_count(&book, KW_PERSISTED), 100);
}

static void renewed_publisher_forgets_what_was_on_its_way(void **state)
{
	(void)state;
	open_with((struct kw_producer_config) { .publisher = true });
	send_many(0, 1);
	poll_until(1);
	for (int round = 0; round < 3; round++) {
		rd_kafka_mock_broker_set_rtt(cluster, 1, 10 * BOOK_ENOUGH_MS);
		send_many(1000, 1100);
		int64_t from_us = kw_monotonic_us();
		OK(kw_producer_renew(producer, &why));
		assert_true(kw_monotonic_us() - from_us < 5 * BOOK_ENOUGH_MS * 1000LL);
		rd_kafka_mock_broker_set_rtt(cluster, 1, 0);
		/* the connections that went with the old instance are no loss of the new one */
		send_many(1 + round, 2 + round);
		poll_until(2 + round);
		assert_false(kw_producer_take_lost(producer));
	}
	for (int i = 1000; i < 1100; i++)
		assert_int_equal(book.lines[i].reports, 0);
	assert_once(&book, 0, 4);
	/* one that has sent nothing is as good as new */
	OK(kw_producer_renew(producer, &why));
	OK(kw_producer_renew(producer, &why));
}

static void fatal_error_of_the_publisher(void **state)
{
	(void)state;
	open_with((struct kw_producer_config) { .publisher = true });
	send_many(0, 1);
	poll_until(1);
	rd_kafka_mock_broker_set_rtt(cluster, 1, 500);
	send_many(1, 50);
	kw_producer_test_fatal(producer);
	poll_until(50);
	rd_kafka_mock_broker_set_rtt(cluster, 1, 0);
	assert_true(kw_producer_take_lost(producer));
	assert_once(&book, 0, 50);
	assert_int_equal(book_count(&book, KW_PERSISTED), 1);
	send_many(50, 60);
	poll_until(60);
	assert_once(&book, 0, 60);
	assert_int_equal(book_count(&book, KW_PERSISTED), 11);
}

#define MOCK_TEST(f) cmocka_unit_test_setup_teardown(f, make_cluster, end_cluster)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOCK_TEST(every_record_is_reported_once_with_its_offset),
		MOCK_TEST(fatal_error_makes_a_new_instance),
		MOCK_TEST(many_senders_and_many_fatal_errors),
		MOCK_TEST(sequence_out_of_order_is_fatal_and_told),
		MOCK_TEST(passing_errors_are_tried_again),
		MOCK_TEST(what_the_broker_never_takes_is_refused),
		MOCK_TEST(topic_that_may_not_be_written),
		MOCK_TEST(partition_that_is_not_there),
		MOCK_TEST(answer_that_never_comes_is_maybe),
		MOCK_TEST(broker_away_and_back),
		MOCK_TEST(each_loss_is_told),
		MOCK_TEST(queue_is_bounded),
		MOCK_TEST(queue_is_bounded_in_bytes),
		MOCK_TEST(record_that_is_too_large),
		MOCK_TEST(close_waits_then_reports_the_rest),
		MOCK_TEST(publisher_reports_when_polled),
		MOCK_TEST(publisher_waits_for_a_broker_without_end),
		MOCK_TEST(renewed_publisher_forgets_what_was_on_its_way),
		MOCK_TEST(fatal_error_of_the_publisher),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
