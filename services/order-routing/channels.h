/* Asking channels: a job that reads what changed at each (poll), and one that fetches the orders of
 * which channels only gave notice (fetch). What they learn is appended to the in topic like a
 * webhook, and only when the broker has acknowledged it a cursor moves or an intent ends. So
 * repeats are all that can happen. They run on the service's second job thread: a channel that
 * hangs holds up nobody but those who are asked in the same round, and them until the deadline. */
#ifndef ROUTING_CHANNELS_H
#define ROUTING_CHANNELS_H

#include "svc/svc.h"

struct channels_config {
	int64_t channel_deadline_ms;
};
extern const struct kw_config_key channels_config[];

kw_job_fn poll_job, fetch_job;

#endif
