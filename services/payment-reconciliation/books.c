/* The orders that a batch handler works on: collected, locked, settled, written. */
#include "books.h"

#include <stdlib.h>
#include <string.h>

#include "states.h"

static int by_id(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	int order = strcmp(a->book.before.order_id.s, b->book.before.order_id.s);
	if (order)
		return order;
	return (a->message > b->message) -
	       (a->message < b->message); /* of one array: the log's order */
}

void books_collect(struct kw_batch *b, const void *messages, size_t n, size_t size,
	size_t id_offset, struct books *ret)
{
	struct entry *entries = kw_new(b->arena, struct entry, n);
	size_t distinct = 0;

	for (size_t i = 0; i < n; i++) {
		const char *message = (const char *)messages + i * size;
		entries[i].book.before.order_id =
			*(const struct kw_uuid *)(const void *)(message + id_offset);
		entries[i].message = message;
		entries[i].cause = (const void *)message;
	}
	qsort(entries, n, sizeof(*entries), by_id);
	for (size_t i = 0; i < n; i++)
		if (distinct == 0 || strcmp(entries[distinct - 1].book.before.order_id.s,
					     entries[i].book.before.order_id.s) != 0)
			entries[distinct++] = entries[i];
	*ret = (struct books) { entries, distinct };
}

static int to_id(const void *key, const void *element)
{
	return strcmp(((const struct kw_uuid *)key)->s,
		((const struct entry *)element)->book.before.order_id.s);
}

struct entry *books_find(const struct books *books, const struct kw_uuid *order_id)
{
	return bsearch(order_id, books->entries, books->n, sizeof(*books->entries), to_id);
}

enum kw_rc books_lock(struct kw_batch *b, struct books *books, struct kw_err *err)
{
	struct kw_uuid *ids = kw_new(b->arena, struct kw_uuid, books->n);
	struct expectation *rows;

	if (books->n == 0)
		return KW_OK;
	for (size_t i = 0; i < books->n; i++)
		ids[i] = books->entries[i].book.before.order_id;
	KW_TRY(store_lock_orders(b, ids, books->n, &rows, err));
	for (size_t i = 0; i < books->n; i++) {
		kw_assert(strcmp(rows[i].order_id.s, ids[i].s) == 0);
		books->entries[i].book.before = books->entries[i].book.after = rows[i];
	}
	return KW_OK;
}

enum kw_rc books_load(struct kw_batch *b, struct books *books, struct kw_err *err)
{
	struct kw_uuid *ids = kw_new(b->arena, struct kw_uuid, books->n);
	struct order_line *lines;
	struct share *shares;
	size_t n = 0, n_lines, n_shares, l = 0, s = 0;

	for (size_t i = 0; i < books->n; i++)
		if (books->entries[i].load)
			ids[n++] = books->entries[i].book.before.order_id;
	if (n == 0)
		return KW_OK;
	KW_TRY(store_load_lines(b, ids, n, &lines, &n_lines, err));
	KW_TRY(store_load_shares(b, ids, n, &shares, &n_shares, err));
	for (size_t i = 0; i < books->n; i++) {
		struct book *book = &books->entries[i].book;
		if (!books->entries[i].load)
			continue;
		book->loaded = true;
		book->lines = lines + l;
		for (book->n_lines = 0;
			l < n_lines && strcmp(lines[l].order_id.s, book->before.order_id.s) == 0;
			l++)
			book->n_lines++;
		book->shares = shares + s;
		for (book->n_shares = 0;
			s < n_shares && strcmp(shares[s].order_id.s, book->before.order_id.s) == 0;
			s++)
			book->n_shares++;
	}
	kw_assert(l == n_lines && s == n_shares);
	return KW_OK;
}

enum kw_rc books_settle(struct kw_batch *b, struct books *books, struct kw_err *err)
{
	for (size_t i = 0; i < books->n; i++)
		if (!books->entries[i].skip)
			KW_TRY(book_settle(&books->entries[i].book, b->arena, err));
	return KW_OK;
}

/* ---- writing ---- */

static enum kw_rc write_rows(struct kw_batch *b, const struct books *books, struct kw_err *err)
{
	struct expectation *rows = kw_new(b->arena, struct expectation, books->n);
	size_t n = 0;

