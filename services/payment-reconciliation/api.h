/* The HTTP endpoints of payment-reconciliation. */
#ifndef PAYMENT_API_H
#define PAYMENT_API_H

#include "http/server.h"

extern const struct kw_route payment_routes[];

#endif
