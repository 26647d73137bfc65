/* The batch handlers of order-routing and its topic table. Consumer thread; see flow/batch.h. */
#ifndef ROUTING_HANDLERS_H
#define ROUTING_HANDLERS_H

#include "flow/batch.h"

extern const struct kw_topic_row routing_topics[];

#endif
