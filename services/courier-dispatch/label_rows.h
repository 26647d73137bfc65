/* What stands on a label, from top to bottom, for those that draw it (label_pdf.c, label_zpl.c).
 * Private to the label. Lives in the arena. */
#ifndef DISPATCH_LABEL_ROWS_H
#define DISPATCH_LABEL_ROWS_H

#include "label.h"

#define LABEL_WIDTH_PT 288 /* points: 4 x 6 inches */
#define LABEL_HEIGHT_PT 432
#define LABEL_MARGIN_PT 14
#define LABEL_BARS_PT 72
#define LABEL_QUIET 10 /* modules on each side of the bars */
#define LABEL_ROWS_MAX 40

enum label_row_kind { LABEL_TEXT, LABEL_BARS, LABEL_RULE };

/* One line of text, cut where the label ends; without control characters. */
struct label_row {
	enum label_row_kind kind;
	bool bold;
	int size; /* points */
	const char *text;
};

struct label {
	const char *code; /* what the bars say */
	struct bars bars;
	struct label_row rows[LABEL_ROWS_MAX];
	size_t n;
};

enum kw_rc label_rows(
	struct kw_arena *a, const struct parcel *p, struct label *ret, struct kw_err *err);

#endif
