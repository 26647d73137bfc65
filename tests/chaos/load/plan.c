#include "plan.h"

#include <stdlib.h>
#include <string.h>

#include "core/rc.h"
#include "dice.h"

#define PLAN_DICE 21
#define SCANS_KEPT 64
#define RECENT_S 20 /* what is spoken of again is as often of these seconds as of all time */
#define CANCEL_S 5  /* so old is an order, at most, when its buyer cancels: its parcel leaves */
#define SEEN_S 0.5  /* after so long an operator sees an order */
#define STORM 10    /* repeats at once */

struct waiting {
	uint64_t tick, order; /* order: of those of one tick, the first comes first */
	struct message message;
};

struct record {
	int64_t version, count, pieces;
	bool away;
};

/* What was planned of one sale. */
struct sold {
	uint64_t told; /* the tick of its first message; 0: it waits yet */
	int64_t total;
	enum flaw flaw;
	bool cod;
	/* its last message */
	uint8_t version, word, differs;
	/* its payments, and what is told of the first */
	uint8_t payments;
	uint64_t event;
	int64_t paid;
	bool foreign;
};

struct plan {
	uint64_t seed;
	double rate;
	kw_time start;
	struct dice dice;
	uint64_t tick, n_sales, serial, n_waited;
	struct sold *sold;
	size_t cap_sold;
	struct message scans[SCANS_KEPT]; /* the last ones that were told */
	size_t n_scans;
	struct record hubs[HUBS], makers[MAKERS], listings[LISTINGS];
	/* a binary heap, the earliest on top */
	struct waiting *heap;
	size_t n_heap, cap_heap;
};

/* One kind of action. draw: false where there is nothing yet that it could be about. */
typedef bool draw_fn(struct plan *p, struct message *ret);
struct action {
	const char *name;
	int weight;
	draw_fn *draw;
};

static draw_fn new_order, storm, again_order, changed_order, updated_order, cancelled, impossible,
	forged_order, stray_payment, again_payment, refund, tracking, again_tracking, recount,
	reprice, maker_changes, hub_changes;

/* The mix. What follows of an order by itself (its payments) comes beside it. */
static const struct action actions[] = {
	{ "order", 420, new_order },
	{ "storm", 3, storm },
	{ "repeat", 110, again_order },
	{ "changed body", 30, changed_order },
	{ "update", 50, updated_order },
	{ "cancel", 50, cancelled },
	{ "impossible", 30, impossible },
	{ "forged", 70, forged_order },
	{ "payment of no order", 10, stray_payment },
	{ "payment again", 50, again_payment },
	{ "refund", 30, refund },
	{ "scan", 70, tracking },
	{ "scan again", 20, again_tracking },
	{ "count", 80, recount },
	{ "listing", 30, reprice },
	{ "maker", 30, maker_changes },
	{ "hub", 10, hub_changes },
};

/* ---- what waits for its time ---- */

static bool earlier(const struct waiting *a, const struct waiting *b)
{
	return a->tick != b->tick ? a->tick < b->tick : a->order < b->order;
}

/* When it is sent. */
static kw_time now_of(const struct plan *p)
{
	return p->start + (kw_time)((double)p->tick / p->rate) * KW_US_PER_S;
}

static void later(struct plan *p, double seconds, const struct message *m)
{
	struct waiting w = { p->tick + 1 + (uint64_t)(seconds * p->rate), p->n_waited++, *m };
	size_t i = p->n_heap++;

	if (p->n_heap > p->cap_heap) {
		p->cap_heap = p->cap_heap ? p->cap_heap * 2 : 1024;
		p->heap = realloc(p->heap, p->cap_heap * sizeof(*p->heap));
		kw_assert(p->heap);
	}
	for (; i > 0 && earlier(&w, &p->heap[(i - 1) / 2]); i = (i - 1) / 2)
		p->heap[i] = p->heap[(i - 1) / 2];
	p->heap[i] = w;
}