	for (size_t i = 0; i < books->n; i++) {
		const struct entry *entry = &books->entries[i];
		if (!entry->skip && !entry->fresh && entry->book.changed)
			rows[n++] = entry->book.after;
	}
	return store_update_orders(b, rows, n, err);
}

static enum kw_rc write_ledger(
	struct kw_batch *b, const struct books *books, int kind, struct kw_err *err)
{
	size_t n = 0, n_postings = 0, n_earnings = 0;

	for (size_t i = 0; i < books->n; i++) {
		n_postings += books->entries[i].book.n_postings;
		n_earnings += books->entries[i].book.n_earnings;
	}
	struct ledger_transaction *transactions =
		kw_new(b->arena, struct ledger_transaction, books->n);
	struct ledger_posting *postings = kw_new(b->arena, struct ledger_posting, n_postings);
	struct earning *earnings = kw_new(b->arena, struct earning, n_earnings);

	n_postings = n_earnings = 0;
	for (size_t i = 0; i < books->n; i++) {
		const struct entry *entry = &books->entries[i];
		const struct book *book = &entry->book;
		if (entry->skip || book->n_postings == 0)
			continue;
		transactions[n++] = (struct ledger_transaction) {
			.entity_id = book->after.order_id,
			.revision = book->after.revision,
			.kind = kind,
			.cause = entry->cause ? entry->cause->id : (struct kw_uuid) { "" },
		};
		for (size_t j = 0; j < book->n_postings; j++)
			postings[n_postings++] = (struct ledger_posting) { book->after.order_id,
				book->after.revision, (int64_t)j + 1, book->postings[j] };
		memcpy(earnings + n_earnings, book->earnings, book->n_earnings * sizeof(*earnings));
		n_earnings += book->n_earnings;
	}
	KW_TRY(store_book(b, transactions, n, postings, n_postings, err));
	return store_earn(b, earnings, n_earnings, err);
}

static struct kw_money money(int64_t minor, const char currency[4])
{
	struct kw_money m = { .minor = minor };
	memcpy(m.currency, currency, sizeof(m.currency));
	return m;
}

static void emit_order(struct kw_batch *b, const struct entry *entry)
{
	const struct book *book = &entry->book;
	const struct expectation *e = &book->after;

	if (book->emit) {
		struct expectation_settled data = {
			.order_id = e->order_id,
			.state = e->state,
			.expected = money(e->expected, e->currency),
			.received = money(e->received, e->currency),
			.cleared = e->cleared,
		};
		kw_emit(b, book->emit, e->order_id.s, &e->order_id, e->version, entry->cause,
			&data);
	}
	for (size_t i = 0; i < book->n_earnings; i++) {
		const struct earning *earning = &book->earnings[i];
		struct earning_earned data = {
			.earning_id = earning->earning_id,
			.order_id = e->order_id,
			.fulfilment_id = earning->fulfilment_id,
			.line_id = earning->line_id,
			.maker_id = earning->maker_id,
			.amount = money(earning->amount, earning->currency),
			.fee = money(earning->fee, earning->currency),
			.earned_at = b->now,
		};
		kw_emit(b, &earning_earned_event, e->order_id.s, &earning->earning_id, 1,
			entry->cause, &data);
	}
}

/* The faults of orders that came or went. */
static enum kw_rc write_order_faults(
	struct kw_batch *b, const struct books *books, struct kw_err *err)
{
	size_t n = 0, max = 0;

	for (size_t i = 0; i < books->n; i++)
		if (!books->entries[i].skip)
			max += (size_t)__builtin_popcountll(
				(unsigned long long)(books->entries[i].book.opened |
						     books->entries[i].book.ended));
	if (max == 0)
		return KW_OK;
	struct fault *faults = kw_new(b->arena, struct fault, max);
	for (size_t i = 0; i < books->n; i++) {
		const struct entry *entry = &books->entries[i];
		const struct expectation *e = &entry->book.after;
		for (int kind = 0; kind < FAULT_ORDER_END && !entry->skip; kind++) {
			if (!((entry->book.opened | entry->book.ended) & FAULT_BIT(kind)))
				continue;
			struct fault *fault = &faults[n++];
			*fault = (struct fault) {
				.exception_id = kw_uuid_of("exception",
					kw_strtab_name(&exception_kinds, kind), e->order_id.s),
				.home = e->order_id,
				.order_id = e->order_id,
				.kind = kind,
				.ends = (entry->book.ended & FAULT_BIT(kind)) != 0,
				.decision = kind == FAULT_UNDERPAID ? entry->decision : NULL,
				.cause = entry->cause,
			};
			fault_money(e, kind, &fault->expected, &fault->received);
		}
	}
	return faults_write(b, faults, n, err);
}

