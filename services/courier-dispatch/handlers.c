/* Batch handlers: an order's facts make parcels, release them, cancel them. What couriers say is in
 * tracking.c. */
#include "handlers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules.h"
#include "states.h"
#include "store.h"
#include "svc/svc.h"
#include "json/json.h"

#define CONTENT_MAX (512 * 1024)

static struct order *orders_of(
	struct kw_arena *a, const void *in, size_t n, size_t size, size_t id_offset, size_t *ret_n);
static struct order *find_order(struct order *orders, size_t n, const struct kw_uuid *id);

/* ---- routed: parcels are planned, and released where the money is there already ---- */

/* What a batch of routings works on. */
struct routing {
	struct order *orders; /* locked rows, sorted */
	size_t n_orders;
	struct cancelled_fulfilment *cancelled; /* sorted by fulfilment */
	size_t n_cancelled;
	struct kw_uuid *known; /* parcels that exist, sorted */
	size_t n_known;
	struct parcel *made;
	size_t n_made;
};

static enum kw_rc lock_routed(struct desk *d, struct routing *r, const struct order_routed *in,
	size_t n, struct kw_err *err);
static enum kw_rc plan_parcels(
	struct desk *d, struct routing *r, const struct order_routed *in, struct kw_err *err);
static int by_id(const void *left, const void *right);
static int by_parcel(const void *left, const void *right);

enum kw_rc take_routed(struct desk *d, const struct order_routed *in, size_t n, struct kw_err *err)
{
	struct routing r = { 0 };
	size_t n_parcels = 0, n_due = 0;

	KW_TRY(lock_routed(d, &r, in, n, err));
	for (size_t i = 0; i < n; i++)
		n_parcels += in[i].n_fulfilments;
	r.made = kw_new(d->b->arena, struct parcel, n_parcels);
	for (size_t i = 0; i < n; i++)
		KW_TRY(plan_parcels(d, &r, &in[i], err));
	qsort(r.made, r.n_made, sizeof(*r.made), by_parcel);
	struct order *due = kw_new(d->b->arena, struct order, r.n_orders);
	for (size_t i = 0; i < r.n_orders; i++)
		if (r.orders[i].cod)
			due[n_due++] = r.orders[i];
	KW_TRY(store_write_due(d->b, due, n_due, err));
	KW_TRY(store_insert_parcels(d->b, r.made, r.n_made, err));
	return desk_flush(d, err);
}

static enum kw_rc lock_routed(struct desk *d, struct routing *r, const struct order_routed *in,
	size_t n, struct kw_err *err)
{
	struct order *wanted = orders_of(d->b->arena, in, n, sizeof(*in),
		offsetof(struct order_routed, order_id), &r->n_orders);
	struct order *again = kw_new(d->b->arena, struct order, r->n_orders);
	struct parcel *known = NULL;
	size_t n_again = 0;

	for (size_t i = 0; i < n; i++) {
		struct order *o = find_order(wanted, r->n_orders, &in[i].order_id);

		o->routings++;
		o->cod = in[i].cod;
		o->total = in[i].total.minor;
		memcpy(o->currency, in[i].total.currency, sizeof(o->currency));
	}
	KW_TRY(store_route_orders(d->b, wanted, r->n_orders, &r->orders, err));
	KW_TRY(store_find_cancelled(
		d->b, r->orders, r->n_orders, &r->cancelled, &r->n_cancelled, err));
	/* an order that was routed before may come again with what it had */
	for (size_t i = 0; i < r->n_orders; i++)
		if (r->orders[i].routings > wanted[i].routings)
			again[n_again++] = r->orders[i];
	if (n_again > 0)
		KW_TRY(store_parcels_of(d->b, again, n_again, -1, &known, &r->n_known, err));
	r->known = kw_new(d->b->arena, struct kw_uuid, r->n_known);
	for (size_t i = 0; i < r->n_known; i++)
		r->known[i] = known[i].parcel_id;
	return KW_OK;
}

