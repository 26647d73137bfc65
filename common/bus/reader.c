/* Reading one partition without a group, from an offset to the end of now. One thread. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bus/consumer.h"
#include "bus/impl.h"

#define SILENCE_US (10 * KW_US_PER_S)
#define ASK_MS 5000
#define WAIT_MS 100
#define REMOVE_MS 10000
#define TAKE_MAX 500
#define QUEUED_KB 65536 /* librdkafka before 2.2 waits a second whenever it has fetched so much */

struct kw_reader {
	rd_kafka_t *rk;
	rd_kafka_topic_t *topic; /* of the partition that is being read, or NULL */
	rd_kafka_queue_t *queue; /* its own: nothing of an earlier partition comes through */
	int32_t partition;
	int64_t next, end; /* end: high watermark at the beginning */
	int64_t heard_us;
	rd_kafka_message_t *taken[TAKE_MAX];
	size_t n_taken, at;
};

enum kw_rc kw_reader_open(
	const char *brokers, const char *client_id, struct kw_reader **ret, struct kw_err *err)
{
	rd_kafka_conf_t *conf = kw_conf_new(brokers, client_id, NULL);
	struct kw_reader *r = calloc(1, sizeof(*r));
	enum kw_rc rc;

	kw_assert(r != NULL);
	kw_conf_set(conf, "auto.offset.reset", "error");
	kw_conf_set(conf, "enable.auto.commit", "false");
	kw_conf_set(conf, "enable.partition.eof", "true");
	kw_conf_set(conf, "fetch.wait.max.ms", "10");
	kw_conf_set(conf, "fetch.error.backoff.ms", "50");
	kw_conf_set_int(conf, "queued.max.messages.kbytes", QUEUED_KB);
	kw_conf_try(conf, "fetch.queue.backoff.ms", "50");
	rc = kw_client_open(RD_KAFKA_CONSUMER, conf, &r->rk, err);
	if (rc != KW_OK) {
		free(r);
		return rc;
	}
	*ret = r;
	return KW_OK;
}

static void drop_taken(struct kw_reader *r)
{
	for (size_t i = 0; i < r->n_taken; i++)
		rd_kafka_message_destroy(r->taken[i]);
	r->n_taken = r->at = 0;
}

static void end(struct kw_reader *r)
{
	drop_taken(r);
	if (r->topic) {
		rd_kafka_consume_stop(r->topic, r->partition);
		rd_kafka_queue_destroy(r->queue);
		rd_kafka_topic_destroy(r->topic);
	}
	r->topic = NULL;
	r->queue = NULL;
}

void kw_reader_close(struct kw_reader *r)
{
	if (!r)
		return;
	end(r);
	(void)kw_client_end(r->rk, 0);
	free(r);
}

enum kw_rc kw_reader_watermarks(struct kw_reader *r, const char *topic, int32_t partition,
	int64_t *ret_low, int64_t *ret_high, struct kw_err *err)
{
	return kw_client_watermarks(r->rk, topic, partition, ASK_MS, ret_low, ret_high, err);
}

enum kw_rc kw_reader_remove_before(struct kw_reader *r, const char *topic, int32_t partition,
	int64_t offset, struct kw_err *err)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(r->rk);
	const rd_kafka_topic_partition_list_t *told;
	enum kw_rc rc = KW_OK;

	rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
	rd_kafka_DeleteRecords_t *removal = rd_kafka_DeleteRecords_new(list);
	rd_kafka_DeleteRecords(r->rk, &removal, 1, NULL, queue);
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, REMOVE_MS);
	if (!event) {
		rc = kw_fail_code(err, KW_RETRY, "_TIMED_OUT", "Kafka did not answer");
	} else if (rd_kafka_event_error(event)) {
		rc = kw_bus_fail(
			err, rd_kafka_event_error(event), "%s", rd_kafka_event_error_string(event));
	} else {
		told = rd_kafka_DeleteRecords_result_offsets(
			rd_kafka_event_DeleteRecords_result(event));
		if (told->elems[0].err)
			rc = kw_bus_fail(err, told->elems[0].err, "%s",
				rd_kafka_err2str(told->elems[0].err));
	}
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_DeleteRecords_destroy(removal);
	rd_kafka_queue_destroy(queue);
	rd_kafka_topic_partition_list_destroy(list);
	return rc;
}

