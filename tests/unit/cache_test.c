/* The cache against a real Redis: versions, what is not ours, and a Redis that is away, slow or
 * killed. */
#include <pthread.h>
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
/* A call ends after 50 ms; a busy machine may run us later. */
#define BOUND_US (KW_US_PER_S / 2)

static struct kw_arena *a;
static struct kw_cache *cache;
static redisContext *raw;
static char key[80];

static void redis_port(char host[64], int *port)
{
	assert_int_equal(sscanf(kt_need("TEST_REDIS_URL"), "redis://%63[^:]:%d", host, port), 2);
}

static struct kw_cache *open_cache(const char *url)
{
	struct kw_cache *c;

	assert_int_equal(kw_cache_open(url, &c, NULL), KW_OK);
	return c;
}

static struct kw_cache *open_cache_at(int port)
{
	char url[64];

	snprintf(url, sizeof(url), "redis://127.0.0.1:%d", port);
	return open_cache(url);
}

static int set_up(void **state)
{
	char host[64];
	int port;

	(void)state;
	redis_port(host, &port);
	raw = redisConnect(host, port);
	assert_true(raw && !raw->err);
	a = kw_arena_new((size_t)64 << 20);
	cache = open_cache(kt_need("TEST_REDIS_URL"));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	kw_cache_free(cache);
	redisFree(raw);
	kw_arena_free(a);
	return 0;
}

static int new_key(void **state)
{
	static int n;

	(void)state;
	kw_arena_reset(a);
	snprintf(key, sizeof(key), "%s-%d", kt_unique("kw-cache"), n++);
	return 0;
}

/* A call may fail at any time on a busy machine, and says so: then it is made again. */
static bool get_at_last(struct kw_cache *c, struct kw_bytes *ret, int64_t *ret_version)
{
	int64_t begun = kw_monotonic_us();

	while (kw_cache_get(c, key, a, ret, ret_version) != KW_OK)
		if (kw_monotonic_us() - begun > PATIENCE_US)
			return false;
	return true;
}

/* NOTHING from a Redis that answers. */
static void assert_absent(struct kw_cache *c)
{
	struct kw_bytes value;
	int64_t version, begun = kw_monotonic_us();

	do {
		assert_true(kw_monotonic_us() - begun < PATIENCE_US);
		assert_int_equal(kw_cache_get(c, key, a, &value, &version), KW_NOTHING);
	} while (!kw_cache_up(c));
}

static void put_surely(struct kw_cache *c, struct kw_bytes value, int64_t version)
{
	int64_t begun = kw_monotonic_us();

	do {
		assert_true(kw_monotonic_us() - begun < PATIENCE_US);
		kw_cache_put(c, key, value, version, 100);
	} while (!kw_cache_up(c));
}

static void put_text(const char *text, int64_t version)
{
	put_surely(cache, (struct kw_bytes) { text, strlen(text) }, version);
}

static void assert_there(const char *text, int64_t version)
{
	struct kw_bytes value;
	int64_t found;

	assert_true(get_at_last(cache, &value, &found));
	assert_int_equal(found, version);
	assert_int_equal(value.n, strlen(text));
	assert_memory_equal(value.p, text, value.n);
}

static void plant(const char *command, const char *value, size_t n)
{
	redisReply *reply = redisCommand(raw, "DEL %s", key);

	freeReplyObject(reply);
	reply = redisCommand(raw, "%s %s %b", command, key, value, n);
	assert_true(reply && reply->type != REDIS_REPLY_ERROR);
	freeReplyObject(reply);
}

/* ---- values ---- */

static void newer_wins(void **state)
{
	(void)state;
	assert_absent(cache);
	put_text("five", 5);
	assert_there("five", 5);
	put_text("three", 3);
	assert_there("five", 5);
	put_text("five again", 5);
	assert_there("five again", 5);
	put_text("ten", 10);
	assert_there("ten", 10);
	put_text("nine", 9);
	assert_there("ten", 10);
}

