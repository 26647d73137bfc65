/* The topics of the system: declared in schemas/topics.json, created and compared. */
#include "bus/rk.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json/json.h"

#define FILE_MAX (256 * 1024)
#define ADMIN_TIMEOUT_MS 30000

static const struct kw_field topic_fields[] = {
	KW_STR(struct kw_topic, name, KW_REQUIRED, 1, 200),
	KW_I64(struct kw_topic, partitions, KW_REQUIRED, 1, 1000),
	KW_I64(struct kw_topic, retention_ms, KW_REQUIRED, -1, INT64_MAX),
	KW_STR(struct kw_topic, kind, KW_REQUIRED, 1, 20),
	KW_END,
};

static const struct kw_field topics_fields[] = {
	KW_ARRAY(struct kw_topics, topics, KW_REQUIRED, struct kw_topic, topic_fields, 1, 100),
	KW_END,
};

enum kw_rc kw_topics_load(const char *file, struct kw_arena *a, struct kw_topics *ret, struct kw_err *err)
{
	char *text = kw_arena_alloc(a, FILE_MAX, 1);
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, FILE_MAX) : -1;

	if (fd >= 0)
		close(fd);
	if (n < 0 || n == FILE_MAX)
		return kw_fail(err, KW_INVALID, "%s cannot be read, or is too long", file);
	memset(ret, 0, sizeof(*ret));
	return kw_json_decode(topics_fields, text, (size_t)n, a, ret, err);
}

const struct kw_topic *kw_topics_find(const struct kw_topics *topics, const char *name)
{
	for (size_t i = 0; i < topics->n_topics; i++)
		if (strcmp(topics->topics[i].name, name) == 0)
			return &topics->topics[i];
	return NULL;
}

static rd_kafka_NewTopic_t *new_topic(const struct kw_topic *topic)
{
	char why[256], retention[24];
	rd_kafka_NewTopic_t *created = rd_kafka_NewTopic_new(topic->name, (int)topic->partitions, -1, why, sizeof(why));

	kw_assert(created != NULL);
	snprintf(retention, sizeof(retention), "%" PRId64, topic->retention_ms);
	rd_kafka_NewTopic_set_config(created, "message.timestamp.type", "LogAppendTime");
	rd_kafka_NewTopic_set_config(created, "cleanup.policy", "delete");
	rd_kafka_NewTopic_set_config(created, "retention.ms", retention);
	rd_kafka_NewTopic_set_config(created, "max.message.bytes", "2097152");
	return created;
}

/* One topic's answer: created, there before, or refused. */
static enum kw_rc create_result(const rd_kafka_topic_result_t *result, size_t *ret_created, struct kw_err *err)
{
	rd_kafka_resp_err_t code = rd_kafka_topic_result_error(result);

	if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
		++*ret_created;
	else if (code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
		return kw_rk_fail(code, rd_kafka_topic_result_name(result), err);
	return KW_OK;
}

static enum kw_rc create_topics(rd_kafka_t *rk, const struct kw_topics *topics, size_t *ret_created, struct kw_err *err)
{
	rd_kafka_NewTopic_t *created[100];
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	const rd_kafka_topic_result_t **results;
	rd_kafka_event_t *event;
	enum kw_rc rc = KW_OK;
	size_t n;

	kw_assert(topics->n_topics <= KW_LEN(created));
	for (size_t i = 0; i < topics->n_topics; i++)
		created[i] = new_topic(&topics->topics[i]);
	rd_kafka_CreateTopics(rk, created, topics->n_topics, NULL, queue);
	event = rd_kafka_queue_poll(queue, ADMIN_TIMEOUT_MS);
	if (!event) {
		rc = kw_fail(err, KW_RETRY, "no answer to the request for topics");
	} else if (rd_kafka_event_error(event)) {
		rc = kw_rk_fail(rd_kafka_event_error(event), "creating topics", err);
	} else {
		results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
		for (size_t i = 0; i < n && rc == KW_OK; i++)
			rc = create_result(results[i], ret_created, err);
	}
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_NewTopic_destroy_array(created, topics->n_topics);
	rd_kafka_queue_destroy(queue);
	return rc;
}

static enum kw_rc compare(const struct rd_kafka_metadata *metadata, const struct kw_topics *topics, struct kw_err *err)
{
	for (size_t i = 0; i < topics->n_topics; i++) {
		const struct rd_kafka_metadata_topic *found = NULL;

		for (int k = 0; k < metadata->topic_cnt && !found; k++)
			if (strcmp(metadata->topics[k].topic, topics->topics[i].name) == 0 && !metadata->topics[k].err)
				found = &metadata->topics[k];
		if (!found)
			return kw_fail_code(err, KW_CONFLICT, "NO_TOPIC", "topic %s does not exist: karwanctl topics apply",
				topics->topics[i].name);
		if (found->partition_cnt != topics->topics[i].partitions)
			return kw_fail_code(err, KW_CONFLICT, "PARTITIONS", "topic %s has %d partitions, topics.json says %" PRId64,
				found->topic, found->partition_cnt, topics->topics[i].partitions);
	}
	return KW_OK;
}

enum kw_rc kw_topics_verify(const char *brokers, const struct kw_topics *topics, int timeout_ms, struct kw_err *err)
{
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t code;
	rd_kafka_t *rk;
	enum kw_rc rc;

	KW_TRY(kw_rk_new(RD_KAFKA_PRODUCER, kw_rk_conf(brokers, "karwan.topics", NULL, NULL), &rk, err));
	code = rd_kafka_metadata(rk, 1, NULL, &metadata, timeout_ms);
	if (code) {
		rc = kw_rk_fail(code, "reading the list of topics", err);
	} else {
		rc = compare(metadata, topics, err);
		rd_kafka_metadata_destroy(metadata);
	}
	rd_kafka_destroy(rk);
	return rc;
}

enum kw_rc kw_topics_apply(const char *brokers, const struct kw_topics *topics, size_t *ret_created, struct kw_err *err)
{
	rd_kafka_t *rk;
	enum kw_rc rc;

	*ret_created = 0;
	KW_TRY(kw_rk_new(RD_KAFKA_PRODUCER, kw_rk_conf(brokers, "karwan.topics", NULL, NULL), &rk, err));
	rc = create_topics(rk, topics, ret_created, err);
	rd_kafka_destroy(rk);
	/* a topic that was made just now may take a moment to be seen by all brokers */
	for (int i = 0; rc == KW_OK && i < 100; i++) {
		rc = kw_topics_verify(brokers, topics, ADMIN_TIMEOUT_MS, err);
		if (rc != KW_CONFLICT || strcmp(err->code, "NO_TOPIC") != 0)
			break;
		usleep(50 * 1000);
		if (i < 99)
			rc = KW_OK;
	}
	return rc;
}
