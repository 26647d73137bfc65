/* What all bus parts share: a message, the topics of the system, the partition of a key, facts
 * about the cluster. bus is the only layer that uses librdkafka. */
#ifndef KW_BUS_BUS_H
#define KW_BUS_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/err.h"

struct kw_header {
	const char *name;
	struct kw_bytes value;
};

#define KW_HEADERS_MAX 16

/* One record. Bytes belong to whoever handed it out and are valid as that call says. */
struct kw_message {
	const char *topic;
	int32_t partition;
	int64_t offset;
	kw_time time; /* the broker's (LogAppendTime) */
	struct kw_bytes key, value;
	struct kw_header headers[KW_HEADERS_MAX]; /* the rest is dropped and n_headers says how many
						     there were */
	size_t n_headers;
};

/* A header's bytes, or { NULL, 0 }. Names are compared byte for byte. */
struct kw_bytes kw_message_header(const struct kw_message *m, const char *name);
/* Hash of key, value and headers: "is it the same record?" for the offset row. */
uint64_t kw_message_hash(const struct kw_message *m);

/* murmur2 as the Java client does, positive, modulo count. The key is never empty (asserted). */
int32_t kw_partition_of(struct kw_bytes key, int32_t count);

/* ---- schemas/topics.json ---- */

struct kw_topic {
	const char *name;
	int64_t partitions;
	int64_t retention_ms; /* -1: for ever */
	const char *kind;     /* "in" or "events" or "dead" */
};

struct kw_topics {
	const struct kw_topic *topics;
	size_t n_topics;
};

/* Reads and checks the file; the result lives in the arena. INVALID: it is wrong, or as core/file.h
 * says; RETRY: another time it may be read. */
enum kw_rc kw_topics_load(
	const char *file, struct kw_arena *a, struct kw_topics *ret, struct kw_err *err);
const struct kw_topic *kw_topics_find(const struct kw_topics *topics, const char *name);
/* Creates what is absent (LogAppendTime, cleanup.policy=delete, retention, replicas: the broker's
 * default); CONFLICT where a partition count differs. ret_created counts. */
enum kw_rc kw_topics_apply(const char *brokers, const struct kw_topics *topics, size_t *ret_created,
	struct kw_err *err);
/* CONFLICT where a topic is absent or its partition count differs; RETRY when no broker answers
 * within timeout_ms. */
enum kw_rc kw_topics_verify(
	const char *brokers, const struct kw_topics *topics, int timeout_ms, struct kw_err *err);
/* Cluster id; buffer of at least 64. */
enum kw_rc kw_bus_cluster_id(
	const char *brokers, int timeout_ms, char *out, size_t size, struct kw_err *err);

#endif
