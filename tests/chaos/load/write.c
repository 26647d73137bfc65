#include "write.h"

#include <inttypes.h>

/* After a value of the same level comes a comma. */
static void begin(struct kw_buf *b, const char *name)
{
	char last = b->n > 0 ? b->p[b->n - 1] : '{';

	if (last != '{' && last != '[')
		kw_buf_char(b, ',');
	if (name) {
		kw_buf_json_str(b, name);
		kw_buf_char(b, ':');
	}
}

void write_open(struct kw_buf *b, const char *name, char bracket)
{
	begin(b, name);
	kw_buf_char(b, bracket);
}

void write_close(struct kw_buf *b, char bracket)
{
	kw_buf_char(b, bracket);
}

void write_text(struct kw_buf *b, const char *name, const char *value)
{
	begin(b, name);
	kw_buf_json_str(b, value);
}

void write_i64(struct kw_buf *b, const char *name, int64_t value)
{
	begin(b, name);
	kw_buf_i64(b, value);
}

void write_bool(struct kw_buf *b, const char *name, bool value)
{
	write_raw(b, name, value ? "true" : "false");
}

void write_null(struct kw_buf *b, const char *name)
{
	write_raw(b, name, "null");
}

void write_raw(struct kw_buf *b, const char *name, const char *value)
{
	begin(b, name);
	kw_buf_str(b, value);
}

void write_decimal(struct kw_buf *b, const char *name, int64_t minor)
{
	begin(b, name);
	kw_buf_printf(b, "\"%" PRId64 ".%02d\"", minor / 100, (int)(minor % 100));
}

void write_money(struct kw_buf *b, const char *name, int64_t minor, const char *currency)
{
	write_open(b, name, '{');
	write_decimal(b, "amount", minor);
	write_text(b, "currency", currency);
	write_close(b, '}');
}
