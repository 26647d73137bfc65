/* Batch handlers: what channels, operators and parcels say becomes the state of orders. The
 * catalogue's are in catalogue.c. */
#include "handlers.h"

#include <string.h>

#include "catalogue.h"
#include "core/err.h"
#include "exceptions.h"
#include "notices.h"
#include "states.h"
#include "json/json.h"

static kw_batch_fn on_submitted, on_cancel_requested, on_handed_over, on_delivered, on_returned,
	on_lost, on_parcel_cancelled;

#define ROW(topic, type, fields, T, fn)                   \
	{                                                 \
		topic, type, fields, sizeof(struct T), fn \
	}
#define LISTINGS "karwan.listings.events"
#define DISPATCH "karwan.dispatch.events"
const struct kw_topic_row routing_topics[] = {
	ROW(LISTINGS, "karwan.hub.changed.v1", hub_fields, hub_message, on_hub_changed),
	ROW(LISTINGS, "karwan.maker.changed.v1", maker_fields, maker_message, on_maker_changed),
	ROW(LISTINGS, "karwan.listing.changed.v1", listing_fields, listing_message,
		on_listing_changed),
	ROW("karwan.orders.in", "karwan.order.submitted.v1", submitted_fields, submitted_message,
		on_submitted),
	ROW("karwan.orders.in", "karwan.order.noticed.v1", noticed_fields, notice_message,
		on_noticed),
	ROW("karwan.orders.in", "karwan.order.withdrawn.v1", withdrawn_fields, withdrawal_message,
		on_withdrawn),
	ROW("karwan.orders.in", "karwan.order.cancel_requested.v1", cancel_fields, cancel_message,
		on_cancel_requested),
	ROW("karwan.orders.in", KW_RESOLVE_REQUESTED, kw_resolve_requested_fields,
		kw_resolve_requested, on_resolve_requested),
	ROW(DISPATCH, "karwan.parcel.handed_over.v1", parcel_fields, parcel_message,
		on_handed_over),
	ROW(DISPATCH, "karwan.parcel.delivered.v1", parcel_fields, parcel_message, on_delivered),
	ROW(DISPATCH, "karwan.parcel.returned.v1", parcel_fields, parcel_message, on_returned),
	ROW(DISPATCH, "karwan.parcel.lost.v1", parcel_fields, parcel_message, on_lost),
	ROW(DISPATCH, "karwan.parcel.cancelled.v1", parcel_fields, parcel_message,
		on_parcel_cancelled),
	{ 0 },
};

/* ---- what channels say ---- */

/* What is known of the messages of one order, those of this batch included. */
struct history {
	VECTOR(struct seen) seen;
	VECTOR(struct payment_row) payments;
};

static const char *encode(struct kw_batch *b, const struct kw_field *fields, const void *data)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf text;

	kw_buf_init(&text, 1024 * 1024);
	kw_json_encode(fields, data, &text);
	kw_assert(!text.full);
	return kw_arena_strn(b->arena, text.p, text.n);
}

static enum kw_rc check_submitted(struct submitted *m, struct kw_err *err)
{
	struct kw_uuid id = kw_uuid_of("order", m->channel, m->external_id);

	if (strcmp(id.s, m->order_id.s) != 0)
		return kw_fail_at(
			err, KW_INVALID, "/order_id", "is not the id of this channel's order");
	return submitted_check(m, err);
}

/* History of the orders that exist; whose messages are not all repeats gets its lines loaded. */
static enum kw_rc load_history(struct round *r, struct history *known, const struct submitted *in,
	size_t n, struct kw_err *err)
{
	struct id_row *ids = kw_new(r->b->arena, struct id_row, r->n);
	struct seen *seen;
	struct payment_row *payments;
	size_t n_ids = 0, n_seen, n_payments;

	for (size_t i = 0; i < r->n; i++)
		if (!r->works[i].is_new)
			ids[n_ids++].id = r->works[i].o.id;
	if (n_ids == 0)
		return KW_OK;
	KW_TRY(store_find_seen(r->b, ids, n_ids, &seen, &n_seen, err));
	KW_TRY(store_find_payments(r->b, ids, n_ids, &payments, &n_payments, err));
	for (size_t i = 0; i < n_seen; i++)
		*PUSH(r->b->arena, known[round_find(r, &seen[i].order_id) - r->works].seen) =
			seen[i];
	for (size_t i = 0; i < n_payments; i++)
		*PUSH(r->b->arena,
			known[round_find(r, &payments[i].order_id) - r->works].payments) =
			payments[i];
	for (size_t i = 0; i < n; i++) {
		struct work *k = round_find(r, &in[i].order_id);
		const struct history *h = &known[k - r->works];
		if (!k->is_new && judge_message(&k->o, false, h->seen.rows, h->seen.n, &in[i]) !=
					  MESSAGE_REPEAT)
			k->load = true;
	}
	return round_load(r, err);
}

