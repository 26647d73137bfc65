/* Structs to JSON text, written straight into the buffer in the order of the table. */
#include "json/json.h"

static void write_member(
	const struct kw_field *f, const void *from, size_t count, struct kw_buf *out);
static bool is_empty(const struct kw_field *f, const void *from, size_t count);
static void write_text(const char *text, const struct kw_field *f, struct kw_buf *out);
static void write_money(struct kw_money m, struct kw_buf *out);
static void write_time(kw_time t, struct kw_buf *out);
static void write_array(
	const struct kw_field *f, const char *elements, size_t count, struct kw_buf *out);
static void write_strs(const char *const *texts, size_t count, struct kw_buf *out);

void kw_json_encode(const struct kw_field *fields, const void *in, struct kw_buf *out)
{
	char separator = '{';
	for (const struct kw_field *f = fields; f->kind != KW_KIND_END; f++) {
		const void *from = (const char *)in + f->offset;
		size_t count = 0;
		if (f->kind == KW_KIND_ARRAY || f->kind == KW_KIND_STRS)
			count = *(const size_t *)(const void *)((const char *)in + f->count_offset);
		if (!(f->flags & KW_REQUIRED) && is_empty(f, from, count))
			continue;
		kw_buf_char(out, separator);
		separator = ',';
		kw_buf_json_str(out, f->name);
		kw_buf_char(out, ':');
		write_member(f, from, count, out);
	}
	kw_buf_str(out, separator == '{' ? "{}" : "}");
}

static bool is_empty(const struct kw_field *f, const void *from, size_t count)
{
	switch (f->kind) {
	case KW_KIND_STR:
	case KW_KIND_ID: {
		const char *text = *(const char *const *)from;
		return !text || !*text;
	}
	case KW_KIND_BOOL:
		return !*(const bool *)from;
	case KW_KIND_I64:
	case KW_KIND_TIME:
		return *(const int64_t *)from == 0;
	case KW_KIND_MONEY:
		return ((const struct kw_money *)from)->currency[0] == '\0';
	case KW_KIND_UUID:
		return ((const struct kw_uuid *)from)->s[0] == '\0';
	case KW_KIND_ENUM:
		return *(const int *)from == 0;
	case KW_KIND_OBJECT:
		return !*(const void *const *)from;
	case KW_KIND_ARRAY:
	case KW_KIND_STRS:
		return count == 0;
	case KW_KIND_END:
		break;
	}
	return true;
}

/* A required member without a value would be refused by every reader: our bug, so it stops here. */
static void write_member(
	const struct kw_field *f, const void *from, size_t count, struct kw_buf *out)
{
	switch (f->kind) {
	case KW_KIND_STR:
	case KW_KIND_ID:
		write_text(*(const char *const *)from, f, out);
		break;
	case KW_KIND_BOOL:
		kw_buf_str(out, *(const bool *)from ? "true" : "false");
		break;
	case KW_KIND_I64:
		kw_buf_i64(out, *(const int64_t *)from);
		break;
	case KW_KIND_MONEY:
		write_money(*(const struct kw_money *)from, out);
		break;
	case KW_KIND_TIME:
		write_time(*(const kw_time *)from, out);
		break;
	case KW_KIND_UUID: {
		const char *text = ((const struct kw_uuid *)from)->s;
		kw_assert(*text);
		kw_buf_json_str(out, text);
		break;
	}
	case KW_KIND_ENUM: {
		const char *name = kw_strtab_name(f->names, *(const int *)from);
		kw_assert(name);
		kw_buf_json_str(out, name);
		break;
	}
	case KW_KIND_OBJECT:
		kw_assert(*(const void *const *)from);
		kw_json_encode(f->fields, *(const void *const *)from, out);
		break;
	case KW_KIND_ARRAY:
		write_array(f, *(const char *const *)from, count, out);
		break;
	case KW_KIND_STRS:
		write_strs(*(const char *const *const *)from, count, out);
		break;
	case KW_KIND_END:
		break;
	}
}

static void write_text(const char *text, const struct kw_field *f, struct kw_buf *out)
{
	kw_assert(text ? (*text || f->min == 0) : f->min == 0);
	kw_buf_json_str(out, text ? text : "");
}

static void write_money(struct kw_money m, struct kw_buf *out)
{
	char amount[32];
	kw_money_format(m, amount);
	kw_buf_str(out, "{\"amount\":\"");
	kw_buf_str(out, amount);
	kw_buf_str(out, "\",\"currency\":\"");
	kw_buf_str(out, m.currency);
	kw_buf_str(out, "\"}");
}

static void write_time(kw_time t, struct kw_buf *out)
{
	char text[KW_TIME_TEXT];
	kw_assert(t != 0);
	kw_time_format(t, text);
	kw_buf_char(out, '"');
	kw_buf_str(out, text);
	kw_buf_char(out, '"');
}

static void write_array(
	const struct kw_field *f, const char *elements, size_t count, struct kw_buf *out)
{
	kw_buf_char(out, '[');
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			kw_buf_char(out, ',');
		kw_json_encode(f->fields, elements + i * f->size, out);
	}
	kw_buf_char(out, ']');
}

static void write_strs(const char *const *texts, size_t count, struct kw_buf *out)
{
	kw_buf_char(out, '[');
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			kw_buf_char(out, ',');
		kw_buf_json_str(out, texts[i]);
	}
	kw_buf_char(out, ']');
}
