/* A member of a consumer group whose offsets live elsewhere (PostgreSQL): one per thread, all calls
 * from that thread. Assignments happen inside kw_consumer_poll, through the callbacks. Never seeks:
 * assigns at offsets. Settings that matter: enable.auto.commit=false, auto.offset.reset=error,
 * partition.assignment.strategy=range, max.poll.interval.ms 60 s (own watchdog by the caller),
 * queued.max.messages.kbytes bounded, fetch.wait.max.ms 25. */
#ifndef KW_BUS_CONSUMER_H
#define KW_BUS_CONSUMER_H

#include "bus/bus.h"

struct kw_consumer;

struct kw_position {
	const char *topic; /* points into the consumer's topic list */
	int32_t partition;
	int64_t offset; /* next to read */
};

struct kw_consumer_config {
	const char *brokers, *group, *client_id;
	const char *const *topics; /* outlives the consumer */
	size_t n_topics;
	int session_ms;    /* 0: 10000 */
	int queued_max_kb; /* 0: 16384 */
	/* New assignment (the whole of it): fills each offset. Not OK: nothing is assigned, poll
	 * returns that error. */
	enum kw_rc (*on_assign)(
		void *ctx, struct kw_position *positions, size_t n, struct kw_err *err);
	/* All positions are taken away (revoked or lost). */
	void (*on_revoke)(void *ctx);
	void *ctx;
};

enum kw_rc kw_consumer_open(
	const struct kw_consumer_config *config, struct kw_consumer **ret, struct kw_err *err);
/* Leaves the group (at most timeout_ms), then frees. */
void kw_consumer_close(struct kw_consumer *c, int timeout_ms);

/* Waits up to wait_ms for the first message, then takes what is there, up to max messages or
 * max_bytes of key+value. Messages are valid until the next call on the consumer. OK with n >= 1;
 * NOTHING; RETRY (transient, named); CONFLICT with code OFFSET_OUT_OF_RANGE and ret_fault set;
 * FATAL.  */
enum kw_rc kw_consumer_poll(struct kw_consumer *c, int wait_ms, size_t max, size_t max_bytes,
	const struct kw_message **ret, size_t *ret_n, struct kw_position *ret_fault,
	struct kw_err *err);
/* Assigns the current partitions anew at these offsets and drops everything already fetched. */
enum kw_rc kw_consumer_reassign(
	struct kw_consumer *c, const struct kw_position *positions, size_t n, struct kw_err *err);
/* True once after any connection to a broker was lost, or could not be made, since the last
 * call. */
bool kw_consumer_take_lost(struct kw_consumer *c);
/* Asks the broker. Low: first offset kept; high: next offset to be written. */
enum kw_rc kw_consumer_watermarks(struct kw_consumer *c, const char *topic, int32_t partition,
	int timeout_ms, int64_t *ret_low, int64_t *ret_high, struct kw_err *err);
/* The last high watermark that a fetch told, or -1. Never asks. */
int64_t kw_consumer_high(struct kw_consumer *c, const char *topic, int32_t partition);
/* Tells Kafka, for lag tools only; asynchronous, errors are ignored. */
void kw_consumer_report(struct kw_consumer *c, const struct kw_position *positions, size_t n);

/* ---- reading one partition without a group: the publisher's walk, checks, tests ---- */

struct kw_reader;

enum kw_rc kw_reader_open(
	const char *brokers, const char *client_id, struct kw_reader **ret, struct kw_err *err);
void kw_reader_close(struct kw_reader *r);
/* Low and high of a partition, asked from the broker. */
enum kw_rc kw_reader_watermarks(struct kw_reader *r, const char *topic, int32_t partition,
	int64_t *ret_low, int64_t *ret_high, struct kw_err *err);
/* Removes what lies before the offset, for everybody. */
enum kw_rc kw_reader_remove_before(struct kw_reader *r, const char *topic, int32_t partition,
	int64_t offset, struct kw_err *err);
/* Begins at offset (raised to low if below it); ends at the high watermark of now. */
enum kw_rc kw_reader_begin(struct kw_reader *r, const char *topic, int32_t partition,
	int64_t offset, struct kw_err *err);
/* OK and a message valid until the next call; NOTHING at the end; RETRY when the broker is silent
 * for 10 s. */
enum kw_rc kw_reader_next(struct kw_reader *r, struct kw_message *ret, struct kw_err *err);

#endif
