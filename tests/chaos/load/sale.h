/* What a buyer orders: a function of seed and number. Some of it is wrong on purpose. Values; any
 * thread. */
#ifndef LOAD_SALE_H
#define LOAD_SALE_H

#include "core/clock.h"
#include "goods.h"

#define SALE_LINES 3
#define SALES_MAX 50000000 /* numbers from here on are of orders that nobody made */

/* What makes a message impossible; the first two are good ones. */
enum flaw {
	NO_FLAW,
	UNKNOWN_SKU,   /* its line parks */
	BAD_CURRENCY,  /* 422 */
	BAD_QUANTITY,  /* 422 */
	TWICE_A_LINE,  /* 422 */
	BROKEN_JSON,   /* 400 */
	DOUBLE_MEMBER, /* 400 */
	TOO_DEEP,      /* 400 */
	TOO_LARGE,     /* 413 */
	FLAWS
};

/* In what an order differs from itself as it was first sent; bits. */
enum { OTHER_SHIPPING = 1, OTHER_CITY = 2, OTHER_QUANTITY = 4 };

struct sale_line {
	char line_id[24], sku[ID_MAX], title[ID_MAX];
	int64_t quantity, price, weight_g;
};

struct sale {
	enum channel channel;
	char external_id[32], number[32], email[64];
	char name[32], line1[96];
	const char *country, *region, *city, *postcode, *phone;
	char national_id[NATIONAL_ID_MAX]; /* in line1; "" mostly */
	const char *currency;
	kw_time placed_at;
	bool cod, test;
	size_t n_lines;
	struct sale_line lines[SALE_LINES];
	int64_t lines_total, shipping, total; /* minor units */
};

/* start: of the run; orders are dated from a little before. */
void sale_of(uint64_t seed, kw_time start, uint64_t n, enum flaw flaw, unsigned differs,
	struct sale *ret);
enum channel sale_channel(uint64_t seed, uint64_t n);
void sale_external_id(uint64_t seed, uint64_t n, char out[32]);

#endif
