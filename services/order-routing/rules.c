/* What a channel's message, a cancellation and a parcel's fate mean for an order. Pure. */
#include "rules.h"

#include <stdio.h>
#include <string.h>

#include "states.h"

static bool same(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

/* ---- a channel's messages ---- */

enum judgement judge_message(const struct order *o, bool is_new, const struct seen *seen, size_t n,
	const struct submitted *m)
{
	bool known = false;

	if (is_new)
		return MESSAGE_NEW;
	if (o->first_kind == m->kind && o->first_time == m->source_time) {
		if (same(o->first_hash, m->content_hash))
			return MESSAGE_REPEAT;
		known = true;
	}
	for (size_t i = 0; i < n; i++) {
		if (seen[i].kind != m->kind || seen[i].source_time != m->source_time)
			continue;
		if (same(seen[i].content_hash, m->content_hash))
			return MESSAGE_REPEAT;
		known = true;
	}
	return known ? MESSAGE_CONFLICT : MESSAGE_NEW;
}

/* At the same moment a payment is later than an update, and a cancellation later than both. */
static int rank(int kind)
{
	switch (kind) {
	case KIND_UPDATED:
		return 1;
	case KIND_PAID:
		return 2;
	case KIND_CANCELLED:
		return 3;
	default:
		return 0;
	}
}

bool message_is_newer(const struct order *o, const struct submitted *m)
{
	if (m->source_time != o->source_time)
		return m->source_time > o->source_time;
	return rank(m->kind) > rank(o->source_kind);
}

bool message_cancels(const struct submitted *m)
{
	return m->kind == KIND_CANCELLED || m->cancel_reason;
}

static void take_facts(struct order *o, const struct submitted *m)
{
	o->source_time = m->source_time;
	o->source_kind = m->kind;
	o->financial_status = m->financial_status;
}

static void take_amounts(struct order *o, const struct submitted *m)
{
	o->total = m->total.minor;
	o->lines_total = m->lines_total.minor;
	o->shipping = m->shipping.minor;
	o->tax = m->tax.minor;
	o->discount = m->discount.minor;
	o->totals_flag = m->totals_flag;
}

void work_begin(struct work *k, const struct submitted *m, const char *ship_to, kw_time now,
	struct kw_arena *a)
{
	struct order *o = &k->o;

	k->is_new = k->changed = true;
	*o = (struct order) {
		.id = m->order_id,
		.channel = m->channel,
		.external_id = m->external_id,
		.number = m->number,
		.state = ORDER_RECEIVED,
		.placed_at = m->placed_at,
		.seen_at = now,
		.updated_at = now,
		.first_time = m->source_time,
		.first_kind = m->kind,
		.first_hash = m->content_hash,
		.test = m->test,
		.cod = m->cod,
		.email_hash = m->email_hash,
		.fee_bps = (int)m->fee_bps,
		.park_days = (int)m->park_days,
		.ship_to = ship_to,
	};
	memcpy(o->currency, m->total.currency, sizeof(o->currency));
	take_facts(o, m);
	take_amounts(o, m);
	k->n_lines = m->n_lines;
	k->lines = kw_new(a, struct line, m->n_lines);
	for (size_t i = 0; i < m->n_lines; i++) {
		const struct submitted_line *from = &m->lines[i];
		k->lines[i] = (struct line) {
			.no = (int)i + 1,
			.line_id = from->line_id,
			.sku = from->sku,
			.title = from->title,
			.quantity = (int)from->quantity,
			.price = from->price.minor,
			.discount = from->discount.minor,
			.parked = (int)from->quantity,
			.reason = NOT_PARKED,
		};
	}
}

static bool amounts_differ(const struct order *o, const struct submitted *m)
{
	return o->total != m->total.minor || o->lines_total != m->lines_total.minor ||
	       o->shipping != m->shipping.minor || o->tax != m->tax.minor ||
	       o->discount != m->discount.minor;
}

static bool lines_differ(const struct work *k, const struct submitted *m)
{
	if (k->n_lines != m->n_lines)
		return true;
	for (size_t i = 0; i < m->n_lines; i++) {
		const struct line *l = &k->lines[i];
		const struct submitted_line *n = &m->lines[i];
		if (!same(l->line_id, n->line_id) || !same(l->sku, n->sku) ||
			l->quantity != n->quantity || l->price != n->price.minor ||
			l->discount != n->discount.minor)
			return true;
	}
	return false;
}

unsigned work_update(struct work *k, const struct submitted *m, const char *ship_to)
{
	unsigned exceptions = 0;

	if (!same(k->o.currency, m->total.currency))
		return 1u << EXCEPTION_CURRENCY_CHANGED; /* nothing of it can be compared */
	/* what was sold stays as it was: money is expected by it */
	if (lines_differ(k, m) || amounts_differ(&k->o, m))
		exceptions |= 1u << EXCEPTION_LINES_CHANGED;
	if (!same(k->o.ship_to, ship_to)) {
		if (k->o.n_fulfilments > 0)
			exceptions |= 1u << EXCEPTION_ADDRESS_CHANGED;
		else
			k->o.ship_to = ship_to; /* nobody was told yet */
	}
	take_facts(&k->o, m);
	k->changed = true;
	return exceptions;
}

const char *differing_field(const struct work *k, const struct submitted *m, const char *ship_to)
{
	if (!same(k->o.currency, m->total.currency))
		return "currency";
	if (k->o.total != m->total.minor)
		return "total";
	if (lines_differ(k, m))
		return "lines";
	if (!same(k->o.ship_to, ship_to))
		return "ship_to";
	return "content";
}

static enum kw_rc wrong_line(struct kw_err *err, size_t at, const char *member, const char *reason)
{
	char pointer[64];

	snprintf(pointer, sizeof(pointer), "/lines/%zu/%s", at, member);
	return kw_fail_at(err, KW_INVALID, pointer, "%s", reason);
}

static enum kw_rc check_line(
	const struct submitted *m, size_t at, struct kw_money *sum, struct kw_err *err)
{
	const struct submitted_line *l = &m->lines[at];
	struct kw_money amount;

	if (strcmp(l->price.currency, m->currency) != 0)
		return wrong_line(err, at, "price", "not in the order's currency");
	if (strcmp(l->discount.currency, m->currency) != 0)
		return wrong_line(err, at, "discount", "not in the order's currency");
	if (l->price.minor < 0)
		return wrong_line(err, at, "price", "below zero");
	if (l->discount.minor < 0)
		return wrong_line(err, at, "discount", "below zero");
	for (size_t i = 0; i < at; i++)
		if (strcmp(m->lines[i].line_id, l->line_id) == 0)
			return wrong_line(err, at, "line_id", "a second line with this id");
	if (kw_money_mul(l->price, l->quantity, &amount, NULL) != KW_OK ||
		kw_money_add(*sum, amount, sum, NULL) != KW_OK)
		return wrong_line(err, at, "price", "more than money can hold");
	return KW_OK;
}

/* Shops with prices that include the tax count it once, others add it: both add up. */
static enum kw_rc check_totals(struct submitted *m, struct kw_money lines, struct kw_err *err)
{
	struct kw_money sum;

	KW_TRY(kw_money_add(m->lines_total, m->shipping, &sum, err));
	KW_TRY(kw_money_sub(sum, m->discount, &sum, err));
	struct kw_money taxed;
	KW_TRY(kw_money_add(sum, m->tax, &taxed, err));
	bool lines_fit = lines.minor == m->lines_total.minor;
	bool total_fits = m->total.minor == sum.minor || m->total.minor == taxed.minor;
	if (lines_fit && total_fits)
		m->totals_flag = NULL;
	else if (lines_fit)
		m->totals_flag = "TOTAL";
	else
		m->totals_flag = total_fits ? "LINES_TOTAL" : "LINES_TOTAL TOTAL";
	return KW_OK;
}

enum kw_rc submitted_check(struct submitted *m, struct kw_err *err)
{
	struct {
		const char *pointer;
		const struct kw_money *money;
	} amounts[] = { { "/total", &m->total }, { "/lines_total", &m->lines_total },
		{ "/shipping", &m->shipping }, { "/tax", &m->tax }, { "/discount", &m->discount } };
	struct kw_money lines = { 0, "" };

	for (size_t i = 0; i < KW_LEN(amounts); i++) {
		if (strcmp(amounts[i].money->currency, m->currency) != 0)
			return kw_fail_at(
				err, KW_INVALID, amounts[i].pointer, "not in the order's currency");
		if (amounts[i].money->minor < 0)
			return kw_fail_at(err, KW_INVALID, amounts[i].pointer, "below zero");
	}
	for (size_t i = 0; i < m->n_payments; i++)
		if (m->payments[i].amount.currency[0] == '\0')
			return kw_fail_at(err, KW_INVALID, "/payments", "a payment without amount");
	memcpy(lines.currency, m->total.currency, sizeof(lines.currency));
	for (size_t i = 0; i < m->n_lines; i++)
		KW_TRY(check_line(m, i, &lines, err));
	return check_totals(m, lines, err);
}

/* ---- the end of lines ---- */

static struct line *line_of(const struct work *k, int no)
{
	for (size_t i = 0; i < k->n_lines; i++)
		if (k->lines[i].no == no)
			return &k->lines[i];
	return NULL;
}

int work_cancel(struct world *w, struct work *k, int *cancelled)
{
	int sum = 0;

	for (size_t i = 0; i < k->n_fulfilments; i++) {
		struct fulfilment *f = &k->fulfilments[i];
		const struct kw_edge *edge = fulfilment_edge(f->state, EV_CANCEL);

		if (!edge)
			continue;
		f->state = edge->to;
		f->changed = true;
		for (size_t j = 0; j < k->n_allocations; j++) {
			const struct allocation *a = &k->allocations[j];
			struct line *l = a->n == f->n ? line_of(k, a->line_no) : NULL;
			if (!l)
				continue;
			release_allocation(w, a, &k->o.id, f->maker_id);
			l->allocated -= a->quantity;
			l->cancelled += a->quantity;
			cancelled[l - k->lines] += a->quantity;
			sum += a->quantity;
		}
	}
	for (size_t i = 0; i < k->n_lines; i++) {
		struct line *l = &k->lines[i];

		l->cancelled += l->parked;
		cancelled[i] += l->parked;
		sum += l->parked;
		l->parked = 0;
		l->reason = NOT_PARKED;
	}
	return sum;
}

const char *cancel_refusal(const struct work *k)
{
	switch (order_state_of(k->lines, k->n_lines)) {
	case ORDER_CANCELLED:
	case ORDER_EXPIRED:
		return "ALREADY_CANCELLED";
	case ORDER_DELIVERED:
	case ORDER_CLOSED:
		return "ALREADY_ENDED";
	default:
		return "ALREADY_HANDED_OVER";
	}
}

int work_expire(struct work *k, int *cancelled)
{
	int sum = 0;

	for (size_t i = 0; i < k->n_lines; i++) {
		struct line *l = &k->lines[i];

		l->cancelled += l->parked;
		l->expired += l->parked;
		cancelled[i] = l->parked;
		sum += l->parked;
		l->parked = 0;
		l->reason = NOT_PARKED;
	}
	return sum;
}

/* ---- parcels ---- */

/* Moves the pieces of a fulfilment between the counters of their lines as its state says. */
static void follow(struct work *k, const struct fulfilment *f, int from)
{
	for (size_t j = 0; j < k->n_allocations; j++) {
		const struct allocation *a = &k->allocations[j];
		struct line *l = a->n == f->n ? line_of(k, a->line_no) : NULL;

		if (!l)
			continue;
		if (!fulfilment_left(from) && fulfilment_left(f->state)) {
			l->allocated -= a->quantity;
			l->shipped += a->quantity;
		}
		if (f->state == FULFILMENT_CLOSED)
			l->delivered += a->quantity;
		else if (f->state == FULFILMENT_INCOMPLETE)
			l->incomplete += a->quantity;
	}
}

enum parcel_effect work_parcel(struct work *k, struct fulfilment *f, int event)
{
	const struct kw_edge *edge = fulfilment_edge(f->state, event);
	int from = f->state;

	kw_assert(edge !=
		  NULL); /* every parcel event has an edge in every state: a test walks them */
	if (edge->to == KW_SAME) {
		bool moves = event != EV_PARCEL_CANCELLED;
		return from == FULFILMENT_CANCELLED && moves ? PARCEL_EXCEPTION : PARCEL_NOTHING;
	}
	f->state = edge->to;
	f->changed = k->changed = true;
	follow(k, f, from);
	if (f->state == FULFILMENT_ON_HOLD)
		return PARCEL_EXCEPTION;
	return !fulfilment_left(from) && fulfilment_left(f->state) ? PARCEL_LEFT : PARCEL_MOVED;
}

/* ---- exceptions ---- */

bool exception_may(int kind, bool keep, bool cancel)
{
	bool of_an_order = kind != EXCEPTION_STOCK_SHORT && kind != EXCEPTION_RETURN_REPORTED &&
			   kind != EXCEPTION_NOT_FETCHED; /* whose order may not be there yet */

	return keep || (cancel && of_an_order);
}
