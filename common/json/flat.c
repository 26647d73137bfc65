/* Columns sorted by their paths are a tree: one walk over them writes the object. */
#include "json/flat.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 6
#define ELEMENTS_MAX 100 /* of an array, as columns */
#define DIGITS_MAX 18    /* of a number: what has more is written as a text, and refused as one */

struct column {
	size_t cell;
	const char *path[DEPTH_MAX];
	size_t depth;
	enum kw_kind kind;
	unsigned arrays; /* bit d: path[d] is the number of an element */
};

struct kw_flat {
	struct column *columns;
	size_t n;
};

/* Names in the order of strcmp, numbers of elements as numbers. */
static int compare_steps(const char *a, const char *b)
{
	size_t n_a = strlen(a), n_b = strlen(b);
	bool numbers = strspn(a, "0123456789") == n_a && strspn(b, "0123456789") == n_b;

	return numbers && n_a != n_b ? (n_a < n_b ? -1 : 1) : strcmp(a, b);
}

static int by_path(const void *a, const void *b)
{
	const struct column *x = a, *y = b;

	for (size_t i = 0; i < x->depth && i < y->depth; i++) {
		int order = compare_steps(x->path[i], y->path[i]);
		if (order != 0)
			return order;
	}
	return x->depth < y->depth ? -1 : x->depth > y->depth;
}

