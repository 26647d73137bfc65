/* Leased work: couriers are asked to book parcels, and to call bookings off. A round leases many
 * intents, calls side by side, and records all outcomes in one transaction. Runs on the job thread.
 */
#ifndef DISPATCH_JOBS_H
#define DISPATCH_JOBS_H

#include "adapters/adapter.h"
#include "desk.h"
#include "flow/lease.h"

#define ROUND_MAX 1000 /* intents */

struct job_env {
	const struct kw_flow_config *flow;
	const struct kw_partners *partners;
	struct kw_client *client;
	int deadline_ms; /* of one call; a round makes two, one after the other */
	int lease_ms;    /* of a round; more than twice of that */
};

/* One intent of a round. */
struct task {
	struct kw_intent *intent;
	const char *courier;
	const struct kw_partner *partner; /* NULL: not declared any more */
	const struct courier_adapter *adapter;
	const struct parcel *parcel; /* as read before the call, without a lock */
	bool asked;                  /* the courier has an answer for it, or may have */
	struct answer answer;
	struct kw_meta cause; /* whose trace goes on */
	struct kw_intent_outcome *outcome;
};

struct round {
	const struct job_env *env;
	struct task *tasks; /* sorted by parcel */
	size_t n;
	int64_t until_us; /* monotonic: the leases are over */
	bool back;        /* parcels are asked for, not called off */
	struct kw_intent_outcome *outcomes;
};

/* OK: there was work; NOTHING: none was due. */
enum kw_rc book_round(
	const struct job_env *env, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err);
enum kw_rc cancel_round(
	const struct job_env *env, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err);
/* The same for parcels that could not be delivered: they are wanted back. */
enum kw_rc return_round(
	const struct job_env *env, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err);
/* Scans that came by a number before their parcel was booked under it. */
enum kw_rc match_round(
	const struct job_env *env, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err);
/* Scans with an unknown word whose meaning is known now. */
enum kw_rc name_round(
	const struct job_env *env, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err);

/* The outcome transactions (outcomes.c, numbers.c, words.c); arg is the struct round. */
kw_outcome_fn record_bookings, record_errands, match_scans, name_scans;

#endif
