/* Topics on Apache Kafka: made once, compared, never changed. */
#include <librdkafka/rdkafka.h>

#include "bus_testing.h"
#include "support.h"

static const char *brokers;
static char first[80], second[80];

static int setup(void **state)
{
	(void)state;
	brokers = kt_need("TEST_KAFKA_BROKERS");
	snprintf(first, sizeof(first), "%s.in", kt_unique("bus-topics"));
	snprintf(second, sizeof(second), "%s.events", kt_unique("bus-topics"));
	return 0;
}

static struct kw_topics two(struct kw_topic out[2])
{
	out[0] = (struct kw_topic) { first, 3, -1, "in" };
	out[1] = (struct kw_topic) { second, 12, 86400000, "events" };
	return (struct kw_topics) { out, 2 };
}

/* The topic's setting, from the broker. */
static void assert_config(rd_kafka_t *rk, const char *topic, const char *name, const char *value)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_ConfigResource_t *resource =
		rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
	size_t n;

	rd_kafka_DescribeConfigs(rk, &resource, 1, NULL, queue);
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 30000);
	assert_non_null(event);
	assert_int_equal(rd_kafka_event_error(event), 0);
	const rd_kafka_ConfigResource_t **found = rd_kafka_DescribeConfigs_result_resources(
		rd_kafka_event_DescribeConfigs_result(event), &n);
	assert_int_equal(n, 1);
	const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(found[0], &n);
	const char *is = NULL;
	for (size_t i = 0; i < n; i++)
		if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0)
			is = rd_kafka_ConfigEntry_value(entries[i]);
	assert_non_null(is);
	assert_string_equal(is, value);
	rd_kafka_event_destroy(event);
	rd_kafka_ConfigResource_destroy(resource);
	rd_kafka_queue_destroy(queue);
}

static void topics_are_made_once(void **state)
{
	(void)state;
	struct kw_topic list[2];
	struct kw_topics topics = two(list);
	struct kw_err err;
	size_t created = 99;

	assert_int_equal(kw_topics_verify(brokers, &topics, 10000, &err), KW_CONFLICT);
	assert_string_equal(err.code, "UNKNOWN_TOPIC");
	OK(kw_topics_apply(brokers, &topics, &created, &why));
	assert_int_equal(created, 2);
	OK(kw_topics_verify(brokers, &topics, 10000, &why));
	OK(kw_topics_apply(brokers, &topics, &created, &why));
	assert_int_equal(created, 0);
}

static void settings_are_what_the_design_says(void **state)
{
	(void)state;
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256];
	assert_int_equal(rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why)),
		RD_KAFKA_CONF_OK);
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	assert_non_null(rk);

	assert_config(rk, first, "message.timestamp.type", "LogAppendTime");
	assert_config(rk, first, "cleanup.policy", "delete");
	assert_config(rk, first, "retention.ms", "-1");
	assert_config(rk, first, "max.message.bytes", "2097152");
	assert_config(rk, second, "message.timestamp.type", "LogAppendTime");
	assert_config(rk, second, "retention.ms", "86400000");
	rd_kafka_destroy(rk);
}

static void other_partition_count_is_a_conflict(void **state)
{
	(void)state;
	struct kw_topic list[3];
	struct kw_topics topics = two(list);
	char third[80];
	struct kw_err err;
	size_t created = 99;

	/* the absent one comes first: nothing is made before all is compared */
	snprintf(third, sizeof(third), "%s.third", kt_unique("bus-topics"));
	list[2] = list[1];
	list[2].partitions = 13;
	list[1] = (struct kw_topic) { third, 1, -1, "dead" };
	topics.n_topics = 3;
	assert_int_equal(kw_topics_apply(brokers, &topics, &created, &err), KW_CONFLICT);
	assert_string_equal(err.code, "PARTITION_COUNT");
	assert_non_null(strstr(err.reason, second));
	assert_int_equal(created, 99);
	assert_int_equal(
		kw_topics_verify(brokers, &(struct kw_topics) { &list[1], 1 }, 10000, &err),
		KW_CONFLICT);
	assert_string_equal(err.code, "UNKNOWN_TOPIC");
	assert_int_equal(
		kw_topics_verify(brokers, &(struct kw_topics) { &list[2], 1 }, 10000, &err),
		KW_CONFLICT);
	assert_string_equal(err.code, "PARTITION_COUNT");
}

static void *apply_too(void *arg)
{
	struct kw_err err;
	size_t created = 0;

	assert_int_equal(kw_topics_apply(brokers, arg, &created, &err), KW_OK);
	return (void *)(uintptr_t)created;
}

static void two_that_apply_at_once(void **state)
{
	(void)state;
	static char names[6][80];
	struct kw_topic list[6];
	struct kw_topics topics = { list, 6 };
	pthread_t threads[3];
	size_t created = 0;

	for (int i = 0; i < 6; i++) {
		snprintf(names[i], sizeof(names[i]), "%s.%d", kt_unique("bus-topics-race"), i);
		list[i] = (struct kw_topic) { names[i], 2, -1, "in" };
	}
	for (size_t i = 0; i < KW_LEN(threads); i++)
		pthread_create(&threads[i], NULL, apply_too, &topics);
	for (size_t i = 0; i < KW_LEN(threads); i++) {
		void *n;
		pthread_join(threads[i], &n);
		created += (size_t)(uintptr_t)n;
	}
	assert_int_equal(created, 6);
}

static void nobody_answers(void **state)
{
	(void)state;
	struct kw_topic list[2];
	struct kw_topics topics = two(list);
	struct kw_err err;
	char nowhere[40], id[64] = "";
	int64_t from_us = kw_monotonic_us();

	snprintf(nowhere, sizeof(nowhere), "127.0.0.1:%d", kt_free_port());
	assert_int_equal(kw_topics_verify(nowhere, &topics, 700, &err), KW_RETRY);
	assert_int_equal(kw_bus_cluster_id(nowhere, 700, id, sizeof(id), &err), KW_RETRY);
	assert_true(kw_monotonic_us() - from_us < 4 * KW_US_PER_S);
	assert_string_equal(id, "");
}

static void cluster_has_an_id(void **state)
{
	(void)state;
	char id[64], again[64];

	OK(kw_bus_cluster_id(brokers, 10000, id, sizeof(id), &why));
	OK(kw_bus_cluster_id(brokers, 10000, again, sizeof(again), &why));
	/* base64 of a UUID */
	assert_int_equal(strlen(id), 22);
	assert_string_equal(id, again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(topics_are_made_once),
		cmocka_unit_test(settings_are_what_the_design_says),
		cmocka_unit_test(other_partition_count_is_a_conflict),
		cmocka_unit_test(two_that_apply_at_once),
		cmocka_unit_test(nobody_answers),
		cmocka_unit_test(cluster_has_an_id),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
