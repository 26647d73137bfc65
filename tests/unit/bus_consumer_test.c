/* A consumer whose offsets live elsewhere, on Apache Kafka: here, in the test's table of positions.
 */
#include <librdkafka/rdkafka.h>

#include "bus/consumer.h"
#include "bus_testing.h"
#include "support.h"

#define PARTITIONS 4

static const char *brokers;
static char topic[80], group[120];
static const char *topics[] = { topic };
static struct book book;
static struct kw_producer *producer;

/* What a member does with its callbacks. */
struct member {
	struct kw_consumer *c;
	int64_t next[PARTITIONS]; /* "PostgreSQL" */
	bool owned[PARTITIONS];
	int n_assigned, n_revoked;
	enum kw_rc answer; /* of on_assign */
	int taken;
};

static enum kw_rc on_assign(void *ctx, struct kw_position *positions, size_t n, struct kw_err *err)
{
	struct member *member = ctx;

	member->n_assigned++;
	memset(member->owned, 0, sizeof(member->owned));
	for (size_t i = 0; i < n; i++) {
		assert_ptr_equal(positions[i].topic, topic);
		assert_in_range(positions[i].partition, 0, PARTITIONS - 1);
		member->owned[positions[i].partition] = true;
		positions[i].offset = member->next[positions[i].partition];
	}
	if (member->answer != KW_OK)
		return kw_fail_code(err, member->answer, "TEST", "asked for by a test");
	return KW_OK;
}

static void on_revoke(void *ctx)
{
	struct member *member = ctx;

	member->n_revoked++;
	memset(member->owned, 0, sizeof(member->owned));
}

static void join(struct member *member)
{
	OK(kw_consumer_open(
		&(struct kw_consumer_config) {
			.brokers = brokers,
			.group = group,
			.client_id = "test",
			.topics = topics,
			.n_topics = 1,
			.session_ms = 6000,
			.on_assign = on_assign,
			.on_revoke = on_revoke,
			.ctx = member,
		},
		&member->c, &why));
}

static int owned(const struct member *member)
{
	int n = 0;

	for (int i = 0; i < PARTITIONS; i++)
		n += member->owned[i];
	return n;
}

/* One poll; what comes must be the next of its partition. Any result but OK and NOTHING is a
 * failure. */
static size_t poll_once(struct member *member, size_t max)
{
	const struct kw_message *ms;
	struct kw_position fault;
	struct kw_err err = { 0 };
	size_t n = 0;
	enum kw_rc rc = kw_consumer_poll(member->c, 100, max, 1000000, &ms, &n, &fault, &err);

	if (rc != KW_OK && rc != KW_NOTHING)
		fail_msg("poll: %s %s", err.code, err.reason);
	assert_true((rc == KW_OK) == (n > 0));
	for (size_t i = 0; i < n; i++) {
		assert_ptr_equal(ms[i].topic, topic);
		assert_true(member->owned[ms[i].partition]);
		assert_int_equal(ms[i].offset, member->next[ms[i].partition]);
		member->next[ms[i].partition]++;
	}
	member->taken += (int)n;
	return n;
}

/* Polls for something else than records. */
static enum kw_rc poll_for(
	struct member *member, enum kw_rc rc, struct kw_position *ret_fault, struct kw_err *err)
{
	const struct kw_message *ms;
	size_t n;
	enum kw_rc got = KW_NOTHING;
	int64_t until_us = kw_monotonic_us() + 20 * KW_US_PER_S;

	while (got != rc && kw_monotonic_us() < until_us)
		got = kw_consumer_poll(member->c, 50, 100, 1000000, &ms, &n, ret_fault, err);
	return got;
}

static int setup(void **state)
{
	(void)state;
	brokers = kt_need("TEST_KAFKA_BROKERS");
	return 0;
}

static int make(void **state)
{
	static int n;

	(void)state;
	snprintf(topic, sizeof(topic), "%s.%d", kt_unique("bus-consumer"), ++n);
	snprintf(group, sizeof(group), "group-of-%s", topic);
	make_topic(brokers, topic, PARTITIONS);
	book_init(&book);
	OK(kw_producer_open(
		&(struct kw_producer_config) {
			.brokers = brokers,
			.client_id = "test",
			.delivered = book_delivered,
			.ctx = &book,
		},
		&producer, &why));
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	kw_producer_close(producer, 1000);
	return 0;
}

