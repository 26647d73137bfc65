#include "source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cnic.h"
#include "core/csv.h"
#include "rules.h"
#include "seal.h"
#include "json/flat.h"
#include "json/json.h"

#define ARENA_MAX (64 * 1024 * 1024) /* of one row */

struct source {
	struct source_config config;
	struct kw_arena *arena, *plan_arena;
	struct kw_buf json;
	/* CSV */
	struct kw_csv *csv;
	const struct kw_flat *flat;
	struct products *products;
	size_t n_columns;
	int64_t header_bytes;
	struct kw_csv_row first; /* read with the header */
	enum kw_rc first_rc;
	struct kw_err first_err;
	bool has_first;
	/* NDJSON */
	const char *p, *end;
	int64_t line;
};

/* ---- one object ---- */

static enum kw_rc check_id(const char *id, const char *pointer, struct kw_err *err)
{
	if (!own_id_ok(id))
		return kw_fail_at(
			err, KW_INVALID, pointer, "an id is 1 to 64 of A-Z a-z 0-9 . _ -");
	return KW_OK;
}

/* One may stand where it belongs, and nowhere else: it would be kept in clear. Also not in escapes,
 * which few rows have. */
static enum kw_rc check_private(struct source *s, struct kw_bytes json, const char *national_id,
	const struct kw_field *fields, const void *message, struct kw_err *err)
{
	size_t own = national_id ? kw_cnic_count(national_id, strlen(national_id)) : 0;

	if (kw_cnic_count(json.p, json.n) > own)
		return kw_fail(err, KW_INVALID, "a national id stands outside of national_id");
	if (memmem(json.p, json.n, "\\u", 2))
		return check_nothing_in_clear(s->arena, fields, message, err);
	return KW_OK;
}

static enum kw_rc make_maker(struct source *s, struct kw_bytes json, const struct origin *origin,
	struct source_row *ret, struct kw_err *err)
{
	struct maker_body body = { 0 };
	struct maker_put *put = kw_new(s->arena, struct maker_put, 1);

	KW_TRY(kw_json_decode(maker_row_fields, json.p, json.n, s->arena, &body, err));
	KW_TRY(check_id(body.maker.maker_id, "/maker_id", err));
	*put = (struct maker_put) { .maker = body.maker, .import = origin };
	if (body.national_id)
		KW_TRY(seal_national_id(s->config.keys, s->arena, body.maker.maker_id,
			body.national_id, &put->maker.national_id, err));
	KW_TRY(check_private(s, json, body.national_id, maker_put_fields, put, err));
	put->as_of = put->maker.version ? 0 : s->config.as_of;
	*ret = (struct source_row) { origin->line, "karwan.maker.put.v1", put->maker.maker_id,
		"maker", put };
	return KW_OK;
}

static enum kw_rc make_hub(struct source *s, struct kw_bytes json, const struct origin *origin,
	struct source_row *ret, struct kw_err *err)
{
	struct hub_put *put = kw_new(s->arena, struct hub_put, 1);

	put->import = origin;
	KW_TRY(kw_json_decode(hub_row_fields, json.p, json.n, s->arena, &put->hub, err));
	KW_TRY(check_id(put->hub.hub_id, "/hub_id", err));
	KW_TRY(check_private(s, json, NULL, hub_put_fields, put, err));
	put->as_of = put->hub.version ? 0 : s->config.as_of;
	*ret = (struct source_row) { origin->line, "karwan.hub.put.v1", put->hub.hub_id, "hub",
		put };
	return KW_OK;
}

static enum kw_rc make_listing(struct source *s, struct kw_bytes json, const struct origin *origin,
	struct source_row *ret, struct kw_err *err)
{
	struct listing_put *put = kw_new(s->arena, struct listing_put, 1);

