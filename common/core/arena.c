/* Bump allocator with a maximum: one per batch or request; business code never frees. */
#include "core/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"

/* Under ASan, memory that was not handed out, or was handed out before the last reset, is out of
 * bounds. */
#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#define FORBID(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define ALLOW(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define FORBID(p, n) ((void)(p), (void)(n))
#define ALLOW(p, n) ((void)(p), (void)(n))
#endif

#define FIRST_BLOCK (16 * 1024)
#define LARGEST_BLOCK (1024 * 1024)

struct block {
	struct block *older;
	size_t size; /* of data */
	alignas(max_align_t) unsigned char data[];
};

struct kw_arena {
	struct block *newest;
	size_t at; /* first free byte of newest */
	size_t used, max;
};

static void add_block(struct kw_arena *a, size_t need);

struct kw_arena *kw_arena_new(size_t max_bytes)
{
	struct kw_arena *a = calloc(1, sizeof(*a));
	kw_assert(a && max_bytes > 0);
	a->max = max_bytes;
	return a;
}

void kw_arena_free(struct kw_arena *a)
{
	if (!a)
		return;
	for (struct block *b = a->newest, *older; b; b = older) {
		older = b->older;
		ALLOW(b->data, b->size);
		free(b);
	}
	free(a);
}

void kw_arena_freep(struct kw_arena **a)
{
	kw_arena_free(*a);
	*a = NULL;
}

void kw_arena_reset(struct kw_arena *a)
{
	struct block *keep = NULL;
	for (struct block *b = a->newest, *older; b; b = older) {
		older = b->older;
		if (!keep && b->size <= LARGEST_BLOCK) {
			keep = b;
			keep->older = NULL;
			FORBID(keep->data, keep->size);
			continue;
		}
		ALLOW(b->data, b->size);
		free(b);
	}
	a->newest = keep;
	a->at = a->used = 0;
}

size_t kw_arena_used(const struct kw_arena *a)
{
	return a->used;
}

void *kw_arena_alloc(struct kw_arena *a, size_t n, size_t size)
{
	size_t bytes;
	kw_assert(!__builtin_mul_overflow(n, size, &bytes) && bytes <= a->max);
	/* a byte at least, so that every pointer is one of its own */
	size_t step =
		((bytes ? bytes : 1) + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	kw_assert(step <= a->max - a->used);
	if (!a->newest || step > a->newest->size - a->at)
		add_block(a, step);
	void *p = a->newest->data + a->at;
	a->at += step;
	a->used += step;
	ALLOW(p, bytes);
	return memset(p, 0, bytes);
}

static void add_block(struct kw_arena *a, size_t need)
{
	size_t size = a->newest ? a->newest->size * 2 : FIRST_BLOCK;
	if (size > LARGEST_BLOCK)
		size = LARGEST_BLOCK;
	if (size < need)
		size = need;
	struct block *b = malloc(sizeof(*b) + size);
	kw_assert(b);
	b->older = a->newest;
	b->size = size;
	FORBID(b->data, b->size);
	a->newest = b;
	a->at = 0;
}

char *kw_arena_str(struct kw_arena *a, const char *s)
{
	return s ? kw_arena_strn(a, s, strlen(s)) : NULL;
}

char *kw_arena_strn(struct kw_arena *a, const char *s, size_t n)
{
	if (!s)
		return NULL;
	kw_assert(n < SIZE_MAX);
	char *p = kw_arena_alloc(a, n + 1, 1);
	memcpy(p, s, n);
	return p;
}

void *kw_arena_copy(struct kw_arena *a, const void *p, size_t n)
{
	if (!p)
		return NULL;
	return memcpy(kw_arena_alloc(a, n, 1), p, n);
}

char *kw_arena_printf(struct kw_arena *a, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	kw_assert(n >= 0);
	char *p = kw_arena_alloc(a, (size_t)n + 1, 1);
	vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p;
}
