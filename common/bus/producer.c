/* The idempotent producer of the edge (any thread sends, a thread of its own reports) and of the publisher (one thread does all).
 * lock: readers send, the writer replaces the instance. */
#include "bus/producer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bus/rk.h"
#include "core/log.h"

#define RECORD_MAX (1024 * 1024)
#define POLL_MS 100
#define PROBE_MS 1000

struct kw_producer {
	struct kw_producer_config config;
	rd_kafka_t *rk;
	pthread_rwlock_t lock;
	pthread_t thread;
	bool threaded;
	int reported; /* in the round at hand; polling thread only */
	atomic_bool stop, lost, up;
};

/* Which outcomes a record can never come back from. */
static bool refused(rd_kafka_resp_err_t code)
{
	switch (code) {
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_INVALID_MSG:
	case RD_KAFKA_RESP_ERR_INVALID_RECORD:
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
		return true;
	default:
		return false;
	}
}

static void delivery_cb(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	struct kw_producer *p = opaque;
	enum kw_delivery outcome = KW_MAYBE;

	(void)rk;
	p->reported++;
	if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR && rd_kafka_message_status(m) == RD_KAFKA_MSG_STATUS_PERSISTED)
		outcome = KW_PERSISTED;
	else if (refused(m->err))
		outcome = KW_REFUSED;
	else if (rd_kafka_message_status(m) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED)
		outcome = KW_NOT_PERSISTED;
	if (outcome == KW_PERSISTED)
		atomic_store_explicit(&p->up, true, memory_order_relaxed);
	p->config.delivered(p->config.ctx, m->_private, outcome, outcome == KW_PERSISTED ? m->offset : -1);
}

static void error_cb(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
	struct kw_producer *p = opaque;

	(void)rk;
	kw_log(KW_INFO, "kafka producer", KW_LS("error", rd_kafka_err2name((rd_kafka_resp_err_t)code)), KW_LS("reason", reason));
	if (kw_rk_lost(code))
		atomic_store(&p->lost, true);
	if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		atomic_store(&p->up, false);
}

static enum kw_rc make_instance(struct kw_producer *p, rd_kafka_t **ret, struct kw_err *err)
{
	const struct kw_producer_config *config = &p->config;
	rd_kafka_conf_t *conf = kw_rk_conf(config->brokers, config->client_id, p, error_cb);

	kw_rk_set(conf, "enable.idempotence", "true");
	kw_rk_set(conf, "acks", "all");
	kw_rk_set(conf, "compression.codec", "lz4");
	kw_rk_set_int(conf, "linger.ms", config->linger_ms ? config->linger_ms : 1);
	kw_rk_set_int(conf, "message.max.bytes", 2 * RECORD_MAX);
	kw_rk_set_int(conf, "queue.buffering.max.kbytes", config->queue_max_kb ? config->queue_max_kb : 32768);
	kw_rk_set_int(conf, "queue.buffering.max.messages", config->queue_max_messages ? config->queue_max_messages : 50000);
	kw_rk_set_int(conf, "retry.backoff.ms", 50);
	if (config->publisher) {
		kw_rk_set_int(conf, "max.in.flight.requests.per.connection", 1);
		kw_rk_set_int(conf, "message.timeout.ms", 0);
	} else {
		kw_rk_set_int(conf, "message.timeout.ms", config->timeout_ms ? config->timeout_ms : 5000);
		kw_rk_set_int(conf, "request.timeout.ms", config->timeout_ms ? config->timeout_ms : 5000);
	}
	rd_kafka_conf_set_dr_msg_cb(conf, delivery_cb);
	return kw_rk_new(RD_KAFKA_PRODUCER, conf, ret, err);
}

/* Under the writer's lock. report: what is in flight is told as not persisted, or perhaps. */
static enum kw_rc replace(struct kw_producer *p, bool report, struct kw_err *err)
{
	rd_kafka_t *fresh;

	KW_TRY(make_instance(p, &fresh, err));
	if (p->rk) {
		rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
		while (report && rd_kafka_outq_len(p->rk) > 0)
			rd_kafka_poll(p->rk, 10);
		rd_kafka_destroy(p->rk);
	}
	p->rk = fresh;
	return KW_OK;
}

