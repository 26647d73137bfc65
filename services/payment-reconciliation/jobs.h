/* The timers of payment-reconciliation, and its own configuration. */
#ifndef PAYMENT_JOBS_H
#define PAYMENT_JOBS_H

#include "svc/svc.h"

struct payment_config {
	int64_t order_wait_s;
};

extern const struct kw_config_key payment_config_keys[];
extern const struct kw_job payment_jobs[];

#endif