	put->import = origin;
	KW_TRY(kw_json_decode(listing_row_fields, json.p, json.n, s->arena, &put->listing, err));
	KW_TRY(check_id(put->listing.listing_id, "/listing_id", err));
	KW_TRY(check_listing(&put->listing, err));
	KW_TRY(check_private(s, json, NULL, listing_put_fields, put, err));
	put->as_of = put->listing.version ? 0 : s->config.as_of;
	*ret = (struct source_row) { origin->line, "karwan.listing.put.v1", put->listing.listing_id,
		"listing", put };
	return KW_OK;
}

static enum kw_rc make(struct source *s, struct kw_bytes json, int64_t line, struct source_row *ret,
	struct kw_err *err)
{
	struct origin *origin = kw_new(s->arena, struct origin, 1);

	*origin = (struct origin) { s->config.import_id, s->config.request_id, line };
	switch (s->config.kind) {
	case IMPORT_MAKERS:
		return make_maker(s, json, origin, ret, err);
	case IMPORT_HUBS:
		return make_hub(s, json, origin, ret, err);
	default:
		return make_listing(s, json, origin, ret, err);
	}
}

/* ---- CSV ---- */

static enum kw_rc plan(struct source *s, const struct kw_csv_row *header, struct kw_err *err)
{
	static const struct kw_field *const tables[] = {
		[IMPORT_MAKERS] = maker_row_fields,
		[IMPORT_HUBS] = hub_row_fields,
		[IMPORT_LISTINGS] = listing_row_fields,
	};

	s->n_columns = header->n;
	s->header_bytes = header->end;
	if (s->config.kind == IMPORT_SHOPIFY)
		return products_new(&s->config.shop, header->cells, header->n, &s->products, err);
	return kw_flat_plan(
		tables[s->config.kind], header->cells, header->n, s->plan_arena, &s->flat, err);
}

/* The header, and the row behind it: a file without one is refused as a whole. */
static enum kw_rc open_csv(struct source *s, struct kw_bytes body, struct kw_err *err)
{
	struct kw_csv_row header;

	s->csv = kw_csv_new('\0', ROW_MAX, KW_FLAT_COLUMNS_MAX);
	kw_csv_feed(s->csv, body.p, body.n, true);
	switch (kw_csv_next(s->csv, &header, err)) {
	case KW_OK:
		break;
	case KW_NOTHING:
		return kw_fail_code(err, KW_INVALID, "SYNTAX", "the file is empty");
	default: {
		struct kw_err why = *err;
		return kw_fail_code(err, KW_INVALID, "SYNTAX", "the header (line %lld): %s",
			(long long)header.line, why.reason);
	}
	}
	KW_TRY(plan(s, &header, err));
	if (s->config.line > 0)
		kw_csv_set_line(s->csv, s->config.line);
	s->first_rc = kw_csv_next(s->csv, &s->first, &s->first_err);
	s->has_first = true;
	if (s->first_rc == KW_NOTHING)
		return kw_fail(err, KW_INVALID, "the file has a header and no rows");
	return KW_OK;
}

static enum kw_rc take_row(struct source *s, struct kw_csv_row *row, struct kw_err *err)
{
	if (!s->has_first)
		return kw_csv_next(s->csv, row, err);
	s->has_first = false;
	*row = s->first;
	*err = s->first_err;
	return s->first_rc;
}

static enum kw_rc write_json(struct source *s, const struct kw_csv_row *row, struct kw_err *err)
{
	if (row->n != s->n_columns)
		return kw_fail(err, KW_INVALID, "has %zu cells where the header has %zu", row->n,
			s->n_columns);
	kw_buf_clear(&s->json);
	if (s->products)
		return products_row(s->products, row->cells, &s->json, err);
	return kw_flat_write(s->flat, row->cells, &s->json, err);
}

static enum kw_rc next_csv(struct source *s, struct source_row *ret, struct kw_err *err)
{
	struct kw_csv_row row = { 0 };
	enum kw_rc rc;

