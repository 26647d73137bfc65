/* What was heard of a channel, as the message that is appended for it: one function for the edge
 * and for the jobs that ask. Pure; any thread. */
#ifndef ROUTING_TOLD_H
#define ROUTING_TOLD_H

#include "adapters/adapter.h"

struct told {
	const char *type;
	struct kw_uuid order_id;
	const void *data;
	const struct submitted *order; /* in data; NULL: the message is no order */
};

/* INVALID with a pointer into their body. */
enum kw_rc told_of(const struct kw_partner *partner, const struct order_adapter *adapter,
	struct kw_arena *a, const struct heard *heard, struct told *ret, struct kw_err *err);

#endif
