/* What the benchmark sends: order i and its money, as whole HTTP requests, signed. One template of
 * each is filled in, so that a request costs little more than its HMAC. One thread. */
#ifndef BENCH_ORDERS_H
#define BENCH_ORDERS_H

#include "place.h"

#define SKUS 1000
#define SKUS_A_MAKER 10
#define MAKERS (SKUS / SKUS_A_MAKER)
#define HUBS 4
#define REQUEST_MAX 4096
#define TAG_LENGTH 8
#define NUMBER_LENGTH 9
#define EXTERNAL_ID_LENGTH (TAG_LENGTH + 1 + NUMBER_LENGTH)

struct orders;
/* tag: of this program's run, so that no two runs send the same order. */
struct orders *orders_new(const struct place *p, const char tag[TAG_LENGTH + 1]);
void orders_free(struct orders *o);
/* The request's bytes; returns how many. */
size_t orders_order(struct orders *o, int64_t i, int64_t now_s, char out[REQUEST_MAX]);
size_t orders_event(struct orders *o, int64_t i, int64_t now_s, char out[REQUEST_MAX]);
/* The order's number from its external id; -1: it is not of this tag. */
int64_t orders_number(const char *tag, const char *external_id);

#endif
