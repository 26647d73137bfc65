/* The timers of order-routing, each in a transaction of its own. They lock orders first, then
 * stock, then capacity. */
#include "jobs.h"

#include <string.h>

#include "core/err.h"
#include "round.h"

#define WAKES_MAX 200
#define SALES_MAX 2000
#define PER_KEY_MAX 20
#define DUE_MAX 200
#define EXPIRED_MAX 200

enum kw_rc stock_job(struct kw_svc *svc, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err)
{
	const struct kw_flow_config *flow = kw_svc_flow(svc);

	KW_TRY(store_peek(pg, a, kw_now(flow->clock), err));
	return kw_outcome_run(flow, pg, a, stock_round, NULL, err);
}

enum kw_rc expire_job(struct kw_svc *svc, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err)
{
	return kw_outcome_run(kw_svc_flow(svc), pg, a, expire_round, NULL, err);
}

/* The listings among the keys. */
static size_t listings_of(
	struct kw_batch *b, const struct text_row *keys, size_t n, struct text_row **ret)
{
	static const char kind[] = "listing:";
	struct text_row *rows = kw_new(b->arena, struct text_row, n);
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (strncmp(keys[i].text, kind, sizeof(kind) - 1) == 0)
			rows[kept++].text = keys[i].text + sizeof(kind) - 1;
	*ret = rows;
	return kept;
}

static enum kw_rc open_orders(
	struct round *r, struct kw_batch *b, struct id_row *ids, size_t n, struct kw_err *err)
{
	KW_TRY(round_open(r, b, ids, ids_distinct(ids, n), err));
	for (size_t i = 0; i < r->n; i++) {
		if (r->works[i].is_new)
			return kw_fail(err, KW_FATAL,
				"a parked line of order %s, which is not there",
				r->works[i].o.id.s);
		r->works[i].load = true;
	}
	return round_load(r, err);
}

/* The trace of the message that the line was parked by goes on. */
static void inherit(struct round *r, struct work *k, const struct parked_row *row)
{
	struct kw_meta *cause;

	if (!k->since || row->since < k->since)
		k->since = row->since;
	if (k->cause || strlen(row->trace) >= sizeof(cause->trace.s))
		return;
	cause = kw_new(r->b->arena, struct kw_meta, 1);
	memcpy(cause->trace.s, row->trace, strlen(row->trace) + 1);
	k->cause = cause;
}

/* A key whose queue was cut goes back, as long as somebody was served: the next ones are asked in
 * the next round. */
static void requeue(struct round *r, const struct text_row *keys, size_t n,
	const struct woken_row *woken, size_t n_woken)
{
	for (size_t i = 0; i < n && r->filled > 0; i++) {
		size_t asked = 0;
		for (size_t j = 0; j < n_woken; j++)
			asked += woken[j].key && strcmp(woken[j].key, keys[i].text) == 0;
		if (asked >= PER_KEY_MAX)
			PUSH(r->b->arena, r->wakes)->text = keys[i].text;
	}
}

enum kw_rc stock_round(struct kw_batch *b, void *arg, struct kw_err *err)
{
	struct text_row *keys, *listings;
	struct sale_row *sales;
	struct woken_row *woken;
	struct count_row *counts;
	size_t n_keys, n_sales, n_woken, n_counts;
	struct round r;

	(void)arg;
	KW_TRY(store_take_wakes(b, WAKES_MAX, &keys, &n_keys, err));
	KW_TRY(store_take_sales(b, SALES_MAX, &sales, &n_sales, err));
	KW_TRY(store_find_woken(b, keys, n_keys, PER_KEY_MAX, DUE_MAX, &woken, &n_woken, err));
	struct id_row *ids = kw_new(b->arena, struct id_row, n_woken);
	for (size_t i = 0; i < n_woken; i++)
		ids[i].id = woken[i].order_id;
	KW_TRY(open_orders(&r, b, ids, n_woken, err));
	for (size_t i = 0; i < r.n_parked; i++) {
		struct work *k = round_find(&r, &r.parked[i].order_id);
		k->allocate = !k->o.test;
		inherit(&r, k, &r.parked[i]);
	}
	size_t n_listings = listings_of(b, keys, n_keys, &listings);
	KW_TRY(store_find_counts(b, listings, n_listings, &counts, &n_counts, err));
	r.counts = counts;
	r.n_counts = n_counts;
	r.sold = sales;
	r.n_sold = n_sales;
	KW_TRY(round_decide(&r, err));
	requeue(&r, keys, n_keys, woken, n_woken);
	return round_write(&r, err);
}

enum kw_rc expire_round(struct kw_batch *b, void *arg, struct kw_err *err)
{
	struct id_row *ids;
	size_t n;
	struct round r;

	(void)arg;
	KW_TRY(store_find_expired(b, EXPIRED_MAX, &ids, &n, err));
	if (n == 0)
		return KW_NOTHING;
	KW_TRY(open_orders(&r, b, ids, n, err));
	for (size_t i = 0; i < r.n_parked; i++) {
		struct work *k = round_find(&r, &r.parked[i].order_id);
		k->expire = true;
		k->reason = "PARKED_TOO_LONG";
		k->by = "karwan";
		inherit(&r, k, &r.parked[i]);
	}
	KW_TRY(round_decide(&r, err));
	return round_write(&r, err);
}