/* Does a broker answer? Only asked while none did. */
static void probe(struct kw_producer *p)
{
	const struct rd_kafka_metadata *metadata;

	if (rd_kafka_metadata(p->rk, 0, NULL, &metadata, PROBE_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	rd_kafka_metadata_destroy(metadata);
	atomic_store(&p->up, true);
}

static void *edge_main(void *arg)
{
	struct kw_producer *p = arg;
	struct kw_err err;
	char why[200];

	while (!atomic_load(&p->stop)) {
		p->reported = 0;
		rd_kafka_poll(p->rk, POLL_MS);
		if (p->reported > 0 && p->config.round_done)
			p->config.round_done(p->config.ctx);
		if (rd_kafka_fatal_error(p->rk, why, sizeof(why)) != RD_KAFKA_RESP_ERR_NO_ERROR) {
			kw_log(KW_WARNING, "producer is made anew", KW_LS("reason", why));
			p->reported = 0;
			pthread_rwlock_wrlock(&p->lock);
			if (replace(p, true, &err) != KW_OK)
				kw_log_err(KW_ERROR, "producer", &err, KW_NO_FIELDS);
			pthread_rwlock_unlock(&p->lock);
			if (p->reported > 0 && p->config.round_done)
				p->config.round_done(p->config.ctx);
		}
		if (!atomic_load_explicit(&p->up, memory_order_relaxed) && rd_kafka_outq_len(p->rk) == 0)
			probe(p);
	}
	return NULL;
}

enum kw_rc kw_producer_open(const struct kw_producer_config *config, struct kw_producer **ret, struct kw_err *err)
{
	struct kw_producer *p = calloc(1, sizeof(*p));
	enum kw_rc rc;

	kw_assert(p != NULL);
	p->config = *config;
	pthread_rwlock_init(&p->lock, NULL);
	rc = replace(p, false, err);
	if (rc == KW_OK && !config->publisher)
		p->threaded = pthread_create(&p->thread, NULL, edge_main, p) == 0;
	if (rc == KW_OK && !config->publisher && !p->threaded)
		rc = kw_fail(err, KW_FATAL, "no thread for the producer");
	if (rc != KW_OK) {
		kw_producer_close(p, 0);
		return rc;
	}
	*ret = p;
	return KW_OK;
}

void kw_producer_close(struct kw_producer *p, int timeout_ms)
{
	if (!p)
		return;
	atomic_store(&p->stop, true);
	if (p->threaded)
		pthread_join(p->thread, NULL);
	if (p->rk) {
		if (timeout_ms > 0)
			rd_kafka_flush(p->rk, timeout_ms);
		rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
		while (p->threaded && rd_kafka_outq_len(p->rk) > 0)
			rd_kafka_poll(p->rk, 10);
		rd_kafka_destroy(p->rk);
		if (p->threaded && p->config.round_done)
			p->config.round_done(p->config.ctx);
	}
	pthread_rwlock_destroy(&p->lock);
	free(p);
}

enum kw_rc kw_producer_send(struct kw_producer *p, const char *topic, int32_t partition, struct kw_bytes key, struct kw_bytes value,
	const struct kw_header *headers, size_t n_headers, void *opaque, struct kw_err *err)
{
	rd_kafka_headers_t *copy;
	rd_kafka_resp_err_t code;

	if (key.n + value.n > RECORD_MAX)
		return kw_fail(err, KW_INVALID, "a record of %zu bytes is larger than %d", key.n + value.n, RECORD_MAX);
	copy = rd_kafka_headers_new(n_headers);
	for (size_t i = 0; i < n_headers; i++)
		rd_kafka_header_add(copy, headers[i].name, -1, headers[i].value.p, (ssize_t)headers[i].value.n);
	pthread_rwlock_rdlock(&p->lock);
	code = rd_kafka_producev(p->rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_KEY(key.p, key.n),
		RD_KAFKA_V_VALUE((void *)(uintptr_t)value.p, value.n), RD_KAFKA_V_HEADERS(copy),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE(opaque), RD_KAFKA_V_END);
	pthread_rwlock_unlock(&p->lock);
	if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
		return KW_OK;
	rd_kafka_headers_destroy(copy);
	/* a full queue, or an instance that is about to be replaced */
	if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL || code == RD_KAFKA_RESP_ERR__FATAL)
		return kw_fail_code(err, KW_RETRY, rd_kafka_err2name(code), "%s", rd_kafka_err2str(code));
	return kw_rk_fail(code, topic, err);
}

int kw_producer_poll(struct kw_producer *p, int wait_ms)
{
	kw_assert(p->config.publisher);
	p->reported = 0;
	rd_kafka_poll(p->rk, wait_ms);
	if (rd_kafka_fatal_error(p->rk, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR)
		atomic_store(&p->lost, true);
	return p->reported;
}

bool kw_producer_take_lost(struct kw_producer *p)
{
	return atomic_exchange(&p->lost, false);
}

bool kw_producer_up(struct kw_producer *p)
{
	return atomic_load_explicit(&p->up, memory_order_relaxed);
}

enum kw_rc kw_producer_renew(struct kw_producer *p, struct kw_err *err)
{
	kw_assert(p->config.publisher);
	return replace(p, false, err);
}

void kw_producer_test_fatal(struct kw_producer *p)
{
	rd_kafka_test_fatal_error(p->rk, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "asked for by a test");
}
