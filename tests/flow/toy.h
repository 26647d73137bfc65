/* The smallest service: each message of the in topic is a row and an event. Its handler does what
 * the test tells it to. */
#ifndef KT_TOY_H
#define KT_TOY_H

#include <pthread.h>
#include <stdio.h>

#include "flow/batch.h"
#include "flow/publisher.h"
#include "pg/pg.h"
#include "proxy.h"
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
void toy_done(struct toy *toy);
/* Message for an entity, to the partition of its key. */
void toy_send(struct toy *toy, const char *name, int64_t number, const char *deed);
void toy_send_many(struct toy *toy, const char *prefix, int entities, int each);
void toy_send_raw(struct toy *toy, const char *key, const char *type, const char *value);
/* The toy also reads the events of another one: each is a row and an event of its own. */
void toy_listen(struct toy *toy, const struct toy *of);
/* One event straight to the events topic, as if the publisher sent it; its number is the entity's
 * as well. */
void toy_event(struct toy *toy, const char *name, int64_t number);
/* type: one that nobody reads, or another toy's */
void toy_event_of(struct toy *toy, const char *type, const char *name, int64_t number);
/* Deletes the topic and makes an empty one of its name. */
void toy_make_anew(struct toy *toy, const char *topic);
/* Its runner reaches PostgreSQL through a proxy from now on; the caller closes it. */
struct kt_proxy *toy_through(struct toy *toy, kt_proxy_hook *hook, void *ctx);

/* A runner on a thread of its own. */
struct toy_member {
	struct kw_runner *r;
	pthread_t thread;
};
void toy_start(struct toy_member *member, struct toy *toy);
void toy_end(struct toy_member *member);
/* What is logged from now on; heard: how many lines have the text, and stderr is what it was. */
struct toy_ear {
	FILE *file;
	int stderr_fd;
};
void toy_hear(struct toy_ear *ear);
int toy_heard(struct toy_ear *ear, const char *text);
/* Until the statement says the value; fails after a minute. */
void toy_wait(struct toy *toy, const char *sql, int64_t value);

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
