/* The working set of one handler. */
#include "desk.h"

#include <stdlib.h>
#include <string.h>

#include "adapters/adapter.h"
#include "rules.h"
#include "states.h"
#include "store.h"

static const struct rate_card *make_cards(
	struct kw_arena *a, const struct kw_partners *partners, size_t *ret_n);

/* Room for one more element: arrays grow by doubling inside the arena. */
static void *more(struct kw_arena *a, void *rows, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return rows;
	*cap = *cap ? *cap * 2 : 16;
	void *wider = kw_arena_alloc(a, *cap, size);
	if (n > 0)
		memcpy(wider, rows, n * size);
	return wider;
}

struct desk desk_open(struct kw_batch *b, const struct kw_partners *partners)
{
	struct desk d = { .b = b, .partners = partners };

	d.cards = make_cards(b->arena, partners, &d.n_cards);
	return d;
}

static const struct rate_card *make_cards(
	struct kw_arena *a, const struct kw_partners *partners, size_t *ret_n)
{
	struct rate_card *cards = kw_new(a, struct rate_card, partners->n_couriers);
	size_t n = 0;

	for (size_t i = 0; i < partners->n_couriers; i++) {
		const struct kw_partner *courier = &partners->couriers[i];
		struct rate *rates = kw_new(a, struct rate, courier->n_rates);

		if (!courier_books(courier))
			continue;
		for (size_t k = 0; k < courier->n_rates; k++)
			rates[k] = (struct rate) {
				.zone = courier->rates[k].zone,
				.max_weight_g = courier->rates[k].max_weight_g,
				.price = courier->rates[k].price,
				.cod = courier->rates[k].cod,
			};
		cards[n++] = (struct rate_card) { courier->name, rates, courier->n_rates };
	}
	*ret_n = n;
	return cards;
}

static int by_parcel(const void *left, const void *right)
{
	return strcmp(((const struct parcel *)left)->parcel_id.s,
		((const struct parcel *)right)->parcel_id.s);
}

struct parcel *desk_find(const struct desk *d, const struct kw_uuid *parcel_id)
{
	struct parcel key = { .parcel_id = *parcel_id };

	return d->n_parcels == 0 ? NULL
				 : bsearch(&key, d->parcels, d->n_parcels, sizeof(key), by_parcel);
}

static int by_id(const void *left, const void *right)
{
	return strcmp(((const struct kw_uuid *)left)->s, ((const struct kw_uuid *)right)->s);
}

size_t distinct_ids(struct kw_uuid *ids, size_t n)
{
	size_t kept = 0;

	qsort(ids, n, sizeof(*ids), by_id);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || by_id(&ids[kept - 1], &ids[i]) != 0)
			ids[kept++] = ids[i];
	return kept;
}

/* ---- what happens to a parcel ---- */

const struct kw_edge *desk_step(
	struct desk *d, struct parcel *p, int event, const struct kw_meta *cause)
{
	const struct kw_edge *edge = parcel_step(p, event, d->b->now);

	kw_assert(edge != NULL);
	if (edge->emit)
		kw_emit(d->b, edge->emit, p->parcel_id.s, &p->parcel_id, p->version, cause, p);
	return edge;
}

struct kw_uuid booking_intent_id(const struct kw_uuid *parcel_id, const char *courier)
{
	return kw_uuid_of("book", parcel_id->s, courier);
}

void desk_choose(struct desk *d, struct parcel *p, const char *const *refused, size_t n_refused,
	const struct kw_meta *cause)
{
	const struct rate_card *card = choose_courier(d->cards, d->n_cards, p, refused, n_refused);

	p->changed = true;
	p->courier = card ? card->courier : NULL;
	if (!card) {
		p->reason = kw_strtab_name(&parcel_exception_kinds, EXCEPTION_NO_COURIER);
		desk_raise(d, EXCEPTION_NO_COURIER, p, NULL, p->parcel_id.s,
			n_refused > 0 ? "every courier that could take it refused"
				      : "no rate card covers destination, weight and payment");
		return;
	}
	struct courier_order order = { .courier = card->courier };
	struct kw_uuid id = booking_intent_id(&p->parcel_id, card->courier);
	kw_intend(d->b, "book", &id, &p->parcel_id, d->b->now, cause, courier_order_fields, &order);
}

void desk_release(struct desk *d, struct parcel *p, const struct kw_meta *cause)
{
	desk_choose(d, p, NULL, 0, cause);
	desk_step(d, p, EV_CLEARED, cause);
}

void desk_call_off(
	struct desk *d, const struct parcel *p, const char *courier, const struct kw_meta *cause)
{
	struct courier_order order = { .courier = courier };
	struct kw_uuid id = kw_uuid_of("cancel", p->parcel_id.s, courier);

	kw_intend(
		d->b, "cancel", &id, &p->parcel_id, d->b->now, cause, courier_order_fields, &order);
}

