/* Who makes or gives a line: the operators' ordered rules over stock and capacity. Pure. */
#include "allocate.h"

#include <stdlib.h>
#include <string.h>

#include "core/err.h"

#define US_PER_DAY (86400 * KW_US_PER_S)
#define CANDIDATES_MAX 64

/* A promise that can still be taken back. */
struct take {
	struct line *line;
	const struct offer *offer;
	const char *maker_id, *hub_id;
	struct stock *stock;       /* of a piece from stock */
	struct capacity *capacity; /* of work to be done */
	int quantity;
	const char *rule, *reason;
};

struct plan {
	struct world *w;
	struct work *k;
	const struct rule *order_rule; /* the first that matches the order: its split policy */
	struct take *takes;
	size_t n, cap;
};

static enum park_reason fill_line(struct plan *p, struct line *l);
static enum park_reason fill_from_stock(struct plan *p, struct line *l, const struct offer *offer);
static enum park_reason fill_by_work(struct plan *p, struct line *l, const struct offer *offer);
static void add_take(struct plan *p, struct take t);
static void undo(struct plan *p);
static void settle_plan(struct plan *p);
static void decide(struct work *k, const struct line *l, const char *rule, const char *reason);
static bool rule_matches(const struct rule *r, const struct order *o);

int week_of(kw_time t)
{
	/* 1970-01-01 was a Thursday */
	return (int)((t / US_PER_DAY + 3) / 7);
}

kw_time promise_of(const struct offer *offer, kw_time now)
{
	return now + offer->lead_days * US_PER_DAY;
}

void allocate_order(struct world *w, struct work *k)
{
	struct plan p = { .w = w, .k = k };
	size_t wanted = 0, filled = 0, places = 0;

	for (size_t i = 0; i < w->n_rules && !p.order_rule; i++)
		if (rule_matches(&w->rules[i], &k->o))
			p.order_rule = &w->rules[i];
	k->decisions = kw_new(w->arena, struct decision, k->n_lines * 2);
	for (size_t i = 0; i < k->n_lines; i++) {
		struct line *l = &k->lines[i];

		if (l->parked == 0)
			continue;
		wanted++;
		l->reason = fill_line(&p, l);
		filled += l->reason == NOT_PARKED;
	}
	for (size_t i = 0; i < p.n; i++)
		if (i == 0 || strcmp(p.takes[i].maker_id, p.takes[0].maker_id) != 0 ||
			strcmp(p.takes[i].hub_id, p.takes[0].hub_id) != 0)
			places++;
	if (p.order_rule && p.order_rule->split == NO_SPLIT &&
		(places > 1 || (filled > 0 && filled < wanted)))
		undo(&p);
	for (size_t i = 0; i < k->n_lines; i++)
		if (k->lines[i].parked > 0 && k->lines[i].reason != NOT_PARKED)
			decide(k, &k->lines[i], p.order_rule ? p.order_rule->name : "",
				kw_strtab_name(&park_reason_names, k->lines[i].reason));
	settle_plan(&p);
}

static bool rule_matches(const struct rule *r, const struct order *o)
{
	if (r->channel && strcmp(r->channel, o->channel) != 0)
		return false;
	return !r->currency || (strcmp(r->currency, o->currency) == 0 && o->total >= r->min_total);
}

static enum park_reason fill_line(struct plan *p, struct line *l)
{
	const struct offer *offer = offer_find(p->w, p->k->o.channel, l->sku);

	if (p->k->o.test)
		return TEST_ORDER;
	if (!offer || offer->state == LISTING_DRAFT)
		return UNKNOWN_LISTING;
	l->listing_id = offer->listing_id;
	if (offer->state == LISTING_RETIRED || offer->retired_here)
		return RETIRED_LISTING;
	if (!p->k->o.ship_to)
		return NO_ADDRESS;
	if (offer->kind == MADE_TO_ORDER)
		return fill_by_work(p, l, offer);
	return fill_from_stock(p, l, offer);
}

