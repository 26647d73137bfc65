/* Redis as a cache that may vanish: a small pool of links, a breaker, and values with their
 * version. A value is "kw1 ", its version as 20 digits (biased, so that text order is number
 * order), a blank, the bytes. */
#include "cache/cache.h"

#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/impl.h"
#include "core/clock.h"

#define CALL_US 50000
#define QUIET_US KW_US_PER_S
#define LINKS_MAX 16
#define VALUE_MAX (1024 * 1024)
#define PREFIX 25
#define VERSION_BIAS ((uint64_t)1 << 63)

/* What the host's name stands for; localhost is two. */
struct addresses {
	struct kw_address at[4];
	size_t n;
};

struct kw_cache {
	char host[256], port[8]; /* host "": always empty */
	int db;
	pthread_mutex_t lock; /* guards what follows, up to the atomics */
	struct kw_link *idle;
	int links; /* idle and in use */
	struct addresses addresses;
	bool stale; /* they did not answer: look again */
	bool resolving, resolver_started;
	pthread_t resolver;
	atomic_bool failing;
	_Atomic int64_t quiet_until; /* while failing; monotonic */
};

/* KEYS key; ARGV version, value, seconds. Whatever else lies at the key is replaced. */
static const char put_script[] =
	"local old = redis.pcall('GET', KEYS[1]) "
	"local v = type(old) == 'string' and string.match(old, '^kw1 (%d+) ') "
	"if v and #v == 20 and v <= '18446744073709551615' and v > ARGV[1] then return 0 end "
	"redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) return 1";

static enum kw_rc parse_url(const char *url, struct kw_cache *cache, struct kw_err *err);
static redisReply *call(struct kw_cache *cache, const struct kw_bytes *argv, int argc);
static bool may_try(struct kw_cache *cache);
static struct kw_link *take(struct kw_cache *cache, int64_t until_us, bool *ret_full);
static void give_back(struct kw_cache *cache, struct kw_link *l);
static void drop(struct kw_cache *cache, struct kw_link *l);
static void find_addresses(struct kw_cache *cache, struct addresses *ret);
static void *resolve(void *arg);
static bool parse_value(const redisReply *reply, int64_t *ret_version);

static struct kw_bytes text(const char *s)
{
	return (struct kw_bytes) { s, strlen(s) };
}

enum kw_rc kw_cache_open(const char *url, struct kw_cache **ret, struct kw_err *err)
{
	struct kw_cache *cache = calloc(1, sizeof(*cache));
	enum kw_rc rc = KW_OK;

	kw_assert(cache);
	if (url && url[0])
		rc = parse_url(url, cache, err);
	if (rc != KW_OK) {
		free(cache);
		return rc;
	}
	pthread_mutex_init(&cache->lock, NULL);
	struct addresses ignored;
	if (cache->host[0])
		find_addresses(cache, &ignored); /* begins to look them up */
	*ret = cache;
	return KW_OK;
}