static bool take_waiting(struct plan *p, struct message *ret)
{
	if (p->n_heap == 0 || p->heap[0].tick > p->tick)
		return false;
	*ret = p->heap[0].message;
	struct waiting last = p->heap[--p->n_heap];
	size_t i = 0;
	for (size_t child; (child = 2 * i + 1) < p->n_heap; i = child) {
		if (child + 1 < p->n_heap && earlier(&p->heap[child + 1], &p->heap[child]))
			child++;
		if (!earlier(&p->heap[child], &last))
			break;
		p->heap[i] = p->heap[child];
	}
	if (p->n_heap > 0)
		p->heap[i] = last;
	return true;
}

/* ---- orders ---- */

static struct message order_of(uint64_t n, enum flaw flaw)
{
	return (struct message) { .kind = ORDER, .n = n, .flaw = flaw, .version = 1 };
}

/* A new sale, which nobody has told of yet. */
static uint64_t sell(struct plan *p, enum flaw flaw)
{
	struct sale sale;

	if (p->n_sales == p->cap_sold) {
		p->cap_sold = p->cap_sold ? p->cap_sold * 2 : 4096;
		p->sold = realloc(p->sold, p->cap_sold * sizeof(*p->sold));
		kw_assert(p->sold);
	}
	kw_assert(p->n_sales < SALES_MAX);
	sale_of(p->seed, p->start, p->n_sales, flaw, 0, &sale);
	p->sold[p->n_sales] =
		(struct sold) { .total = sale.total, .flaw = flaw, .cod = sale.cod, .version = 1 };
	return p->n_sales++;
}

/* One of the last seconds, about; 0: half of the time of RECENT_S, else of all. false: there is
 * none that can be an order. */
static bool some_sale(struct plan *p, int seconds, uint64_t *ret)
{
	uint64_t among = p->n_sales;

	if (among == 0)
		return false;
	if (seconds > 0 || dice_percent(&p->dice, 50)) {
		/* every third message is a new order */
		uint64_t last = (uint64_t)((seconds ? seconds : RECENT_S) * p->rate / 3) + 1;
		among = last < among ? last : among;
	}
	*ret = p->n_sales - 1 - (uint64_t)dice_below(&p->dice, (int64_t)among);
	return p->sold[*ret].flaw <= UNKNOWN_SKU;
}

static struct message payment_of(struct plan *p, uint64_t n, int64_t amount)
{
	struct sold *s = &p->sold[n];
	struct message m = { .kind = PAID,
		.n = n,
		.serial = p->serial++,
		.amount = amount,
		.count = s->payments++,
		.version = 1 };

	if (s->payments == 1) {
		s->event = m.serial;
		s->paid = amount;
	}
	return m;
}

static void pay_later(struct plan *p, uint64_t n, int64_t amount)
{
	struct message m = payment_of(p, n, amount);

	later(p, (double)dice_below(&p->dice, 3000) / 1000, &m);
}

static int64_t a_part(struct plan *p, int64_t amount)
{
	return 1 + amount * (10 + dice_below(&p->dice, 80)) / 100;
}

/* The sale's next message. */
static struct message next_of(struct plan *p, uint64_t n, enum word word, unsigned differs)
{
	struct sold *s = &p->sold[n];
	struct message m = order_of(n, s->flaw);

	s->word = (uint8_t)word;
	s->differs = (uint8_t)differs;
	m.change = UPDATED;
	m.word = word;
	m.differs = differs;
	m.version = ++s->version;
	return m;
}

/* The channel takes the money and says so in a message of the order. */
static void channel_pays(struct plan *p, uint64_t n)
{
	struct message m = next_of(p, n, SAYS_PAID, 0);

	later(p, (double)dice_below(&p->dice, 2000) / 1000, &m);
}