enum kw_rc books_write(struct kw_batch *b, struct books *books, int kind, struct kw_err *err)
{
	KW_TRY(write_rows(b, books, err));
	KW_TRY(write_ledger(b, books, kind, err));
	KW_TRY(write_order_faults(b, books, err));
	for (size_t i = 0; i < books->n; i++)
		if (!books->entries[i].skip)
			emit_order(b, &books->entries[i]);
	return KW_OK;
}

enum kw_rc books_finish(struct kw_batch *b, struct books *books, int kind, struct kw_err *err)
{
	for (size_t i = 0; i < books->n; i++)
		books->entries[i].load =
			books->entries[i].load || book_earns(&books->entries[i].book.after);
	KW_TRY(books_load(b, books, err));
	KW_TRY(books_settle(b, books, err));
	return books_write(b, books, kind, err);
}

/* ---- exceptions ---- */

static int by_exception(const void *left, const void *right)
{
	return strcmp(((const struct fault *)left)->exception_id.s,
		((const struct fault *)right)->exception_id.s);
}

/* One fault on what is known of its exception. false: it is so already. */
static bool apply_fault(
	const struct fault *fault, struct exception *x, const struct kw_event_type **ret_emit)
{
	const struct decision *decision = fault->decision;
	bool worked = decision && !fault->ends;
	const struct kw_edge *edge = kw_fsm_find(&exception_fsm, x->state,
		worked        ? EXCEPTION_WORKED
		: fault->ends ? EXCEPTION_ENDS
			      : EXCEPTION_ARISES);

	if (!edge || edge->to == KW_SAME || (worked && x->version != decision->version))
		return false;
	if (edge->to == EXCEPTION_OPEN)
		x->resolution = x->by = x->note = NULL;
	if (decision) {
		x->resolution = decision->resolution;
		x->by = decision->by;
		x->note = decision->note;
	}
	x->state = edge->to;
	x->version++;
	if (!worked) {
		x->expected = fault->expected;
		x->received = fault->received;
	}
	*ret_emit = edge->emit;
	return true;
}

enum kw_rc faults_write(struct kw_batch *b, struct fault *faults, size_t n, struct kw_err *err)
{
	struct kw_uuid *ids = kw_new(b->arena, struct kw_uuid, n);
	struct exception *known, *rows = kw_new(b->arena, struct exception, n);
	size_t n_known, k = 0, n_rows = 0;

	if (n == 0)
		return KW_OK;
	qsort(faults, n, sizeof(*faults), by_exception);
	for (size_t i = 0; i < n; i++)
		ids[i] = faults[i].exception_id;
	KW_TRY(store_lock_exceptions(b, ids, n, &known, &n_known, err));
	for (size_t i = 0; i < n; i++) {
		const struct fault *fault = &faults[i];
		const struct kw_event_type *emit;
		struct exception x = {
			.exception_id = fault->exception_id,
			.home = fault->home,
			.order_id = fault->order_id,
			.payment_id = fault->payment_id,
			.kind = fault->kind,
			.reason = fault_reason(fault->kind),
			.owner = fault_owner(fault->kind),
			.state = EXCEPTION_NONE,
		};
		if (i > 0 && strcmp(faults[i - 1].exception_id.s, fault->exception_id.s) == 0)
			continue; /* twice in one batch */
		while (k < n_known && strcmp(known[k].exception_id.s, fault->exception_id.s) < 0)
			k++;
		if (k < n_known && strcmp(known[k].exception_id.s, fault->exception_id.s) == 0)
			x = known[k];
		if (!apply_fault(fault, &x, &emit))
			continue;
		rows[n_rows++] = x;
		struct exception_changed data = {
			.exception_id = x.exception_id,
			.kind = x.kind,
			.order_id = x.order_id,
			.payment_id = x.payment_id,
			.expected = x.expected,
			.received = x.received,
			.reason = x.reason,
			.resolution = x.resolution,
			.by = x.by,
			.note = x.note,
		};
		kw_emit(b, emit, x.home.s, &x.exception_id, x.version, fault->cause, &data);
	}
	return store_write_exceptions(b, rows, n_rows, err);
}
