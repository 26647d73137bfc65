/* Messages and database to events: puts of makers, hubs and listings by the operator's version;
 * publications by routing's stock. */
#include "handlers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "rules.h"
#include "states.h"
#include "store.h"
#include "json/json.h"

static const struct kw_event_type maker_changed = { "karwan.maker.changed.v1",
	maker_changed_fields };
static const struct kw_event_type hub_changed = { "karwan.hub.changed.v1", hub_changed_fields };
static const struct kw_event_type listing_changed = { "karwan.listing.changed.v1",
	listing_changed_fields };

/* One put, whatever it is of. */
struct put {
	const struct kw_meta *meta;
	const char *id, *body;
	int64_t version;
	int state, subkind;
	const struct sealed_id *national_id;
	const struct listing *listing; /* NULL: another kind */
	const void *in;                /* the put message */
};

/* What the three kinds differ in. */
struct kind {
	const char *name;
	const struct kw_fsm *fsm;
	/* Emits the changed event of a put under the entity's new version. */
	void (*emit)(struct kw_batch *b, const struct put *put, const struct kw_uuid *entity,
		int64_t version, int64_t available);
};

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct id_row *)a)->id, ((const struct id_row *)b)->id);
}

/* The ids of the puts, sorted, each once. */
static struct id_row *distinct_ids(
	struct kw_arena *a, const struct put *puts, size_t n, size_t *ret_n)
{
	struct id_row *ids = kw_new(a, struct id_row, n);
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		ids[i].id = puts[i].id;
	qsort(ids, n, sizeof(*ids), by_id);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || strcmp(ids[kept - 1].id, ids[i].id) != 0)
			ids[kept++] = ids[i];
	*ret_n = kept;
	return ids;
}

static const char *encode(struct kw_arena *a, const struct kw_field *fields, const void *data)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf text;

	kw_buf_init(&text, 256 * 1024);
	kw_json_encode(fields, data, &text);
	kw_assert(!text.full);
	return kw_arena_strn(a, text.p, text.n);
}

/* Everything that a batch of puts of one kind comes to. */
struct work {
	struct kw_batch *b;
	const struct kind *kind;
	struct kept *kept; /* one per distinct id, in order; rows of what is new have version 0 */
	bool *changed;
	int64_t *available; /* INT64_MAX: nothing was said */
	size_t n;
	struct new_exception *exceptions;
	size_t n_exceptions;
	struct sealed_row *sealed;
	size_t n_sealed;
	struct depletion *recounted; /* listings that an operator counted anew */
	size_t n_recounted;
};

static enum kw_rc load(struct work *w, const struct id_row *ids, struct kw_err *err)
{
	struct kept *found;
	struct depletion *said;
	size_t n_found, n_said, k = 0;

	KW_TRY(store_lock_records(w->b, w->kind->name, ids, w->n, &found, &n_found, err));
	for (size_t i = 0; i < w->n; i++) {
		w->available[i] = INT64_MAX;
		if (k < n_found && strcmp(found[k].id, ids[i].id) == 0)
			w->kept[i] = found[k++];
		else
			w->kept[i] = (struct kept) { .id = ids[i].id,
				.entity = kw_uuid_of(w->kind->name, ids[i].id) };
	}
	if (strcmp(w->kind->name, "listing") != 0)
		return KW_OK;
	KW_TRY(store_find_availability(w->b, ids, w->n, &said, &n_said, err));
	for (size_t i = 0; i < n_said; i++) {
		const struct id_row key = { said[i].listing_id };
		const struct id_row *at = bsearch(&key, ids, w->n, sizeof(*ids), by_id);
		w->available[at - ids] = said[i].available;
	}
	return KW_OK;
}

static void add_exception(
	struct work *w, enum exception_kind kind, const struct put *put, const char *reason)
{
	char version[24];
	const char *name = kw_strtab_name(&exception_kind_names, kind);

	snprintf(version, sizeof(version), "%lld", (long long)put->version);
	w->exceptions[w->n_exceptions++] = (struct new_exception) {
		.exception_id =
			kw_uuid_of("exception", w->kind->name, put->id, version, name, put->body),
		.kind = (int)kind,
		.entity_kind = w->kind->name,
		.entity_id = put->id,
		.reason = reason,
		.body = put->body,
		.source_version = put->version,
	};
}

