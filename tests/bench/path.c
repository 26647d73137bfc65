/* The whole path: what it carries, and how long an order takes at half of that. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "http/client.h"

#define CONNECTIONS 96
#define SEEK_S 12
#define SETTLE_S 5
#define HOLD_S 30
#define TRIES 6
#define STEP 1.04
#define MODESTY 0.97 /* of what came out while the backlog grew */

void run_begin(struct run *r, struct place *p)
{
	make_tag(r->tag);
	r->booked = booked_start(p, r->tag);
	r->load = load_new(p, r->booked, r->tag, CONNECTIONS);
}

void run_end(struct run *r)
{
	load_free(r->load);
	booked_stop(r->booked);
}

bool watch_look(void *watch, double seconds)
{
	struct watch *w = watch;

	kw_assert(w->n < LOOKS_MAX);
	w->seconds[w->n] = seconds;
	w->backlog[w->n] = (double)load_backlog(w->run->load);
	w->booked_n[w->n++] = (double)booked_count(w->run->booked);
	return true;
}

void make_tag(char out[TAG_LENGTH + 1])
{
	snprintf(out, TAG_LENGTH + 1, "%08llx",
		(unsigned long long)(kw_now(&kw_clock_system) / 1000) & 0xffffffffu);
}

bool metric_look(struct place *p, int program, const char *name, double *ret)
{
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new((size_t)16 << 20);
	struct kw_client *client = kw_client_new(true);
	struct kw_call call = { .method = "GET" };
	double sum = 0;
	size_t n = strlen(name);

	call.url = kw_arena_printf(a, "http://127.0.0.1:%d/metrics",
		place_port(p, kw_arena_printf(a, "%s-admin", program_names[program])));
	kw_client_run(client, a, &call, 1, 10000, (size_t)4 << 20);
	kw_client_free(client);
	if (call.rc != KW_OK || call.status != 200)
		return false;
	char *text = kw_arena_strn(a, call.answer.p, call.answer.n);
	for (char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, n) == 0 && (line[n] == ' ' || line[n] == '{')) {
			char *value = strchr(line, line[n] == '{' ? '}' : ' ');
			double v;
			if (value && sscanf(value + 1, "%lf", &v) == 1)
				sum += v;
		}
	}
	*ret = sum;
	return true;
}

double metric_of(struct place *p, int program, const char *name)
{
	double sum;

	if (!metric_look(p, program, name, &sum))
		die("%s does not tell its metrics", program_names[program]);
	return sum;
}

/* ---- what an order is made of, counted while the path runs ---- */

static const int services[] = { LISTING, ROUTING, PAYMENT, DISPATCH };

struct counts {
	double read, skipped, published;
};

static struct counts counts_now(struct place *p)
{
	struct counts c = { 0 };

	for (size_t i = 0; i < KW_LEN(services); i++) {
		c.read += metric_of(p, services[i], "karwan_messages_total");
		c.skipped += metric_of(p, services[i], "karwan_skipped_total");
		c.published += metric_of(p, services[i], "karwan_published_total");
	}
	/* the generator reads what courier-dispatch publishes */
	c.read += metric_of(p, DISPATCH, "karwan_published_total");
	return c;
}

/* ---- the highest rate ---- */

static double seek(struct run *run)
{
	struct watch w = { .run = run };
	struct load *l = run->load;
	struct load_plan plan = {
		.window = WINDOW, .last_us = SEEK_S * KW_US_PER_S, .look = watch_look, .ctx = &w
	};
	struct load_result r = load_run(l, &plan);

	if (r.refused > 0)
		tell("%lld requests were refused and sent again", (long long)r.refused);
	size_t from = w.n / 3;
	double rate = figures_slope(&w.seconds[from], &w.booked_n[from], w.n - from);
	tell("full load, %d orders in the path: %.0f orders/s come out", WINDOW, rate);
	load_drain(l);
	return rate;
}

static void tell_usage(const struct usage *u, double orders)
{
	for (int i = 0; i < PROGRAMS; i++)
		tell("  %-24s %6.1f us", program_names[i], u->us[i] / orders);
}

struct held {
	double rate, growth;
	bool flat;
	struct usage usage;
	struct counts counts;
	double orders;
};

/* Is the backlog flat at this rate? With the CPU of HOLD_S seconds. */
static struct held hold(struct place *p, struct run *run, double rate)
{
	struct watch w = { .run = run };
	struct load *l = run->load;
	struct booked *b = run->booked;
	struct load_plan settle = { .rate = rate, .last_us = SETTLE_S * KW_US_PER_S };
	struct load_plan plan = {
		.rate = rate, .last_us = HOLD_S * KW_US_PER_S, .look = watch_look, .ctx = &w
	};
	struct held h = { .rate = rate };

	(void)load_run(l, &settle);
	struct usage before = usage_now(p);
	struct counts then = counts_now(p);
	int64_t booked = booked_count(b);
	struct load_result r = load_run(l, &plan);
	h.orders = (double)(booked_count(b) - booked);
	h.usage = usage_since(p, &before);
	struct counts now = counts_now(p);
	h.counts = (struct counts) { now.read - then.read, now.skipped - then.skipped,
		now.published - then.published };
	h.flat = r.refused == 0 && figures_flat(w.seconds, w.backlog, w.n, rate, &h.growth);
	tell("%.0f orders/s for %d s: the backlog %s (%+.0f a second, %.0f at the end)%s; %.0f us of "
	     "CPU an order, %.2f cores",
		rate, HOLD_S, h.flat ? "is flat" : "grows", h.growth, w.backlog[w.n - 1],
		r.refused ? ", requests were refused" : "", usage_sum(&h.usage) / h.orders,
		usage_sum(&h.usage) / 1e6 / HOLD_S);
	tell_usage(&h.usage, h.orders);
	load_drain(l);
	return h;
}

