/* The publisher: leads under a lease, reads the journal in its order, sends with one request in
 * flight, remembers what was acknowledged. */
#include "flow/publish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"

#define LEASE_MS 10000
#define RENEW_US (3 * KW_US_PER_S)
#define TRY_US (KW_US_PER_S / 2)
#define SAVE_US (KW_US_PER_S / 10)
#define KEEP_US (60 * KW_US_PER_S)
#define IDLE_MS 10     /* other replicas write the journal too, and nudge nobody here */
#define IDLE_MAX_MS 80 /* when nothing has come for a while */
#define GATHER_US 5000 /* what is committed within this time is sent together */
#define READ_PER_PART 500
#define IN_FLIGHT_MAX 20000

enum {
	TAKE_LEASE,
	RENEW_LEASE,
	GIVE_LEASE,
	READ_JOURNAL,
	SAVE,
	FIND_PENDING,
	MAKE_RANGES,
	DROP_RANGES
};

static const struct kw_stmt stmts[] = {
	[TAKE_LEASE] = { "UPDATE leases SET token = nextval('lease_tokens'), holder = $1::text, "
			 "until = clock_timestamp() + $2::int * interval '1 millisecond' "
			 "WHERE name = 'publisher' AND until < clock_timestamp() RETURNING token" },
	[RENEW_LEASE] = { "UPDATE leases SET until = clock_timestamp() + $2::int * interval '1 "
			  "millisecond' "
			  "WHERE name = 'publisher' AND token = $1::bigint" },
	[GIVE_LEASE] = { "UPDATE leases SET until = '-infinity' WHERE name = 'publisher' AND token "
			 "= $1::bigint" },
	[READ_JOURNAL] = { "SELECT j.partition, j.number, j.epoch, j.id, j.key, j.type, j.entity, "
			   "j.time, j.trace, j.payload, j.caused_at "
			   "FROM unnest($1::int[], $2::bigint[]) AS a(partition, after) "
			   "JOIN head h ON h.partition = a.partition AND h.number > a.after "
			   "CROSS JOIN LATERAL "
			   "(SELECT * FROM journal j WHERE j.partition = a.partition AND "
			   "j.number > a.after ORDER BY j.number LIMIT $3::bigint) j" },
	[SAVE] = { "SELECT save_published($1::bigint, $2::int[], $3::bigint[], $4::bigint[], "
		   "$5::timestamptz[])" },
	[FIND_PENDING] = { "SELECT coalesce(sum(h.number - p.number), 0)::bigint FROM head h JOIN "
			   "published p USING (partition)" },
	[MAKE_RANGES] = { "SELECT journal_make_ranges()" },
	[DROP_RANGES] = { "SELECT journal_drop_ranges($1::bigint * interval '1 millisecond')" },
};

struct one {
	int64_t value;
};
static const struct kw_col one_cols[] = { KW_COL_I64(struct one, value), KW_COL_END };

struct after {
	int partition;
	int64_t number;
};
static const struct kw_col after_cols[] = { KW_COL_INT(struct after, partition),
	KW_COL_I64(struct after, number), KW_COL_END };

struct acked {
	int partition;
	int64_t number;
	struct kw_landing at;
};
static const struct kw_col acked_cols[] = {
	KW_COL_INT(struct acked, partition),
	KW_COL_I64(struct acked, number),
	KW_COL_I64(struct acked, at.offset),
	KW_COL_TIME(struct acked, at.time),
	KW_COL_END,
};

struct event {
	int partition, epoch;
	int64_t number;
	struct kw_uuid id, entity;
	const char *key, *type, *trace, *payload;
	kw_time time, caused;
};
static const struct kw_col event_cols[] = {
	KW_COL_INT(struct event, partition),
	KW_COL_I64(struct event, number),
	KW_COL_INT(struct event, epoch),
	KW_COL_UUID(struct event, id),
	KW_COL_TEXT(struct event, key),
	KW_COL_TEXT(struct event, type),
	KW_COL_UUID(struct event, entity),
	KW_COL_TIME(struct event, time),
	KW_COL_TEXT(struct event, trace),
	KW_COL_TEXT(struct event, payload),
	KW_COL_TIME(struct event, caused),
	KW_COL_END,
};

