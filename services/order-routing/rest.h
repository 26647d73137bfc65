/* Channels that let those who asked them wait until the deadline: they are left alone for a while,
 * so that the others do not wait with them. A bounded memory of one process; what does not fit is
 * not remembered. The thread of the jobs that ask, only. */
#ifndef ROUTING_REST_H
#define ROUTING_REST_H

#include <stdbool.h>
#include <stdint.h>

/* Is it left alone now? now_us: of the monotonic clock. */
bool rest_has(const char *channel, int64_t now_us);
/* After it was asked. hung: nothing that it was asked for came before the deadline. */
void rest_learn(const char *channel, bool hung, int64_t now_us);

#endif
