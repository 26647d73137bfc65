/* A courier to try Karwan against: books, refuses, forgets to answer, tells of scans, doubled and
 * out of order, all decided by a seed and the booking's reference, so that a run can be repeated.
 * Nothing is kept. Speaks the interface of services/courier-dispatch/adapters/karwan. Start and
 * stop from one thread. */
#ifndef SIM_COURIER_H
#define SIM_COURIER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"

struct courier_options {
	const char *name;
	const char *listen;       /* "127.0.0.1:0" */
	struct kw_bytes secret;   /* Standard Webhooks, both ways */
	const char *tracking_url; /* NULL: it never tells anything */
	uint64_t seed;
	/* Probabilities, 0 to 1. */
	double refuse;        /* a parcel is refused */
	double time_out;      /* booked, and the answer comes after hang_ms */
	double drop;          /* not booked at the first call, which hangs too */
	double attempt;       /* a delivery fails once before it succeeds */
	double undeliverable; /* a delivery fails three times before it succeeds */
	double returned;      /* it goes back in the end */
	double lost;
	double odd;                     /* a scan with a word that nobody knows */
	double duplicate;               /* of a scan: it is told twice */
	double reorder;                 /* of a scan: the next one is told before it */
	double delay;                   /* of a scan: it is told delay_ms late */
	int hang_ms, step_ms, delay_ms; /* step: from one scan to the next */
};

/* No tracking, no refusals: fill in what differs. */
struct courier_options courier_defaults(void);

struct courier_stats {
	int64_t calls;    /* POST /v1/bookings */
	int64_t bookings; /* accepted */
	int64_t refused;
	int64_t repeats; /* a reference that has its answer was asked for again */
	int64_t inquiries, cancelled, cancels_refused, recalled;
	int64_t scans;    /* told and acknowledged, doubles not counted */
	int64_t rejected; /* scans that the other side will never take */
	int64_t waiting;  /* scans not told yet */
};

/* The tracking number that a courier of this name gives to a reference: a function of both, so that
 * one that was started anew gives the same again. */
#define COURIER_NUMBER_MAX 24
void courier_number(const char *name, const char *reference, char out[COURIER_NUMBER_MAX]);

struct courier;
enum kw_rc courier_start(
	const struct courier_options *options, struct courier **ret, struct kw_err *err);
int courier_port(const struct courier *c);
void courier_stats(struct courier *c, struct courier_stats *ret);
void courier_stop(struct courier *c);

#endif
