/* The HTTP routes and their handlers. */
#ifndef DISPATCH_API_H
#define DISPATCH_API_H

#include "http/server.h"
#include "svc/metrics.h"

extern const struct kw_route dispatch_routes[];
extern struct kw_metric *const dispatch_metrics[]; /* what they count */

#endif
