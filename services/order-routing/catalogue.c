/* Batch handlers that keep copies of makers, hubs and listings. */
#include "catalogue.h"

#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "round.h"
#include "json/json.h"

static const char *encode_address(struct kw_batch *b, const struct address *address)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf text;

	kw_buf_init(&text, 64 * 1024);
	kw_json_encode(address_fields, address, &text);
	kw_assert(!text.full);
	return kw_arena_strn(b->arena, text.p, text.n);
}

static const char *join(struct kw_batch *b, const char *const *texts, size_t n)
{
	const char *joined = "";

	for (size_t i = 0; i < n; i++)
		joined =
			i == 0 ? texts[i] : kw_arena_printf(b->arena, "%s\x1f%s", joined, texts[i]);
	return joined;
}

struct wakes {
	VECTOR(struct text_row) keys;
};

static void wake(struct kw_batch *b, struct wakes *w, const char *kind, const char *key)
{
	PUSH(b->arena, w->keys)->text = kw_arena_printf(b->arena, "%s:%s", kind, key);
}

static enum kw_rc write_wakes(struct kw_batch *b, struct wakes *w, struct kw_err *err)
{
	if (w->keys.n == 0)
		return KW_OK;
	return store_insert_wakes(b, w->keys.rows, texts_distinct(w->keys.rows, w->keys.n), err);
}

/* ---- makers ---- */

static int compare_makers(const void *a, const void *b)
{
	const struct maker_message *x = *(const struct maker_message *const *)a,
				   *y = *(const struct maker_message *const *)b;
	int c = strcmp(x->maker_id, y->maker_id);

	return c ? c : (x->version > y->version) - (x->version < y->version);
}

enum kw_rc on_maker_changed(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	const struct maker_message *makers = in, **sorted;
	struct maker_row *rows = kw_new(b->arena, struct maker_row, n);
	struct wakes w = { 0 };
	size_t kept = 0;

	sorted = kw_new(b->arena, const struct maker_message *, n);
	for (size_t i = 0; i < n; i++)
		sorted[i] = &makers[i];
	qsort(sorted, n, sizeof(struct maker_message *), compare_makers);
	for (size_t i = 0; i < n; i++) {
		const struct maker_message *m = sorted[i];
		if (i + 1 < n && strcmp(m->maker_id, sorted[i + 1]->maker_id) == 0)
			continue;
		rows[kept++] = (struct maker_row) {
			.maker_id = m->maker_id,
			.hub_id = m->hub_id,
			.skills = join(b, m->skills, m->n_skills),
			.state = m->state,
			.version = m->version,
			.weekly_capacity = (int)m->weekly_capacity,
			.leave_until = m->leave_until,
		};
		wake(b, &w, "maker", m->maker_id);
		for (size_t j = 0; j < m->n_skills; j++)
			wake(b, &w, "skill", m->skills[j]);
	}
	KW_TRY(store_put_makers(b, rows, kept, err));
	return write_wakes(b, &w, err);
}

/* ---- hubs ---- */

static int compare_hubs(const void *a, const void *b)
{
	const struct hub_message *x = *(const struct hub_message *const *)a,
				 *y = *(const struct hub_message *const *)b;
	int c = strcmp(x->hub_id, y->hub_id);

	return c ? c : (x->version > y->version) - (x->version < y->version);
}

enum kw_rc on_hub_changed(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	const struct hub_message *hubs = in, **sorted;
	struct hub_row *rows = kw_new(b->arena, struct hub_row, n);
	struct wakes w = { 0 };
	size_t kept = 0;

	sorted = kw_new(b->arena, const struct hub_message *, n);
	for (size_t i = 0; i < n; i++)
		sorted[i] = &hubs[i];
	qsort(sorted, n, sizeof(struct hub_message *), compare_hubs);
	for (size_t i = 0; i < n; i++) {
		const struct hub_message *h = sorted[i];
		if (i + 1 < n && strcmp(h->hub_id, sorted[i + 1]->hub_id) == 0)
			continue;
		rows[kept++] = (struct hub_row) {
			.hub_id = h->hub_id,
			.name = h->name,
			.region = h->region,
			.address = encode_address(b, h->address),
			.version = h->version,
		};
		wake(b, &w, "hub", h->hub_id);
	}
	KW_TRY(store_put_hubs(b, rows, kept, err));
	return write_wakes(b, &w, err);
}

/* ---- listings ---- */

static int compare_listings(const void *a, const void *b)
{
	const struct listing_message *x = *(const struct listing_message *const *)a,
				     *y = *(const struct listing_message *const *)b;
	int c = strcmp(x->listing_id, y->listing_id);

	return c ? c : (x->version > y->version) - (x->version < y->version);
}

static struct listing_row listing_row(const struct listing_message *l)
{
	return (struct listing_row) {
		.listing_id = l->listing_id,
		.sku = l->sku,
		.title = l->title,
		.maker_id = l->maker_id,
		.hub_id = l->hub_id,
		.skill = l->skill,
		.kind = l->kind,
		.state = l->state,
		.version = l->version,
		.quantity_version = l->quantity_version,
		.weight_g = (int)l->weight_g,
		.lead_days = (int)l->lead_days,
		.quantity = (int)l->quantity,
	};
}

/* Publications and wakes of the listings that were really newer; both lists are sorted by id. */
static enum kw_rc put_details(struct kw_batch *b, const struct listing_message *const *sorted,
	size_t n, const struct text_row *newer, size_t n_newer, struct kw_err *err)
{
	VECTOR(struct publication_row) publications = { 0 };
	struct wakes w = { 0 };
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		const struct listing_message *l = sorted[i];
		while (at < n_newer && strcmp(newer[at].text, l->listing_id) < 0)
			at++;
		if (at == n_newer || strcmp(newer[at].text, l->listing_id) != 0)
			continue;
		wake(b, &w, "listing", l->listing_id);
		wake(b, &w, "sku", l->sku);
		for (size_t j = 0; j < l->n_publications; j++) {
			const struct publication *p = &l->publications[j];
			bool twice = false;
			for (size_t x = 0; x < j; x++)
				twice |=
					strcmp(l->publications[x].channel, p->channel) == 0 &&
					strcmp(l->publications[x].channel_sku, p->channel_sku) == 0;
			if (twice)
				continue;
			*PUSH(b->arena, publications) = (struct publication_row) { p->channel,
				p->channel_sku, l->listing_id, p->state };
			wake(b, &w, "sku", p->channel_sku);
		}
	}
	KW_TRY(store_put_publications(b, publications.rows, publications.n, err));
	return write_wakes(b, &w, err);
}

enum kw_rc on_listing_changed(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	const struct listing_message *listings = in, **sorted;
	struct listing_row *rows = kw_new(b->arena, struct listing_row, n);
	struct text_row *newer;
	size_t kept = 0, n_newer;

	sorted = kw_new(b->arena, const struct listing_message *, n);
	for (size_t i = 0; i < n; i++)
		sorted[i] = &listings[i];
	qsort(sorted, n, sizeof(struct listing_message *), compare_listings);
	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && strcmp(sorted[i]->listing_id, sorted[i + 1]->listing_id) == 0)
			continue;
		sorted[kept] = sorted[i];
		rows[kept++] = listing_row(sorted[i]);
	}
	KW_TRY(store_put_listings(b, rows, kept, &newer, &n_newer, err));
	return put_details(b, sorted, kept, newer, n_newer, err);
}