/* A new count is newer than what routing said of the old one. */
static void recount(struct work *w, const struct put *put, size_t at)
{
	struct listing before = { 0 };
	struct kw_err err;

	if (!put->listing || w->available[at] == INT64_MAX)
		return;
	if (w->kept[at].body &&
		kw_json_decode(listing_body_fields, w->kept[at].body, strlen(w->kept[at].body),
			w->b->arena, &before, &err) == KW_OK &&
		before.quantity_version == put->listing->quantity_version)
		return;
	w->available[at] = put->listing->quantity;
	w->recounted[w->n_recounted++] = (struct depletion) { put->id, put->listing->quantity, 0 };
}

/* One put beside what is kept by now. */
static void fold(struct work *w, const struct put *put, size_t at)
{
	struct kept *kept = &w->kept[at];

	switch (judge_put(kept, put->version, put->body, w->kind->fsm, put->state, put->subkind)) {
	case PUT_NEW:
		recount(w, put, at);
		kept->source_version = put->version;
		kept->version++;
		kept->state = put->state;
		kept->kind = put->subkind;
		kept->body = put->body;
		w->changed[at] = true;
		if (put->national_id)
			w->sealed[w->n_sealed++] =
				(struct sealed_row) { put->id, put->national_id->hash,
					put->national_id->ciphertext, put->national_id->key_id };
		w->kind->emit(w->b, put, &kept->entity, kept->version, w->available[at]);
		break;
	case PUT_CONFLICT:
		add_exception(w, EXCEPTION_CONFLICT, put, "the same version with other content");
		break;
	case PUT_REFUSED:
		if (put->subkind != kept->kind)
			add_exception(w, EXCEPTION_KIND_CHANGED, put,
				"a listing does not change its kind");
		else
			add_exception(w, EXCEPTION_STATE_REFUSED, put,
				"no way leads from the kept state to this one");
		break;
	case PUT_REPEAT:
	case PUT_STALE:
		break;
	}
}

/* A national id belongs to one maker: the second one is an exception, and is not written. */
static enum kw_rc write_national_ids(struct work *w, struct kw_err *err)
{
	struct sealed_row *taken;
	size_t n_taken, n = 0;

	if (w->n_sealed == 0)
		return KW_OK;
	KW_TRY(store_find_hashes(w->b, w->sealed, w->n_sealed, &taken, &n_taken, err));
	for (size_t i = 0; i < w->n_sealed; i++) {
		const char *owner = NULL;
		size_t same = n;

		for (size_t k = 0; k < n_taken && !owner; k++)
			if (strcmp(taken[k].hash, w->sealed[i].hash) == 0)
				owner = taken[k].maker_id;
		for (size_t k = 0; k < n && same == n; k++) {
			if (strcmp(w->sealed[k].maker_id, w->sealed[i].maker_id) == 0)
				same = k;
			else if (strcmp(w->sealed[k].hash, w->sealed[i].hash) == 0)
				owner = w->sealed[k].maker_id;
		}
		if (owner) {
			struct put put = {
				.id = w->sealed[i].maker_id, .version = 1, .body = w->sealed[i].hash
			};
			add_exception(w, EXCEPTION_NATIONAL_ID_TAKEN, &put,
				kw_arena_printf(
					w->b->arena, "the national id is maker %s's", owner));
			continue;
		}
		w->sealed[same] = w->sealed[i];
		if (same == n)
			n++;
	}
	return store_put_national_ids(w->b, w->sealed, n, err);
}

static enum kw_rc handle_puts(struct kw_batch *b, const struct kind *kind, const struct put *puts,
	size_t n, struct kw_err *err)
{
	struct work w = { .b = b, .kind = kind };
	struct id_row *ids = distinct_ids(b->arena, puts, n, &w.n);
	struct record *rows;
	size_t n_rows = 0;

	w.kept = kw_new(b->arena, struct kept, w.n);
	w.changed = kw_new(b->arena, bool, w.n);
	w.available = kw_new(b->arena, int64_t, w.n);
	w.exceptions = kw_new(b->arena, struct new_exception, 2 * n);
	w.sealed = kw_new(b->arena, struct sealed_row, n);
	w.recounted = kw_new(b->arena, struct depletion, n);
	rows = kw_new(b->arena, struct record, w.n);
	KW_TRY(load(&w, ids, err));
	for (size_t i = 0; i < n; i++) {
		const struct id_row key = { puts[i].id };
		const struct id_row *at = bsearch(&key, ids, w.n, sizeof(*ids), by_id);
		fold(&w, &puts[i], (size_t)(at - ids));
	}
	for (size_t i = 0; i < w.n; i++)
		if (w.changed[i])
			rows[n_rows++] = (struct record) { w.kept[i].id, w.kept[i].body,
				w.kept[i].entity, w.kept[i].source_version, w.kept[i].version,
				w.kept[i].state, w.kept[i].kind };
	KW_TRY(store_put_records(b, kind->name, rows, n_rows, err));
	KW_TRY(write_national_ids(&w, err));
	KW_TRY(store_recount(b, w.recounted, w.n_recounted, err));
	return store_add_exceptions(b, w.exceptions, w.n_exceptions, err);
}