static void all_versions_are_ordered(void **state)
{
	static const int64_t versions[] = { INT64_MIN, -10, -9, -1, 0, 1, 9, 10, INT64_MAX };

	(void)state;
	for (size_t i = 0; i < KW_LEN(versions); i++) {
		put_text("x", versions[i]);
		assert_there("x", versions[i]);
		if (i > 0) {
			put_text("older", versions[i - 1]);
			assert_there("x", versions[i]);
		}
	}
}

static void any_bytes(void **state)
{
	size_t n = 1024 * 1024;
	char *bytes = malloc(n + 1);
	struct kw_bytes value;
	int64_t version;

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i <= n; i++)
		bytes[i] = (char)(i * 31 + i / 256);
	put_surely(cache, (struct kw_bytes) { bytes, n }, 1);
	assert_true(get_at_last(cache, &value, &version));
	assert_int_equal(value.n, n);
	assert_memory_equal(value.p, bytes, n);
	/* one more is not stored */
	put_surely(cache, (struct kw_bytes) { bytes, n + 1 }, 2);
	assert_true(get_at_last(cache, &value, &version));
	assert_int_equal(version, 1);
	put_surely(cache, (struct kw_bytes) { NULL, 0 }, 3);
	assert_true(get_at_last(cache, &value, &version));
	assert_int_equal(value.n, 0);
	free(bytes);
}

static void deleted(void **state)
{
	int64_t begun = kw_monotonic_us();

	(void)state;
	put_text("x", 5);
	assert_there("x", 5);
	do {
		assert_true(kw_monotonic_us() - begun < PATIENCE_US);
		kw_cache_del(cache, key);
	} while (!kw_cache_up(cache));
	assert_absent(cache);
	put_text("older is fine now", 1);
	assert_there("older is fine now", 1);
}

static void ends_by_itself(void **state)
{
	(void)state;
	put_text("x", 5);
	redisReply *reply = redisCommand(raw, "TTL %s", key);
	assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
	assert_true(reply->integer > 0 && reply->integer <= 100);
	freeReplyObject(reply);
}

static void another_type(void **state)
{
	(void)state;
	plant("LPUSH", "x", 1);
	assert_absent(cache);
	put_text("ours", 1);
	assert_there("ours", 1);
}

