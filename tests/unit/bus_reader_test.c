/* Reading one partition of Apache Kafka from an offset to the end of now. */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "bus/consumer.h"
#include "bus/impl.h"
#include "bus_testing.h"
#include "support.h"

static const char *brokers;
static char topic[80];
static struct book book;
static struct kw_producer *producer;
static struct kw_reader *reader;

static int setup(void **state)
{
	(void)state;
	brokers = kt_need("TEST_KAFKA_BROKERS");
	snprintf(topic, sizeof(topic), "%s", kt_unique("bus-reader"));
	make_topic(brokers, topic, 6);
	book_init(&book);
	OK(kw_producer_open(
		&(struct kw_producer_config) {
			.brokers = brokers,
			.client_id = "test",
			.delivered = book_delivered,
			.ctx = &book,
		},
		&producer, &why));
	OK(kw_reader_open(brokers, "test", &reader, &why));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kw_producer_close(producer, 1000);
	kw_reader_close(reader);
	return 0;
}

static void send_to(int32_t partition, int from, int to)
{
	int before = book.n_reports;

	for (int i = from; i < to; i++)
		send_surely(producer, topic, partition, i);
	book_wait(&book, before + to - from);
}

/* Reads to the end; the values must be the numbers from … to. */
static void assert_read(int from, int to)
{
	struct kw_message m;

	for (int i = from; i < to; i++) {
		char value[16];
		int n = snprintf(value, sizeof(value), "%d", i);

		OK(kw_reader_next(reader, &m, &why));
		assert_int_equal(m.value.n, n);
		assert_memory_equal(m.value.p, value, (size_t)n);
	}
	struct kw_err err;
	assert_int_equal(kw_reader_next(reader, &m, &err), KW_NOTHING);
	assert_int_equal(kw_reader_next(reader, &m, &err), KW_NOTHING);
}

static void empty_partition_is_nothing(void **state)
{
	(void)state;
	int64_t low = -1, high = -1;

	OK(kw_reader_watermarks(reader, topic, 0, &low, &high, &why));
	assert_int_equal(low, 0);
	assert_int_equal(high, 0);
	OK(kw_reader_begin(reader, topic, 0, 0, &why));
	assert_read(0, 0);
	OK(kw_reader_begin(reader, topic, 0, 1000, &why));
	assert_read(0, 0);
}

static void reads_from_anywhere_to_the_end_of_then(void **state)
{
	(void)state;
	int64_t low, high;

	send_to(1, 0, 2000);
	OK(kw_reader_watermarks(reader, topic, 1, &low, &high, &why));
	assert_int_equal(low, 0);
	assert_int_equal(high, 2000);
	OK(kw_reader_begin(reader, topic, 1, 0, &why));
	/* what comes after the beginning is not read */
	send_to(1, 2000, 2010);
	assert_read(0, 2000);
	OK(kw_reader_begin(reader, topic, 1, 1234, &why));
	assert_read(1234, 2010);
	OK(kw_reader_begin(reader, topic, 1, 2009, &why));
	assert_read(2009, 2010);
	OK(kw_reader_begin(reader, topic, 1, 2010, &why));
	assert_read(0, 0);
	OK(kw_reader_begin(reader, topic, 1, INT64_MAX, &why));
	assert_read(0, 0);
	OK(kw_reader_begin(reader, topic, 1, -5, &why));
	assert_read(0, 2010);
}

static void another_partition_may_begin_before_the_end(void **state)
{
	(void)state;
	struct kw_message m;

	send_to(2, 5000, 5300);
	for (int round = 0; round < 20; round++) {
		OK(kw_reader_begin(reader, topic, 1, round, &why));
		for (int i = 0; i <= round * 7; i++)
			OK(kw_reader_next(reader, &m, &why));
		assert_int_equal(m.partition, 1);
		assert_int_equal(m.offset, round + round * 7);
		OK(kw_reader_begin(reader, topic, 2, 0, &why));
		assert_read(5000, 5300);
	}
}

