/* How a librdkafka handle is made, watched and logged; the one table of Kafka's errors. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus/impl.h"

#define LOG_LINES 20
#define LOG_WINDOW_US (10 * KW_US_PER_S)
#define MOVING_STEP_MS 20
#define END_S 5
#define LEARN_MS 1000
#define SYSLOG_WARNING 4
#define SYSLOG_INFO 6

/* What the caller does next. Anything that is not here is FATAL. */
static const struct error {
	rd_kafka_resp_err_t rerr;
	enum kw_rc rc;
} errors[] = {
	{ RD_KAFKA_RESP_ERR_NO_ERROR, KW_OK },
	/* the way to the broker */
	{ RD_KAFKA_RESP_ERR__TRANSPORT, KW_RETRY },
	{ RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, KW_RETRY },
	{ RD_KAFKA_RESP_ERR__RESOLVE, KW_RETRY },
	{ RD_KAFKA_RESP_ERR__TIMED_OUT, KW_RETRY },
	{ RD_KAFKA_RESP_ERR__FAIL, KW_RETRY },
	{ RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE, KW_RETRY },
	{ RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, KW_RETRY },
	{ RD_KAFKA_RESP_ERR__SSL, KW_RETRY },
	{ RD_KAFKA_RESP_ERR__WAIT_COORD, KW_RETRY },
	{ RD_KAFKA_RESP_ERR__WAIT_CACHE, KW_RETRY },
	{ RD_KAFKA_RESP_ERR__INTR, KW_RETRY },
	{ RD_KAFKA_RESP_ERR__QUEUE_FULL, KW_RETRY },
	{ RD_KAFKA_RESP_ERR__RETRY, KW_RETRY },
	{ RD_KAFKA_RESP_ERR__OUTDATED, KW_RETRY },
	/* the group moves on: the next poll tells the new assignment */
	{ RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED, KW_RETRY },
	{ RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST, KW_RETRY },
	{ RD_KAFKA_RESP_ERR__STATE, KW_RETRY },
	{ RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, KW_RETRY },
	{ RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, KW_RETRY },
	{ RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, KW_RETRY },
	/* a broker that starts, or a partition that moves */
	{ RD_KAFKA_RESP_ERR_UNKNOWN, KW_RETRY },
	{ RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, KW_RETRY },
	{ RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, KW_RETRY },
	{ RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, KW_RETRY },
	{ RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE, KW_RETRY },
	{ RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE, KW_RETRY },
	{ RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION, KW_RETRY },
	{ RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, KW_RETRY },
	{ RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, KW_RETRY },
	{ RD_KAFKA_RESP_ERR_NOT_COORDINATOR, KW_RETRY },
	{ RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, KW_RETRY },
	{ RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, KW_RETRY },
	{ RD_KAFKA_RESP_ERR_NOT_CONTROLLER, KW_RETRY },
	{ RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, KW_RETRY },
	{ RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH, KW_RETRY },
	{ RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH, KW_RETRY },
	{ RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE, KW_RETRY },
	{ RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED, KW_RETRY },
	/* a topic that is being made (again) */
	{ RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, KW_RETRY },
	{ RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, KW_RETRY },
	{ RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, KW_RETRY },
	/* bytes that were damaged on the way are sent again */
	{ RD_KAFKA_RESP_ERR_INVALID_MSG, KW_RETRY },
	{ RD_KAFKA_RESP_ERR__BAD_MSG, KW_RETRY },
	/* the log is not what the reader thought */
	{ RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, KW_CONFLICT },
	{ RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, KW_CONFLICT },
	/* the record is wrong */
	{ RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, KW_INVALID },
	{ RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, KW_INVALID },
};

enum kw_rc kw_bus_rc(rd_kafka_resp_err_t rerr)
{
	for (size_t i = 0; i < KW_LEN(errors); i++)
		if (errors[i].rerr == rerr)
			return errors[i].rc;
	return KW_FATAL;
}

/* ---- connections ---- */

void kw_links_init(struct kw_links *l)
{
	memset(l, 0, sizeof(*l));
	pthread_mutex_init(&l->lock, NULL);
}

void kw_links_done(struct kw_links *l)
{
	pthread_mutex_destroy(&l->lock);
}

static struct kw_link *find_link(struct kw_links *l, const char *name, int port)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->links[i].port == port && strcmp(l->links[i].name, name) == 0)
			return &l->links[i];
	if (l->n == KW_LINKS_MAX || strlen(name) >= sizeof(l->links[0].name))
		return NULL;
	struct kw_link *link = &l->links[l->n++];
	memcpy(link->name, name, strlen(name) + 1);
	link->port = port;
	return link;
}