static void send_many(int from, int to)
{
	for (int i = from; i < to; i++)
		send_surely(producer, topic, i % PARTITIONS, i);
	book_wait(&book, to);
}

static void positions_come_from_the_callback(void **state)
{
	(void)state;
	struct member member = { .next = { 0, 100, 250, 200 } };

	send_many(0, 1000);
	join(&member);
	while (member.taken < 250 + 150 + 0 + 50)
		(void)poll_once(&member, 1000);
	assert_int_equal(member.n_assigned, 1);
	assert_int_equal(owned(&member), PARTITIONS);
	assert_int_equal(poll_once(&member, 1000), 0);
	/* what was not there yet comes as well */
	send_many(1000, 1010);
	while (member.taken < 460)
		(void)poll_once(&member, 1000);
	kw_consumer_close(member.c, 5000);
	assert_int_equal(member.n_revoked, 0);
}

static void poll_is_bounded(void **state)
{
	(void)state;
	struct member member = { 0 };
	const struct kw_message *ms;
	struct kw_position fault;
	size_t n, total = 0, largest = 0;

	send_many(0, 1000);
	join(&member);
	while (total < 500) {
		if (kw_consumer_poll(member.c, 100, 7, 1000000, &ms, &n, &fault, NULL) != KW_OK)
			continue;
		assert_in_range(n, 1, 7);
		largest = n > largest ? n : largest;
		total += n;
	}
	assert_int_equal(largest, 7);
	while (total < 1000) {
		size_t bytes = 0;
		/* key and value of one are four to six bytes */
		if (kw_consumer_poll(member.c, 100, 1000, 30, &ms, &n, &fault, NULL) != KW_OK)
			continue;
		for (size_t i = 0; i < n; i++)
			bytes += ms[i].key.n + ms[i].value.n;
		assert_in_range(bytes, 4, 30);
		total += n;
	}
	kw_consumer_close(member.c, 5000);
}

/* Larger than the limit is still taken, alone. */
static void large_record_comes_alone(void **state)
{
	(void)state;
	static char large[200000];
	struct member member = { 0 };
	const struct kw_message *ms;
	struct kw_position fault;
	size_t n;

	for (int i = 0; i < 3; i++)
		OK(kw_producer_send(producer, topic, 0, (struct kw_bytes) { "k", 1 },
			(struct kw_bytes) { large, sizeof(large) }, NULL, 0,
			(void *)(uintptr_t)(i + 1), &why));
	book_wait(&book, 3);
	join(&member);
	for (int i = 0; i < 3; i++) {
		UNTIL(kw_consumer_poll(member.c, 100, 1000, 1000, &ms, &n, &fault, NULL) == KW_OK,
			60);
		assert_int_equal(n, 1);
		assert_int_equal(ms[0].value.n, sizeof(large));
	}
	kw_consumer_close(member.c, 5000);
}

static void two_members_share(void **state)
{
	(void)state;
	struct member a = { 0 }, b = { 0 };

	send_many(0, 400);
	join(&a);
	while (a.taken < 400)
		(void)poll_once(&a, 1000);
	join(&b);
	memcpy(b.next, a.next, sizeof(b.next));
	UNTIL((poll_once(&a, 100), poll_once(&b, 100), owned(&a) == 2 && owned(&b) == 2), 60);
	for (int i = 0; i < PARTITIONS; i++)
		assert_true(a.owned[i] != b.owned[i]);
	assert_int_equal(a.n_revoked, 1);
	assert_int_equal(a.n_assigned, 2);
	send_many(400, 800);
	while (a.taken + b.taken < 800) {
		(void)poll_once(&a, 1000);
		(void)poll_once(&b, 1000);
	}
	assert_int_equal(b.taken, 200);
	/* one that leaves is replaced at once, not after its session */
	int64_t from_us = kw_monotonic_us();
	kw_consumer_close(b.c, 5000);
	for (int i = 0; i < PARTITIONS; i++)
		a.next[i] = 200;
	UNTIL((poll_once(&a, 100), owned(&a) == PARTITIONS), 60);
	assert_true(kw_monotonic_us() - from_us < 5 * KW_US_PER_S);
	send_many(800, 840);
	while (a.taken < 600 + 40)
		(void)poll_once(&a, 1000);
	kw_consumer_close(a.c, 5000);
}

/* Records of partitions that were taken away in the same call are nobody's: they are not handed
 * out. */
