/* Batch handlers for orders and parcels: facts in, then the rules, then rows and events. */
#include "handlers.h"

#include <stdlib.h>
#include <string.h>

#include "books.h"
#include "svc/resolution.h"

/* An amount from outside that sums may be made of. */
static enum kw_rc check_amount(
	struct kw_money m, const char *currency, const char *pointer, struct kw_err *err)
{
	if (m.minor < 0 || m.minor > MONEY_MAX)
		return kw_fail_at(
			err, KW_INVALID, pointer, "must be 0 to %lld minor units", MONEY_MAX);
	if (strcmp(m.currency, currency) != 0)
		return kw_fail_at(
			err, KW_INVALID, pointer, "must be in the order's currency %s", currency);
	return KW_OK;
}

/* ---- karwan.order.received.v1 ---- */

static int by_line(const void *left, const void *right)
{
	return strcmp(((const struct order_line *)left)->line_id,
		((const struct order_line *)right)->line_id);
}

static enum kw_rc read_lines(
	struct kw_batch *b, const struct order_received *m, struct book *book, struct kw_err *err)
{
	struct order_line *lines = kw_new(b->arena, struct order_line, m->n_lines);

	for (size_t i = 0; i < m->n_lines; i++) {
		const struct received_line *line = &m->lines[i];
		KW_TRY(check_amount(line->price, m->currency, "/lines/price", err));
		KW_TRY(check_amount(line->discount, m->currency, "/lines/discount", err));
		lines[i] = (struct order_line) {
			.order_id = m->order_id,
			.line_id = line->line_id,
			.title = line->title,
			.quantity = line->quantity,
			.price = line->price.minor,
			.discount = line->discount.minor,
		};
	}
	qsort(lines, m->n_lines, sizeof(*lines), by_line);
	for (size_t i = 1; i < m->n_lines; i++)
		if (strcmp(lines[i - 1].line_id, lines[i].line_id) == 0)
			return kw_fail_at(err, KW_INVALID, "/lines", "line %s is there twice",
				lines[i].line_id);
	book->lines = lines;
	book->n_lines = m->n_lines;
	book->loaded = true;
	return KW_OK;
}

static enum kw_rc put_order(
	const struct order_received *m, struct expectation *e, struct kw_err *err)
{
	KW_TRY(check_amount(m->total, m->currency, "/total", err));
	KW_TRY(check_amount(m->shipping, m->currency, "/shipping", err));
	KW_TRY(check_amount(m->tax, m->currency, "/tax", err));
	KW_TRY(check_amount(m->discount, m->currency, "/discount", err));
	e->channel = m->channel;
	e->external_id = m->external_id;
	memcpy(e->currency, m->total.currency, sizeof(e->currency));
	e->test = m->test;
	e->cod = m->cod;
	e->fee_bps = m->fee_bps;
	e->total = m->total.minor;
	e->shipping = m->shipping.minor;
	e->tax = m->tax.minor;
	e->discount = m->discount.minor;
	return KW_OK;
}

/* As if nothing was known of any of these orders: true for nearly all. */
static enum kw_rc settle_as_new(struct kw_batch *b, struct books *books, struct kw_err *err)
{
	for (size_t i = 0; i < books->n; i++) {
		struct book *book = &books->entries[i].book;
		const struct order_received *m = books->entries[i].message;
		book->before.state = WAITING_ORDER;
		book->after = book->before;
		KW_TRY(put_order(m, &book->after, err));
		KW_TRY(read_lines(b, m, book, err));
	}
	return books_settle(b, books, err);
}

/* Inserts the rows; tells apart new ones, those that waited, and repeats. */
static enum kw_rc insert_orders(
	struct kw_batch *b, struct books *books, size_t *ret_waiting, struct kw_err *err)
{
	struct expectation *rows = kw_new(b->arena, struct expectation, books->n), *back;
	size_t n_back, r = 0;

	for (size_t i = 0; i < books->n; i++)
		rows[i] = books->entries[i].book.after;
	KW_TRY(store_insert_orders(b, rows, books->n, &back, &n_back, err));
	*ret_waiting = 0;
	for (size_t i = 0; i < books->n; i++) {
		struct entry *entry = &books->entries[i];
		if (r == n_back || strcmp(back[r].order_id.s, entry->book.before.order_id.s) != 0) {
			entry->skip = true;
			entry->book.n_postings = entry->book.n_earnings = 0;
			continue;
		}
		if (back[r].state == WAITING_ORDER) {
			entry->book.before = entry->book.after = back[r];
			KW_TRY(put_order(entry->message, &entry->book.after, err));
			entry->load = true;
			++*ret_waiting;
		} else {
			entry->fresh = true;
		}
		r++;
	}
	kw_assert(r == n_back);
	return KW_OK;
}

static enum kw_rc write_lines(struct kw_batch *b, const struct books *books, struct kw_err *err)
{
	size_t n = 0;
	for (size_t i = 0; i < books->n; i++)
		n += books->entries[i].book.n_lines;
	struct order_line *lines = kw_new(b->arena, struct order_line, n);
	n = 0;
	for (size_t i = 0; i < books->n; i++) {
		const struct book *book = &books->entries[i].book;
		if (books->entries[i].skip || book->n_lines == 0)
			continue;
		memcpy(lines + n, book->lines, book->n_lines * sizeof(*lines));
		n += book->n_lines;
	}
	return store_write_lines(b, lines, n, err);
}

