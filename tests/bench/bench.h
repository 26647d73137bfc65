/* The commands of the benchmark; each is one step of `./karwan bench` and leaves its figures in the
 * run's folder for the report. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "load.h"

/* Hubs, makers and SKUS listings with stock; returns when the edge has taken them. */
void run_catalogue(struct place *p);
/* n orders through the whole path, as fast as they come out; returns when all are booked. */
void run_warm(struct place *p, int64_t n);
/* One rate for half a minute, and what it takes. */
void run_hold(struct place *p, double rate);
/* The same, its CPU by program kept under a name; and under a name what comes out at full load. */
void run_grown(struct place *p, const char *name, double rate);
void run_seek(struct place *p, const char *name);
/* One run: the highest sustained rate. The first one looks for it from below and above, the others
 * from where the ones before came. */
void run_path(struct place *p);
/* One run: latencies and memory at half of it. */
void run_half(struct place *p);

/* n orders at full load: memory of the services after each tenth of them. */
void run_soak(struct place *p, int64_t n);
/* At one rate, each service of the path killed once: when all work again, and how fast what waited
 * is worked off. */
void run_killed(struct place *p, double rate);
/* A rate that is too high, for a while: what is taken, and that all of it is booked. */
void run_overload(struct place *p, double rate);

/* Parts alone, at full load. */
void run_accept(struct place *p, int64_t n);
void run_read(struct place *p);
void run_publish(struct place *p);
void run_book(struct place *p);
/* The statements that a service made, from tests/bench/record.c's file, on a copy of the database.
 */
void run_replay(struct place *p, const char *service, const char *schema, const char *dsn);
/* A service alone, started after this looks, works off what waits for it of the orders that
 * run_accept has sent. */
void run_stage(struct place *p, const char *service);
/* A service's publisher, started after this looks, sends what waits in the journal. */
void run_publisher(struct place *p, const char *service);

/* The table to standard error; the object too, as the last line of standard output. */
void run_report(struct place *p, const char *check, bool json);

/* Sum of a counter over its labels, of a service's /metrics. */
double metric_of(struct place *p, int program, const char *name);
/* The same of a service that may not run yet; false: it does not. */
bool metric_look(struct place *p, int program, const char *name, double *ret);
/* A tag that no run before had. */
void make_tag(char out[TAG_LENGTH + 1]);

#define WINDOW 6000 /* orders in the path at full load */

/* A generator and a reader of its own. */
struct run {
	char tag[TAG_LENGTH + 1];
	struct booked *booked;
	struct load *load;
};
void run_begin(struct run *r, struct place *p);
void run_end(struct run *r);

/* A run's backlog and what came out, second by second; watch_look is a load_plan's. */
#define LOOKS_MAX 120
struct watch {
	struct run *run;
	double seconds[LOOKS_MAX], backlog[LOOKS_MAX], booked_n[LOOKS_MAX];
	size_t n;
};
bool watch_look(void *watch, double seconds);

#endif
