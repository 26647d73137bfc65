/* Every pair of state and event of the three state tables is in the README's diagram, or in
 * neither. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "states.h"

static char *readme;

static int setup(void **state)
{
	(void)state;
	FILE *file = fopen(KW_SOURCE_DIR "/services/payment-reconciliation/README.md", "r");
	assert_non_null(file);
	readme = calloc(1, 65536);
	assert_true(fread(readme, 1, 65535, file) > 1000);
	fclose(file);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(readme);
	return 0;
}

/* The lines of one diagram, from its mark to the end of its fence. */
static char *diagram(const char *name)
{
	char mark[64];
	snprintf(mark, sizeof(mark), "<!-- states: %s -->", name);
	const char *from = strstr(readme, mark);
	assert_non_null(from);
	from = strstr(from, "stateDiagram-v2\n");
	assert_non_null(from);
	const char *to = strstr(from, "```");
	assert_non_null(to);
	return strndup(from, (size_t)(to - from));
}

static size_t count_of(const char *text, const char *part)
{
	size_t n = 0;
	for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
		n++;
	return n;
}

static void compare(const char *name, int first, const struct kw_fsm *fsm,
	const struct kw_strtab *states, const struct kw_strtab *events)
{
	char *text = diagram(name), line[200];
	size_t n = 0;

	for (int from = 0; from < states->n; from++)
		for (int event = 0; event < events->n; event++) {
			const struct kw_edge *edge = kw_fsm_find(fsm, from, event);
			const char *from_name = kw_strtab_name(states, from);
			if (!edge)
				continue;
			bool same = edge->to == KW_SAME;
			snprintf(line, sizeof(line), "    %s --> %s: %s%s\n", from_name,
				same ? from_name : kw_strtab_name(states, edge->to),
				kw_strtab_name(events, event), same ? " (same)" : "");
			if (count_of(text, line) != 1)
				fail_msg("the README's diagram of %s lacks: %s", name, line);
			if (same)
				assert_null(edge->emit);
			n++;
		}
	assert_int_equal(n, fsm->n); /* no pair twice */
	snprintf(line, sizeof(line), "    [*] --> %s\n", kw_strtab_name(states, first));
	assert_int_equal(count_of(text, line), 1);
	assert_int_equal(count_of(text, " --> "), n + 1);
	free(text);
}

static void test_expectation(void **state)
{
	(void)state;
	compare("expectation", WAITING_ORDER, &expectation_fsm, &expectation_states, &money_events);
	/* terminal: only what cancels again */
	for (int event = 0; event < money_events.n; event++)
		assert_true(
			!kw_fsm_find(&expectation_fsm, VOID, event) == (event != MONEY_CANCELLED));
	/* nobody goes back to wait for an order */
	for (size_t i = 0; i < expectation_fsm.n; i++)
		assert_int_not_equal(expectation_fsm.edges[i].to, WAITING_ORDER);
}

static void test_payment(void **state)
{
	(void)state;
	compare("payment", PAYMENT_NEW, &payment_fsm, &payment_states, &payment_events);
	/* a provider may tell anything at any time: no pair is refused */
	for (int from = 0; from < payment_states.n; from++)
		for (int event = 0; event < payment_events.n; event++)
			assert_non_null(kw_fsm_find(&payment_fsm, from, event));
}

static void test_exception(void **state)
{
	(void)state;
	compare("exception", EXCEPTION_NONE, &exception_fsm, &exception_states, &exception_events);
	assert_null(kw_fsm_find(&exception_fsm, EXCEPTION_NONE, EXCEPTION_ENDS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expectation),
		cmocka_unit_test(test_payment),
		cmocka_unit_test(test_exception),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
