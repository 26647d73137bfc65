/* Reads karwan.parcel.booked.v1 from Kafka, as a partner does, and tells when each order's came.
 * A thread of its own; booked_count and booked_us from any. */
#ifndef BENCH_BOOKED_H
#define BENCH_BOOKED_H

#include "orders.h"

#define ORDERS_MAX 8000000

struct booked;
/* Returns when all partitions are read from their ends. */
struct booked *booked_start(const struct place *p, const char tag[TAG_LENGTH + 1]);
void booked_stop(struct booked *b);
/* Orders of this tag whose event was read, and all events that were read. */
int64_t booked_count(struct booked *b);
/* When the event of order i was read (kw_monotonic_us); 0: not yet. */
int64_t booked_us(struct booked *b, int64_t i);

#endif
