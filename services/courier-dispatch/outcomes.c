/* What couriers' answers do: one transaction a round, under the tokens of the leases. The parcels'
 * rows are locked first, as by the handlers; so a cancellation comes wholly before or wholly after.
 */
#include "jobs.h"

#include <stdlib.h>
#include <string.h>

#include "handlers.h"
#include "rules.h"
#include "states.h"
#include "store.h"

#define STUCK_AFTER 5 /* leases */

static enum kw_rc lock_parcels(struct round *r, struct desk *d, struct kw_err *err);
static void judge_bookings(struct round *r, struct desk *d);
static void finish_task(struct desk *d, const struct task *t, int result, const char *detail);
static void book_accepted(struct desk *d, struct parcel *p, const struct task *t);
static enum kw_rc take_refusals(struct round *r, struct desk *d, struct kw_err *err);

/* Is the answer about what the parcel waits for? */
static bool waits_for(const struct parcel *p, const struct task *t)
{
	return p->state == PARCEL_READY && p->courier && strcmp(p->courier, t->courier) == 0;
}

enum kw_rc record_bookings(struct kw_batch *b, void *arg, struct kw_err *err)
{
	struct round *r = arg;
	struct desk d = desk_open(b, r->env->partners);
	struct kw_uuid *booked = kw_new(b->arena, struct kw_uuid, r->n);
	size_t n_booked = 0;

	KW_TRY(lock_parcels(r, &d, err));
	judge_bookings(r, &d);
	KW_TRY(kw_lease_finish(b, r->outcomes, r->n, err));
	KW_TRY(take_refusals(r, &d, err));
	for (size_t i = 0; i < r->n; i++) {
		const struct task *t = &r->tasks[i];
		struct parcel *p = desk_find(&d, &t->intent->entity);

		if (!t->outcome->held)
			continue;
		if (t->answer.kind == ANSWER_ACCEPTED) {
			if (waits_for(p, t))
				booked[n_booked++] = p->parcel_id;
			book_accepted(&d, p, t);
		}
		if (t->outcome->result == KW_INTENT_AGAIN ||
			t->outcome->result == KW_INTENT_UNKNOWN) {
			if (t->intent->attempts == STUCK_AFTER)
				desk_raise(&d, EXCEPTION_BOOKING_STUCK, p, t->courier,
					p->parcel_id.s, t->answer.reason);
		} else if (t->intent->attempts >= STUCK_AFTER) {
			desk_resolve(&d, EXCEPTION_BOOKING_STUCK, p);
		}
	}
	if (n_booked > 0)
		KW_TRY(apply_pending_scans(&d, booked, distinct_ids(booked, n_booked), err));
	return desk_flush(&d, err);
}

static enum kw_rc lock_parcels(struct round *r, struct desk *d, struct kw_err *err)
{
	struct kw_uuid *ids = kw_new(d->b->arena, struct kw_uuid, r->n);

	r->outcomes = kw_new(d->b->arena, struct kw_intent_outcome, r->n);
	for (size_t i = 0; i < r->n; i++) {
		ids[i] = r->tasks[i].intent->entity;
		r->tasks[i].outcome = &r->outcomes[i];
	}
	size_t n = distinct_ids(ids, r->n);
	KW_TRY(store_lock_parcels(d->b, ids, n, &d->parcels, &d->n_parcels, err));
	if (d->n_parcels != n)
		return kw_fail(err, KW_FATAL, "only %zu of %zu parcels exist", d->n_parcels, n);
	return KW_OK;
}

static void finish_task(struct desk *d, const struct task *t, int result, const char *detail)
{
	bool again = result == KW_INTENT_AGAIN || result == KW_INTENT_UNKNOWN;

	*t->outcome = (struct kw_intent_outcome) {
		.id = t->intent->id,
		.token = t->intent->token,
		.result = result,
		.due = again ? d->b->now + retry_delay_us(t->intent->attempts) : 0,
		.detail = detail,
	};
}

/* Until when a call that was made while the parcel was wanted may still be on its way, or be worked
 * on by a courier whose caller has gone: the courier says "absent" meanwhile, and has it later. */
static kw_time lands_until(const struct round *r, const struct parcel *p)
{
	return p->changed_at + 2 * r->env->lease_ms * (kw_time)1000;
}

static void judge_bookings(struct round *r, struct desk *d)
{
	struct kw_arena *a = d->b->arena;

	for (size_t i = 0; i < r->n; i++) {
		const struct task *t = &r->tasks[i];
		const struct parcel *p = desk_find(d, &t->intent->entity);

		switch (t->answer.kind) {
		case ANSWER_ACCEPTED:
			finish_task(d, t, KW_INTENT_DONE,
				kw_arena_printf(a, "ACCEPTED %s", t->answer.tracking_number));
			break;
		case ANSWER_REFUSED:
			finish_task(d, t, KW_INTENT_DONE,
				kw_arena_printf(a, "REFUSED %s", t->answer.reason));
			break;
		case ANSWER_UNKNOWN:
			finish_task(d, t, KW_INTENT_UNKNOWN, t->answer.reason);
			break;
		default:
			/* It is surely not booked. A task that may have been asked before stays to
			 * be inquired. */
			if (t->asked && t->intent->inquire)
				finish_task(d, t, KW_INTENT_UNKNOWN, t->answer.reason);
			else if (waits_for(p, t))
				finish_task(d, t, KW_INTENT_AGAIN, t->answer.reason);
			else if (t->intent->inquire && d->b->now < lands_until(r, p)) {
				finish_task(d, t, KW_INTENT_UNKNOWN, "NOT_WANTED");
				t->outcome->due = lands_until(r, p);
			} else
				finish_task(d, t, KW_INTENT_FAILED, "NOT_WANTED");
		}
	}
}

