/* The running service, and what the files of svc share: svc.c (start, signals, leave), settings.c
 * (configuration and partners), describe.c, edge.c (requests), stream.c (requests
 * of many messages), read.c (the pool for API reads), work.c
 * (consumer, publisher, jobs, watch), health.c (admin server), ask.c (asks it). Private to svc. */
#ifndef KW_SVC_IMPL_H
#define KW_SVC_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "bus/bus.h"
#include "bus/envelope.h"
#include "bus/producer.h"
#include "flow/publisher.h"
#include "svc/svc.h"

#define KW_CONSUMERS_MAX 16
#define KW_LANES 2     /* threads that run jobs */
#define EXIT_CONFIG 78 /* another start would not mend it */

/* Settings that every service has. */
struct kw_common {
	const char *brokers, *dsn, *redis_url, *partners_file, *topics_file, *listen, *admin_listen,
		*log_level, *disk_paths, *certificate_file;
	int64_t consumers, batch_max, session_ms, linger_ms, http_threads, http_connections,
		http_per_address, http_deadline_ms, deferred_max, read_connections, sample_ms,
		secret_days;
	bool access_log;
};

struct kw_consumer_thread {
	struct kw_svc *svc;
	pthread_t thread;
	struct kw_runner *runner; /* under look */
};

struct kw_svc {
	const struct kw_service *service;
	struct kw_common common;
	void *own;               /* the service's own configuration */
	struct kw_arena *arena;  /* what is read at the start; until the end */
	struct kw_topics topics; /* those that the service reads or writes */
	const struct kw_topic *in_topic;
	struct kw_flow_config flow;
	char source[80]; /* ce_source of the edge */
	bool once;

	_Atomic(const struct kw_partners *) partners;        /* the newest snapshot */
	struct kw_arena *snapshots[KW_PARTNERS_RELOADS + 1]; /* main thread only */
	size_t n_snapshots;
	atomic_bool stale; /* the last reading of the partners file failed */

	/* The edge. Senders hold the gate for reading; closed means that the producer may be gone.
	 */
	pthread_rwlock_t gate;
	bool closed;
	struct kw_producer *producer;
	_Atomic(struct kw_server *) edge;
	_Atomic int64_t appending; /* waiting for the broker */
	struct kw_readers *readers;
	struct kw_streams *streams;
	struct kw_cache *cache;

	/* Threads. */
	struct kw_consumer_thread consumers[KW_CONSUMERS_MAX];
	struct kw_publisher *publisher; /* under look */
	pthread_t publisher_thread, jobs_thread, apart_thread, watch_thread, sample_thread,
		once_thread;
	struct kw_client *client; /* one of the jobs' threads */
	bool client_private;
	pthread_mutex_t look; /* runners and the publisher: to stop them, look at their figures, or
				 end them */

	/* State. Flags are set under lock and announced on changed. */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* monotonic clock */
	atomic_bool verified;   /* the topics are as topics.json says */
	atomic_bool leaving;
	atomic_bool called[KW_LANES]; /* intents were written since the lane looked */
	atomic_bool written;          /* consumers and jobs have ended */
	atomic_int exit_status;
	bool left;                   /* under lock: nothing is left to wait for */
	_Atomic int64_t postgres_us; /* when PostgreSQL last answered the watch; 0: never */
	struct kw_server *admin;
};

/* ---- settings.c ---- */

extern const struct kw_config_key kw_common_keys[];
/* Writes all that is wrong to errors. INVALID: exit 78. */
enum kw_rc kw_settings_load(struct kw_svc *svc, FILE *errors);
void kw_settings_help(const struct kw_service *service, FILE *out);
void kw_settings_log(struct kw_svc *svc);
/* SIGHUP: a new snapshot, or the old one and an error in the log. */
void kw_settings_reload(struct kw_svc *svc);
void kw_settings_done(struct kw_svc *svc);

/* ---- describe.c ---- */

void kw_describe(const struct kw_service *service, FILE *out);

/* ---- edge.c ---- */

enum kw_rc kw_edge_open(struct kw_svc *svc, struct kw_err *err);
/* Is a broker reachable? */
bool kw_edge_kafka_up(struct kw_svc *svc);
/* Nothing new; what was sent is waited for and answered. */
void kw_edge_close(struct kw_svc *svc);

/* For stream.c: the in topic's row of a type, and the id of a message of that content. */
const struct kw_topic_row *kw_edge_row(const struct kw_svc *svc, const char *type);
struct kw_uuid kw_edge_message_id(const char *type, const char *key, const struct kw_buf *value);

/* ---- stream.c ---- */

struct kw_streams *kw_streams_new(struct kw_svc *svc);
/* Answers all that wait, and takes nothing new. */
void kw_streams_close(struct kw_streams *streams);
void kw_streams_free(struct kw_streams *streams);

/* ---- read.c ---- */

struct kw_readers *kw_readers_new(const struct kw_svc *svc);
void kw_readers_free(struct kw_readers *readers);

/* ---- work.c ---- */

void kw_work_start(struct kw_svc *svc);
/* After leaving was announced: asks, and waits. */
void kw_work_ask_stop(struct kw_svc *svc);
void kw_work_stop(struct kw_svc *svc);
/* Waits until the flag is set or the service leaves, at most wait_ms (-1: for ever); false when it
 * leaves. */
bool kw_svc_wait(struct kw_svc *svc, const atomic_bool *flag, int wait_ms);
/* Something cannot go on: says so and makes the service leave with that status. */
void kw_svc_fail(struct kw_svc *svc, const char *where, const struct kw_err *err, int status);

/* ---- sample.c ---- */

/* The thread. */
void *kw_sample_run(void *svc);
extern struct kw_metric *const kw_sample_metrics[]; /* NULL-terminated */

/* ---- health.c ---- */

/* Metrics of every service but for the samples; NULL after the last. */
const struct kw_metric *kw_health_metric(size_t i);

enum kw_rc kw_health_start(struct kw_svc *svc, struct kw_err *err);
void kw_health_observe(void *ctx, const struct kw_route *route, int status, int64_t duration_us);
void kw_health_error(const char *where);
/* Logs what /readyz says where that has changed; said: what was told last, "starting" at first. */
void kw_health_tell(struct kw_svc *svc, const char **said);
void kw_health_append(const char *outcome);
/* on_event and on_published of the flow. */
void kw_health_event(void *ctx, const char *type);
void kw_health_published(void *ctx, int64_t delay_us);

/* ---- ask.c ---- */

/* The status to exit with; what /readyz says of the service that this environment configures goes
 * to out. */
int kw_ask_ready(const struct kw_service *service, FILE *out, FILE *errors);

#endif
