/* order-routing's handlers on a scratch database, as the service's own role: messages are JSON
 * texts that go through the topic table as the runner would pass them, in one transaction a call.
 */
#ifndef ROUTING_STAGE_H
#define ROUTING_STAGE_H

#include "handlers.h"
#include "jobs.h"

struct stage {
	const char *dsn;
	struct kw_arena *arena, *batch; /* of the test; of one transaction */
	struct kw_pg *admin, *pg;
	struct kw_flow_config config;
	struct kw_clock clock;
	int64_t offset;
	struct kw_err err; /* of the last call */
};

struct said {
	const char *type, *json;
};

void stage_make(struct stage *w, const char *name);
void stage_done(struct stage *w);
/* Another replica on the same database, for another thread. */
void stage_join(struct stage *w, const struct stage *first);
void stage_leave(struct stage *w);

/* One batch of messages, grouped by the rows of the topic table. */
enum kw_rc stage_try(struct stage *w, const struct said *said, size_t n);
void stage_say(struct stage *w, const struct said *said, size_t n);
#define SAY(w, ...)                                           \
	stage_say((w), (const struct said[]) { __VA_ARGS__ }, \
		sizeof((const struct said[]) { __VA_ARGS__ }) / sizeof(struct said))
/* A job once. */
enum kw_rc stage_job(struct stage *w, kw_outcome_fn *fn);
/* A job until it has nothing to do; fails after 100 rounds. */
void stage_stock(struct stage *w);
void stage_expire(struct stage *w);
void stage_later(struct stage *w, int64_t seconds);

/* The one value of a query, as text; $1 may be used. */
const char *stage_text(struct stage *w, const char *sql, const char *argument);
int64_t stage_number(struct stage *w, const char *sql, const char *argument);
void stage_script(struct stage *w, const char *sql);
/* No row in drift, and something was looked at. */
void stage_is_clean(struct stage *w);
/* Types and versions of an order's events: "received:1 routed:2". */
const char *stage_events(struct stage *w, const char *order_id);
const char *stage_state(struct stage *w, const char *order_id);

/* ---- messages ---- */

const char *hub_json(struct stage *w, const char *id, int version);
const char *maker_json(struct stage *w, const char *id, const char *hub, const char *skill,
	int capacity, const char *state, int version);
/* publication "shop:SKU" or NULL. */
const char *listing_json(struct stage *w, const char *id, const char *kind, const char *maker,
	const char *hub, const char *skill, int quantity, const char *state, int version);
struct order_said {
	const char *external_id, *kind, *source_time, *hash, *lines; /* lines: "SKU:2 SKU:1" */
	const char *more; /* members to add, with a comma before */
	const char *total;
	bool test, no_address;
};
const char *order_json(struct stage *w, struct order_said o);
const char *order_id(struct stage *w, const char *external_id);
const char *parcel_json(struct stage *w, const char *external_id, int n);

#define ORDERED(w, ...)                                                                           \
	{                                                                                         \
		"karwan.order.submitted.v1", order_json((w), (struct order_said) { __VA_ARGS__ }) \
	}
#define HUB(w, ...)                                                 \
	{                                                           \
		"karwan.hub.changed.v1", hub_json((w), __VA_ARGS__) \
	}
#define MAKER(w, ...)                                                   \
	{                                                               \
		"karwan.maker.changed.v1", maker_json((w), __VA_ARGS__) \
	}
#define LISTING(w, ...)                                                     \
	{                                                                   \
		"karwan.listing.changed.v1", listing_json((w), __VA_ARGS__) \
	}
#define PARCEL(w, what, ...)                                               \
	{                                                                  \
		"karwan.parcel." what ".v1", parcel_json((w), __VA_ARGS__) \
	}

#endif
