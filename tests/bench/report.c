/* What the steps have left, as a table and as one object. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

/* One row is one part. units: the figure that says how many an order needs, NULL: one. */
static const struct row {
	const char *name, *key, *what, *units, *us;
} rows[] = {
	{ "order and its payment event accepted", "accept", "pair", NULL, "us.accept" },
	{ "JSON decoded", "decode", "KB", "units.decode", "us.decode" },
	{ "JSON encoded", "encode", "KB", "units.encode", "us.encode" },
	{ "read from Kafka", "read", "record", "units.read", "us.read" },
	{ "published to Kafka", "publish", "event", "units.publish", "us.publish" },
	{ "SQL of listing-ingestion", "sql_listing", "order", NULL, "us.sql.listing-ingestion" },
	{ "SQL of order-routing", "sql_routing", "order", NULL, "us.sql.order-routing" },
	{ "SQL of payment-reconciliation", "sql_payment", "order", NULL,
		"us.sql.payment-reconciliation" },
	{ "SQL of courier-dispatch", "sql_dispatch", "order", NULL, "us.sql.courier-dispatch" },
	{ "booked at a courier", "book", "parcel", NULL, "us.book" },
};

#define FIGURE(key) place_figure(p, key)

struct stage {
	double per_s, sql_per_s;
};

static struct stage stage_of(struct place *p, int program)
{
	const char *name = program_names[program];

	return (struct stage) { FIGURE(kw_arena_printf(p->arena, "stage_per_s.%s", name)),
		FIGURE(kw_arena_printf(p->arena, "sql_per_s.%s", name)) };
}

static void tell_runs(struct place *p, const char *key, const char *what)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf out;
	double values[FIGURES_MAX];
	size_t n = place_figures(p, key, values);

	kw_buf_init(&out, 16 * 1024);
	for (size_t i = 0; i < n; i++)
		kw_buf_printf(&out, " %.1f", values[i]);
	tell("  median of%s %s", out.p, what);
}

static void print_table(struct place *p, const struct part *parts, double cores, const char *check)
{
	double cpu = 0;

	tell("\nan order needs                          units      us each      us an order");
	for (size_t i = 0; i < KW_LEN(rows); i++)
		tell("  %-36s %6.2f %-7s %7.2f   %10.1f", parts[i].name, parts[i].units,
			rows[i].what, parts[i].unit_us, parts[i].units * parts[i].unit_us);
	double ceiling = figures_ceiling(cores, parts, KW_LEN(rows));
	tell("ceiling of the parts on %.0f cores: %.0f orders/s", cores, ceiling);
	tell("\nCPU of an order in the whole path:");
	for (int i = 0; i < PROGRAMS; i++) {
		double us = FIGURE(kw_arena_printf(p->arena, "cpu.%s", program_names[i]));
		cpu += us;
		tell("  %-36s %10.1f us", program_names[i], us);
	}
	tell("  %-36s %10.1f us", "together", cpu);
	tell("\na service alone, its orders waiting:");
	for (int i = ROUTING; i <= DISPATCH; i++) {
		struct stage s = stage_of(p, i);
		tell("  %-36s %6.0f orders/s, %.2f of the %.0f of its SQL alone", program_names[i],
			s.per_s, s.per_s / s.sql_per_s, s.sql_per_s);
	}
	tell("  %-36s %6.0f events/s", "publisher", FIGURE("publisher_per_s"));
	tell("\n%.0f orders/s, %.2f of the ceiling", FIGURE("orders_per_s"),
		FIGURE("orders_per_s") / ceiling);
	tell_runs(p, "orders_per_s", "orders/s");
	tell_runs(p, "accept.p99", "ms, 202 p99");
	tell_runs(p, "event.p99", "ms, booked p99");
	tell("at %.0f orders/s: 202 within %.1f / %.1f / %.1f ms, booked within %.0f / %.0f / %.0f ms "
	     "(p50 / p99 / p99.9)",
		FIGURE("half.rate"), FIGURE("accept.p50"), FIGURE("accept.p99"),
		FIGURE("accept.p999"), FIGURE("event.p50"), FIGURE("event.p99"),
		FIGURE("event.p999"));
	tell("resident: routing %.0f, payment %.0f, dispatch %.0f MiB; ready %.2f s after start",
		FIGURE("resident.order-routing"), FIGURE("resident.payment-reconciliation"),
		FIGURE("resident.courier-dispatch"), FIGURE("ready_s"));
	tell("check: %s", check);
}

