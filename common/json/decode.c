/* JSON text to structs: scanned once, then the field tables pick what they know. What the scanner
 * refuses, jansson says why. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "json/json.h"
#include "json/scan.h"

#define AMOUNT_MAX 40 /* bytes of the text of an amount */
#define STRS_MAX 200  /* bytes of a text in an array of texts */
#define SHORT_MAX 201 /* a text that is looked at and not kept, with its NUL */

/* Where in the document we are: a list on the stack, made a text only when something is wrong. */
struct place {
	const struct place *up;
	const char *name; /* NULL: an element */
	size_t index;
};

/* One member that is being read. */
struct member {
	const struct kw_field *field;
	const struct kw_token *tokens;
	const struct kw_token *value; /* present and of no empty kind */
	void *to;                     /* the struct's member */
	size_t *to_count;             /* ARRAY, STRS */
	struct place place;
	struct kw_arena *arena;
	struct kw_err *err;
};

static enum kw_rc check_depth(const char *p, size_t n, struct kw_err *err);
static enum kw_rc syntax(const json_error_t *e, struct kw_err *err);
static enum kw_rc explain(const char *p, size_t n, struct kw_err *err);
static enum kw_rc read_object(const struct kw_field *fields, const struct kw_token *tokens,
	const struct kw_token *object, const struct place *up, struct kw_arena *a, void *to,
	struct kw_err *err);
static bool is_empty(const struct kw_field *field, const struct kw_token *value);
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
static enum kw_rc check_text(const struct kw_token *value, const struct place *place, int64_t min,
	int64_t max, struct kw_err *err);
static enum kw_rc take_short(const struct kw_token *value, const struct place *place, int64_t min,
	int64_t max, char out[SHORT_MAX], struct kw_err *err);
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
	KW_CLEANUP(kw_scan_done) struct kw_scan s = { 0 };

	if (!kw_scan(&s, bytes, n, a))
		return explain(n > 0 ? bytes : "", n, err);
	if (s.tokens->kind != KW_TOKEN_OBJECT)
		return kw_fail_code(err, KW_INVALID, "SYNTAX", "not a JSON object");
	return read_object(fields, s.tokens, s.tokens, NULL, a, ret, err);
}

static enum kw_rc explain(const char *p, size_t n, struct kw_err *err)
{
	KW_TRY(check_depth(p, n, err));
	json_error_t e;
	/* NUL in a text is not what the scanner refuses */
	KW_CLEANUP(json_free)
	json_t *root = json_loadb(p, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
	if (!root)
		return syntax(&e, err);
	/* the scanner is stricter: with NUL behind a number, and fractions from 1e299 on */
	return kw_fail_code(err, KW_INVALID, "SYNTAX", "not JSON");
}

/* jansson's own limit is 2048 levels; ours is before it builds anything. */
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
			if (++depth > KW_DEPTH_MAX)
				return kw_fail_code(err, KW_INVALID, "SYNTAX",
					"nested deeper than %d levels", KW_DEPTH_MAX);
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

/* The value of a member; *at is the name to begin with, so that members in the order of the table
 * are found at once. NULL: there is none. */
static const struct kw_token *find(const struct kw_token *tokens, const struct kw_token *object,
	const char *name, uint32_t *at)
{
	uint32_t first = (uint32_t)(object - tokens) + 1;
	size_t n = strlen(name);

	for (uint32_t i = 0; i < object->count; i++) {
		const struct kw_token *member = &tokens[*at];

		*at = tokens[*at + 1].after;
		if (*at == object->after)
			*at = first;
		if (member->n == n && memcmp(member->p, name, n) == 0)
			return member + 1;
	}
	return NULL;
}

static enum kw_rc read_object(const struct kw_field *fields, const struct kw_token *tokens,
	const struct kw_token *object, const struct place *up, struct kw_arena *a, void *to,
	struct kw_err *err)
{
	uint32_t at = (uint32_t)(object - tokens) + 1;

