/* A parcel's label: one PDF page of 4 x 6 inches with Code 128 of the tracking number. A pure
 * function of the parcel: the same parcel gives the same bytes. Any thread; the bytes live in the
 * arena. libharu and libzint are used nowhere else. */
#ifndef DISPATCH_LABEL_H
#define DISPATCH_LABEL_H

#include "core/arena.h"
#include "core/buf.h"
#include "model.h"

/* The parcel has a tracking number. INVALID: it cannot be drawn. */
enum kw_rc label_render(
	struct kw_arena *a, const struct parcel *p, struct kw_bytes *ret, struct kw_err *err);

/* Code 128: widths of bar, space, bar … in modules, without the quiet zones. */
struct bars {
	const int *widths;
	size_t n;
	int modules; /* their sum */
};
enum kw_rc label_bars(struct kw_arena *a, const char *text, struct bars *ret, struct kw_err *err);

#endif
