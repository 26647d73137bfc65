/* A member of a consumer group whose offsets live elsewhere. One thread; callbacks run on it,
 * inside poll. */
#include "bus/consumer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bus/impl.h"

#define SESSION_MS 10000
#define QUEUED_KB 16384
#define FETCH_BYTES_MIN 65536
#define FETCH_WAIT_MS 25
#define FETCH_BYTES_MAX (4 * 1024 * 1024)
#define ROUND_MAX 10000 /* messages of one poll */
#define STUCK_MS 60000  /* a member that does not poll holds up a rebalance no longer than this */
#define CLOSE_STEP_MS 20

struct kw_consumer {
	struct kw_consumer_config config;
	char *group;
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	struct kw_links links;
	rd_kafka_message_t *
		*taken; /* [0, at) was handed out by the last poll, [at, n_taken) is next */
	size_t n_taken, at, cap;
	struct kw_message *messages;
	struct kw_position *assigned; /* as on_assign answered */
	size_t n_assigned;
	bool member;         /* the group has given us partitions, which may be none */
	unsigned generation; /* counts the callbacks of rebalances */
	bool closing;
	enum kw_rc assign_rc;
	struct kw_err assign_err;
};

/* ---- rebalances ---- */

static const char *topic_of(const struct kw_consumer *c, const char *name)
{
	for (size_t i = 0; i < c->config.n_topics; i++)
		if (strcmp(c->config.topics[i], name) == 0)
			return c->config.topics[i];
	kw_assert(!"the group gave a topic that was not subscribed");
	return NULL;
}

/* librdkafka 2.0.2 stops a partition twice, and then aborts
 * (rd_kafka_assignment_partition_stopped), when an assignment follows another before that one's
 * stops were answered. Both the stops and their answers pass through the main thread's queue, so
 * two questions through the same queue come after them. */
static void settle(struct kw_consumer *c)
{
	for (int i = 0; i < 2; i++) {
		rd_kafka_topic_partition_list_t *list;

		if (rd_kafka_assignment(c->rk, &list) == RD_KAFKA_RESP_ERR_NO_ERROR)
			rd_kafka_topic_partition_list_destroy(list);
	}
}

