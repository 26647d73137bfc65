/* A member of a consumer group whose offsets live elsewhere. All calls and callbacks on the owner's thread, but for error_cb, which librdkafka
 * also calls from there (inside poll). */
#include "bus/consumer.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bus/rk.h"
#include "core/log.h"

#define BATCH_MAX 10000

struct kw_consumer {
	struct kw_consumer_config config;
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	rd_kafka_message_t **raw;    /* as fetched; [begin, end) not handed out yet */
	size_t begin, end, out;      /* [0, begin) is handed out or spent; out: handed out by the last poll */
	struct kw_message *messages; /* parallel to what the last poll handed out */
	size_t cap;
	enum kw_rc assign_rc;        /* of the last on_assign */
	struct kw_err assign_err;
	atomic_bool lost;
};

static void drop_fetched(struct kw_consumer *c)
{
	for (size_t i = 0; i < c->end; i++)
		if (c->raw[i])
			rd_kafka_message_destroy(c->raw[i]);
	c->begin = c->end = c->out = 0;
}

/* The name as the owner gave it: positions outlive librdkafka's lists. */
static const char *own_name(const struct kw_consumer *c, const char *topic)
{
	for (size_t i = 0; i < c->config.n_topics; i++)
		if (strcmp(c->config.topics[i], topic) == 0)
			return c->config.topics[i];
	kw_assert(!"a topic that was not subscribed");
	return NULL;
}

static void assign(struct kw_consumer *c, rd_kafka_topic_partition_list_t *list)
{
	struct kw_position *positions = calloc((size_t)list->cnt + 1, sizeof(*positions));

	kw_assert(positions != NULL);
	for (int i = 0; i < list->cnt; i++)
		positions[i] = (struct kw_position) { own_name(c, list->elems[i].topic), list->elems[i].partition, 0 };
	c->assign_rc = c->config.on_assign(c->config.ctx, positions, (size_t)list->cnt, &c->assign_err);
	for (int i = 0; i < list->cnt; i++)
		list->elems[i].offset = positions[i].offset;
	rd_kafka_assign(c->rk, c->assign_rc == KW_OK ? list : NULL);
	free(positions);
}

static void rebalance_cb(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque)
{
	struct kw_consumer *c = opaque;

	if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		assign(c, list);
		return;
	}
	c->config.on_revoke(c->config.ctx);
	rd_kafka_assign(rk, NULL);
}

static void error_cb(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
	struct kw_consumer *c = opaque;

	(void)rk;
	kw_log(KW_INFO, "kafka consumer", KW_LS("error", rd_kafka_err2name((rd_kafka_resp_err_t)code)), KW_LS("reason", reason));
	if (kw_rk_lost(code))
		atomic_store(&c->lost, true);
}

enum kw_rc kw_consumer_open(const struct kw_consumer_config *config, struct kw_consumer **ret, struct kw_err *err)
{
	struct kw_consumer *c = calloc(1, sizeof(*c));
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new((int)config->n_topics);
	rd_kafka_conf_t *conf;
	rd_kafka_resp_err_t code;

	kw_assert(c != NULL && topics != NULL);
	c->config = *config;
	conf = kw_rk_conf(config->brokers, config->client_id, c, error_cb);
	kw_rk_set(conf, "group.id", config->group);
	kw_rk_set(conf, "enable.auto.commit", "false");
	kw_rk_set(conf, "enable.auto.offset.store", "false");
	kw_rk_set(conf, "auto.offset.reset", "error");
	kw_rk_set(conf, "partition.assignment.strategy", "range");
	kw_rk_set_int(conf, "session.timeout.ms", config->session_ms ? config->session_ms : 10000);
	kw_rk_set_int(conf, "heartbeat.interval.ms", (config->session_ms ? config->session_ms : 10000) / 5);
	kw_rk_set_int(conf, "queued.max.messages.kbytes", config->queued_max_kb ? config->queued_max_kb : 16384);
	kw_rk_set_int(conf, "fetch.wait.max.ms", 10);
	kw_rk_set_int(conf, "fetch.error.backoff.ms", 50);
	rd_kafka_conf_set_rebalance_cb(conf, rebalance_cb);
	enum kw_rc rc = kw_rk_new(RD_KAFKA_CONSUMER, conf, &c->rk, err);
	if (rc == KW_OK) {
		rd_kafka_poll_set_consumer(c->rk);
		c->queue = rd_kafka_queue_get_consumer(c->rk);
		for (size_t i = 0; i < config->n_topics; i++)
			rd_kafka_topic_partition_list_add(topics, config->topics[i], RD_KAFKA_PARTITION_UA);
		code = rd_kafka_subscribe(c->rk, topics);
		if (code)
			rc = kw_rk_fail(code, "subscribe", err);
	}
	rd_kafka_topic_partition_list_destroy(topics);
	if (rc != KW_OK) {
		kw_consumer_close(c, 0);
		return rc;
	}
	*ret = c;
	return KW_OK;
}