static void book_accepted(struct desk *d, struct parcel *p, const struct task *t)
{
	if (waits_for(p, t)) {
		p->tracking_number = t->answer.tracking_number;
		p->reason = NULL;
		desk_step(d, p, EV_BOOKED, &t->cause);
		/* the label's contents are fixed now; its bytes are made when asked for */
		p->label_url = kw_arena_printf(d->b->arena, "/v1/parcels/%s/label", p->parcel_id.s);
		desk_step(d, p, EV_LABELLED, &t->cause);
	} else if (p->state == PARCEL_CANCELLED) {
		/* cancelled while the courier was asked */
		desk_call_off(d, p, t->courier, &t->cause);
	}
}

/* ---- refused: the next one is asked ---- */

static const char **refused_by(struct kw_arena *a, const struct refusal *refusals, size_t n,
	const struct kw_uuid *parcel_id, size_t *ret_n)
{
	const char **couriers = kw_new(a, const char *, n);

	*ret_n = 0;
	for (size_t i = 0; i < n; i++)
		if (strcmp(refusals[i].parcel_id.s, parcel_id->s) == 0)
			couriers[(*ret_n)++] = refusals[i].courier;
	return couriers;
}

static enum kw_rc take_refusals(struct round *r, struct desk *d, struct kw_err *err)
{
	struct kw_arena *a = d->b->arena;
	struct refusal *new = kw_new(a, struct refusal, r->n), *all;
	struct kw_uuid *ids = kw_new(a, struct kw_uuid, r->n);
	size_t n = 0, n_all;

	for (size_t i = 0; i < r->n; i++) {
		const struct task *t = &r->tasks[i];

		if (t->outcome->held && t->answer.kind == ANSWER_REFUSED) {
			ids[n] = t->intent->entity;
			new[n++] = (struct refusal) { t->intent->entity, t->courier,
				t->answer.reason };
		}
	}
	if (n == 0)
		return KW_OK;
	KW_TRY(store_insert_refusals(d->b, new, n, err));
	KW_TRY(store_find_refusals(d->b, ids, distinct_ids(ids, n), &all, &n_all, err));
	for (size_t i = 0; i < r->n; i++) {
		const struct task *t = &r->tasks[i];
		struct parcel *p = desk_find(d, &t->intent->entity);
		size_t n_refused;

		if (!t->outcome->held || t->answer.kind != ANSWER_REFUSED || !waits_for(p, t))
			continue;
		const char **refused = refused_by(a, all, n_all, &p->parcel_id, &n_refused);
		p->reason = "COURIER_REFUSED";
		desk_choose(d, p, refused, n_refused, &t->cause);
		desk_step(d, p, EV_REFUSED, &t->cause);
	}
	return KW_OK;
}

/* ---- calling off, asking back ---- */

enum kw_rc record_errands(struct kw_batch *b, void *arg, struct kw_err *err)
{
	struct round *r = arg;
	struct desk d = desk_open(b, r->env->partners);

	KW_TRY(lock_parcels(r, &d, err));
	for (size_t i = 0; i < r->n; i++) {
		const struct task *t = &r->tasks[i];

		if (t->answer.kind == ANSWER_ACCEPTED)
			finish_task(&d, t, KW_INTENT_DONE, r->back ? "COMES_BACK" : "CALLED_OFF");
		else if (t->answer.kind == ANSWER_ABSENT)
			finish_task(&d, t, KW_INTENT_DONE, "NOT_WANTED");
		else if (t->answer.kind == ANSWER_REFUSED)
			finish_task(&d, t, KW_INTENT_DONE,
				kw_arena_printf(b->arena, "REFUSED %s", t->answer.reason));
		else
			finish_task(&d, t, KW_INTENT_AGAIN, t->answer.reason);
	}
	KW_TRY(kw_lease_finish(b, r->outcomes, r->n, err));
	for (size_t i = 0; i < r->n; i++) {
		const struct task *t = &r->tasks[i];

		if (t->outcome->held && t->answer.kind == ANSWER_REFUSED)
			desk_raise(&d,
				r->back ? EXCEPTION_RETURN_REFUSED : EXCEPTION_CANCEL_REFUSED,
				desk_find(&d, &t->intent->entity), t->courier, t->intent->entity.s,
				t->answer.reason);
	}
	return desk_flush(&d, err);
}
