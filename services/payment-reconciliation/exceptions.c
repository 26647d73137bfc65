/* Batch handler for what a person decides about an exception: it is accepted as it is, or money
 * without an order is assigned to one. */
#include <stdlib.h>
#include <string.h>

#include "books.h"
#include "handlers.h"
#include "svc/resolution.h"

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

enum kw_rc on_resolve_requested(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	const struct kw_resolve_requested *messages = in;
	struct kw_uuid *ids = kw_new(b->arena, struct kw_uuid, n);
	struct fault *faults = kw_new(b->arena, struct fault, n);
	struct assignment *assignments = kw_new(b->arena, struct assignment, n);
	struct exception *rows;
	size_t n_rows, n_faults = 0, n_assignments = 0;

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
		if (!exception_may(
			    x->kind, m->resolution == KW_KEEP, m->resolution == KW_ASSIGN_ORDER))
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
		else
			faults[n_faults++] = (struct fault) {
				.exception_id = x->exception_id,
				.decision = decision,
				.cause = &m->meta,
			};
	}
	if (n_assignments > 0)
		KW_TRY(assign_payments(b, assignments, n_assignments, err));
	return faults_write(b, faults, n_faults, err);
}
