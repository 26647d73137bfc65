/* One round of work on some orders inside a transaction: open (lock the orders), load, decide (lock
 * stock and capacity, then the pure rules), write. Handlers and jobs say what is wanted of each
 * order; everything that they have in common is here. In the arena of the batch; one thread. */
#ifndef ROUTING_ROUND_H
#define ROUTING_ROUND_H

#include "store.h"

/* An array that grows in the batch's arena. */
#define VECTOR(T)              \
	struct {               \
		T *rows;       \
		size_t n, cap; \
	}
void *vector_room(struct kw_arena *a, void *rows, size_t n, size_t *cap, size_t size);
/* The next free element, zeroed. */
#define PUSH(a, v)                                                                  \
	((v).rows = vector_room((a), (v).rows, (v).n, &(v).cap, sizeof(*(v).rows)), \
		&(v).rows[(v).n++])

struct hub_place {
	const char *hub_id;
	struct address *address;
};

struct round {
	struct kw_batch *b;
	struct work *works; /* by order id */
	size_t n;
	struct world w;
	struct parked_row *parked; /* as loaded, by order id and line */
	size_t n_parked;
	VECTOR(struct exception_row) exceptions;
	VECTOR(struct seen) messages;
	VECTOR(struct payment_row) payments;
	VECTOR(struct cancel_row) cancels;
	VECTOR(struct sale_row) sales;  /* to be queued */
	VECTOR(struct text_row) wakes;  /* to be queued */
	const struct count_row *counts; /* to be taken into stock in this round */
	size_t n_counts;
	const struct sale_row *sold; /* the same */
	size_t n_sold;
	VECTOR(struct hub_place) hubs; /* addresses decoded so far */
	size_t filled;                 /* lines that were given to somebody */
};

/* ids: sorted, distinct. Orders that are not there are new works with only their id. */
enum kw_rc round_open(struct round *r, struct kw_batch *b, const struct id_row *ids, size_t n,
	struct kw_err *err);
struct work *round_find(struct round *r, const struct kw_uuid *id);
/* Lines, fulfilments, allocations and parked rows of the works that say load. */
enum kw_rc round_load(struct round *r, struct kw_err *err);
/* Cancels, expires and allocates as wanted, and emits what came of it. */
enum kw_rc round_decide(struct round *r, struct kw_err *err);
/* Writes everything that changed. */
enum kw_rc round_write(struct round *r, struct kw_err *err);

/* The row of a line that was parked before this round, or NULL. */
const struct parked_row *round_parked(
	const struct round *r, const struct work *k, const struct line *l);
/* Keeps an exception once: the id is a function of what it is about. */
void round_exception(struct round *r, const struct work *k, int kind, const struct kw_uuid *id,
	const char *field, const char *detail, const char *body);
/* Something that parked lines may wait for: round_wake(r, "listing", id). */
void round_wake(struct round *r, const char *kind, const char *key);
/* Sorts and removes doubles; returns how many are left. */
size_t ids_distinct(struct id_row *ids, size_t n);
size_t texts_distinct(struct text_row *texts, size_t n);

/* ---- events: each adds one to the order's version ---- */

void emit_received(struct round *r, struct work *k);
/* decisions: all of this round. */
void emit_routed(struct round *r, struct work *k);
void emit_parked(struct round *r, struct work *k);
void emit_payment(struct round *r, struct work *k, const struct payment_row *p);
void emit_updated(struct round *r, struct work *k);
void emit_conflicted(
	struct round *r, struct work *k, const struct kw_uuid *exception, const char *field);
void emit_resolved(struct round *r, struct work *k, const struct exception_now *x,
	const struct kw_resolve_requested *m);
/* type: cancelled or expired. cancelled: pieces per line. */
void emit_cancelled(
	struct round *r, struct work *k, const struct kw_event_type *type, const int *cancelled);
void emit_refused(struct round *r, struct work *k, const char *reason);
/* If the state that follows from parcels changed. */
void emit_state(struct round *r, struct work *k, int before);

#endif
