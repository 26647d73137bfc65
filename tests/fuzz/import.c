/* Files of makers, hubs and listings: every row is a message that is written and read again as it
 * was, or is refused without a national id in the reason; lines never go back; a part of the file,
 * as karwanctl sends one, has the same rows as the whole. The first line begins with the kind
 * (MAKERS, HUBS, LISTINGS, SHOPIFY) and says NDJSON where it is no CSV. */
#include <stdlib.h>
#include <string.h>

#include "core/cnic.h"
#include "fuzz.h"
#include "rules.h"
#include "source.h"

#define KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define TEXT_MAX ((size_t)64 * 1024 * 1024)

static const struct config keys = { { KEY, 64 }, { KEY, 64 }, "1" };

struct told {
	struct kw_buf text;
	int64_t lines[512]; /* at which a part may begin, and where in text they are told */
	size_t places[512], n;
	bool whole; /* the file could be opened */
};

/* Sealing is random: the id's ciphertext is left out. */
static const char *message_of(struct kw_arena *a, const struct source_row *row)
{
	if (strcmp(row->entity, "hub") == 0)
		return fuzz_stable(hub_put_fields, sizeof(struct hub_put), row->message, a);
	if (strcmp(row->entity, "listing") == 0)
		return fuzz_stable(listing_put_fields, sizeof(struct listing_put), row->message, a);
	struct maker_put put = *(const struct maker_put *)row->message;
	(void)fuzz_stable(maker_put_fields, sizeof(put), &put, a);
	put.maker.national_id = NULL;
	return fuzz_stable(maker_put_fields, sizeof(put), &put, a);
}

static void tell_row(struct told *told, enum kw_rc rc, const struct source_row *row,
	const struct kw_err *err, struct kw_arena *a)
{
	if (told->n < KW_LEN(told->lines)) {
		told->lines[told->n] = row->line;
		told->places[told->n++] = told->text.n;
	}
	if (rc == KW_OK)
		kw_buf_printf(&told->text, "%lld %s %s\n", (long long)row->line, row->key,
			message_of(a, row));
	else
		kw_buf_printf(&told->text, "%lld! %s %s: %s\n", (long long)row->line, err->code,
			err->pointer, err->reason);
}

static void read_all(const struct source_config *config, const char *p, size_t n,
	struct kw_arena *a, struct told *told)
{
	struct source *source = NULL;
	struct source_row row = { 0 };
	struct kw_err err = { 0 };
	int64_t line = 0;

	kw_buf_init(&told->text, TEXT_MAX);
	kw_buf_str(&told->text, "");
	if (source_open(config, (struct kw_bytes) { p, n }, &source, &err) != KW_OK) {
		FUZZ_CHECK(err.rc == KW_INVALID && err.reason[0], "%s", kw_rc_name(err.rc));
		FUZZ_CHECK(!kw_cnic_count(err.reason, strlen(err.reason)), "%s", err.reason);
		return;
	}
	told->whole = true;
	for (enum kw_rc rc; (rc = source_next(source, &row, &err)) != KW_NOTHING;) {
		FUZZ_CHECK(rc == KW_OK || rc == KW_INVALID, "%s", kw_rc_name(rc));
		FUZZ_CHECK(row.line > line, "line %lld after %lld", (long long)row.line,
			(long long)line);
		FUZZ_CHECK(rc == KW_OK || (err.reason[0] &&
						  !kw_cnic_count(err.reason, strlen(err.reason))),
			"%s", err.reason);
		line = row.line;
		tell_row(told, rc, &row, &err, a);
		err = (struct kw_err) { 0 };
	}
	source_free(source);
}

/* Byte of the beginning of a line. */
static size_t line_at(const char *p, size_t n, int64_t line)
{
	size_t at = 0;

	for (int64_t i = 1; i < line && at < n; at++)
		i += p[at] == '\n';
	return at;
}

/* The header and what begins at some row. Shopify's rows need those of their product before them.
 */
static void check_part(
	struct source_config config, const char *p, size_t n, const struct told *whole)
{
	if (whole->n < 2 || config.kind == IMPORT_SHOPIFY)
		return;
	struct kw_arena *a = fuzz_arena();
	size_t k = 1 + (size_t)(fuzz_seed(p, n) % (whole->n - 1));
	size_t from = line_at(p, n, whole->lines[k]), header = 0;
	struct told rest = { .n = 0 };

	/* a mark at the beginning is always taken for one */
	if (config.format == IMPORT_NDJSON && n - from >= 3 &&
		memcmp(p + from, "\xef\xbb\xbf", 3) == 0)
		return;
	if (config.format == IMPORT_CSV) {
		struct source *source = NULL;
		FUZZ_CHECK(source_open(&config, (struct kw_bytes) { p, n }, &source, NULL) == KW_OK,
			"it was opened before");
		header = (size_t)source_header_bytes(source);
		source_free(source);
	}
	char *part = malloc(header + n - from);
	kw_assert(part);
	memcpy(part, p, header);
	memcpy(part + header, p + from, n - from);
	config.line = whole->lines[k];
	read_all(&config, part, header + n - from, a, &rest);
	free(part);
	const char *expected = whole->text.p + whole->places[k];
	FUZZ_CHECK(strcmp(expected, rest.text.p) == 0, "\n%s\n%s", expected, rest.text.p);
	kw_buf_done(&rest.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kw_arena *own = kw_arena_new(1 << 20);
	KW_CLEANUP(fuzz_rest_done) struct fuzz_rest in = fuzz_split(own, data, size);
	const char *line = in.line ? in.line : "";
	struct told told = { .n = 0 };
	struct source_config config = {
		.kind = *line == 'H'   ? IMPORT_HUBS
			: *line == 'L' ? IMPORT_LISTINGS
			: *line == 'S' ? IMPORT_SHOPIFY
				       : IMPORT_MAKERS,
		.format = *line != 'S' && strstr(line, "NDJSON") ? IMPORT_NDJSON : IMPORT_CSV,
		.shop = { .maker_id = strstr(line, "maker") ? "m1" : NULL,
			.hub_id = "hub-multan",
			.currency = "PKR",
			.channel = strstr(line, "channel") ? "shopify-demo" : NULL,
			.skill = "ralli",
			.weight_g = strstr(line, "weight") ? 500 : 0 },
		.as_of = 1772445600 * KW_US_PER_S,
		.import_id = { "0d6a1f0e-3c57-5a7e-9d52-5f6d1f1f2c01" },
		.request_id = { "a2f0b6de-7a44-5d1b-8a55-64f1f0b2d9c3" },
		.keys = &keys,
	};

	if (size < (1 << 16)) {
		read_all(&config, in.p, in.n, fuzz_arena(), &told);
		if (told.whole)
			check_part(config, in.p, in.n, &told);
		kw_buf_done(&told.text);
	}
	kw_arena_free(own);
	return 0;
}
