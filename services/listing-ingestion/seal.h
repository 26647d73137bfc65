/* National ids at the edge: never in clear beyond it. Any thread. */
#ifndef LISTING_SEAL_H
#define LISTING_SEAL_H

#include "config.h"
#include "core/arena.h"
#include "core/err.h"
#include "model.h"
#include "json/json.h"

/* Ciphertext for whom may open it, keyed hash for look-up, and what may be shown. The maker's id is
 * bound to the ciphertext. INVALID says which rule the text breaks, never the text. */
enum kw_rc seal_national_id(const struct config *config, struct kw_arena *a, const char *maker_id,
	const char *text, const struct sealed_id **ret, struct kw_err *err);

/* INVALID where a national id stands in the message as it would be sent: anybody could read it. */
enum kw_rc check_nothing_in_clear(
	struct kw_arena *a, const struct kw_field *fields, const void *message, struct kw_err *err);

#endif
