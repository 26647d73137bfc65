/* Exceptions that a person ends. The handler runs on the consumer thread. */
#ifndef ROUTING_EXCEPTIONS_H
#define ROUTING_EXCEPTIONS_H

#include "svc/resolution.h"

kw_batch_fn on_resolve_requested;

#endif
