/* One round of work on some orders inside a transaction: open, load, decide, write. */
#include "round.h"

#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "states.h"

#define US_PER_DAY (86400 * KW_US_PER_S)

void *vector_room(struct kw_arena *a, void *rows, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return rows;
	*cap = *cap ? *cap * 2 : 64;
	void *wider = kw_arena_alloc(a, *cap, size);
	if (n > 0)
		memcpy(wider, rows, n * size);
	return wider;
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(((const struct id_row *)a)->id.s, ((const struct id_row *)b)->id.s);
}

size_t ids_distinct(struct id_row *ids, size_t n)
{
	size_t kept = 0;

	qsort(ids, n, sizeof(*ids), compare_ids);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || strcmp(ids[i].id.s, ids[kept - 1].id.s) != 0)
			ids[kept++] = ids[i];
	return kept;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(((const struct text_row *)a)->text, ((const struct text_row *)b)->text);
}

size_t texts_distinct(struct text_row *texts, size_t n)
{
	size_t kept = 0;

	qsort(texts, n, sizeof(*texts), compare_texts);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || strcmp(texts[i].text, texts[kept - 1].text) != 0)
			texts[kept++] = texts[i];
	return kept;
}

static int compare_work(const void *id, const void *work)
{
	return strcmp(id, ((const struct work *)work)->o.id.s);
}

struct work *round_find(struct round *r, const struct kw_uuid *id)
{
	return bsearch(id->s, r->works, r->n, sizeof(*r->works), compare_work);
}

/* ---- open and load ---- */

enum kw_rc round_open(
	struct round *r, struct kw_batch *b, const struct id_row *ids, size_t n, struct kw_err *err)
{
	struct order *orders;
	size_t n_orders;

	*r = (struct round) { .b = b, .n = n };
	r->works = kw_new(b->arena, struct work, n);
	KW_TRY(store_lock_orders(b, ids, n, &orders, &n_orders, err));
	for (size_t i = 0; i < n; i++) {
		r->works[i].o.id = ids[i].id;
		r->works[i].is_new = true;
	}
	for (size_t i = 0; i < n_orders; i++) {
		struct work *k = round_find(r, &orders[i].id);
		kw_assert(k != NULL);
		k->o = orders[i];
		k->is_new = false;
	}
	r->w.now = b->now;
	r->w.arena = b->arena;
	r->w.stock.arena = b->arena;
	return KW_OK;
}

struct numbered {
	int64_t no;
	struct work *work;
};

static int compare_numbers(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;

	return (x->no > y->no) - (x->no < y->no);
}

/* Hands out runs of rows to their works; both are sorted by the orders' numbers. */
#define DEAL(works, n_works, all, n_all, member, n_member)                             \
	for (size_t at = 0, from = 0, to; from < (n_all); from = to) {                 \
		while (at < (n_works) && (works)[at].no < (all)[from].order_no)        \
			at++;                                                          \
		kw_assert(at < (n_works) && (works)[at].no == (all)[from].order_no);   \
		for (to = from; to < (n_all) && (all)[to].order_no == (works)[at].no;) \
			to++;                                                          \
		(works)[at].work->member = &(all)[from];                               \
		(works)[at].work->n_member = to - from;                                \
	}

enum kw_rc round_load(struct round *r, struct kw_err *err)
{
	struct numbered *works = kw_new(r->b->arena, struct numbered, r->n);
	struct id_row *ids = kw_new(r->b->arena, struct id_row, r->n);
	struct number_row *numbers = kw_new(r->b->arena, struct number_row, r->n);
	struct line *lines;
	struct fulfilment *fulfilments;
	struct allocation *allocations;
	size_t n = 0, n_lines, n_fulfilments, n_allocations;

