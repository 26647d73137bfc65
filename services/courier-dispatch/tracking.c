/* What couriers say of parcels: stored as they said it, judged against what is known, told to the
 * partners. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/adapter.h"
#include "handlers.h"
#include "rules.h"
#include "states.h"
#include "store.h"

static size_t known_first(struct scan *scans, size_t n);
static struct scan scan_of(const struct kw_partners *partners, const struct tracking_reported *in);
static enum kw_rc lock_or_expect(
	struct desk *d, const struct scan *scans, size_t n, struct kw_err *err);
static size_t distinct_scans(struct desk *d, struct scan *scans, size_t n);
static enum kw_rc report_conflicts(
	struct desk *d, const struct scan *scans, size_t n, struct kw_err *err);
static void take_scan(struct desk *d, struct parcel *p, struct scan *s);
static void apply_scan(struct desk *d, struct parcel *p, const struct scan *s);
static int by_arrival(const void *left, const void *right);
static int by_key(const void *left, const void *right);

/* Until a parcel is booked, what is said of it waits. */
static bool is_booked(const struct parcel *p)
{
	return p->version > 0 && p->state != PARCEL_READY &&
	       (p->state != PARCEL_CANCELLED || p->courier);
}

/* Matched by number means that the aggregator speaks for the parcel's courier. */
static int standing_of(const struct parcel *p, const struct scan *s)
{
	if (!p || !is_booked(p))
		return SCAN_PENDING;
	return s->carrier || (p->courier && strcmp(p->courier, s->courier) == 0) ? SCAN_APPLIED
										 : SCAN_FOREIGN;
}

enum kw_rc take_tracking(
	struct desk *d, const struct tracking_reported *in, size_t n, struct kw_err *err)
{
	struct scan *scans = kw_new(d->b->arena, struct scan, n);

	for (size_t i = 0; i < n; i++)
		scans[i] = scan_of(d->partners, &in[i]);
	n = distinct_scans(d, scans, n);
	KW_TRY(find_meanings(d, scans, n, err));
	KW_TRY(find_numbers(d, scans, n, err));
	size_t n_known = known_first(scans, n);
	KW_TRY(lock_or_expect(d, scans, n_known, err));
	qsort(scans, n, sizeof(*scans), by_key);
	for (size_t i = 0; i < n; i++)
		scans[i].standing = standing_of(desk_find(d, &scans[i].parcel_id), &scans[i]);
	KW_TRY(store_insert_scans(d->b, scans, n, err));
	KW_TRY(report_conflicts(d, scans, n, err));
	qsort(scans, n, sizeof(*scans), by_arrival);
	for (size_t i = 0; i < n; i++)
		if (scans[i].is_new)
			take_scan(d, desk_find(d, &scans[i].parcel_id), &scans[i]);
	return desk_flush(d, err);
}

/* A scan that was stored goes on with the trace of the message that brought it. */
static void recall(struct desk *d, struct scan *s)
{
	struct kw_meta *cause = kw_new(d->b->arena, struct kw_meta, 1);

	snprintf(cause->trace.s, sizeof(cause->trace.s), "%s", s->trace);
	s->cause = cause;
}

enum kw_rc take_matched(struct desk *d, struct scan *scans, size_t n, struct kw_err *err)
{
	KW_TRY(lock_or_expect(d, scans, n, err));
	for (size_t i = 0; i < n; i++) {
		struct parcel *p = desk_find(d, &scans[i].parcel_id);

		recall(d, &scans[i]);
		scans[i].standing = standing_of(p, &scans[i]);
		kw_assert(scans[i].standing != SCAN_PENDING);
		take_scan(d, p, &scans[i]);
	}
	KW_TRY(store_stand_scans(d->b, scans, n, err));
	return desk_flush(d, err);
}

enum kw_rc apply_pending_scans(
	struct desk *d, const struct kw_uuid *ids, size_t n, struct kw_err *err)
{
	struct scan *scans;
	size_t n_scans;

	KW_TRY(store_pending_scans(d->b, ids, n, &scans, &n_scans, err));
	for (size_t i = 0; i < n_scans; i++) {
		struct parcel *p = desk_find(d, &scans[i].parcel_id);

		kw_assert(p != NULL);
		recall(d, &scans[i]);
		scans[i].standing = standing_of(p, &scans[i]);
		kw_assert(scans[i].standing != SCAN_PENDING);
		take_scan(d, p, &scans[i]);
		desk_resolve(d, EXCEPTION_UNKNOWN_PARCEL, p);
	}
	return store_stand_scans(d->b, scans, n_scans, err);
}

