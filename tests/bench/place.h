/* Where the measured system is: the run's folder, its addresses, its partners' secrets; and the
 * figures that one command of the benchmark leaves for the next. Read once; then any thread. What
 * is missing ends the program. */
#ifndef BENCH_PLACE_H
#define BENCH_PLACE_H

#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"

struct place {
	struct kw_arena *arena;
	const char *dir; /* RUN_DIR */
	const char *listing_url, *routing_url, *payment_url, *brokers;
	struct kw_bytes order_key, stripe_key, courier_key; /* as the partners file's secrets */
	const char *token;
};

struct place place_read(void);
int place_port(const struct place *p, const char *name);

/* A figure by name in RUN_DIR/figures. What was kept several times, once a run, counts with its
 * median. */
#define FIGURES_MAX 100
void place_keep(const struct place *p, const char *name, double value);
double place_figure(const struct place *p, const char *name);
/* All of one name in the order in which they were kept; returns how many. */
size_t place_figures(const struct place *p, const char *name, double values[FIGURES_MAX]);

_Noreturn void die(const char *fmt, ...) KW_PRINTF(1, 2);
/* Ends the program unless rc is OK. */
void need(enum kw_rc rc, const struct kw_err *err, const char *what);
/* Progress, to standard error. */
void tell(const char *fmt, ...) KW_PRINTF(1, 2);
/* Waits; for those who have nothing to wait for but time. */
void pause_us(int64_t us);

/* ---- CPU and memory of the run's programs, from /proc ---- */

enum { POSTGRES, KAFKA, REDIS, LISTING, ROUTING, PAYMENT, DISPATCH, COURIER, GENERATOR, PROGRAMS };
extern const char *const program_names[PROGRAMS];

struct usage {
	double us[PROGRAMS]; /* 0 where it does not run */
};
struct usage usage_now(const struct place *p);
struct usage usage_since(const struct place *p, const struct usage *then);
double usage_sum(const struct usage *u);
/* Resident memory in MiB; 0 where it does not run. */
double resident_mb(const struct place *p, int program);
/* SIGKILL; its supervisor starts it again. */
void place_kill(const struct place *p, int program);

#endif
