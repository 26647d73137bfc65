/* The events of an order, made from what a round has decided. */
#include <string.h>

#include "core/err.h"
#include "round.h"
#include "states.h"
#include "json/json.h"

static struct kw_money money(const struct work *k, int64_t minor)
{
	struct kw_money m = { .minor = minor };

	memcpy(m.currency, k->o.currency, sizeof(m.currency));
	return m;
}

static struct order_event *begin(const struct round *r, const struct work *k)
{
	struct order_event *e = kw_new(r->b->arena, struct order_event, 1);

	e->order_id = k->o.id;
	e->channel = k->o.channel;
	e->external_id = k->o.external_id;
	e->number = k->o.number;
	e->state = k->o.state;
	e->currency = k->o.currency;
	return e;
}

static void emit(struct round *r, struct work *k, const struct kw_event_type *type,
	const struct order_event *e)
{
	k->o.version++;
	k->o.updated_at = r->b->now;
	k->changed = true;
	kw_emit(r->b, type, k->o.id.s, &k->o.id, k->o.version, k->cause, e);
}

static struct address *decode_address(struct round *r, const char *json)
{
	struct address *address = kw_new(r->b->arena, struct address, 1);

	/* we wrote it: what cannot be read is our bug */
	kw_assert(kw_json_decode(address_fields, json, strlen(json), r->b->arena, address, NULL) ==
		  KW_OK);
	return address;
}

static struct address *ship_to(struct round *r, struct work *k)
{
	if (!k->address && k->o.ship_to)
		k->address = decode_address(r, k->o.ship_to);
	return k->address;
}

static struct address *hub_address(struct round *r, const char *hub_id, const char *json)
{
	for (size_t i = 0; i < r->hubs.n; i++)
		if (strcmp(r->hubs.rows[i].hub_id, hub_id) == 0)
			return r->hubs.rows[i].address;
	struct hub_place *place = PUSH(r->b->arena, r->hubs);
	place->hub_id = hub_id;
	place->address = decode_address(r, json);
	return place->address;
}

static const struct line *line_of(const struct work *k, int no)
{
	kw_assert(no >= 1 && (size_t)no <= k->n_lines && k->lines[no - 1].no == no);
	return &k->lines[no - 1];
}

static void set_lines(struct round *r, const struct work *k, struct order_event *e)
{
	e->lines = kw_new(r->b->arena, struct out_line, k->n_lines);
	e->n_lines = k->n_lines;
	for (size_t i = 0; i < k->n_lines; i++) {
		const struct line *l = &k->lines[i];
		e->lines[i] = (struct out_line) {
			.line_id = l->line_id,
			.sku = l->sku,
			.title = l->title,
			.quantity = l->quantity,
			.price = money(k, l->price),
			.discount = money(k, l->discount),
		};
	}
}

void emit_received(struct round *r, struct work *k)
{
	struct order_event *e = begin(r, k);
	const struct order *o = &k->o;

	e->placed_at = o->placed_at;
	e->test = o->test;
	e->cod = o->cod;
	e->total = money(k, o->total);
	e->lines_total = money(k, o->lines_total);
	e->shipping = money(k, o->shipping);
	e->tax = money(k, o->tax);
	e->discount = money(k, o->discount);
	e->totals_flag = o->totals_flag;
	e->fee_bps = o->fee_bps;
	e->ship_to = ship_to(r, k);
	set_lines(r, k, e);
	emit(r, k, &order_received_event, e);
}

/* ---- routed ---- */

/* The discount of a line falls on its parts in proportion; the parts of earlier rounds have had
 * theirs. */
static int64_t discount_of(const struct work *k, const struct allocation *a, const struct line *l)
{
	int64_t before = 0;

	if (a->quantity == l->quantity)
		return l->discount;
	for (const struct allocation *x = k->allocations; x < a; x++)
		if (x->line_no == a->line_no)
			before += x->quantity;
	int64_t after = before + a->quantity;
	if (after > l->quantity)
		after = l->quantity;
	if (before > after)
		before = after;
	/* as a difference of running shares, so that all parts together are exactly the discount */
	return l->discount / l->quantity * (after - before) +
	       l->discount % l->quantity * after / l->quantity -
	       l->discount % l->quantity * before / l->quantity;
}

