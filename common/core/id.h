/* Ids as functions of their source: UUIDv5 in Karwan's namespace (RFC 9562), text form in lower
 * case; and random tokens. Values; any thread. */
#ifndef KW_CORE_ID_H
#define KW_CORE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rc.h"

struct kw_uuid {
	char s[37]; /* "" = no value */
};

/* Name = kind, then each part, joined by U+001F: kw_uuid_of("order", channel, external_id). */
#define kw_uuid_of(...) kw_uuid_make((const char *const[]) { __VA_ARGS__, NULL })
struct kw_uuid kw_uuid_make(const char *const *parts);
/* Id of the event (entity, version, type). */
struct kw_uuid kw_event_id(const char *entity_id, int64_t version, const char *type);
/* Lower-cases; false when it is not 8-4-4-4-12 hex. */
bool kw_uuid_parse(const char *text, struct kw_uuid *ret);
struct kw_uuid kw_uuid_random(void);
void kw_uuid_to_bytes(const struct kw_uuid *u, uint8_t out[16]);
void kw_uuid_from_bytes(const uint8_t in[16], struct kw_uuid *ret);

/* W3C trace context (https://www.w3.org/TR/trace-context/): 55 characters and NUL. */
struct kw_trace {
	char s[56];
};
/* Keeps a valid header as it is, with a new span id; anything else (or NULL) starts a new trace. */
struct kw_trace kw_trace_from(const char *header);

/* FNV-1a, 64 bit: to notice that bytes differ, not against an adversary. */
uint64_t kw_hash64(const void *p, size_t n, uint64_t seed);

#endif
