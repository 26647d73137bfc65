/* One idempotent producer handle: settings, sending, and exactly one report for each record. */
#include "bus/instance.h"

#include <stdlib.h>
#include <string.h>

#define LINGER_MS 1
#define TIMEOUT_MS 5000
#define QUEUE_KB 32768
#define QUEUE_MESSAGES 50000
#define RECORD_MAX (1024 * 1024)   /* of key, value and headers */
#define BATCH_MAX (2 * RECORD_MAX) /* the topics take as much */
#define ROUND_MAX 10000            /* reports of one round */
#define TAKE_MAX 256
#define SETTLE_US (200 * 1000)
#define SETTLE_STEP_MS 10
#define TAKEN UINT32_MAX
#define NONE (UINT32_MAX - 1)

static rd_kafka_conf_t *settings(
	const struct kw_producer_config *config, struct kw_links *links, int n_slots)
{
	rd_kafka_conf_t *conf = kw_conf_new(config->brokers, config->client_id, links);
	int timeout_ms = config->timeout_ms ? config->timeout_ms : TIMEOUT_MS;

	kw_conf_set(conf, "enable.idempotence", "true");
	kw_conf_set(conf, "acks", "all");
	kw_conf_set(conf, "compression.codec", "lz4");
	kw_conf_set_int(conf, "linger.ms", config->linger_ms ? config->linger_ms : LINGER_MS);
	kw_conf_set_int(conf, "message.max.bytes", BATCH_MAX);
	kw_conf_set_int(conf, "queue.buffering.max.kbytes",
		config->queue_max_kb ? config->queue_max_kb : QUEUE_KB);
	kw_conf_set_int(conf, "queue.buffering.max.messages", n_slots);
	/* for order at the publisher; everywhere, what waits for the one under way goes together */
	kw_conf_set_int(conf, "max.in.flight.requests.per.connection", 1);
	kw_conf_set_int(conf, "message.timeout.ms", config->publisher ? 0 : timeout_ms);
	kw_conf_set_int(conf, "retry.backoff.ms", 50);
	kw_conf_set_int(conf, "socket.timeout.ms", 10000);
	rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
	return conf;
}

enum kw_rc kw_instance_new(
	const struct kw_producer_config *config, struct kw_instance **ret, struct kw_err *err)
{
	struct kw_instance *i = calloc(1, sizeof(*i));
	int n = config->queue_max_messages ? config->queue_max_messages : QUEUE_MESSAGES;
	enum kw_rc rc;

	kw_assert(i != NULL && n > 0);
	i->n_slots = (uint32_t)n;
	i->slots = calloc(i->n_slots, sizeof(*i->slots));
	kw_assert(i->slots != NULL);
	for (uint32_t k = 0; k < i->n_slots; k++)
		i->slots[k].next = k + 1 < i->n_slots ? k + 1 : NONE;
	pthread_mutex_init(&i->lock, NULL);
	kw_links_init(&i->links);
	rc = kw_client_open(RD_KAFKA_PRODUCER, settings(config, &i->links, n), &i->rk, err);
	if (rc != KW_OK) {
		kw_instance_free(i);
		return rc;
	}
	i->queue = rd_kafka_queue_get_main(i->rk);
	*ret = i;
	return KW_OK;
}

void kw_instance_free(struct kw_instance *i)
{
	if (!i)
		return;
	if (i->rk) {
		rd_kafka_queue_destroy(i->queue);
		if (!kw_client_end(i->rk, 0))
			return;
	}
	kw_links_done(&i->links);
	pthread_mutex_destroy(&i->lock);
	free(i->slots);
	free(i);
}

/* ---- slots ---- */

/* NONE when as many as it may hold are on their way. */
static uint32_t slot_take(struct kw_instance *i, void *opaque)
{
	pthread_mutex_lock(&i->lock);
	uint32_t at = i->free;
	if (at != NONE) {
		i->free = i->slots[at].next;
		i->slots[at] = (struct kw_slot) { opaque, TAKEN };
		i->n_taken++;
	}
	pthread_mutex_unlock(&i->lock);
	return at;
}

/* Under the lock. */
static void *slot_give(struct kw_instance *i, uint32_t at)
{
	void *opaque = i->slots[at].opaque;

	kw_assert(at < i->n_slots && i->slots[at].next == TAKEN);
	i->slots[at] = (struct kw_slot) { NULL, i->free };
	i->free = at;
	i->n_taken--;
	return opaque;
}