	for (const struct kw_field *f = fields; f->kind != KW_KIND_END; f++) {
		const struct kw_token *value = find(tokens, object, f->name, &at);
		struct member m = {
			.field = f,
			.tokens = tokens,
			.value = value,
			.to = (char *)to + f->offset,
			.to_count = (void *)((char *)to + f->count_offset),
			.place = { up, f->name, 0 },
			.arena = a,
			.err = err,
		};
		bool required = f->flags & KW_REQUIRED;
		if (!value || value->kind == KW_TOKEN_NULL) {
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
static bool is_empty(const struct kw_field *field, const struct kw_token *value)
{
	if (field->kind == KW_KIND_ARRAY || field->kind == KW_KIND_STRS)
		return value->kind == KW_TOKEN_ARRAY && value->count == 0;
	return value->kind == KW_TOKEN_STR && value->n == 0 && field->kind != KW_KIND_OBJECT &&
	       field->kind != KW_KIND_MONEY && field->kind != KW_KIND_BOOL &&
	       field->kind != KW_KIND_I64;
}

static enum kw_rc read_str(const struct member *m)
{
	KW_TRY(check_text(m->value, &m->place, m->field->min, m->field->max, m->err));
	*(const char **)m->to = kw_arena_strn(m->arena, m->value->p, m->value->n);
	return KW_OK;
}

static enum kw_rc read_id(const struct member *m)
{
	if (m->value->kind != KW_TOKEN_INT)
		return m->value->kind == KW_TOKEN_STR
			       ? read_str(m)
			       : wrong(&m->place, m->err, "is no string or integer");
	char *text = kw_arena_printf(m->arena, "%" PRId64, m->value->i64);
	KW_TRY(check_length(&m->place, strlen(text), m->field->min, m->field->max, m->err));
	*(const char **)m->to = text;
	return KW_OK;
}

static enum kw_rc read_bool(const struct member *m)
{
	if (m->value->kind != KW_TOKEN_TRUE && m->value->kind != KW_TOKEN_FALSE)
		return wrong(&m->place, m->err, "is no boolean");
	*(bool *)m->to = m->value->kind == KW_TOKEN_TRUE;
	return KW_OK;
}

static enum kw_rc read_i64(const struct member *m)
{
	if (m->value->kind != KW_TOKEN_INT)
		return wrong(&m->place, m->err, "is no integer");
	int64_t v = m->value->i64;
	if (v < m->field->min)
		return wrong(&m->place, m->err, "%" PRId64 " is below %" PRId64, v, m->field->min);
	if (v > m->field->max)
		return wrong(&m->place, m->err, "%" PRId64 " is above %" PRId64, v, m->field->max);
	*(int64_t *)m->to = v;
	return KW_OK;
}

static enum kw_rc read_money(const struct member *m)
{
	if (m->value->kind != KW_TOKEN_OBJECT)
		return wrong(&m->place, m->err, "is no object of amount and currency");
	struct place amount_at = { &m->place, "amount", 0 },
		     currency_at = { &m->place, "currency", 0 };
	uint32_t at = (uint32_t)(m->value - m->tokens) + 1;
	char amount[SHORT_MAX], currency[SHORT_MAX];
	struct kw_err why;
	KW_TRY(take_short(find(m->tokens, m->value, "amount", &at), &amount_at, 1, AMOUNT_MAX,
		amount, m->err));
	KW_TRY(take_short(
		find(m->tokens, m->value, "currency", &at), &currency_at, 3, 3, currency, m->err));
	if (kw_currency_digits(currency) < 0)
		return wrong(&currency_at, m->err, "is no currency of ISO 4217");
	if (kw_money_parse(amount, currency, m->to, &why) != KW_OK)
		return wrong(&amount_at, m->err, "%s", why.reason);
	return KW_OK;
}

static enum kw_rc read_time(const struct member *m)
{
	char text[SHORT_MAX];
	struct kw_err why;
	KW_TRY(take_short(m->value, &m->place, 1, 64, text, m->err));
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
	char text[SHORT_MAX];
	KW_TRY(take_short(m->value, &m->place, 1, 64, text, m->err));
	if (!kw_uuid_parse(text, m->to))
		return wrong(&m->place, m->err, "is no UUID");
	return KW_OK;
}

static enum kw_rc read_enum(const struct member *m)
{
	char text[SHORT_MAX];
	KW_TRY(take_short(m->value, &m->place, 0, 200, text, m->err));
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
	if (m->value->kind != KW_TOKEN_OBJECT)
		return wrong(&m->place, m->err, "is no object");
	void *to = kw_arena_alloc(m->arena, 1, m->field->size);
	KW_TRY(read_object(m->field->fields, m->tokens, m->value, &m->place, m->arena, to, m->err));
	*(void **)m->to = to;
	return KW_OK;
}

static enum kw_rc read_array(const struct member *m)
{
	KW_TRY(check_count(m));
	size_t n = m->value->count;
	const struct kw_token *element = m->value + 1;
	char *to = kw_arena_alloc(m->arena, n, m->field->size);
	for (size_t i = 0; i < n; i++, element = &m->tokens[element->after]) {
		struct place at = { &m->place, NULL, i };
		if (element->kind != KW_TOKEN_OBJECT)
			return wrong(&at, m->err, "is no object");
		KW_TRY(read_object(m->field->fields, m->tokens, element, &at, m->arena,
			to + i * m->field->size, m->err));
	}
	*(void **)m->to = to;
	*m->to_count = n;
	return KW_OK;
}

static enum kw_rc read_strs(const struct member *m)
{
	KW_TRY(check_count(m));
	size_t n = m->value->count;
	const struct kw_token *element = m->value + 1;
	const char **to = kw_new(m->arena, const char *, n);
	for (size_t i = 0; i < n; i++, element = &m->tokens[element->after]) {
		struct place at = { &m->place, NULL, i };
		KW_TRY(check_text(element, &at, 1, STRS_MAX, m->err));
		to[i] = kw_arena_strn(m->arena, element->p, element->n);
	}
	*(const char ***)m->to = to;
	*m->to_count = n;
	return KW_OK;
}

/* NUL and most control characters are refused: PostgreSQL cannot keep the one, and labels, logs
 * and CSV files must not carry the others. */
static enum kw_rc check_text(const struct kw_token *value, const struct place *place, int64_t min,
	int64_t max, struct kw_err *err)
{
	if (!value)
		return wrong(place, err, "is required");
	if (value->kind != KW_TOKEN_STR)
		return wrong(place, err, "is no string");
	KW_TRY(check_length(place, value->n, min, max, err));
	for (size_t i = 0; i < value->n; i++) {
		unsigned char c = (unsigned char)value->p[i];
		if ((c < 0x20 && c != '\t' && c != '\n') || c == 0x7f)
			return wrong(place, err, "holds the control character U+%04X", c);
	}
	return KW_OK;
}

/* A text of at most SHORT_MAX - 1 bytes with a NUL behind it. */
static enum kw_rc take_short(const struct kw_token *value, const struct place *place, int64_t min,
	int64_t max, char out[SHORT_MAX], struct kw_err *err)
{
	kw_assert(max < SHORT_MAX);
	KW_TRY(check_text(value, place, min, max, err));
	memcpy(out, value->p, value->n);
	out[value->n] = '\0';
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
	if (m->value->kind != KW_TOKEN_ARRAY)
		return wrong(&m->place, m->err, "is no array");
	int64_t n = m->value->count;
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