static bool is_known(const struct routing *r, size_t n_before, const struct kw_uuid *parcel_id)
{
	if (r->n_known > 0 && bsearch(parcel_id, r->known, r->n_known, sizeof(*r->known), by_id))
		return true;
	/* of the same order in the same batch: those lie at the end */
	for (size_t i = n_before; i < r->n_made; i++)
		if (strcmp(r->made[i].parcel_id.s, parcel_id->s) == 0)
			return true;
	return false;
}

static const char *content_of(struct kw_arena *a, const struct parcel *p)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf text;

	kw_buf_init(&text, CONTENT_MAX);
	kw_json_encode(parcel_content_fields, p, &text);
	kw_assert(!text.full);
	return kw_arena_strn(a, text.p, text.n);
}

static void plan_parcel(struct kw_arena *a, const struct order_routed *in,
	const struct routed_fulfilment *f, const struct kw_uuid *parcel_id, struct parcel *p)
{
	*p = (struct parcel) {
		.parcel_id = *parcel_id,
		.order_id = in->order_id,
		.fulfilment_id = f->fulfilment_id,
		.channel = in->channel,
		.external_id = in->external_id,
		.maker_id = f->maker_id,
		.hub_id = f->hub_id,
		.n = f->n,
		.state = PARCEL_EXPECTED,
		.ship_from = f->ship_from,
		.ship_to = in->ship_to,
		.weight_g = f->weight_g,
		.declared_value = f->declared_value,
		.lines = f->lines,
		.n_lines = f->n_lines,
		.story.status = CARRIER_NONE,
	};
	p->content = content_of(a, p);
}

/* Of the parcels from `first` on, which belong to one message of an order paid on delivery. */
static enum kw_rc divide_among(struct kw_arena *a, struct order *o, const struct order_routed *in,
	struct parcel *first, size_t n, struct kw_err *err)
{
	int64_t *values = kw_new(a, int64_t, n), *due = kw_new(a, int64_t, n);

	for (size_t i = 0; i < n; i++) {
		if (!kw_money_same_currency(first[i].declared_value, in->total))
			return kw_fail_at(err, KW_INVALID, "/fulfilments",
				"declared value and total are in different currencies");
		values[i] = first[i].declared_value.minor;
	}
	KW_TRY(divide_due(
		o->total, o->due_given, in->state != ORDER_PARTLY_ROUTED, values, n, due, err));
	for (size_t i = 0; i < n; i++) {
		first[i].amount_due = (struct kw_money) { .minor = due[i] };
		memcpy(first[i].amount_due.currency, o->currency, sizeof(o->currency));
		o->due_given += due[i];
	}
	return KW_OK;
}

static const struct cancelled_fulfilment *find_cancelled(
	const struct routing *r, const struct kw_uuid *fulfilment_id)
{
	for (size_t i = 0; i < r->n_cancelled; i++)
		if (strcmp(r->cancelled[i].fulfilment_id.s, fulfilment_id->s) == 0)
			return &r->cancelled[i];
	return NULL;
}

static enum kw_rc plan_parcels(
	struct desk *d, struct routing *r, const struct order_routed *in, struct kw_err *err)
{
	struct order *o = find_order(r->orders, r->n_orders, &in->order_id);
	size_t first = r->n_made;

