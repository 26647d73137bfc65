/* How a channel's changes are read to their end, page by page: where the next page begins. Pure. */
#ifndef ROUTING_WALK_H
#define ROUTING_WALK_H

#include <stdbool.h>

#include "core/clock.h"

/* Read again at the end of each walk: shops finish writing an order after the time that it bears,
 * and a page shifts while it is read. */
#define WALK_OVERLAP_US (120 * KW_US_PER_S)
/* A channel that is new is read from so long ago. */
#define WALK_FIRST_US (24LL * 3600 * KW_US_PER_S)
/* Pages that begin at the same moment. */
#define WALK_PAGES_MAX 100

struct walk {
	kw_time since, seen_to; /* where the next page begins; the newest change so far */
	int page;               /* of those that begin there: 1, 2 … */
};

enum walk_step {
	WALK_MORE,    /* ask again at once */
	WALK_END,     /* all is read */
	WALK_ENDLESS, /* full pages without end, and no change in them is newer: begin anew */
};

struct walk walk_new(kw_time now);
/* After a page was taken in. newest: of its changes, 0: it has none. */
enum walk_step walk_on(struct walk *w, kw_time newest, bool full, kw_time now);
/* When to try again after so many failures in a row. */
kw_time walk_pause_us(int failures, int64_t poll_s);

#endif
