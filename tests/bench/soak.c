/* Long and hard runs: does memory stay as it is, how fast is it as before after a kill, and what
 * becomes of more than the path carries? */
#include "bench.h"

#include "core/clock.h"

#define TENTHS 10
#define USUAL_S 15 /* at the rate, before a kill */
#define WATCHED_S 60
#define OVERLOAD_S 20

static const int services[] = { ROUTING, PAYMENT, DISPATCH };

void run_soak(struct place *p, int64_t n)
{
	int64_t began = kw_monotonic_us(), booked = 0;
	struct run r;

	run_begin(&r, p);
	for (int i = 1; i <= TENTHS; i++) {
		struct load_plan plan = { .window = WINDOW, .orders = n / TENTHS };
		double mb[KW_LEN(services)];

		(void)load_run(r.load, &plan);
		for (size_t s = 0; s < KW_LEN(services); s++) {
			mb[s] = resident_mb(p, services[s]);
			place_keep(p,
				kw_arena_printf(p->arena, "memory.%s", program_names[services[s]]),
				mb[s]);
		}
		int64_t now = kw_monotonic_us(), more = booked_count(r.booked) - booked;
		tell("%lld orders sent, %.0f a second come out: routing %.1f, payment %.1f, dispatch %.1f MiB",
			(long long)(n / TENTHS * i), (double)more * 1e6 / (double)(now - began),
			mb[0], mb[1], mb[2]);
		began = now;
		booked += more;
	}
	load_drain(r.load);
	run_end(&r);
}

struct kill {
	struct watch watch;
	struct place *place;
	int program;
	double killed_s;
};

static bool look_and_kill(void *ctx, double seconds)
{
	struct kill *k = ctx;

	if (seconds >= USUAL_S && k->killed_s == 0) {
		k->killed_s = seconds;
		place_kill(k->place, k->program);
	}
	return watch_look(&k->watch, seconds);
}

static void kill_one(struct place *p, struct run *run, int program, double rate)
{
	struct kill k = { .watch.run = run, .place = p, .program = program };
	struct load_plan plan = {
		.rate = rate, .last_us = WATCHED_S * KW_US_PER_S, .look = look_and_kill, .ctx = &k
	};
	const struct watch *w = &k.watch;

	(void)load_run(run->load, &plan);
	struct recovery r = figures_recovery(w->seconds, w->backlog, w->booked_n, w->n, k.killed_s);
	const char *name = program_names[program];
	place_keep(p, kw_arena_printf(p->arena, "killed.%s.back_s", name), r.back_s);
	place_keep(
		p, kw_arena_printf(p->arena, "killed.%s.drain_ratio", name), r.drain_per_s / rate);
	tell("%s killed at %.0f orders/s: the backlog grows for %.0f s, to %.0f, and is worked off at %.0f "
	     "a second (%.1f times what comes)",
		name, rate, r.back_s, r.peak, r.drain_per_s, r.drain_per_s / rate);
	load_drain(run->load);
}

void run_killed(struct place *p, double rate)
{
	struct run r;

	run_begin(&r, p);
	for (size_t i = 0; i < KW_LEN(services); i++)
		kill_one(p, &r, services[i], rate);
	run_end(&r);
}

void run_overload(struct place *p, double rate)
{
	struct load_plan plan = { .rate = rate, .last_us = OVERLOAD_S * KW_US_PER_S };
	struct run r;

	run_begin(&r, p);
	struct load_result result = load_run(r.load, &plan);
	double backlog = (double)load_backlog(r.load);
	int64_t began = kw_monotonic_us();
	load_drain(r.load);
	double drained_s = (double)(kw_monotonic_us() - began) / 1e6;
	place_keep(p, "overload.rate", rate);
	place_keep(p, "overload.refused", (double)result.refused / (double)result.n);
	place_keep(p, "overload.accept_p50_ms", result.accept_ms.p50_ms);
	place_keep(p, "overload.accept_p99_ms", result.accept_ms.p99_ms);
	place_keep(p, "overload.drained_s", drained_s);
	tell("%.0f orders/s for %d s: %lld requests were refused and sent again, 202 within %.1f / %.1f ms "
	     "(p50 / p99) of when they were due; %.0f orders were in the path then, all booked %.0f s later",
		rate, OVERLOAD_S, (long long)result.refused, result.accept_ms.p50_ms,
		result.accept_ms.p99_ms, backlog, drained_s);
	run_end(&r);
}
