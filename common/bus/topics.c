/* schemas/topics.json: read, applied to a cluster and compared with it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/impl.h"
#include "core/file.h"
#include "json/json.h"

#define CLIENT_ID "karwan-topics"
#define FILE_MAX (1024 * 1024)
#define TOPICS_MAX 100
#define PARTITIONS_MAX 1000
#define NAME_MAX_BYTES 249        /* org.apache.kafka.common.internals.Topic.MAX_NAME_LENGTH */
#define BATCH_MAX_BYTES "2097152" /* a record of 1 MiB with what is around it */
#define ADMIN_TIMEOUT_MS 30000
#define SEEN_TIMEOUT_US (10 * KW_US_PER_S)
#define SEEN_STEP_MS 50

static const struct kw_field topic_fields[] = {
	KW_STR(struct kw_topic, name, KW_REQUIRED, 1, NAME_MAX_BYTES),
	KW_I64(struct kw_topic, partitions, KW_REQUIRED, 1, PARTITIONS_MAX),
	KW_I64(struct kw_topic, retention_ms, KW_REQUIRED, -1, INT64_MAX),
	KW_STR(struct kw_topic, kind, KW_REQUIRED, 1, 10),
	KW_END,
};

static const struct kw_field topics_fields[] = {
	KW_ARRAY(struct kw_topics, topics, KW_REQUIRED, struct kw_topic, topic_fields, 1,
		TOPICS_MAX),
	KW_END,
};

/* ---- the file ---- */

static enum kw_rc check_topic(const struct kw_topics *topics, size_t i, struct kw_err *err)
{
	static const char *const kinds[] = { "in", "events", "dead" };
	const struct kw_topic *topic = &topics->topics[i];
	bool known = false;

	for (size_t k = 0; k < KW_LEN(kinds) && !known; k++)
		known = strcmp(topic->kind, kinds[k]) == 0;
	if (!known)
		return kw_fail(err, KW_INVALID, "%s: kind %s is not one of in, events, dead",
			topic->name, topic->kind);
	for (const char *p = topic->name; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-",
			    *p))
			return kw_fail(
				err, KW_INVALID, "%s is no name of a Kafka topic", topic->name);
	if (kw_topics_find(topics, topic->name) != topic)
		return kw_fail(err, KW_INVALID, "%s is there twice", topic->name);
	return KW_OK;
}

enum kw_rc kw_topics_load(
	const char *file, struct kw_arena *a, struct kw_topics *ret, struct kw_err *err)
{
	KW_CLEANUP(kw_arena_freep) struct kw_arena *text = kw_arena_new(2 * FILE_MAX);
	struct kw_topics topics = { 0 };
	struct kw_bytes bytes = { 0 };
	struct kw_err inner;
	enum kw_rc rc;

	KW_TRY(kw_file_read(file, FILE_MAX, text, &bytes, err));
	rc = kw_json_decode(topics_fields, bytes.p, bytes.n, a, &topics, &inner);
	for (size_t i = 0; rc == KW_OK && i < topics.n_topics; i++)
		rc = check_topic(&topics, i, &inner);
	if (rc != KW_OK)
		return kw_fail_at(err, rc, inner.pointer, "%s: %s", file, inner.reason);
	*ret = topics;
	return KW_OK;
}

const struct kw_topic *kw_topics_find(const struct kw_topics *topics, const char *name)
{
	for (size_t i = 0; i < topics->n_topics; i++)
		if (strcmp(topics->topics[i].name, name) == 0)
			return &topics->topics[i];
	return NULL;
}

/* ---- the cluster ---- */

typedef const struct rd_kafka_metadata metadata;

static void metadata_donep(metadata **md)
{
	if (*md)
		rd_kafka_metadata_destroy(*md);
}

static void queue_donep(rd_kafka_queue_t **queue)
{
	if (*queue)
		rd_kafka_queue_destroy(*queue);
}

static void options_donep(rd_kafka_AdminOptions_t **options)
{
	if (*options)
		rd_kafka_AdminOptions_destroy(*options);
}

static void event_donep(rd_kafka_event_t **event)
{
	if (*event)
		rd_kafka_event_destroy(*event);
}

static enum kw_rc ask(rd_kafka_t *rk, int timeout_ms, metadata **ret, struct kw_err *err)
{
	rd_kafka_resp_err_t rerr = rd_kafka_metadata(rk, 1, NULL, ret, timeout_ms);