static const char *hub_json(const struct round *r, const struct work *k, const struct fulfilment *f,
	const struct allocation *a)
{
	if (a->week == 0)
		return offer_find(&r->w, k->o.channel, line_of(k, a->line_no)->sku)->hub_address;
	for (size_t i = 0; i < r->w.n_candidates; i++)
		if (strcmp(r->w.candidates[i].hub_id, f->hub_id) == 0)
			return r->w.candidates[i].hub_address;
	kw_assert(!"a hub that nobody named");
	return NULL;
}

static void set_fulfilment(
	struct round *r, struct work *k, const struct fulfilment *f, struct out_fulfilment *out)
{
	*out = (struct out_fulfilment) {
		.fulfilment_id = f->id,
		.n = f->n,
		.maker_id = f->maker_id,
		.hub_id = f->hub_id,
		.declared_value = money(k, 0),
		.lines = kw_new(r->b->arena, struct out_line, k->n_allocations),
	};
	for (size_t i = k->n_old_allocations; i < k->n_allocations; i++) {
		const struct allocation *a = &k->allocations[i];
		if (a->n != f->n)
			continue;
		const struct line *l = line_of(k, a->line_no);
		const struct offer *offer = offer_find(&r->w, k->o.channel, l->sku);
		int64_t discount = discount_of(k, a, l);

		kw_assert(offer != NULL);
		if (!out->ship_from)
			out->ship_from = hub_address(r, f->hub_id, hub_json(r, k, f, a));
		out->weight_g += (int64_t)offer->weight_g * a->quantity;
		out->declared_value.minor += l->price * a->quantity - discount;
		out->lines[out->n_lines++] = (struct out_line) {
			.line_id = l->line_id,
			.listing_id = a->listing_id,
			.sku = l->sku,
			.title = l->title ? l->title : offer->title,
			.quantity = a->quantity,
			.price = money(k, l->price),
			.discount = money(k, discount),
		};
	}
	if (out->declared_value.minor < 0)
		out->declared_value.minor = 0;
}

/* Stock rows that this order's pieces came from or went back to: empty ones, or all. */
static void set_depleted(struct round *r, const struct work *k, struct order_event *e, bool all,
	size_t from, size_t to)
{
	e->depleted = kw_new(r->b->arena, struct out_depleted, to - from);
	for (size_t i = from; i < to; i++) {
		const struct allocation *a = &k->allocations[i];
		const struct stock *s =
			a->week == 0 ? stock_find(&r->w.stock, a->listing_id) : NULL;
		bool there = false;

		if (!s || (!all && stock_available(s) > 0))
			continue;
		for (size_t j = 0; j < e->n_depleted; j++)
			there |= e->depleted[j].listing_id == s->listing_id;
		if (!there)
			e->depleted[e->n_depleted++] = (struct out_depleted) { s->listing_id,
				stock_available(s), s->version };
	}
}

/* The fulfilments [from, to); the rest of what there is to say goes with the first. */
static void emit_routed_part(struct round *r, struct work *k, size_t from, size_t to)
{
	struct order_event *e = begin(r, k);

	e->total = money(k, k->o.total);
	e->cod = k->o.cod;
	e->fee_bps = k->o.fee_bps;
	e->ship_to = ship_to(r, k);
	for (size_t i = 0; i < k->n_lines; i++)
		e->routed_state |= k->lines[i].parked > 0;
	e->fulfilments = kw_new(r->b->arena, struct out_fulfilment, to - from);
	for (size_t i = from; i < to; i++)
		set_fulfilment(r, k, &k->fulfilments[i], &e->fulfilments[e->n_fulfilments++]);
	if (from == k->n_old_fulfilments) {
		set_depleted(r, k, e, false, k->n_old_allocations, k->n_allocations);
		e->decision = kw_new(r->b->arena, struct out_decision, k->n_decisions);
		for (size_t i = 0; i < k->n_decisions; i++)
			e->decision[e->n_decision++] = (struct out_decision) {
				line_of(k, k->decisions[i].line_no)->line_id,
				k->decisions[i].rule,
				k->decisions[i].reason,
			};
	}
	emit(r, k, &order_routed_event, e);
	for (size_t i = k->n_old_allocations; i < k->n_allocations; i++)
		if (k->allocations[i].n >= k->fulfilments[from].n &&
			k->allocations[i].n <= k->fulfilments[to - 1].n)
			k->allocations[i].version = k->o.version;
}

