/* Messages and database to events: puts of makers, hubs and listings by the operator's version;
 * publications by routing's stock. */
#include "handlers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "files.h"
#include "rules.h"
#include "states.h"
#include "store.h"
#include "json/json.h"

#define BODY_MAX (256 * 1024)

static const struct kw_event_type maker_changed = { "karwan.maker.changed.v1",
	maker_changed_fields };
static const struct kw_event_type hub_changed = { "karwan.hub.changed.v1", hub_changed_fields };
static const struct kw_event_type listing_changed = { "karwan.listing.changed.v1",
	listing_changed_fields };

/* One put, whatever it is of. */
struct put {
	const struct kw_meta *meta;
	const char *id;
	int64_t version; /* 0: it has none of its own */
	kw_time as_of;
	int state, subkind;
	const struct sealed_id *national_id;
	const struct origin *origin; /* NULL: of no file */
	struct listing *listing;     /* NULL: another kind */
	void *in;                    /* our copy of the message: versions are filled in */
	const char *body;            /* once it was judged */
};

/* What the three kinds differ in. */
struct kind {
	const char *name;
	const struct kw_fsm *fsm;
	const struct kw_field *kept_fields; /* of the member of the message at kept_offset */
	size_t kept_offset, version_offset;
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
	const struct put **sealers; /* whose each of them is */
	size_t n_sealed;
	struct depletion *recounted; /* listings that an operator counted anew */
	size_t n_recounted;
	struct files files;
	struct kw_buf text;
};

/* The canonical text of what was put, under that version. */
static const char *body_of(struct work *w, const struct put *put, int64_t version)
{
	*(int64_t *)(void *)((char *)put->in + w->kind->version_offset) = version;
	kw_buf_clear(&w->text);
	kw_json_encode(
		w->kind->kept_fields, (const char *)put->in + w->kind->kept_offset, &w->text);
	kw_assert(!w->text.full);
	return kw_arena_strn(w->b->arena, w->text.p, w->text.n);
}

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

static void set_aside(
	struct work *w, enum exception_kind kind, const struct put *put, const char *reason)
{
	add_exception(w, kind, put, reason);
	files_problem(&w->files, put->origin, "", reason);
}

/* What a kept listing says, or false. */
static bool kept_listing(struct work *w, const struct kept *kept, struct listing *ret)
{
	struct kw_err err;

	*ret = (struct listing) { 0 };
	return kept->body && kw_json_decode(listing_body_fields, kept->body, strlen(kept->body),
				     w->b->arena, ret, &err) == KW_OK;
}

/* A row without a count's version counts anew when it says another quantity. */
static void settle_count(struct work *w, struct listing *listing, const struct kept *kept)
{
	struct listing before;

	if (listing->quantity_version > 0)
		return;
	listing->quantity_version = 1;
	if (kept_listing(w, kept, &before))
		listing->quantity_version =
			before.quantity_version + (before.quantity != listing->quantity);
}

/* A new count is newer than what routing said of the old one. */
static void recount(struct work *w, const struct put *put, size_t at)
{
	struct listing before;

	if (!put->listing || w->available[at] == INT64_MAX)
		return;
	if (kept_listing(w, &w->kept[at], &before) &&
		before.quantity_version == put->listing->quantity_version)
		return;
	w->available[at] = put->listing->quantity;
	w->recounted[w->n_recounted++] = (struct depletion) { put->id, put->listing->quantity, 0 };
}

/* A put without a version of its own repeats what is kept, comes too late, or is the next version.
 */
static enum put_verdict judge(struct work *w, struct put *put, const struct kept *kept)
{
	if (put->listing)
		settle_count(w, put->listing, kept);
	if (put->version == 0 && kept->source_version > 0) {
		put->body = body_of(w, put, kept->source_version);
		if (strcmp(put->body, kept->body) == 0)
			return PUT_REPEAT;
		if (is_behind(kept, put->as_of, put->origin))
			return PUT_STALE;
	}
	if (put->version == 0)
		put->version = kept->source_version + 1;
	put->body = body_of(w, put, put->version);
	return judge_put(kept, put->version, put->body, w->kind->fsm, put->state, put->subkind);
}

