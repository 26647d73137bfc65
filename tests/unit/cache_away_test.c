/* The cache when Redis is away, killed, silent, slow or cut off. */
#include "cache_testing.h"

/* A call ends after 50 ms; a busy machine may run us later. */
#define BOUND_US (KW_US_PER_S / 2)

/* One call on a cache whose Redis does not answer. */
static void assert_bounded(struct kw_cache *c)
{
	struct kw_bytes value;
	int64_t version, begun = kw_monotonic_us();

	assert_int_equal(kw_cache_get(c, test_key, test_arena, &value, &version), KW_NOTHING);
	assert_true(kw_monotonic_us() - begun < BOUND_US);
	assert_false(kw_cache_up(c));
}

/* While the breaker is open, calls cost nothing: a thousand take less than one that waits. */
static void assert_quiet(struct kw_cache *c)
{
	struct kw_bytes value;
	int64_t version, begun = kw_monotonic_us();

	for (int i = 0; i < 1000; i++) {
		assert_int_equal(
			kw_cache_get(c, test_key, test_arena, &value, &version), KW_NOTHING);
		kw_cache_put(c, test_key, (struct kw_bytes) { "x", 1 }, 1, 10);
		kw_cache_del(c, test_key);
	}
	assert_true(kw_monotonic_us() - begun < BOUND_US);
}

static void killed_in_the_middle(void **state)
{
	struct kt_server redis;
	struct kw_bytes value;
	int64_t version;

	(void)state;
	kt_server_new(&redis, "redis-server", "kw-cache");
	kt_server(&redis, "start");
	struct kw_cache *c = test_cache_at(redis.port);
	test_put(c, (struct kw_bytes) { "x", 1 }, 7);
	assert_true(test_get(c, &value, &version));
	kt_server(&redis, "kill");
	assert_bounded(c);
	assert_quiet(c);
	kt_server(&redis, "start");
	/* it comes back by itself, empty */
	test_put(c, (struct kw_bytes) { "y", 1 }, 1);
	assert_true(test_get(c, &value, &version));
	assert_int_equal(version, 1);
	kw_cache_free(c);
	kt_server_end(&redis);
}

static void never_there(void **state)
{
	struct kw_cache *c = test_cache_at(kt_free_port());

	(void)state;
	assert_bounded(c);
	assert_quiet(c);
	kw_cache_free(c);
}

static void silent(void **state)
{
	char host[64];
	int port;

	(void)state;
	test_redis_port(host, &port);
	struct kt_proxy *proxy = kt_proxy_open(host, port, NULL, NULL);
	struct kw_cache *c = test_cache_at(kt_proxy_port(proxy));
	test_put(c, (struct kw_bytes) { "x", 1 }, 1);
	kt_proxy_stall(proxy, true);
	assert_bounded(c);
	int accepted = kt_proxy_accepted(proxy);
	assert_quiet(c);
	assert_int_equal(kt_proxy_accepted(proxy), accepted);
	/* after a second one call tries again, and costs its 50 ms */
	int64_t begun = kw_monotonic_us();
	while (kt_proxy_accepted(proxy) == accepted) {
		struct kw_bytes value;
		int64_t version;

		assert_int_equal(
			kw_cache_get(c, test_key, test_arena, &value, &version), KW_NOTHING);
		assert_true(kw_monotonic_us() - begun < PATIENCE_US);
	}
	kt_proxy_stall(proxy, false);
	test_put(c, (struct kw_bytes) { "y", 1 }, 2);
	kw_cache_free(c);
	kt_proxy_close(proxy);
}

/* Each piece comes in time, the whole does not: the call ends, and its link is not used again. */
static void trickling(void **state)
{
	static char large[600 * 1024];
	char host[64];
	int port;
	struct kw_bytes value;
	int64_t version;

	(void)state;
	test_redis_port(host, &port);
	struct kt_proxy *proxy = kt_proxy_open(host, port, NULL, NULL);
	struct kw_cache *c = test_cache_at(kt_proxy_port(proxy));
	test_put(c, (struct kw_bytes) { large, sizeof(large) }, 1);
	assert_true(test_get(c, &value, &version));
	kt_proxy_delay(proxy, 10);
	assert_bounded(c);
	kt_proxy_delay(proxy, 0);
	/* the late answer is never taken for that of another question */
	snprintf(test_key + strlen(test_key), 8, "-other");
	test_absent(c);
	kw_cache_free(c);
	kt_proxy_close(proxy);
}

static enum kt_verdict cut_scripts(
	void *ctx, int connection, bool to_server, const void *bytes, size_t n)
{
	(void)ctx;
	(void)connection;
	return to_server && kt_bytes_contain(bytes, n, "EVAL") ? KT_CUT : KT_PASS;
}

static void cut(void **state)
{
	char host[64];
	int port;

	(void)state;
	test_redis_port(host, &port);
	struct kt_proxy *proxy = kt_proxy_open(host, port, cut_scripts, NULL);
	struct kw_cache *c = test_cache_at(kt_proxy_port(proxy));
	test_absent(c);
	kw_cache_put(c, test_key, (struct kw_bytes) { "x", 1 }, 1, 10);
	assert_false(kw_cache_up(c));
	test_absent(c);
	kw_cache_free(c);
	kt_proxy_close(proxy);
}

/* A link that Redis closed between two calls costs neither: it is replaced before it is used. */
static void closed_meanwhile(void **state)
{
	char host[64];
	int port, unnoticed = 0;

	(void)state;
	test_redis_port(host, &port);
	struct kt_proxy *proxy = kt_proxy_open(host, port, NULL, NULL);
	struct kw_cache *c = test_cache_at(kt_proxy_port(proxy));
	for (int i = 1; i <= 10; i++) {
		test_put(c, (struct kw_bytes) { "x", 1 }, i);
		kt_proxy_cut(proxy);
		kw_cache_put(c, test_key, (struct kw_bytes) { "y", 1 }, i, 10);
		unnoticed += kw_cache_up(c);
	}
	assert_true(unnoticed > 0); /* each, but for a machine too busy for 50 ms */
	kw_cache_free(c);
	kt_proxy_close(proxy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(killed_in_the_middle, test_new_key),
		cmocka_unit_test_setup(never_there, test_new_key),
		cmocka_unit_test_setup(silent, test_new_key),
		cmocka_unit_test_setup(trickling, test_new_key),
		cmocka_unit_test_setup(cut, test_new_key),
		cmocka_unit_test_setup(closed_meanwhile, test_new_key),
	};
	return cmocka_run_group_tests(tests, test_set_up, test_tear_down);
}
