/* What the tests of the cache share: a cache on the run's Redis, a key of its own for each test,
 * and calls that are made again when a busy machine let the 50 ms pass. */
#ifndef KW_TESTS_UNIT_CACHE_TESTING_H
#define KW_TESTS_UNIT_CACHE_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "cache/cache.h"
#include "core/clock.h"
#include "proxy.h"
#include "support.h"

#define PATIENCE_US (20 * KW_US_PER_S)

extern struct kw_arena *test_arena;
extern struct kw_cache *test_cache;
extern redisContext *test_raw; /* the same Redis, without our library */
extern char test_key[80];

/* Of the program, and of each test. */
int test_set_up(void **state);
int test_tear_down(void **state);
int test_new_key(void **state);

void test_redis_port(char host[64], int *port);
struct kw_cache *test_cache_open(const char *url);
struct kw_cache *test_cache_at(int port);
/* All at test_key. False when patience ends. */
bool test_get(struct kw_cache *c, struct kw_bytes *ret, int64_t *ret_version);
/* Asserts NOTHING from a Redis that answers. */
void test_absent(struct kw_cache *c);
void test_put(struct kw_cache *c, struct kw_bytes value, int64_t version);

#endif
