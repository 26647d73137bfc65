/* What order-routing says of stock: publications pause at zero. */
#include <stdlib.h>
#include <string.h>

#include "handlers.h"
#include "rules.h"
#include "store.h"
#include "json/json.h"

static const struct kw_event_type listing_changed = { "karwan.listing.changed.v1",
	listing_changed_fields };

static int by_listing(const void *a, const void *b)
{
	const struct depletion *x = a, *y = b;
	int order = strcmp(x->listing_id, y->listing_id);

	return order                                 ? order
	       : x->stock_version < y->stock_version ? -1
						     : x->stock_version > y->stock_version;
}

/* The newest word on each listing, sorted. */
static struct depletion *newest(
	struct kw_arena *a, const struct depleted_message *messages, size_t n, size_t *ret_n)
{
	struct depletion *rows;
	size_t total = 0, kept = 0;

	for (size_t i = 0; i < n; i++)
		total += messages[i].n_depleted;
	rows = kw_new(a, struct depletion, total);
	total = 0;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < messages[i].n_depleted; k++)
			rows[total++] = messages[i].depleted[k];
	qsort(rows, total, sizeof(*rows), by_listing);
	for (size_t i = 0; i < total; i++) {
		if (kept > 0 && strcmp(rows[kept - 1].listing_id, rows[i].listing_id) == 0)
			kept--;
		rows[kept++] = rows[i];
	}
	*ret_n = kept;
	return rows;
}

/* Publications pause when the last piece is gone, and come back when there is one again. */
enum kw_rc on_depleted(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	const struct depleted_message *messages = in;
	struct depletion *rows, *news;
	struct kept *kept;
	size_t n_rows, n_news, n_kept, n_records = 0;

	rows = newest(b->arena, messages, n, &n_rows);
	if (n_rows == 0)
		return KW_OK;
	struct id_row *ids = kw_new(b->arena, struct id_row, n_rows);
	for (size_t i = 0; i < n_rows; i++)
		ids[i].id = rows[i].listing_id;
	KW_TRY(store_lock_records(b, "listing", ids, n_rows, &kept, &n_kept, err));
	KW_TRY(store_put_availability(b, rows, n_rows, &news, &n_news, err));
	struct record *records = kw_new(b->arena, struct record, n_news);
	for (size_t i = 0; i < n_kept; i++) {
		const struct depletion *said = NULL;
		struct listing listing = { 0 };

		for (size_t k = 0; k < n_news && !said; k++)
			if (strcmp(news[k].listing_id, kept[i].id) == 0)
				said = &news[k];
		if (!said)
			continue;
		if (kw_json_decode(listing_body_fields, kept[i].body, strlen(kept[i].body),
			    b->arena, &listing, err) != KW_OK)
			return kw_fail(err, KW_FATAL, "the kept body of listing %s cannot be read",
				kept[i].id);
		listing.listing_id = kept[i].id;
		listing.publications = pause_publications(b->arena, &listing, said->available);
		listing.source_version = listing.version;
		listing.version = kept[i].version + 1;
		kw_emit(b, &listing_changed, kept[i].id, &kept[i].entity, listing.version,
			&messages[0].meta, &listing);
		kept[i].version++;
		records[n_records++] = record_of(&kept[i]);
	}
	return store_put_records(b, "listing", records, n_records, err);
}
