/* What order-routing shows in /metrics beside what every service does. */
#ifndef ROUTING_FIGURES_H
#define ROUTING_FIGURES_H

#include "svc/sample.h"

extern struct kw_metric figure_not_processed, figure_flagged, figure_polls, figure_failing,
	figure_fetches;
extern struct kw_metric *const routing_metrics[];
extern const struct kw_sample routing_samples[];

#endif
