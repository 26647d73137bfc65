/* The CSV reader: the same bytes in any pieces are the same rows; rows written as CSV are read
 * again as they were; a part that begins behind any row, with the header before it, has the rows
 * that follow. The first byte chooses separator and limits. */
#include <stdlib.h>
#include <string.h>

#include "core/csv.h"
#include "fuzz.h"

#define TEXT_MAX ((size_t)64 * 1024 * 1024)
#define ROWS_MAX 4096

struct setting {
	char separator;
	size_t row_max, cells_max;
};

/* What was read, as text: "OK 3-4 @120 5:hello 0:" a row. */
struct told {
	struct kw_buf text;
	int64_t ends[ROWS_MAX], next_lines[ROWS_MAX]; /* of good rows, and where in text they end */
	size_t places[ROWS_MAX];
	size_t n, faults;
};

static void told_done(struct told *told)
{
	kw_buf_done(&told->text);
}

static struct kw_csv *open_csv(const struct setting *s)
{
	return kw_csv_new(s->separator, s->row_max, s->cells_max);
}

static void tell(struct told *told, enum kw_rc rc, const struct kw_csv_row *row, const char *reason,
	int64_t shift)
{
	kw_buf_printf(&told->text, "%s %lld-%lld @%lld", kw_rc_name(rc), (long long)row->line,
		(long long)row->last_line, (long long)(row->end + shift));
	FUZZ_CHECK(row->line <= row->last_line, "%lld-%lld", (long long)row->line,
		(long long)row->last_line);
	for (size_t i = 0; rc == KW_OK && i < row->n; i++) {
		size_t n = strlen(row->cells[i]);
		FUZZ_CHECK(kw_utf8_ok(row->cells[i], n), "line %lld", (long long)row->line);
		kw_buf_printf(&told->text, " %zu:", n);
		kw_buf_add(&told->text, row->cells[i], n);
	}
	if (rc != KW_OK) {
		kw_buf_printf(&told->text, " %s", reason);
		told->faults++;
	}
	kw_buf_char(&told->text, '\n');
	if (rc == KW_OK && told->n < ROWS_MAX) {
		told->ends[told->n] = row->end + shift;
		told->next_lines[told->n] = row->last_line + 1;
		told->places[told->n++] = told->text.n;
	}
}

/* size_of: of the next piece. */
static void read_pieces(const struct setting *s, const uint8_t *p, size_t n,
	size_t (*size_of)(uint64_t *seed), bool empty_end, struct told *told)
{
	struct kw_csv *csv = open_csv(s);
	uint64_t seed = fuzz_seed(p, n);
	struct kw_csv_row row;
	size_t at = 0;
	bool last;

	kw_buf_init(&told->text, TEXT_MAX);
	do {
		size_t size = size_of(&seed);
		size = size < n - at ? size : n - at;
		last = at + size == n && (!empty_end || size == 0);
		/* of its own, and gone when the next one comes */
		uint8_t *piece = malloc(size ? size : 1);
		kw_assert(piece);
		memcpy(piece, p + at, size);
		struct kw_err err = { 0 };
		kw_csv_feed(csv, piece, size, last);
		for (enum kw_rc rc; (rc = kw_csv_next(csv, &row, &err)) != KW_NOTHING;)
			tell(told, rc, &row, err.reason, 0);
		free(piece);
		at += size;
	} while (!last);
	kw_csv_free(csv);
	FUZZ_CHECK(!told->text.full, "%zu bytes", told->text.n);
}

static size_t all(uint64_t *seed)
{
	(void)seed;
	return SIZE_MAX;
}

static size_t one(uint64_t *seed)
{
	(void)seed;
	return 1;
}

static size_t some(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(*seed >> 33) % 7;
}

static void check_same(const struct told *a, const struct told *b)
{
	FUZZ_CHECK(a->text.n == b->text.n &&
			   (a->text.n == 0 || memcmp(a->text.p, b->text.p, a->text.n) == 0),
		"\n%s\n%s", a->text.p, b->text.p);
}