/* ---- acknowledgements ---- */

/* partition and number in one pointer: a number stays below 2^48 */
static void *pack(int partition, int64_t number)
{
	return (void *)(((uintptr_t)partition << 48) | (uintptr_t)number);
}

/* The broker's clock gave the one time and ours gives the other. */
static void tell_delay(const struct kw_publisher *p, kw_time caused)
{
	int64_t delay_us = kw_now(p->config.clock) - caused;

	if (caused != 0 && p->config.on_published)
		p->config.on_published(p->config.commit_ctx, delay_us > 0 ? delay_us : 0);
}

static void delivered(void *ctx, void *opaque, enum kw_delivery outcome, struct kw_landing at)
{
	struct kw_publisher *p = ctx;
	struct kw_pub_part *part = &p->parts[(uintptr_t)opaque >> 48];
	int64_t number = (int64_t)((uintptr_t)opaque & (((uintptr_t)1 << 48) - 1));

	p->in_flight--;
	if (outcome == KW_REFUSED)
		p->blocked = "Kafka refuses an event of the journal (size, topic or rights)";
	if (outcome != KW_PERSISTED || number != part->acked + 1 ||
		at.offset <= part->acked_at.offset) {
		p->walk_needed = true;
		return;
	}
	part->acked = number;
	part->acked_at = at;
	tell_delay(p, part->caused[number % KW_PUB_CAUSED]);
	atomic_fetch_add_explicit(&p->published, 1, memory_order_relaxed);
}

enum kw_rc kw_publisher_save(struct kw_publisher *p, struct kw_err *err)
{
	struct acked *rows = kw_new(p->arena, struct acked, (size_t)p->n_parts);
	struct kw_args args = kw_args_of(p->arena);
	size_t n = 0;

	for (int i = 0; i < p->n_parts; i++)
		if (p->parts[i].acked != p->parts[i].saved)
			rows[n++] = (struct acked) { i, p->parts[i].acked, p->parts[i].acked_at };
	if (n == 0)
		return KW_OK;
	kw_args_i64(&args, p->token);
	kw_args_rows(&args, acked_cols, rows, n, sizeof(*rows));
	KW_TRY(kw_pg_exec(p->pg, &stmts[SAVE], &args, NULL, err));
	for (size_t i = 0; i < n; i++)
		p->parts[rows[i].partition].saved = rows[i].number;
	return KW_OK;
}

/* ---- the lease ---- */

static void step_down(struct kw_publisher *p)
{
	p->token = 0;
	atomic_store(&p->leader, false);
	atomic_store_explicit(&p->pending, 0, memory_order_relaxed);
}

static enum kw_rc lead(struct kw_publisher *p, struct kw_err *err)
{
	int64_t now = kw_monotonic_us();
	struct kw_args args = kw_args_of(p->arena);
	size_t held = 0;

	if (p->token == 0) {
		struct one row;

		if (p->tried_us && now - p->tried_us < TRY_US)
			return KW_NOTHING;
		p->tried_us = now;
		kw_args_text(&args, p->holder);
		kw_args_int(&args, LEASE_MS);
		KW_TRY(kw_pg_fetch_one(
			p->pg, &stmts[TAKE_LEASE], &args, one_cols, sizeof(row), &row, err));
		p->token = row.value;
		p->renewed_us = now;
		p->walk_needed = true;
		atomic_store(&p->leader, true);
		kw_log(KW_INFO, "publisher leads", KW_LI("token", p->token));
		return KW_OK;
	}
	if (now - p->renewed_us < RENEW_US)
		return KW_OK;
	kw_args_i64(&args, p->token);
	kw_args_int(&args, LEASE_MS);
	KW_TRY(kw_pg_exec(p->pg, &stmts[RENEW_LEASE], &args, &held, err));
	if (held == 0) {
		kw_log(KW_WARNING, "publisher's lease was taken over", KW_LI("token", p->token));
		step_down(p);
		return KW_NOTHING;
	}
	p->renewed_us = now;
	return KW_OK;
}

