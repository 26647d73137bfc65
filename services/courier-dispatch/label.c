/* What stands on a parcel's label, and its Code 128. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zint.h>

#include "label.h"
#include "label_rows.h"

#define ADDRESS_LINES 8

/* ---- Code 128 ---- */

static void symbol_free(struct zint_symbol **symbol)
{
	ZBarcode_Delete(*symbol);
}

static int by_x(const void *left, const void *right)
{
	const struct zint_vector_rect *l = *(struct zint_vector_rect *const *)left;
	const struct zint_vector_rect *r = *(struct zint_vector_rect *const *)right;

	return l->x < r->x ? -1 : l->x > r->x;
}

/* libzint hands out rectangles in any order, and may join or split what touches. */
static size_t sorted_bars(
	struct kw_arena *a, const struct zint_vector *vector, struct zint_vector_rect ***ret)
{
	size_t n = 0;

	for (struct zint_vector_rect *r = vector->rectangles; r; r = r->next)
		n++;
	*ret = kw_new(a, struct zint_vector_rect *, n);
	n = 0;
	for (struct zint_vector_rect *r = vector->rectangles; r; r = r->next)
		(*ret)[n++] = r;
	qsort(*ret, n, sizeof(**ret), by_x);
	return n;
}

enum kw_rc label_bars(struct kw_arena *a, const char *text, struct bars *ret, struct kw_err *err)
{
	KW_CLEANUP(symbol_free) struct zint_symbol *symbol = ZBarcode_Create();
	struct zint_vector_rect **bars;

	kw_assert(symbol != NULL);
	for (const char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			return kw_fail(err, KW_INVALID, "no bar code of it: not printable ASCII");
	symbol->symbology = BARCODE_CODE128;
	symbol->show_hrt = 0;
	if (ZBarcode_Encode(symbol, (const unsigned char *)text, (int)strlen(text)) >= ZINT_ERROR ||
		ZBarcode_Buffer_Vector(symbol, 0) >= ZINT_ERROR)
		return kw_fail(err, KW_INVALID, "no bar code of it: %s", symbol->errtxt);
	size_t n = sorted_bars(a, symbol->vector, &bars);
	float module = symbol->vector->width / (float)symbol->width;
	int *widths = kw_new(a, int, 2 * n), at = 0;
	size_t n_widths = 0;
	for (size_t i = 0; i < n; i++) {
		int from = (int)(bars[i]->x / module + 0.5F);
		int to = (int)((bars[i]->x + bars[i]->width) / module + 0.5F);

		if (i > 0 && from > at)
			widths[n_widths++] = from - at;
		else if (i > 0)
			from = at - widths[--n_widths]; /* touches the bar before */
		widths[n_widths++] = to - from;
		at = to;
	}
	*ret = (struct bars) { widths, n_widths, at };
	return KW_OK;
}

/* ---- rows ---- */

/* One line each; no row of a text that is absent. */
static void put(struct kw_arena *a, struct label *l, bool bold, int size, const char *text)
{
	kw_assert(l->n < LABEL_ROWS_MAX);
	if (text) {
		char *line = kw_arena_str(a, text);

		for (char *c = line; *c; c++)
			if ((unsigned char)*c < ' ' || *c == 0x7f)
				*c = ' ';
		l->rows[l->n++] = (struct label_row) { LABEL_TEXT, bold, size, line };
	}
}

static void put_other(struct label *l, enum label_row_kind kind)
{
	kw_assert(l->n < LABEL_ROWS_MAX);
	l->rows[l->n++] = (struct label_row) { kind, false, 0, NULL };
}

static void put_address(
	struct kw_arena *a, struct label *l, const char *title, const struct address *to, int size)
{
	const char *lines[ADDRESS_LINES] = { to->name, to->line1, to->line2, to->line3,
		kw_arena_printf(a, "%s%s%s", to->postcode ? to->postcode : "",
			to->postcode ? " " : "", to->city),
		kw_arena_printf(a, "%s%s%s", to->region ? to->region : "", to->region ? ", " : "",
			to->country),
		to->phone ? kw_arena_printf(a, "Tel. %s", to->phone) : NULL };

	put(a, l, false, 7, title);
	for (size_t i = 0; i < ADDRESS_LINES; i++)
		put(a, l, i == 0, size, lines[i]);
	put_other(l, LABEL_RULE);
}

enum kw_rc label_rows(
	struct kw_arena *a, const struct parcel *p, struct label *ret, struct kw_err *err)
{
	char amount[32];
	int64_t pieces = 0;

	kw_assert(p->tracking_number && p->courier);
	*ret = (struct label) { .code = p->tracking_number };
	KW_TRY(label_bars(a, p->tracking_number, &ret->bars, err));
	for (size_t i = 0; i < p->n_lines; i++)
		pieces += p->lines[i].quantity;
	put(a, ret, true, 16, p->courier);
	put_other(ret, LABEL_BARS);
	put(a, ret, true, 12, p->tracking_number);
	put_other(ret, LABEL_RULE);
	put_address(a, ret, "TO", p->ship_to, 11);
	put_address(a, ret, "FROM", p->ship_from, 8);
	if (p->amount_due.currency[0]) { /* a row of its own: never cut */
		kw_money_format(p->amount_due, amount);
		put(a, ret, true, 10, "COLLECT ON DELIVERY");
		put(a, ret, true, 17, kw_arena_printf(a, "%s %s", p->amount_due.currency, amount));
	} else {
		put(a, ret, true, 14, "PAID");
	}
	put(a, ret, false, 8,
		kw_arena_printf(a, "Weight %" PRId64 ".%03" PRId64 " kg   Pieces %" PRId64,
			p->weight_g / 1000, p->weight_g % 1000, pieces));
	put(a, ret, false, 8,
		kw_arena_printf(
			a, "Order %s %s, parcel %" PRId64, p->channel, p->external_id, p->n));
	put(a, ret, false, 8, kw_arena_printf(a, "Reference %s", p->parcel_id.s));
	return KW_OK;
}