/* An event stays far below what the journal takes, however many makers share the order. */
void emit_routed(struct round *r, struct work *k)
{
	for (size_t from = k->n_old_fulfilments, to; from < k->n_fulfilments; from = to) {
		to = from + ROUTED_MAX < k->n_fulfilments ? from + ROUTED_MAX : k->n_fulfilments;
		emit_routed_part(r, k, from, to);
	}
}

void emit_parked(struct round *r, struct work *k)
{
	struct order_event *e = begin(r, k);

	e->auto_cancel_at = k->o.auto_cancel_at;
	e->parked = kw_new(r->b->arena, struct out_parked, k->n_lines);
	for (size_t i = 0; i < k->n_lines; i++) {
		const struct line *l = &k->lines[i];
		if (l->parked > 0)
			e->parked[e->n_parked++] =
				(struct out_parked) { l->line_id, l->sku, l->parked, l->reason };
	}
	emit(r, k, &order_parked_event, e);
	for (size_t i = 0; i < k->n_decisions; i++)
		k->decisions[i].version = k->o.version;
}

/* ---- the rest ---- */

void emit_payment(struct round *r, struct work *k, const struct payment_row *p)
{
	struct order_event *e = begin(r, k);

	e->reference = p->reference;
	e->amount = p->amount;
	e->paid_at = p->paid_at;
	emit(r, k, &order_payment_reported_event, e);
}

void emit_updated(struct round *r, struct work *k)
{
	struct order_event *e = begin(r, k);

	e->source_time = k->o.source_time;
	e->financial_status = k->o.financial_status;
	emit(r, k, &order_updated_event, e);
}

void emit_conflicted(
	struct round *r, struct work *k, const struct kw_uuid *exception, const char *field)
{
	struct order_event *e = begin(r, k);

	e->exception_id = *exception;
	e->field = field;
	emit(r, k, &order_conflicted_event, e);
}

void emit_resolved(struct round *r, struct work *k, const struct exception_now *x,
	const struct kw_resolve_requested *m)
{
	struct order_event *e = begin(r, k);

	e->exception_id = x->exception_id;
	e->kind = x->kind;
	e->resolution = m->resolution;
	e->reason = m->reason;
	e->by = m->by;
	emit(r, k, &order_exception_resolved_event, e);
}

void emit_cancelled(
	struct round *r, struct work *k, const struct kw_event_type *type, const int *cancelled)
{
	struct order_event *e = begin(r, k);

	e->reason = k->reason;
	e->by = k->by;
	e->cancelled = kw_new(r->b->arena, struct out_cancelled_line, k->n_lines);
	for (size_t i = 0; i < k->n_lines; i++)
		if (cancelled[i] > 0)
			e->cancelled[e->n_cancelled++] =
				(struct out_cancelled_line) { k->lines[i].line_id, cancelled[i] };
	e->ended = kw_new(r->b->arena, struct out_fulfilment_id, k->n_fulfilments);
	if (type == &order_cancelled_event) {
		for (size_t i = 0; i < k->n_fulfilments; i++)
			if (k->fulfilments[i].changed &&
				k->fulfilments[i].state == FULFILMENT_CANCELLED)
				e->ended[e->n_ended++].fulfilment_id = k->fulfilments[i].id;
		set_depleted(r, k, e, true, 0, k->n_allocations);
	}
	emit(r, k, type, e);
}

void emit_refused(struct round *r, struct work *k, const char *reason)
{
	struct order_event *e = begin(r, k);

	e->request_id = k->request_id;
	e->reason = reason;
	emit(r, k, &order_cancel_refused_event, e);
}

void emit_state(struct round *r, struct work *k, int before)
{
	const struct kw_event_type *type = order_state_event(k->o.state);

	if (k->o.state != before && type)
		emit(r, k, type, begin(r, k));
}
