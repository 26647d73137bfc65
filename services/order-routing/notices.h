/* What channels tell of an order without telling it: that something happened to it (it is fetched
 * then), that it is gone. The handlers run on the consumer thread. */
#ifndef ROUTING_NOTICES_H
#define ROUTING_NOTICES_H

#include "round.h"

kw_batch_fn on_noticed, on_withdrawn;

/* The channel's cancellation is acted upon once, whatever is left to cancel. reason NULL: not told.
 * false: nothing was left, and that is told by an event already. */
bool cancel_by_channel(struct round *r, struct work *k, const char *reason);

#define WITHDRAWN_REASON "DELETED_AT_THE_CHANNEL"

/* The kind of intents by which a channel's orders are fetched begins so; then the channel's name.
 */
#define FETCH "fetch:"

/* What an intent of that kind holds. */
struct fetch_order {
	const char *channel, *external_id;
};
extern const struct kw_field fetch_order_fields[];

#endif