static void take(struct work *w, const struct put *put, size_t at)
{
	struct kept *kept = &w->kept[at];

	recount(w, put, at);
	kept->source_version = put->version;
	kept->version++;
	kept->state = put->state;
	kept->kind = put->subkind;
	kept->body = put->body;
	kept->as_of = put->as_of;
	kept->import = put->origin ? put->origin->import_id : (struct kw_uuid) { "" };
	kept->import_line = put->origin ? put->origin->line : 0;
	w->changed[at] = true;
	if (put->national_id) {
		w->sealers[w->n_sealed] = put;
		w->sealed[w->n_sealed++] = (struct sealed_row) { put->id, put->national_id->hash,
			put->national_id->ciphertext, put->national_id->key_id };
	}
	w->kind->emit(w->b, put, &kept->entity, kept->version, w->available[at]);
}

/* One put beside what is kept by now. */
static void fold(struct work *w, struct put *put, size_t at)
{
	struct kept *kept = &w->kept[at];
	enum put_verdict verdict = judge(w, put, kept);

	files_count(&w->files, put->origin, verdict);
	switch (verdict) {
	case PUT_NEW:
		take(w, put, at);
		break;
	case PUT_CONFLICT:
		set_aside(w, EXCEPTION_CONFLICT, put, "the same version with other content");
		break;
	case PUT_REFUSED:
		if (put->subkind != kept->kind)
			set_aside(w, EXCEPTION_KIND_CHANGED, put,
				"a listing does not change its kind");
		else
			set_aside(w, EXCEPTION_STATE_REFUSED, put,
				"no way leads from the kept state to this one");
		break;
	case PUT_REPEAT:
	case PUT_STALE:
		break;
	}
}

/* One exception for a maker and a national id, whatever version claims it. */
static void add_taken(
	struct work *w, const struct put *put, const struct sealed_row *row, const char *owner)
{
	const char *reason = kw_arena_printf(w->b->arena, "the national id is maker %s's", owner);

	add_exception(w, EXCEPTION_NATIONAL_ID_TAKEN,
		&(struct put) { .id = row->maker_id, .version = 1, .body = row->hash }, reason);
	files_problem(&w->files, put->origin, "/national_id", reason);
}

/* A national id belongs to one maker: the second one is an exception, and is not written. */
static enum kw_rc write_national_ids(struct work *w, struct kw_err *err)
{
	struct sealed_row *taken;
	size_t n_taken, n = 0;

	if (w->n_sealed == 0)
		return KW_OK;
	KW_TRY(store_find_hashes(w->b, w->sealed, w->n_sealed, &taken, &n_taken, err));
	struct text_map owners = text_map_new(w->b->arena, n_taken + w->n_sealed);
	struct text_map makers = text_map_new(w->b->arena, w->n_sealed);
	for (size_t i = 0; i < n_taken; i++)
		text_map_put(&owners, taken[i].hash, taken[i].maker_id);
	for (size_t i = 0; i < w->n_sealed; i++) {
		const struct sealed_row row = w->sealed[i];
		const char *owner = text_map_get(&owners, row.hash);
		struct sealed_row *same = text_map_get(&makers, row.maker_id);

		if (owner && strcmp(owner, row.maker_id) != 0) {
			add_taken(w, w->sealers[i], &row, owner);
			continue;
		}
		text_map_put(&owners, row.hash, row.maker_id);
		if (!same) {
			same = &w->sealed[n++];
			text_map_put(&makers, row.maker_id, same);
		}
		*same = row;
	}
	return store_put_national_ids(w->b, w->sealed, n, err);
}

static enum kw_rc apply(struct work *w, struct put *puts, size_t n, struct kw_err *err)
{
	struct kw_batch *b = w->b;
	struct id_row *ids = distinct_ids(b->arena, puts, n, &w->n);
	struct record *rows;
	size_t n_rows = 0;