/* Money, routes or parcels that came before their order. */
static enum kw_rc settle_waiting(struct kw_batch *b, struct books *books, struct kw_err *err)
{
	struct kw_uuid *ids = kw_new(b->arena, struct kw_uuid, books->n);
	struct payment *payments;
	size_t n = 0, n_payments, p = 0;

	for (size_t i = 0; i < books->n; i++)
		if (books->entries[i].load)
			ids[n++] = books->entries[i].book.before.order_id;
	KW_TRY(store_load_payments(b, ids, n, &payments, &n_payments, err));
	KW_TRY(books_load(b, books, err));
	for (size_t i = 0; i < books->n; i++) {
		struct book *book = &books->entries[i].book;
		if (!books->entries[i].load)
			continue;
		book->payments = kw_new(b->arena, struct payment *, n_payments - p);
		for (; p < n_payments &&
			strcmp(payments[p].order_id.s, book->before.order_id.s) == 0;
			p++)
			book->payments[book->n_payments++] = &payments[p];
		KW_TRY(book_settle(book, b->arena, err));
	}
	return KW_OK;
}

enum kw_rc on_order_received(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	struct books books;
	size_t waiting;

	books_collect(b, in, n, sizeof(struct order_received),
		offsetof(struct order_received, order_id), &books);
	KW_TRY(settle_as_new(b, &books, err));
	KW_TRY(insert_orders(b, &books, &waiting, err));
	KW_TRY(write_lines(b, &books, err));
	if (waiting)
		KW_TRY(settle_waiting(b, &books, err));
	return books_write(b, &books, ENTRY_SALE, err);
}

/* ---- shares: routed, delivered, cancelled ---- */

static int by_share(const void *left, const void *right)
{
	const struct share *a = left, *b = right;
	int order = strcmp(a->order_id.s, b->order_id.s);
	if (order == 0)
		order = strcmp(a->fulfilment_id.s, b->fulfilment_id.s);
	return order ? order : strcmp(a->line_id, b->line_id);
}

/* Sorted, each key once. */
static size_t sort_shares(struct share *shares, size_t n)
{
	size_t distinct = 0;
	qsort(shares, n, sizeof(*shares), by_share);
	for (size_t i = 0; i < n; i++)
		if (distinct == 0 || by_share(&shares[distinct - 1], &shares[i]) != 0)
			shares[distinct++] = shares[i];
	return distinct;
}

enum kw_rc on_order_routed(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	const struct order_routed *messages = in;
	struct books books;
	size_t n_shares = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t f = 0; f < messages[i].n_fulfilments; f++)
			n_shares += messages[i].fulfilments[f].n_lines;
	struct share *shares = kw_new(b->arena, struct share, n_shares);
	n_shares = 0;
	for (size_t i = 0; i < n; i++)
		for (size_t f = 0; f < messages[i].n_fulfilments; f++) {
			const struct routed_fulfilment *fulfilment = &messages[i].fulfilments[f];
			for (size_t l = 0; l < fulfilment->n_lines; l++)
				shares[n_shares++] = (struct share) {
					.order_id = messages[i].order_id,
					.fulfilment_id = fulfilment->fulfilment_id,
					.line_id = fulfilment->lines[l].line_id,
					.maker_id = fulfilment->maker_id,
					.n = fulfilment->n,
					.quantity = fulfilment->lines[l].quantity,
				};
		}
	books_collect(b, in, n, sizeof(*messages), offsetof(struct order_routed, order_id), &books);
	KW_TRY(books_lock(b, &books, err));
	KW_TRY(store_route_shares(b, shares, sort_shares(shares, n_shares), err));
	return books_finish(b, &books, ENTRY_EARNING, err);
}

enum kw_rc on_parcel_delivered(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	const struct parcel_delivered *messages = in;
	struct books books;
	size_t n_shares = 0;

	for (size_t i = 0; i < n; i++)
		n_shares += messages[i].n_lines;
	struct share *shares = kw_new(b->arena, struct share, n_shares);
	n_shares = 0;
	for (size_t i = 0; i < n; i++)
		for (size_t l = 0; l < messages[i].n_lines; l++)
			shares[n_shares++] = (struct share) {
				.order_id = messages[i].order_id,
				.fulfilment_id = messages[i].fulfilment_id,
				.line_id = messages[i].lines[l].line_id,
				.maker_id = messages[i].maker_id,
				.n = messages[i].n,
				.quantity = messages[i].lines[l].quantity,
				.parcel_id = messages[i].parcel_id,
				.delivered_at = messages[i].changed_at,
			};
	books_collect(
		b, in, n, sizeof(*messages), offsetof(struct parcel_delivered, order_id), &books);
	KW_TRY(books_lock(b, &books, err));
	KW_TRY(store_deliver_shares(b, shares, sort_shares(shares, n_shares), err));
	for (size_t i = 0; i < books.n; i++)
		books.entries[i].book.after.waiting = true;
	return books_finish(b, &books, ENTRY_EARNING, err);
}