static void records_come_whole(void **state)
{
	(void)state;
	static char large[1000000];
	struct kw_message m;
	struct kw_header headers[KW_HEADERS_MAX + 4];
	struct timespec now;
	int before = book.n_reports;

	for (size_t i = 0; i < KW_LEN(headers); i++)
		headers[i] = (struct kw_header) { i % 2 ? "odd" : "even", { "v", 1 } };
	/* not to be compressed away */
	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (char)(kw_partition_of((struct kw_bytes) { &i, sizeof(i) }, 251));
	OK(kw_producer_send(producer, topic, 3, (struct kw_bytes) { "k\0y", 3 },
		(struct kw_bytes) { large, sizeof(large) }, headers, KW_LEN(headers), (void *)1,
		&why));
	OK(kw_producer_send(producer, topic, 3, (struct kw_bytes) { "key", 3 },
		(struct kw_bytes) { NULL, 0 }, NULL, 0, (void *)2, &why));
	book_wait(&book, before + 2);
	OK(kw_reader_begin(reader, topic, 3, 0, &why));
	OK(kw_reader_next(reader, &m, &why));
	assert_string_equal(m.topic, topic);
	assert_int_equal(m.partition, 3);
	assert_int_equal(m.offset, 0);
	assert_int_equal(m.key.n, 3);
	assert_memory_equal(m.key.p, "k\0y", 3);
	assert_int_equal(m.value.n, sizeof(large));
	assert_memory_equal(m.value.p, large, sizeof(large));
	assert_int_equal(m.n_headers, KW_HEADERS_MAX + 4);
	assert_string_equal(m.headers[KW_HEADERS_MAX - 1].name, "odd");
	clock_gettime(CLOCK_REALTIME, &now);
	assert_true(llabs(m.time / KW_US_PER_S - now.tv_sec) < 120);
	OK(kw_reader_next(reader, &m, &why));
	assert_null(m.value.p);
	assert_int_equal(m.value.n, 0);
	assert_int_equal(m.n_headers, 0);
	assert_int_equal(kw_reader_next(reader, &m, NULL), KW_NOTHING);
}

static void delete_before(int32_t partition, int64_t offset)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256];
	rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why));
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);

	rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
	rd_kafka_DeleteRecords_t *deletion = rd_kafka_DeleteRecords_new(list);
	rd_kafka_DeleteRecords(rk, &deletion, 1, NULL, queue);
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 30000);
	assert_non_null(event);
	assert_int_equal(rd_kafka_event_error(event), 0);
	rd_kafka_event_destroy(event);
	rd_kafka_DeleteRecords_destroy(deletion);
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_queue_destroy(queue);
	rd_kafka_destroy(rk);
}

static void offset_below_the_log_is_raised(void **state)
{
	(void)state;
	int64_t low, high;

	send_to(4, 0, 100);
	delete_before(4, 40);
	OK(kw_reader_watermarks(reader, topic, 4, &low, &high, &why));
	assert_int_equal(low, 40);
	assert_int_equal(high, 100);
	OK(kw_reader_begin(reader, topic, 4, 10, &why));
	assert_read(40, 100);
	delete_before(4, 100);
	OK(kw_reader_begin(reader, topic, 4, 10, &why));
	assert_read(0, 0);
}

static void leader_is_gone_and_another_leads(void **state)
{
	(void)state;
	char text[256];
	rd_kafka_t *host = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof(text));
	rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(host, 2);
	struct kw_reader *other;
	int64_t low, high;

	assert_int_equal(rd_kafka_mock_topic_create(cluster, "led", 1, 2), 0);
	assert_int_equal(rd_kafka_mock_partition_set_leader(cluster, "led", 0, 1), 0);
	OK(kw_reader_open(rd_kafka_mock_cluster_bootstraps(cluster), "test", &other, &why));
	OK(kw_reader_watermarks(other, "led", 0, &low, &high, &why));
	assert_int_equal(rd_kafka_mock_broker_set_down(cluster, 1), 0);
	assert_int_equal(kw_reader_watermarks(other, "led", 0, &low, &high, NULL), KW_RETRY);
	assert_int_equal(rd_kafka_mock_partition_set_leader(cluster, "led", 0, 2), 0);
	UNTIL(kw_reader_watermarks(other, "led", 0, &low, &high, NULL) == KW_OK, 60);
	kw_reader_close(other);
	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(host);
}

