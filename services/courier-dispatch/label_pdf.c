/* The label as a PDF page: Pango lays the lines out, in any script that an installed font has. */
#include <cairo-pdf.h>
#include <fontconfig/fontconfig.h>
#include <pango/pangocairo.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "label_rows.h"

#define MODULE_MAX 1.4
#define PDF_MAX (1024 * 1024)
/* What the first one lacks comes from the others, then from whatever is installed. DejaVu has most
 * Arabic letters, but not all of Urdu's, and a word from two fonts falls apart: such a line is
 * Amiri's. */
#define FONT "DejaVu Sans, Amiri"
#define ARABIC_FONT "Amiri, DejaVu Sans"

struct page {
	cairo_t *cr;
	PangoLayout *layout;
	double y; /* of the next row, from above */
};

static bool is_arabic(const char *text)
{
	for (; *text; text = g_utf8_find_next_char(text, NULL))
		if (g_unichar_get_script(g_utf8_get_char(text)) == G_UNICODE_SCRIPT_ARABIC)
			return true;
	return false;
}

static void put_text(struct page *p, const struct label_row *row)
{
	PangoFontDescription *font = pango_font_description_new();
	bool arabic = is_arabic(row->text);

	pango_font_description_set_family_static(font, arabic ? ARABIC_FONT : FONT);
	pango_font_description_set_weight(
		font, row->bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
	/* so that both scripts look of one size */
	pango_font_description_set_absolute_size(
		font, row->size * (arabic ? 1.1 : 0.92) * PANGO_SCALE);
	pango_layout_set_font_description(p->layout, font);
	pango_font_description_free(font);
	pango_layout_set_text(p->layout, row->text, -1);
	/* lines are as high as Latin ones, so that no script pushes the rest off the page */
	double baseline = (double)pango_layout_get_baseline(p->layout) / PANGO_SCALE;
	cairo_move_to(p->cr, LABEL_MARGIN_PT, p->y + row->size - baseline);
	pango_cairo_show_layout(p->cr, p->layout);
	p->y += row->size * 1.2;
}

static void put_bars(struct page *p, const struct bars *bars)
{
	double module =
		(double)(LABEL_WIDTH_PT - 2 * LABEL_MARGIN_PT) / (bars->modules + 2 * LABEL_QUIET);
	module = module > MODULE_MAX ? MODULE_MAX : module;
	double x = (LABEL_WIDTH_PT - module * bars->modules) / 2;

	p->y += 2;
	for (size_t i = 0; i < bars->n; i++) {
		double width = module * bars->widths[i];

		if (i % 2 == 0)
			cairo_rectangle(p->cr, x, p->y, width, LABEL_BARS_PT);
		x += width;
	}
	cairo_fill(p->cr);
	p->y += LABEL_BARS_PT + 2;
}

static void put_rule(struct page *p)
{
	p->y += 4;
	cairo_set_line_width(p->cr, 0.7);
	cairo_move_to(p->cr, LABEL_MARGIN_PT, p->y);
	cairo_line_to(p->cr, LABEL_WIDTH_PT - LABEL_MARGIN_PT, p->y);
	cairo_stroke(p->cr);
	p->y += 3;
}

static cairo_status_t take(void *closure, const unsigned char *bytes, unsigned int n)
{
	struct kw_buf *buf = closure;

	kw_buf_add(buf, bytes, n);
	return buf->full ? CAIRO_STATUS_WRITE_ERROR : CAIRO_STATUS_SUCCESS;
}

static void draw(cairo_t *cr, const struct label *l)
{
	struct page p = { .cr = cr, .layout = pango_cairo_create_layout(cr), .y = LABEL_MARGIN_PT };

	pango_layout_set_width(p.layout, (LABEL_WIDTH_PT - 2 * LABEL_MARGIN_PT) * PANGO_SCALE);
	pango_layout_set_single_paragraph_mode(p.layout, TRUE);
	pango_layout_set_height(p.layout, 0); /* one line */
	pango_layout_set_ellipsize(p.layout, PANGO_ELLIPSIZE_END);
	for (size_t i = 0; i < l->n; i++)
		switch (l->rows[i].kind) {
		case LABEL_TEXT:
			put_text(&p, &l->rows[i]);
			break;
		case LABEL_BARS:
			put_bars(&p, &l->bars);
			break;
		case LABEL_RULE:
			put_rule(&p);
			break;
		}
	g_object_unref(p.layout);
}

#ifdef __SANITIZE_ADDRESS__
/* Fonts are kept until the process ends; a leak check wants them back. Other threads have given
 * theirs back when they ended. */
static void give_back(void)
{
	pango_cairo_font_map_set_default(NULL);
	cairo_debug_reset_static_data();
	FcFini();
}

static void at_exit(void)
{
	atexit(give_back);
}
#else
static void at_exit(void)
{
}
#endif

enum kw_rc label_pdf(
	struct kw_arena *a, const struct parcel *p, struct kw_bytes *ret, struct kw_err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	KW_CLEANUP(kw_buf_done) struct kw_buf pdf;
	struct label label;

	pthread_once(&once, at_exit);
	kw_buf_init(&pdf, PDF_MAX);
	KW_TRY(label_rows(a, p, &label, err));
	cairo_surface_t *surface =
		cairo_pdf_surface_create_for_stream(take, &pdf, LABEL_WIDTH_PT, LABEL_HEIGHT_PT);
	/* the clock has no place on a label */
	cairo_pdf_surface_set_metadata(
		surface, CAIRO_PDF_METADATA_CREATE_DATE, "2000-01-01T00:00:00Z");
	cairo_t *cr = cairo_create(surface);
	draw(cr, &label);
	cairo_destroy(cr);
	cairo_surface_finish(surface);
	cairo_status_t status = cairo_surface_status(surface);
	cairo_surface_destroy(surface);
	if (status != CAIRO_STATUS_SUCCESS)
		return kw_fail(
			err, KW_INVALID, "no label of it: %s", cairo_status_to_string(status));
	*ret = (struct kw_bytes) { kw_arena_copy(a, pdf.p, pdf.n), pdf.n };
	return KW_OK;
}
