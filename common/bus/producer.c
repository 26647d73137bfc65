/* The producer of the edge and of the publisher: which handle is used now, and who serves its
 * reports. gate: a sender holds it for reading, so that the handle stays; the exchange of handles
 * for writing. */
#include "bus/producer.h"

#include <stdlib.h>
#include <string.h>

#include "bus/instance.h"

#define SERVE_MS 100

struct kw_producer {
	struct kw_producer_config config;
	char *brokers, *client_id; /* for the handles to come */
	pthread_rwlock_t gate;
	struct kw_instance *now; /* under gate; changed by the serving thread only */
	atomic_bool lost;        /* by a handle that is gone */
	atomic_bool stop;
	bool threaded, reaping;
	pthread_t thread, reaper;
};

/* ---- handles come and go ---- */

static void *reap(void *arg)
{
	kw_instance_free(arg);
	return NULL;
}

/* Its threads may take a moment to end; nobody waits for them but the next one that goes. */
static void throw_away(struct kw_producer *p, struct kw_instance *old)
{
	if (p->reaping)
		pthread_join(p->reaper, NULL);
	p->reaping = pthread_create(&p->reaper, NULL, reap, old) == 0;
	if (!p->reaping)
		kw_instance_free(old);
}

/* Serving thread. The old one is returned: nobody sends by it any more. */
static enum kw_rc exchange(struct kw_producer *p, struct kw_instance **ret_old, struct kw_err *err)
{
	struct kw_instance *fresh;

	KW_TRY(kw_instance_new(&p->config, &fresh, err));
	pthread_rwlock_wrlock(&p->gate);
	*ret_old = p->now;
	p->now = fresh;
	pthread_rwlock_unlock(&p->gate);
	return KW_OK;
}

/* After a fatal error: a new handle first, then a report for each record of the old one. */
static int replace(struct kw_producer *p)
{
	struct kw_instance *old;
	struct kw_err err;
	int n;

	atomic_store(&p->lost, true);
	if (exchange(p, &old, &err) != KW_OK) {
		kw_client_log(KW_WARNING, p->config.client_id, "REPLACE", err.reason);
		return 0; /* tried again in the next round; senders are told RETRY */
	}
	n = kw_instance_settle(old, &p->config);
	throw_away(p, old);
	return n;
}

static int serve(struct kw_producer *p, int wait_ms)
{
	int n = kw_instance_serve(p->now, &p->config, wait_ms);

	if (atomic_load(&p->now->fatal))
		n += replace(p);
	return n;
}

static void *serve_edge(void *arg)
{
	struct kw_producer *p = arg;

	while (!atomic_load(&p->stop))
		if (serve(p, SERVE_MS) > 0 && p->config.round_done)
			p->config.round_done(p->config.ctx);
	return NULL;
}

enum kw_rc kw_producer_open(
	const struct kw_producer_config *config, struct kw_producer **ret, struct kw_err *err)
{
	struct kw_producer *p = calloc(1, sizeof(*p));
	pthread_rwlockattr_t attr;
	enum kw_rc rc;

	kw_assert(p != NULL && config->delivered);
	p->config = *config;
	p->config.brokers = p->brokers = strdup(config->brokers);
	p->config.client_id = p->client_id = strdup(config->client_id);
	kw_assert(p->brokers && p->client_id);
	/* senders without end must not keep a new handle out */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&p->gate, &attr);
	pthread_rwlockattr_destroy(&attr);
	rc = kw_instance_new(&p->config, &p->now, err);
	if (rc == KW_OK && !config->publisher) {
		p->threaded = pthread_create(&p->thread, NULL, serve_edge, p) == 0;
		if (!p->threaded)
			rc = kw_fail(err, KW_FATAL, "no thread for the producer");
	}
	if (rc != KW_OK) {
		kw_producer_close(p, 0);
		return rc;
	}
	*ret = p;
	return KW_OK;
}

/* The serving thread has ended. */
static void finish(struct kw_producer *p, int64_t until_us)
{
	int n = 0;

	while (kw_instance_owed(p->now) > 0 && kw_monotonic_us() < until_us)
		n += serve(p, 10);
	n += kw_instance_settle(p->now, &p->config);
	if (n > 0 && p->config.round_done)
		p->config.round_done(p->config.ctx);
	kw_instance_free(p->now);
}

void kw_producer_close(struct kw_producer *p, int timeout_ms)
{
	int64_t until_us = kw_monotonic_us() + timeout_ms * 1000LL;

	if (!p)
		return;
	atomic_store(&p->stop, true);
	if (p->threaded) {
		pthread_rwlock_rdlock(&p->gate);
		rd_kafka_queue_yield(p->now->queue);
		pthread_rwlock_unlock(&p->gate);
		pthread_join(p->thread, NULL);
	}
	if (p->now)
		finish(p, until_us);
	if (p->reaping)
		pthread_join(p->reaper, NULL);
	pthread_rwlock_destroy(&p->gate);
	free(p->brokers);
	free(p->client_id);
	free(p);
}

enum kw_rc kw_producer_send(struct kw_producer *p, const char *topic, int32_t partition,
	struct kw_bytes key, struct kw_bytes value, const struct kw_header *headers,
	size_t n_headers, void *opaque, struct kw_err *err)
{
	enum kw_rc rc;

	kw_assert(key.n > 0 && partition >= 0);
	pthread_rwlock_rdlock(&p->gate);
	rc = kw_instance_send(
		p->now, topic, partition, key, value, headers, n_headers, opaque, err);
	pthread_rwlock_unlock(&p->gate);
	return rc;
}

int kw_producer_poll(struct kw_producer *p, int wait_ms)
{
	kw_assert(p->config.publisher);
	return serve(p, wait_ms);
}

bool kw_producer_take_lost(struct kw_producer *p)
{
	bool lost = atomic_exchange(&p->lost, false);

	pthread_rwlock_rdlock(&p->gate);
	lost = atomic_exchange(&p->now->lost, false) || lost;
	lost = atomic_exchange(&p->now->links.lost, false) || lost;
	pthread_rwlock_unlock(&p->gate);
	return lost;
}

bool kw_producer_up(struct kw_producer *p)
{
	pthread_rwlock_rdlock(&p->gate);
	bool up = atomic_load(&p->now->links.up) > 0 && !atomic_load(&p->now->fatal);
	pthread_rwlock_unlock(&p->gate);
	return up;
}

enum kw_rc kw_producer_renew(struct kw_producer *p, struct kw_err *err)
{
	struct kw_instance *old;

	kw_assert(p->config.publisher);
	/* one that has sent nothing can have lost nothing: no new threads in each round of an
	 * outage */
	if (!atomic_load(&p->now->used) && !atomic_load(&p->now->fatal))
		return KW_OK;
	KW_TRY(exchange(p, &old, err));
	rd_kafka_purge(old->rk,
		RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
	throw_away(p, old);
	return KW_OK;
}

void kw_producer_test_fatal(struct kw_producer *p)
{
	pthread_rwlock_rdlock(&p->gate);
	rd_kafka_test_fatal_error(
		p->now->rk, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "asked for by a test");
	pthread_rwlock_unlock(&p->gate);
}
