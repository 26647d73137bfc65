/* The last part of a round: everything that changed goes to its table, in one statement per table.
 */
#include <string.h>

#include "core/err.h"
#include "round.h"

/* Looked at again after 5 s (what it waits for may have come while it was being parked), then ever
 * less often. */
static kw_time retry_at(const struct line *l, int tries, kw_time now)
{
	static const int after_s[] = { 5, 30, 300, 3600, 6 * 3600 };
	size_t i = (size_t)tries < KW_LEN(after_s) ? (size_t)tries : KW_LEN(after_s) - 1;

	if (l->reason == TEST_ORDER || l->reason == NO_ADDRESS)
		return 0;
	return now + after_s[i] * KW_US_PER_S;
}

/* What could help the line. */
static const char *wait_keys(const struct round *r, const struct work *k, const struct line *l)
{
	const struct offer *o = offer_find(&r->w, k->o.channel, l->sku);
	struct kw_arena *a = r->b->arena;

	switch (l->reason) {
	case UNKNOWN_LISTING:
		return kw_arena_printf(a, "sku:%s", l->sku);
	case OUT_OF_STOCK:
	case RETIRED_LISTING:
	case SPLIT_NOT_ALLOWED:
		return kw_arena_printf(a, "sku:%s\x1flisting:%s", l->sku, o->listing_id);
	case NO_CAPACITY:
	case MAKER_ON_LEAVE:
	case UNKNOWN_HUB:
		return kw_arena_printf(a, "listing:%s\x1fmaker:%s\x1fhub:%s%s%s", o->listing_id,
			o->maker_id, o->hub_id, o->skill ? "\x1fskill:" : "",
			o->skill ? o->skill : "");
	default:
		return "";
	}
}

static void parked_line(
	struct round *r, const struct work *k, const struct line *l, struct parked_row *out)
{
	const struct kw_meta *cause = k->cause;

	*out = (struct parked_row) {
		.order_id = k->o.id,
		.line_no = l->no,
		.reason = l->reason,
		.since = r->b->now,
		.auto_cancel_at = k->o.auto_cancel_at,
		.wait_keys = wait_keys(r, k, l),
		.trace = cause ? kw_arena_str(r->b->arena, cause->trace.s) : "",
	};
	const struct parked_row *before = round_parked(r, k, l);
	out->tries = before ? before->tries + 1 : 0;
	out->retry_at = retry_at(l, out->tries, r->b->now);
}

static enum kw_rc write_parked(struct round *r, struct kw_err *err)
{
	VECTOR(struct parked_row) put = { 0 };
	VECTOR(struct parked_row) gone = { 0 };
	VECTOR(struct decision) decisions = { 0 };

	for (size_t i = 0; i < r->n; i++) {
		const struct work *k = &r->works[i];
		if (!k->allocate || k->cancel || k->expire)
			continue;
		for (size_t j = 0; j < k->n_lines; j++)
			if (k->lines[j].parked > 0)
				parked_line(r, k, &k->lines[j], PUSH(r->b->arena, put));
		for (size_t j = 0; j < k->n_decisions; j++)
			if (k->decisions[j].version > 0 &&
				k->lines[k->decisions[j].line_no - 1].parked > 0)
				*PUSH(r->b->arena, decisions) = k->decisions[j];
	}
	for (size_t i = 0; i < r->n_parked; i++) {
		const struct work *k = round_find(r, &r->parked[i].order_id);
		if (k->lines[r->parked[i].line_no - 1].parked == 0)
			*PUSH(r->b->arena, gone) = r->parked[i];
	}
	KW_TRY(store_put_parked(r->b, put.rows, put.n, err));
	KW_TRY(store_delete_parked(r->b, gone.rows, gone.n, err));
	return store_insert_decisions(r->b, decisions.rows, decisions.n, err);
}

/* New orders get their numbers, which their lines and fulfilments need. */
static enum kw_rc insert_orders(struct round *r, struct kw_err *err)
{
	struct order *made = kw_new(r->b->arena, struct order, r->n);
	struct order_number *numbers;
	size_t n = 0, n_numbers;

