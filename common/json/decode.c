/* JSON text to structs: jansson parses once, then the field tables pick what they know. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "json/json.h"

#define DEPTH_MAX 32
#define AMOUNT_MAX 40 /* bytes of the text of an amount */
#define STRS_MAX 200  /* bytes of a text in an array of texts */

/* Where in the document we are: a list on the stack, made a text only when something is wrong. */
struct place {
	const struct place *up;
	const char *name; /* NULL: an element */
	size_t index;
};

/* One member that is being read. */
struct member {
	const struct kw_field *field;
	const json_t *value; /* present and of no empty kind */
	void *to;            /* the struct's member */
	size_t *to_count;    /* ARRAY, STRS */
	struct place place;
	struct kw_arena *arena;
	struct kw_err *err;
};

static enum kw_rc check_depth(const char *p, size_t n, struct kw_err *err);
static enum kw_rc syntax(const json_error_t *e, struct kw_err *err);
static enum kw_rc read_object(const struct kw_field *fields, const json_t *object,
	const struct place *up, struct kw_arena *a, void *to, struct kw_err *err);
static bool is_empty(const struct kw_field *field, const json_t *value);
static enum kw_rc read_str(const struct member *m);
static enum kw_rc read_id(const struct member *m);
static enum kw_rc read_bool(const struct member *m);
static enum kw_rc read_i64(const struct member *m);
static enum kw_rc read_money(const struct member *m);
static enum kw_rc read_time(const struct member *m);
static enum kw_rc read_uuid(const struct member *m);
static enum kw_rc read_enum(const struct member *m);
static enum kw_rc read_nested(const struct member *m);
static enum kw_rc read_array(const struct member *m);
static enum kw_rc read_strs(const struct member *m);
static enum kw_rc take_text(const json_t *value, const struct place *place, int64_t min,
	int64_t max, const char **ret, struct kw_err *err);
static enum kw_rc check_length(
	const struct place *place, size_t n, int64_t min, int64_t max, struct kw_err *err);
static enum kw_rc check_count(const struct member *m);
static enum kw_rc wrong(const struct place *place, struct kw_err *err, const char *fmt, ...)
	KW_PRINTF(3, 4);

static enum kw_rc (*const readers[])(const struct member *m) = {
	[KW_KIND_STR] = read_str,
	[KW_KIND_ID] = read_id,
	[KW_KIND_BOOL] = read_bool,
	[KW_KIND_I64] = read_i64,
	[KW_KIND_MONEY] = read_money,
	[KW_KIND_TIME] = read_time,
	[KW_KIND_UUID] = read_uuid,
	[KW_KIND_ENUM] = read_enum,
	[KW_KIND_OBJECT] = read_nested,
	[KW_KIND_ARRAY] = read_array,
	[KW_KIND_STRS] = read_strs,
};

void kw_json_init(void)
{
	json_object_seed(0);
}

static void json_free(json_t **value)
{
	json_decref(*value);
}