/* ---- one round ---- */

static enum kw_rc walk(struct kw_publisher *p, struct kw_err *err)
{
	(void)kw_producer_take_lost(p->producer);
	KW_TRY(kw_producer_renew(p->producer, err));
	p->in_flight = 0;
	KW_TRY(kw_publisher_walk(p, err));
	p->sessions = kw_pg_sessions(p->pg);
	p->walk_needed = false;
	p->more = true;
	p->blocked = NULL;
	atomic_fetch_add_explicit(&p->walks, 1, memory_order_relaxed);
	return kw_publisher_save(p, err);
}

static enum kw_rc send_event(struct kw_publisher *p, const struct event *event, struct kw_err *err)
{
	struct kw_envelope e = {
		.id = event->id,
		.type = event->type,
		.source = p->source,
		.subject = event->entity.s,
		.time = event->time,
		.place = { event->epoch, event->number },
	};
	struct kw_header headers[KW_HEADERS_MAX];
	struct kw_pub_part *part = &p->parts[event->partition];
	size_t n;

	kw_assert(event->number > part->sent);
	snprintf(e.trace.s, sizeof(e.trace.s), "%s", event->trace ? event->trace : "");
	n = kw_envelope_headers(&e, p->arena, headers);
	KW_TRY(kw_producer_send(p->producer, p->config.events_topic, event->partition,
		(struct kw_bytes) { event->key, strlen(event->key) },
		(struct kw_bytes) { event->payload, strlen(event->payload) }, headers, n,
		pack(event->partition, event->number), err));
	p->in_flight++;
	part->sent = event->number;
	/* not of what Kafka had and lost */
	part->caused[event->number % KW_PUB_CAUSED] =
		event->number > part->saved ? event->caused : 0;
	if (event->number <= part->saved)
		atomic_fetch_add_explicit(&p->resent, 1, memory_order_relaxed);
	return KW_OK;
}

/* Was the publisher nudged since it last read the journal? */
static bool called(struct kw_publisher *p)
{
	pthread_mutex_lock(&p->lock);
	p->called |= p->nudged;
	p->nudged = false;
	pthread_mutex_unlock(&p->lock);
	return p->called;
}

/* A read costs PostgreSQL as much for one event as for many. */
static bool read_due(struct kw_publisher *p)
{
	int64_t since_us = kw_monotonic_us() - p->read_us;

	return p->more || since_us >= p->idle_ms * 1000LL || (since_us >= GATHER_US && called(p));
}

/* NOTHING: the journal holds nothing that was not sent. */
static enum kw_rc send_journal(struct kw_publisher *p, struct kw_err *err)
{
	struct after *after = kw_new(p->arena, struct after, (size_t)p->n_parts);
	struct kw_args args = kw_args_of(p->arena);
	struct event *events;
	size_t n;

	p->read_us = kw_monotonic_us();
	p->called = false;
	for (int i = 0; i < p->n_parts; i++)
		after[i] = (struct after) { i, p->parts[i].sent };
	kw_args_rows(&args, after_cols, after, (size_t)p->n_parts, sizeof(*after));
	kw_args_i64(&args, READ_PER_PART);
	KW_TRY(kw_pg_fetch(
		p->pg, &stmts[READ_JOURNAL], &args, event_cols, sizeof(*events), &events, &n, err));
	p->more = n >= READ_PER_PART;
	p->idle_ms = n > 0 ? IDLE_MS : p->idle_ms < IDLE_MAX_MS ? p->idle_ms * 2 : IDLE_MAX_MS;
	for (size_t i = 0; i < n; i++) {
		enum kw_rc rc = send_event(p, &events[i], err);
		if (rc == KW_RETRY)
			break; /* the queue is full: the rest is read again */
		KW_TRY(rc);
	}
	return n > 0 ? KW_OK : KW_NOTHING;
}

/* Asked after reports were taken, before they are remembered: those of a connection that came after
 * a lost one may speak of a log that has lost its tail. The walk says. */
