/* A parcel's label. */
#include "label.h"

#include <hpdf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zint.h>

#define WIDTH 288.0F /* points: 4 x 6 inches */
#define HEIGHT 432.0F
#define MARGIN 14.0F
#define QUIET 10 /* modules on each side of the bars */
#define BARS_HEIGHT 72.0F
#define MODULE_MAX 1.4F
#define PDF_MAX (1024 * 1024)
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

/* ---- the page ---- */

struct page {
	struct kw_arena *a;
	HPDF_Page page;
	HPDF_Font plain, bold;
	float y; /* of the next line, from below */
};

/* The fonts of every PDF reader have these characters; others become '?'. */
static const char *latin1(struct kw_arena *a, const char *utf8)
{
	char *out = kw_new(a, char, strlen(utf8) + 1);
	size_t n = 0;

	for (const unsigned char *c = (const unsigned char *)utf8; *c; c++) {
		if (*c < 0x80) {
			out[n++] = *c < ' ' ? ' ' : (char)*c;
		} else if ((*c == 0xc2 && c[1] >= 0xa0) || (*c == 0xc3 && c[1] >= 0x80)) {
			out[n++] = (char)(((*c & 3) << 6) | (c[1] & 0x3f));
			c++;
		} else {
			out[n++] = '?';
			while ((c[1] & 0xc0) == 0x80)
				c++;
		}
	}
	return out;
}

/* One line, cut where the page ends. */
static void put(struct page *p, HPDF_Font font, float size, const char *text)
{
	char *line = kw_arena_str(p->a, latin1(p->a, text));

	HPDF_Page_SetFontAndSize(p->page, font, size);
	HPDF_UINT fits = HPDF_Page_MeasureText(p->page, line, WIDTH - 2 * MARGIN, HPDF_FALSE, NULL);
	if (fits < strlen(line))
		line[fits] = '\0';
	p->y -= size * 1.2F;
	HPDF_Page_BeginText(p->page);
	HPDF_Page_TextOut(p->page, MARGIN, p->y, line);
	HPDF_Page_EndText(p->page);
}

static void put_rule(struct page *p)
{
	p->y -= 6;
	HPDF_Page_SetLineWidth(p->page, 0.7F);
	HPDF_Page_MoveTo(p->page, MARGIN, p->y);
	HPDF_Page_LineTo(p->page, WIDTH - MARGIN, p->y);
	HPDF_Page_Stroke(p->page);
	p->y -= 2;
}

static void put_address(struct page *p, const char *title, const struct address *to, float size)
{
	const char *lines[ADDRESS_LINES] = { to->name, to->line1, to->line2, to->line3,
		kw_arena_printf(p->a, "%s%s%s", to->postcode ? to->postcode : "",
			to->postcode ? " " : "", to->city),
		kw_arena_printf(p->a, "%s%s%s", to->region ? to->region : "",
			to->region ? ", " : "", to->country),
		to->phone ? kw_arena_printf(p->a, "Tel. %s", to->phone) : NULL };

	put(p, p->plain, 7, title);
	for (size_t i = 0; i < ADDRESS_LINES; i++)
		if (lines[i])
			put(p, i == 0 ? p->bold : p->plain, size, lines[i]);
}

static void put_bars(struct page *p, const struct bars *bars)
{
	float module = (WIDTH - 2 * MARGIN) / (float)(bars->modules + 2 * QUIET);
	module = module > MODULE_MAX ? MODULE_MAX : module;
	float x = (WIDTH - module * (float)bars->modules) / 2;

	p->y -= BARS_HEIGHT + 4;
	for (size_t i = 0; i < bars->n; i++) {
		float width = module * (float)bars->widths[i];

		if (i % 2 == 0)
			HPDF_Page_Rectangle(p->page, x, p->y, width, BARS_HEIGHT);
		x += width;
	}
	HPDF_Page_Fill(p->page);
}

static void put_parcel(struct page *p, const struct parcel *in, const struct bars *bars)
{
	char amount[32];
	int64_t pieces = 0;

	for (size_t i = 0; i < in->n_lines; i++)
		pieces += in->lines[i].quantity;
	put(p, p->bold, 16, in->courier);
	put_bars(p, bars);
	put(p, p->bold, 12, in->tracking_number);
	put_rule(p);
	put_address(p, "TO", in->ship_to, 11);
	put_rule(p);
	put_address(p, "FROM", in->ship_from, 8);
	put_rule(p);
	if (in->amount_due.currency[0]) {
		kw_money_format(in->amount_due, amount);
		put(p, p->bold, 14,
			kw_arena_printf(p->a, "COLLECT ON DELIVERY %s %s", in->amount_due.currency,
				amount));
	} else {
		put(p, p->bold, 14, "PAID");
	}
	put(p, p->plain, 8,
		kw_arena_printf(p->a, "Weight %" PRId64 ".%03" PRId64 " kg   Pieces %" PRId64,
			in->weight_g / 1000, in->weight_g % 1000, pieces));
	put(p, p->plain, 8,
		kw_arena_printf(
			p->a, "Order %s %s, parcel %" PRId64, in->channel, in->external_id, in->n));
	put(p, p->plain, 8, kw_arena_printf(p->a, "Reference %s", in->parcel_id.s));
}

static void pdf_free(HPDF_Doc *pdf)
{
	if (*pdf)
		HPDF_Free(*pdf);
}

enum kw_rc label_render(
	struct kw_arena *a, const struct parcel *p, struct kw_bytes *ret, struct kw_err *err)
{
	KW_CLEANUP(pdf_free) HPDF_Doc pdf = HPDF_New(NULL, NULL);
	struct page page = { .a = a, .y = HEIGHT - MARGIN };
	struct bars bars;

	kw_assert(pdf != NULL && p->tracking_number && p->courier);
	KW_TRY(label_bars(a, p->tracking_number, &bars, err));
	HPDF_SetCompressionMode(pdf, HPDF_COMP_ALL);
	page.page = HPDF_AddPage(pdf);
	HPDF_Page_SetWidth(page.page, WIDTH);
	HPDF_Page_SetHeight(page.page, HEIGHT);
	page.plain = HPDF_GetFont(pdf, "Helvetica", "WinAnsiEncoding");
	page.bold = HPDF_GetFont(pdf, "Helvetica-Bold", "WinAnsiEncoding");
	put_parcel(&page, p, &bars);
	HPDF_SaveToStream(pdf);
	HPDF_UINT32 size = HPDF_GetStreamSize(pdf);
	if (HPDF_GetError(pdf) != HPDF_OK || size == 0 || size > PDF_MAX)
		return kw_fail(err, KW_INVALID, "no label of it: libharu error %lx",
			(unsigned long)HPDF_GetError(pdf));
	HPDF_BYTE *bytes = kw_new(a, HPDF_BYTE, size);
	HPDF_ReadFromStream(pdf, bytes, &size);
	*ret = (struct kw_bytes) { bytes, size };
	return KW_OK;
}
