/* Who makes or gives a line: the operators' ordered rules over stock and capacity. Pure: everything
 * that it looks at was read and locked before; it changes those rows in memory and says what it
 * decided. */
#ifndef ROUTING_ALLOCATE_H
#define ROUTING_ALLOCATE_H

#include "model.h"
#include "stock.h"

struct world {
	struct stock_book stock;
	const struct rule *rules; /* in their order */
	size_t n_rules;
	const struct offer *offers; /* by channel, sku */
	size_t n_offers;
	const struct candidate *candidates; /* by listing, week, maker */
	size_t n_candidates;
	struct capacity *capacity; /* by maker, week; locked */
	size_t n_capacity;
	kw_time now;
	struct kw_arena *arena;
};

/* Number of the week (from Monday, UTC) of a time: the unit of capacity. */
int week_of(kw_time t);
/* When a listing that is ordered now is promised to be ready. */
kw_time promise_of(const struct offer *offer, kw_time now);

const struct offer *offer_find(const struct world *w, const char *channel, const char *sku);
struct capacity *capacity_find(const struct world *w, const char *maker_id, int week);

/* Gives what it can of the order's parked quantities to makers and stock: line counters, new
 * fulfilments, allocations and decisions. A line is filled whole or stays parked with a reason. */
void allocate_order(struct world *w, struct work *k);
/* Takes back what one allocation holds: stock or capacity. The line's counters are the caller's. */
void release_allocation(struct world *w, const struct allocation *a, const struct kw_uuid *order,
	const char *maker_id);

#endif
