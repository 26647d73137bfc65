/* CSV by RFC 4180, read piece by piece: quotes, separators and line ends inside quotes, CRLF or LF,
 * a byte order mark, rows of a single cell. Pure: bytes in, rows out; memory does not grow with the
 * input. Blank rows (no cell holds anything) are skipped. One reader per thread. Nothing is
 * guessed: what is not CSV is refused with its line. */
#ifndef KW_CORE_CSV_H
#define KW_CORE_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct kw_csv;

struct kw_csv_row {
	const char *const
		*cells; /* UTF-8 without NUL, CRLF as LF; the reader's own until its next call */
	size_t n;
	int64_t line, last_line; /* where it begins and ends, from 1 */
	int64_t end; /* bytes of input before what follows it, the byte order mark included */
};

/* separator 0: "," or ";", whichever comes first in the first row. row_max: bytes of a row's cells.
 */
struct kw_csv *kw_csv_new(char separator, size_t row_max, size_t cells_max);
void kw_csv_free(struct kw_csv *csv);
void kw_csv_freep(struct kw_csv **csv);

/* Lends the next piece, until kw_csv_next says NOTHING. last: nothing follows it. */
void kw_csv_feed(struct kw_csv *csv, const void *p, size_t n, bool last);
/* OK: a row. NOTHING: the piece is read; after the last one, the end. INVALID: what should be a row
 * is none, ret tells its lines, and reading goes on behind it; with the code "CUT" it cannot: a
 * quote that is never closed, or bytes that are no text. */
enum kw_rc kw_csv_next(struct kw_csv *csv, struct kw_csv_row *ret, struct kw_err *err);
/* The number of the line that comes next: of a piece that was cut out of a larger file. */
void kw_csv_set_line(struct kw_csv *csv, int64_t line);

/* No overlong forms, no surrogates, nothing above U+10FFFF. */
bool kw_utf8_ok(const char *p, size_t n);

#endif