	w->kept = kw_new(b->arena, struct kept, w->n);
	w->changed = kw_new(b->arena, bool, w->n);
	w->available = kw_new(b->arena, int64_t, w->n);
	w->exceptions = kw_new(b->arena, struct new_exception, 2 * n);
	w->sealed = kw_new(b->arena, struct sealed_row, n);
	w->sealers = kw_new(b->arena, const struct put *, n);
	w->recounted = kw_new(b->arena, struct depletion, n);
	files_init(&w->files, b->arena, n);
	rows = kw_new(b->arena, struct record, w->n);
	KW_TRY(load(w, ids, err));
	for (size_t i = 0; i < n; i++) {
		const struct id_row key = { puts[i].id };
		const struct id_row *at = bsearch(&key, ids, w->n, sizeof(*ids), by_id);
		fold(w, &puts[i], (size_t)(at - ids));
	}
	for (size_t i = 0; i < w->n; i++)
		if (w->changed[i])
			rows[n_rows++] = record_of(&w->kept[i]);
	KW_TRY(store_put_records(b, w->kind->name, rows, n_rows, err));
	KW_TRY(write_national_ids(w, err));
	KW_TRY(store_recount(b, w->recounted, w->n_recounted, err));
	KW_TRY(store_add_exceptions(b, w->exceptions, w->n_exceptions, err));
	return files_write(&w->files, b, err);
}

static enum kw_rc handle_puts(
	struct kw_batch *b, const struct kind *kind, struct put *puts, size_t n, struct kw_err *err)
{
	struct work w = { .b = b, .kind = kind };

	kw_buf_init(&w.text, BODY_MAX);
	enum kw_rc rc = apply(&w, puts, n, err);
	kw_buf_done(&w.text);
	return rc;
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
	static const struct kind kind = { "maker", &maker_fsm, maker_kept_fields,
		offsetof(struct maker_put, maker), offsetof(struct maker_put, maker.version),
		emit_maker };
	struct maker_put *messages = kw_arena_copy(b->arena, in, n * sizeof(*messages));
	struct put *puts = kw_new(b->arena, struct put, n);

	for (size_t i = 0; i < n; i++)
		puts[i] = (struct put) {
			.meta = &messages[i].meta,
			.id = messages[i].maker.maker_id,
			.version = messages[i].maker.version,
			.as_of = messages[i].as_of ? messages[i].as_of : messages[i].meta.time,
			.origin = messages[i].import,
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
	static const struct kind kind = { "hub", NULL, hub_body_fields,
		offsetof(struct hub_put, hub), offsetof(struct hub_put, hub.version), emit_hub };
	struct hub_put *messages = kw_arena_copy(b->arena, in, n * sizeof(*messages));
	struct put *puts = kw_new(b->arena, struct put, n);

	for (size_t i = 0; i < n; i++)
		puts[i] = (struct put) {
			.meta = &messages[i].meta,
			.id = messages[i].hub.hub_id,
			.version = messages[i].hub.version,
			.as_of = messages[i].as_of ? messages[i].as_of : messages[i].meta.time,
			.origin = messages[i].import,
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
	static const struct kind kind = { "listing", &listing_fsm, listing_body_fields,
		offsetof(struct listing_put, listing),
		offsetof(struct listing_put, listing.version), emit_listing };
	struct listing_put *messages = kw_arena_copy(b->arena, in, n * sizeof(*messages));
	struct put *puts = kw_new(b->arena, struct put, n);

	for (size_t i = 0; i < n; i++)
		puts[i] = (struct put) {
			.meta = &messages[i].meta,
			.id = messages[i].listing.listing_id,
			.version = messages[i].listing.version,
			.as_of = messages[i].as_of ? messages[i].as_of : messages[i].meta.time,
			.origin = messages[i].import,
			.state = messages[i].listing.state,
			.subkind = messages[i].listing.kind,
			.listing = &messages[i].listing,
			.in = &messages[i],
		};
	return handle_puts(b, &kind, puts, n, err);
}
