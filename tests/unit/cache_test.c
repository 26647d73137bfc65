/* The cache against a real Redis: versions, what is not ours, many threads. */
#include <pthread.h>

#include "cache_testing.h"

static void put_text(const char *text, int64_t version)
{
	test_put(test_cache, (struct kw_bytes) { text, strlen(text) }, version);
}

static void assert_there(const char *text, int64_t version)
{
	struct kw_bytes value;
	int64_t found;

	assert_true(test_get(test_cache, &value, &found));
	assert_int_equal(found, version);
	assert_int_equal(value.n, strlen(text));
	assert_memory_equal(value.p, text, value.n);
}

static void plant(const char *command, const char *value, size_t n)
{
	redisReply *reply = redisCommand(test_raw, "DEL %s", test_key);

	freeReplyObject(reply);
	reply = redisCommand(test_raw, "%s %s %b", command, test_key, value, n);
	assert_true(reply && reply->type != REDIS_REPLY_ERROR);
	freeReplyObject(reply);
}

/* ---- values ---- */

static void newer_wins(void **state)
{
	(void)state;
	test_absent(test_cache);
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
	test_put(test_cache, (struct kw_bytes) { bytes, n }, 1);
	assert_true(test_get(test_cache, &value, &version));
	assert_int_equal(value.n, n);
	assert_memory_equal(value.p, bytes, n);
	/* one more is not stored */
	test_put(test_cache, (struct kw_bytes) { bytes, n + 1 }, 2);
	assert_true(test_get(test_cache, &value, &version));
	assert_int_equal(version, 1);
	test_put(test_cache, (struct kw_bytes) { NULL, 0 }, 3);
	assert_true(test_get(test_cache, &value, &version));
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
		kw_cache_del(test_cache, test_key);
	} while (!kw_cache_up(test_cache));
	test_absent(test_cache);
	put_text("older is fine now", 1);
	assert_there("older is fine now", 1);
}

static void ends_by_itself(void **state)
{
	(void)state;
	put_text("x", 5);
	redisReply *reply = redisCommand(test_raw, "TTL %s", test_key);
	assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
	assert_true(reply->integer > 0 && reply->integer <= 100);
	freeReplyObject(reply);
}

static void another_type(void **state)
{
	(void)state;
	plant("LPUSH", "x", 1);
	test_absent(test_cache);
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
		test_new_key(state);
		plant("SET", values[i].text, values[i].n);
		test_absent(test_cache);
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
	test_absent(test_cache);
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
		struct kw_cache *c = test_cache_open(none[i]);

		kw_cache_put(c, test_key, (struct kw_bytes) { "x", 1 }, 1, 10);
		kw_cache_del(c, test_key);
		assert_int_equal(
			kw_cache_get(c, test_key, test_arena, &value, &version), KW_NOTHING);
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
	test_redis_port(host, &port);
	snprintf(url, sizeof(url), "redis://localhost:%d/0", port);
	struct kw_cache *c = test_cache_open(url);
	put_text("x", 1);
	assert_true(test_get(c, &value, &version));
	kw_cache_free(c);
	/* a database that is not there (infra/redis/redis.conf has one) */
	snprintf(url, sizeof(url), "redis://127.0.0.1:%d/11", port);
	c = test_cache_open(url);
	assert_int_equal(kw_cache_get(c, test_key, test_arena, &value, &version), KW_NOTHING);
	assert_false(kw_cache_up(c));
	kw_cache_free(c);
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
		kw_cache_put(test_cache, test_key, (struct kw_bytes) { text, (size_t)n }, i, 100);
		if (kw_cache_get(test_cache, test_key, own, &value, &version) != KW_OK)
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
		cmocka_unit_test_setup(newer_wins, test_new_key),
		cmocka_unit_test_setup(all_versions_are_ordered, test_new_key),
		cmocka_unit_test_setup(any_bytes, test_new_key),
		cmocka_unit_test_setup(deleted, test_new_key),
		cmocka_unit_test_setup(ends_by_itself, test_new_key),
		cmocka_unit_test_setup(another_type, test_new_key),
		cmocka_unit_test_setup(rubbish, test_new_key),
		cmocka_unit_test_setup(urls, test_new_key),
		cmocka_unit_test_setup(none_is_empty, test_new_key),
		cmocka_unit_test_setup(by_name, test_new_key),
		cmocka_unit_test_setup(many_threads, test_new_key),
	};
	return cmocka_run_group_tests(tests, test_set_up, test_tear_down);
}