void kw_cache_free(struct kw_cache *cache)
{
	if (!cache)
		return;
	if (cache->resolver_started)
		pthread_join(cache->resolver, NULL);
	while (cache->idle) {
		struct kw_link *l = cache->idle;

		cache->idle = l->next;
		kw_link_free(l);
	}
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

enum kw_rc kw_cache_get(struct kw_cache *cache, const char *key, struct kw_arena *a,
	struct kw_bytes *ret, int64_t *ret_version)
{
	/* a range, so that no more is read than we ever wrote; absent reads as empty */
	char last[16];
	snprintf(last, sizeof(last), "%d", PREFIX + VALUE_MAX);
	const struct kw_bytes argv[] = { text("GETRANGE"), text(key), text("0"), text(last) };
	redisReply *reply = call(cache, argv, KW_LEN(argv));
	int64_t version;
	enum kw_rc rc = KW_NOTHING;

	if (reply && parse_value(reply, &version)) {
		size_t n = (size_t)reply->len - PREFIX;

		*ret = (struct kw_bytes) { kw_arena_copy(a, reply->str + PREFIX, n), n };
		*ret_version = version;
		rc = KW_OK;
	}
	freeReplyObject(reply);
	return rc;
}

void kw_cache_put(
	struct kw_cache *cache, const char *key, struct kw_bytes value, int64_t version, int ttl_s)
{
	char digits[24], seconds[16], *stored;

	kw_assert(ttl_s > 0);
	if (value.n > VALUE_MAX || !cache->host[0])
		return;
	snprintf(digits, sizeof(digits), "%020llu",
		(unsigned long long)((uint64_t)version ^ VERSION_BIAS));
	snprintf(seconds, sizeof(seconds), "%d", ttl_s);
	stored = malloc(PREFIX + value.n);
	kw_assert(stored);
	memcpy(stored, "kw1 ", 4);
	memcpy(stored + 4, digits, 20);
	stored[PREFIX - 1] = ' ';
	if (value.n > 0)
		memcpy(stored + PREFIX, value.p, value.n);
	const struct kw_bytes argv[] = { text("EVAL"), text(put_script), text("1"), text(key),
		text(digits), { stored, PREFIX + value.n }, text(seconds) };
	freeReplyObject(call(cache, argv, KW_LEN(argv)));
	free(stored);
}

void kw_cache_del(struct kw_cache *cache, const char *key)
{
	const struct kw_bytes argv[] = { text("DEL"), text(key) };

	freeReplyObject(call(cache, argv, KW_LEN(argv)));
}

bool kw_cache_up(struct kw_cache *cache)
{
	return !atomic_load(&cache->failing);
}

/* redis://host:port[/db] */
static enum kw_rc parse_url(const char *url, struct kw_cache *cache, struct kw_err *err)
{
	static const char scheme[] = "redis://";
	static const char host_characters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
	const char *host = url + sizeof(scheme) - 1, *end;
	size_t n;
	long port, db = 0;

	if (strncmp(url, scheme, sizeof(scheme) - 1) != 0)
		goto bad;
	n = strspn(host, host_characters);
	if (n == 0 || n >= sizeof(cache->host) || host[n] != ':')
		goto bad;
	end = host + n + 1;
	size_t digits = strspn(end, "0123456789");
	port = strtol(end, NULL, 10);
	if (digits == 0 || digits > 5 || port < 1 || port > 65535)
		goto bad;
	end += digits;
	if (end[0] == '/' && end[1]) {
		digits = strspn(++end, "0123456789");
		db = strtol(end, NULL, 10);
		if (digits == 0 || digits > 2)
			goto bad;
		end += digits;
	} else if (end[0] == '/') {
		end++;
	}
	if (*end)
		goto bad;
	memcpy(cache->host, host, n);
	snprintf(cache->port, sizeof(cache->port), "%ld", port);
	cache->db = (int)db;
	return KW_OK;
bad:
	return kw_fail(err, KW_INVALID, "the Redis URL is not redis://host:port[/db]");
}

/* The reply, or NULL: nothing can be said. Any thread. */
static redisReply *call(struct kw_cache *cache, const struct kw_bytes *argv, int argc)
{
	int64_t until = kw_monotonic_us() + CALL_US;
	redisReply *reply = NULL;
	struct kw_link *l;
	bool full = false;

	if (!cache->host[0] || !may_try(cache))
		return NULL;
	l = take(cache, until, &full);
	if (full)
		return NULL;
	if (l)
		reply = kw_link_call(l, argv, argc, until);
	if (reply)
		give_back(cache, l);
	else if (l)
		drop(cache, l);
	/* a value of another type is somebody's mistake, not Redis's failure; loading, full or
	 * refusing is */
	bool works = reply &&
		     (reply->type != REDIS_REPLY_ERROR || strncmp(reply->str, "WRONGTYPE", 9) == 0);
	if (!works)
		atomic_store(&cache->quiet_until, kw_monotonic_us() + QUIET_US);
	atomic_store(&cache->failing, !works);
	return reply;
}

/* After a failure nobody tries for a while, then one at a time. */
static bool may_try(struct kw_cache *cache)
{
	int64_t until = atomic_load(&cache->quiet_until), now = kw_monotonic_us();

	if (!atomic_load(&cache->failing))
		return true;
	return now >= until &&
	       atomic_compare_exchange_strong(&cache->quiet_until, &until, now + QUIET_US);
}

static struct kw_link *take(struct kw_cache *cache, int64_t until_us, bool *ret_full)
{
	struct addresses addresses;
	struct kw_link *l;
	bool room;

	for (;;) {
		pthread_mutex_lock(&cache->lock);
		l = cache->idle;
		if (l)
			cache->idle = l->next;
		room = l || cache->links < LINKS_MAX;
		if (!l && room)
			cache->links++;
		pthread_mutex_unlock(&cache->lock);
		if (!l)
			break;
		if (kw_link_usable(l))
			return l;
		/* Redis closed it meanwhile: that is no failure yet */
		drop(cache, l);
	}
	*ret_full = !room;
	if (!room)
		return NULL;
	find_addresses(cache, &addresses);
	for (size_t i = 0; i < addresses.n && !l; i++)
		l = kw_link_open(&addresses.at[i], cache->db, until_us);
	if (!l) {
		pthread_mutex_lock(&cache->lock);
		cache->links--;
		cache->stale = true; /* Redis may have moved */
		pthread_mutex_unlock(&cache->lock);
	}
	return l;
}

static void give_back(struct kw_cache *cache, struct kw_link *l)
{
	pthread_mutex_lock(&cache->lock);
	l->next = cache->idle;
	cache->idle = l;
	pthread_mutex_unlock(&cache->lock);
}

static void drop(struct kw_cache *cache, struct kw_link *l)
{
	kw_link_free(l);
	pthread_mutex_lock(&cache->lock);
	cache->links--;
	pthread_mutex_unlock(&cache->lock);
}

static bool look_up(const struct kw_cache *cache, int flags, struct addresses *ret)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags }, *found;

	if (getaddrinfo(cache->host, cache->port, &hints, &found) != 0)
		return false;
	*ret = (struct addresses) { .n = 0 };
	for (struct addrinfo *i = found; i && ret->n < KW_LEN(ret->at); i = i->ai_next) {
		struct kw_address *to = &ret->at[ret->n++];

		memcpy(&to->to, i->ai_addr, i->ai_addrlen);
		to->size = i->ai_addrlen;
	}
	freeaddrinfo(found);
	return true;
}

