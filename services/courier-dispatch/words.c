/* What a courier's unknown word means, as a person says it. Its later scans have that status at
 * once; those that are here take it on by a job, in rounds, since they may be many: of a scan and a
 * meaning that do not see each other's transaction, the job sees both. An adapter's own words come
 * first. */
#include <stdlib.h>
#include <string.h>

#include "adapters/adapter.h"
#include "handlers.h"
#include "jobs.h"
#include "rules.h"
#include "store.h"
#include "svc/resolution.h"

static int by_word(const void *left, const void *right)
{
	const struct meaning *l = left, *r = right;
	int order = strcmp(l->courier, r->courier);

	return order != 0 ? order : strcmp(l->word, r->word);
}

bool is_unmapped(const struct desk *d, const struct scan *s)
{
	return s->status == CARRIER_UNKNOWN && !carrier_word_of(d->partners, s->courier, s->word);
}

enum kw_rc find_meanings(struct desk *d, struct scan *scans, size_t n, struct kw_err *err)
{
	struct meaning *words = kw_new(d->b->arena, struct meaning, n), *found;
	struct scan **of = kw_new(d->b->arena, struct scan *, n);
	size_t n_words = 0, n_found;

	for (size_t i = 0; i < n; i++)
		if (is_unmapped(d, &scans[i])) {
			of[n_words] = &scans[i];
			words[n_words++] = (struct meaning) { scans[i].courier, scans[i].word, 0 };
		}
	if (n_words == 0)
		return KW_OK;
	KW_TRY(store_find_meanings(d->b, words, n_words, &found, &n_found, err));
	for (size_t i = 0; i < n_words && n_found > 0; i++) {
		const struct meaning *meaning =
			bsearch(&words[i], found, n_found, sizeof(*found), by_word);

		if (meaning)
			of[i]->status = meaning->status;
	}
	return KW_OK;
}

/* ---- karwan.exception.resolve_requested.v1 ---- */

static int by_exception(const void *left, const void *right)
{
	return strcmp(((const struct exception *)left)->exception_id.s,
		((const struct exception *)right)->exception_id.s);
}

static enum kw_rc map_words(
	struct kw_batch *b, const struct kw_resolve_requested *in, size_t n, struct kw_err *err)
{
	struct kw_uuid *ids = kw_new(b->arena, struct kw_uuid, n);
	struct mapping *rows = kw_new(b->arena, struct mapping, n);
	struct exception *known;
	size_t n_known;

	for (size_t i = 0; i < n; i++)
		ids[i] = in[i].exception_id;
	KW_TRY(store_exception_kinds(b, ids, distinct_ids(ids, n), &known, &n_known, err));
	for (size_t i = 0; i < n; i++) {
		const struct exception key = { .exception_id = in[i].exception_id }, *x = NULL;

		if (n_known > 0)
			x = bsearch(&key, known, n_known, sizeof(*known), by_exception);
		if (!x)
			return kw_fail_at(err, KW_INVALID, "/exception_id", "no such exception");
		if (!exception_may(x->kind, false, true))
			return kw_fail_at(err, KW_INVALID, "/resolution", "does not end a %s",
				kw_strtab_name(&parcel_exception_kinds, x->kind));
		KW_TRY(kw_resolve_status(in[i].resolution, in[i].status, &mapped_statuses, err));
		rows[i] = (struct mapping) { in[i].exception_id, in[i].version, in[i].status,
			in[i].by, in[i].reason };
	}
	return store_map_words(b, rows, n, err);
}

/* In the order of the log: of several requests for one version the first stands. */
enum kw_rc on_resolve_requested(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	const struct kw_resolve_requested *m = in;

	for (size_t i = 0, end; i < n; i = end) {
		bool maps = m[i].resolution == KW_MAP;

		for (end = i + 1; end < n && (m[end].resolution == KW_MAP) == maps;)
			end++;
		KW_TRY(maps ? map_words(b, &m[i], end - i, err)
			    : kw_on_keep_requested(b, &m[i], end - i, err));
	}
	return KW_OK;
}

/* ---- the job ---- */

enum kw_rc name_scans(struct kw_batch *b, void *arg, struct kw_err *err)
{
	const struct round *r = arg;
	struct desk d = desk_open(b, r->env->partners);
	struct kw_uuid *ids;
	struct scan *scans;
	size_t n_unmatched, n_ids, n = 0;

	KW_TRY(store_name_unmatched(b, &n_unmatched, err));
	KW_TRY(store_nameless_parcels(b, &ids, &n_ids, err));
	if (n_ids > 0) {
		KW_TRY(store_lock_parcels(b, ids, n_ids, &d.parcels, &d.n_parcels, err));
		/* as they are now that nobody else works on them */
		KW_TRY(store_nameless_scans(b, ids, n_ids, &scans, &n, err));
		KW_TRY(take_named(&d, scans, n, err));
	}
	if (n_unmatched == 0 && n == 0)
		return KW_NOTHING;
	/* a scan that did not see the meaning has opened its exception again */
	return store_resolve_mapped(b, err);
}