static const struct kw_field *find_field(const struct kw_field *fields, const char *name)
{
	for (const struct kw_field *f = fields; f->kind != KW_KIND_END; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

static bool is_element(const char *step)
{
	size_t n = strlen(step);

	return n >= 1 && n <= 2 && strspn(step, "0123456789") == n && (n == 1 || step[0] != '0') &&
	       strtol(step, NULL, 10) < ELEMENTS_MAX;
}

/* Follows the steps through the table. false: they lead to no single value. */
static bool resolve(const struct kw_field *fields, struct column *c)
{
	for (size_t d = 0; d < c->depth; d++) {
		const struct kw_field *f = find_field(fields, c->path[d]);
		bool last = d + 1 == c->depth;

		if (!f)
			return false;
		switch (f->kind) {
		case KW_KIND_OBJECT:
			fields = f->fields;
			break;
		case KW_KIND_ARRAY:
			if (last || !is_element(c->path[d + 1]))
				return false;
			c->arrays |= 1u << ++d;
			fields = f->fields;
			break;
		case KW_KIND_MONEY:
			c->kind = KW_KIND_STR;
			return d + 2 == c->depth &&
			       (strcmp(c->path[d + 1], "amount") == 0 ||
				       strcmp(c->path[d + 1], "currency") == 0);
		default:
			c->kind = f->kind;
			return last;
		}
	}
	return false;
}

static bool split(struct kw_arena *a, const char *name, struct column *c)
{
	char *rest = kw_arena_str(a, name);

	while (rest && c->depth < DEPTH_MAX) {
		char *dot = strchr(rest, '.');

		if (dot)
			*dot = '\0';
		c->path[c->depth++] = rest;
		rest = dot ? dot + 1 : NULL;
	}
	return !rest;
}

enum kw_rc kw_flat_plan(const struct kw_field *fields, const char *const *names, size_t n,
	struct kw_arena *a, const struct kw_flat **ret, struct kw_err *err)
{
	struct kw_flat *flat = kw_new(a, struct kw_flat, 1);

	if (n > KW_FLAT_COLUMNS_MAX)
		return kw_fail(err, KW_INVALID, "more than %d columns", KW_FLAT_COLUMNS_MAX);
	flat->columns = kw_new(a, struct column, n);
	for (size_t i = 0; i < n; i++) {
		flat->columns[i].cell = i;
		if (!split(a, names[i], &flat->columns[i]) || !resolve(fields, &flat->columns[i]))
			return kw_fail(err, KW_INVALID, "unknown column '%.80s'", names[i]);
	}
	flat->n = n;
	qsort(flat->columns, n, sizeof(*flat->columns), by_path);
	for (size_t i = 1; i < n; i++)
		if (by_path(&flat->columns[i - 1], &flat->columns[i]) == 0)
			return kw_fail(err, KW_INVALID, "column '%.80s' is there twice",
				names[flat->columns[i].cell]);
	*ret = flat;
	return KW_OK;
}

bool kw_flat_shortened(const char *cell)
{
	size_t n = strspn(cell, "0123456789");
	const char *p = cell + n;

	if (n != 1)
		return false;
	if (*p == '.' || *p == ',')
		p += 1 + strspn(p + 1, "0123456789");
	return (*p == 'E' || *p == 'e') && p[1] == '+' && p[2] != '\0' &&
	       strspn(p + 2, "0123456789") == strlen(p + 2);
}

/* ---- one row ---- */

struct row {
	const struct column *columns;
	const char *const *cells;
	struct kw_buf *out;
};

static bool is_number(const char *cell)
{
	const char *digits = cell + (cell[0] == '-');
	size_t n = strlen(digits);

	return n >= 1 && n <= DIGITS_MAX && strspn(digits, "0123456789") == n &&
	       (digits[0] != '0' || n == 1);
}

static void write_texts(const char *cell, struct kw_buf *out)
{
	char separator = '[';

	while (*cell) {
		size_t n = strcspn(cell, "|");
		KW_CLEANUP(kw_buf_done) struct kw_buf text;

		kw_buf_init(&text, n + 1);
		kw_buf_add(&text, cell, n);
		kw_buf_char(out, separator);
		kw_buf_json_str(out, text.p);
		separator = ',';
		cell += n + (cell[n] == '|');
	}
	kw_buf_char(out, ']');
}

static void write_leaf(const struct row *row, const struct column *c)
{
	const char *cell = row->cells[c->cell];

	if ((c->kind == KW_KIND_I64 && is_number(cell)) ||
		(c->kind == KW_KIND_BOOL &&
			(strcmp(cell, "true") == 0 || strcmp(cell, "false") == 0)))
		kw_buf_str(row->out, cell);
	else if (c->kind == KW_KIND_STRS)
		write_texts(cell, row->out);
	else
		kw_buf_json_str(row->out, cell);
}

static bool has_value(const struct row *row, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (row->cells[row->columns[i].cell][0])
			return true;
	return false;
}

/* The members, or elements, of what columns [from, to) have in common at this depth. */
static void write_members(const struct row *row, size_t from, size_t to, size_t depth)
{
	bool array = row->columns[from].arrays >> depth & 1;
	char separator = array ? '[' : '{';

	for (size_t i = from, end; i < to; i = end) {
		const struct column *c = &row->columns[i];

		for (end = i + 1;
			end < to && strcmp(row->columns[end].path[depth], c->path[depth]) == 0;)
			end++;
		if (!has_value(row, i, end))
			continue;
		kw_buf_char(row->out, separator);
		separator = ',';
		if (!array) {
			kw_buf_json_str(row->out, c->path[depth]);
			kw_buf_char(row->out, ':');
		}
		if (c->depth == depth + 1)
			write_leaf(row, c);
		else
			write_members(row, i, end, depth + 1);
	}
	if (separator == '{')
		kw_buf_char(row->out, '{');
	kw_buf_char(row->out, array ? ']' : '}');
}

enum kw_rc kw_flat_write(const struct kw_flat *flat, const char *const *cells, struct kw_buf *out,
	struct kw_err *err)
{
	struct row row = { flat->columns, cells, out };

	for (size_t i = 0; i < flat->n; i++) {
		const struct column *c = &flat->columns[i];
		char pointer[160] = "";
		size_t n = 0;

		if (!kw_flat_shortened(cells[c->cell]))
			continue;
		for (size_t d = 0; d < c->depth && n + 1 < sizeof(pointer); d++) {
			size_t length = strlen(c->path[d]);
			size_t room = sizeof(pointer) - n - 2;

			pointer[n++] = '/';
			length = length < room ? length : room;
			memcpy(pointer + n, c->path[d], length);
			n += length;
			pointer[n] = '\0';
		}
		return kw_fail_at(err, KW_INVALID, pointer,
			"was shortened by a spreadsheet: store the column as text");
	}
	kw_assert(flat->n > 0);
	write_members(&row, 0, flat->n, 0);
	return KW_OK;
}
