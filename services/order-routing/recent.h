/* What this edge has just appended: (order, kind, source time) -> content, so that other content
 * under the same is answered 409. A bounded memory of hints that may be lost; no decision about
 * orders reads it, except that what a poll finds again is not appended again. Learnt only after the
 * broker's acknowledgement. Any thread. */
#ifndef ROUTING_RECENT_H
#define ROUTING_RECENT_H

#include <stdbool.h>

#include "model.h"

/* Is other content known under the message's kind and time? */
bool recent_conflicts(const struct submitted *m);
/* Is it known to be appended already? */
bool recent_knows(const struct submitted *m);
void recent_learn(const struct submitted *m);
void recent_forget_all(void);

#endif
