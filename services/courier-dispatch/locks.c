/* The row locks of a batch that several handlers work on: all its orders, then all its parcels,
 * each in the order of their ids. Without it a replica that has cancelled one parcel and goes on to
 * the tracking of another would wait for a replica that does the same the other way round: orders
 * and parcels are partitioned by different keys. */
#include "handlers.h"

#include "store.h"
#include "svc/svc.h"

#define NO_MEMBER SIZE_MAX

/* Which rows a handler's messages name. */
static const struct {
	kw_batch_fn *handle;
	size_t order_at, parcel_at;
} named[] = {
	{ on_routed, offsetof(struct order_routed, order_id), NO_MEMBER },
	{ on_settled, offsetof(struct expectation_settled, order_id), NO_MEMBER },
	{ on_cancelled, offsetof(struct order_cancelled, order_id), NO_MEMBER },
	{ on_cancel_requests, NO_MEMBER, offsetof(struct cancel_requested, parcel_id) },
	{ on_tracking, NO_MEMBER, offsetof(struct tracking_reported, parcel_id) },
	{ on_resolve_requested, NO_MEMBER, NO_MEMBER },
};

static void collect(
	const struct kw_inputs *inputs, size_t member_at, struct kw_uuid *ids, size_t *n)
{
	const char *message = inputs->in;

	for (size_t i = 0; member_at != NO_MEMBER && i < inputs->n; i++) {
		const struct kw_uuid *id =
			(const struct kw_uuid *)(message + i * inputs->row->size + member_at);

		if (id->s[0]) /* an aggregator's scan names none */
			ids[(*n)++] = *id;
	}
}

enum kw_rc lock_for_all(
	struct desk *d, const struct kw_inputs *inputs, size_t n, struct kw_err *err)
{
	struct kw_uuid *orders, *parcels;
	size_t n_messages = 0, n_orders = 0, n_parcels = 0;

	for (size_t i = 0; i < n; i++)
		n_messages += inputs[i].n;
	orders = kw_new(d->b->arena, struct kw_uuid, n_messages);
	parcels = kw_new(d->b->arena, struct kw_uuid, n_messages);
	for (size_t i = 0; i < n; i++) {
		size_t k = 0;

		while (k < KW_LEN(named) && named[k].handle != inputs[i].row->handle)
			k++;
		kw_assert(k < KW_LEN(named));
		collect(&inputs[i], named[k].order_at, orders, &n_orders);
		collect(&inputs[i], named[k].parcel_at, parcels, &n_parcels);
		if (named[k].handle == on_tracking)
			KW_TRY(numbered_parcels(
				d, inputs[i].in, inputs[i].n, parcels, &n_parcels, err));
	}
	return store_lock_rows(d->b, orders, distinct_ids(orders, n_orders), parcels,
		distinct_ids(parcels, n_parcels), err);
}

enum kw_rc lock_batch(
	struct kw_batch *b, const struct kw_inputs *inputs, size_t n, struct kw_err *err)
{
	struct desk d = desk_open(b, kw_svc_partners(b->ctx));

	return lock_for_all(&d, inputs, n, err);
}