static void add_spread(struct place *p, struct kw_buf *out, const char *name, const char *key)
{
	kw_buf_printf(out, "\"%s\":{\"p50\":%.2f,\"p99\":%.2f,\"p999\":%.2f},", name,
		FIGURE(kw_arena_printf(p->arena, "%s.p50", key)),
		FIGURE(kw_arena_printf(p->arena, "%s.p99", key)),
		FIGURE(kw_arena_printf(p->arena, "%s.p999", key)));
}

static void add_runs(struct place *p, struct kw_buf *out, const char *name, const char *key)
{
	double values[FIGURES_MAX];
	size_t n = place_figures(p, key, values);

	kw_buf_printf(out, "\"%s\":[", name);
	for (size_t i = 0; i < n; i++)
		kw_buf_printf(out, "%s%.2f", i ? "," : "", values[i]);
	kw_buf_str(out, "],");
}

static void print_json(struct place *p, const struct part *parts, double ceiling, const char *check)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf out;

	kw_buf_init(&out, 64 * 1024);
	kw_buf_printf(&out, "{\"orders_per_s\":%.0f,\"parts_ratio\":%.3f,\"ceiling\":%.0f,",
		FIGURE("orders_per_s"), FIGURE("orders_per_s") / ceiling, ceiling);
	add_spread(p, &out, "accept_ms", "accept");
	add_spread(p, &out, "event_ms", "event");
	kw_buf_str(&out, "\"runs\":{");
	add_runs(p, &out, "orders_per_s", "orders_per_s");
	add_runs(p, &out, "accept_p99_ms", "accept.p99");
	add_runs(p, &out, "event_p99_ms", "event.p99");
	out.n--;
	kw_buf_str(&out, "},\"cpu_us_per_order\":{");
	for (int i = 0; i < PROGRAMS; i++)
		kw_buf_printf(&out, "%s\"%s\":%.1f", i ? "," : "", program_names[i],
			FIGURE(kw_arena_printf(p->arena, "cpu.%s", program_names[i])));
	kw_buf_str(&out, "},\"parts\":{");
	for (size_t i = 0; i < KW_LEN(rows); i++)
		kw_buf_printf(&out, "%s\"%s\":{\"units\":%.3f,\"us\":%.3f}", i ? "," : "",
			rows[i].key, parts[i].units, parts[i].unit_us);
	kw_buf_str(&out, "},\"stages\":{");
	for (int i = ROUTING; i <= DISPATCH; i++) {
		struct stage s = stage_of(p, i);
		kw_buf_printf(&out, "%s\"%s\":{\"per_s\":%.0f,\"sql_per_s\":%.0f,\"ratio\":%.2f}",
			i > ROUTING ? "," : "", program_names[i], s.per_s, s.sql_per_s,
			s.per_s / s.sql_per_s);
	}
	kw_buf_printf(
		&out, "},\"publisher_per_s\":%.0f,\"resident_mb\":{", FIGURE("publisher_per_s"));
	for (int i = ROUTING; i <= DISPATCH; i++)
		kw_buf_printf(&out, "%s\"%s\":%.1f", i > ROUTING ? "," : "", program_names[i],
			FIGURE(kw_arena_printf(p->arena, "resident.%s", program_names[i])));
	kw_buf_printf(&out, "},\"ready_s\":%.2f,\"check\":", FIGURE("ready_s"));
	kw_buf_json_str(&out, check);
	kw_buf_char(&out, '}');
	puts(out.p);
}

void run_report(struct place *p, const char *check, bool json)
{
	struct part parts[KW_LEN(rows)];
	double cores = (double)sysconf(_SC_NPROCESSORS_ONLN);

	for (size_t i = 0; i < KW_LEN(rows); i++)
		parts[i] = (struct part) { rows[i].name, rows[i].units ? FIGURE(rows[i].units) : 1,
			FIGURE(rows[i].us) };
	print_table(p, parts, cores, check);
	if (json)
		print_json(p, parts, figures_ceiling(cores, parts, KW_LEN(rows)), check);
}
