/* What payment-reconciliation shows in /metrics beside what every service does. */
#ifndef PAYMENT_FIGURES_H
#define PAYMENT_FIGURES_H

#include "svc/sample.h"

extern struct kw_metric figure_ignored_events;
extern struct kw_metric *const payment_metrics[];
extern const struct kw_sample payment_samples[];

#endif
