/* JSON into a buffer, member by member; commas come by themselves. name NULL: an element of a list.
 * One thread. */
#ifndef LOAD_WRITE_H
#define LOAD_WRITE_H

#include <stdbool.h>

#include "core/buf.h"

/* bracket: '{' or '['; what it opens is ended by write_close with '}' or ']'. */
void write_open(struct kw_buf *b, const char *name, char bracket);
void write_close(struct kw_buf *b, char bracket);
void write_text(struct kw_buf *b, const char *name, const char *value);
void write_i64(struct kw_buf *b, const char *name, int64_t value);
void write_bool(struct kw_buf *b, const char *name, bool value);
void write_null(struct kw_buf *b, const char *name);
/* As it stands: a number of many digits. */
void write_raw(struct kw_buf *b, const char *name, const char *value);
/* "12.50", of a currency with two digits. */
void write_decimal(struct kw_buf *b, const char *name, int64_t minor);
/* {"amount": "12.50", "currency": "PKR"} */
void write_money(struct kw_buf *b, const char *name, int64_t minor, const char *currency);

#endif
