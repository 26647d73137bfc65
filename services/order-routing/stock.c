/* Stock as typed movements: each change of a stock row is one movement with the row's next version.
 */
#include "stock.h"

#include <stdlib.h>
#include <string.h>

#include "core/err.h"

static int compare(const void *key, const void *row)
{
	return strcmp(key, ((const struct stock *)row)->listing_id);
}

struct stock *stock_find(const struct stock_book *book, const char *listing_id)
{
	if (!listing_id || book->n == 0)
		return NULL;
	return bsearch(listing_id, book->rows, book->n, sizeof(*book->rows), compare);
}

int stock_available(const struct stock *s)
{
	return s->on_hand - s->allocated;
}

/* The one place that changes a row. */
static void move(struct stock_book *book, struct stock *s, int kind, int on_hand, int allocated,
	const struct kw_uuid *order, int line_no)
{
	if (book->n_moves == book->cap_moves) {
		size_t cap = book->cap_moves ? book->cap_moves * 2 : 256;
		struct movement *wider = kw_new(book->arena, struct movement, cap);
		if (book->n_moves > 0)
			memcpy(wider, book->moves, book->n_moves * sizeof(*wider));
		book->moves = wider;
		book->cap_moves = cap;
	}
	s->on_hand += on_hand;
	s->allocated += allocated;
	s->version++;
	s->changed = true;
	kw_assert(s->allocated >= 0 && s->on_hand >= s->allocated);
	book->moves[book->n_moves++] = (struct movement) {
		.listing_id = s->listing_id,
		.version = s->version,
		.kind = kind,
		.on_hand = on_hand,
		.allocated = allocated,
		.order_id = order ? *order : (struct kw_uuid) { "" },
		.line_no = line_no,
	};
}

/* What was counted away is taken off as soon as it is free; what is promised to nobody can no
 * longer be missing. */
static void settle(struct stock_book *book, struct stock *s)
{
	int off = stock_available(s) < s->missing ? stock_available(s) : s->missing;

	if (off > 0) {
		s->missing -= off;
		move(book, s, MOVE_ADJUST, -off, 0, NULL, 0);
	}
	if (s->missing > s->allocated)
		s->missing = s->allocated;
}

void stock_reserve(struct stock_book *book, struct stock *s, int quantity,
	const struct kw_uuid *order, int line_no)
{
	kw_assert(quantity > 0 && stock_available(s) >= quantity);
	move(book, s, MOVE_RESERVE, 0, quantity, order, line_no);
}

void stock_release(struct stock_book *book, struct stock *s, int quantity,
	const struct kw_uuid *order, int line_no)
{
	move(book, s, MOVE_RELEASE, 0, -quantity, order, line_no);
	settle(book, s);
}

void stock_sell(struct stock_book *book, struct stock *s, int quantity, const struct kw_uuid *order,
	int line_no)
{
	move(book, s, MOVE_SALE, -quantity, -quantity, order, line_no);
	settle(book, s);
}

void stock_count(struct stock_book *book, struct stock *s, int quantity, int64_t count_version)
{
	if (count_version <= s->count_version)
		return;
	int difference = quantity - s->counted;

	s->counted = quantity;
	s->count_version = count_version;
	s->changed = true;
	if (difference > 0) {
		move(book, s, MOVE_RECEIPT, difference, 0, NULL, 0);
		settle(book, s);
	} else if (difference < 0) {
		int free = stock_available(s);
		int off = -difference < free ? -difference : free;
		int rest = -difference - off;

		if (off > 0)
			move(book, s, MOVE_ADJUST, -off, 0, NULL, 0);
		s->missing += rest;
		if (s->missing > s->allocated)
			s->missing = s->allocated;
	}
}
