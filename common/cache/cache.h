/* Redis as a cache that may vanish: every call is bounded (50 ms), never fails the caller, and
 * after an error a breaker keeps quiet for a second. Values carry a version: an older one never
 * replaces a newer. No decision reads it. One handle may be used by many threads (a small pool of
 * hiredis contexts inside). */
#ifndef KW_CACHE_CACHE_H
#define KW_CACHE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"

struct kw_cache;

/* url: redis://host:port[/db]; NULL or "": a cache that is always empty. INVALID for another form.
 * Does not connect. */
enum kw_rc kw_cache_open(const char *url, struct kw_cache **ret, struct kw_err *err);
void kw_cache_free(struct kw_cache *cache);

/* OK and a copy in the arena (with its version), or NOTHING (absent, Redis away, slow, rubbish). */
enum kw_rc kw_cache_get(struct kw_cache *cache, const char *key, struct kw_arena *a,
	struct kw_bytes *ret, int64_t *ret_version);
/* Stores unless a newer version is there. Best effort. ttl_s > 0. */
void kw_cache_put(
	struct kw_cache *cache, const char *key, struct kw_bytes value, int64_t version, int ttl_s);
void kw_cache_del(struct kw_cache *cache, const char *key);
/* For /readyz: did the last call work? Never blocks. */
bool kw_cache_up(struct kw_cache *cache);

#endif
