/* The whole system as a test sees it: real Kafka, PostgreSQL and Redis of its own, services in
 * replicas under supervisors, courier simulators; started by infra/dev/system, called over HTTP,
 * broken by signals, judged by karwanctl. One thread. Failures end the test. */
#ifndef KT_SYSTEM_H
#define KT_SYSTEM_H

#include "core/arena.h"
#include "http/client.h"
#include "support.h"

struct system {
	char dir[512];
	int replicas;
	struct kw_arena *arena;
	struct kw_client *client;
	const char *attempts; /* file: what was sent and answered, for karwanctl check --attempts */
	unsigned sent;        /* webhook ids */
};

void system_up(struct system *s, const char *name, int replicas);
/* "TOPIC KEY": what lies under this key is wrong on purpose. */
void system_wrong(struct system *s, const char *topic_and_key);
/* Fails when a message in a topic is not as its schema says (messages.py), or a program has logged
 * an error that contains none of the expected texts (NULL-terminated, may be NULL). */
void system_down(struct system *s, const char *const *expected_errors);

/* NAME is a service, a replica ("order-routing.2"), a simulator, or postgres, redis, kafka. */
void system_kill(struct system *s, const char *name, int sig);
void system_stop(struct system *s, const char *name);
void system_start(struct system *s, const char *name);
/* Waits until every service is ready and has its partitions. */
void system_wait_ready(struct system *s);

/* ---- calls; the answer is in the call ---- */

struct order {
	const char *channel, *external_id, *sku, *total; /* total NULL: the price of the lines */
	int64_t quantity;
	bool forged;
};

/* Signed by the channel's secret (adapter karwan), to the replica (1, 2 …). */
struct kw_call system_order_call(struct system *s, const struct order *order, int replica);
/* A provider's succeeded event for an order, in minor units of PKR. */
struct kw_call system_payment_call(
	struct system *s, const char *channel, const char *external_id, int64_t minor);
/* The same with an event's id of its own: "evt_<event>". */
struct kw_call system_event_call(struct system *s, const char *event, const char *channel,
	const char *external_id, int64_t minor);
struct kw_call system_operator_call(struct system *s, const char *method, const char *service,
	const char *path, const char *body);
/* All at once; orders' outcomes go to the attempts file. */
void system_run(struct system *s, struct kw_call *calls, const struct order *orders, size_t n);
/* One call that must be answered so; returns the body. */
const char *system_call(struct system *s, struct kw_call call, int status);

/* ---- looking ---- */

/* Kafka's address. */
const char *system_brokers(struct system *s);
/* Of the superuser. */
const char *system_dsn(struct system *s);
int64_t system_number(struct system *s, const char *schema, const char *sql);
/* Runs karwanctl; returns its exit code, *ret_output what it printed. */
int system_ctl(struct system *s, const char **ret_output, const char *const *words);
/* Until nothing is on its way any more (karwanctl check says so), at most two minutes. */
void system_settle(struct system *s);
/* karwanctl check --attempts is clean. */
void system_check(struct system *s);

#endif