uint32_t kw_instance_owed(struct kw_instance *i)
{
	pthread_mutex_lock(&i->lock);
	uint32_t n = i->n_taken;
	pthread_mutex_unlock(&i->lock);
	return n;
}

/* ---- sending ---- */

static rd_kafka_headers_t *headers_of(const struct kw_header *headers, size_t n)
{
	rd_kafka_headers_t *copy = rd_kafka_headers_new(n);

	for (size_t i = 0; i < n; i++)
		kw_assert(!rd_kafka_header_add(copy, headers[i].name, -1, headers[i].value.p,
			(ssize_t)headers[i].value.n));
	return copy;
}

static size_t size_of(struct kw_bytes key, struct kw_bytes value, const struct kw_header *headers,
	size_t n_headers)
{
	size_t size = key.n + value.n;

	for (size_t i = 0; i < n_headers; i++)
		size += strlen(headers[i].name) + headers[i].value.n;
	return size;
}

/* librdkafka did not take it. Whatever it is, it may be otherwise later, but for the size. */
static enum kw_rc not_taken(struct kw_instance *i, uint32_t slot, const char *topic,
	int32_t partition, rd_kafka_resp_err_t rerr, struct kw_err *err)
{
	pthread_mutex_lock(&i->lock);
	slot_give(i, slot);
	pthread_mutex_unlock(&i->lock);
	if (rerr == RD_KAFKA_RESP_ERR__FATAL)
		atomic_store(&i->fatal, true);
	return kw_fail_code(err, kw_bus_rc(rerr) == KW_INVALID ? KW_INVALID : KW_RETRY,
		rd_kafka_err2name(rerr), "%s partition %d: %s", topic, partition,
		rd_kafka_err2str(rerr));
}

/* librdkafka copies key and value, and takes the headers over where it takes the record. */
static rd_kafka_resp_err_t produce(rd_kafka_t *rk, const char *topic, int32_t partition,
	struct kw_bytes key, struct kw_bytes value, rd_kafka_headers_t *headers, void *opaque)
{
	const rd_kafka_vu_t parts[] = {
		{ .vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic },
		{ .vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition },
		{ .vtype = RD_KAFKA_VTYPE_KEY, .u.mem = { (void *)(uintptr_t)key.p, key.n } },
		{ .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { (void *)(uintptr_t)value.p, value.n } },
		{ .vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers },
		{ .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY },
		{ .vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = opaque },
	};
	rd_kafka_error_t *error = rd_kafka_produceva(rk, parts, KW_LEN(parts));
	rd_kafka_resp_err_t rerr = error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;

	rd_kafka_error_destroy(error);
	return rerr;
}

enum kw_rc kw_instance_send(struct kw_instance *i, const char *topic, int32_t partition,
	struct kw_bytes key, struct kw_bytes value, const struct kw_header *headers,
	size_t n_headers, void *opaque, struct kw_err *err)
{
	size_t size = size_of(key, value, headers, n_headers);
	rd_kafka_headers_t *copy;
	rd_kafka_resp_err_t rerr;
	uint32_t slot;

	if (size > RECORD_MAX)
		return kw_fail_code(err, KW_INVALID, "MSG_SIZE_TOO_LARGE",
			"a record of %zu bytes is larger than %d", size, RECORD_MAX);
	if (atomic_load(&i->fatal))
		return kw_fail_code(err, KW_RETRY, "_FATAL", "the producer is being replaced");
	slot = slot_take(i, opaque);
	if (slot == NONE)
		return kw_fail_code(
			err, KW_RETRY, "_QUEUE_FULL", "%u records are on their way", i->n_slots);
	atomic_store_explicit(&i->used, true, memory_order_relaxed);
	copy = headers_of(headers, n_headers);
	rerr = produce(i->rk, topic, partition, key, value, copy, (void *)(uintptr_t)slot);
	if (rerr == RD_KAFKA_RESP_ERR_NO_ERROR)
		return KW_OK;
	rd_kafka_headers_destroy(copy);
	return not_taken(i, slot, topic, partition, rerr, err);
}

/* ---- reports ---- */

