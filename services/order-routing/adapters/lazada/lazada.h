/* What the files of this adapter share. */
#ifndef ROUTING_LAZADA_H
#define ROUTING_LAZADA_H

#include "adapters/adapter.h"

extern const struct order_api lazada_api;

#endif