static void pay(struct plan *p, uint64_t n)
{
	int64_t roll = dice_below(&p->dice, 100), total = p->sold[n].total;

	if (p->sold[n].cod)
		return;
	if (roll < 20) {
		channel_pays(p, n);
	} else if (roll < 80) {
		pay_later(p, n, total);
	} else if (roll < 84) { /* short, and half of the time the rest too */
		int64_t part = a_part(p, total);
		pay_later(p, n, part);
		if (part < total && dice_percent(&p->dice, 50))
			pay_later(p, n, total - part);
	} else if (roll < 88) {
		pay_later(p, n, total + a_part(p, total));
	} else if (roll < 92) {
		pay_later(p, n, total);
		pay_later(p, n, total);
	} else if (roll < 94) {
		struct message m = payment_of(p, n, total);

		m.foreign = true;
		p->sold[n].foreign = p->sold[n].payments == 1;
		later(p, (double)dice_below(&p->dice, 3000) / 1000, &m);
	} /* the others are never paid */
}

static bool new_order(struct plan *p, struct message *ret)
{
	uint64_t n = sell(p, dice_percent(&p->dice, 4) ? UNKNOWN_SKU : NO_FLAW);
	struct message order = order_of(n, p->sold[n].flaw);

	if (!p->sold[n].cod && dice_percent(&p->dice, 12)) { /* its money is here before it */
		*ret = payment_of(p, n, p->sold[n].total);
		later(p, (double)dice_below(&p->dice, 2000) / 1000, &order);
		return true;
	}
	*ret = order;
	pay(p, n);
	return true;
}

/* The same order many times at once. */
static bool storm(struct plan *p, struct message *ret)
{
	*ret = order_of(sell(p, NO_FLAW), NO_FLAW);
	struct message again = *ret;
	again.change = REPEAT;
	again.at_once = true;
	for (int i = 0; i < STORM; i++)
		later(p, 0, &again);
	return true;
}

static bool again_order(struct plan *p, struct message *ret)
{
	uint64_t n;

	if (!some_sale(p, 0, &n))
		return false;
	const struct sold *s = &p->sold[n];
	*ret = order_of(n, s->flaw);
	ret->change = REPEAT;
	if (s->word < SAYS_CANCELLED && dice_percent(&p->dice, 40)) {
		ret->word = s->word;
		ret->differs = s->differs;
		ret->version = s->version;
	}
	return true;
}

/* Other content under the same id and version. */
static bool changed_order(struct plan *p, struct message *ret)
{
	if (!again_order(p, ret))
		return false;
	ret->change = CHANGED;
	ret->differs ^= 1 + (unsigned)dice_below(&p->dice, 7);
	return true;
}

/* A sale that can still say something. */
static bool open_sale(struct plan *p, int seconds, uint64_t *ret)
{
	return some_sale(p, seconds, ret) && p->sold[*ret].version < UINT8_MAX;
}

static bool updated_order(struct plan *p, struct message *ret)
{
	uint64_t n;

	if (!open_sale(p, 0, &n))
		return false;
	/* its API tells how things are, and what was cancelled is */
	if (sale_channel(p->seed, n) == DARAZ && p->sold[n].word == SAYS_CANCELLED)
		return false;
	*ret = next_of(p, n, SAYS_UPDATED,
		dice_percent(&p->dice, 40) ? 0 : 1 + (unsigned)dice_below(&p->dice, 7));
	return true;
}

static bool cancelled(struct plan *p, struct message *ret)
{
	uint64_t n;

	if (!open_sale(p, CANCEL_S, &n))
		return false;
	bool is_seen =
		p->sold[n].told > 0 && (double)(p->tick + 1 - p->sold[n].told) >= SEEN_S * p->rate;
	if (is_seen && dice_percent(&p->dice, 70)) {
		*ret = order_of(n, p->sold[n].flaw);
		ret->by = BY_OPERATOR;
	} else {
		*ret = next_of(
			p, n, sale_channel(p->seed, n) == WOO ? SAYS_GONE : SAYS_CANCELLED, 0);
		ret->by = BY_CHANNEL;
	}
	ret->kind = CANCEL;
	ret->serial = p->serial++;
	return true;
}