/* What the broker, or librdkafka for it, will never take. */
static bool is_refusal(rd_kafka_resp_err_t rerr)
{
	static const rd_kafka_resp_err_t refusals[] = {
		RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
		RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
		RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE,
		RD_KAFKA_RESP_ERR_INVALID_RECORD,
		RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
		RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT,
		RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE,
		RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
		RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
		RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
		RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
		RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
		RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
		RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
	};

	for (size_t i = 0; i < KW_LEN(refusals); i++)
		if (refusals[i] == rerr)
			return true;
	return false;
}

/* The broker and this producer disagree on what was sent. */
static bool is_out_of_order(rd_kafka_resp_err_t rerr)
{
	return rerr == RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER ||
	       rerr == RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID ||
	       rerr == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

static enum kw_delivery outcome_of(const rd_kafka_message_t *m)
{
	switch (rd_kafka_message_status(m)) {
	case RD_KAFKA_MSG_STATUS_PERSISTED:
		return KW_PERSISTED;
	case RD_KAFKA_MSG_STATUS_NOT_PERSISTED:
		return is_refusal(m->err) ? KW_REFUSED : KW_NOT_PERSISTED;
	default:
		return KW_MAYBE;
	}
}

static struct kw_landing landing_of(const rd_kafka_message_t *m, enum kw_delivery outcome)
{
	rd_kafka_timestamp_type_t type;
	int64_t ms = rd_kafka_message_timestamp(m, &type);

	/* a repeat that the broker had already has no offset */
	if (outcome != KW_PERSISTED || m->offset < 0)
		return (struct kw_landing) { .offset = -1 };
	return (struct kw_landing) { m->offset,
		type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME ? ms * 1000 : 0 };
}

static int take_reports(
	struct kw_instance *i, const struct kw_producer_config *config, rd_kafka_event_t *event)
{
	const rd_kafka_message_t *ms[TAKE_MAX];
	void *opaques[TAKE_MAX];
	size_t n;
	int total = 0;

	while ((n = rd_kafka_event_message_array(event, ms, TAKE_MAX)) > 0) {
		pthread_mutex_lock(&i->lock);
		for (size_t k = 0; k < n; k++)
			opaques[k] = slot_give(i, (uint32_t)(uintptr_t)ms[k]->_private);
		pthread_mutex_unlock(&i->lock);
		for (size_t k = 0; k < n; k++) {
			enum kw_delivery outcome = outcome_of(ms[k]);

			if (is_out_of_order(ms[k]->err))
				atomic_store(&i->lost, true);
			config->delivered(
				config->ctx, opaques[k], outcome, landing_of(ms[k], outcome));
		}
		total += (int)n;
	}
	return total;
}

/* Others than the fatal one are told by the links and by librdkafka's log. */
static void take_error(struct kw_instance *i, rd_kafka_event_t *event)
{
	if (!rd_kafka_event_error_is_fatal(event) &&
		rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR__FATAL)
		return;
	atomic_store(&i->lost, true);
	atomic_store(&i->fatal, true);
}

int kw_instance_serve(struct kw_instance *i, const struct kw_producer_config *config, int wait_ms)
{
	rd_kafka_event_t *event;
	int n = 0;

	while (n < ROUND_MAX && (event = rd_kafka_queue_poll(i->queue, wait_ms)) != NULL) {
		if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
			n += take_reports(i, config, event);
		else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR)
			take_error(i, event);
		rd_kafka_event_destroy(event);
		wait_ms = 0;
	}
	return n;
}

int kw_instance_settle(struct kw_instance *i, const struct kw_producer_config *config)
{
	int64_t until = kw_monotonic_us() + SETTLE_US;
	int n = 0;

	rd_kafka_purge(i->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	while (kw_instance_owed(i) > 0 && kw_monotonic_us() < until)
		n += kw_instance_serve(i, config, SETTLE_STEP_MS);
	for (uint32_t k = 0; k < i->n_slots; k++) {
		if (i->slots[k].next != TAKEN)
			continue;
		pthread_mutex_lock(&i->lock);
		void *opaque = slot_give(i, k);
		pthread_mutex_unlock(&i->lock);
		config->delivered(
			config->ctx, opaque, KW_MAYBE, (struct kw_landing) { .offset = -1 });
		n++;
	}
	return n;
}