enum kw_rc take_named(struct desk *d, struct scan *scans, size_t n, struct kw_err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct parcel *p = desk_find(d, &scans[i].parcel_id);

		kw_assert(p != NULL);
		recall(d, &scans[i]);
		if (scans[i].standing == SCAN_APPLIED)
			apply_scan(d, p, &scans[i]);
	}
	KW_TRY(store_name_scans(d->b, scans, n, err));
	return desk_flush(d, err);
}

static int64_t hash_text(const char *text, int64_t seed)
{
	return (int64_t)kw_hash64(text ? text : "", text ? strlen(text) + 1 : 0, (uint64_t)seed);
}

static struct scan scan_of(const struct kw_partners *partners, const struct tracking_reported *in)
{
	int64_t hash = hash_text(in->parcel_id.s, 0);

	hash = hash_text(in->status, hash);
	hash = hash_text(in->tracking_number, hash);
	hash = hash_text(in->place, hash);
	hash = hash_text(in->note, hash);
	if (in->carrier)
		hash = hash_text(in->carrier, hash);
	hash = (int64_t)kw_hash64(&in->scanned_at, sizeof(in->scanned_at), (uint64_t)hash);
	return (struct scan) {
		.courier = in->courier,
		.event_id = in->event_id,
		.carrier = in->carrier,
		.parcel_id = in->parcel_id,
		.subject = in->parcel_id.s[0] ? (struct kw_uuid) { "" } : tracking_key(in),
		.status = carrier_status_of(partners, in->courier, in->status),
		.word = in->status,
		.tracking_number = in->tracking_number,
		.scanned_at = in->scanned_at,
		.arrived_at = in->meta.time,
		.place = in->place,
		.note = in->note,
		.content_hash = hash,
		.trace = in->meta.trace.s,
		.cause = &in->meta,
	};
}

/* The messages of a batch lie in one array, in the order of the log. */
static int by_arrival(const void *left, const void *right)
{
	const struct scan *l = left, *r = right;

	return l->cause < r->cause ? -1 : l->cause > r->cause;
}

static int by_key(const void *left, const void *right)
{
	const struct scan *l = left, *r = right;
	int order = strcmp(l->courier, r->courier);

	return order != 0 ? order : strcmp(l->event_id, r->event_id);
}

static int by_key_and_arrival(const void *left, const void *right)
{
	int order = by_key(left, right);

	return order != 0 ? order : by_arrival(left, right);
}

static void raise_conflict(struct desk *d, const struct scan *s, const struct parcel *p)
{
	desk_raise(d, EXCEPTION_SCAN_CONFLICT, p, s->courier,
		kw_arena_printf(d->b->arena, "%s %s", s->courier, s->event_id),
		kw_arena_printf(d->b->arena, "scan %s came with other content; the first stands",
			s->event_id));
}

/* Sorted by key; of repeats within the batch the first stays. */
static size_t distinct_scans(struct desk *d, struct scan *scans, size_t n)
{
	size_t kept = 0;

	qsort(scans, n, sizeof(*scans), by_key_and_arrival);
	for (size_t i = 0; i < n; i++) {
		if (kept == 0 || by_key(&scans[kept - 1], &scans[i]) != 0)
			scans[kept++] = scans[i];
		else if (scans[kept - 1].content_hash != scans[i].content_hash)
			raise_conflict(d, &scans[i], NULL);
	}
	return kept;
}

/* Those whose parcel we know come first. */
static size_t known_first(struct scan *scans, size_t n)
{
	size_t n_known = 0;

	for (size_t i = 0; i < n; i++)
		if (scans[i].parcel_id.s[0]) {
			struct scan known = scans[i];

			scans[i] = scans[n_known];
			scans[n_known++] = known;
		}
	return n_known;
}

static int by_parcel(const void *left, const void *right)
{
	return strcmp(((const struct parcel *)left)->parcel_id.s,
		((const struct parcel *)right)->parcel_id.s);
}

/* Rule 9: a parcel that is not here yet gets its row now, so that whoever comes second sees the
 * first. */
static enum kw_rc lock_or_expect(
	struct desk *d, const struct scan *scans, size_t n, struct kw_err *err)
{
	struct kw_uuid *ids = kw_new(d->b->arena, struct kw_uuid, n);
	size_t n_absent = 0;