/* With an empty list the member stays in its group; NULL would make it join anew. */
static rd_kafka_resp_err_t assign(
	struct kw_consumer *c, const struct kw_position *positions, size_t n)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);
	rd_kafka_resp_err_t rerr;

	for (size_t i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(list, positions[i].topic, positions[i].partition)
			->offset = positions[i].offset;
	settle(c);
	rerr = rd_kafka_assign(c->rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	return rerr;
}

static void take_assignment(struct kw_consumer *c, const rd_kafka_topic_partition_list_t *list)
{
	size_t n = (size_t)list->cnt;
	rd_kafka_resp_err_t rerr;

	free(c->assigned);
	c->assigned = calloc(n + 1, sizeof(*c->assigned));
	kw_assert(c->assigned != NULL);
	c->n_assigned = n;
	for (size_t i = 0; i < n; i++)
		c->assigned[i] = (struct kw_position) {
			.topic = topic_of(c, list->elems[i].topic),
			.partition = list->elems[i].partition,
		};
	c->assign_rc = c->config.on_assign(c->config.ctx, c->assigned, n, &c->assign_err);
	if (c->assign_rc != KW_OK)
		c->n_assigned = 0;
	rerr = assign(c, c->assigned, c->n_assigned);
	if (rerr && c->assign_rc == KW_OK)
		c->assign_rc = kw_bus_fail(&c->assign_err, rerr, "partitions were not assigned: %s",
			rd_kafka_err2str(rerr));
	c->member = true;
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t rerr,
	rd_kafka_topic_partition_list_t *list, void *opaque)
{
	struct kw_consumer *c = opaque;

	c->generation++;
	if (rerr == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && !c->closing) {
		take_assignment(c, list);
		return;
	}
	c->member = false;
	c->n_assigned = 0;
	if (!c->closing)
		c->config.on_revoke(c->config.ctx);
	settle(c);
	rd_kafka_assign(rk, NULL);
}

/* ---- open and close ---- */

/* Connections are watched by their links, and librdkafka's log has told it; without this it tells
 * it twice. */
static void on_error(rd_kafka_t *rk, int rerr, const char *reason, void *opaque)
{
	(void)rk;
	(void)rerr;
	(void)reason;
	(void)opaque;
}

static rd_kafka_conf_t *settings(struct kw_consumer *c)
{
	const struct kw_consumer_config *config = &c->config;
	rd_kafka_conf_t *conf = kw_conf_new(config->brokers, config->client_id, &c->links);
	int session_ms = config->session_ms ? config->session_ms : SESSION_MS;
	int queued_kb = config->queued_max_kb ? config->queued_max_kb : QUEUED_KB;

	kw_conf_set(conf, "group.id", config->group);
	kw_conf_set(conf, "enable.auto.commit", "false");
	kw_conf_set(conf, "enable.auto.offset.store", "false");
	kw_conf_set(conf, "auto.offset.reset", "error");
	kw_conf_set(conf, "partition.assignment.strategy", "range");
	kw_conf_set_int(conf, "session.timeout.ms", session_ms);
	kw_conf_set_int(conf, "heartbeat.interval.ms", session_ms / 5);
	kw_conf_set_int(
		conf, "max.poll.interval.ms", session_ms > STUCK_MS ? session_ms : STUCK_MS);
	kw_conf_set_int(conf, "socket.timeout.ms", SESSION_MS);
	kw_conf_set_int(conf, "queued.max.messages.kbytes", queued_kb);
	kw_conf_set_int(conf, "fetch.max.bytes", FETCH_BYTES_MAX);
	kw_conf_set_int(conf, "fetch.message.max.bytes", FETCH_BYTES_MAX / 4);
	/* records that trickle in are fetched together, at the latest after this wait */
	kw_conf_set_int(conf, "fetch.wait.max.ms", FETCH_WAIT_MS);
	kw_conf_set_int(conf, "fetch.min.bytes", FETCH_BYTES_MIN);
	kw_conf_set_int(conf, "fetch.error.backoff.ms", 50);
	kw_conf_try(conf, "fetch.queue.backoff.ms", "50");
	rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
	rd_kafka_conf_set_error_cb(conf, on_error);
	rd_kafka_conf_set_opaque(conf, c);
	return conf;
}

static enum kw_rc subscribe(struct kw_consumer *c, struct kw_err *err)
{
	rd_kafka_topic_partition_list_t *list =
		rd_kafka_topic_partition_list_new((int)c->config.n_topics);
	rd_kafka_resp_err_t rerr;

	for (size_t i = 0; i < c->config.n_topics; i++)
		rd_kafka_topic_partition_list_add(list, c->config.topics[i], RD_KAFKA_PARTITION_UA);
	rerr = rd_kafka_subscribe(c->rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	if (rerr)
		return kw_bus_fail(err, rerr, "group %s: topics were not subscribed: %s",
			c->config.group, rd_kafka_err2str(rerr));
	return KW_OK;
}

enum kw_rc kw_consumer_open(
	const struct kw_consumer_config *config, struct kw_consumer **ret, struct kw_err *err)
{
	struct kw_consumer *c = calloc(1, sizeof(*c));
	enum kw_rc rc;

	kw_assert(c != NULL && config->on_assign && config->on_revoke && config->n_topics > 0);
	c->config = *config;
	c->config.group = c->group = strdup(config->group);
	kw_assert(c->group != NULL);
	kw_links_init(&c->links);
	rc = kw_client_open(RD_KAFKA_CONSUMER, settings(c), &c->rk, err);
	if (rc == KW_OK) {
		/* one queue for records, rebalances and errors */
		rd_kafka_poll_set_consumer(c->rk);
		c->queue = rd_kafka_queue_get_consumer(c->rk);
		rc = subscribe(c, err);
	}
	if (rc != KW_OK) {
		kw_consumer_close(c, 0);
		return rc;
	}
	*ret = c;
	return KW_OK;
}

static void drop_taken(struct kw_consumer *c)
{
	for (size_t i = 0; i < c->n_taken; i++)
		rd_kafka_message_destroy(c->taken[i]);
	c->n_taken = c->at = 0;
}

static void leave(struct kw_consumer *c, int timeout_ms)
{
	int64_t until = kw_monotonic_us() + timeout_ms * 1000LL;
	rd_kafka_message_t *m;

	rd_kafka_error_destroy(rd_kafka_consumer_close_queue(c->rk, c->queue));
	while (!rd_kafka_consumer_closed(c->rk) && kw_monotonic_us() < until)
		if (rd_kafka_consume_batch_queue(c->queue, CLOSE_STEP_MS, &m, 1) == 1)
			rd_kafka_message_destroy(m);
}

void kw_consumer_close(struct kw_consumer *c, int timeout_ms)
{
	if (!c)
		return;
	drop_taken(c);
	c->closing = true;
	if (c->rk) {
		leave(c, timeout_ms);
		rd_kafka_queue_destroy(c->queue);
		if (!kw_client_end(c->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE))
			return;
	}
	kw_links_done(&c->links);
	free(c->group);
	free(c->taken);
	free(c->messages);
	free(c->assigned);
	free(c);
}

/* ---- records ---- */

static void make_room(struct kw_consumer *c, size_t max)
{
	if (max <= c->cap)
		return;
	free(c->taken);
	free(c->messages);
	c->taken = calloc(max, sizeof(rd_kafka_message_t *));
	c->messages = calloc(max, sizeof(*c->messages));
	kw_assert(c->taken != NULL && c->messages != NULL);
	c->cap = max;
}

/* A rebalance came in between, so nobody knows to which assignment the records in hand belong: they
 * are fetched again, from where on_assign said. */
static enum kw_rc after_rebalance(struct kw_consumer *c, struct kw_err *err)
{
	bool fetched = c->n_taken > 0;
	enum kw_rc rc = c->assign_rc;

	drop_taken(c);
	c->assign_rc = KW_OK;
	if (rc != KW_OK) {
		if (err)
			*err = c->assign_err;
		return rc;
	}
	if (fetched && c->member) {
		rd_kafka_resp_err_t rerr = assign(c, c->assigned, c->n_assigned);

		if (rerr)
			return kw_bus_fail(err, rerr, "partitions were not assigned: %s",
				rd_kafka_err2str(rerr));
	}
	return KW_NOTHING;
}

/* librdkafka waits for all that it is asked for, so it is asked for one first, then for what is
 * there. */
static enum kw_rc take(struct kw_consumer *c, int wait_ms, size_t max, struct kw_err *err)
{
	unsigned generation = c->generation;
	ssize_t n = rd_kafka_consume_batch_queue(c->queue, wait_ms, c->taken, 1);

	c->n_taken = n > 0 ? (size_t)n : 0;
	if (c->n_taken > 0 && max > 1) {
		n = rd_kafka_consume_batch_queue(c->queue, 0, c->taken + 1, max - 1);
		c->n_taken += n > 0 ? (size_t)n : 0;
	}
	if (generation != c->generation)
		return after_rebalance(c, err);
	return c->n_taken > 0 ? KW_OK : KW_NOTHING;
}

/* What librdkafka says in place of a record. */
static enum kw_rc fault(const struct kw_consumer *c, const rd_kafka_message_t *m,
	struct kw_position *ret_fault, struct kw_err *err)
{
	const char *topic = m->rkt ? rd_kafka_topic_name(m->rkt) : "";

	if (kw_bus_rc(m->err) != KW_CONFLICT)
		return kw_bus_fail(err, m->err, "group %s %s: %s", c->config.group, topic,
			rd_kafka_message_errstr(m));
	kw_assert(m->rkt);
	*ret_fault = (struct kw_position) { topic_of(c, topic), m->partition, m->offset };
	return kw_fail_code(err, KW_CONFLICT, "OFFSET_OUT_OF_RANGE",
		"%s partition %d has no offset %" PRId64 ": %s", topic, m->partition, m->offset,
		rd_kafka_message_errstr(m));
}

enum kw_rc kw_consumer_poll(struct kw_consumer *c, int wait_ms, size_t max, size_t max_bytes,
	const struct kw_message **ret, size_t *ret_n, struct kw_position *ret_fault,
	struct kw_err *err)
{
	size_t n = 0, bytes = 0;

	kw_assert(max > 0 && max <= ROUND_MAX);
	if (c->at == c->n_taken) {
		drop_taken(c);
		make_room(c, max);
		KW_TRY(take(c, wait_ms, max, err));
	}
	for (; c->at < c->n_taken && n < max; c->at++) {
		rd_kafka_message_t *m = c->taken[c->at];
		size_t size = m->len + m->key_len;

		if (n > 0 && (m->err || bytes + size > max_bytes))
			break;
		if (m->err) {
			c->at++;
			return fault(c, m, ret_fault, err);
		}
		kw_message_of(m, topic_of(c, rd_kafka_topic_name(m->rkt)), &c->messages[n++]);
		bytes += size;
	}
	*ret = c->messages;
	*ret_n = n;
	return KW_OK;
}

enum kw_rc kw_consumer_reassign(
	struct kw_consumer *c, const struct kw_position *positions, size_t n, struct kw_err *err)
{
	rd_kafka_resp_err_t rerr;

	drop_taken(c);
	if (!c->member)
		return kw_fail_code(err, KW_RETRY, "_ASSIGNMENT_LOST",
			"group %s: no partitions are assigned", c->config.group);
	rerr = assign(c, positions, n);
	if (rerr)
		return kw_bus_fail(
			err, rerr, "partitions were not assigned: %s", rd_kafka_err2str(rerr));
	return KW_OK;
}

/* ---- questions ---- */

bool kw_consumer_take_lost(struct kw_consumer *c)
{
	return atomic_exchange(&c->links.lost, false);
}

enum kw_rc kw_consumer_watermarks(struct kw_consumer *c, const char *topic, int32_t partition,
	int timeout_ms, int64_t *ret_low, int64_t *ret_high, struct kw_err *err)
{
	return kw_client_watermarks(c->rk, topic, partition, timeout_ms, ret_low, ret_high, err);
}

int64_t kw_consumer_high(struct kw_consumer *c, const char *topic, int32_t partition)
{
	int64_t low, high;

	if (rd_kafka_get_watermark_offsets(c->rk, topic, partition, &low, &high) ||
		high == RD_KAFKA_OFFSET_INVALID)
		return -1;
	return high;
}

void kw_consumer_report(struct kw_consumer *c, const struct kw_position *positions, size_t n)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);

	for (size_t i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(list, positions[i].topic, positions[i].partition)
			->offset = positions[i].offset;
	(void)rd_kafka_commit(c->rk, list, 1);
	rd_kafka_topic_partition_list_destroy(list);
}
