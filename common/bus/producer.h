/* Idempotent producer, acks=all, lz4. Two uses: the edge (many threads send, a thread of its own
 * calls back) and the publisher (one thread sends and polls, one request in flight, no message
 * time-out, endless retries). A fatal idempotence error throws the instance away and makes a new
 * one; what was in flight is reported as MAYBE, unless it is known better. The partition is always
 * given by the caller. */
#ifndef KW_BUS_PRODUCER_H
#define KW_BUS_PRODUCER_H

#include "bus/bus.h"

struct kw_producer;

enum kw_delivery {
	KW_PERSISTED,     /* acknowledged by all in-sync replicas */
	KW_MAYBE,         /* sent, the answer was lost: may or may not be there */
	KW_NOT_PERSISTED, /* it is not there */
	KW_REFUSED,       /* the broker can never take this record (size, topic, authorisation) */
};

/* Where a record is. */
struct kw_landing {
	int64_t offset; /* -1 unless PERSISTED, and where the broker had the record already (a
			   repeat of librdkafka's) */
	kw_time time;   /* the broker's (LogAppendTime); 0: it told none */
};

/* From the callback thread (edge) or inside kw_producer_poll (publisher); the last ones inside
 * kw_producer_close. */
typedef void kw_delivered_fn(
	void *ctx, void *opaque, enum kw_delivery outcome, struct kw_landing at);

struct kw_producer_config {
	const char *brokers, *client_id;
	bool publisher;   /* one in flight, message.timeout.ms=0; no thread: the owner polls */
	int linger_ms;    /* 0: 1 for the edge, 1 for the publisher */
	int timeout_ms;   /* edge: message.timeout.ms, 0: 5000 */
	int queue_max_kb; /* 0: 32768 */
	int queue_max_messages; /* 0: 50000 */
	kw_delivered_fn *delivered;
	void (*round_done)(void *ctx); /* edge: after a round of delivery reports: the place for one
					  wake-up; may be NULL */
	void *ctx;
};

enum kw_rc kw_producer_open(
	const struct kw_producer_config *config, struct kw_producer **ret, struct kw_err *err);
/* Waits up to timeout_ms for what is in flight, reports the rest, frees. */
void kw_producer_close(struct kw_producer *p, int timeout_ms);

/* Copies key, value and headers. RETRY when the queue is full or the instance is being replaced;
 * INVALID when key, value and headers are larger than the maximum (1 MiB). After OK exactly one
 * delivery report follows. */
enum kw_rc kw_producer_send(struct kw_producer *p, const char *topic, int32_t partition,
	struct kw_bytes key, struct kw_bytes value, const struct kw_header *headers,
	size_t n_headers, void *opaque, struct kw_err *err);
/* Publisher: serves delivery reports for up to wait_ms; returns how many. */
int kw_producer_poll(struct kw_producer *p, int wait_ms);
/* True once after a lost connection (or one that could not be made), an out-of-order sequence or a
 * fatal error since the last call. */
bool kw_producer_take_lost(struct kw_producer *p);
/* Is a broker reachable, as far as the last events told? Never blocks. For /readyz. */
bool kw_producer_up(struct kw_producer *p);
/* Publisher: throws the instance away without waiting (purges the queue; late requests may still
 * land) and makes a new one, unless it has sent nothing yet. The purged records are not told of. */
enum kw_rc kw_producer_renew(struct kw_producer *p, struct kw_err *err);
/* Tests: makes the instance fail as librdkafka's rd_kafka_test_fatal_error does. */
void kw_producer_test_fatal(struct kw_producer *p);

#endif