/* Broker thread, under librdkafka's lock of that broker: no call back into librdkafka.
 * Not from error events: librdkafka tells an error that repeats within 30 s only once. A connection
 * that could not be made counts as lost too, so that no outage passes unseen. The group's
 * coordinator (port 0) is DOWN once before it has an address. */
static rd_kafka_resp_err_t on_state(rd_kafka_t *rk, int32_t broker, const char *protocol,
	const char *name, int port, const char *state, void *opaque)
{
	struct kw_links *l = opaque;
	bool up = strcmp(state, "UP") == 0, down = strcmp(state, "DOWN") == 0;
	bool idle = strcmp(state, "INIT") == 0 || strcmp(state, "TRY_CONNECT") == 0;

	(void)rk;
	(void)broker;
	(void)protocol;
	pthread_mutex_lock(&l->lock);
	struct kw_link *link = find_link(l, name, port);
	if (down && (port != 0 || !link || link->begun))
		atomic_store(&l->lost, true);
	if (link) {
		link->begun = !down && !idle;
		if ((up || down) && link->up != up) {
			link->up = up;
			atomic_fetch_add(&l->up, up ? 1 : -1);
		}
	}
	pthread_mutex_unlock(&l->lock);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(
	rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque, char *why, size_t size)
{
	(void)conf;
	(void)why;
	(void)size;
	return rd_kafka_interceptor_add_on_broker_state_change(rk, "karwan", on_state, opaque);
}

/* ---- the log ---- */

/* Each level has its own allowance: an outage's information must not swallow a warning. */
void kw_client_log(enum kw_log_level level, const char *client, const char *what, const char *text)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct {
		int64_t since_us;
		int said, left_out;
	} allowances[KW_ERROR + 1], *a;
	int64_t now = kw_monotonic_us();
	int left_out = 0;
	bool say;

	pthread_mutex_lock(&lock);
	a = &allowances[level];
	if (a->since_us == 0 || now - a->since_us >= LOG_WINDOW_US) {
		a->since_us = now;
		a->said = 0;
	}
	say = a->said < LOG_LINES;
	if (say) {
		a->said++;
		left_out = a->left_out;
		a->left_out = 0;
	} else {
		a->left_out++;
	}
	pthread_mutex_unlock(&lock);
	if (say)
		kw_log(level, "kafka client", KW_LS("client", client), KW_LS("what", what),
			KW_LS("text", text), KW_LI("left_out", left_out));
}

/* Any thread of librdkafka. What an outage brings is information: whoever needs Kafka says so. */
static void on_log(const rd_kafka_t *rk, int level, const char *what, const char *text)
{
	static const char *const outage[] = { "FAIL", "REQTMOUT", "SESSTMOUT", "ERROR", "GETPID",
		"COORD", "COORDQUERY", "HEARTBEAT", "METADATA", "CLUSTERID", "CONNECT", "BROKER",
		"TERMINATE", "COMMITFAIL", "METADATAUPDATE" };
	bool expected = level > SYSLOG_WARNING;

	if (level > SYSLOG_INFO)
		return;
	for (size_t i = 0; i < KW_LEN(outage) && !expected; i++)
		expected = strcmp(what, outage[i]) == 0;
	kw_client_log(expected ? KW_INFO : KW_WARNING, rk ? rd_kafka_name(rk) : "", what, text);
}

/* ---- handles ---- */

void kw_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char why[256];

	kw_assert(rd_kafka_conf_set(conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK);
}

void kw_conf_try(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char why[256];

	kw_assert(rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_INVALID);
}

void kw_conf_set_int(rd_kafka_conf_t *conf, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	kw_conf_set(conf, name, text);
}

rd_kafka_conf_t *kw_conf_new(const char *brokers, const char *client_id, struct kw_links *links)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	kw_conf_set(conf, "bootstrap.servers", brokers);
	kw_conf_set(conf, "client.id", client_id);
	kw_conf_set(conf, "socket.keepalive.enable", "true");
	kw_conf_set(conf, "socket.nagle.disable", "true");
	kw_conf_set(conf, "socket.connection.setup.timeout.ms", "5000");
	kw_conf_set(conf, "reconnect.backoff.ms", "50");
	kw_conf_set(conf, "reconnect.backoff.max.ms", "500");
	kw_conf_set(conf, "topic.metadata.refresh.fast.interval.ms", "100");
	rd_kafka_conf_set_log_cb(conf, on_log);
	if (links)
		rd_kafka_conf_interceptor_add_on_new(conf, "karwan", on_new, links);
	return conf;
}

