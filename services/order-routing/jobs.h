/* The timers of order-routing, each in a transaction of its own (kw_outcome_run). */
#ifndef ROUTING_JOBS_H
#define ROUTING_JOBS_H

#include "svc/svc.h"

kw_job_fn stock_job, expire_job;

/* Takes counts and sales into stock and tries parked lines again, oldest first, a bounded number
 * each time. */
enum kw_rc stock_round(struct kw_batch *b, void *arg, struct kw_err *err);
/* Cancels what was parked until its date. */
enum kw_rc expire_round(struct kw_batch *b, void *arg, struct kw_err *err);

#endif
