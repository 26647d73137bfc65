/* What the lines of an order are worth, and their pieces. Pure. */
#include "rules.h"

static enum kw_rc sum_into(int64_t *sum, int64_t v, struct kw_err *err)
{
	if (__builtin_add_overflow(*sum, v, sum))
		return kw_fail(err, KW_INVALID, "the order's amounts are too large to add up");
	return KW_OK;
}

/* By weight; where all weights are zero (free goods) by quantity; where there are none of anything,
 * by line. */
static enum kw_rc spread(int64_t total, const int64_t *weights, const int64_t *quantities, size_t n,
	int64_t *ret, struct kw_err *err)
{
	for (size_t i = 0; i < n; i++)
		if (weights[i] > 0)
			return kw_money_split(total, weights, n, ret, err);
	for (size_t i = 0; i < n; i++)
		if (quantities[i] > 0)
			return kw_money_split(total, quantities, n, ret, err);
	int64_t ones[ORDER_LINES_MAX];
	for (size_t i = 0; i < n; i++)
		ones[i] = 1;
	return kw_money_split(total, ones, n, ret, err);
}

enum kw_rc divide_order(const struct expectation *order, const struct order_line *lines, size_t n,
	struct worth *ret, struct kw_err *err)
{
	int64_t net[ORDER_LINES_MAX], quantities[ORDER_LINES_MAX], parts[ORDER_LINES_MAX];
	int64_t worth = 0, discounts = 0;

	if (n > ORDER_LINES_MAX)
		return kw_fail(err, KW_INVALID, "%zu lines are more than %d", n, ORDER_LINES_MAX);
	if (n == 0)
		return KW_OK;
	for (size_t i = 0; i < n; i++) {
		int64_t gross;
		if (__builtin_mul_overflow(lines[i].price, lines[i].quantity, &gross))
			return kw_fail(err, KW_INVALID, "price x quantity is too large");
		int64_t discount = lines[i].discount < gross ? lines[i].discount : gross;
		net[i] = gross - discount;
		quantities[i] = lines[i].quantity;
		KW_TRY(sum_into(&worth, net[i], err));
		KW_TRY(sum_into(&discounts, discount, err));
	}
	/* A discount on the whole order, unless the lines' own ones explain the total. */
	int64_t rest = order->discount - discounts;
	if (rest > 0 && worth + order->shipping + order->tax != order->total) {
		rest = rest < worth ? rest : worth;
		KW_TRY(spread(rest, net, quantities, n, parts, err));
		for (size_t i = 0; i < n; i++)
			net[i] -= parts[i];
		worth -= rest;
	}
	for (size_t i = 0; i < n; i++)
		ret[i].net = net[i];
	KW_TRY(spread(order->shipping, net, quantities, n, parts, err));
	for (size_t i = 0; i < n; i++)
		ret[i].shipping = parts[i];
	KW_TRY(spread(order->tax, net, quantities, n, parts, err));
	for (size_t i = 0; i < n; i++)
		ret[i].tax = parts[i];
	KW_TRY(spread(order->total - worth - order->shipping - order->tax, net, quantities, n,
		parts, err));
	for (size_t i = 0; i < n; i++)
		ret[i].difference = parts[i];
	return KW_OK;
}

/* The first k of q equal parts of x. */
static int64_t first_parts(int64_t x, int64_t q, int64_t k)
{
	int64_t size = x < 0 ? -x : x, more = size % q;
	int64_t part = size / q * k + (k < more ? k : more);
	return x < 0 ? -part : part;
}

static int64_t parts_between(int64_t x, int64_t q, int64_t from, int64_t to)
{
	return first_parts(x, q, to) - first_parts(x, q, from);
}

struct worth worth_of_pieces(const struct worth *line, int64_t quantity, int64_t from, int64_t to)
{
	kw_assert(0 <= from && from <= to && to <= quantity);
	if (quantity == 0)
		return (struct worth) { 0 };
	return (struct worth) {
		.net = parts_between(line->net, quantity, from, to),
		.shipping = parts_between(line->shipping, quantity, from, to),
		.tax = parts_between(line->tax, quantity, from, to),
		.difference = parts_between(line->difference, quantity, from, to),
	};
}