	for (size_t i = 0; i < r->n; i++)
		if (r->works[i].load && !r->works[i].is_new) {
			works[n] = (struct numbered) { r->works[i].o.no, &r->works[i] };
			ids[n++].id = r->works[i].o.id;
		}
	qsort(works, n, sizeof(*works), compare_numbers);
	for (size_t i = 0; i < n; i++)
		numbers[i].no = works[i].no;
	KW_TRY(store_find_lines(r->b, numbers, n, &lines, &n_lines, err));
	KW_TRY(store_find_fulfilments(r->b, numbers, n, &fulfilments, &n_fulfilments, err));
	KW_TRY(store_find_allocations(r->b, numbers, n, &allocations, &n_allocations, err));
	KW_TRY(store_find_parked(r->b, ids, n, &r->parked, &r->n_parked, err));
	DEAL(works, n, lines, n_lines, lines, n_lines);
	DEAL(works, n, fulfilments, n_fulfilments, fulfilments, n_fulfilments);
	DEAL(works, n, allocations, n_allocations, allocations, n_allocations);
	for (size_t i = 0; i < r->n; i++) {
		r->works[i].n_old_fulfilments = r->works[i].n_fulfilments;
		r->works[i].n_old_allocations = r->works[i].n_allocations;
	}
	for (size_t i = 0; i < r->n_parked; i++) {
		struct work *k = round_find(r, &r->parked[i].order_id);
		struct line *l = &k->lines[r->parked[i].line_no - 1];
		kw_assert(l->no == r->parked[i].line_no);
		l->reason = r->parked[i].reason;
	}
	return KW_OK;
}

const struct parked_row *round_parked(
	const struct round *r, const struct work *k, const struct line *l)
{
	for (size_t low = 0, high = r->n_parked; low < high;) {
		size_t mid = low + (high - low) / 2;
		int c = strcmp(k->o.id.s, r->parked[mid].order_id.s);
		if (c == 0)
			c = l->no - r->parked[mid].line_no;
		if (c == 0)
			return &r->parked[mid];
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

/* ---- what stock, listings and capacity the round needs ---- */

static int compare_skus(const void *a, const void *b)
{
	const struct sku_row *x = a, *y = b;
	int c = strcmp(x->channel, y->channel);

	return c ? c : strcmp(x->sku, y->sku);
}

static enum kw_rc find_offers(struct round *r, struct kw_err *err)
{
	struct sku_row *skus;
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->works[i].allocate ? r->works[i].n_lines : 0;
	if (n == 0)
		return KW_OK;
	skus = kw_new(r->b->arena, struct sku_row, n);
	n = 0;
	for (size_t i = 0; i < r->n; i++)
		for (size_t j = 0; r->works[i].allocate && j < r->works[i].n_lines; j++)
			if (r->works[i].lines[j].parked > 0)
				skus[n++] = (struct sku_row) { r->works[i].o.channel,
					r->works[i].lines[j].sku };
	qsort(skus, n, sizeof(*skus), compare_skus);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || compare_skus(&skus[i], &skus[kept - 1]) != 0)
			skus[kept++] = skus[i];
	KW_TRY(store_find_rules(r->b, &r->w, err));
	return store_find_offers(r->b, skus, kept, &r->w, err);
}

static enum kw_rc lock_stock(struct round *r, struct kw_err *err)
{
	struct text_row *listings;
	size_t n = r->w.n_offers + r->n_counts + r->n_sold;

	for (size_t i = 0; i < r->n; i++)
		n += r->works[i].cancel ? r->works[i].n_old_allocations : 0;
	listings = kw_new(r->b->arena, struct text_row, n);
	n = 0;
	for (size_t i = 0; i < r->w.n_offers; i++)
		if (r->w.offers[i].kind != MADE_TO_ORDER)
			listings[n++].text = r->w.offers[i].listing_id;
	for (size_t i = 0; i < r->n_counts; i++)
		listings[n++].text = r->counts[i].listing_id;
	for (size_t i = 0; i < r->n_sold; i++)
		listings[n++].text = r->sold[i].listing_id;
	for (size_t i = 0; i < r->n; i++)
		for (size_t j = 0; r->works[i].cancel && j < r->works[i].n_old_allocations; j++)
			if (r->works[i].allocations[j].week == 0)
				listings[n++].text = r->works[i].allocations[j].listing_id;
	return store_lock_stock(r->b, listings, texts_distinct(listings, n), &r->w, err);
}

static int compare_capacity(const void *a, const void *b)
{
	const struct capacity *x = a, *y = b;
	int c = strcmp(x->maker_id, y->maker_id);

	return c ? c : (x->week > y->week) - (x->week < y->week);
}

static const char *maker_of(const struct work *k, const struct allocation *a)
{
	for (size_t i = 0; i < k->n_fulfilments; i++)
		if (k->fulfilments[i].n == a->n)
			return k->fulfilments[i].maker_id;
	kw_assert(!"an allocation without fulfilment");
	return NULL;
}

static int compare_wants(const void *a, const void *b)
{
	const struct want_row *x = a, *y = b;

	return strcmp(x->listing_id, y->listing_id);
}

static enum kw_rc find_candidates(struct round *r, struct kw_err *err)
{
	struct want_row *wants = kw_new(r->b->arena, struct want_row, r->w.n_offers);
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < r->w.n_offers; i++) {
		const struct offer *o = &r->w.offers[i];
		if (o->kind == MADE_TO_ORDER && o->state == LISTING_APPROVED)
			wants[n++] = (struct want_row) { o->listing_id, o->maker_id, o->hub_id,
				o->skill, week_of(promise_of(o, r->w.now)) };
	}
	/* the same listing under several channels' names has one week */
	qsort(wants, n, sizeof(*wants), compare_wants);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || compare_wants(&wants[i], &wants[kept - 1]) != 0)
			wants[kept++] = wants[i];
	return store_find_candidates(r->b, wants, kept, &r->w, err);
}

