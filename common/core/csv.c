/* A state machine over bytes; runs of plain bytes are taken at once. */
#include "core/csv.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"

enum state {
	AT_MARK,  /* a byte order mark may come */
	AT_CELL,  /* nothing of the cell yet */
	IN_PLAIN, /* a cell without quotes */
	IN_QUOTES,
	AT_QUOTE, /* a quote inside quotes: the end of the cell, or half of "" */
	AT_CR,    /* CR outside quotes: half of a line end */
	SKIPPING, /* to the line's end */
	AT_END,
};

struct kw_csv {
	enum state state, before_cr;
	char separator;
	size_t row_max, cells_max;
	struct kw_buf text; /* the row's cells, each ended by NUL */
	size_t *starts;     /* of each cell in text */
	const char **cells;
	size_t n_cells, n_mark;
	int64_t line, row_line, read;
	const char *p, *end;
	bool last;
	const char *fault; /* of the row that is being skipped */
};

static const char mark[] = "\xef\xbb\xbf";

struct kw_csv *kw_csv_new(char separator, size_t row_max, size_t cells_max)
{
	struct kw_csv *csv = calloc(1, sizeof(*csv));

	kw_assert(csv && row_max > 0 && cells_max > 0);
	csv->separator = separator;
	csv->row_max = row_max;
	csv->cells_max = cells_max;
	csv->starts = calloc(cells_max, sizeof(*csv->starts));
	csv->cells = calloc(cells_max, sizeof(*csv->cells));
	kw_assert(csv->starts && csv->cells);
	kw_buf_init(&csv->text, row_max + cells_max);
	csv->line = csv->row_line = 1;
	csv->n_cells = 1;
	return csv;
}

void kw_csv_free(struct kw_csv *csv)
{
	if (!csv)
		return;
	kw_buf_done(&csv->text);
	free(csv->starts);
	free(csv->cells);
	free(csv);
}

void kw_csv_freep(struct kw_csv **csv)
{
	kw_csv_free(*csv);
}

void kw_csv_feed(struct kw_csv *csv, const void *p, size_t n, bool last)
{
	kw_assert(csv->p == csv->end && !csv->last);
	csv->p = p;
	csv->end = n > 0 ? csv->p + n : csv->p;
	csv->last = last;
}

void kw_csv_set_line(struct kw_csv *csv, int64_t line)
{
	csv->line = csv->row_line = line;
}

bool kw_utf8_ok(const char *text, size_t n)
{
	/* no text has no place: NULL + 0 is undefined */
	const unsigned char *p = (const unsigned char *)text, *end = n ? p + n : p;

	while (p < end) {
		unsigned c = *p++, low = 0x80, high = 0xbf;
		int more;

		if (c < 0x80)
			continue;
		if (c >= 0xc2 && c <= 0xdf)
			more = 1;
		else if (c >= 0xe0 && c <= 0xef)
			more = 2;
		else if (c >= 0xf0 && c <= 0xf4)
			more = 3;
		else
			return false;
		low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : low;
		high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : high;
		for (; more > 0; more--, p++) {
			if (p == end || *p < low || *p > high)
				return false;
			low = 0x80;
			high = 0xbf;
		}
	}
	return true;
}

/* ---- one row ---- */

static void begin_row(struct kw_csv *csv)
{
	kw_buf_clear(&csv->text);
	csv->n_cells = 1;
	csv->starts[0] = 0;
	csv->row_line = csv->line;
	csv->fault = NULL;
	csv->state = AT_CELL;
}

static void skip_row(struct kw_csv *csv, const char *fault)
{
	csv->fault = fault;
	csv->state = SKIPPING;
}

/* false: the row is too long. */
static bool add(struct kw_csv *csv, const char *p, size_t n)
{
	if (csv->text.n + n > csv->row_max)
		return false;
	kw_buf_add(&csv->text, p, n);
	return true;
}

static void end_cell(struct kw_csv *csv)
{
	if (csv->n_cells == csv->cells_max) {
		skip_row(csv, "has more cells than any row may have");
		return;
	}
	kw_buf_char(&csv->text, '\0');
	csv->starts[csv->n_cells++] = csv->text.n;
	csv->state = AT_CELL;
}

static void say_where(const struct kw_csv *csv, int64_t last_line, struct kw_csv_row *ret)
{
	*ret = (struct kw_csv_row) {
		.line = csv->row_line, .last_line = last_line, .end = csv->read
	};
}

/* OK: a row; NOTHING: a blank one; INVALID: none. */
static enum kw_rc end_row(
	struct kw_csv *csv, int64_t last_line, struct kw_csv_row *ret, struct kw_err *err)
{
	const char *fault = csv->fault;
	size_t bytes = csv->text.n - (csv->n_cells - 1);

	say_where(csv, last_line, ret);
	if (!csv->separator)
		csv->separator = ',';
	if (!fault && !kw_utf8_ok(csv->text.p ? csv->text.p : "", csv->text.n))
		fault = "is not UTF-8";
	if (fault) {
		begin_row(csv);
		return kw_fail(err, KW_INVALID, "%s", fault);
	}
	if (bytes == 0) {
		begin_row(csv);
		return KW_NOTHING;
	}
	for (size_t i = 0; i < csv->n_cells; i++)
		csv->cells[i] = csv->text.p + csv->starts[i];
	ret->cells = csv->cells;
	ret->n = csv->n_cells;
	/* the cells stay until the next call */
	csv->row_line = csv->line;
	csv->state = AT_CELL;
	csv->n_cells = 0;
	return KW_OK;
}