/* The header, and what stands behind good row k: as karwanctl sends the parts of a file. */
static void check_part(
	const struct setting *s, const uint8_t *p, size_t n, const struct told *whole)
{
	if (whole->n < 2 || whole->n == ROWS_MAX || strncmp(whole->text.p, "OK ", 3) != 0)
		return;
	size_t k = 1 + (size_t)(fuzz_seed(p, n) % (whole->n - 1));
	size_t header = (size_t)whole->ends[0], from = (size_t)whole->ends[k];
	size_t size = header + n - from;
	uint8_t *part = malloc(size ? size : 1);
	struct kw_csv *csv = open_csv(s);
	KW_CLEANUP(told_done) struct told rest = { 0 };
	struct kw_csv_row row;
	struct kw_err err = { 0 };

	kw_assert(part);
	memcpy(part, p, header);
	memcpy(part + header, p + from, n - from);
	kw_buf_init(&rest.text, TEXT_MAX);
	kw_csv_feed(csv, part, size, true);
	FUZZ_CHECK(kw_csv_next(csv, &row, &err) == KW_OK, "%s", err.reason);
	kw_csv_set_line(csv, whole->next_lines[k]);
	for (enum kw_rc rc; (rc = kw_csv_next(csv, &row, &err)) != KW_NOTHING;)
		tell(&rest, rc, &row, err.reason, (int64_t)from - (int64_t)header);
	const char *expected = whole->text.p + whole->places[k];
	FUZZ_CHECK(strcmp(expected, rest.text.p ? rest.text.p : "") == 0, "\n%s\n%s", expected,
		rest.text.p);
	kw_csv_free(csv);
	free(part);
}

/* "5:hello,", with CRLF as LF. */
static void tell_cell(struct kw_buf *out, const char *cell)
{
	size_t n = 0;

	for (const char *c = cell; *c; c++)
		n += c[0] != '\r' || c[1] != '\n';
	kw_buf_printf(out, "%zu:", n);
	for (const char *c = cell; *c; c++)
		if (c[0] != '\r' || c[1] != '\n')
			kw_buf_char(out, *c);
	kw_buf_char(out, ',');
}

/* Every good row in quotes, read again with room for all. */
static void check_again(const struct setting *s, const uint8_t *p, size_t n)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf text, cells, again;
	struct kw_csv *csv = open_csv(s);
	char separator = s->separator ? s->separator : ',';
	struct kw_csv_row row;
	struct kw_err err;

	kw_buf_init(&text, TEXT_MAX);
	kw_buf_init(&cells, TEXT_MAX);
	kw_buf_init(&again, TEXT_MAX);
	kw_csv_feed(csv, p, n, true);
	for (enum kw_rc rc; (rc = kw_csv_next(csv, &row, &err)) != KW_NOTHING;) {
		for (size_t i = 0; rc == KW_OK && i < row.n; i++) {
			tell_cell(&cells, row.cells[i]);
			kw_buf_str(&text, "\"");
			for (const char *c = row.cells[i]; *c; c++) {
				kw_buf_char(&text, *c);
				if (*c == '"')
					kw_buf_char(&text, '"');
			}
			kw_buf_char(&text, '"');
			kw_buf_char(&text, i + 1 < row.n ? separator : '\n');
		}
	}
	kw_csv_free(csv);
	csv = kw_csv_new(separator, n + 16, n + 16);
	kw_csv_feed(csv, text.p ? text.p : "", text.n, true);
	for (enum kw_rc rc; (rc = kw_csv_next(csv, &row, &err)) != KW_NOTHING;) {
		FUZZ_CHECK(rc == KW_OK, "%s in %s", err.reason, text.p);
		for (size_t i = 0; i < row.n; i++)
			kw_buf_printf(&again, "%zu:%s,", strlen(row.cells[i]), row.cells[i]);
	}
	kw_csv_free(csv);
	FUZZ_CHECK(cells.n == again.n && (cells.n == 0 || strcmp(cells.p, again.p) == 0),
		"\n%s\n%s", cells.p, again.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char separators[] = { '\0', ',', ';', '\t' };
	static const size_t rows[] = { 4096, 64, 16, 1 }, cells[] = { 256, 8, 2, 1 };

	if (size < 1)
		return 0;
	const struct setting s = { separators[data[0] & 3], rows[data[0] >> 2 & 3],
		cells[data[0] >> 4 & 3] };
	KW_CLEANUP(told_done) struct told whole = { 0 }, bytes = { 0 }, pieces = { 0 };

	read_pieces(&s, data + 1, size - 1, all, false, &whole);
	read_pieces(&s, data + 1, size - 1, one, (data[0] & 64) != 0, &bytes);
	check_same(&whole, &bytes);
	read_pieces(&s, data + 1, size - 1, some, (data[0] & 128) != 0, &pieces);
	check_same(&whole, &pieces);
	check_part(&s, data + 1, size - 1, &whole);
	check_again(&s, data + 1, size - 1);
	return 0;
}
