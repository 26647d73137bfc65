#include "cache_testing.h"

struct kw_arena *test_arena;
struct kw_cache *test_cache;
redisContext *test_raw;
char test_key[80];

void test_redis_port(char host[64], int *port)
{
	assert_int_equal(sscanf(kt_need("TEST_REDIS_URL"), "redis://%63[^:]:%d", host, port), 2);
}

struct kw_cache *test_cache_open(const char *url)
{
	struct kw_cache *c;

	assert_int_equal(kw_cache_open(url, &c, NULL), KW_OK);
	return c;
}

struct kw_cache *test_cache_at(int port)
{
	char url[64];

	snprintf(url, sizeof(url), "redis://127.0.0.1:%d", port);
	return test_cache_open(url);
}

int test_set_up(void **state)
{
	char host[64];
	int port;

	(void)state;
	test_redis_port(host, &port);
	test_raw = redisConnect(host, port);
	assert_true(test_raw && !test_raw->err);
	test_arena = kw_arena_new((size_t)64 << 20);
	test_cache = test_cache_open(kt_need("TEST_REDIS_URL"));
	return 0;
}

int test_tear_down(void **state)
{
	(void)state;
	kw_cache_free(test_cache);
	redisFree(test_raw);
	kw_arena_free(test_arena);
	return 0;
}

int test_new_key(void **state)
{
	static int n;

	(void)state;
	kw_arena_reset(test_arena);
	snprintf(test_key, sizeof(test_key), "%s-%d", kt_unique("kw-cache"), n++);
	return 0;
}

/* A call may fail at any time on a busy machine, and says so: then it is made again. */
bool test_get(struct kw_cache *c, struct kw_bytes *ret, int64_t *ret_version)
{
	int64_t begun = kw_monotonic_us();

	while (kw_cache_get(c, test_key, test_arena, ret, ret_version) != KW_OK)
		if (kw_monotonic_us() - begun > PATIENCE_US)
			return false;
	return true;
}

/* NOTHING from a Redis that answers. */
void test_absent(struct kw_cache *c)
{
	struct kw_bytes value;
	int64_t version, begun = kw_monotonic_us();

	do {
		assert_true(kw_monotonic_us() - begun < PATIENCE_US);
		assert_int_equal(
			kw_cache_get(c, test_key, test_arena, &value, &version), KW_NOTHING);
	} while (!kw_cache_up(c));
}

void test_put(struct kw_cache *c, struct kw_bytes value, int64_t version)
{
	int64_t begun = kw_monotonic_us();

	do {
		assert_true(kw_monotonic_us() - begun < PATIENCE_US);
		kw_cache_put(c, test_key, value, version, 100);
	} while (!kw_cache_up(c));
}