	if (rerr)
		return kw_fail_code(err, KW_RETRY, rd_kafka_err2name(rerr),
			"Kafka did not tell its topics within %d ms: %s", timeout_ms,
			rd_kafka_err2str(rerr));
	return KW_OK;
}

/* NULL: the cluster does not know it (yet). */
static const struct rd_kafka_metadata_topic *find(metadata *md, const char *name)
{
	for (int i = 0; i < md->topic_cnt; i++)
		if (strcmp(md->topics[i].topic, name) == 0 && md->topics[i].partition_cnt > 0)
			return &md->topics[i];
	return NULL;
}

static enum kw_rc compare(metadata *md, const struct kw_topic *topic, struct kw_err *err)
{
	const struct rd_kafka_metadata_topic *there = find(md, topic->name);

	if (!there || there->partition_cnt == topic->partitions)
		return KW_OK;
	return kw_fail_code(err, KW_CONFLICT, "PARTITION_COUNT",
		"%s has %d partitions, not %d: a changed count is a new topic", topic->name,
		there->partition_cnt, (int)topic->partitions);
}

static rd_kafka_NewTopic_t *new_topic(const struct kw_topic *topic)
{
	char why[256], retention[24];
	rd_kafka_NewTopic_t *t =
		rd_kafka_NewTopic_new(topic->name, (int)topic->partitions, -1, why, sizeof(why));

	kw_assert(t != NULL);
	snprintf(retention, sizeof(retention), "%lld", (long long)topic->retention_ms);
	rd_kafka_NewTopic_set_config(t, "cleanup.policy", "delete");
	rd_kafka_NewTopic_set_config(t, "max.message.bytes", BATCH_MAX_BYTES);
	rd_kafka_NewTopic_set_config(t, "message.timestamp.type", "LogAppendTime");
	rd_kafka_NewTopic_set_config(t, "retention.ms", retention);
	return t;
}

/* Another one who applies at the same time is fine. Each topic counts, whatever became of another.
 */
static enum kw_rc take_results(
	const rd_kafka_CreateTopics_result_t *result, size_t *ret_created, struct kw_err *err)
{
	size_t n;
	const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(result, &n);
	enum kw_rc rc = KW_OK;

	for (size_t i = 0; i < n; i++) {
		rd_kafka_resp_err_t rerr = rd_kafka_topic_result_error(topics[i]);
		const char *why = rd_kafka_topic_result_error_string(topics[i]);

		if (rerr == RD_KAFKA_RESP_ERR_NO_ERROR)
			(*ret_created)++;
		else if (rerr != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS && rc == KW_OK)
			rc = kw_bus_fail(err, rerr, "%s was not made: %s",
				rd_kafka_topic_result_name(topics[i]),
				why ? why : rd_kafka_err2str(rerr));
	}
	return rc;
}

static enum kw_rc create(rd_kafka_t *rk, rd_kafka_NewTopic_t **absent, size_t n,
	size_t *ret_created, struct kw_err *err)
{
	KW_CLEANUP(queue_donep) rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	KW_CLEANUP(options_donep)
	rd_kafka_AdminOptions_t *options =
		rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	KW_CLEANUP(event_donep) rd_kafka_event_t *event = NULL;
	char why[256];

	kw_assert(!rd_kafka_AdminOptions_set_operation_timeout(
		options, ADMIN_TIMEOUT_MS, why, sizeof(why)));
	kw_assert(!rd_kafka_AdminOptions_set_request_timeout(
		options, ADMIN_TIMEOUT_MS, why, sizeof(why)));
	rd_kafka_CreateTopics(rk, absent, n, options, queue);
	event = rd_kafka_queue_poll(queue, 2 * ADMIN_TIMEOUT_MS);
	if (!event)
		return kw_fail_code(
			err, KW_RETRY, "_TIMED_OUT", "Kafka did not answer: topics were not made");
	if (rd_kafka_event_error(event))
		return kw_bus_fail(err, rd_kafka_event_error(event), "topics were not made: %s",
			rd_kafka_event_error_string(event));
	return take_results(rd_kafka_event_CreateTopics_result(event), ret_created, err);
}