static enum park_reason fill_from_stock(struct plan *p, struct line *l, const struct offer *offer)
{
	struct stock *s = stock_find(&p->w->stock, offer->listing_id);

	if (!p->order_rule)
		return NO_RULE;
	if (!offer->hub_address)
		return UNKNOWN_HUB;
	if (!s || stock_available(s) < l->parked)
		return OUT_OF_STOCK;
	add_take(p, (struct take) { .line = l,
			    .offer = offer,
			    .maker_id = offer->maker_id,
			    .hub_id = offer->hub_id,
			    .stock = s,
			    .quantity = l->parked,
			    .rule = p->order_rule->name,
			    .reason = "IN_STOCK" });
	return NOT_PARKED;
}

/* ---- work ---- */

static bool ready(const struct candidate *c, kw_time promise)
{
	if (!c->hub_address)
		return false;
	if (strcmp(c->state, "ON_LEAVE") == 0)
		return c->leave_until != 0 && c->leave_until <= promise;
	return strcmp(c->state, "ACTIVE") == 0;
}

static int capacity_left(const struct candidate *c, const struct capacity *used)
{
	return used ? c->weekly_capacity - used->used - used->delta : 0;
}

/* Is a asked before b? */
static bool before(
	const struct world *w, int sort, const struct candidate *a, const struct candidate *b)
{
	const struct capacity *ca = capacity_find(w, a->maker_id, a->week);
	const struct capacity *cb = capacity_find(w, b->maker_id, b->week);
	int64_t x, y;

	if (sort == SORT_CAPACITY_LEFT) {
		x = -capacity_left(a, ca);
		y = -capacity_left(b, cb);
	} else {
		x = a->load + (ca ? ca->delta : 0);
		y = b->load + (cb ? cb->delta : 0);
	}
	return x != y ? x < y : strcmp(a->maker_id, b->maker_id) < 0;
}