	for (size_t i = 0; i < r->n; i++)
		if (r->works[i].is_new && r->works[i].changed)
			made[n++] = r->works[i].o;
	KW_TRY(store_insert_orders(r->b, made, n, &numbers, &n_numbers, err));
	for (size_t i = 0; i < n_numbers; i++)
		round_find(r, &numbers[i].id)->o.no = numbers[i].no;
	return KW_OK;
}

static enum kw_rc write_orders(struct round *r, struct kw_err *err)
{
	struct order *changed = kw_new(r->b->arena, struct order, r->n);
	VECTOR(struct line) new_lines = { 0 };
	VECTOR(struct line) lines = { 0 };
	size_t n_changed = 0;

	for (size_t i = 0; i < r->n; i++)
		r->works[i].o.revision += r->works[i].changed;
	KW_TRY(insert_orders(r, err));
	for (size_t i = 0; i < r->n; i++) {
		struct work *k = &r->works[i];
		if (!k->changed)
			continue;
		if (!k->is_new)
			changed[n_changed++] = k->o;
		if (!k->is_new && !k->lines_changed)
			continue;
		for (size_t j = 0; j < k->n_lines; j++) {
			k->lines[j].order_no = k->o.no;
			if (k->is_new)
				*PUSH(r->b->arena, new_lines) = k->lines[j];
			else
				*PUSH(r->b->arena, lines) = k->lines[j];
		}
	}
	KW_TRY(store_update_orders(r->b, changed, n_changed, err));
	KW_TRY(store_insert_lines(r->b, new_lines.rows, new_lines.n, err));
	return store_update_lines(r->b, lines.rows, lines.n, err);
}

static enum kw_rc write_fulfilments(struct round *r, struct kw_err *err)
{
	VECTOR(struct fulfilment) made = { 0 };
	VECTOR(struct fulfilment) changed = { 0 };
	VECTOR(struct allocation) allocations = { 0 };

	for (size_t i = 0; i < r->n; i++) {
		struct work *k = &r->works[i];
		for (size_t j = 0; j < k->n_fulfilments; j++) {
			k->fulfilments[j].order_no = k->o.no;
			if (j >= k->n_old_fulfilments)
				*PUSH(r->b->arena, made) = k->fulfilments[j];
			else if (k->fulfilments[j].changed)
				*PUSH(r->b->arena, changed) = k->fulfilments[j];
		}
		for (size_t j = k->n_old_allocations; j < k->n_allocations; j++) {
			k->allocations[j].order_no = k->o.no;
			*PUSH(r->b->arena, allocations) = k->allocations[j];
		}
	}
	KW_TRY(store_insert_fulfilments(r->b, made.rows, made.n, err));
	KW_TRY(store_update_fulfilments(r->b, changed.rows, changed.n, err));
	return store_insert_allocations(r->b, allocations.rows, allocations.n, err);
}

enum kw_rc round_write(struct round *r, struct kw_err *err)
{
	size_t n_wakes = r->wakes.n > 0 ? texts_distinct(r->wakes.rows, r->wakes.n) : 0;

	KW_TRY(write_orders(r, err));
	KW_TRY(write_fulfilments(r, err));
	KW_TRY(store_write_stock(r->b, &r->w.stock, err));
	KW_TRY(store_write_capacity(r->b, &r->w, err));
	KW_TRY(write_parked(r, err));
	KW_TRY(store_insert_messages(r->b, r->messages.rows, r->messages.n, err));
	KW_TRY(store_insert_payments(r->b, r->payments.rows, r->payments.n, err));
	KW_TRY(store_insert_cancels(r->b, r->cancels.rows, r->cancels.n, err));
	KW_TRY(store_insert_exceptions(r->b, r->exceptions.rows, r->exceptions.n, err));
	KW_TRY(store_insert_sales(r->b, r->sales.rows, r->sales.n, err));
	return store_insert_wakes(r->b, r->wakes.rows, n_wakes, err);
}
