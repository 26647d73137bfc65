/* Stock as typed movements: each change of a stock row is one movement with the row's next version,
 * and the row is their sum. Pure: works on rows in memory; the arena is the batch's. */
#ifndef ROUTING_STOCK_H
#define ROUTING_STOCK_H

#include "core/arena.h"
#include "model.h"

/* The locked stock rows of a round, by listing id, and the movements made so far. */
struct stock_book {
	struct stock *rows;
	size_t n;
	struct movement *moves;
	size_t n_moves, cap_moves;
	struct kw_arena *arena;
};

/* NULL: not kept in stock, or not locked. */
struct stock *stock_find(const struct stock_book *book, const char *listing_id);
int stock_available(const struct stock *s);

/* Promises pieces to a line; the caller has checked that they are available. */
void stock_reserve(struct stock_book *book, struct stock *s, int quantity,
	const struct kw_uuid *order, int line_no);
void stock_release(struct stock_book *book, struct stock *s, int quantity,
	const struct kw_uuid *order, int line_no);
/* The pieces of a line left the house. */
void stock_sell(struct stock_book *book, struct stock *s, int quantity, const struct kw_uuid *order,
	int line_no);
/* A listing's count: the difference to the last one is a receipt or an adjustment. Older or equal
 * versions change nothing. What is counted away although it is promised stays on hand and is
 * remembered as missing; it is taken off when it is free again. */
void stock_count(struct stock_book *book, struct stock *s, int quantity, int64_t count_version);

#endif