static enum kw_rc cut(
	struct kw_csv *csv, const char *fault, struct kw_csv_row *ret, struct kw_err *err)
{
	say_where(csv, csv->line, ret);
	csv->state = AT_END;
	csv->p = csv->end;
	return kw_fail_code(err, KW_INVALID, "CUT", "%s", fault);
}

/* ---- bytes ---- */

static bool is_separator(struct kw_csv *csv, char c)
{
	if (csv->separator == '\0' && (c == ',' || c == ';'))
		csv->separator = c;
	return c == csv->separator;
}

/* Length of the run that a state takes as it is. */
static size_t plain_run(const struct kw_csv *csv)
{
	const char *p = csv->p;

	if (csv->state == IN_QUOTES)
		while (p < csv->end && *p != '"' && *p != '\n' && *p != '\0')
			p++;
	else if (csv->separator)
		while (p < csv->end && *p != csv->separator && *p != '"' && *p != '\r' &&
			*p != '\n' && *p != '\0')
			p++;
	return (size_t)(p - csv->p);
}

static void take_outside(struct kw_csv *csv, char c)
{
	if (is_separator(csv, c)) {
		end_cell(csv);
	} else if (c == '\r') {
		csv->before_cr = csv->state;
		csv->state = AT_CR;
	} else if (c == '"' && csv->state == AT_CELL) {
		csv->state = IN_QUOTES;
	} else if (csv->state == AT_QUOTE) {
		skip_row(csv, "goes on behind a closing quote");
	} else if (c == '"') {
		skip_row(csv, "has a quote in a cell that does not begin with one");
	} else if (!add(csv, &c, 1)) {
		skip_row(csv, "is too long");
	} else {
		csv->state = IN_PLAIN;
	}
}

/* A CR that was not half of a line end is a byte as others are. */
static void take_cr(struct kw_csv *csv)
{
	csv->state = csv->before_cr;
	if (csv->state == AT_QUOTE)
		skip_row(csv, "goes on behind a closing quote");
	else if (!add(csv, "\r", 1))
		skip_row(csv, "is too long");
	else
		csv->state = IN_PLAIN;
}

/* One byte that ends no row. false: it lies in quotes, and the row is too long: nobody can tell
 * what follows. */
static bool take(struct kw_csv *csv, char c)
{
	if (csv->state == SKIPPING)
		return true;
	if (c == '\0') {
		skip_row(csv, "holds a NUL byte: is it UTF-8?");
		return true;
	}
	if (csv->state == IN_QUOTES && c == '"') {
		csv->state = AT_QUOTE;
		return true;
	}
	if (csv->state == AT_QUOTE && c == '"')
		csv->state = IN_QUOTES;
	if (csv->state == IN_QUOTES) {
		/* a line end is a line end, in a cell too */
		if (c == '\n' && csv->text.n > csv->starts[csv->n_cells - 1] &&
			csv->text.p[csv->text.n - 1] == '\r')
			csv->text.n--;
		return add(csv, &c, 1);
	}
	if (csv->state == AT_CR)
		take_cr(csv);
	if (csv->state != SKIPPING)
		take_outside(csv, c);
	return true;
}

/* The first three bytes; what only looked like a mark belongs to the row. */
static void take_mark(struct kw_csv *csv)
{
	if (*csv->p == mark[csv->n_mark]) {
		csv->p++;
		csv->read++;
		if (++csv->n_mark == 3)
			begin_row(csv);
		return;
	}
	begin_row(csv);
	if (csv->n_mark > 0) {
		(void)add(csv, mark, csv->n_mark);
		csv->state = IN_PLAIN;
	}
}

static enum kw_rc at_end(struct kw_csv *csv, struct kw_csv_row *ret, struct kw_err *err)
{
	if (!csv->last || csv->state == AT_END)
		return KW_NOTHING;
	if (csv->state == IN_QUOTES)
		return cut(csv, "a quote is never closed: was the file cut short?", ret, err);
	if (csv->state == AT_MARK && csv->n_mark > 0)
		return cut(csv, "is not UTF-8", ret, err);
	enum kw_rc rc = csv->state == AT_MARK ? KW_NOTHING : end_row(csv, csv->line, ret, err);
	csv->state = AT_END;
	return rc;
}

/* Takes what fits of a run of plain bytes; false: nothing, the next byte is judged alone. */
static bool take_run(struct kw_csv *csv)
{
	size_t n = csv->state == IN_QUOTES || csv->state == IN_PLAIN ? plain_run(csv) : 0;
	size_t room = csv->row_max > csv->text.n ? csv->row_max - csv->text.n : 0;

	n = n < room ? n : room;
	if (n == 0)
		return false;
	kw_buf_add(&csv->text, csv->p, n);
	csv->p += n;
	csv->read += (int64_t)n;
	return true;
}

enum kw_rc kw_csv_next(struct kw_csv *csv, struct kw_csv_row *ret, struct kw_err *err)
{
	if (csv->state == AT_END)
		csv->p = csv->end;
	else if (csv->n_cells == 0)
		begin_row(csv);
	while (csv->p < csv->end) {
		char c = *csv->p;

		if (csv->state == AT_MARK) {
			if (csv->n_mark == 0 && (c == '\xff' || c == '\xfe'))
				return cut(csv, "is UTF-16: save it as UTF-8", ret, err);
			take_mark(csv);
			continue;
		}
		if (take_run(csv))
			continue;
		csv->p++;
		csv->read++;
		int64_t line = csv->line;
		csv->line += c == '\n';
		if (c == '\n' && csv->state != IN_QUOTES) {
			enum kw_rc rc = end_row(csv, line, ret, err);
			if (rc != KW_NOTHING)
				return rc;
		} else if (!take(csv, c)) {
			return cut(csv, "a quote is not closed within the longest row", ret, err);
		}
	}
	return at_end(csv, ret, err);
}
