/* What the tests of courier-dispatch on PostgreSQL share: a migrated database, the service's own
 * login, orders and scans in a line each. Failures end the test. */
#ifndef DISPATCH_TESTING_H
#define DISPATCH_TESTING_H

#include "handlers.h"
#include "jobs.h"

#define DT_SECRET "whsec_dGhlIHNlY3JldCBvZiBhIGNvdXJpZXIsIDMyIGJ5dGU="

extern struct kw_pg *dt_pg;    /* as karwan_dispatch */
extern struct kw_pg *dt_admin; /* as superuser: looks, and moves clocks */
extern struct kw_arena *dt_arena;
extern struct kw_flow_config dt_flow;
extern struct kw_partners
	dt_partners; /* courier-a: 250 PKR, cash; courier-b: 400 PKR, no cash; to PK only;
		      aftership-demo speaks for courier-a as Leopards-Courier */

int dt_set_up(void **state);
int dt_tear_down(void **state);
/* Before each test: empty tables. After each: no row drifts. */
int dt_begin(void **state);
int dt_end(void **state);

void dt_must(enum kw_rc rc, const struct kw_err *err);
/* A connection of the service's own, for another thread. */
struct kw_pg *dt_connect(void);
const char *dt_service_dsn(void);

/* ---- messages ---- */

struct dt_routed {
	const char *order; /* its external id */
	int state;         /* 0: ORDER_ROUTED */
	bool cod;
	int64_t total;
	int first_n, n; /* fulfilments first_n … first_n + n - 1, of 1000.00 PKR each */
	const char *country;
	int64_t weight_g;
};
struct kw_uuid dt_order(const char *external_id);
struct kw_uuid dt_parcel(const char *external_id, int n);
struct kw_uuid dt_fulfilment(const char *external_id, int n);

/* As one batch each. */
void dt_route(const struct dt_routed *orders, size_t n);
void dt_settle(const char *order, bool cleared, int64_t number);
enum kw_rc dt_cancel(struct kw_pg *pg, struct kw_arena *a, const char *order, int first_n, int n,
	struct kw_err *err);
enum kw_rc dt_request_cancel(const struct kw_uuid *parcel_id, struct kw_err *err);
struct dt_scan {
	struct kw_uuid parcel_id;
	const char *courier, *event_id, *status;
	int64_t at;                   /* seconds */
	const char *carrier, *number; /* an aggregator's, in the place of parcel_id */
};
void dt_scan(const struct dt_scan *scans, size_t n);
/* One round of the job that finds parcels for scans that came by their number. */
void dt_match(void);
/* The job that gives scans the status that their word means, until there is no more; how many
 * rounds had work. */
int dt_name(void);
/* Booked under KA1, as the booking round would, at a second. */
void dt_book_at(const char *order, int n, int64_t at);
/* Routed and paid. */
void dt_ready(const char *order, int n);

/* One batch with an order's cancellation and a scan of some parcel: the locks and the handlers as
 * the runner calls them, in a transaction. between: called after the first handler. ret_runs counts
 * how often the batch ran. */
struct dt_mixed {
	const char *cancelled; /* the order; its first fulfilment */
	struct dt_scan scan;
	void (*between)(void *ctx);
	void *ctx;
	int runs;
};
enum kw_rc dt_mixed(
	struct kw_pg *pg, struct kw_arena *a, struct dt_mixed *mixed, struct kw_err *err);

/* ---- looking ---- */

/* One row, one column, as text ("" for NULL). */
const char *dt_text(const char *sql);
int64_t dt_count(const char *sql);
/* The columns of a parcel. */
const char *dt_parcel_text(const char *column, const char *order, int n);
/* The types of a parcel's events in order, without "karwan.parcel." and ".v1", with blanks between.
 */
const char *dt_events(const char *order, int n);
/* Runs a statement as superuser. */
void dt_exec(const char *sql);

#endif
