/* Shopify's product CSV as it is exported: rows of one Handle are a product, its facts stand in the
 * first of them, and each row with a variant is a listing; a row with an image alone is none.
 * https://help.shopify.com/en/manual/products/import-export/using-csv */
#ifndef LISTING_SHOPIFY_PRODUCTS_H
#define LISTING_SHOPIFY_PRODUCTS_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "model.h"

/* What the file does not say. */
struct shop {
	const char *maker_id; /* NULL: the column Vendor names the maker */
	const char *hub_id, *currency;
	const char *channel; /* NULL: it is published nowhere */
	const char *skill;
	int64_t weight_g; /* of variants without one; 0: they are refused */
	int listing_kind;
};

struct products;

/* INVALID: a column is absent that must be there, or is there twice. Columns that say nothing to us
 * are left alone. */
enum kw_rc products_new(const struct shop *shop, const char *const *header, size_t n,
	struct products **ret, struct kw_err *err);
void products_free(struct products *products);
/* Appends the listing's JSON. NOTHING: a row without a variant. INVALID: the pointer names the
 * column. */
enum kw_rc products_row(struct products *products, const char *const *cells, struct kw_buf *out,
	struct kw_err *err);
/* The column that a member of the listing comes from, or the member. */
const char *products_column(const char *pointer);

#endif