static void rubbish(void **state)
{
	static const struct {
		const char *text;
		size_t n;
	} values[] = {
		{ "", 0 },
		{ "hello", 5 },
		{ "kw1 ", 4 },
		{ "kw1 0000000000000000000", 23 },
		{ "kw1 00000000000000000001", 24 },
		{ "kw1 00000000000000000001_x", 26 },
		{ "kw1 0000000000000000000x y", 26 },
		{ "kw1 99999999999999999999 y", 26 },
		{ "kw1 -0000000000000000001 y", 26 },
		{ "kw2 00000000000000000001 y", 26 },
		{ "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 28 },
	};

	for (size_t i = 0; i < KW_LEN(values); i++) {
		new_key(state);
		plant("SET", values[i].text, values[i].n);
		assert_absent(cache);
		put_text("ours", 1);
		assert_there("ours", 1);
	}
	/* longer than anything that we write */
	size_t n = 2 * 1024 * 1024;
	char *large = malloc(n);
	assert_non_null(large);
	memset(large, 'x', n);
	memcpy(large, "kw1 00000000000000000001 ", 25);
	plant("SET", large, n);
	struct kw_bytes value;
	int64_t version;
	if (kw_cache_get(cache, key, a, &value, &version) == KW_OK)
		assert_true(value.n <= 1024 * 1024);
	free(large);
}

/* ---- URLs ---- */

static void urls(void **state)
{
	static const char *const bad[] = { "redis", "redis://", "redis://host",
		"redis://host:", "redis://:1", "redis://host:0", "redis://host:65536",
		"redis://host:6379/x", "redis://host:6379/100", "redis://host:6379/0/",
		"redis://user@host:6379", "redis://host:6379?x=1", "rediss://host:6379",
		"http://host:6379", "redis://host:63 79", " redis://host:6379" };

	(void)state;
	for (size_t i = 0; i < KW_LEN(bad); i++) {
		struct kw_cache *c = NULL;
		struct kw_err err = { 0 };

		if (kw_cache_open(bad[i], &c, &err) != KW_INVALID)
			fail_msg("%s", bad[i]);
		assert_null(c);
		assert_true(err.reason[0]);
	}
}

static void none_is_empty(void **state)
{
	static const char *const none[] = { NULL, "" };
	struct kw_bytes value;
	int64_t version;

	(void)state;
	for (size_t i = 0; i < KW_LEN(none); i++) {
		struct kw_cache *c = open_cache(none[i]);

		kw_cache_put(c, key, (struct kw_bytes) { "x", 1 }, 1, 10);
		kw_cache_del(c, key);
		assert_int_equal(kw_cache_get(c, key, a, &value, &version), KW_NOTHING);
		assert_true(kw_cache_up(c));
		kw_cache_free(c);
	}
	kw_cache_free(NULL);
}

static void by_name(void **state)
{
	char host[64], url[64];
	struct kw_bytes value;
	int64_t version;
	int port;

	(void)state;
	redis_port(host, &port);
	snprintf(url, sizeof(url), "redis://localhost:%d/0", port);
	struct kw_cache *c = open_cache(url);
	put_text("x", 1);
	assert_true(get_at_last(c, &value, &version));
	kw_cache_free(c);
	/* a database that is not there (infra/redis/redis.conf has one) */
	snprintf(url, sizeof(url), "redis://127.0.0.1:%d/11", port);
	c = open_cache(url);
	assert_int_equal(kw_cache_get(c, key, a, &value, &version), KW_NOTHING);
	assert_false(kw_cache_up(c));
	kw_cache_free(c);
}

/* ---- Redis away ---- */

/* One call on a cache whose Redis does not answer. */
static void assert_bounded(struct kw_cache *c)
{
	struct kw_bytes value;
	int64_t version, begun = kw_monotonic_us();

	assert_int_equal(kw_cache_get(c, key, a, &value, &version), KW_NOTHING);
	assert_true(kw_monotonic_us() - begun < BOUND_US);
	assert_false(kw_cache_up(c));
}

/* While the breaker is open, calls cost nothing: a thousand take less than one that waits. */
static void assert_quiet(struct kw_cache *c)
{
	struct kw_bytes value;
	int64_t version, begun = kw_monotonic_us();

	for (int i = 0; i < 1000; i++) {
		assert_int_equal(kw_cache_get(c, key, a, &value, &version), KW_NOTHING);
		kw_cache_put(c, key, (struct kw_bytes) { "x", 1 }, 1, 10);
		kw_cache_del(c, key);
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
	struct kw_cache *c = open_cache_at(redis.port);
	put_surely(c, (struct kw_bytes) { "x", 1 }, 7);
	assert_true(get_at_last(c, &value, &version));
	kt_server(&redis, "kill");
	assert_bounded(c);
	assert_quiet(c);
	kt_server(&redis, "start");
	/* it comes back by itself, empty */
	put_surely(c, (struct kw_bytes) { "y", 1 }, 1);
	assert_true(get_at_last(c, &value, &version));
	assert_int_equal(version, 1);
	kw_cache_free(c);
	kt_server_end(&redis);
}

static void never_there(void **state)
{
	struct kw_cache *c = open_cache_at(kt_free_port());

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
	redis_port(host, &port);
	struct kt_proxy *proxy = kt_proxy_open(host, port, NULL, NULL);
	struct kw_cache *c = open_cache_at(kt_proxy_port(proxy));
	put_surely(c, (struct kw_bytes) { "x", 1 }, 1);
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

		assert_int_equal(kw_cache_get(c, key, a, &value, &version), KW_NOTHING);
		assert_true(kw_monotonic_us() - begun < PATIENCE_US);
	}
	kt_proxy_stall(proxy, false);
	put_surely(c, (struct kw_bytes) { "y", 1 }, 2);
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
	redis_port(host, &port);
	struct kt_proxy *proxy = kt_proxy_open(host, port, NULL, NULL);
	struct kw_cache *c = open_cache_at(kt_proxy_port(proxy));
	put_surely(c, (struct kw_bytes) { large, sizeof(large) }, 1);
	assert_true(get_at_last(c, &value, &version));
	kt_proxy_delay(proxy, 10);
	assert_bounded(c);
	kt_proxy_delay(proxy, 0);
	/* the late answer is never taken for that of another question */
	snprintf(key + strlen(key), 8, "-other");
	assert_absent(c);
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
	redis_port(host, &port);
	struct kt_proxy *proxy = kt_proxy_open(host, port, cut_scripts, NULL);
	struct kw_cache *c = open_cache_at(kt_proxy_port(proxy));
	assert_absent(c);
	kw_cache_put(c, key, (struct kw_bytes) { "x", 1 }, 1, 10);
	assert_false(kw_cache_up(c));
	assert_absent(c);
	kw_cache_free(c);
	kt_proxy_close(proxy);
}

/* A link that Redis closed between two calls costs neither: it is replaced before it is used. */
static void closed_meanwhile(void **state)
{
	char host[64];
	int port, unnoticed = 0;

	(void)state;
	redis_port(host, &port);
	struct kt_proxy *proxy = kt_proxy_open(host, port, NULL, NULL);
	struct kw_cache *c = open_cache_at(kt_proxy_port(proxy));
	for (int i = 1; i <= 10; i++) {
		put_surely(c, (struct kw_bytes) { "x", 1 }, i);
		kt_proxy_cut(proxy);
		kw_cache_put(c, key, (struct kw_bytes) { "y", 1 }, i, 10);
		unnoticed += kw_cache_up(c);
	}
	assert_true(unnoticed > 0); /* each, but for a machine too busy for 50 ms */
	kw_cache_free(c);
	kt_proxy_close(proxy);
}

/* ---- threads ---- */

struct worker {
	pthread_t thread;
	int64_t last;
	int gets;
	bool older;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	KW_CLEANUP(kw_arena_freep) struct kw_arena *own = kw_arena_new(1 << 20);
	int64_t begun = kw_monotonic_us();

	for (int64_t i = 1; w->gets < 300 && kw_monotonic_us() - begun < PATIENCE_US; i++) {
		struct kw_bytes value;
		int64_t version;
		char text[24];

		int n = snprintf(text, sizeof(text), "%lld", (long long)i);
		kw_cache_put(cache, key, (struct kw_bytes) { text, (size_t)n }, i, 100);
		if (kw_cache_get(cache, key, own, &value, &version) != KW_OK)
			continue;
		n = snprintf(text, sizeof(text), "%lld", (long long)version);
		w->older |= version < w->last || value.n != (size_t)n ||
			    memcmp(value.p, text, value.n) != 0;
		w->last = version;
		w->gets++;
		kw_arena_reset(own);
	}
	return NULL;
}

/* More threads than links: none sees a version fall, or a value of another version. */
static void many_threads(void **state)
{
	static struct worker workers[24];

	(void)state;
	for (size_t i = 0; i < KW_LEN(workers); i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	for (size_t i = 0; i < KW_LEN(workers); i++)
		pthread_join(workers[i].thread, NULL);
	for (size_t i = 0; i < KW_LEN(workers); i++) {
		assert_false(workers[i].older);
		assert_int_equal(workers[i].gets, 300);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(newer_wins, new_key),
		cmocka_unit_test_setup(all_versions_are_ordered, new_key),
		cmocka_unit_test_setup(any_bytes, new_key),
		cmocka_unit_test_setup(deleted, new_key),
		cmocka_unit_test_setup(ends_by_itself, new_key),
		cmocka_unit_test_setup(another_type, new_key),
		cmocka_unit_test_setup(rubbish, new_key),
		cmocka_unit_test_setup(urls, new_key),
		cmocka_unit_test_setup(none_is_empty, new_key),
		cmocka_unit_test_setup(by_name, new_key),
		cmocka_unit_test_setup(killed_in_the_middle, new_key),
		cmocka_unit_test_setup(never_there, new_key),
		cmocka_unit_test_setup(silent, new_key),
		cmocka_unit_test_setup(trickling, new_key),
		cmocka_unit_test_setup(cut, new_key),
		cmocka_unit_test_setup(closed_meanwhile, new_key),
		cmocka_unit_test_setup(many_threads, new_key),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
