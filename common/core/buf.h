/* Growing byte buffer with a mandatory maximum, for encoders.
 * Past the maximum it drops what follows and remembers it (full); the writer checks once at the
 * end. */
#ifndef KW_CORE_BUF_H
#define KW_CORE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rc.h"

/* A run of bytes that somebody else owns. */
struct kw_bytes {
	const void *p;
	size_t n;
};

struct kw_buf {
	char *p; /* always NUL-terminated once something was written; not counted in n */
	size_t n, cap, max;
	bool full;
};

void kw_buf_init(struct kw_buf *b, size_t max);
void kw_buf_done(struct kw_buf *b);
void kw_buf_clear(struct kw_buf *b);
void kw_buf_add(struct kw_buf *b, const void *p, size_t n);
void kw_buf_str(struct kw_buf *b, const char *s);
void kw_buf_char(struct kw_buf *b, char c);
void kw_buf_i64(struct kw_buf *b, int64_t v);
void kw_buf_printf(struct kw_buf *b, const char *fmt, ...) KW_PRINTF(2, 3);
/* "…" with JSON escapes; s is UTF-8 (checked where it came in). */
void kw_buf_json_str(struct kw_buf *b, const char *s);

#endif