	do { /* a product's pictures have rows of their own */
		rc = take_row(s, &row, err);
		ret->line = row.line;
		if (rc == KW_NOTHING)
			return rc;
		if (rc == KW_INVALID && row.last_line > row.line) {
			struct kw_err why = *err;
			return kw_fail_code(err, KW_INVALID, why.code, "%s (to line %lld)",
				why.reason, (long long)row.last_line);
		}
		KW_TRY(rc);
		rc = write_json(s, &row, err);
	} while (rc == KW_NOTHING);
	KW_TRY(rc);
	rc = make(s, (struct kw_bytes) { s->json.p, s->json.n }, row.line, ret, err);
	if (rc == KW_INVALID && s->products)
		snprintf(err->pointer, sizeof(err->pointer), "%s", products_column(err->pointer));
	return rc;
}

/* ---- NDJSON ---- */

static void skip_blank_lines(struct source *s)
{
	while (s->p < s->end && *s->p && strchr(" \t\r\n", *s->p))
		s->line += *s->p++ == '\n';
}

static enum kw_rc open_ndjson(struct source *s, struct kw_bytes body, struct kw_err *err)
{
	s->p = body.p;
	s->end = s->p + body.n;
	s->line = s->config.line > 0 ? s->config.line : 1;
	/* in a part of a file it is a row as others are */
	if (s->line == 1 && body.n >= 2 &&
		(memcmp(s->p, "\xff\xfe", 2) == 0 || memcmp(s->p, "\xfe\xff", 2) == 0))
		return kw_fail_code(
			err, KW_INVALID, "SYNTAX", "the file is UTF-16: save it as UTF-8");
	if (body.n >= 3 && memcmp(s->p, "\xef\xbb\xbf", 3) == 0)
		s->p += 3;
	skip_blank_lines(s);
	if (s->p == s->end)
		return kw_fail_code(err, KW_INVALID, "SYNTAX", "the file is empty");
	return KW_OK;
}

static enum kw_rc next_ndjson(struct source *s, struct source_row *ret, struct kw_err *err)
{
	skip_blank_lines(s);
	if (s->p == s->end)
		return KW_NOTHING;
	const char *newline = memchr(s->p, '\n', (size_t)(s->end - s->p));
	struct kw_bytes line = { s->p, (size_t)((newline ? newline : s->end) - s->p) };
	ret->line = s->line;
	s->p = newline ? newline + 1 : s->end;
	s->line++;
	if (line.n > ROW_MAX)
		return kw_fail(err, KW_INVALID, "is longer than %d bytes", ROW_MAX);
	enum kw_rc rc = make(s, line, ret->line, ret, err);
	/* the decoder counts lines of its own */
	char *place = rc == KW_INVALID ? strstr(err->reason, " (line ") : NULL;
	if (place)
		*place = '\0';
	return rc;
}

/* ---- both ---- */

enum kw_rc source_open(const struct source_config *config, struct kw_bytes body,
	struct source **ret, struct kw_err *err)
{
	struct source *s = calloc(1, sizeof(*s));

	kw_assert(s != NULL);
	s->config = *config;
	s->arena = kw_arena_new(ARENA_MAX);
	s->plan_arena = kw_arena_new(ARENA_MAX);
	kw_buf_init(&s->json, 8 * ROW_MAX);
	enum kw_rc rc =
		config->format == IMPORT_CSV ? open_csv(s, body, err) : open_ndjson(s, body, err);
	if (rc != KW_OK) {
		hide_national_ids(err->reason);
		source_free(s);
		return rc;
	}
	*ret = s;
	return KW_OK;
}

int64_t source_header_bytes(const struct source *s)
{
	return s->header_bytes;
}

void source_free(struct source *s)
{
	if (!s)
		return;
	kw_csv_free(s->csv);
	products_free(s->products);
	kw_buf_done(&s->json);
	kw_arena_free(s->arena);
	kw_arena_free(s->plan_arena);
	free(s);
}

enum kw_rc source_next(struct source *s, struct source_row *ret, struct kw_err *err)
{
	kw_arena_reset(s->arena);
	enum kw_rc rc =
		s->config.format == IMPORT_CSV ? next_csv(s, ret, err) : next_ndjson(s, ret, err);
	if (rc == KW_INVALID)
		hide_national_ids(err->reason);
	return rc;
}