static bool believed(struct kw_publisher *p)
{
	if (kw_producer_take_lost(p->producer))
		p->walk_needed = true;
	return !p->walk_needed;
}

static enum kw_rc keep_house(struct kw_publisher *p, struct kw_err *err)
{
	int64_t now = kw_monotonic_us();
	const struct kw_topic *topic = kw_topics_find(p->config.topics, p->config.events_topic);
	struct kw_args args = kw_args_of(p->arena);
	struct one row;

	if (now - p->saved_us >= SAVE_US) {
		p->saved_us = now;
		if (believed(p))
			KW_TRY(kw_publisher_save(p, err));
	}
	if (now - p->counted_us >= KW_US_PER_S) {
		p->counted_us = now;
		KW_TRY(kw_pg_fetch_one(
			p->pg, &stmts[FIND_PENDING], &args, one_cols, sizeof(row), &row, err));
		atomic_store_explicit(&p->pending, row.value, memory_order_relaxed);
	}
	if (p->kept_us && now - p->kept_us < KEEP_US)
		return KW_OK;
	p->kept_us = now;
	KW_TRY(kw_pg_exec(p->pg, &stmts[MAKE_RANGES], &args, NULL, err));
	if (topic->retention_ms < 0)
		return KW_OK;
	kw_args_i64(&args, topic->retention_ms);
	return kw_pg_exec(p->pg, &stmts[DROP_RANGES], &args, NULL, err);
}

/* OK: something was done; NOTHING: idle. */
static enum kw_rc round_once(struct kw_publisher *p, struct kw_err *err)
{
	enum kw_rc sent = KW_NOTHING;

	kw_arena_reset(p->arena);
	KW_TRY(lead(p, err));
	if (kw_producer_take_lost(p->producer) || kw_pg_sessions(p->pg) != p->sessions)
		p->walk_needed = true;
	if (p->walk_needed)
		KW_TRY(walk(p, err));
	if (p->in_flight < IN_FLIGHT_MAX && read_due(p)) {
		sent = send_journal(p, err);
		if (sent != KW_OK && sent != KW_NOTHING)
			return sent;
	}
	kw_producer_poll(p->producer, p->in_flight > 0 && sent == KW_NOTHING ? 5 : 0);
	KW_TRY(keep_house(p, err));
	return sent == KW_OK || p->in_flight > 0 ? KW_OK : KW_NOTHING;
}

static void wait_for_work(struct kw_publisher *p, int wait_ms)
{
	int64_t until_us = kw_monotonic_us() + wait_ms * 1000LL;
	struct timespec until = { until_us / KW_US_PER_S, until_us % KW_US_PER_S * 1000 };

	pthread_mutex_lock(&p->lock);
	if (!p->nudged)
		pthread_cond_clockwait(&p->wake, &p->lock, CLOCK_MONOTONIC, &until);
	p->called |= p->nudged;
	p->nudged = false;
	pthread_mutex_unlock(&p->lock);
}

static void gather(const struct kw_publisher *p)
{
	int64_t left_us = p->read_us + GATHER_US - kw_monotonic_us();
	struct timespec ts = { 0, left_us * 1000 };

	if (p->called && left_us > 0)
		nanosleep(&ts, NULL);
}