/* A name server may take seconds, so a name is looked up by a thread of its own; until it is known,
 * the cache is empty. */
static void find_addresses(struct kw_cache *cache, struct addresses *ret)
{
	pthread_mutex_lock(&cache->lock);
	if ((cache->addresses.n == 0 || cache->stale) && !cache->resolving) {
		if (look_up(cache, AI_NUMERICHOST | AI_NUMERICSERV, &cache->addresses)) {
			cache->stale = false;
		} else {
			if (cache->resolver_started)
				pthread_join(cache->resolver, NULL); /* it has ended */
			cache->resolver_started =
				pthread_create(&cache->resolver, NULL, resolve, cache) == 0;
			cache->resolving = cache->resolver_started;
		}
	}
	*ret = cache->addresses;
	pthread_mutex_unlock(&cache->lock);
}

static void *resolve(void *arg)
{
	struct kw_cache *cache = arg;
	struct addresses found;
	bool known = look_up(cache, AI_NUMERICSERV, &found);

	pthread_mutex_lock(&cache->lock);
	if (known) {
		cache->addresses = found;
		cache->stale = false;
	}
	cache->resolving = false;
	pthread_mutex_unlock(&cache->lock);
	return NULL;
}

static bool parse_value(const redisReply *reply, int64_t *ret_version)
{
	char digits[21];

	if (reply->type != REDIS_REPLY_STRING || reply->len < PREFIX ||
		(size_t)reply->len > PREFIX + VALUE_MAX)
		return false;
	if (memcmp(reply->str, "kw1 ", 4) != 0 || reply->str[PREFIX - 1] != ' ')
		return false;
	memcpy(digits, reply->str + 4, 20);
	digits[20] = '\0';
	if (strspn(digits, "0123456789") != 20 || strcmp(digits, "18446744073709551615") > 0)
		return false;
	*ret_version = (int64_t)(strtoull(digits, NULL, 10) ^ VERSION_BIAS);
	return true;
}