static enum kw_rc lock_capacity(struct round *r, struct kw_err *err)
{
	size_t n = r->w.n_candidates, kept = 0;
	struct capacity *keys;

	for (size_t i = 0; i < r->n; i++)
		n += r->works[i].cancel ? r->works[i].n_old_allocations : 0;
	keys = kw_new(r->b->arena, struct capacity, n);
	n = 0;
	for (size_t i = 0; i < r->w.n_candidates; i++)
		keys[n++] = (struct capacity) { .maker_id = r->w.candidates[i].maker_id,
			.week = r->w.candidates[i].week };
	for (size_t i = 0; i < r->n; i++) {
		const struct work *k = &r->works[i];
		for (size_t j = 0; k->cancel && j < k->n_old_allocations; j++)
			if (k->allocations[j].week != 0)
				keys[n++] = (struct capacity) { .maker_id = maker_of(
									k, &k->allocations[j]),
					.week = k->allocations[j].week };
	}
	qsort(keys, n, sizeof(*keys), compare_capacity);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || compare_capacity(&keys[i], &keys[kept - 1]) != 0)
			keys[kept++] = keys[i];
	return store_lock_capacity(r->b, keys, kept, &r->w, err);
}

/* ---- decide ---- */

static void count_stock(struct round *r)
{
	struct stock_book *book = &r->w.stock;

	for (size_t i = 0; i < r->n_counts; i++) {
		struct stock *s = stock_find(book, r->counts[i].listing_id);
		kw_assert(s != NULL);
		int missing = s->missing;
		stock_count(book, s, r->counts[i].quantity, r->counts[i].quantity_version);
		if (s->missing > missing) {
			const char *version =
				kw_arena_printf(r->b->arena, "%lld", (long long)s->count_version);
			struct kw_uuid id =
				kw_uuid_of("exception", "STOCK_SHORT", s->listing_id, version);
			round_exception(r, NULL, EXCEPTION_STOCK_SHORT, &id, NULL,
				kw_arena_printf(r->b->arena,
					"%s: %d pieces were counted away that are promised to "
					"orders",
					s->listing_id, s->missing),
				NULL);
		}
	}
	for (size_t i = 0; i < r->n_sold; i++) {
		struct stock *s = stock_find(book, r->sold[i].listing_id);
		kw_assert(s != NULL);
		stock_sell(book, s, r->sold[i].quantity, &r->sold[i].order_id, r->sold[i].line_no);
	}
}

