/* Reads one partition from an offset to what is its end now, without a group. */
#include <stdlib.h>
#include <string.h>

#include "bus/consumer.h"
#include "bus/rk.h"

#define SILENCE_US (10 * KW_US_PER_S)
#define TIMEOUT_MS 10000

struct kw_reader {
	rd_kafka_t *rk;
	rd_kafka_message_t *m; /* handed out last */
	int64_t next, end;
};

enum kw_rc kw_reader_open(const char *brokers, const char *client_id, struct kw_reader **ret, struct kw_err *err)
{
	struct kw_reader *r = calloc(1, sizeof(*r));
	rd_kafka_conf_t *conf = kw_rk_conf(brokers, client_id, NULL, NULL);
	enum kw_rc rc;

	kw_assert(r != NULL);
	kw_rk_set(conf, "group.id", "karwan.reader"); /* never joined: assign wants a name */
	kw_rk_set(conf, "enable.auto.commit", "false");
	kw_rk_set(conf, "auto.offset.reset", "error");
	kw_rk_set(conf, "enable.partition.eof", "true");
	kw_rk_set_int(conf, "queued.max.messages.kbytes", 16384);
	kw_rk_set_int(conf, "fetch.wait.max.ms", 10);
	rc = kw_rk_new(RD_KAFKA_CONSUMER, conf, &r->rk, err);
	if (rc != KW_OK) {
		free(r);
		return rc;
	}
	rd_kafka_poll_set_consumer(r->rk);
	*ret = r;
	return KW_OK;
}

void kw_reader_close(struct kw_reader *r)
{
	if (!r)
		return;
	if (r->m)
		rd_kafka_message_destroy(r->m);
	rd_kafka_assign(r->rk, NULL);
	rd_kafka_destroy_flags(r->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	free(r);
}

enum kw_rc kw_reader_watermarks(struct kw_reader *r, const char *topic, int32_t partition, int64_t *ret_low, int64_t *ret_high,
	struct kw_err *err)
{
	rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(r->rk, topic, partition, ret_low, ret_high, TIMEOUT_MS);

	return code ? kw_rk_fail(code, "watermarks", err) : KW_OK;
}

enum kw_rc kw_reader_begin(struct kw_reader *r, const char *topic, int32_t partition, int64_t offset, struct kw_err *err)
{
	rd_kafka_topic_partition_list_t *list;
	rd_kafka_resp_err_t code;
	int64_t low;

	KW_TRY(kw_reader_watermarks(r, topic, partition, &low, &r->end, err));
	r->next = offset > low ? offset : low;
	rd_kafka_assign(r->rk, NULL);
	if (r->next >= r->end)
		return KW_OK;
	list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, topic, partition)->offset = r->next;
	code = rd_kafka_assign(r->rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	return code ? kw_rk_fail(code, "assign", err) : KW_OK;
}

enum kw_rc kw_reader_next(struct kw_reader *r, struct kw_message *ret, struct kw_err *err)
{
	int64_t until = kw_monotonic_us() + SILENCE_US;

	while (r->next < r->end) {
		if (r->m)
			rd_kafka_message_destroy(r->m);
		r->m = rd_kafka_consumer_poll(r->rk, 100);
		if (r->m && r->m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			return KW_NOTHING;
		if (r->m && !r->m->err) {
			kw_rk_message(r->m, ret);
			r->next = r->m->offset + 1;
			return KW_OK;
		}
		if (r->m && (kw_rk_fail(r->m->err, "reader", err) == KW_FATAL || strcmp(err->code, "OFFSET_OUT_OF_RANGE") == 0))
			return err->rc == KW_FATAL ? KW_FATAL : KW_RETRY;
		if (kw_monotonic_us() > until)
			return kw_fail(err, KW_RETRY, "the broker was silent for 10 s");
	}
	return KW_NOTHING;
}
