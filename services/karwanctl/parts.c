#include "parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/csv.h"

#define PIECE_BYTES (64 * 1024)
#define ROW_MAX (1024 * 1024) /* as the edge has it */
#define COLUMNS_MAX 256
#define BUFFER_MAX (15 * 1024 * 1024)
#define HANDLE_MAX 300

struct cutter {
	part_fn *send;
	void *ctx;
	struct kw_buf raw;    /* from the beginning of the part on */
	struct kw_buf header; /* that later parts begin with */
	struct kw_buf part;
	int64_t base; /* place in the file of raw's first byte */
	int64_t number, line, edge, edge_line;
	bool by_product;
	char handle[HANDLE_MAX];
};

static void close_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

static enum kw_rc open_file(const char *path, FILE **ret, struct kw_err *err)
{
	*ret = fopen(path, "re");
	return *ret ? KW_OK : kw_fail(err, KW_INVALID, "%s: %s", path, strerror(errno));
}

/* ---- what it is ---- */

static bool has_cell(const struct kw_csv_row *row, const char *name)
{
	for (size_t i = 0; i < row->n; i++)
		if (strcmp(row->cells[i], name) == 0)
			return true;
	return false;
}

static const char *kind_of_header(const char *text, size_t n)
{
	KW_CLEANUP(kw_csv_freep) struct kw_csv *csv = kw_csv_new('\0', ROW_MAX, COLUMNS_MAX);
	struct kw_csv_row row;
	struct kw_err err;

	kw_csv_feed(csv, text, n, true);
	if (kw_csv_next(csv, &row, &err) != KW_OK)
		return NULL;
	return has_cell(&row, "Handle")       ? "SHOPIFY"
	       : has_cell(&row, "listing_id") ? "LISTINGS"
	       : has_cell(&row, "maker_id")   ? "MAKERS"
	       : has_cell(&row, "hub_id")     ? "HUBS"
					      : NULL;
}

enum kw_rc look_at_file(
	const char *path, enum file_format *ret_format, const char **ret_kind, struct kw_err *err)
{
	KW_CLEANUP(close_file) FILE *file = NULL;
	char text[PIECE_BYTES + 1];

	KW_TRY(open_file(path, &file, err));
	size_t n = fread(text, 1, PIECE_BYTES, file);
	if (ferror(file))
		return kw_fail(err, KW_INVALID, "%s: %s", path, strerror(errno));
	text[n] = '\0';
	const char *p = strncmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text;
	p += strspn(p, " \t\r\n");
	*ret_format = *p == '{' ? FILE_NDJSON : FILE_CSV;
	if (*ret_format == FILE_CSV) {
		*ret_kind = kind_of_header(text, n);
		return KW_OK;
	}
	text[strcspn(p, "\n") + (size_t)(p - text)] = '\0';
	*ret_kind = strstr(p, "\"listing_id\"") ? "LISTINGS"
		    : strstr(p, "\"maker_id\"") ? "MAKERS"
		    : strstr(p, "\"hub_id\"")   ? "HUBS"
						: NULL;
	return KW_OK;
}

/* ---- cutting ---- */

/* Sends raw's first n bytes, and keeps the rest as the beginning of the next part. */
static enum kw_rc send_part(struct cutter *c, size_t n, bool last, struct kw_err *err)
{
	struct part part = {
		.number = ++c->number, .line = c->line, .end = c->base + (int64_t)n, .last = last
	};

	kw_buf_clear(&c->part);
	if (c->number > 1)
		kw_buf_add(&c->part, c->header.p ? c->header.p : "", c->header.n);
	kw_buf_add(&c->part, c->raw.p ? c->raw.p : "", n);
	part.bytes = (struct kw_bytes) { c->part.p, c->part.n };
	KW_TRY(c->send(c->ctx, &part, err));
	if (n > 0)
		memmove(c->raw.p, c->raw.p + n, c->raw.n - n);
	c->raw.n -= n;
	c->base += (int64_t)n;
	c->line = c->edge_line;
	return KW_OK;
}

/* A row ends at `end`. What stands before it is sent when it is enough, so that the last part is
 * never empty. */
static enum kw_rc on_row(
	struct cutter *c, int64_t end, int64_t next_line, bool may_cut, struct kw_err *err)
{
	if (may_cut && c->edge - c->base >= PART_BYTES)
		KW_TRY(send_part(c, (size_t)(c->edge - c->base), false, err));
	c->edge = end;
	c->edge_line = next_line;
	return KW_OK;
}

/* Is this row of another product than the one before? */
static bool other_product(struct cutter *c, const struct kw_csv_row *row, size_t column)
{
	bool same;

	if (column >= row->n)
		return false;
	same = strncmp(c->handle, row->cells[column], HANDLE_MAX - 1) == 0;
	snprintf(c->handle, HANDLE_MAX, "%s", row->cells[column]);
	return !same;
}

struct csv_cutter {
	struct cutter *c;
	struct kw_csv *csv;
	bool has_header, cut;
	size_t handle;
};

