/* What aggregators' checkpoints have in common: times without an offset, texts of any length, and
 * no id of their own. Stateless; what is handed out lives in the arena. */
#ifndef DISPATCH_CHECKPOINT_H
#define DISPATCH_CHECKPOINT_H

#include "adapters/adapter.h"

/* RFC 3339, or a date and time without offset, or a date alone, which are taken as of that offset
 * ("Z", "+05:00"). */
enum kw_rc checkpoint_time(const char *text, const char *offset, kw_time *ret, struct kw_err *err);
/* "city, state, country" of those that are there, or NULL; cut to what a report may hold. */
const char *checkpoint_place(
	struct kw_arena *a, const char *city, const char *state, const char *country);
/* The first n bytes at most, whole characters; NULL for NULL. */
const char *checkpoint_cut(struct kw_arena *a, const char *text, size_t n);
/* Every webhook brings the whole story again, so a checkpoint's id is a function of what happened:
 * parts are NULL-terminated, an absent one is "". */
#define checkpoint_id(a, ...) \
	kw_arena_str(a, kw_uuid_make((const char *const[]) { "checkpoint", __VA_ARGS__, NULL }).s)

#define CHECKPOINT_PLACE_MAX 200 /* bytes, as the message's fields have them */
#define CHECKPOINT_NOTE_MAX 500

#endif
