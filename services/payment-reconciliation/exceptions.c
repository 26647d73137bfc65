/* Batch handler for what a person decides about an exception: it is accepted as it is, money
 * without an order is assigned to one, or an order that was paid too little is released. */
#include <stdlib.h>
#include <string.h>

#include "books.h"
#include "handlers.h"
#include "svc/resolution.h"

bool exception_may(int kind, int resolution)
{
	switch (resolution) {
	case KW_KEEP:
		return true;
	case KW_ASSIGN_ORDER:
		return kind == FAULT_UNKNOWN_REFERENCE;
	case KW_RELEASE:
		return kind == FAULT_UNDERPAID;
	default:
		return false;
	}
}

static int by_id(const void *left, const void *right)
{
	return strcmp(((const struct kw_uuid *)left)->s, ((const struct kw_uuid *)right)->s);
}

static int to_exception(const void *key, const void *element)
{
	return strcmp(((const struct kw_uuid *)key)->s,
		((const struct exception *)element)->exception_id.s);
}

/* As it was seen by the person who decides. */
static bool is_as_seen(const struct exception *x, const struct kw_resolve_requested *m)
{
	return x->state != EXCEPTION_RESOLVED && x->version == m->version;
}

/* An order that may go although it was paid too little. Begins as a message does: books_collect. */
struct release {
	struct kw_meta meta;
	struct kw_uuid order_id;
	const struct kw_resolve_requested *message;
	const struct decision *decision;
};

/* What is missing now is waived, if it is no more than the person saw. */
static void release_order(struct entry *entry, const struct exception *x)
{
	const struct release *release = entry->message;
	struct expectation *e = &entry->book.after;
	int64_t missing = e->expected - e->received;

	entry->skip = !is_as_seen(x, release->message) || e->state != UNDER ||
		      missing > x->expected.minor - x->received.minor;
	if (entry->skip)
		return;
	e->waived = missing;
	entry->load = true;
	entry->decision = release->decision;
}

/* Under the lock of an order its exceptions do not change: they are read again. */
static enum kw_rc release_orders(
	struct kw_batch *b, const struct release *releases, size_t n, struct kw_err *err)
{
	struct kw_uuid *ids = kw_new(b->arena, struct kw_uuid, n);
	struct books books;
	struct exception *rows;
	size_t n_rows;

	books_collect(
		b, releases, n, sizeof(*releases), offsetof(struct release, order_id), &books);
	KW_TRY(books_lock(b, &books, err));
	for (size_t i = 0; i < books.n; i++)
		ids[i] = ((const struct release *)books.entries[i].message)->message->exception_id;
	qsort(ids, books.n, sizeof(*ids), by_id);
	KW_TRY(store_find_exceptions(b, ids, books.n, &rows, &n_rows, err));
	for (size_t i = 0; i < books.n; i++) {
		const struct release *release = books.entries[i].message;

		release_order(&books.entries[i], bsearch(&release->message->exception_id, rows,
							 n_rows, sizeof(*rows), to_exception));
	}
	return books_finish(b, &books, ENTRY_RELEASE, err);
}

enum kw_rc on_resolve_requested(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	const struct kw_resolve_requested *messages = in;
	struct kw_uuid *ids = kw_new(b->arena, struct kw_uuid, n);
	struct fault *faults = kw_new(b->arena, struct fault, n);
	struct assignment *assignments = kw_new(b->arena, struct assignment, n);
	struct release *releases = kw_new(b->arena, struct release, n);
	struct exception *rows;
	size_t n_rows, n_faults = 0, n_assignments = 0, n_releases = 0;

	for (size_t i = 0; i < n; i++)
		ids[i] = messages[i].exception_id;
	qsort(ids, n, sizeof(*ids), by_id);
	KW_TRY(store_find_exceptions(b, ids, n, &rows, &n_rows, err));
	for (size_t i = 0; i < n; i++) {
		const struct kw_resolve_requested *m = &messages[i];
		const struct exception *x =
			bsearch(&m->exception_id, rows, n_rows, sizeof(*rows), to_exception);
		struct decision *decision = kw_new(b->arena, struct decision, 1);

		if (!x)
			return kw_fail_at(err, KW_INVALID, "/exception_id", "no such exception");
		if (!exception_may(x->kind, m->resolution))
			return kw_fail_at(err, KW_INVALID, "/resolution", "does not end a %s",
				kw_strtab_name(&exception_kinds, x->kind));
		if (m->resolution == KW_ASSIGN_ORDER && (!m->channel || !m->external_id))
			return kw_fail_at(err, KW_INVALID, "/channel", "no order is named");
		if (!is_as_seen(x, m))
			continue;
		*decision = (struct decision) { m->version,
			kw_strtab_name(&kw_resolution_names, m->resolution), m->by, m->reason };
		if (m->resolution == KW_ASSIGN_ORDER)
			assignments[n_assignments++] = (struct assignment) {
				.payment_id = x->payment_id,
				.exception_id = x->exception_id,
				.channel = m->channel,
				.external_id = m->external_id,
				.decision = decision,
				.cause = &m->meta,
			};
		else if (m->resolution == KW_RELEASE)
			releases[n_releases++] =
				(struct release) { m->meta, x->order_id, m, decision };
		else
			faults[n_faults++] = (struct fault) {
				.exception_id = x->exception_id,
				.decision = decision,
				.cause = &m->meta,
			};
	}
	if (n_assignments > 0)
		KW_TRY(assign_payments(b, assignments, n_assignments, err));
	if (n_releases > 0)
		KW_TRY(release_orders(b, releases, n_releases, err));
	return faults_write(b, faults, n_faults, err);
}