static void remember(struct round *r, struct history *h, const struct submitted *m, bool conflict)
{
	struct seen s = { m->order_id, m->kind, m->source_time, m->content_hash, conflict };

	*PUSH(r->b->arena, h->seen) = s;
	*PUSH(r->b->arena, r->messages) = s;
}

static const char *kind_name(const struct submitted *m)
{
	return kw_strtab_name(&order_kind_names, m->kind);
}

static void quarantine(struct round *r, struct work *k, struct history *h,
	const struct submitted_message *m, const struct submitted *s, const char *ship_to)
{
	const char *field = differing_field(k, s, ship_to);
	char at[KW_TIME_TEXT];

	kw_time_format(s->source_time, at);
	struct kw_uuid id = kw_uuid_of(
		"exception", "CONFLICT", s->order_id.s, kind_name(s), at, s->content_hash);
	remember(r, h, s, true);
	round_exception(r, k, EXCEPTION_CONFLICT, &id, field,
		"the same message came with other content", encode(r->b, submitted_fields, m));
	emit_conflicted(r, k, &id, field);
}

/* What changed although parcels or makers already know otherwise: a person decides. */
static void open_changes(struct round *r, struct work *k, const struct submitted_message *m,
	const struct submitted *s, unsigned changes)
{
	static const struct {
		int kind;
		const char *field, *detail;
	} rows[] = {
		{ EXCEPTION_LINES_CHANGED, "lines",
			"the channel changed what was ordered, or for how much" },
		{ EXCEPTION_ADDRESS_CHANGED, "ship_to", "the channel changed where it goes" },
		{ EXCEPTION_CURRENCY_CHANGED, "currency", "the channel changed the currency" },
	};

	for (size_t i = 0; i < KW_LEN(rows); i++) {
		if (!(changes & 1u << rows[i].kind))
			continue;
		struct kw_uuid id =
			kw_uuid_of("exception", kw_strtab_name(&exception_kind_names, rows[i].kind),
				s->order_id.s, s->content_hash);
		round_exception(r, k, rows[i].kind, &id, rows[i].field, rows[i].detail,
			encode(r->b, submitted_fields, m));
	}
}

/* Payments not reported before; returns how many. */
static size_t take_payments(
	struct round *r, struct work *k, struct history *h, const struct submitted *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_payments; i++) {
		const struct submitted_payment *p = &m->payments[i];
		bool known = false;

		for (size_t j = 0; j < h->payments.n; j++)
			known |= strcmp(h->payments.rows[j].reference, p->reference) == 0;
		if (known)
			continue;
		struct payment_row row = { m->order_id, p->reference, p->amount, p->paid_at };
		*PUSH(r->b->arena, h->payments) = row;
		*PUSH(r->b->arena, r->payments) = row;
		emit_payment(r, k, &row);
		n++;
	}
	return n;
}

