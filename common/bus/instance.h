/* Inside bus: one idempotent producer handle with its connections and the records that it still
 * owes a report. Any thread sends; one thread serves reports, ends and throws away. */
#ifndef KW_BUS_INSTANCE_H
#define KW_BUS_INSTANCE_H

#include "bus/impl.h"
#include "bus/producer.h"

/* A record that was handed to librdkafka; its index is librdkafka's opaque. */
struct kw_slot {
	void *opaque;
	uint32_t next; /* free: index of the next free one; else TAKEN */
};

struct kw_instance {
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	struct kw_links links;
	pthread_mutex_t lock; /* the slots */
	struct kw_slot *slots;
	uint32_t n_slots, free, n_taken;
	atomic_bool used;  /* a record was handed to it */
	atomic_bool fatal; /* it can send no more */
	atomic_bool lost;  /* a sequence out of order, or fatal */
};

enum kw_rc kw_instance_new(
	const struct kw_producer_config *config, struct kw_instance **ret, struct kw_err *err);
enum kw_rc kw_instance_send(struct kw_instance *i, const char *topic, int32_t partition,
	struct kw_bytes key, struct kw_bytes value, const struct kw_header *headers,
	size_t n_headers, void *opaque, struct kw_err *err);
/* Waits up to wait_ms for reports, then takes what is there. Returns how many. */
int kw_instance_serve(struct kw_instance *i, const struct kw_producer_config *config, int wait_ms);
uint32_t kw_instance_owed(struct kw_instance *i);
/* Nobody sends any more: purges, reports what librdkafka knows, and the rest as MAYBE. Returns how
 * many. */
int kw_instance_settle(struct kw_instance *i, const struct kw_producer_config *config);
/* Without reports; waits for librdkafka's threads. */
void kw_instance_free(struct kw_instance *i);

#endif
