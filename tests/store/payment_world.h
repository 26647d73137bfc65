/* A database with the schema of payment-reconciliation, its handlers run on it as the service's own
 * login, and questions to it. Failures end the test. */
#ifndef PAYMENT_WORLD_H
#define PAYMENT_WORLD_H

#include "handlers.h"
#include "messages.h"

struct world {
	struct kw_arena *arena; /* lives as long as the world */
	struct kw_arena *batch;
	const char *dsn;
	struct kw_pg *admin; /* superuser */
	struct kw_pg *pg;    /* as karwan_payment */
	struct kw_flow_config config;
};

void world_make(struct world *w, const char *name);
void world_done(struct world *w);
/* A connection of its own as karwan_payment, for a thread. */
struct kw_pg *world_connect(const struct world *w);

/* One batch. n messages as the handler wants them. Returns the code; err may be NULL. */
enum kw_rc world_try(
	struct world *w, kw_batch_fn *handler, const void *messages, size_t n, struct kw_err *err);
/* The same, and it must be OK. */
void world_run(struct world *w, kw_batch_fn *handler, const void *messages, size_t n);
/* The same on another connection and arena. */
enum kw_rc world_run_on(const struct world *w, struct kw_pg *pg, struct kw_arena *a,
	kw_batch_fn *handler, const void *messages, size_t n, struct kw_err *err);

/* One number, or one text, from a constant statement with up to one argument (a text; NULL: none).
 */
int64_t world_number(struct world *w, const char *sql, const char *argument);
const char *world_text(struct world *w, const char *sql, const char *argument);
/* Statements as superuser. */
void world_script(struct world *w, const char *sql);
/* Fails with what drifts, unless nothing does. */
void world_no_drift(struct world *w);
/* Events of an entity: versions 1, 2, 3 … without a gap, for all entities. */
void world_versions_grow(struct world *w);

/* ---- messages ---- */

struct kw_meta meta_of(const char *what, const char *key);
struct kw_uuid order_id_of(const char *external_id);
struct kw_uuid fulfilment_id_of(const char *external_id, int n);
#define PKR(minor) ((struct kw_money) { (minor), "PKR" })
#define USD(minor) ((struct kw_money) { (minor), "USD" })

/* Three shawls at 33.35 less 10.01 and one stole at 50.00, shipping 9.99, tax 3.31, total 153.34,
 * fee 2.5 %, of channel "dibs". */
struct order_received shawls(const char *external_id);
/* Fulfilment 1: two shawls by amina; fulfilment 2: one shawl and the stole by bano. */
struct order_routed by_two(const char *external_id);
struct parcel_delivered parcel(const char *external_id, int n);
/* kind, minor units; event: the provider's event id; payment: its payment id. */
struct payment_reported word_of(const char *external_id, int kind, struct kw_money amount,
	const char *event, const char *payment);
/* All of it. */
struct order_cancelled cancel_all(const char *external_id);
/* Only the second fulfilment. */
struct order_cancelled cancel_second(const char *external_id);

#endif