static void fold(struct round *r, struct history *known, const struct submitted_message *m,
	const struct submitted *s)
{
	struct work *k = round_find(r, &s->order_id);
	struct history *h = &known[k - r->works];
	bool begun = k->o.version > 0, told = false;
	const char *ship_to;

	switch (judge_message(&k->o, !begun, h->seen.rows, h->seen.n, s)) {
	case MESSAGE_REPEAT:
		return;
	case MESSAGE_CONFLICT:
		k->cause = &m->meta;
		ship_to = s->ship_to ? encode(r->b, address_fields, s->ship_to) : NULL;
		quarantine(r, k, h, m, s, ship_to);
		return;
	case MESSAGE_NEW:
		break;
	}
	k->cause = &m->meta;
	ship_to = s->ship_to ? encode(r->b, address_fields, s->ship_to) : NULL;
	if (!begun) {
		work_begin(k, s, ship_to, r->b->now, r->b->arena);
		k->address = s->ship_to;
		k->since = m->meta.time;
		k->allocate = true;
		emit_received(r, k);
		told = true;
	} else {
		remember(r, h, s, false);
		if (message_is_newer(&k->o, s)) {
			const char *address = k->o.ship_to;
			open_changes(r, k, m, s, work_update(k, s, ship_to));
			if (k->o.ship_to != address) {
				k->address = s->ship_to;
				k->allocate |= k->o.state == ORDER_PARKED;
			}
		} else {
			told = true; /* an older fact: kept, tells nothing */
		}
	}
	if (s->kind == KIND_PAID)
		told |= take_payments(r, k, h, s) > 0;
	if ((message_cancels(s) || k->withdrawn) && !k->o.cancel_asked) {
		if (!cancel_by_channel(r, k, k->withdrawn ? WITHDRAWN_REASON : s->cancel_reason))
			return;
		told = true;
	}
	if (!told)
		emit_updated(r, k);
}

/* Orders that come after their channel has withdrawn them. */
static enum kw_rc mark_withdrawn(struct round *r, struct kw_err *err)
{
	struct id_row *ids = kw_new(r->b->arena, struct id_row, r->n), *found;
	size_t n = 0, n_found;

	for (size_t i = 0; i < r->n; i++)
		if (r->works[i].is_new)
			ids[n++].id = r->works[i].o.id;
	KW_TRY(store_find_withdrawn(r->b, ids, n, &found, &n_found, err));
	for (size_t i = 0; i < n_found; i++)
		round_find(r, &found[i].id)->withdrawn = true;
	return KW_OK;
}

static enum kw_rc on_submitted(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	const struct submitted_message *messages = in;
	struct submitted *orders = kw_new(b->arena, struct submitted, n);
	struct id_row *ids = kw_new(b->arena, struct id_row, n);
	struct round r;

	for (size_t i = 0; i < n; i++) {
		orders[i] = messages[i].order;
		KW_TRY(check_submitted(&orders[i], err));
		ids[i].id = orders[i].order_id;
	}
	KW_TRY(round_open(&r, b, ids, ids_distinct(ids, n), err));
	struct history *known = kw_new(b->arena, struct history, r.n);
	KW_TRY(load_history(&r, known, orders, n, err));
	KW_TRY(mark_withdrawn(&r, err));
	for (size_t i = 0; i < n; i++)
		fold(&r, known, &messages[i], &orders[i]);
	KW_TRY(round_decide(&r, err));
	return round_write(&r, err);
}

/* ---- what operators ask ---- */

static struct cancel_row *cancel_find(
	struct cancel_row *rows, size_t n, const struct cancel_message *m)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i].order_id.s, m->order_id.s) == 0 &&
			strcmp(rows[i].request_id, m->request_id) == 0)
			return &rows[i];
	return NULL;
}

static enum kw_rc on_cancel_requested(
	struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	const struct cancel_message *messages = in;
	struct id_row *ids = kw_new(b->arena, struct id_row, n);
	struct cancel_row *known;
	size_t n_known, n_ids;
	struct round r;

	for (size_t i = 0; i < n; i++)
		ids[i].id = messages[i].order_id;
	n_ids = ids_distinct(ids, n);
	KW_TRY(round_open(&r, b, ids, n_ids, err));
	for (size_t i = 0; i < r.n; i++) {
		if (r.works[i].is_new)
			return kw_fail_at(err, KW_INVALID, "/order_id", "no such order");
		r.works[i].load = true;
	}
	KW_TRY(store_find_cancels(b, ids, n_ids, &known, &n_known, err));
	KW_TRY(round_load(&r, err));
	for (size_t i = 0; i < n; i++) {
		const struct cancel_message *m = &messages[i];
		struct work *k = round_find(&r, &m->order_id);

		if (cancel_find(known, n_known, m) || cancel_find(r.cancels.rows, r.cancels.n, m))
			continue;
		*PUSH(b->arena, r.cancels) =
			(struct cancel_row) { m->order_id, m->request_id, m->reason, m->by, NULL };
		if (k->cancel)
			continue;
		k->cancel = true;
		k->cause = &m->meta;
		k->reason = m->reason;
		k->by = m->by;
		k->request_id = m->request_id;
	}
	KW_TRY(round_decide(&r, err));
	for (size_t i = 0; i < r.cancels.n; i++) {
		struct cancel_row *c = &r.cancels.rows[i];
		struct work *k = round_find(&r, &c->order_id);

		c->outcome = k->refusal ? k->refusal : "CANCELLED";
		if (strcmp(k->request_id, c->request_id) == 0)
			continue;
		/* a second request in the same batch finds what the first has done */
		c->outcome = cancel_refusal(k);
		k->request_id = c->request_id;
		emit_refused(&r, k, c->outcome);
	}
	return round_write(&r, err);
}

