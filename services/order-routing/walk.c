/* The next page begins at the newest change of the last one, and not at its number: what is changed
 * meanwhile moves to the end and shifts the rest. Only where a whole page has one and the same
 * moment is there a second page of it. */
#include "walk.h"

#define PAUSE_MAX_S 600

struct walk walk_new(kw_time now)
{
	kw_time since = now - WALK_FIRST_US;

	return (struct walk) { .since = since, .seen_to = since, .page = 1 };
}

enum walk_step walk_on(struct walk *w, kw_time newest, bool full, kw_time now)
{
	/* their clock may be ahead; what changes until then would be missed */
	if (newest > now)
		newest = now;
	if (newest > w->seen_to)
		w->seen_to = newest;
	if (!full) {
		w->since = w->seen_to - WALK_OVERLAP_US;
		w->page = 1;
		return WALK_END;
	}
	if (newest > w->since) {
		w->since = newest;
		w->page = 1;
		return WALK_MORE;
	}
	if (w->page < WALK_PAGES_MAX) {
		w->page++;
		return WALK_MORE;
	}
	w->page = 1;
	return WALK_ENDLESS;
}

kw_time walk_pause_us(int failures, int64_t poll_s)
{
	int64_t pause_s = poll_s;

	for (int i = 1; i < failures && pause_s < PAUSE_MAX_S; i++)
		pause_s *= 2;
	if (failures > 0 && pause_s > PAUSE_MAX_S && poll_s < PAUSE_MAX_S)
		pause_s = PAUSE_MAX_S;
	return pause_s * KW_US_PER_S;
}
