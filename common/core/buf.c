/* Growing byte buffer with a mandatory maximum, for encoders. */
#include "core/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"

static bool make_room(struct kw_buf *b, size_t n);

void kw_buf_init(struct kw_buf *b, size_t max)
{
	*b = (struct kw_buf) { .max = max };
}

void kw_buf_done(struct kw_buf *b)
{
	if (!b)
		return;
	free(b->p);
	kw_buf_init(b, b->max);
}

void kw_buf_clear(struct kw_buf *b)
{
	b->n = 0;
	b->full = false;
	if (b->p)
		b->p[0] = '\0';
}

void kw_buf_add(struct kw_buf *b, const void *p, size_t n)
{
	if (!make_room(b, n))
		return;
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

void kw_buf_str(struct kw_buf *b, const char *s)
{
	kw_buf_add(b, s, strlen(s));
}

void kw_buf_char(struct kw_buf *b, char c)
{
	kw_buf_add(b, &c, 1);
}

void kw_buf_i64(struct kw_buf *b, int64_t v)
{
	char digits[24], *p = digits + sizeof(digits);
	uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	do {
		*--p = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (v < 0)
		*--p = '-';
	kw_buf_add(b, p, (size_t)(digits + sizeof(digits) - p));
}

void kw_buf_printf(struct kw_buf *b, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	kw_assert(n >= 0);
	if (make_room(b, (size_t)n)) {
		vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
}

void kw_buf_json_str(struct kw_buf *b, const char *s)
{
	static const char hex[] = "0123456789abcdef";
	kw_buf_char(b, '"');
	for (const char *run = s;;) {
		const char *p = run;
		while ((unsigned char)*p >= 0x20 && *p != '"' && *p != '\\')
			p++;
		kw_buf_add(b, run, (size_t)(p - run));
		if (*p == '\0')
			break;
		unsigned char c = (unsigned char)*p;
		char escape[6] = { '\\', (char)c };
		size_t n = 2;
		if (c == '\n') {
			escape[1] = 'n';
		} else if (c == '\t') {
			escape[1] = 't';
		} else if (c < 0x20) {
			memcpy(escape + 1, "u00", 3);
			escape[4] = hex[c >> 4];
			escape[5] = hex[c & 15];
			n = 6;
		}
		kw_buf_add(b, escape, n);
		run = p + 1;
	}
	kw_buf_char(b, '"');
}

/* Room for n more bytes and the NUL; false when the maximum is, or was, passed. */
static bool make_room(struct kw_buf *b, size_t n)
{
	if (b->full || n > b->max - b->n) {
		b->full = true;
		return false;
	}
	size_t need = b->n + n + 1;
	if (need > b->cap) {
		size_t cap = b->cap ? b->cap : 256;
		while (cap < need)
			cap *= 2;
		if (cap > b->max + 1)
			cap = b->max + 1;
		char *p = realloc(b->p, cap);
		kw_assert(p);
		b->p = p;
		b->cap = cap;
	}
	return true;
}
