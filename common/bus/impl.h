/* Inside bus: how a librdkafka handle is made, watched and logged, and what its errors mean.
 * No other header of bus shows librdkafka. */
#ifndef KW_BUS_IMPL_H
#define KW_BUS_IMPL_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "bus/bus.h"
#include "core/log.h"

#define KW_LINKS_MAX 64

/* The connections of one handle. Told by librdkafka's broker threads; read by any. Outlives the
 * handle. */
struct kw_links {
	pthread_mutex_t lock; /* links, n */
	struct kw_link {
		char name[128];
		int port;
		bool up;
		bool begun; /* a connection was begun, and has not ended */
	} links[KW_LINKS_MAX];
	size_t n;
	atomic_int up;
	atomic_bool lost; /* a connection ended, or could not be made */
};

void kw_links_init(struct kw_links *l);
void kw_links_done(struct kw_links *l);

/* What every handle has: addresses, quick reconnects, our log. links may be NULL. */
rd_kafka_conf_t *kw_conf_new(const char *brokers, const char *client_id, struct kw_links *links);
/* A setting that librdkafka refuses is our bug: aborts. */
void kw_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value);
/* One that older versions do not know: they do without. */
void kw_conf_try(rd_kafka_conf_t *conf, const char *name, const char *value);
void kw_conf_set_int(rd_kafka_conf_t *conf, const char *name, int64_t value);
/* Consumes conf. */
enum kw_rc kw_client_open(
	rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **ret, struct kw_err *err);
/* Short-lived handle for one question (metadata, admin). */
enum kw_rc kw_client_ask(
	const char *brokers, const char *client_id, rd_kafka_t **ret, struct kw_err *err);
/* Gives the handle back; flags as rd_kafka_destroy_flags takes them. false: librdkafka does not
 * come to an end (since 2.0 it can wait for ever for a partition that it has lost count of: its
 * issue 4674). Then the handle lives on, and so must what it was given. */
bool kw_client_end(rd_kafka_t *rk, int flags);
void kw_client_donep(rd_kafka_t **rk);

/* Asks the broker for the first offset kept and the next to be written. */
enum kw_rc kw_client_watermarks(rd_kafka_t *rk, const char *topic, int32_t partition,
	int timeout_ms, int64_t *ret_low, int64_t *ret_high, struct kw_err *err);

/* librdkafka's words: to the log, at most LOG_LINES in LOG_WINDOW. */
void kw_client_log(enum kw_log_level level, const char *client, const char *what, const char *text);

/* What the caller does next: the one table of Kafka's errors. */
enum kw_rc kw_bus_rc(rd_kafka_resp_err_t rerr);
/* kw_fail with that code and the error's name. */
#define kw_bus_fail(err, rerr, ...) \
	kw_fail_code((err), kw_bus_rc(rerr), rd_kafka_err2name(rerr), __VA_ARGS__)

/* Fills ret from a fetched record; bytes belong to m. topic: NULL takes the record's. */
void kw_message_of(rd_kafka_message_t *m, const char *topic, struct kw_message *ret);

#endif
