/* Every pair of state and event is in the README's diagram, or in neither; and what an order's
 * lines make of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "states.h"

static const char *const event_names[] = { "CANCEL", "HANDED_OVER", "DELIVERED", "RETURNED", "LOST",
	"PARCEL_CANCELLED" };

static char *diagram(void)
{
	FILE *file = fopen(KW_SOURCE_DIR "/services/order-routing/README.md", "r");
	static char text[65536];

	assert_non_null(file);
	size_t n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	char *from = strstr(text, "<!-- states: fulfilment -->");
	assert_non_null(from);
	char *to = strstr(from, "\n```\n");
	assert_non_null(to);
	to[1] = '\0';
	return from;
}

static void the_diagram_is_the_table(void **state)
{
	char *text = diagram(), line[160];
	size_t drawn = 0, moves = 0;

	(void)state;
	for (const char *at = text; (at = strstr(at, " --> ")); at++)
		drawn++;
	for (int from = 0; from < fulfilment_state_names.n; from++)
		for (int event = 0; event < (int)(sizeof(event_names) / sizeof(event_names[0]));
			event++) {
			const struct kw_edge *edge = fulfilment_edge(from, event);
			for (int to = 0; to < fulfilment_state_names.n; to++) {
				snprintf(line, sizeof(line), "    %s --> %s: %s\n",
					kw_strtab_name(&fulfilment_state_names, from),
					kw_strtab_name(&fulfilment_state_names, to),
					event_names[event]);
				bool is_move = edge && edge->to == to;
				moves += is_move;
				if (is_move != (strstr(text, line) != NULL))
					fail_msg("%s", line);
			}
		}
	/* the beginning is drawn too */
	assert_non_null(strstr(text, "    [*] --> OPEN\n"));
	assert_int_equal(drawn, moves + 1);
}

static void only_cancelling_can_be_refused(void **state)
{
	(void)state;
	for (int from = 0; from < fulfilment_state_names.n; from++) {
		for (int event = EV_HANDED_OVER; event <= EV_PARCEL_CANCELLED; event++)
			assert_non_null(fulfilment_edge(from, event));
		bool can = from == FULFILMENT_OPEN || from == FULFILMENT_ON_HOLD;
		assert_int_equal(fulfilment_edge(from, EV_CANCEL) != NULL, can);
	}
}

static void ends_stay_ends(void **state)
{
	static const int ends[] = { FULFILMENT_CLOSED, FULFILMENT_INCOMPLETE,
		FULFILMENT_CANCELLED };

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		for (int event = 0; event <= EV_PARCEL_CANCELLED; event++) {
			const struct kw_edge *edge = fulfilment_edge(ends[i], event);
			assert_true(!edge || edge->to == KW_SAME);
		}
}

static void the_state_follows_from_the_lines(void **state)
{
	static const struct {
		struct line lines[2];
		int state;
	} rows[] = {
		{ { { .allocated = 1 }, { .allocated = 2 } }, ORDER_ROUTED },
		{ { { .allocated = 1 }, { .parked = 1 } }, ORDER_PARTLY_ROUTED },
		{ { { .parked = 1 }, { .parked = 1 } }, ORDER_PARKED },
		{ { { .parked = 1 }, { .cancelled = 1 } }, ORDER_PARKED },
		{ { { .allocated = 1 }, { .cancelled = 1 } }, ORDER_ROUTED },
		{ { { .shipped = 1 }, { .allocated = 1 } }, ORDER_IN_PROGRESS },
		{ { { .shipped = 1 }, { .parked = 1 } }, ORDER_IN_PROGRESS },
		{ { { .shipped = 1, .delivered = 1 }, { .allocated = 1 } }, ORDER_IN_PROGRESS },
		{ { { .shipped = 1 }, { .cancelled = 1 } }, ORDER_SHIPPED },
		{ { { .shipped = 2, .delivered = 1 }, { .shipped = 1, .delivered = 1 } },
			ORDER_SHIPPED },
		{ { { .shipped = 1, .delivered = 1 }, { .cancelled = 1 } }, ORDER_DELIVERED },
		{ { { .shipped = 1, .delivered = 1 }, { .shipped = 1, .incomplete = 1 } },
			ORDER_CLOSED },
		{ { { .cancelled = 1 }, { .cancelled = 1 } }, ORDER_CANCELLED },
		{ { { .cancelled = 1, .expired = 1 }, { .cancelled = 1 } }, ORDER_CANCELLED },
		{ { { .cancelled = 1, .expired = 1 }, { .cancelled = 1, .expired = 1 } },
			ORDER_EXPIRED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(
			kw_strtab_name(&order_state_names, order_state_of(rows[i].lines, 2)),
			kw_strtab_name(&order_state_names, rows[i].state));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_diagram_is_the_table),
		cmocka_unit_test(only_cancelling_can_be_refused),
		cmocka_unit_test(ends_stay_ends),
		cmocka_unit_test(the_state_follows_from_the_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