/* ---- makers ---- */

static void emit_maker(struct kw_batch *b, const struct put *put, const struct kw_uuid *entity,
	int64_t version, int64_t available)
{
	struct maker maker = ((const struct maker_put *)put->in)->maker;

	(void)available;
	maker.version = version;
	kw_emit(b, &maker_changed, put->id, entity, version, put->meta, &maker);
}

enum kw_rc on_maker_put(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	static const struct kind kind = { "maker", &maker_fsm, emit_maker };
	const struct maker_put *messages = in;
	struct put *puts = kw_new(b->arena, struct put, n);

	for (size_t i = 0; i < n; i++)
		puts[i] = (struct put) {
			.meta = &messages[i].meta,
			.id = messages[i].maker.maker_id,
			.body = encode(b->arena, maker_kept_fields, &messages[i].maker),
			.version = messages[i].maker.version,
			.state = messages[i].maker.state,
			.national_id = messages[i].maker.national_id,
			.in = &messages[i],
		};
	return handle_puts(b, &kind, puts, n, err);
}

/* ---- hubs ---- */

static void emit_hub(struct kw_batch *b, const struct put *put, const struct kw_uuid *entity,
	int64_t version, int64_t available)
{
	struct hub hub = ((const struct hub_put *)put->in)->hub;

	(void)available;
	hub.version = version;
	kw_emit(b, &hub_changed, put->id, entity, version, put->meta, &hub);
}

enum kw_rc on_hub_put(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	static const struct kind kind = { "hub", NULL, emit_hub };
	const struct hub_put *messages = in;
	struct put *puts = kw_new(b->arena, struct put, n);

	for (size_t i = 0; i < n; i++)
		puts[i] = (struct put) {
			.meta = &messages[i].meta,
			.id = messages[i].hub.hub_id,
			.body = encode(b->arena, hub_body_fields, &messages[i].hub),
			.version = messages[i].hub.version,
			.in = &messages[i],
		};
	return handle_puts(b, &kind, puts, n, err);
}

/* ---- listings ---- */

static void emit_listing(struct kw_batch *b, const struct put *put, const struct kw_uuid *entity,
	int64_t version, int64_t available)
{
	struct listing listing = ((const struct listing_put *)put->in)->listing;

	if (available != INT64_MAX)
		listing.publications = pause_publications(b->arena, &listing, available);
	listing.source_version = listing.version;
	listing.version = version;
	kw_emit(b, &listing_changed, put->id, entity, version, put->meta, &listing);
}

enum kw_rc on_listing_put(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	static const struct kind kind = { "listing", &listing_fsm, emit_listing };
	const struct listing_put *messages = in;
	struct put *puts = kw_new(b->arena, struct put, n);

	for (size_t i = 0; i < n; i++)
		puts[i] = (struct put) {
			.meta = &messages[i].meta,
			.id = messages[i].listing.listing_id,
			.body = encode(b->arena, listing_body_fields, &messages[i].listing),
			.version = messages[i].listing.version,
			.state = messages[i].listing.state,
			.subkind = messages[i].listing.kind,
			.listing = &messages[i].listing,
			.in = &messages[i],
		};
	return handle_puts(b, &kind, puts, n, err);
}

/* ---- stock ---- */

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
		records[n_records++] = (struct record) { kept[i].id, kept[i].body, kept[i].entity,
			kept[i].source_version, kept[i].version + 1, kept[i].state, kept[i].kind };
	}
	return store_put_records(b, "listing", records, n_records, err);
}
