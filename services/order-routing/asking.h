/* Asking channels: a job that reads what changed at each (poll.c), and one that fetches the orders
 * of which channels only gave notice (fetch.c). What they learn is appended to the in topic like a
 * webhook, and only when the broker has acknowledged it a place moves or an intent ends. So repeats
 * are all that can happen. They run on the service's second job thread: a channel that hangs holds
 * up nobody but those who are asked in the same round, and them until the deadline. */
#ifndef ROUTING_ASKING_H
#define ROUTING_ASKING_H

#include "told.h"

struct channels_config {
	int64_t channel_deadline_ms;
};
extern const struct kw_config_key channels_config[];

kw_job_fn poll_job, fetch_job;

/* ---- what both work with ---- */

struct asking {
	struct kw_svc *svc;
	const struct kw_partners *partners; /* the same ones for the whole round */
	struct kw_arena *a;
	kw_time now;
	int deadline_ms;
	/* to be appended when all answers are read */
	struct kw_job_message *messages;
	size_t n_messages;
};

struct asking asking_of(struct kw_svc *svc, struct kw_arena *a);
int asking_lease_ms(const struct asking *q);
/* NULL: this channel is not asked. */
const struct order_api *asking_api(const struct kw_partner *channel);
/* What is wrong, for a figure and for a person: no words of theirs but those that a reader of ours
 * made. */
const char *asking_word(const struct kw_err *err);
const char *asking_why(struct kw_arena *a, const struct kw_err *err);
void asking_append(struct asking *q, const struct told *told, const char *trace);

#endif