/* A put that would be seen if it were taken: nothing later could replace it. */
static void put_nowhere(struct plan *p, struct message *m)
{
	m->n = (uint64_t)dice_below(&p->dice, m->kind == LISTING ? LISTINGS : MAKERS);
	m->version = m->count = 1000000;
}

/* What no edge may take. What a notice leads to is judged later. */
static bool impossible(struct plan *p, struct message *ret)
{
	static const enum kind others[] = { PAID, TRACKING, LISTING, MAKER };
	enum flaw flaw = BAD_CURRENCY + (enum flaw)dice_below(&p->dice, FLAWS - BAD_CURRENCY);

	if (flaw >= BROKEN_JSON && dice_percent(&p->dice, 50)) {
		*ret = order_of(SALES_MAX + p->serial, flaw);
		ret->kind = others[dice_below(&p->dice, (int64_t)KW_LEN(others))];
		ret->serial = p->serial++;
		ret->lost = true;
		ret->amount = 100000;
		ret->said_at = now_of(p);
		if (ret->kind == LISTING || ret->kind == MAKER)
			put_nowhere(p, ret);
		return true;
	}
	if (sale_channel(p->seed, p->n_sales) == DARAZ && flaw < BROKEN_JSON)
		flaw = BROKEN_JSON;
	*ret = order_of(sell(p, flaw), flaw);
	return true;
}

static enum forgery some_forgery(struct plan *p)
{
	return 1 + (enum forgery)dice_below(&p->dice, FORGERIES - 1);
}

static bool signs_time(const struct plan *p, const struct message *m)
{
	if (m->kind == ORDER)
		return sale_channel(p->seed, m->n) <= AHAAN;
	return m->kind == PAID || m->by == COURIER_A || m->by == COURIER_B;
}

/* Half of them are of orders that there are. */
static bool forged_order(struct plan *p, struct message *ret)
{
	static const enum kind kinds[] = { ORDER, ORDER, ORDER, PAID, PAID, CANCEL, TRACKING,
		TRACKING, LISTING, MAKER };
	uint64_t n = SALES_MAX + p->serial;
	enum kind kind = kinds[dice_below(&p->dice, (int64_t)KW_LEN(kinds))];

	if (dice_percent(&p->dice, 50) && !some_sale(p, 0, &n))
		return false;
	*ret = order_of(n, NO_FLAW);
	ret->kind = kind;
	ret->forgery = some_forgery(p);
	ret->serial = SALES_MAX + p->serial++;
	ret->amount = 100000;
	ret->by = kind == TRACKING ? (int)dice_below(&p->dice, TELLERS) : BY_OPERATOR;
	ret->said_at = now_of(p);
	if (kind == LISTING || kind == MAKER)
		put_nowhere(p, ret);
	/* an operator's token signs neither time nor body; most marketplaces no time */
	if (kind != ORDER && kind != PAID && kind != TRACKING && ret->forgery > WRONG_KEY)
		ret->forgery = WRONG_KEY;
	if (ret->forgery == EXPIRED && !signs_time(p, ret))
		ret->forgery = TAMPERED;
	return true;
}

/* ---- money ---- */

static bool stray_payment(struct plan *p, struct message *ret)
{
	*ret = (struct message) { .kind = PAID,
		.n = SALES_MAX + p->serial,
		.serial = p->serial,
		.amount = 1000 + dice_below(&p->dice, 1000000),
		.lost = true,
		.version = 1 };
	p->serial++;
	return true;
}

/* The first payment's event again, or that payment told by another event; seldom the same event
 * with another sum. */