/* ---- what parcels do ---- */

static struct fulfilment *fulfilment_find(const struct work *k, const struct kw_uuid *id)
{
	for (size_t i = 0; i < k->n_fulfilments; i++)
		if (strcmp(k->fulfilments[i].id.s, id->s) == 0)
			return &k->fulfilments[i];
	return NULL;
}

static void sell(struct round *r, const struct work *k, const struct fulfilment *f)
{
	for (size_t i = 0; i < k->n_allocations; i++) {
		const struct allocation *a = &k->allocations[i];
		if (a->n == f->n && a->week == 0)
			*PUSH(r->b->arena, r->sales) = (struct sale_row) { a->listing_id, k->o.id,
				a->line_no, a->quantity };
	}
}

static void open_parcel_exception(struct round *r, const struct work *k, const struct fulfilment *f)
{
	int kind = f->state == FULFILMENT_CANCELLED ? EXCEPTION_SHIPPED_AFTER_CANCEL
						    : EXCEPTION_PARCEL_CANCELLED;
	struct kw_uuid id =
		kw_uuid_of("exception", kw_strtab_name(&exception_kind_names, kind), f->id.s);

	round_exception(r, k, kind, &id, "fulfilments",
		kind == EXCEPTION_PARCEL_CANCELLED
			? "the parcel was cancelled, the order was not"
			: "the parcel left although the order was cancelled",
		NULL);
}

static enum kw_rc on_parcel(struct kw_batch *b, const struct parcel_message *in, size_t n,
	int event, struct kw_err *err)
{
	struct id_row *ids = kw_new(b->arena, struct id_row, n);
	struct round r;

	for (size_t i = 0; i < n; i++)
		ids[i].id = in[i].order_id;
	KW_TRY(round_open(&r, b, ids, ids_distinct(ids, n), err));
	for (size_t i = 0; i < r.n; i++) {
		if (r.works[i].is_new)
			return kw_fail_at(err, KW_INVALID, "/order_id", "no such order");
		r.works[i].load = true;
	}
	KW_TRY(round_load(&r, err));
	for (size_t i = 0; i < n; i++) {
		struct work *k = round_find(&r, &in[i].order_id);
		struct fulfilment *f = fulfilment_find(k, &in[i].fulfilment_id);

		if (!f)
			return kw_fail_at(err, KW_INVALID, "/fulfilment_id",
				"the order has no such fulfilment");
		k->cause = &in[i].meta;
		switch (work_parcel(k, f, event)) {
		case PARCEL_LEFT:
			sell(&r, k, f);
			break;
		case PARCEL_EXCEPTION:
			open_parcel_exception(&r, k, f);
			break;
		case PARCEL_MOVED:
		case PARCEL_NOTHING:
			break;
		}
	}
	for (size_t i = 0; i < r.n; i++) {
		struct work *k = &r.works[i];
		int before = k->o.state;

		if (!k->changed)
			continue;
		k->lines_changed = true;
		k->o.state = order_state_of(k->lines, k->n_lines);
		k->o.updated_at = b->now;
		emit_state(&r, k, before);
	}
	return round_write(&r, err);
}

#define ON_PARCEL(name, event)                                                                   \
	static enum kw_rc name(struct kw_batch *b, const void *in, size_t n, struct kw_err *err) \
	{                                                                                        \
		return on_parcel(b, in, n, event, err);                                          \
	}

ON_PARCEL(on_handed_over, EV_HANDED_OVER)
ON_PARCEL(on_delivered, EV_DELIVERED)
ON_PARCEL(on_returned, EV_RETURNED)
ON_PARCEL(on_lost, EV_LOST)
ON_PARCEL(on_parcel_cancelled, EV_PARCEL_CANCELLED)