/* We ask for the cluster's own number of copies: a broker that comes (back) may be counted soon. */
static bool too_few_brokers(enum kw_rc rc, const struct kw_err *err)
{
	return rc != KW_OK && rc != KW_NOTHING &&
	       strcmp(err->code, "INVALID_REPLICATION_FACTOR") == 0;
}

static enum kw_rc create_absent(rd_kafka_t *rk, const struct kw_topics *topics, metadata *md,
	size_t *ret_created, struct kw_err *err)
{
	int64_t until = kw_monotonic_us() + SEEN_TIMEOUT_US;
	rd_kafka_NewTopic_t *absent[TOPICS_MAX];
	size_t n = 0;
	enum kw_rc rc;

	kw_assert(topics->n_topics <= TOPICS_MAX);
	for (size_t i = 0; i < topics->n_topics; i++)
		if (!find(md, topics->topics[i].name))
			absent[n++] = new_topic(&topics->topics[i]);
	rc = n > 0 ? create(rk, absent, n, ret_created, err) : KW_NOTHING;
	while (too_few_brokers(rc, err) && kw_monotonic_us() < until) {
		rd_kafka_poll(rk, SEEN_STEP_MS);
		rc = create(rk, absent, n, ret_created, err);
	}
	rd_kafka_NewTopic_destroy_array(absent, n);
	return rc;
}

/* Every topic with its partitions and their leaders: whoever comes next can use them at once. */
static bool is_ready(metadata *md, const struct kw_topics *topics)
{
	for (size_t i = 0; i < topics->n_topics; i++) {
		const struct rd_kafka_metadata_topic *there = find(md, topics->topics[i].name);

		if (!there)
			return false;
		for (int k = 0; k < there->partition_cnt; k++)
			if (there->partitions[k].leader < 0)
				return false;
	}
	return true;
}

static enum kw_rc wait_ready(rd_kafka_t *rk, const struct kw_topics *topics, struct kw_err *err)
{
	int64_t until = kw_monotonic_us() + SEEN_TIMEOUT_US;
	bool ready = false;

	while (!ready) {
		KW_CLEANUP(metadata_donep) metadata *md = NULL;

		KW_TRY(ask(rk, ADMIN_TIMEOUT_MS, &md, err));
		for (size_t i = 0; i < topics->n_topics; i++)
			KW_TRY(compare(md, &topics->topics[i], err));
		ready = is_ready(md, topics);
		if (!ready && kw_monotonic_us() > until)
			return kw_fail(err, KW_RETRY, "topics were made, but have no leaders yet");
		if (!ready)
			rd_kafka_poll(rk, SEEN_STEP_MS);
	}
	return KW_OK;
}

enum kw_rc kw_topics_apply(const char *brokers, const struct kw_topics *topics, size_t *ret_created,
	struct kw_err *err)
{
	KW_CLEANUP(kw_client_donep) rd_kafka_t *rk = NULL;
	KW_CLEANUP(metadata_donep) metadata *md = NULL;
	size_t created = 0;
	enum kw_rc rc;

	KW_TRY(kw_client_ask(brokers, CLIENT_ID, &rk, err));
	KW_TRY(ask(rk, ADMIN_TIMEOUT_MS, &md, err));
	for (size_t i = 0; i < topics->n_topics; i++)
		KW_TRY(compare(md, &topics->topics[i], err));
	rc = create_absent(rk, topics, md, &created, err);
	if (rc == KW_OK)
		rc = wait_ready(rk, topics, err);
	if (rc != KW_OK && rc != KW_NOTHING)
		return rc;
	*ret_created = created;
	return KW_OK;
}

enum kw_rc kw_topics_verify(
	const char *brokers, const struct kw_topics *topics, int timeout_ms, struct kw_err *err)
{
	KW_CLEANUP(kw_client_donep) rd_kafka_t *rk = NULL;
	KW_CLEANUP(metadata_donep) metadata *md = NULL;

	KW_TRY(kw_client_ask(brokers, CLIENT_ID, &rk, err));
	KW_TRY(ask(rk, timeout_ms, &md, err));
	for (size_t i = 0; i < topics->n_topics; i++) {
		KW_TRY(compare(md, &topics->topics[i], err));
		if (!find(md, topics->topics[i].name))
			return kw_fail_code(err, KW_CONFLICT, "UNKNOWN_TOPIC",
				"%s is not there: karwanctl topics apply", topics->topics[i].name);
	}
	return KW_OK;
}
