/* Rows of a file to JSON objects, by a field table: the name of a column is the path of a member,
 * with dots
 * ("address.city", "price.amount", "publications.0.channel"). The texts of an array of texts are
 * separated by "|". An empty cell is no value; an object or element without any value is left out.
 * What a value may be is the decoder's business; only numbers that a spreadsheet has shortened
 * (1.48157E+11) are refused here, in any column. A plan lives in its arena; any thread. */
#ifndef KW_JSON_FLAT_H
#define KW_JSON_FLAT_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "json/field.h"

#define KW_FLAT_COLUMNS_MAX 256

struct kw_flat;

/* INVALID: a column that the table does not know, or one that is there twice. */
enum kw_rc kw_flat_plan(const struct kw_field *fields, const char *const *names, size_t n,
	struct kw_arena *a, const struct kw_flat **ret, struct kw_err *err);
/* Appends the object of a row of as many cells as the plan has columns. INVALID with the member's
 * pointer. */
enum kw_rc kw_flat_write(const struct kw_flat *flat, const char *const *cells, struct kw_buf *out,
	struct kw_err *err);
/* "1.48157E+11" */
bool kw_flat_shortened(const char *cell);

#endif