	/* only an order that comes twice in a batch can have parcels in `made` already */
	size_t look_from = o->routings > 1 ? 0 : first;
	for (size_t i = 0; i < in->n_fulfilments; i++) {
		const struct routed_fulfilment *f = &in->fulfilments[i];
		char n_text[24];
		snprintf(n_text, sizeof(n_text), "%" PRId64, f->n);
		struct kw_uuid id = kw_uuid_of("parcel", in->order_id.s, n_text);

		if (!is_known(r, look_from, &id))
			plan_parcel(d->b->arena, in, f, &id, &r->made[r->n_made++]);
	}
	if (o->cod && r->n_made > first)
		KW_TRY(divide_among(d->b->arena, o, in, &r->made[first], r->n_made - first, err));
	for (size_t i = first; i < r->n_made; i++) {
		struct parcel *p = &r->made[i];
		const struct cancelled_fulfilment *cancelled = find_cancelled(r, &p->fulfilment_id);

		desk_step(d, p, EV_ROUTED, &in->meta);
		if (cancelled) {
			p->reason = cancelled->reason;
			desk_step(d, p, EV_CANCEL, &in->meta);
		} else if (o->cleared) {
			desk_release(d, p, &in->meta);
		}
	}
	return KW_OK;
}

/* ---- settled: what was planned is released ---- */

enum kw_rc take_settled(
	struct desk *d, const struct expectation_settled *in, size_t n, struct kw_err *err)
{
	size_t n_orders, n_news, n_cleared = 0;
	struct order *orders = orders_of(d->b->arena, in, n, sizeof(*in),
		offsetof(struct expectation_settled, order_id), &n_orders);
	const struct kw_meta **causes = kw_new(d->b->arena, const struct kw_meta *, n_orders);
	struct order *news;

	for (size_t i = 0; i < n; i++) {
		struct order *o = find_order(orders, n_orders, &in[i].order_id);
		const struct kw_place *place = &in[i].meta.place;

		causes[o - orders] = &in[i].meta;
		/* the later word counts; a replayed one may be older */
		if (o->epoch > place->epoch ||
			(o->epoch == place->epoch && o->number > place->number))
			continue;
		o->cleared = in[i].cleared;
		o->epoch = place->epoch;
		o->number = place->number;
	}
	KW_TRY(store_settle_orders(d->b, orders, n_orders, &news, &n_news, err));
	for (size_t i = 0; i < n_news; i++)
		if (news[i].cleared && news[i].routings > 0)
			news[n_cleared++] = news[i];
	if (n_cleared == 0)
		return KW_OK;
	KW_TRY(store_parcels_of(
		d->b, news, n_cleared, PARCEL_PLANNED, &d->parcels, &d->n_parcels, err));
	for (size_t i = 0; i < d->n_parcels; i++) {
		const struct order *o = find_order(orders, n_orders, &d->parcels[i].order_id);

		desk_release(d, &d->parcels[i], causes[o - orders]);
	}
	return desk_flush(d, err);
}

/* ---- cancelled, expired ---- */

static int by_fulfilment(const void *left, const void *right)
{
	return strcmp((*(struct parcel *const *)left)->fulfilment_id.s,
		(*(struct parcel *const *)right)->fulfilment_id.s);
}

static int by_cancelled(const void *left, const void *right)
{
	return strcmp(((const struct cancelled_fulfilment *)left)->fulfilment_id.s,
		((const struct cancelled_fulfilment *)right)->fulfilment_id.s);
}

enum kw_rc take_cancelled(
	struct desk *d, const struct order_cancelled *in, size_t n, struct kw_err *err)
{
	struct kw_arena *a = d->b->arena;
	size_t n_orders, n_refs = 0, n_early = 0;
	struct order *orders = orders_of(
		a, in, n, sizeof(*in), offsetof(struct order_cancelled, order_id), &n_orders);

