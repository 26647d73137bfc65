/* The HTTP handlers of order-routing, and the figures that they count. See http/server.h. */
#ifndef ROUTING_API_H
#define ROUTING_API_H

#include "svc/svc.h"

extern const struct kw_route routing_routes[];

#endif