static void keep_held(struct place *p, const struct held *h)
{
	place_keep(p, "orders_per_s", h->rate);
	for (int i = 0; i < PROGRAMS; i++)
		place_keep(p, kw_arena_printf(p->arena, "cpu.%s", program_names[i]),
			h->usage.us[i] / h->orders);
	place_keep(p, "units.read", h->counts.read / h->orders);
	place_keep(p, "units.skipped", h->counts.skipped / h->orders);
	place_keep(p, "units.publish", h->counts.published / h->orders);
}

/* Up or down by steps, until a rate holds and the next one does not. */
static void search(struct place *p, struct run *run, double rate)
{
	struct held best = { 0 };
	double too_high = 0;

	for (int i = 0; i < TRIES; i++) {
		struct held h = hold(p, run, rate);

		if (h.flat && h.rate > best.rate)
			best = h;
		if (!h.flat && (too_high == 0 || h.rate < too_high))
			too_high = h.rate;
		if (best.rate > 0 && too_high > 0 && too_high < best.rate * STEP * STEP)
			break;
		if (best.rate > 0)
			rate = too_high > 0 ? (best.rate + too_high) / 2 : best.rate * STEP;
		else
			rate = (h.rate - h.growth) * MODESTY;
	}
	if (best.rate <= 0)
		die("no rate held");
	keep_held(p, &best);
}

static void halve(struct place *p, struct load *l, double rate)
{
	struct load_plan plan = { .rate = rate, .last_us = SETTLE_S * KW_US_PER_S };
	int64_t missing;

	(void)load_run(l, &plan);
	plan.last_us = HOLD_S * KW_US_PER_S;
	struct load_result r = load_run(l, &plan);
	for (int i = ROUTING; i <= DISPATCH; i++)
		place_keep(p, kw_arena_printf(p->arena, "resident.%s", program_names[i]),
			resident_mb(p, i));
	load_drain(l);
	struct spread e = load_event_ms(l, r.first, r.n, &missing);
	if (missing > 0)
		die("%lld orders without an event", (long long)missing);
	if (r.refused > 0)
		tell("%lld requests were refused and sent again", (long long)r.refused);
	place_keep(p, "half.rate", rate);
	place_keep(p, "accept.p50", r.accept_ms.p50_ms);
	place_keep(p, "accept.p99", r.accept_ms.p99_ms);
	place_keep(p, "accept.p999", r.accept_ms.p999_ms);
	place_keep(p, "event.p50", e.p50_ms);
	place_keep(p, "event.p99", e.p99_ms);
	place_keep(p, "event.p999", e.p999_ms);
	tell("%.0f orders/s: 202 within %.1f / %.1f / %.1f ms, booked within %.0f / %.0f / %.0f ms"
	     " (p50 / p99 / p99.9)",
		rate, r.accept_ms.p50_ms, r.accept_ms.p99_ms, r.accept_ms.p999_ms, e.p50_ms,
		e.p99_ms, e.p999_ms);
}

void run_path(struct place *p)
{
	double known[FIGURES_MAX];
	struct run r;

	run_begin(&r, p);
	search(p, &r,
		place_figures(p, "orders_per_s", known) > 0 ? place_figure(p, "orders_per_s")
							    : seek(&r));
	run_end(&r);
}

void run_half(struct place *p)
{
	struct run r;

	run_begin(&r, p);
	halve(p, r.load, place_figure(p, "orders_per_s") / 2);
	run_end(&r);
}

void run_seek(struct place *p, const char *name)
{
	struct run r;

	run_begin(&r, p);
	place_keep(p, name, seek(&r));
	run_end(&r);
}

void run_grown(struct place *p, const char *name, double rate)
{
	struct run r;

	run_begin(&r, p);
	struct held h = hold(p, &r, rate);
	for (int i = 0; i < PROGRAMS; i++)
		place_keep(p, kw_arena_printf(p->arena, "%s.%s", name, program_names[i]),
			h.usage.us[i] / h.orders);
	run_end(&r);
}

void run_hold(struct place *p, double rate)
{
	struct run r;

	run_begin(&r, p);
	(void)hold(p, &r, rate);
	run_end(&r);
}

void run_warm(struct place *p, int64_t n)
{
	struct run r;

	run_begin(&r, p);
	struct load_plan plan = { .window = WINDOW, .orders = n };
	struct usage before = usage_now(p);
	int64_t began = kw_monotonic_us();
	struct load_result result = load_run(r.load, &plan);

	load_drain(r.load);
	if (result.refused > 0)
		tell("%lld requests were refused and sent again", (long long)result.refused);
	struct usage u = usage_since(p, &before);
	double seconds = (double)(kw_monotonic_us() - began) / 1e6;
	tell("%lld orders in %.1f s: %.0f orders/s, %.0f us of CPU an order", (long long)n, seconds,
		(double)n / seconds, usage_sum(&u) / (double)n);
	tell_usage(&u, (double)n);
	run_end(&r);
}