static size_t first_candidate(const struct world *w, const char *listing_id)
{
	size_t low = 0, high = w->n_candidates;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (strcmp(w->candidates[mid].listing_id, listing_id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool is_candidate(const struct world *w, size_t i, const char *listing_id)
{
	return i < w->n_candidates && strcmp(w->candidates[i].listing_id, listing_id) == 0;
}

/* The ready candidates of a rule's scope in the order in which it asks them. */
static size_t candidates_of(const struct plan *p, const struct rule *r, const struct offer *offer,
	const struct candidate **out)
{
	kw_time promise = promise_of(offer, p->w->now);
	int week = week_of(promise);
	size_t n = 0;

	for (size_t i = first_candidate(p->w, offer->listing_id);
		is_candidate(p->w, i, offer->listing_id) && n < CANDIDATES_MAX; i++) {
		const struct candidate *c = &p->w->candidates[i];
		bool own = strcmp(c->maker_id, offer->maker_id) == 0;

		if (c->week != week || !ready(c, promise))
			continue;
		if (r->scope == SCOPE_OWN_MAKER && !own)
			continue;
		if (r->scope == SCOPE_SAME_HUB && strcmp(c->hub_id, offer->hub_id) != 0)
			continue;
		size_t at = n++;
		for (; at > 0 && before(p->w, r->sort, c, out[at - 1]); at--)
			out[at] = out[at - 1];
		out[at] = c;
	}
	return n;
}

static void take_work(struct plan *p, struct line *l, const struct offer *offer,
	const struct candidate *c, int quantity, const struct rule *r, const char *reason)
{
	add_take(p, (struct take) { .line = l,
			    .offer = offer,
			    .maker_id = c->maker_id,
			    .hub_id = c->hub_id,
			    .capacity = capacity_find(p->w, c->maker_id, c->week),
			    .quantity = quantity,
			    .rule = r->name,
			    .reason = reason });
}

/* One maker for the whole line, by the first rule that finds her. */
static bool fill_by_one(struct plan *p, struct line *l, const struct offer *offer)
{
	const struct candidate *asked[CANDIDATES_MAX];

	for (size_t i = 0; i < p->w->n_rules; i++) {
		const struct rule *r = &p->w->rules[i];
		if (!rule_matches(r, &p->k->o))
			continue;
		size_t n = candidates_of(p, r, offer, asked);
		for (size_t j = 0; j < n; j++) {
			const struct candidate *c = asked[j];
			if (capacity_left(c, capacity_find(p->w, c->maker_id, c->week)) < l->parked)
				continue;
			take_work(p, l, offer, c, l->parked, r, "CAPACITY");
			return true;
		}
	}
	return false;
}

/* Several makers, each with what she has left; nothing is taken unless all of it fits. */
static bool fill_by_many(struct plan *p, struct line *l, const struct offer *offer)
{
	const struct candidate *asked[CANDIDATES_MAX];
	size_t first = p->n;
	int rest = l->parked;

	for (size_t i = 0; i < p->w->n_rules && rest > 0; i++) {
		const struct rule *r = &p->w->rules[i];
		if (!rule_matches(r, &p->k->o))
			continue;
		size_t n = candidates_of(p, r, offer, asked);
		for (size_t j = 0; j < n && rest > 0 && p->n - first < SHARED_MAX; j++) {
			const struct candidate *c = asked[j];
			int left = capacity_left(c, capacity_find(p->w, c->maker_id, c->week));
			if (left <= 0)
				continue;
			int quantity = left < rest ? left : rest;
			take_work(p, l, offer, c, quantity, r, "CAPACITY_SHARED");
			rest -= quantity;
		}
	}
	if (rest == 0)
		return true;
	while (p->n > first) {
		const struct take *t = &p->takes[--p->n];
		t->capacity->delta -= t->quantity;
	}
	return false;
}

static enum park_reason fill_by_work(struct plan *p, struct line *l, const struct offer *offer)
{
	kw_time promise = promise_of(offer, p->w->now);
	bool on_leave = false, hub_known = false;

	if (!p->order_rule)
		return NO_RULE;
	if (fill_by_one(p, l, offer))
		return NOT_PARKED;
	if (p->order_rule->split == ALLOW_SPLIT && fill_by_many(p, l, offer))
		return NOT_PARKED;
	for (size_t i = first_candidate(p->w, offer->listing_id);
		is_candidate(p->w, i, offer->listing_id); i++) {
		const struct candidate *c = &p->w->candidates[i];
		hub_known |= c->hub_address != NULL;
		if (ready(c, promise))
			return NO_CAPACITY;
		on_leave |= strcmp(c->state, "ON_LEAVE") == 0;
	}
	if (on_leave)
		return MAKER_ON_LEAVE;
	return hub_known ? NO_CAPACITY : UNKNOWN_HUB;
}

/* ---- what was promised ---- */

static void add_take(struct plan *p, struct take t)
{
	if (t.stock)
		t.stock->allocated +=
			t.quantity; /* held; the movement is made when the plan stands */
	else
		t.capacity->delta += t.quantity;
	if (p->n == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : p->k->n_lines;
		struct take *wider = kw_new(p->w->arena, struct take, cap);
		if (p->n > 0)
			memcpy(wider, p->takes, p->n * sizeof(*wider));
		p->takes = wider;
		p->cap = cap;
	}
	p->takes[p->n++] = t;
}

static void undo(struct plan *p)
{
	while (p->n > 0) {
		struct take *t = &p->takes[--p->n];

		t->line->reason = SPLIT_NOT_ALLOWED;
		if (t->stock)
			t->stock->allocated -= t->quantity;
		else
			t->capacity->delta -= t->quantity;
	}
}

static struct fulfilment *fulfilment_for(struct plan *p, const struct take *t)
{
	struct work *k = p->k;

	for (size_t i = k->n_old_fulfilments; i < k->n_fulfilments; i++) {
		struct fulfilment *f = &k->fulfilments[i];
		if (strcmp(f->maker_id, t->maker_id) == 0 && strcmp(f->hub_id, t->hub_id) == 0)
			return f;
	}
	struct fulfilment *f = &k->fulfilments[k->n_fulfilments++];

	*f = (struct fulfilment) {
		.order_id = k->o.id,
		.n = ++k->o.n_fulfilments,
		.maker_id = t->maker_id,
		.hub_id = t->hub_id,
		.state = FULFILMENT_OPEN,
	};
	f->id = kw_uuid_of("fulfilment", k->o.id.s, t->maker_id, t->hub_id,
		kw_arena_printf(p->w->arena, "%d", f->n));
	return f;
}

static void settle_plan(struct plan *p)
{
	struct work *k = p->k;

	if (p->n == 0)
		return;
	struct fulfilment *fulfilments =
		kw_new(p->w->arena, struct fulfilment, k->n_fulfilments + p->n);
	struct allocation *allocations =
		kw_new(p->w->arena, struct allocation, k->n_allocations + p->n);
	if (k->n_fulfilments > 0)
		memcpy(fulfilments, k->fulfilments, k->n_fulfilments * sizeof(*fulfilments));
	if (k->n_allocations > 0)
		memcpy(allocations, k->allocations, k->n_allocations * sizeof(*allocations));
	k->fulfilments = fulfilments;
	k->allocations = allocations;
	for (size_t i = 0; i < p->n; i++) {
		const struct take *t = &p->takes[i];

		k->allocations[k->n_allocations++] = (struct allocation) {
			.n = fulfilment_for(p, t)->n,
			.line_no = t->line->no,
			.listing_id = t->offer->listing_id,
			.quantity = t->quantity,
			.week = t->capacity ? t->capacity->week : 0,
			.rule = t->rule,
		};
		t->line->parked -= t->quantity;
		t->line->allocated += t->quantity;
		decide(k, t->line, t->rule, t->reason);
		if (t->stock) {
			t->stock->allocated -= t->quantity;
			stock_reserve(&p->w->stock, t->stock, t->quantity, &k->o.id, t->line->no);
		}
	}
}

static void decide(struct work *k, const struct line *l, const char *rule, const char *reason)
{
	for (size_t i = 0; i < k->n_decisions; i++)
		if (k->decisions[i].line_no == l->no)
			return;
	k->decisions[k->n_decisions++] = (struct decision) {
		.order_id = k->o.id, .line_no = l->no, .rule = rule, .reason = reason
	};
}

void release_allocation(struct world *w, const struct allocation *a, const struct kw_uuid *order,
	const char *maker_id)
{
	if (a->week == 0) {
		struct stock *s = stock_find(&w->stock, a->listing_id);
		kw_assert(s != NULL);
		stock_release(&w->stock, s, a->quantity, order, a->line_no);
	} else {
		struct capacity *c = capacity_find(w, maker_id, a->week);
		kw_assert(c != NULL);
		c->delta -= a->quantity;
	}
}

/* ---- look-up in sorted arrays ---- */

const struct offer *offer_find(const struct world *w, const char *channel, const char *sku)
{
	size_t low = 0, high = w->n_offers;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = strcmp(channel, w->offers[mid].channel);
		if (c == 0)
			c = strcmp(sku, w->offers[mid].sku);
		if (c == 0)
			return &w->offers[mid];
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

struct capacity *capacity_find(const struct world *w, const char *maker_id, int week)
{
	size_t low = 0, high = w->n_capacity;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = strcmp(maker_id, w->capacity[mid].maker_id);
		if (c == 0)
			c = (week > w->capacity[mid].week) - (week < w->capacity[mid].week);
		if (c == 0)
			return &w->capacity[mid];
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}
