/* Leased work: booking and calling off, many at once. What the answers do is in outcomes.c. */
#include "jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules.h"
#include "store.h"
#include "json/json.h"

#define ANSWER_MAX (1024 * 1024)

static enum kw_rc take_round(const struct job_env *env, struct kw_pg *pg, struct kw_arena *a,
	const char *kind, struct round *ret, struct kw_err *err);
static enum kw_rc inquire(struct round *r, struct kw_arena *a, struct kw_err *err);
static enum kw_rc book(struct round *r, struct kw_arena *a, struct kw_err *err);
static enum kw_rc run_errands(struct round *r, struct kw_arena *a, struct kw_err *err);
static enum kw_rc finish(struct round *r, struct kw_pg *pg, struct kw_arena *a, kw_outcome_fn *fn,
	struct kw_err *err);

enum kw_rc book_round(
	const struct job_env *env, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err)
{
	struct round r;

	KW_TRY(take_round(env, pg, a, "book", &r, err));
	KW_TRY(inquire(&r, a, err));
	KW_TRY(book(&r, a, err));
	return finish(&r, pg, a, record_bookings, err);
}

enum kw_rc match_round(
	const struct job_env *env, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err)
{
	struct round r = { .env = env };

	return finish(&r, pg, a, match_scans, err);
}

enum kw_rc name_round(
	const struct job_env *env, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err)
{
	struct round r = { .env = env };

	return finish(&r, pg, a, name_scans, err);
}

static enum kw_rc errand_round(const struct job_env *env, struct kw_pg *pg, struct kw_arena *a,
	bool back, struct kw_err *err)
{
	struct round r;

	KW_TRY(take_round(env, pg, a, back ? "return" : "cancel", &r, err));
	r.back = back;
	KW_TRY(run_errands(&r, a, err));
	return finish(&r, pg, a, record_errands, err);
}

enum kw_rc cancel_round(
	const struct job_env *env, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err)
{
	return errand_round(env, pg, a, false, err);
}

enum kw_rc return_round(
	const struct job_env *env, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err)
{
	return errand_round(env, pg, a, true, err);
}

static enum kw_rc finish(struct round *r, struct kw_pg *pg, struct kw_arena *a, kw_outcome_fn *fn,
	struct kw_err *err)
{
	const struct kw_flow_config *flow = r->env->flow;

	KW_TRY(kw_outcome_run(flow, pg, a, fn, r, err));
	if (flow->on_commit)
		flow->on_commit(flow->commit_ctx);
	return KW_OK;
}

/* ---- a round ---- */

static int by_entity(const void *left, const void *right)
{
	const struct task *l = left, *r = right;
	int order = strcmp(l->intent->entity.s, r->intent->entity.s);

	return order != 0 ? order : strcmp(l->intent->id.s, r->intent->id.s);
}

static const struct parcel *find_parcel(
	const struct parcel *parcels, size_t n, const struct kw_uuid *id)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = (low + high) / 2;
		int order = strcmp(parcels[mid].parcel_id.s, id->s);

		if (order == 0)
			return &parcels[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static enum kw_rc prepare(struct task *t, const struct job_env *env, struct kw_arena *a,
	const struct parcel *parcels, size_t n_parcels, struct kw_err *err)
{
	struct courier_order order = { 0 };

	if (kw_json_decode(courier_order_fields, t->intent->payload, strlen(t->intent->payload), a,
		    &order, err) != KW_OK)
		return kw_fail(
			err, KW_FATAL, "the payload of intent %s cannot be read", t->intent->id.s);
	t->parcel = find_parcel(parcels, n_parcels, &t->intent->entity);
	if (!t->parcel)
		return kw_fail(err, KW_FATAL, "intent %s is of parcel %s, which does not exist",
			t->intent->id.s, t->intent->entity.s);
	t->courier = order.courier;
	t->partner = kw_partners_find(env->partners, KW_COURIER, order.courier);
	t->adapter = t->partner ? courier_adapter_find(t->partner->adapter) : NULL;
	t->answer = (struct answer) { ANSWER_AGAIN, NULL, "the courier is not declared" };
	t->asked = t->intent->inquire;
	t->cause = (struct kw_meta) { .id = t->intent->id };
	snprintf(t->cause.trace.s, sizeof(t->cause.trace.s), "%s", t->intent->trace);
	return KW_OK;
}

static enum kw_rc take_round(const struct job_env *env, struct kw_pg *pg, struct kw_arena *a,
	const char *kind, struct round *ret, struct kw_err *err)
{
	int64_t until_us = kw_monotonic_us() + env->lease_ms * 1000LL;
	struct kw_intent *intents;
	struct parcel *parcels;
	size_t n, n_parcels;

	KW_TRY(kw_lease_take(pg, a, kind, ROUND_MAX, env->lease_ms, &intents, &n, err));
	struct kw_uuid *ids = kw_new(a, struct kw_uuid, n);
	struct task *tasks = kw_new(a, struct task, n);
	for (size_t i = 0; i < n; i++) {
		ids[i] = intents[i].entity;
		tasks[i].intent = &intents[i];
	}
	qsort(tasks, n, sizeof(*tasks), by_entity);
	KW_TRY(store_read_parcels(pg, a, ids, distinct_ids(ids, n), &parcels, &n_parcels, err));
	for (size_t i = 0; i < n; i++)
		KW_TRY(prepare(&tasks[i], env, a, parcels, n_parcels, err));
	*ret = (struct round) { .env = env, .tasks = tasks, .n = n, .until_us = until_us };
	return KW_OK;
}

static bool can_be_called(const struct task *t)
{
	return t->adapter && t->adapter->book && t->partner->url && t->partner->secrets.n > 0;
}

/* ---- inquiry: what was perhaps done already ---- */

static enum kw_rc inquire(struct round *r, struct kw_arena *a, struct kw_err *err)
{
	struct kw_call *calls = kw_new(a, struct kw_call, r->n);
	struct task **of = kw_new(a, struct task *, r->n);
	kw_time now = kw_now(r->env->flow->clock);
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		struct task *t = &r->tasks[i];

		if (!t->intent->inquire || !can_be_called(t))
			continue;
		KW_TRY(t->adapter->inquire(a, t->partner, t->parcel, now, &calls[n], err));
		of[n++] = t;
	}
	if (n == 0)
		return KW_OK;
	kw_client_run(r->env->client, a, calls, n, r->env->deadline_ms, ANSWER_MAX);
	for (size_t i = 0; i < n; i++) {
		of[i]->adapter->read_inquiry(a, &calls[i], of[i]->parcel, &of[i]->answer);
		of[i]->asked = of[i]->answer.kind != ANSWER_ABSENT;
	}
	return KW_OK;
}

