/* Inside json: a document as a flat list of tokens, made in one pass over the bytes without a
 * value of its own for each. What it accepts is JSON as RFC 8259 says, with an object or array
 * around it and no member twice; why something is refused is the caller's to find out. Any thread.
 */
#ifndef KW_JSON_SCAN_H
#define KW_JSON_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"

enum kw_token_kind {
	KW_TOKEN_NULL,
	KW_TOKEN_FALSE,
	KW_TOKEN_TRUE,
	KW_TOKEN_INT,
	KW_TOKEN_REAL, /* a fraction, an exponent, or both */
	KW_TOKEN_STR,
	KW_TOKEN_OBJECT, /* then for each member its name (a STR) and its value */
	KW_TOKEN_ARRAY,
};

/* Its children follow it; after is the index of what follows them. */
struct kw_token {
	enum kw_token_kind kind;
	uint32_t count, after; /* members, elements */
	uint32_t n;            /* bytes of the text */
	union {
		const char
			*p; /* STR: no NUL at its end; in the document, or unescaped in the arena */
		int64_t i64;
	};
};

struct kw_scan {
	struct kw_token *tokens; /* [0] is the root; free with kw_scan_done */
	size_t n, cap;
};

#define KW_DEPTH_MAX 32

/* false: it is no such document, or deeper than KW_DEPTH_MAX. */
bool kw_scan(struct kw_scan *s, const char *p, size_t n, struct kw_arena *a);
void kw_scan_done(struct kw_scan *s);

#endif