static bool again_payment(struct plan *p, struct message *ret)
{
	uint64_t n;

	if (!some_sale(p, 0, &n) || p->sold[n].payments == 0)
		return false;
	int64_t roll = dice_below(&p->dice, 10);
	*ret = (struct message) { .kind = PAID,
		.n = n,
		.serial = roll < 6 ? p->sold[n].event : p->serial++,
		.amount = p->sold[n].paid + (roll == 0 ? 100 : 0),
		.foreign = p->sold[n].foreign,
		.change = roll == 0  ? CHANGED
			  : roll < 6 ? REPEAT
				     : FIRST,
		.version = 1 };
	return true;
}

static bool refund(struct plan *p, struct message *ret)
{
	uint64_t n;

	if (!some_sale(p, 0, &n) || p->sold[n].payments == 0)
		return false;
	*ret = (struct message) { .kind = REFUND, .n = n, .serial = p->serial++, .version = 1 };
	ret->amount = dice_percent(&p->dice, 50) ? p->sold[n].total : a_part(p, p->sold[n].total);
	return true;
}

/* ---- parcels ---- */

static const int word_weights[SCANS] = { 20, 25, 20, 10, 12, 3, 10 };

/* As courier-dispatch chooses, if the order is one parcel of its own country's. */
static int likely_courier(const struct sale *s)
{
	int64_t weight = 0;

	for (size_t i = 0; i < s->n_lines; i++)
		weight += s->lines[i].weight_g * s->lines[i].quantity;
	return s->cod || (weight <= 2000 && s->currency[0] == 'P') ? COURIER_A : COURIER_B;
}

/* In any order, of parcels that there are, will be or never will be. */
static bool tracking(struct plan *p, struct message *ret)
{
	int64_t left = dice_below(&p->dice, 100);
	struct sale sale;
	uint64_t n;
	int word = 0;

	if (!some_sale(p, RECENT_S / 2, &n))
		return false;
	sale_of(p->seed, p->start, n, NO_FLAW, 0, &sale);
	while (left >= word_weights[word])
		left -= word_weights[word++];
	*ret = (struct message) { .kind = TRACKING,
		.n = n,
		.serial = p->serial++,
		.count = word,
		.carrier = likely_courier(&sale),
		.version = 1,
		.said_at = now_of(p) - dice_below(&p->dice, 30) * KW_US_PER_S };
	if (dice_percent(&p->dice, 5))
		ret->carrier = COURIER_A + COURIER_B - ret->carrier;
	ret->by = dice_percent(&p->dice, 50)   ? ret->carrier
		  : dice_percent(&p->dice, 50) ? AFTERSHIP
					       : EASYPOST;
	p->scans[p->n_scans++ % SCANS_KEPT] = *ret;
	return true;
}

/* One of the last scans again, seldom with another word. */
static bool again_tracking(struct plan *p, struct message *ret)
{
	if (p->n_scans == 0)
		return false;
	size_t among = p->n_scans < SCANS_KEPT ? p->n_scans : SCANS_KEPT;
	*ret = p->scans[dice_below(&p->dice, (int64_t)among)];
	ret->change = REPEAT;
	if (dice_percent(&p->dice, 15)) {
		ret->change = CHANGED;
		ret->count = (ret->count + 1) % SCANS;
	}
	return true;
}

/* ---- the operators ---- */

static struct message put_of(enum kind kind, int i, const struct record *r)
{
	return (struct message) { .kind = kind,
		.n = (uint64_t)i,
		.version = r->version,
		.amount = r->pieces,
		.count = r->count,
		.away = r->away,
		.change = r->version > 1 ? UPDATED : FIRST };
}

static bool recount(struct plan *p, struct message *ret)
{
	int i = (int)dice_below(&p->dice, dice_percent(&p->dice, 50) ? HOT : LISTINGS);
	struct record *r = &p->listings[i];
	struct listing l;

	listing_of(p->seed, i, &l);
	if (l.kind == MADE_TO_ORDER)
		return false;
	r->version++;
	r->count++;
	r->pieces = l.kind == ONE_OF_A_KIND ? dice_below(&p->dice, 2) : dice_below(&p->dice, 600);
	*ret = put_of(LISTING, i, r);
	return true;
}

