/* What publisher.c and walk.c share. Publisher thread only, but for the atomics. */
#ifndef KW_FLOW_PUBLISH_H
#define KW_FLOW_PUBLISH_H

#include <pthread.h>

#include "bus/producer.h"
#include "flow/impl.h"
#include "flow/publisher.h"

#define KW_PUB_CAUSED 32768 /* a power of 2, above what may be on its way */

struct kw_pub_part {
	int64_t sent;               /* last number handed to the producer */
	int64_t acked;              /* last number that Kafka acknowledged */
	struct kw_landing acked_at; /* of that event; offset -1: none */
	int64_t saved;              /* as the published row says */
	int64_t *caused;            /* append times of what is on its way, by number; 0: none */
};

struct kw_publisher {
	struct kw_flow_config config;
	char source[96];
	char holder[96];
	const char *blocked; /* constant text: an operator must act; NULL: no */
	struct kw_pg *pg;
	struct kw_producer *producer;
	struct kw_arena *arena;
	struct kw_pub_part *parts;
	int n_parts;
	int64_t token; /* 0: not the leader */
	int idle_ms;   /* it looks by itself after this, if nobody calls */
	int64_t renewed_us, tried_us, saved_us, counted_us, kept_us, read_us;
	unsigned sessions; /* of pg at the last walk */
	bool walk_needed;
	bool called; /* nudged since the journal was last read */
	bool more;   /* the last read did not come to the journal's end */
	int64_t in_flight;
	pthread_mutex_t lock; /* of nudged */
	pthread_cond_t wake;
	bool nudged;
	atomic_bool stop;
	_Atomic bool leader;
	_Atomic int64_t published, resent, walks, pending;
};

/* Reads the tails of all partitions and sets the parts to what the log holds. CONFLICT with code
 * WENT_BACK: the log has events that the journal does not have. */
enum kw_rc kw_publisher_walk(struct kw_publisher *p, struct kw_err *err);
/* Writes acked numbers under the lease's token; CONFLICT KW002 when it is not ours any more. */
enum kw_rc kw_publisher_save(struct kw_publisher *p, struct kw_err *err);

#endif