void kw_consumer_close(struct kw_consumer *c, int timeout_ms)
{
	int64_t until = kw_monotonic_us() + timeout_ms * 1000LL;

	if (!c)
		return;
	drop_fetched(c);
	if (c->rk) {
		rd_kafka_error_t *error = rd_kafka_consumer_close_queue(c->rk, c->queue);

		rd_kafka_error_destroy(error);
		while (!rd_kafka_consumer_closed(c->rk) && kw_monotonic_us() < until) {
			rd_kafka_message_t *m = rd_kafka_consumer_poll(c->rk, 20);
			if (m)
				rd_kafka_message_destroy(m);
		}
		rd_kafka_queue_destroy(c->queue);
		rd_kafka_destroy_flags(c->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	}
	free(c->raw);
	free(c->messages);
	free(c);
}

/* What a fetch error means; messages behind it are kept. */
static enum kw_rc fetch_error(struct kw_consumer *c, const rd_kafka_message_t *m, struct kw_position *ret_fault, struct kw_err *err)
{
	enum kw_rc rc;

	if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
		return KW_NOTHING;
	rc = kw_rk_fail(m->err, m->rkt ? rd_kafka_topic_name(m->rkt) : "consumer", err);
	if (m->rkt && ret_fault)
		*ret_fault = (struct kw_position) { own_name(c, rd_kafka_topic_name(m->rkt)), m->partition, m->offset };
	return rc;
}

static enum kw_rc fetch(struct kw_consumer *c, int wait_ms, size_t max, struct kw_err *err)
{
	ssize_t n;

	drop_fetched(c);
	if (c->cap < max) {
		c->cap = max;
		c->raw = realloc(c->raw, max * sizeof(*c->raw));
		c->messages = realloc(c->messages, max * sizeof(*c->messages));
		kw_assert(c->raw != NULL && c->messages != NULL);
	}
	c->assign_rc = KW_OK;
	/* the first with a wait (and the callbacks), the rest of what is there without */
	c->raw[0] = rd_kafka_consumer_poll(c->rk, wait_ms);
	if (c->raw[0]) {
		c->end = 1;
		n = max > 1 && !c->raw[0]->err ? rd_kafka_consume_batch_queue(c->queue, 0, c->raw + 1, max - 1) : 0;
		if (n > 0)
			c->end += (size_t)n;
	}
	if (c->assign_rc != KW_OK) {
		drop_fetched(c);
		*err = c->assign_err;
		return c->assign_rc;
	}
	return c->end > 0 ? KW_OK : KW_NOTHING;
}

enum kw_rc kw_consumer_poll(struct kw_consumer *c, int wait_ms, size_t max, size_t max_bytes, const struct kw_message **ret,
	size_t *ret_n, struct kw_position *ret_fault, struct kw_err *err)
{
	size_t bytes = 0, n = 0;

	kw_assert(max > 0 && max <= BATCH_MAX);
	*ret_n = 0;
	if (c->begin == c->end)
		KW_TRY(fetch(c, wait_ms, max, err));
	while (c->begin < c->end && n < max) {
		rd_kafka_message_t *m = c->raw[c->begin];

		if (m->err) {
			if (n > 0)
				break;
			c->begin++;
			enum kw_rc rc = fetch_error(c, m, ret_fault, err);
			if (rc != KW_NOTHING)
				return rc;
			continue;
		}
		if (n > 0 && bytes + m->len + m->key_len > max_bytes)
			break;
		bytes += m->len + m->key_len;
		kw_rk_message(m, &c->messages[n++]);
		c->begin++;
	}
	*ret = c->messages;
	*ret_n = n;
	return n > 0 ? KW_OK : KW_NOTHING;
}

enum kw_rc kw_consumer_reassign(struct kw_consumer *c, const struct kw_position *positions, size_t n, struct kw_err *err)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);
	rd_kafka_resp_err_t code;

	drop_fetched(c);
	for (size_t i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(list, positions[i].topic, positions[i].partition)->offset = positions[i].offset;
	/* first none, so that nothing fetched at the old places is left */
	code = rd_kafka_assign(c->rk, NULL);
	if (!code)
		code = rd_kafka_assign(c->rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	return code ? kw_rk_fail(code, "assign", err) : KW_OK;
}

bool kw_consumer_take_lost(struct kw_consumer *c)
{
	return atomic_exchange(&c->lost, false);
}

enum kw_rc kw_consumer_watermarks(struct kw_consumer *c, const char *topic, int32_t partition, int timeout_ms, int64_t *ret_low,
	int64_t *ret_high, struct kw_err *err)
{
	rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(c->rk, topic, partition, ret_low, ret_high, timeout_ms);

	return code ? kw_rk_fail(code, "watermarks", err) : KW_OK;
}

int64_t kw_consumer_high(struct kw_consumer *c, const char *topic, int32_t partition)
{
	int64_t low, high;

	if (rd_kafka_get_watermark_offsets(c->rk, topic, partition, &low, &high) != RD_KAFKA_RESP_ERR_NO_ERROR || high < 0)
		return -1;
	return high;
}

void kw_consumer_report(struct kw_consumer *c, const struct kw_position *positions, size_t n)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);

	for (size_t i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(list, positions[i].topic, positions[i].partition)->offset = positions[i].offset;
	(void)rd_kafka_commit(c->rk, list, 1);
	rd_kafka_topic_partition_list_destroy(list);
}
