/* Statements about channels that are asked; see store.h. */
#ifndef ROUTING_STORE_CHANNELS_H
#define ROUTING_STORE_CHANNELS_H

#include "store.h"
#include "walk.h"

/* A row of polls, leased. */
struct poll_row {
	const char *channel;
	struct walk walk;
	int64_t token;
	int failures;
};

struct poll_outcome {
	const char *channel;
	int64_t token;
	struct walk walk;
	int64_t pause_ms;   /* until the next page is due */
	const char *reason; /* NULL: it is well */
	int failures;
	int64_t orders;
	bool read_to_end;
};

/* Leases the longest due among the channels for lease_ms, in a statement of its own; those that
 * have no row get one, and are due the next time. */
enum kw_rc store_take_polls(struct kw_pg *pg, struct kw_arena *a, const struct text_row *channels,
	size_t n, int limit, kw_time now, int lease_ms, struct poll_row **ret, size_t *ret_n,
	struct kw_err *err);
/* Under their tokens: one that is not held any more is left alone. */
enum kw_rc store_save_polls(
	struct kw_batch *b, const struct poll_outcome *rows, size_t n, struct kw_err *err);
/* The kinds of fetch intents of which some are due. */
enum kw_rc store_due_fetches(struct kw_pg *pg, struct kw_arena *a, struct text_row **ret,
	size_t *ret_n, struct kw_err *err);

#endif