static int by_order_line(const void *left, const void *right)
{
	const struct order_line *a = left, *b = right;
	int order = strcmp(a->order_id.s, b->order_id.s);
	return order ? order : strcmp(a->line_id, b->line_id);
}

enum kw_rc on_order_cancelled(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	const struct order_cancelled *messages = in;
	struct books books;
	size_t n_lines = 0, n_shares = 0, distinct = 0;

	for (size_t i = 0; i < n; i++) {
		n_lines += messages[i].n_lines;
		n_shares += messages[i].n_fulfilments;
	}
	struct order_line *lines = kw_new(b->arena, struct order_line, n_lines);
	struct share *shares = kw_new(b->arena, struct share, n_shares);
	n_lines = n_shares = 0;
	for (size_t i = 0; i < n; i++) {
		for (size_t l = 0; l < messages[i].n_lines; l++)
			lines[n_lines++] = (struct order_line) {
				.order_id = messages[i].order_id,
				.line_id = messages[i].lines[l].line_id,
				.cancelled = messages[i].lines[l].quantity,
			};
		for (size_t f = 0; f < messages[i].n_fulfilments; f++)
			shares[n_shares++] = (struct share) {
				.order_id = messages[i].order_id,
				.fulfilment_id = messages[i].fulfilments[f].fulfilment_id,
				.line_id = "",
			};
	}
	qsort(lines, n_lines, sizeof(*lines), by_order_line);
	for (size_t i = 0; i < n_lines; i++)
		if (distinct > 0 && by_order_line(&lines[distinct - 1], &lines[i]) == 0)
			lines[distinct - 1].cancelled += lines[i].cancelled;
		else
			lines[distinct++] = lines[i];
	books_collect(
		b, in, n, sizeof(*messages), offsetof(struct order_cancelled, order_id), &books);
	KW_TRY(books_lock(b, &books, err));
	KW_TRY(store_cancel_lines(b, lines, distinct, err));
	KW_TRY(store_cancel_shares(b, shares, sort_shares(shares, n_shares), err));
	for (size_t i = 0; i < books.n; i++)
		books.entries[i].load = books.entries[i].book.before.channel != NULL;
	return books_finish(b, &books, ENTRY_CANCELLATION, err);
}

/* ---- a timer: orders that do not come ---- */

/* The trace of the money that waits goes on. */
static const struct kw_meta *trace_of(struct kw_batch *b, const struct missing_order *order)
{
	struct kw_meta *cause;

	if (strlen(order->trace) >= sizeof(cause->trace.s))
		return NULL;
	cause = kw_new(b->arena, struct kw_meta, 1);
	memcpy(cause->trace.s, order->trace, strlen(order->trace) + 1);
	return cause;
}

enum kw_rc mark_missing_orders(struct kw_batch *b, void *arg, struct kw_err *err)
{
	const struct missing_orders *missing = arg;
	struct books books = { kw_new(b->arena, struct entry, missing->n), missing->n };

	for (size_t i = 0; i < missing->n; i++) {
		books.entries[i].book.before.order_id = missing->orders[i].order_id;
		books.entries[i].cause = trace_of(b, &missing->orders[i]);
	}
	KW_TRY(books_lock(b, &books, err));
	for (size_t i = 0; i < books.n; i++) {
		if (books.entries[i].book.before.channel)
			books.entries[i].skip = true; /* it came meanwhile */
		else
			books.entries[i].book.after.faults |= FAULT_BIT(FAULT_ORDER_MISSING);
	}
	KW_TRY(books_settle(b, &books, err));
	return books_write(b, &books, ENTRY_MONEY, err);
}

const struct kw_topic_row payment_topics[] = {
	{ "karwan.orders.events", "karwan.order.received.v1", order_received_fields,
		sizeof(struct order_received), on_order_received },
	{ "karwan.orders.events", "karwan.order.routed.v1", order_routed_fields,
		sizeof(struct order_routed), on_order_routed },
	{ "karwan.payments.in", "karwan.payment.reported.v1", payment_reported_fields,
		sizeof(struct payment_reported), on_payment_reported },
	{ "karwan.payments.in", KW_RESOLVE_REQUESTED, kw_resolve_requested_fields,
		sizeof(struct kw_resolve_requested), on_resolve_requested },
	{ "karwan.orders.events", "karwan.order.payment_reported.v1", order_payment_reported_fields,
		sizeof(struct order_payment_reported), on_order_payment_reported },
	{ "karwan.orders.events", "karwan.order.cancelled.v1", order_cancelled_fields,
		sizeof(struct order_cancelled), on_order_cancelled },
	{ "karwan.orders.events", "karwan.order.expired.v1", order_cancelled_fields,
		sizeof(struct order_cancelled), on_order_cancelled },
	{ "karwan.dispatch.events", "karwan.parcel.delivered.v1", parcel_delivered_fields,
		sizeof(struct parcel_delivered), on_parcel_delivered },
	{ 0 },
};
