/* Pakistan's national ids (CNIC: 13 digits, written 12345-1234567-1 or without dashes) in texts of
 * others. People write them into notes and addresses; they are kept in no topic, log or table but
 * where a maker's own belongs. Pure, any thread. */
#ifndef KW_CORE_CNIC_H
#define KW_CORE_CNIC_H

#include <stdbool.h>
#include <stddef.h>

#include "core/arena.h"

/* How many with their dashes stand in a text, and none of them longer. */
size_t kw_cnic_count(const char *text, size_t n);

/* The text with a * for each; the text itself where there is none; NULL for NULL. bare: 13 digits
 * without dashes are one, too. */
const char *kw_cnic_drop(struct kw_arena *a, const char *text, bool bare);

#endif