void desk_bring_back(struct desk *d, const struct parcel *p, const struct kw_meta *cause)
{
	struct courier_order order = { .courier = p->courier };
	struct kw_uuid id = kw_uuid_of("return", p->parcel_id.s, p->courier);

	kw_intend(
		d->b, "return", &id, &p->parcel_id, d->b->now, cause, courier_order_fields, &order);
}

void desk_cancel(struct desk *d, struct parcel *p, const char *reason, const char *by,
	const struct kw_meta *cause)
{
	bool booked = p->state == PARCEL_BOOKED || p->state == PARCEL_LABELLED;
	const char *reason_before = p->reason;

	p->reason = reason; /* the event says it */
	const struct kw_edge *edge = desk_step(d, p, EV_CANCEL, cause);
	bool accepted = edge->to != KW_SAME;

	if (!accepted)
		p->reason = reason_before;
	if (accepted && booked)
		desk_call_off(d, p, p->courier, cause);
	if (accepted)
		desk_resolve(d, EXCEPTION_NO_COURIER, p);
	d->requests = more(
		d->b->arena, d->requests, d->n_requests, &d->cap_requests, sizeof(*d->requests));
	d->requests[d->n_requests++] = (struct request) {
		.request_id = cause->id,
		.parcel_id = p->parcel_id,
		.kind = "CANCEL",
		.reason = reason,
		.by = by,
		.outcome = accepted || p->state == PARCEL_CANCELLED ? "ACCEPTED" : "REJECTED",
	};
}

/* ---- what a person must look at ---- */

struct exception *desk_raise(struct desk *d, int kind, const struct parcel *p, const char *courier,
	const char *subject, const char *reason)
{
	struct kw_uuid id =
		kw_uuid_of("exception", kw_strtab_name(&parcel_exception_kinds, kind), subject);

	for (size_t i = 0; i < d->n_raised; i++)
		if (strcmp(d->raised[i].exception_id.s, id.s) == 0) {
			d->raised[i].occurrences++;
			d->raised[i].reason = reason;
			return &d->raised[i];
		}
	d->raised = more(d->b->arena, d->raised, d->n_raised, &d->cap_raised, sizeof(*d->raised));
	struct exception *x = &d->raised[d->n_raised++];
	*x = (struct exception) {
		.exception_id = id,
		.kind = kind,
		.state = EXCEPTION_OPEN,
		.parcel_id = p ? p->parcel_id : (struct kw_uuid) { "" },
		.order_id = p ? p->order_id : (struct kw_uuid) { "" },
		.courier = courier,
		.reason = reason,
		.occurrences = 1,
	};
	return x;
}

void desk_resolve(struct desk *d, int kind, const struct parcel *p)
{
	d->resolved = more(
		d->b->arena, d->resolved, d->n_resolved, &d->cap_resolved, sizeof(*d->resolved));
	d->resolved[d->n_resolved++] =
		(struct exception) { .parcel_id = p->parcel_id, .kind = kind };
}

static int by_exception(const void *left, const void *right)
{
	return strcmp(((const struct exception *)left)->exception_id.s,
		((const struct exception *)right)->exception_id.s);
}

static int by_request(const void *left, const void *right)
{
	const struct request *l = left, *r = right;
	int order = strcmp(l->request_id.s, r->request_id.s);

	return order != 0 ? order : strcmp(l->parcel_id.s, r->parcel_id.s);
}

/* Intents of those that were cancelled before anybody was asked. Others are ended by the job that
 * asks. */
static enum kw_rc drop_bookings(struct desk *d, struct kw_err *err)
{
	struct kw_uuid *ids = kw_new(d->b->arena, struct kw_uuid, d->n_parcels);
	size_t n = 0;

	for (size_t i = 0; i < d->n_parcels; i++) {
		const struct parcel *p = &d->parcels[i];

		if (p->changed && p->state == PARCEL_CANCELLED && p->courier && !p->tracking_number)
			ids[n++] = booking_intent_id(&p->parcel_id, p->courier);
	}
	return store_drop_intents(d->b, ids, distinct_ids(ids, n), err);
}

enum kw_rc desk_flush(struct desk *d, struct kw_err *err)
{
	struct parcel *changed = kw_new(d->b->arena, struct parcel, d->n_parcels);
	size_t n = 0;

	for (size_t i = 0; i < d->n_parcels; i++)
		if (d->parcels[i].changed)
			changed[n++] = d->parcels[i];
	KW_TRY(store_update_parcels(d->b, changed, n, err));
	KW_TRY(drop_bookings(d, err));
	if (d->n_requests > 1)
		qsort(d->requests, d->n_requests, sizeof(*d->requests), by_request);
	KW_TRY(store_insert_requests(d->b, d->requests, d->n_requests, err));
	if (d->n_raised > 1)
		qsort(d->raised, d->n_raised, sizeof(*d->raised), by_exception);
	KW_TRY(store_raise(d->b, d->raised, d->n_raised, err));
	return store_resolve(d->b, d->resolved, d->n_resolved, err);
}