static void take_header(struct csv_cutter *x, const struct kw_csv_row *row)
{
	struct cutter *c = x->c;
	size_t mark = c->raw.n >= 3 && memcmp(c->raw.p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	kw_buf_add(&c->header, c->raw.p + mark, (size_t)row->end - mark);
	x->has_header = true;
	x->handle = row->n;
	for (size_t i = 0; i < row->n; i++)
		if (strcmp(row->cells[i], "Handle") == 0)
			x->handle = i;
}

static enum kw_rc cut_csv(void *arg, const char *piece, size_t n, bool last, struct kw_err *err)
{
	struct csv_cutter *x = arg;
	struct kw_csv_row row;
	struct kw_err why = { 0 };
	enum kw_rc rc;

	if (x->cut)
		return KW_NOTHING;
	kw_csv_feed(x->csv, piece, n, last);
	while ((rc = kw_csv_next(x->csv, &row, &why)) != KW_NOTHING) {
		/* the edge says what is wrong; what follows is no use to it */
		x->cut = rc != KW_OK && strcmp(why.code, "CUT") == 0;
		if (x->cut)
			return KW_NOTHING;
		if (!x->has_header && rc == KW_OK)
			take_header(x, &row);
		else
			KW_TRY(on_row(x->c, row.end, row.last_line + 1,
				!x->c->by_product ||
					(rc == KW_OK && other_product(x->c, &row, x->handle)),
				err));
	}
	return KW_OK;
}

struct line_cutter {
	struct cutter *c;
	int64_t line, at; /* at: bytes taken, but for those left out */
	size_t length;    /* of the line at hand, so far */
};

/* A line that is too long is cut: the edge refuses it for its length, and needs no more of it to do
 * so. */
static enum kw_rc cut_lines(void *arg, const char *piece, size_t n, bool last, struct kw_err *err)
{
	struct line_cutter *x = arg;

	(void)last;
	for (const char *p = piece, *end = piece + n; p < end;) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t length = (size_t)((newline ? newline : end) - p);
		size_t room = x->length <= ROW_MAX ? ROW_MAX + 1 - x->length : 0;
		size_t taken = length < room ? length : room;

		kw_buf_add(&x->c->raw, p, taken);
		x->at += (int64_t)taken;
		x->length += length;
		p += length;
		if (!newline)
			break;
		kw_buf_char(&x->c->raw, '\n');
		x->at++;
		x->length = 0;
		p++;
		KW_TRY(on_row(x->c, x->at, ++x->line, true, err));
	}
	return KW_OK;
}

typedef enum kw_rc cut_fn(void *arg, const char *piece, size_t n, bool last, struct kw_err *err);

static enum kw_rc read_file(struct cutter *c, FILE *file, const char *path, cut_fn *cut, void *arg,
	bool keeps_raw, struct kw_err *err)
{
	char piece[PIECE_BYTES];
	enum kw_rc rc = KW_OK;
	size_t n;

	do {
		n = fread(piece, 1, sizeof(piece), file);
		if (ferror(file))
			return kw_fail(err, KW_INVALID, "%s: %s", path, strerror(errno));
		if (!keeps_raw)
			kw_buf_add(&c->raw, piece, n);
		rc = cut(arg, piece, n, n == 0, err);
		if (rc == KW_OK && c->raw.n > BUFFER_MAX)
			return kw_fail(err, KW_INVALID,
				"%s: what begins in line %lld is too long for one request; it and what follows were not sent",
				path, (long long)c->edge_line);
	} while (n > 0 && rc == KW_OK);
	return rc == KW_NOTHING ? KW_OK : rc;
}

static enum kw_rc cut_file(
	struct cutter *c, FILE *file, const char *path, enum file_format format, struct kw_err *err)
{
	enum kw_rc rc;

	if (format == FILE_CSV) {
		struct csv_cutter x = { .c = c, .csv = kw_csv_new('\0', ROW_MAX, COLUMNS_MAX) };
		rc = read_file(c, file, path, cut_csv, &x, false, err);
		kw_csv_free(x.csv);
	} else {
		struct line_cutter x = { .c = c, .line = 1 };
		rc = read_file(c, file, path, cut_lines, &x, true, err);
	}
	return rc == KW_OK ? send_part(c, c->raw.n, true, err) : rc;
}

enum kw_rc send_parts(const char *path, enum file_format format, bool by_product, part_fn *send,
	void *ctx, struct kw_err *err)
{
	KW_CLEANUP(close_file) FILE *file = NULL;
	struct cutter c = { .send = send, .ctx = ctx, .by_product = by_product, .edge_line = 1 };

	KW_TRY(open_file(path, &file, err));
	kw_buf_init(&c.raw, BUFFER_MAX + (size_t)2 * PIECE_BYTES);
	kw_buf_init(&c.header, ROW_MAX + COLUMNS_MAX + PIECE_BYTES);
	kw_buf_init(&c.part, (size_t)16 * 1024 * 1024 + ROW_MAX);
	enum kw_rc rc = cut_file(&c, file, path, format, err);
	kw_buf_done(&c.raw);
	kw_buf_done(&c.header);
	kw_buf_done(&c.part);
	return rc;
}