/* Sold no longer for a while, or again; sometimes the last version with another content. */
static bool reprice(struct plan *p, struct message *ret)
{
	int i = (int)dice_below(&p->dice, LISTINGS);
	struct record *r = &p->listings[i];
	bool conflict = r->version > 1 && dice_percent(&p->dice, 20);

	if (!conflict) {
		r->version++;
		r->away = !r->away;
	}
	*ret = put_of(LISTING, i, r);
	if (conflict) {
		ret->change = CHANGED;
		ret->away = !ret->away;
	}
	return true;
}

static bool maker_changes(struct plan *p, struct message *ret)
{
	int i = (int)dice_below(&p->dice, MAKERS);
	struct record *r = &p->makers[i];

	if (dice_percent(&p->dice, 30)) { /* the same again */
		*ret = put_of(MAKER, i, r);
		ret->change = REPEAT;
		return true;
	}
	r->version++;
	r->away = dice_percent(&p->dice, 10);
	*ret = put_of(MAKER, i, r);
	return true;
}

static bool hub_changes(struct plan *p, struct message *ret)
{
	int i = (int)dice_below(&p->dice, HUBS);

	p->hubs[i].version++;
	*ret = put_of(HUB, i, &p->hubs[i]);
	return true;
}

/* ---- all ---- */

struct plan *plan_new(uint64_t seed, double rate, kw_time start)
{
	struct plan *p = calloc(1, sizeof(*p));

	kw_assert(p);
	p->seed = seed;
	p->rate = rate;
	p->start = start;
	p->dice = dice_of(seed, PLAN_DICE, 0);
	for (int i = 0; i < HUBS; i++)
		p->hubs[i].version = 1;
	for (int i = 0; i < MAKERS; i++)
		p->makers[i].version = 1;
	for (int i = 0; i < LISTINGS; i++) {
		struct listing l;

		listing_of(seed, i, &l);
		p->listings[i] = (struct record) { 1, 1, l.pieces, false };
	}
	return p;
}

void plan_free(struct plan *p)
{
	free(p->sold);
	free(p->heap);
	free(p);
}

size_t plan_catalogue(struct plan *p, int round, struct message *ret)
{
	static const struct {
		enum kind kind;
		int n;
	} rounds[] = { { HUB, HUBS }, { MAKER, MAKERS }, { LISTING, LISTINGS } };
	const struct record *records[] = { p->hubs, p->makers, p->listings };

	if (round >= (int)KW_LEN(rounds))
		return 0;
	for (int i = 0; i < rounds[round].n; i++) {
		ret[i] = put_of(rounds[round].kind, i, &records[round][i]);
		ret[i].lane = (unsigned)i;
	}
	return (size_t)rounds[round].n;
}

static void draw(struct plan *p, struct message *ret)
{
	int64_t sum = 0;

	for (size_t i = 0; i < KW_LEN(actions); i++)
		sum += actions[i].weight;
	for (;;) {
		int64_t left = dice_below(&p->dice, sum);
		const struct action *a = actions;

		while (left >= a->weight)
			left -= a++->weight;
		if (a->draw(p, ret))
			return;
	}
}

void plan_next(struct plan *p, struct message *ret)
{
	if (!take_waiting(p, ret))
		draw(p, ret);
	if (ret->kind == ORDER && !ret->forgery && ret->n < p->n_sales && p->sold[ret->n].told == 0)
		p->sold[ret->n].told = p->tick + 1;
	ret->lane = (unsigned)dice_below(&p->dice, 1 << 16);
	ret->slow = dice_percent(&p->dice, 1);
	p->tick += !ret->at_once;
}
