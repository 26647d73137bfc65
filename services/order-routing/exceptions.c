/* What a person decides about an exception: it is closed with who and why, and what it was about is
 * left as it is or cancelled. A cancellation that comes too late leaves the exception open. */
#include "exceptions.h"

#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "round.h"

/* One request that meets its exception as it was seen. */
struct meeting {
	const struct kw_resolve_requested *m;
	struct exception_now *x;
	struct work *k; /* NULL: of no order */
};

static int by_id(const void *key, const void *element)
{
	return strcmp(((const struct kw_uuid *)key)->s,
		((const struct exception_now *)element)->exception_id.s);
}

static struct exception_now *find(
	struct exception_now *rows, size_t n, const struct kw_uuid *exception_id)
{
	return bsearch(exception_id, rows, n, sizeof(*rows), by_id);
}

/* Each must exist and be of a kind that can be ended so; the orders that they are about, sorted. */
static enum kw_rc check(struct kw_batch *b, const struct kw_resolve_requested *in, size_t n,
	const struct id_row *ids, size_t n_ids, struct id_row *orders, size_t *ret_n,
	struct kw_err *err)
{
	struct exception_now *rows;
	size_t n_rows, n_orders = 0;

	KW_TRY(store_find_exceptions(b, ids, n_ids, &rows, &n_rows, err));
	for (size_t i = 0; i < n; i++) {
		const struct exception_now *x = find(rows, n_rows, &in[i].exception_id);

		if (!x)
			return kw_fail_at(err, KW_INVALID, "/exception_id", "no such exception");
		if (!exception_may(x->kind, in[i].resolution == KW_KEEP,
			    in[i].resolution == KW_CANCEL_ORDER))
			return kw_fail_at(err, KW_INVALID, "/resolution", "does not end a %s",
				kw_strtab_name(&exception_kind_names, x->kind));
		if (x->order_id.s[0])
			orders[n_orders++].id = x->order_id;
	}
	*ret_n = n_orders > 0 ? ids_distinct(orders, n_orders) : 0;
	return KW_OK;
}

/* Those whose exception is open and of the version that was seen. */
static size_t meet(struct round *r, const struct kw_resolve_requested *in, size_t n,
	struct exception_now *rows, size_t n_rows, struct meeting *ret)
{
	size_t n_ret = 0;

	for (size_t i = 0; i < n; i++) {
		struct exception_now *x = find(rows, n_rows, &in[i].exception_id);

		if (x->state != EXCEPTION_OPEN || x->version != in[i].version)
			continue;
		x->state = EXCEPTION_CLOSED;
		struct work *k = x->order_id.s[0] ? round_find(r, &x->order_id) : NULL;
		ret[n_ret++] = (struct meeting) { &in[i], x, k };
		if (!k)
			continue;
		k->cause = &in[i].meta;
		if (in[i].resolution != KW_CANCEL_ORDER || k->cancel)
			continue;
		k->cancel = true;
		k->reason = in[i].reason;
		k->by = in[i].by;
		k->request_id = x->exception_id.s;
	}
	return n_ret;
}

/* What was cancelled before is as good as cancelled now; what has left is not. */
static bool is_refused(const struct meeting *meeting)
{
	return meeting->m->resolution == KW_CANCEL_ORDER && meeting->k->refusal &&
	       strcmp(meeting->k->refusal, "ALREADY_CANCELLED") != 0;
}

static int by_exception(const void *left, const void *right)
{
	return strcmp(((const struct closing_row *)left)->exception_id.s,
		((const struct closing_row *)right)->exception_id.s);
}

static enum kw_rc close_met(
	struct round *r, const struct meeting *meetings, size_t n, struct kw_err *err)
{
	struct closing_row *rows = kw_new(r->b->arena, struct closing_row, n);
	size_t n_rows = 0;

	for (size_t i = 0; i < n; i++) {
		const struct meeting *x = &meetings[i];

		if (is_refused(x))
			continue;
		rows[n_rows++] = (struct closing_row) { x->x->exception_id, x->m->version,
			x->m->resolution, x->m->by, x->m->reason };
		if (x->k)
			emit_resolved(r, x->k, x->x, x->m);
	}
	KW_TRY(round_write(r, err));
	qsort(rows, n_rows, sizeof(*rows), by_exception);
	return store_close_exceptions(r->b, rows, n_rows, err);
}

enum kw_rc on_resolve_requested(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	const struct kw_resolve_requested *messages = in;
	struct id_row *ids = kw_new(b->arena, struct id_row, n);
	struct id_row *orders = kw_new(b->arena, struct id_row, n);
	struct meeting *meetings = kw_new(b->arena, struct meeting, n);
	struct exception_now *rows;
	size_t n_ids, n_orders = 0, n_rows;
	struct round r;

	for (size_t i = 0; i < n; i++)
		ids[i].id = messages[i].exception_id;
	n_ids = ids_distinct(ids, n);
	KW_TRY(check(b, messages, n, ids, n_ids, orders, &n_orders, err));
	KW_TRY(round_open(&r, b, orders, n_orders, err));
	for (size_t i = 0; i < r.n; i++)
		r.works[i].load = true;
	KW_TRY(round_load(&r, err));
	KW_TRY(store_lock_exceptions(b, ids, n_ids, &rows, &n_rows, err));
	size_t n_meetings = meet(&r, messages, n, rows, n_rows, meetings);
	KW_TRY(round_decide(&r, err));
	return close_met(&r, meetings, n_meetings, err);
}
