/* The HTTP routes and their handlers. */
#ifndef DISPATCH_API_H
#define DISPATCH_API_H

#include "http/server.h"

extern const struct kw_route dispatch_routes[];

#endif