	KW_TRY(store_lock_orders(d->b, orders, n_orders, err));
	KW_TRY(store_parcels_of(d->b, orders, n_orders, -1, &d->parcels, &d->n_parcels, err));
	struct parcel **by_ref = kw_new(a, struct parcel *, d->n_parcels);
	for (size_t i = 0; i < d->n_parcels; i++)
		by_ref[i] = &d->parcels[i];
	if (d->n_parcels > 0)
		qsort(by_ref, d->n_parcels, sizeof(*by_ref), by_fulfilment);
	for (size_t i = 0; i < n; i++)
		n_refs += in[i].n_fulfilments;
	struct cancelled_fulfilment *early = kw_new(a, struct cancelled_fulfilment, n_refs);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < in[i].n_fulfilments; k++) {
			struct parcel key = { .fulfilment_id = in[i].fulfilments[k].fulfilment_id };
			struct parcel *p_key = &key, **found = NULL;

			if (d->n_parcels > 0)
				found = bsearch(&p_key, by_ref, d->n_parcels, sizeof(*by_ref),
					by_fulfilment);
			if (found)
				desk_cancel(d, *found, in[i].reason, in[i].by, &in[i].meta);
			else
				early[n_early++] =
					(struct cancelled_fulfilment) { key.fulfilment_id,
						in[i].order_id, in[i].reason };
		}
	qsort(early, n_early, sizeof(*early), by_cancelled);
	KW_TRY(store_remember_cancelled(d->b, early, n_early, err));
	return desk_flush(d, err);
}

enum kw_rc take_cancel_requests(
	struct desk *d, const struct cancel_requested *in, size_t n, struct kw_err *err)
{
	struct kw_uuid *ids = kw_new(d->b->arena, struct kw_uuid, n);

	for (size_t i = 0; i < n; i++)
		ids[i] = in[i].parcel_id;
	KW_TRY(store_lock_parcels(
		d->b, ids, distinct_ids(ids, n), &d->parcels, &d->n_parcels, err));
	for (size_t i = 0; i < n; i++) {
		struct parcel *p = desk_find(d, &in[i].parcel_id);

		if (!p || p->state == PARCEL_EXPECTED)
			return kw_fail_code(err, KW_INVALID, "NO_SUCH_PARCEL",
				"there is no parcel %s", in[i].parcel_id.s);
		desk_cancel(d, p, in[i].reason, in[i].by, &in[i].meta);
	}
	return desk_flush(d, err);
}

/* ---- helpers ---- */

static int by_order(const void *left, const void *right)
{
	return strcmp(((const struct order *)left)->order_id.s,
		((const struct order *)right)->order_id.s);
}

static int by_id(const void *left, const void *right)
{
	return strcmp(((const struct kw_uuid *)left)->s, ((const struct kw_uuid *)right)->s);
}

static int by_parcel(const void *left, const void *right)
{
	return strcmp(((const struct parcel *)left)->parcel_id.s,
		((const struct parcel *)right)->parcel_id.s);
}

/* The orders that the messages name: sorted, distinct, otherwise empty. */
static struct order *orders_of(
	struct kw_arena *a, const void *in, size_t n, size_t size, size_t id_offset, size_t *ret_n)
{
	struct order *orders = kw_new(a, struct order, n);
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		memcpy(&orders[i].order_id, (const char *)in + i * size + id_offset,
			sizeof(orders[i].order_id));
	qsort(orders, n, sizeof(*orders), by_order);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || by_order(&orders[kept - 1], &orders[i]) != 0)
			orders[kept++] = orders[i];
	*ret_n = kept;
	return orders;
}

static struct order *find_order(struct order *orders, size_t n, const struct kw_uuid *id)
{
	struct order key = { .order_id = *id };
	struct order *o = bsearch(&key, orders, n, sizeof(*orders), by_order);

	kw_assert(o != NULL);
	return o;
}

/* ---- rows of the topic table ---- */

#define ROW(name, take, T)                                                                \
	enum kw_rc name(struct kw_batch *b, const void *in, size_t n, struct kw_err *err) \
	{                                                                                 \
		struct desk d = desk_open(b, kw_svc_partners(b->ctx));                    \
		return take(&d, (const struct T *)in, n, err);                            \
	}
ROW(on_routed, take_routed, order_routed)
ROW(on_cancelled, take_cancelled, order_cancelled)
ROW(on_settled, take_settled, expectation_settled)
ROW(on_cancel_requests, take_cancel_requests, cancel_requested)
ROW(on_tracking, take_tracking, tracking_reported)