enum kw_rc kw_client_open(
	rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **ret, struct kw_err *err)
{
	char why[256];
	rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof(why));

	if (!rk) {
		rd_kafka_conf_destroy(conf);
		return kw_fail(err, KW_FATAL, "librdkafka: %s", why);
	}
	*ret = rk;
	return KW_OK;
}

enum kw_rc kw_client_ask(
	const char *brokers, const char *client_id, rd_kafka_t **ret, struct kw_err *err)
{
	return kw_client_open(RD_KAFKA_PRODUCER, kw_conf_new(brokers, client_id, NULL), ret, err);
}

struct ending {
	rd_kafka_t *rk;
	int flags;
};

static void *end(void *ctx)
{
	struct ending e = *(struct ending *)ctx;

	free(ctx);
	rd_kafka_destroy_flags(e.rk, e.flags);
	return NULL;
}

bool kw_client_end(rd_kafka_t *rk, int flags)
{
	struct ending *e = malloc(sizeof(*e));
	char name[128];
	struct timespec until;
	pthread_t thread;

	kw_assert(e != NULL);
	*e = (struct ending) { rk, flags };
	snprintf(name, sizeof(name), "%s", rd_kafka_name(rk));
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += END_S;
	if (pthread_create(&thread, NULL, end, e) != 0) {
		end(e);
		return true;
	}
	if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) == 0)
		return true;
	pthread_detach(thread);
	kw_log(KW_WARNING, "a Kafka client does not end: its threads and memory stay",
		KW_LS("client", name));
	return false;
}

void kw_client_donep(rd_kafka_t **rk)
{
	if (*rk)
		(void)kw_client_end(*rk, 0);
}

/* A partition that was made or moved just now: its leader will say so in a moment. */
static bool is_moving(rd_kafka_resp_err_t rerr)
{
	return rerr == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
	       rerr == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
	       rerr == RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH ||
	       rerr == RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH ||
	       rerr == RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE;
}

/* One end of a partition (OFFSET_BEGINNING, OFFSET_END). rd_kafka_query_watermark_offsets would ask
 * for both at once, but before librdkafka 2.3 it waits for a leader that is gone for as long as it
 * is gone. */
static rd_kafka_resp_err_t ask_end(rd_kafka_t *rk, const char *topic, int32_t partition,
	int64_t which, int64_t until_us, int64_t *ret)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	int64_t left_ms = (until_us - kw_monotonic_us()) / 1000;
	rd_kafka_resp_err_t rerr;

	rd_kafka_topic_partition_list_add(list, topic, partition)->offset = which;
	rerr = rd_kafka_offsets_for_times(rk, list, left_ms > 0 ? (int)left_ms : 0);
	if (!rerr)
		rerr = list->elems[0].err;
	*ret = list->elems[0].offset;
	rd_kafka_topic_partition_list_destroy(list);
	return rerr;
}

/* Another broker may lead by now: the next question goes there. */
static void learn_leaders(rd_kafka_t *rk)
{
	const struct rd_kafka_metadata *told;

	if (rd_kafka_metadata(rk, 1, NULL, &told, LEARN_MS) == 0)
		rd_kafka_metadata_destroy(told);
}

enum kw_rc kw_client_watermarks(rd_kafka_t *rk, const char *topic, int32_t partition,
	int timeout_ms, int64_t *ret_low, int64_t *ret_high, struct kw_err *err)
{
	int64_t until_us = kw_monotonic_us() + timeout_ms * 1000LL, left_us = timeout_ms * 1000LL;
	int64_t low, high;
	rd_kafka_resp_err_t rerr;

	for (;;) {
		rerr = ask_end(rk, topic, partition, RD_KAFKA_OFFSET_BEGINNING, until_us, &low);
		if (!rerr)
			rerr = ask_end(rk, topic, partition, RD_KAFKA_OFFSET_END, until_us, &high);
		left_us = until_us - kw_monotonic_us();
		if (!is_moving(rerr) || left_us < MOVING_STEP_MS * 2000LL)
			break;
		(void)poll(NULL, 0, MOVING_STEP_MS);
	}
	if (rerr) {
		learn_leaders(rk);
		return kw_bus_fail(err, rerr, "%s partition %d: Kafka did not tell its ends: %s",
			topic, partition, rd_kafka_err2str(rerr));
	}
	*ret_low = low;
	*ret_high = high;
	return KW_OK;
}
