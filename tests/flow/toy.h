/* The smallest service: each message of the in topic is a row and an event. Its handler does what
 * the test tells it to. */
#ifndef KT_TOY_H
#define KT_TOY_H

#include "flow/batch.h"
#include "flow/publisher.h"
#include "pg/pg.h"
#include "support.h"

#define TOY_PARTITIONS 12

struct toy_message {
	struct kw_meta meta;
	const char *name; /* the entity */
	int64_t number;   /* of this entity: 1, 2, 3 … */
	const char *deed; /* "" or "refuse", "retry", "break", "die" */
};

struct toy {
	struct kw_arena *arena;
	struct kw_topics topics;
	struct kw_flow_config config;
	const char *dsn;
	char in[80], events[80], dsn_text[1024], brokers[128];
	int retries_left; /* "retry": how often the handler still asks for another run */
	bool refusing;    /* "refuse" is refused */
	bool breaking;    /* "break" is FATAL */
	void (*before)(struct toy *toy); /* called inside each handler run */
};

/* Fresh database and topics; brokers NULL: the run's Kafka, dsn NULL: the run's PostgreSQL. */
void toy_make(struct toy *toy, const char *name, const char *brokers, const char *dsn);
/* The same toy once more (a replica): own config that points to `of`'s topics and database. */
void toy_done(struct toy *toy);
/* Message for an entity, to the partition of its key. */
void toy_send(struct toy *toy, const char *name, int64_t number, const char *deed);
void toy_send_raw(struct toy *toy, const char *key, const char *type, const char *value);
/* Consumes all there is, and publishes all there is. */
void toy_consume(struct toy *toy);
void toy_publish(struct toy *toy);
int64_t toy_count(struct toy *toy, const char *sql);
void toy_sql(struct toy *toy, const char *sql);
/* The partner sees exactly the journal: every event once, in order; per entity 1, 2, 3 …; returns
 * how many. */
size_t toy_verify(struct toy *toy);
bool toy_has_dead(struct toy *toy, const char *code_or_reason);

#endif
