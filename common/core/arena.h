/* Bump allocator with a maximum: one per batch or request; business code never frees.
 * Owned by whoever made it; one thread at a time. Past its maximum, or without memory, it aborts:
 * every input that fills an arena is bounded before, so that is our bug (a crash is safe here). */
#ifndef KW_CORE_ARENA_H
#define KW_CORE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "core/rc.h"

struct kw_arena;

struct kw_arena *kw_arena_new(size_t max_bytes);
void kw_arena_free(struct kw_arena *a);
void kw_arena_freep(struct kw_arena **a);
/* Forgets all contents, keeps one block (of 1 MiB at most) for the next round. */
void kw_arena_reset(struct kw_arena *a);
/* Bytes handed out since the last reset. */
size_t kw_arena_used(const struct kw_arena *a);

/* Zeroed, aligned for any type. n * size is checked for overflow; 0 bytes gives a valid pointer. */
void *kw_arena_alloc(struct kw_arena *a, size_t n, size_t size);
#define kw_new(arena, type, n) ((type *)kw_arena_alloc((arena), (n), sizeof(type)))
/* Copies; NULL stays NULL. */
char *kw_arena_str(struct kw_arena *a, const char *s);
char *kw_arena_strn(struct kw_arena *a, const char *s, size_t n);
void *kw_arena_copy(struct kw_arena *a, const void *p, size_t n);
char *kw_arena_printf(struct kw_arena *a, const char *fmt, ...) KW_PRINTF(2, 3);

#endif