enum kw_rc kw_json_decode(const struct kw_field *fields, const void *bytes, size_t n,
	struct kw_arena *a, void *ret, struct kw_err *err)
{
	KW_TRY(check_depth(bytes, n, err));
	json_error_t e;
	/* with ALLOW_NUL a text with NUL gets a pointer and not "no JSON"; take_text refuses it */
	KW_CLEANUP(json_free)
	json_t *root =
		json_loadb(n > 0 ? bytes : "", n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
	if (!root)
		return syntax(&e, err);
	if (!json_is_object(root))
		return kw_fail_code(err, KW_INVALID, "SYNTAX", "not a JSON object");
	return read_object(fields, root, NULL, a, ret, err);
}

/* jansson's own limit is 2048 levels; this one is before it builds anything. */
static enum kw_rc check_depth(const char *p, size_t n, struct kw_err *err)
{
	int depth = 0;
	bool text = false;
	for (size_t i = 0; i < n; i++) {
		if (text) {
			if (p[i] == '\\')
				i++;
			else if (p[i] == '"')
				text = false;
		} else if (p[i] == '"') {
			text = true;
		} else if (p[i] == '{' || p[i] == '[') {
			if (++depth > DEPTH_MAX)
				return kw_fail_code(err, KW_INVALID, "SYNTAX",
					"nested deeper than %d levels", DEPTH_MAX);
		} else if (p[i] == '}' || p[i] == ']') {
			depth--;
		}
	}
	return KW_OK;
}

/* jansson's own text quotes the body, which may be anybody's data: only the kind and the place are
 * told. */
static enum kw_rc syntax(const json_error_t *e, struct kw_err *err)
{
	const char *what = "not JSON";
	switch (json_error_code(e)) {
	case json_error_duplicate_key:
		what = "a member twice in one object";
		break;
	case json_error_invalid_utf8:
		what = "not UTF-8";
		break;
	case json_error_premature_end_of_input:
		what = "ends too early";
		break;
	case json_error_end_of_input_expected:
		what = "more than one value";
		break;
	case json_error_numeric_overflow:
		what = "a number out of range";
		break;
	case json_error_null_byte_in_key:
		what = "NUL in a member's name";
		break;
	case json_error_out_of_memory:
		kw_assert(!"memory for the body");
		break;
	default:
		break;
	}
	return kw_fail_code(
		err, KW_INVALID, "SYNTAX", "%s (line %d, column %d)", what, e->line, e->column);
}

static enum kw_rc read_object(const struct kw_field *fields, const json_t *object,
	const struct place *up, struct kw_arena *a, void *to, struct kw_err *err)
{
	for (const struct kw_field *f = fields; f->kind != KW_KIND_END; f++) {
		const json_t *value = json_object_get(object, f->name);
		struct member m = {
			.field = f,
			.value = value,
			.to = (char *)to + f->offset,
			.to_count = (void *)((char *)to + f->count_offset),
			.place = { up, f->name, 0 },
			.arena = a,
			.err = err,
		};
		bool required = f->flags & KW_REQUIRED;
		if (!value || json_is_null(value)) {
			if (required)
				return wrong(&m.place, err, "is required");
			continue;
		}
		if (!required && is_empty(f, value))
			continue;
		KW_TRY(readers[f->kind](&m));
	}
	return KW_OK;
}

/* "" and [] are how some senders write that there is no value. */
static bool is_empty(const struct kw_field *field, const json_t *value)
{
	if (field->kind == KW_KIND_ARRAY || field->kind == KW_KIND_STRS)
		return json_is_array(value) && json_array_size(value) == 0;
	return json_is_string(value) && json_string_length(value) == 0 &&
	       field->kind != KW_KIND_OBJECT && field->kind != KW_KIND_MONEY &&
	       field->kind != KW_KIND_BOOL && field->kind != KW_KIND_I64;
}

static enum kw_rc read_str(const struct member *m)
{
	const char *text;
	KW_TRY(take_text(m->value, &m->place, m->field->min, m->field->max, &text, m->err));
	*(const char **)m->to = kw_arena_strn(m->arena, text, json_string_length(m->value));
	return KW_OK;
}

static enum kw_rc read_id(const struct member *m)
{
	if (!json_is_integer(m->value))
		return json_is_string(m->value)
			       ? read_str(m)
			       : wrong(&m->place, m->err, "is no string or integer");
	char *text =
		kw_arena_printf(m->arena, "%" JSON_INTEGER_FORMAT, json_integer_value(m->value));
	KW_TRY(check_length(&m->place, strlen(text), m->field->min, m->field->max, m->err));
	*(const char **)m->to = text;
	return KW_OK;
}

static enum kw_rc read_bool(const struct member *m)
{
	if (!json_is_boolean(m->value))
		return wrong(&m->place, m->err, "is no boolean");
	*(bool *)m->to = json_is_true(m->value);
	return KW_OK;
}

static enum kw_rc read_i64(const struct member *m)
{
	if (!json_is_integer(m->value))
		return wrong(&m->place, m->err, "is no integer");
	int64_t v = json_integer_value(m->value);
	if (v < m->field->min)
		return wrong(&m->place, m->err, "%" PRId64 " is below %" PRId64, v, m->field->min);
	if (v > m->field->max)
		return wrong(&m->place, m->err, "%" PRId64 " is above %" PRId64, v, m->field->max);
	*(int64_t *)m->to = v;
	return KW_OK;
}

static enum kw_rc read_money(const struct member *m)
{
	if (!json_is_object(m->value))
		return wrong(&m->place, m->err, "is no object of amount and currency");
	struct place amount_at = { &m->place, "amount", 0 },
		     currency_at = { &m->place, "currency", 0 };
	const char *amount, *currency;
	struct kw_err why;
	KW_TRY(take_text(
		json_object_get(m->value, "amount"), &amount_at, 1, AMOUNT_MAX, &amount, m->err));
	KW_TRY(take_text(
		json_object_get(m->value, "currency"), &currency_at, 3, 3, &currency, m->err));
	if (kw_currency_digits(currency) < 0)
		return wrong(&currency_at, m->err, "is no currency of ISO 4217");
	if (kw_money_parse(amount, currency, m->to, &why) != KW_OK)
		return wrong(&amount_at, m->err, "%s", why.reason);
	return KW_OK;
}

static enum kw_rc read_time(const struct member *m)
{
	const char *text;
	struct kw_err why;
	KW_TRY(take_text(m->value, &m->place, 1, 64, &text, m->err));
	kw_time at;
	if (kw_time_parse(text, &at, &why) != KW_OK)
		return wrong(&m->place, m->err, "%s", why.reason);
	if (at == 0)
		return wrong(&m->place, m->err, "the first microsecond of 1970 stands for no time");
	*(kw_time *)m->to = at;
	return KW_OK;
}

static enum kw_rc read_uuid(const struct member *m)
{
	const char *text;
	KW_TRY(take_text(m->value, &m->place, 1, 64, &text, m->err));
	if (!kw_uuid_parse(text, m->to))
		return wrong(&m->place, m->err, "is no UUID");
	return KW_OK;
}

static enum kw_rc read_enum(const struct member *m)
{
	const char *text;
	KW_TRY(take_text(m->value, &m->place, 0, 200, &text, m->err));
	int value = kw_strtab_value(m->field->names, text);
	if (value < 0) {
		char names[200] = "";
		for (int i = 0, at = 0; i < m->field->names->n && at < (int)sizeof(names) - 1; i++)
			at += snprintf(names + at, sizeof(names) - (size_t)at, "%s%s",
				i > 0 ? ", " : "", kw_strtab_name(m->field->names, i));
		return wrong(&m->place, m->err, "is none of %s", names);
	}
	*(int *)m->to = value;
	return KW_OK;
}

static enum kw_rc read_nested(const struct member *m)
{
	if (!json_is_object(m->value))
		return wrong(&m->place, m->err, "is no object");
	void *to = kw_arena_alloc(m->arena, 1, m->field->size);
	KW_TRY(read_object(m->field->fields, m->value, &m->place, m->arena, to, m->err));
	*(void **)m->to = to;
	return KW_OK;
}

static enum kw_rc read_array(const struct member *m)
{
	KW_TRY(check_count(m));
	size_t n = json_array_size(m->value);
	char *to = kw_arena_alloc(m->arena, n, m->field->size);
	for (size_t i = 0; i < n; i++) {
		struct place at = { &m->place, NULL, i };
		const json_t *element = json_array_get(m->value, i);
		if (!json_is_object(element))
			return wrong(&at, m->err, "is no object");
		KW_TRY(read_object(
			m->field->fields, element, &at, m->arena, to + i * m->field->size, m->err));
	}
	*(void **)m->to = to;
	*m->to_count = n;
	return KW_OK;
}

static enum kw_rc read_strs(const struct member *m)
{
	KW_TRY(check_count(m));
	size_t n = json_array_size(m->value);
	const char **to = kw_new(m->arena, const char *, n);
	for (size_t i = 0; i < n; i++) {
		struct place at = { &m->place, NULL, i };
		const json_t *element = json_array_get(m->value, i);
		const char *text;
		KW_TRY(take_text(element, &at, 1, STRS_MAX, &text, m->err));
		to[i] = kw_arena_strn(m->arena, text, json_string_length(element));
	}
	*(const char ***)m->to = to;
	*m->to_count = n;
	return KW_OK;
}

/* The string's own bytes, valid as long as the document. NUL and most control characters are
 * refused: PostgreSQL cannot keep the one, and labels, logs and CSV files must not carry the
 * others. */
static enum kw_rc take_text(const json_t *value, const struct place *place, int64_t min,
	int64_t max, const char **ret, struct kw_err *err)
{
	if (!value)
		return wrong(place, err, "is required");
	if (!json_is_string(value))
		return wrong(place, err, "is no string");
	const char *text = json_string_value(value);
	size_t n = json_string_length(value);
	KW_TRY(check_length(place, n, min, max, err));
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];
		if ((c < 0x20 && c != '\t' && c != '\n') || c == 0x7f)
			return wrong(place, err, "holds the control character U+%04X", c);
	}
	*ret = text;
	return KW_OK;
}