/* What a cancellation gives back may be what somebody else's line waits for. */
static void wake_released(struct round *r, const struct work *k)
{
	for (size_t i = 0; i < k->n_old_allocations; i++) {
		const struct allocation *a = &k->allocations[i];
		round_wake(r, "listing", a->listing_id);
		if (a->week != 0)
			round_wake(r, "maker", maker_of(k, a));
	}
}

static void cancel(struct round *r, struct work *k)
{
	int *cancelled = kw_new(r->b->arena, int, k->n_lines);
	int sum = work_cancel(&r->w, k, cancelled);

	k->changed = true;
	if (sum == 0) {
		k->refusal = cancel_refusal(k);
		emit_refused(r, k, k->refusal);
		return;
	}
	k->lines_changed = true;
	k->o.state = order_state_of(k->lines, k->n_lines);
	k->o.auto_cancel_at = 0;
	wake_released(r, k);
	emit_cancelled(r, k, &order_cancelled_event, cancelled);
}

static void expire(struct round *r, struct work *k)
{
	int *cancelled = kw_new(r->b->arena, int, k->n_lines);

	if (work_expire(k, cancelled) == 0)
		return;
	k->lines_changed = true;
	k->o.state = order_state_of(k->lines, k->n_lines);
	k->o.auto_cancel_at = 0;
	emit_cancelled(r, k, &order_expired_event, cancelled);
}

static void allocate(struct round *r, struct work *k)
{
	size_t parked = 0, told = 0;

	allocate_order(&r->w, k);
	k->lines_changed = true;
	k->o.state = order_state_of(k->lines, k->n_lines);
	for (size_t i = 0; i < k->n_lines; i++) {
		const struct parked_row *old = round_parked(r, k, &k->lines[i]);
		if (k->lines[i].parked == 0)
			continue;
		parked++;
		if (old && old->reason == k->lines[i].reason)
			told++;
	}
	if (parked > 0 && k->o.auto_cancel_at == 0)
		k->o.auto_cancel_at = k->o.seen_at + k->o.park_days * US_PER_DAY;
	else if (parked == 0)
		k->o.auto_cancel_at = 0;
	r->filled += k->n_allocations - k->n_old_allocations;
	if (k->n_allocations > k->n_old_allocations)
		emit_routed(r, k);
	if (parked > told)
		emit_parked(r, k);
}

static int compare_since(const void *a, const void *b)
{
	const struct work *x = *(const struct work *const *)a, *y = *(const struct work *const *)b;

	if (x->since != y->since)
		return x->since < y->since ? -1 : 1;
	return strcmp(x->o.id.s, y->o.id.s);
}

enum kw_rc round_decide(struct round *r, struct kw_err *err)
{
	struct work **oldest = kw_new(r->b->arena, struct work *, r->n);

	KW_TRY(find_offers(r, err));
	KW_TRY(lock_stock(r, err));
	KW_TRY(find_candidates(r, err));
	KW_TRY(lock_capacity(r, err));
	count_stock(r);
	for (size_t i = 0; i < r->n; i++) {
		if (r->works[i].cancel)
			cancel(r, &r->works[i]);
		else if (r->works[i].expire)
			expire(r, &r->works[i]);
		oldest[i] = &r->works[i];
	}
	qsort(oldest, r->n, sizeof(struct work *), compare_since);
	for (size_t i = 0; i < r->n; i++)
		if (oldest[i]->allocate && !oldest[i]->cancel && !oldest[i]->expire)
			allocate(r, oldest[i]);
	return KW_OK;
}

void round_exception(struct round *r, const struct work *k, int kind, const struct kw_uuid *id,
	const char *field, const char *detail, const char *body)
{
	struct exception_row *x = PUSH(r->b->arena, r->exceptions);

	x->exception_id = *id;
	x->kind = kind;
	x->field = field;
	x->detail = detail;
	x->body = body;
	if (k) {
		x->order_id = k->o.id;
		x->channel = k->o.channel;
		x->external_id = k->o.external_id;
	}
}

void round_wake(struct round *r, const char *kind, const char *key)
{
	struct text_row *wake = PUSH(r->b->arena, r->wakes);

	wake->text = kw_arena_printf(r->b->arena, "%s:%s", kind, key);
}