/* ---- booking ---- */

struct chunk {
	const struct parcel *parcels[BATCH_PARCELS_MAX];
	struct task *tasks[BATCH_PARCELS_MAX];
	size_t n;
	const struct kw_partner *partner;
	const struct courier_adapter *adapter;
};

static size_t batch_max_of(const struct kw_partner *partner)
{
	int64_t max = partner->batch_max > 0 ? partner->batch_max : 1;

	return max > BATCH_PARCELS_MAX ? BATCH_PARCELS_MAX : (size_t)max;
}

/* Does the parcel still want this courier? What changes after this look is settled by the outcome.
 */
static bool is_wanted(const struct task *t)
{
	return t->parcel->state == PARCEL_READY && t->parcel->courier &&
	       strcmp(t->parcel->courier, t->courier) == 0;
}

/* Parcels for one courier go together, as many as it takes in one call. */
static struct chunk *make_chunks(struct round *r, struct kw_arena *a, size_t *ret_n)
{
	struct chunk *chunks = kw_new(a, struct chunk, r->n), *open[COURIERS_MAX];
	size_t n = 0, n_open = 0;

	for (size_t i = 0; i < r->n; i++) {
		struct task *t = &r->tasks[i];
		size_t k = 0;

		if (t->asked || !can_be_called(t) || !is_wanted(t))
			continue;
		while (k < n_open && open[k]->partner != t->partner)
			k++;
		if (k == n_open || open[k]->n == batch_max_of(t->partner)) {
			n_open += k == n_open;
			kw_assert(n_open <= COURIERS_MAX);
			open[k] = &chunks[n++];
			open[k]->partner = t->partner;
			open[k]->adapter = t->adapter;
		}
		struct chunk *c = open[k];
		c->parcels[c->n] = t->parcel;
		c->tasks[c->n++] = t;
		t->asked = true;
	}
	*ret_n = n;
	return chunks;
}

/* A process that was stopped after it took its leases: others have them by now, and have asked. */
static bool comes_too_late(const struct round *r)
{
	return kw_monotonic_us() + r->env->deadline_ms * 1000LL > r->until_us;
}

static enum kw_rc book(struct round *r, struct kw_arena *a, struct kw_err *err)
{
	size_t n;
	struct chunk *chunks;
	struct kw_call *calls;
	kw_time now = kw_now(r->env->flow->clock);

	if (comes_too_late(r))
		return KW_OK;
	chunks = make_chunks(r, a, &n);
	calls = kw_new(a, struct kw_call, n);
	if (n == 0)
		return KW_OK;
	for (size_t i = 0; i < n; i++)
		KW_TRY(chunks[i].adapter->book(
			a, chunks[i].partner, chunks[i].parcels, chunks[i].n, now, &calls[i], err));
	kw_client_run(r->env->client, a, calls, n, r->env->deadline_ms, ANSWER_MAX);
	for (size_t i = 0; i < n; i++) {
		struct answer answers[BATCH_PARCELS_MAX];

		chunks[i].adapter->read_bookings(
			a, &calls[i], chunks[i].parcels, chunks[i].n, answers);
		for (size_t k = 0; k < chunks[i].n; k++)
			chunks[i].tasks[k]->answer = answers[k];
	}
	return KW_OK;
}

/* ---- calling off, asking back: the same again is harmless, so there is no inquiry ---- */

static enum kw_rc run_errands(struct round *r, struct kw_arena *a, struct kw_err *err)
{
	struct kw_call *calls = kw_new(a, struct kw_call, r->n);
	struct task **of = kw_new(a, struct task *, r->n);
	kw_time now = kw_now(r->env->flow->clock);
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		struct task *t = &r->tasks[i];

		if (r->back && t->parcel->state != PARCEL_HANDED_OVER) {
			t->answer.kind = ANSWER_ABSENT; /* delivered, or on its way back */
			continue;
		}
		if (!can_be_called(t))
			continue;
		KW_TRY((r->back ? t->adapter->bring_back : t->adapter->cancel)(
			a, t->partner, t->parcel, now, &calls[n], err));
		of[n++] = t;
	}
	if (n > 0)
		kw_client_run(r->env->client, a, calls, n, r->env->deadline_ms, ANSWER_MAX);
	for (size_t i = 0; i < n; i++)
		(r->back ? of[i]->adapter->read_bring_back : of[i]->adapter->read_cancel)(
			a, &calls[i], of[i]->parcel, &of[i]->answer);
	return KW_OK;
}
