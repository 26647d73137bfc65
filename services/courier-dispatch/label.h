/* A parcel's label, 4 x 6 inches, with Code 128 of the tracking number and the amount due: as a PDF
 * page, or as ZPL for a label printer. A pure function of the parcel: the same parcel gives the
 * same bytes. Any thread; the bytes live in the arena. libzint draws the bars, Cairo and Pango the
 * page; they are used nowhere else. */
#ifndef DISPATCH_LABEL_H
#define DISPATCH_LABEL_H

#include "core/arena.h"
#include "core/buf.h"
#include "model.h"

/* The parcel has a tracking number. INVALID: it cannot be drawn. */
enum kw_rc label_pdf(
	struct kw_arena *a, const struct parcel *p, struct kw_bytes *ret, struct kw_err *err);
/* For 203 dots an inch; text as UTF-8, so the printer needs a font that has its characters. */
enum kw_rc label_zpl(
	struct kw_arena *a, const struct parcel *p, struct kw_bytes *ret, struct kw_err *err);

/* Code 128: widths of bar, space, bar … in modules, without the quiet zones. */
struct bars {
	const int *widths;
	size_t n;
	int modules; /* their sum */
};
enum kw_rc label_bars(struct kw_arena *a, const char *text, struct bars *ret, struct kw_err *err);

#endif