enum kw_rc kw_reader_begin(struct kw_reader *r, const char *topic, int32_t partition,
	int64_t offset, struct kw_err *err)
{
	int64_t low, high;

	end(r);
	r->next = r->end = 0;
	KW_TRY(kw_reader_watermarks(r, topic, partition, &low, &high, err));
	r->next = offset < low ? low : offset;
	r->end = high;
	r->heard_us = kw_monotonic_us();
	if (r->next >= r->end)
		return KW_OK;
	r->partition = partition;
	r->topic = rd_kafka_topic_new(r->rk, topic, NULL);
	if (!r->topic)
		return kw_bus_fail(err, rd_kafka_last_error(), "%s: %s", topic,
			rd_kafka_err2str(rd_kafka_last_error()));
	r->queue = rd_kafka_queue_new(r->rk);
	if (rd_kafka_consume_start_queue(r->topic, partition, r->next, r->queue) != 0) {
		rd_kafka_resp_err_t rerr = rd_kafka_last_error();

		rd_kafka_queue_destroy(r->queue);
		rd_kafka_topic_destroy(r->topic);
		r->topic = NULL;
		return kw_bus_fail(
			err, rerr, "%s partition %d: %s", topic, partition, rd_kafka_err2str(rerr));
	}
	return KW_OK;
}

/* NOTHING: none came. A call waits for all that it was asked for, so it is asked for one first. */
static enum kw_rc take(struct kw_reader *r)
{
	ssize_t n;

	drop_taken(r);
	rd_kafka_poll(r->rk, 0);
	n = rd_kafka_consume_batch_queue(r->queue, WAIT_MS, r->taken, 1);
	if (n <= 0)
		return KW_NOTHING;
	r->n_taken = 1;
	n = rd_kafka_consume_batch_queue(r->queue, 0, r->taken + 1, TAKE_MAX - 1);
	if (n > 0)
		r->n_taken += (size_t)n;
	r->heard_us = kw_monotonic_us();
	return KW_OK;
}

static enum kw_rc fault(struct kw_reader *r, const rd_kafka_message_t *m, struct kw_err *err)
{
	/* past the last record there may be only what is not shown (control records) */
	if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
		if (m->offset > r->next)
			r->next = m->offset;
		return KW_OK;
	}
	return kw_fail_code(err, KW_RETRY, rd_kafka_err2name(m->err),
		"%s partition %d at offset %" PRId64 ": %s", rd_kafka_topic_name(r->topic),
		r->partition, r->next, rd_kafka_message_errstr(m));
}

enum kw_rc kw_reader_next(struct kw_reader *r, struct kw_message *ret, struct kw_err *err)
{
	while (r->topic && r->next < r->end) {
		if (r->at == r->n_taken && take(r) != KW_OK) {
			if (kw_monotonic_us() - r->heard_us < SILENCE_US)
				continue;
			return kw_fail_code(err, KW_RETRY, "_TIMED_OUT",
				"%s partition %d at offset %" PRId64 ": Kafka is silent",
				rd_kafka_topic_name(r->topic), r->partition, r->next);
		}
		rd_kafka_message_t *m = r->taken[r->at++];
		if (m->err) {
			KW_TRY(fault(r, m, err));
		} else if (m->offset >= r->end) {
			r->next = r->end;
		} else {
			kw_message_of(m, NULL, ret);
			r->next = m->offset + 1;
			return KW_OK;
		}
	}
	return KW_NOTHING;
}