static enum kw_rc check_length(
	const struct place *place, size_t n, int64_t min, int64_t max, struct kw_err *err)
{
	if ((int64_t)n < min)
		return wrong(place, err, "is shorter than %" PRId64 " bytes", min);
	if ((int64_t)n > max)
		return wrong(place, err, "is longer than %" PRId64 " bytes", max);
	return KW_OK;
}

static enum kw_rc check_count(const struct member *m)
{
	if (!json_is_array(m->value))
		return wrong(&m->place, m->err, "is no array");
	int64_t n = (int64_t)json_array_size(m->value);
	if (n < m->field->min)
		return wrong(
			&m->place, m->err, "has fewer than %" PRId64 " elements", m->field->min);
	if (n > m->field->max)
		return wrong(
			&m->place, m->err, "has more than %" PRId64 " elements", m->field->max);
	return KW_OK;
}

/* RFC 6901: "~" is written ~0 and "/" is written ~1. */
static void write_pointer(const struct place *place, struct kw_buf *out)
{
	if (!place)
		return;
	write_pointer(place->up, out);
	kw_buf_char(out, '/');
	if (!place->name) {
		kw_buf_i64(out, (int64_t)place->index);
		return;
	}
	for (const char *p = place->name; *p; p++) {
		if (*p == '~' || *p == '/')
			kw_buf_str(out, *p == '~' ? "~0" : "~1");
		else
			kw_buf_char(out, *p);
	}
}

static enum kw_rc wrong(const struct place *place, struct kw_err *err, const char *fmt, ...)
{
	if (!err)
		return KW_INVALID;
	char reason[sizeof(err->reason)];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	KW_CLEANUP(kw_buf_done) struct kw_buf pointer;
	kw_buf_init(&pointer, sizeof(err->pointer) - 1);
	write_pointer(place, &pointer);
	return kw_fail_at(err, KW_INVALID, pointer.p, "%s", reason);
}
