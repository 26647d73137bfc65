/* One service at a time, with nothing to wait for: how fast it works off what lies in Kafka, and
 * how fast its publisher sends what lies in the journal. */
#include "bench.h"

#include <string.h>

#include "core/clock.h"

#define LOOK_US (KW_US_PER_S / 20)
#define QUIET_US (3 * KW_US_PER_S)
#define LONGEST_US (300 * KW_US_PER_S)
#define FIRST_SHARE 0.1 /* of the work may be done before the first look */

static int program_of(const char *service)
{
	for (int i = 0; i < PROGRAMS; i++)
		if (strcmp(program_names[i], service) == 0)
			return i;
	die("no service %s", service);
}

struct pace {
	double per_s; /* from the first look that saw it work */
	double all;   /* since the service started */
};

/* From before the service starts until the sum of its counters has not grown for a while. */
static struct pace work_off(struct place *p, int program, const char *const *counters, size_t n)
{
	double first = 0, last = 0;
	int64_t first_us = 0, last_us = 0;
	int64_t began = kw_monotonic_us(), now = began;

	while (last_us == 0 || now - last_us < QUIET_US) {
		double sum = 0, one = 0;
		bool runs = true;

		for (size_t i = 0; runs && i < n; i++) {
			runs = metric_look(p, program, counters[i], &one);
			sum += one;
		}
		if (!runs && last_us > 0)
			die("%s does not tell its metrics any more", program_names[program]);
		now = kw_monotonic_us();
		if (now - began > LONGEST_US)
			die("%s does not come to an end", program_names[program]);
		if (runs && first_us == 0 && sum > 0) {
			first = sum;
			first_us = now;
		}
		if (runs && sum > last) {
			last = sum;
			last_us = now;
		}
		pause_us(LOOK_US);
	}
	if (first > FIRST_SHARE * last)
		die("%s had done %.0f of %.0f before it could be looked at", program_names[program],
			first, last);
	return (struct pace) { (last - first) * 1e6 / (double)(last_us - first_us), last };
}

void run_stage(struct place *p, const char *service)
{
	static const char *const counters[] = { "karwan_messages_total", "karwan_published_total" };
	struct pace pace = work_off(p, program_of(service), counters, KW_LEN(counters));
	double orders = place_figure(p, "accepted");
	double per_s = pace.per_s * orders / pace.all;

	place_keep(p, kw_arena_printf(p->arena, "stage_per_s.%s", service), per_s);
	tell("%s alone, %.0f orders waiting: %.0f orders/s, %.2f of its SQL alone (%.1f messages and "
	     "events an order)",
		service, orders, per_s,
		per_s / place_figure(p, kw_arena_printf(p->arena, "sql_per_s.%s", service)),
		pace.all / orders);
}

void run_publisher(struct place *p, const char *service)
{
	static const char *const counters[] = { "karwan_published_total" };
	struct pace pace = work_off(p, program_of(service), counters, KW_LEN(counters));

	place_keep(p, "publisher_per_s", pace.per_s);
	tell("the publisher of %s alone, %.0f events waiting: %.0f a second", service, pace.all,
		pace.per_s);
}
