/* The benchmark's arithmetic: percentiles, the schedule of an open loop, whether a backlog is flat,
 * the ceiling that the parts set. Pure; any thread. */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Durations in us; the array is sorted by the call. */
struct spread {
	size_t n;
	double p50_ms, p99_ms, p999_ms;
};
struct spread figures_spread(int64_t *us, size_t n);

/* An open loop sends number i (from 0) at i / rate seconds, whatever the answers do. */
int64_t figures_due_us(double rate, int64_t i);
/* How many are due until then, number 0 included. */
int64_t figures_due(double rate, int64_t elapsed_us);

/* Least squares: how much y grows with each x. */
double figures_slope(const double *x, const double *y, size_t n);
/* A backlog is flat when it grows by less than this share of what is sent. */
#define FLAT_SHARE 0.01
bool figures_flat(
	const double *seconds, const double *backlog, size_t n, double rate, double *ret_growth);

/* What became of a backlog, looked at `seconds` by `seconds`, after a program was killed at one of
 * them. */
struct recovery {
	double back_s;      /* from then until it grew no more: all work again */
	double peak;        /* how far it had grown */
	double drain_per_s; /* what came out from there until it was as before; 0: it never was */
};
struct recovery figures_recovery(
	const double *seconds, const double *backlog, const double *out, size_t n, double killed_s);

double figures_median(double *values, size_t n);

/* What an order needs of a part, and what one unit costs where the part runs alone. */
struct part {
	const char *name;
	double units;   /* an order */
	double unit_us; /* CPU */
};
/* Orders a second that the parts would allow if nothing else cost anything. */
double figures_ceiling(double cores, const struct part *parts, size_t n);

#endif
