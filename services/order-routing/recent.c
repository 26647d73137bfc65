/* What this edge has just appended: a fixed table of atomic words, written without locks; a lost
 * race loses a hint. */
#include "recent.h"

#include <stdatomic.h>
#include <string.h>

#define SLOTS 65536 /* power of two; 1 MiB */

/* key in the upper, content in the lower half: one word, so that a reader never sees half of each.
 */
static _Atomic uint64_t slots[SLOTS];

static uint64_t key_of(const struct submitted *m)
{
	struct {
		char order_id[37];
		char kind;
		char zero[2];
		kw_time source_time;
	} key;

	memset(&key, 0, sizeof(key));
	memcpy(key.order_id, m->order_id.s, sizeof(key.order_id));
	key.kind = (char)m->kind;
	key.source_time = m->source_time;
	return kw_hash64(&key, sizeof(key), 0);
}

static uint32_t content_of(const struct submitted *m)
{
	return (uint32_t)kw_hash64(m->content_hash, strlen(m->content_hash), 0);
}

/* Is there a content under the key of m? */
static bool find(const struct submitted *m, uint32_t *ret_content)
{
	uint64_t key = key_of(m);
	uint64_t word = atomic_load_explicit(&slots[key & (SLOTS - 1)], memory_order_relaxed);

	*ret_content = (uint32_t)word;
	return word != 0 && word >> 32 == key >> 32;
}

bool recent_conflicts(const struct submitted *m)
{
	uint32_t content;

	return find(m, &content) && content != content_of(m);
}

bool recent_knows(const struct submitted *m)
{
	uint32_t content;

	return find(m, &content) && content == content_of(m);
}

void recent_learn(const struct submitted *m)
{
	uint64_t key = key_of(m), empty = 0;
	uint64_t word = (key >> 32) << 32 | content_of(m);
	_Atomic uint64_t *slot = &slots[key & (SLOTS - 1)];

	/* the first content under a key is the one that counts; another key takes the slot over */
	if (atomic_compare_exchange_strong_explicit(
		    slot, &empty, word, memory_order_relaxed, memory_order_relaxed))
		return;
	if (empty >> 32 != key >> 32)
		atomic_store_explicit(slot, word, memory_order_relaxed);
}

void recent_forget_all(void)
{
	for (size_t i = 0; i < SLOTS; i++)
		atomic_store_explicit(&slots[i], 0, memory_order_relaxed);
}