	for (size_t i = 0; i < n; i++)
		ids[i] = scans[i].parcel_id;
	n = distinct_ids(ids, n);
	KW_TRY(store_lock_parcels(d->b, ids, n, &d->parcels, &d->n_parcels, err));
	if (d->n_parcels == n)
		return KW_OK;
	struct kw_uuid *absent = kw_new(d->b->arena, struct kw_uuid, n);
	for (size_t i = 0; i < n; i++)
		if (!desk_find(d, &ids[i]))
			absent[n_absent++] = ids[i];
	struct parcel *made, *all = kw_new(d->b->arena, struct parcel, n);
	KW_TRY(store_expect_parcels(d->b, absent, n_absent, &made, err));
	for (size_t i = 0; i < n; i++) {
		all[i] = i < d->n_parcels ? d->parcels[i] : made[i - d->n_parcels];
		if (all[i].state == PARCEL_EXPECTED)
			desk_raise(d, EXCEPTION_UNKNOWN_PARCEL, &all[i], NULL, all[i].parcel_id.s,
				"a courier speaks of a parcel that is not here");
	}
	qsort(all, n, sizeof(*all), by_parcel);
	for (size_t i = 0; i < n; i++)
		if (all[i].carrier)
			all[i].carrier = &all[i].story;
	d->parcels = all;
	d->n_parcels = n;
	return KW_OK;
}

static enum kw_rc report_conflicts(
	struct desk *d, const struct scan *scans, size_t n, struct kw_err *err)
{
	struct scan *old = kw_new(d->b->arena, struct scan, n), *conflicts;
	size_t n_old = 0, n_conflicts;

	for (size_t i = 0; i < n; i++)
		if (!scans[i].is_new)
			old[n_old++] = scans[i];
	if (n_old == 0)
		return KW_OK;
	KW_TRY(store_conflicting_scans(d->b, old, n_old, &conflicts, &n_conflicts, err));
	for (size_t i = 0; i < n_conflicts; i++)
		raise_conflict(d, &conflicts[i], desk_find(d, &conflicts[i].parcel_id));
	return KW_OK;
}

/* A scan that was not seen before. */
static void take_scan(struct desk *d, struct parcel *p, struct scan *s)
{
	struct kw_arena *a = d->b->arena;

	if (s->is_new && is_unmapped(d, s))
		desk_raise(d, EXCEPTION_UNKNOWN_STATUS, NULL, s->courier,
			kw_arena_printf(a, "%s %s", s->courier, s->word),
			kw_arena_printf(a, "nobody has mapped the status %s", s->word))
			->word = s->word;
	if (!p)
		raise_unmatched(d, s);
	else if (s->standing == SCAN_FOREIGN)
		desk_raise(d, EXCEPTION_FOREIGN_COURIER, p, s->courier,
			kw_arena_printf(a, "%s %s", p->parcel_id.s, s->courier),
			"scanned by a courier that it was not given to");
	else if (s->standing == SCAN_APPLIED)
		apply_scan(d, p, s);
}

static void watch(struct desk *d, const struct parcel *p, const struct scan *s, int state_before)
{
	bool ended = state_before == PARCEL_CANCELLED || state_before == PARCEL_LOST;

	if (s->status == CARRIER_CANCELLED && state_before != PARCEL_CANCELLED)
		desk_raise(d, EXCEPTION_CARRIER_CANCELLED, p, s->courier, p->parcel_id.s,
			"the courier cancelled a parcel that we did not cancel");
	if (ended && is_physical(s->status))
		desk_raise(d, EXCEPTION_SCANNED_AFTER_END, p, s->courier, p->parcel_id.s,
			"it moves although it was cancelled or lost");
	if (state_before == PARCEL_RETURNING && s->status == CARRIER_DELIVERED)
		desk_raise(d, EXCEPTION_DELIVERED_ON_RETURN, p, s->courier, p->parcel_id.s,
			"called delivered on its way back");
}

static void apply_scan(struct desk *d, struct parcel *p, const struct scan *s)
{
	struct scan_effect effect = judge_scan(p, s);
	const struct kw_edge *edge;
	int state_before = p->state;

	if (effect.event == EV_NOTHING)
		return;
	edge = kw_fsm_find(&parcel_fsm, p->state, effect.event);
	kw_assert(edge != NULL);
	if (edge->to == KW_SAME)
		return;
	if (effect.head) {
		p->story = (struct carrier) { s->status, s->word, s->scanned_at, s->place,
			p->story.attempts };
		p->carrier = &p->story;
	}
	p->story.attempts += effect.attempt;
	bool spent = effect.attempt && p->story.attempts == ATTEMPTS_MAX;
	if (spent)
		p->reason = "ATTEMPTS_SPENT"; /* the event says it */
	else if (edge->to == PARCEL_DELIVERED)
		p->reason = NULL;
	desk_step(d, p, effect.event, s->cause);
	if (spent && p->state == PARCEL_HANDED_OVER)
		desk_bring_back(d, p, s->cause);
	watch(d, p, s, state_before);
}