static void rebalance_drops_what_was_fetched(void **state)
{
	(void)state;
	struct member a = { 0 }, b = { 0 };

	send_many(0, 400);
	join(&a);
	while (a.taken == 0)
		(void)poll_once(&a, 1);
	assert_int_equal(a.taken, 1);
	join(&b);
	/* a's heartbeat learns of b, behind the records that lie ready */
	pause_ms(3000);
	assert_int_equal(a.n_revoked, 0);
	assert_int_equal(poll_once(&a, 1000), 0);
	assert_int_equal(a.n_revoked, 1);
	memcpy(b.next, a.next, sizeof(b.next));
	while (a.taken + b.taken < 400) {
		(void)poll_once(&a, 100);
		(void)poll_once(&b, 100);
	}
	assert_int_equal(owned(&a) + owned(&b), PARTITIONS);
	kw_consumer_close(b.c, 5000);
	kw_consumer_close(a.c, 5000);
}

static void reassign_drops_what_was_fetched(void **state)
{
	(void)state;
	struct member member = { 0 };
	int taken;

	send_many(0, 2000);
	join(&member);
	for (int round = 0; round < 20; round++) {
		struct kw_position positions[PARTITIONS];

		taken = member.taken;
		/* a few of many: the rest lies fetched, in this library and in librdkafka */
		while (member.taken - taken < 30)
			(void)poll_once(&member, (size_t)round % 5 + 1);
		for (int i = 0; i < PARTITIONS; i++) {
			member.next[i] = (round * 37 + i * 11) % 400;
			positions[i] = (struct kw_position) { topic, i, member.next[i] };
		}
		OK(kw_consumer_reassign(member.c, positions, PARTITIONS, &why));
	}
	int rest = 0;
	for (int i = 0; i < PARTITIONS; i++)
		rest += 500 - (int)member.next[i];
	taken = member.taken;
	while (member.taken - taken < rest)
		(void)poll_once(&member, 1000);
	assert_int_equal(poll_once(&member, 1000), 0);
	assert_int_equal(member.n_assigned, 1);
	assert_int_equal(member.n_revoked, 0);
	kw_consumer_close(member.c, 5000);
}

static void assignment_that_is_not_answered(void **state)
{
	(void)state;
	struct member member = { .answer = KW_RETRY };
	struct kw_position positions[PARTITIONS], fault;
	struct kw_err err = { 0 };

	send_many(0, 100);
	join(&member);
	assert_int_equal(poll_for(&member, KW_RETRY, &fault, &err), KW_RETRY);
	assert_string_equal(err.code, "TEST");
	/* told once; nothing is read, and the group stays as it is */
	for (int i = 0; i < 5; i++)
		assert_int_equal(poll_once(&member, 100), 0);
	assert_int_equal(member.n_assigned, 1);
	assert_int_equal(member.n_revoked, 0);
	for (int i = 0; i < PARTITIONS; i++)
		positions[i] = (struct kw_position) { topic, i, 0 };
	OK(kw_consumer_reassign(member.c, positions, PARTITIONS, &why));
	while (member.taken < 100)
		(void)poll_once(&member, 100);
	assert_int_equal(member.n_assigned, 1);
	kw_consumer_close(member.c, 5000);
}

static void reassign_needs_an_assignment(void **state)
{
	(void)state;
	struct member member = { 0 };
	struct kw_position position = { topic, 0, 0 };
	struct kw_err err;

	join(&member);
	assert_int_equal(kw_consumer_reassign(member.c, &position, 1, &err), KW_RETRY);
	assert_string_equal(err.code, "_ASSIGNMENT_LOST");
	kw_consumer_close(member.c, 5000);
}

static void offset_out_of_range_is_told(void **state)
{
	(void)state;
	struct member member = { .next = { 25, 25, 9999, 25 } };
	struct kw_position fault = { 0 }, positions[PARTITIONS];
	struct kw_err err = { 0 };

	send_many(0, 100);
	join(&member);
	assert_int_equal(poll_for(&member, KW_CONFLICT, &fault, &err), KW_CONFLICT);
	assert_string_equal(err.code, "OFFSET_OUT_OF_RANGE");
	assert_ptr_equal(fault.topic, topic);
	assert_int_equal(fault.partition, 2);
	assert_int_equal(fault.offset, 9999);
	/* the others are read on */
	send_surely(producer, topic, 1, 100);
	while (member.taken < 1)
		(void)poll_once(&member, 100);
	/* and it is, once it is placed anew */
	member.next[2] = 20;
	for (int i = 0; i < PARTITIONS; i++)
		positions[i] = (struct kw_position) { topic, i, member.next[i] };
	OK(kw_consumer_reassign(member.c, positions, PARTITIONS, &why));
	while (member.taken < 6)
		(void)poll_once(&member, 100);
	assert_int_equal(member.next[2], 25);
	kw_consumer_close(member.c, 5000);
}

