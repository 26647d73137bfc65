/* What is sent, in which order: a function of seed, rate and start. One thread. */
#ifndef LOAD_PLAN_H
#define LOAD_PLAN_H

#include "message.h"

struct plan;

/* rate: messages a second; it says how long after an order its money comes. */
struct plan *plan_new(uint64_t seed, double rate, kw_time start);
void plan_free(struct plan *p);

/* Hubs, makers and listings, in rounds: what a round speaks of was in an earlier one. Returns how
 * many there are in the round; 0: there is none. ret has room for LISTINGS. */
size_t plan_catalogue(struct plan *p, int round, struct message *ret);
/* The next one. */
void plan_next(struct plan *p, struct message *ret);

#endif
