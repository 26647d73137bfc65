/* What a channel's message, a cancellation and a parcel's fate mean for an order. Pure decisions
 * over plain structs. */
#ifndef ROUTING_RULES_H
#define ROUTING_RULES_H

#include "allocate.h"
#include "core/err.h"
#include "model.h"

/* ---- a channel's messages ---- */

/* A message that was taken in before, one per (order, kind, source time, content). */
struct seen {
	struct kw_uuid order_id;
	int kind;
	kw_time source_time;
	const char *content_hash;
	bool conflict;
};

enum judgement {
	MESSAGE_NEW,      /* nothing of this (kind, source time) is known */
	MESSAGE_REPEAT,   /* the same again */
	MESSAGE_CONFLICT, /* other content under the same (kind, source time) */
};
/* order NULL or new: nothing is known. seen: of this order. */
enum judgement judge_message(const struct order *o, bool is_new, const struct seen *seen, size_t n,
	const struct submitted *m);

/* Newer facts than those that the order has? By the source's time, then by rank of kind. */
bool message_is_newer(const struct order *o, const struct submitted *m);
bool message_cancels(const struct submitted *m);

/* A new order from its first message; its lines are parked until they are allocated. */
void work_begin(struct work *k, const struct submitted *m, const char *ship_to, kw_time now,
	struct kw_arena *a);
/* Takes newer facts over; what changes what was ordered or where it goes is named: the exceptions
 * to open (a bit per kind). */
unsigned work_update(struct work *k, const struct submitted *m, const char *ship_to);
/* The first member that differs, for a conflict: "total", "currency", "lines", "ship_to" or
 * "content". */
const char *differing_field(const struct work *k, const struct submitted *m, const char *ship_to);

/* Checks what no field table can: one currency, sums in range, distinct line ids; sets totals_flag.
 * INVALID with a pointer. */
enum kw_rc submitted_check(struct submitted *m, struct kw_err *err);

/* ---- the end of lines ---- */

/* Cancels what has not left; fills cancelled[] (per line) and marks the fulfilments. Returns how
 * many pieces were cancelled. */
int work_cancel(struct world *w, struct work *k, int *cancelled);
/* Why nothing could be cancelled. */
const char *cancel_refusal(const struct work *k);
/* Cancels what is still parked. */
int work_expire(struct work *k, int *cancelled);

/* ---- parcels ---- */

enum parcel_effect {
	PARCEL_NOTHING,   /* late or repeated */
	PARCEL_MOVED,     /* the fulfilment's state changed; the lines follow */
	PARCEL_LEFT,      /* the same, and its pieces left the house: they are sold */
	PARCEL_EXCEPTION, /* moves although it was cancelled, or was cancelled although nobody here
			     asked */
};
enum parcel_effect work_parcel(struct work *k, struct fulfilment *f, int event);

/* ---- exceptions ---- */

/* May a person end an exception of this kind by leaving things as they are, or by cancelling the
 * order? */
bool exception_may(int kind, bool keep, bool cancel);

#endif