/* A record that was not given back is what librdkafka waits for; we do not. */
static void a_client_that_does_not_end_is_left(void **state)
{
	(void)state;
	rd_kafka_t *rk;
	rd_kafka_message_t *kept = NULL;

	OK(kw_client_open(RD_KAFKA_CONSUMER, kw_conf_new(brokers, "test", NULL), &rk, &why));
	assert_true(kw_client_end(rk, 0));

	OK(kw_client_open(RD_KAFKA_CONSUMER, kw_conf_new(brokers, "test", NULL), &rk, &why));
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
	assert_int_equal(rd_kafka_consume_start(rkt, 3, 0), 0);
	UNTIL((kept = rd_kafka_consume(rkt, 3, 1000)) != NULL, 60);
	assert_int_equal(rd_kafka_consume_stop(rkt, 3), 0);
	rd_kafka_topic_destroy(rkt);
	assert_false(kw_client_end(rk, 0));
	rd_kafka_message_destroy(kept);
}

/* A transaction's marker is no record: the last record lies below the end. */
static void end_may_hold_no_record(void **state)
{
	(void)state;
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char text[256];
	rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text, sizeof(text));
	rd_kafka_conf_set(conf, "transactional.id", topic, text, sizeof(text));
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
	int64_t low, high, from_us;
	struct kw_message m;

	rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
	char value[] = "0";
	assert_null(rd_kafka_init_transactions(rk, 30000));
	assert_null(rd_kafka_begin_transaction(rk));
	assert_int_equal(rd_kafka_produce(rkt, 5, RD_KAFKA_MSG_F_COPY, value, 1, "k", 1, NULL), 0);
	assert_null(rd_kafka_commit_transaction(rk, 30000));
	rd_kafka_topic_destroy(rkt);
	rd_kafka_destroy(rk);
	from_us = kw_monotonic_us();
	UNTIL((kw_reader_watermarks(reader, topic, 5, &low, &high, NULL), high == 2), 60);
	OK(kw_reader_begin(reader, topic, 5, 0, &why));
	OK(kw_reader_next(reader, &m, &why));
	assert_memory_equal(m.value.p, "0", 1);
	assert_int_equal(kw_reader_next(reader, &m, NULL), KW_NOTHING);
	assert_true(kw_monotonic_us() - from_us < 5 * KW_US_PER_S);
}

static void topic_that_is_not_there(void **state)
{
	(void)state;
	struct kw_err err;
	struct kw_message m;

	assert_int_equal(kw_reader_begin(reader, kt_unique("bus-absent"), 0, 0, &err), KW_RETRY);
	assert_int_equal(kw_reader_next(reader, &m, &err), KW_NOTHING);
	assert_int_equal(kw_reader_begin(reader, topic, 77, 0, &err), KW_RETRY);
	/* and the next one is read as ever */
	OK(kw_reader_begin(reader, topic, 2, 0, &why));
	assert_read(5000, 5300);
}

static void broker_that_is_not_there(void **state)
{
	(void)state;
	struct kw_reader *lost;
	struct kw_err err;
	char nowhere[40];
	int64_t from_us = kw_monotonic_us();

	snprintf(nowhere, sizeof(nowhere), "127.0.0.1:%d", kt_free_port());
	OK(kw_reader_open(nowhere, "test", &lost, &why));
	assert_int_equal(kw_reader_begin(lost, topic, 0, 0, &err), KW_RETRY);
	kw_reader_close(lost);
	assert_true(kw_monotonic_us() - from_us < 12 * KW_US_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_partition_is_nothing),
		cmocka_unit_test(reads_from_anywhere_to_the_end_of_then),
		cmocka_unit_test(another_partition_may_begin_before_the_end),
		cmocka_unit_test(records_come_whole),
		cmocka_unit_test(offset_below_the_log_is_raised),
		cmocka_unit_test(leader_is_gone_and_another_leads),
		cmocka_unit_test(a_client_that_does_not_end_is_left),
		cmocka_unit_test(end_may_hold_no_record),
		cmocka_unit_test(topic_that_is_not_there),
		cmocka_unit_test(broker_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
