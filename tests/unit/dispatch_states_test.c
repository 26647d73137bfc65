/* Every pair of state and event of the parcel's table is in the README's diagram, or in neither;
 * and what must hold of the table as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow/batch.h"
#include "states.h"

/* The lines of the README's diagram. */
static char *diagram(void)
{
	FILE *file = fopen(KW_SOURCE_DIR "/services/courier-dispatch/README.md", "r");
	char *readme = calloc(1, 65536), *copy;

	assert_non_null(file);
	assert_true(fread(readme, 1, 65535, file) > 1000);
	fclose(file);
	const char *from = strstr(readme, "<!-- states: parcel -->");
	assert_non_null(from);
	from = strstr(from, "stateDiagram-v2\n");
	assert_non_null(from);
	const char *to = strstr(from, "```");
	assert_non_null(to);
	copy = strndup(from, (size_t)(to - from));
	free(readme);
	return copy;
}

static size_t count_of(const char *text, const char *part)
{
	size_t n = 0;
	for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
		n++;
	return n;
}

static void test_diagram(void **state)
{
	char *text = diagram(), line[200];
	size_t n = 0;

	(void)state;
	for (int from = 0; from < PARCEL_STATES; from++)
		for (int event = 0; event < PARCEL_EVENTS; event++) {
			const struct kw_edge *edge = kw_fsm_find(&parcel_fsm, from, event);
			const char *from_name = kw_strtab_name(&parcel_row_states, from);
			if (!edge)
				continue;
			bool same = edge->to == KW_SAME;
			snprintf(line, sizeof(line), "    %s --> %s: %s%s\n", from_name,
				same ? from_name : kw_strtab_name(&parcel_row_states, edge->to),
				kw_strtab_name(&parcel_events, event), same ? " (same)" : "");
			if (count_of(text, line) != 1)
				fail_msg("the README's diagram lacks: %s", line);
			n++;
		}
	assert_int_equal(n, parcel_fsm.n); /* no pair twice */
	assert_int_equal(count_of(text, " --> "), n);
	free(text);
}

/* One function changes a state: version and time follow the edge. */
static void test_step(void **state)
{
	(void)state;
	for (int from = 0; from < PARCEL_STATES; from++)
		for (int event = 0; event < PARCEL_EVENTS; event++) {
			const struct kw_edge *edge = kw_fsm_find(&parcel_fsm, from, event);
			struct parcel p = { .state = from, .version = 7, .changed_at = 1 };
			bool moves = edge && edge->to != KW_SAME;

			assert_ptr_equal(parcel_step(&p, event, 2), edge);
			assert_int_equal(p.state, moves ? edge->to : from);
			assert_int_equal(p.version, edge && edge->emit ? 8 : 7);
			assert_int_equal(p.changed_at, moves ? 2 : 1);
			assert_int_equal(p.changed, moves);
			if (edge && edge->to == KW_SAME)
				assert_null(edge->emit);
		}
}

static int rank_of(int state)
{
	static const int ranks[] = { [PARCEL_EXPECTED] = 0,
		[PARCEL_PLANNED] = 1,
		[PARCEL_READY] = 2,
		[PARCEL_BOOKED] = 3,
		[PARCEL_LABELLED] = 4,
		[PARCEL_HANDED_OVER] = 5,
		[PARCEL_DELIVERED] = 6,
		[PARCEL_RETURNING] = 7,
		[PARCEL_RETURNED] = 8,
		[PARCEL_LOST] = 8,
		[PARCEL_CANCELLED] = 8 };
	return ranks[state];
}

static void test_never_back(void **state)
{
	static const int scans[] = { EV_SCANNED, EV_LATE, EV_STORY, EV_DELIVERED, EV_RETURNING,
		EV_RETURNED, EV_LOST };

	(void)state;
	for (size_t i = 0; i < parcel_fsm.n; i++) {
		const struct kw_edge *edge = &parcel_fsm.edges[i];

		if (edge->to != KW_SAME && edge->to != edge->from)
			assert_true(rank_of(edge->to) > rank_of(edge->from));
	}
	/* terminal stays terminal */
	for (int event = 0; event < PARCEL_EVENTS; event++) {
		static const int ends[] = { PARCEL_RETURNED, PARCEL_LOST, PARCEL_CANCELLED };
		for (size_t i = 0; i < KW_LEN(ends); i++) {
			const struct kw_edge *edge = kw_fsm_find(&parcel_fsm, ends[i], event);
			assert_true(!edge || edge->to == KW_SAME || edge->to == ends[i]);
		}
	}
	/* a booked parcel has an edge for whatever its courier may say, and for a cancellation */
	for (int from = PARCEL_BOOKED; from <= PARCEL_CANCELLED; from++) {
		for (size_t i = 0; i < KW_LEN(scans); i++)
			if (!(scans[i] == EV_LATE && from < PARCEL_BOOKED))
				assert_non_null(kw_fsm_find(&parcel_fsm, from, scans[i]));
		assert_non_null(kw_fsm_find(&parcel_fsm, from, EV_CANCEL));
	}
	/* too late to cancel once the courier has it */
	for (int from = PARCEL_HANDED_OVER; from <= PARCEL_LOST; from++)
		assert_int_equal(kw_fsm_find(&parcel_fsm, from, EV_CANCEL)->to, KW_SAME);
}

/* The events that partners know, each from the edges that the contract says. */
static void test_events(void **state)
{
	(void)state;
	assert_string_equal(kw_fsm_find(&parcel_fsm, PARCEL_PLANNED, EV_CLEARED)->emit->type,
		"karwan.parcel.created.v1");
	assert_string_equal(kw_fsm_find(&parcel_fsm, PARCEL_READY, EV_BOOKED)->emit->type,
		"karwan.parcel.booked.v1");
	assert_string_equal(kw_fsm_find(&parcel_fsm, PARCEL_LABELLED, EV_SCANNED)->emit->type,
		"karwan.parcel.handed_over.v1");
	assert_string_equal(kw_fsm_find(&parcel_fsm, PARCEL_DELIVERED, EV_RETURNING)->emit->type,
		"karwan.parcel.returning.v1");
	for (size_t i = 0; i < parcel_fsm.n; i++) {
		const struct kw_edge *edge = &parcel_fsm.edges[i];
		bool tracked = edge->emit == &parcel_tracked_event;

		/* "tracked" is exactly: the story grew, our state did not change */
		if (edge->emit && edge->from != PARCEL_READY)
			assert_int_equal(tracked, edge->from == edge->to);
		/* no partner hears of rows that are not theirs */
		if (edge->emit)
			assert_true(edge->to < parcel_states.n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_diagram),
		cmocka_unit_test(test_step),
		cmocka_unit_test(test_never_back),
		cmocka_unit_test(test_events),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