static void ends_of_the_log(void **state)
{
	(void)state;
	struct member member = { 0 };
	struct kw_err err;
	int64_t low = -1, high = -1;

	send_many(0, 100);
	join(&member);
	assert_int_equal(kw_consumer_high(member.c, topic, 0), -1);
	while (member.taken < 100)
		(void)poll_once(&member, 100);
	assert_int_equal(kw_consumer_high(member.c, topic, 0), 25);
	assert_int_equal(kw_consumer_high(member.c, topic, 77), -1);
	assert_int_equal(kw_consumer_high(member.c, "no-such-topic", 0), -1);
	OK(kw_consumer_watermarks(member.c, topic, 3, 5000, &low, &high, &why));
	assert_int_equal(low, 0);
	assert_int_equal(high, 25);
	assert_int_equal(
		kw_consumer_watermarks(member.c, kt_unique("absent"), 0, 2000, &low, &high, &err),
		KW_RETRY);
	kw_consumer_close(member.c, 5000);
}

static int64_t committed(int32_t partition)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256];
	rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why));
	rd_kafka_conf_set(conf, "group.id", group, why, sizeof(why));
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(list, topic, partition);
	assert_int_equal(rd_kafka_committed(rk, list, 10000), 0);
	int64_t offset = list->elems[0].offset;
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_destroy(rk);
	return offset;
}

static void only_reports_are_told_to_kafka(void **state)
{
	(void)state;
	struct member member = { 0 };

	send_many(0, 100);
	join(&member);
	while (member.taken < 100)
		(void)poll_once(&member, 100);
	assert_int_equal(committed(1), RD_KAFKA_OFFSET_INVALID);
	kw_consumer_report(member.c, &(struct kw_position) { topic, 1, 17 }, 1);
	UNTIL((poll_once(&member, 100), committed(1) == 17), 60);
	kw_consumer_close(member.c, 5000);
	/* leaving commits nothing */
	assert_int_equal(committed(1), 17);
	assert_int_equal(committed(0), RD_KAFKA_OFFSET_INVALID);
}

static void no_connection_was_lost(void **state)
{
	(void)state;
	struct member member = { 0 };

	send_many(0, 4);
	join(&member);
	while (member.taken < 4)
		(void)poll_once(&member, 100);
	for (int i = 0; i < 20; i++)
		(void)poll_once(&member, 100);
	assert_false(kw_consumer_take_lost(member.c));
	kw_consumer_close(member.c, 5000);
}

/* Kafka is away: opening is fine, polls say nothing, closing ends in time. */
static void broker_that_is_not_there(void **state)
{
	(void)state;
	struct member member = { 0 };
	char nowhere[40];
	const char *there = brokers;

	snprintf(nowhere, sizeof(nowhere), "127.0.0.1:%d", kt_free_port());
	brokers = nowhere;
	join(&member);
	brokers = there;
	for (int i = 0; i < 5; i++)
		assert_int_equal(poll_once(&member, 100), 0);
	assert_true(kw_consumer_take_lost(member.c));
	int64_t from_us = kw_monotonic_us();
	kw_consumer_close(member.c, 500);
	assert_true(kw_monotonic_us() - from_us < 3 * KW_US_PER_S);
	assert_int_equal(member.n_assigned, 0);
}

#define KAFKA_TEST(f) cmocka_unit_test_setup_teardown(f, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		KAFKA_TEST(positions_come_from_the_callback),
		KAFKA_TEST(poll_is_bounded),
		KAFKA_TEST(large_record_comes_alone),
		KAFKA_TEST(two_members_share),
		KAFKA_TEST(rebalance_drops_what_was_fetched),
		KAFKA_TEST(reassign_drops_what_was_fetched),
		KAFKA_TEST(assignment_that_is_not_answered),
		KAFKA_TEST(reassign_needs_an_assignment),
		KAFKA_TEST(offset_out_of_range_is_told),
		KAFKA_TEST(ends_of_the_log),
		KAFKA_TEST(only_reports_are_told_to_kafka),
		KAFKA_TEST(no_connection_was_lost),
		KAFKA_TEST(broker_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