void kw_publisher_nudge(struct kw_publisher *p)
{
	pthread_mutex_lock(&p->lock);
	p->nudged = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

/* FATAL ends the loop; everything else is said once and tried again. */
static enum kw_rc recover(
	struct kw_publisher *p, enum kw_rc rc, int64_t *said_us, const struct kw_err *err)
{
	int64_t now = kw_monotonic_us();

	if (rc == KW_FATAL)
		return rc;
	if (strcmp(err->code, "KW002") == 0)
		step_down(p);
	if (strcmp(err->code, "WENT_BACK") == 0)
		p->blocked = "the log has events that the journal does not have";
	p->walk_needed = true;
	if (now - *said_us > 10 * KW_US_PER_S) {
		*said_us = now;
		kw_log_err(p->blocked ? KW_ERROR : KW_WARNING, "publisher waits", err,
			KW_LS("blocked", p->blocked));
	}
	wait_for_work(p, 200);
	return KW_OK;
}

enum kw_rc kw_publisher_run(struct kw_publisher *p, bool once, struct kw_err *err)
{
	int64_t said_us = -60 * KW_US_PER_S;

	while (!atomic_load(&p->stop)) {
		enum kw_rc rc = round_once(p, err);

		if (rc == KW_NOTHING) {
			if (once && p->token != 0)
				break;
			wait_for_work(p, p->token ? p->idle_ms : IDLE_MAX_MS);
			gather(p);
		} else if (rc != KW_OK) {
			KW_TRY(recover(p, rc, &said_us, err));
		}
	}
	if (p->token == 0)
		return KW_OK;
	/* what is on its way is waited for, so that the successor's walk is short */
	for (int i = 0; i < 200 && p->in_flight > 0; i++)
		kw_producer_poll(p->producer, 10);
	kw_arena_reset(p->arena);
	struct kw_args args = kw_args_of(p->arena);
	struct kw_err ignored;
	if (believed(p))
		(void)kw_publisher_save(p, &ignored);
	kw_args_i64(&args, p->token);
	(void)kw_pg_exec(p->pg, &stmts[GIVE_LEASE], &args, NULL, &ignored);
	step_down(p);
	return KW_OK;
}

enum kw_rc kw_publisher_open(
	const struct kw_flow_config *config, struct kw_publisher **ret, struct kw_err *err)
{
	struct kw_publisher *p = calloc(1, sizeof(*p));
	const struct kw_topic *topic = kw_topics_find(config->topics, config->events_topic);
	char host[40] = "";
	enum kw_rc rc;

	kw_assert(p != NULL && topic != NULL);
	(void)gethostname(host, sizeof(host) - 1);
	p->config = *config;
	p->idle_ms = IDLE_MS;
	p->n_parts = (int)topic->partitions;
	p->parts = calloc((size_t)p->n_parts, sizeof(*p->parts));
	kw_assert(p->parts != NULL);
	for (int i = 0; i < p->n_parts; i++) {
		p->parts[i].caused = calloc(KW_PUB_CAUSED, sizeof(*p->parts[i].caused));
		kw_assert(p->parts[i].caused != NULL);
	}
	snprintf(p->source, sizeof(p->source), "/karwan/%s", config->service);
	snprintf(p->holder, sizeof(p->holder), "%s/%ld", host, (long)getpid());
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	p->arena = kw_arena_new(KW_ARENA_MAX);
	p->pg = kw_pg_new(&(struct kw_pg_config) {
		.dsn = config->dsn,
		.schema = config->schema,
		.application = p->source,
		.on_session = kw_identity_check,
	});
	rc = kw_producer_open(
		&(struct kw_producer_config) {
			.brokers = config->brokers,
			.client_id = config->service,
			.publisher = true,
			.delivered = delivered,
			.ctx = p,
		},
		&p->producer, err);
	if (rc != KW_OK) {
		kw_publisher_close(p);
		return rc;
	}
	*ret = p;
	return KW_OK;
}

void kw_publisher_close(struct kw_publisher *p)
{
	if (!p)
		return;
	if (p->producer)
		kw_producer_close(p->producer, 0);
	kw_pg_free(p->pg);
	kw_arena_free(p->arena);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	for (int i = 0; i < p->n_parts; i++)
		free(p->parts[i].caused);
	free(p->parts);
	free(p);
}

void kw_publisher_stop(struct kw_publisher *p)
{
	atomic_store(&p->stop, true);
	kw_publisher_nudge(p);
}

void kw_publisher_stats(struct kw_publisher *p, struct kw_publisher_stats *ret)
{
	*ret = (struct kw_publisher_stats) {
		.leader = atomic_load(&p->leader),
		.published = atomic_load_explicit(&p->published, memory_order_relaxed),
		.resent = atomic_load_explicit(&p->resent, memory_order_relaxed),
		.walks = atomic_load_explicit(&p->walks, memory_order_relaxed),
		.pending = atomic_load_explicit(&p->pending, memory_order_relaxed),
	};
}
