/* Field tables compared with JSON Schema 2020-12, and written as one. For tests and developers, not
 * for the way of an order. https://json-schema.org/draft/2020-12/json-schema-validation */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/json.h"

#define UUID_BYTES 36
#define TIME_BYTES (KW_TIME_TEXT - 1)
#define STRS_MIN 1
#define STRS_MAX 200

enum mode {
	SAME,  /* the table and the schema say the same */
	READS, /* what the schema allows, the table accepts */
};

struct compare {
	const json_t *root;
	enum mode mode;
	char at[200]; /* the member, as a pointer; an element is "*" */
	struct kw_err *err;
};

static enum kw_rc compare(const struct kw_field *fields, const char *schema, size_t n,
	enum mode mode, struct kw_err *err);
static enum kw_rc compare_object(
	struct compare *c, const struct kw_field *fields, const json_t *schema);
static enum kw_rc compare_member(struct compare *c, const struct kw_field *f, const json_t *object);
static enum kw_rc compare_kind(struct compare *c, const struct kw_field *f, const json_t *schema);
static enum kw_rc compare_text(struct compare *c, const struct kw_field *f, const json_t *schema);
static enum kw_rc compare_format(struct compare *c, const json_t *schema, const char *format);
static enum kw_rc compare_names(
	struct compare *c, const struct kw_strtab *names, const json_t *schema);
static enum kw_rc compare_money(struct compare *c, const json_t *schema);
static enum kw_rc compare_elements(
	struct compare *c, const struct kw_field *f, const json_t *schema);
static enum kw_rc compare_type(struct compare *c, const json_t *schema, const char *type);
static enum kw_rc compare_bound(struct compare *c, const json_t *schema, const char *keyword,
	int64_t bound, int64_t absent);
static const json_t *resolve(const struct compare *c, const json_t *schema);
static bool is_listed(const json_t *array, const char *text);
static json_t *describe_object(const struct kw_field *fields, bool *money);
static enum kw_rc differs(struct compare *c, const char *fmt, ...) KW_PRINTF(2, 3);

static void json_free(json_t **value)
{
	json_decref(*value);
}

enum kw_rc kw_json_same_as_schema(
	const struct kw_field *fields, const char *schema, size_t n, struct kw_err *err)
{
	return compare(fields, schema, n, SAME, err);
}

enum kw_rc kw_json_reads_schema(
	const struct kw_field *fields, const char *schema, size_t n, struct kw_err *err)
{
	return compare(fields, schema, n, READS, err);
}

static enum kw_rc compare(const struct kw_field *fields, const char *schema, size_t n,
	enum mode mode, struct kw_err *err)
{
	json_error_t e;
	KW_CLEANUP(json_free) json_t *root = json_loadb(schema, n, JSON_REJECT_DUPLICATES, &e);
	if (!root)
		return kw_fail_code(err, KW_INVALID, "SYNTAX", "%s (line %d)", e.text, e.line);
	struct compare c = { .root = root, .mode = mode, .err = err };
	return compare_object(&c, fields, root);
}

static enum kw_rc compare_object(
	struct compare *c, const struct kw_field *fields, const json_t *schema)
{
	KW_TRY(compare_type(c, schema, "object"));
	if (json_is_false(json_object_get(schema, "additionalProperties")))
		return differs(c, "additionalProperties is false: no member could be added later");
	for (const struct kw_field *f = fields; f->kind != KW_KIND_END; f++) {
		size_t n = strlen(c->at);
		snprintf(c->at + n, sizeof(c->at) - n, "/%s", f->name);
		KW_TRY(compare_member(c, f, schema));
		c->at[n] = '\0';
	}
	if (c->mode == READS)
		return KW_OK;
	const char *name;
	json_t *properties = json_object_get(schema, "properties"), *value;
	json_object_foreach(properties, name, value)
	{
		const struct kw_field *f = fields;
		while (f->kind != KW_KIND_END && strcmp(f->name, name) != 0)
			f++;
		if (f->kind == KW_KIND_END)
			return differs(c, "the table has no member %s", name);
	}
	size_t i;
	json_array_foreach(json_object_get(schema, "required"), i, value)
	{
		if (!json_object_get(properties, json_string_value(value)))
			return differs(c, "a required member is none of the properties");
	}
	return KW_OK;
}

static enum kw_rc compare_member(struct compare *c, const struct kw_field *f, const json_t *object)
{
	const json_t *schema =
		resolve(c, json_object_get(json_object_get(object, "properties"), f->name));
	if (!schema)
		return differs(c, "the schema has no such member");
	bool ours = f->flags & KW_REQUIRED,
	     theirs = is_listed(json_object_get(object, "required"), f->name);
	if (ours && !theirs)
		return differs(c, "required in the table, not in the schema");
	if (theirs && !ours && c->mode == SAME)
		return differs(c, "required in the schema, not in the table");
	return compare_kind(c, f, schema);
}

static enum kw_rc compare_kind(struct compare *c, const struct kw_field *f, const json_t *schema)
{
	switch (f->kind) {
	case KW_KIND_STR:
	case KW_KIND_ID:
		return compare_text(c, f, schema);
	case KW_KIND_BOOL:
		return compare_type(c, schema, "boolean");
	case KW_KIND_I64:
		KW_TRY(compare_type(c, schema, "integer"));
		KW_TRY(compare_bound(c, schema, "minimum", f->min, INT64_MIN));
		return compare_bound(c, schema, "maximum", f->max, INT64_MAX);
	case KW_KIND_MONEY:
		return compare_money(c, schema);
	case KW_KIND_TIME:
		return compare_format(c, schema, "date-time");
	case KW_KIND_UUID:
		return compare_format(c, schema, "uuid");
	case KW_KIND_ENUM:
		KW_TRY(compare_type(c, schema, "string"));
		return compare_names(c, f->names, schema);
	case KW_KIND_OBJECT:
		return compare_object(c, f->fields, schema);
	case KW_KIND_ARRAY:
	case KW_KIND_STRS:
		return compare_elements(c, f, schema);
	case KW_KIND_END:
		break;
	}
	return differs(c, "no kind");
}

/* A reader may take an enum, a time or an id of ours as plain text, if it is long enough. */
static enum kw_rc compare_text(struct compare *c, const struct kw_field *f, const json_t *schema)
{
	const json_t *type = json_object_get(schema, "type"),
		     *names = json_object_get(schema, "enum");
	const char *format = json_string_value(json_object_get(schema, "format"));
	bool string_or_integer = json_array_size(type) == 2 && is_listed(type, "string") &&
				 is_listed(type, "integer");
	if (f->kind != KW_KIND_ID || !string_or_integer)
		KW_TRY(compare_type(c, schema, "string"));
	if (!names && !format) {
		KW_TRY(compare_bound(c, schema, "minLength", f->min, 0));
		return compare_bound(c, schema, "maxLength", f->max, INT64_MAX);
	}
	if (c->mode == SAME)
		return differs(c, "plain text in the table, enum or format in the schema");
	int64_t longest = format ? strcmp(format, "uuid") == 0 ? UUID_BYTES : TIME_BYTES : 0,
		shortest = longest;
	size_t i;
	const json_t *name;
	json_array_foreach(names, i, name)
	{
		int64_t n = (int64_t)json_string_length(name);
		longest = n > longest ? n : longest;
		shortest = i == 0 || n < shortest ? n : shortest;
	}
	if (longest > f->max || shortest < f->min)
		return differs(c, "texts of the schema are %" PRId64 " to %" PRId64 " bytes long",
			shortest, longest);
	return KW_OK;
}

static enum kw_rc compare_format(struct compare *c, const json_t *schema, const char *format)
{
	KW_TRY(compare_type(c, schema, "string"));
	const char *theirs = json_string_value(json_object_get(schema, "format"));
	if (!theirs || strcmp(theirs, format) != 0)
		return differs(c, "format %s in the table, %s in the schema", format,
			theirs ? theirs : "none");
	return KW_OK;
}

static enum kw_rc compare_names(
	struct compare *c, const struct kw_strtab *names, const json_t *schema)
{
	const json_t *list = json_object_get(schema, "enum"), *name;
	if (!json_is_array(list))
		return differs(c, "the schema has no enum");
	size_t i;
	json_array_foreach(list, i, name)
	{
		if (kw_strtab_value(names, json_string_value(name)) < 0)
			return differs(c, "the table has no %s", json_string_value(name));
	}
	for (int value = 0; value < names->n && c->mode == SAME; value++)
		if (!is_listed(list, kw_strtab_name(names, value)))
			return differs(c, "the schema has no %s", kw_strtab_name(names, value));
	return KW_OK;
}

/* The bounds of amount and currency are ours for all money; a schema may write them as patterns. */
static enum kw_rc compare_money(struct compare *c, const json_t *schema)
{
	KW_TRY(compare_type(c, schema, "object"));
	const json_t *properties = json_object_get(schema, "properties");
	static const char *const names[] = { "amount", "currency" };
	for (size_t i = 0; i < KW_LEN(names); i++) {
		const json_t *member = resolve(c, json_object_get(properties, names[i]));
		if (!member || !is_listed(json_object_get(schema, "required"), names[i]))
			return differs(c, "money has amount and currency, both required");
		KW_TRY(compare_type(c, member, "string"));
	}
	if (json_object_size(properties) != KW_LEN(names))
		return differs(c, "money has amount and currency only");
	return KW_OK;
}

static enum kw_rc compare_elements(
	struct compare *c, const struct kw_field *f, const json_t *schema)
{
	KW_TRY(compare_type(c, schema, "array"));
	KW_TRY(compare_bound(c, schema, "minItems", f->min, 0));
	KW_TRY(compare_bound(c, schema, "maxItems", f->max, INT64_MAX));
	const json_t *items = resolve(c, json_object_get(schema, "items"));
	size_t n = strlen(c->at);
	snprintf(c->at + n, sizeof(c->at) - n, "/*");
	if (f->kind == KW_KIND_ARRAY)
		return compare_object(c, f->fields, items);
	const struct kw_field text = { .kind = KW_KIND_STR, .min = STRS_MIN, .max = STRS_MAX };
	return compare_text(c, &text, items);
}

static enum kw_rc compare_type(struct compare *c, const json_t *schema, const char *type)
{
	const json_t *theirs = json_object_get(schema, "type");
	if (json_is_string(theirs) && strcmp(json_string_value(theirs), type) == 0)
		return KW_OK;
	return differs(c, "%s in the table, %s in the schema", type,
		json_is_string(theirs)  ? json_string_value(theirs)
		: json_is_array(theirs) ? "several types"
					: "no type");
}

/* Lower and upper bounds by the first letters of the keyword. */
static enum kw_rc compare_bound(
	struct compare *c, const json_t *schema, const char *keyword, int64_t bound, int64_t absent)
{
	const json_t *value = json_object_get(schema, keyword);
	if (value && !json_is_integer(value))
		return differs(c, "%s is no integer", keyword);
	int64_t theirs = value ? json_integer_value(value) : absent;
	bool within = strncmp(keyword, "min", 3) == 0 ? theirs >= bound : theirs <= bound;
	if (c->mode == SAME ? theirs == bound : within)
		return KW_OK;
	if (!value)
		return differs(
			c, "%s is %" PRId64 " in the table, absent in the schema", keyword, bound);
	return differs(c, "%s is %" PRId64 " in the table, %" PRId64 " in the schema", keyword,
		bound, theirs);
}

/* Follows {"$ref": "#/$defs/name"}; NULL where it leads nowhere. */
static const json_t *resolve(const struct compare *c, const json_t *schema)
{
	static const char prefix[] = "#/$defs/";
	const char *ref = json_string_value(json_object_get(schema, "$ref"));
	if (!ref)
		return schema;
	if (strncmp(ref, prefix, sizeof(prefix) - 1) != 0)
		return NULL;
	return json_object_get(json_object_get(c->root, "$defs"), ref + sizeof(prefix) - 1);
}

static bool is_listed(const json_t *array, const char *text)
{
	size_t i;
	const json_t *value;
	json_array_foreach(array, i, value)
	{
		if (json_is_string(value) && strcmp(json_string_value(value), text) == 0)
			return true;
	}
	return false;
}

static enum kw_rc differs(struct compare *c, const char *fmt, ...)
{
	char reason[sizeof(c->err->reason)];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	return kw_fail_at(c->err, KW_INVALID, c->at, "%s", reason);
}

/* ---- a table as a schema ---- */

static json_t *describe_text(int64_t min, int64_t max)
{
	json_t *schema = json_pack("{s:s}", "type", "string");
	if (min > 0)
		json_object_set_new(schema, "minLength", json_integer(min));
	if (max < INT64_MAX)
		json_object_set_new(schema, "maxLength", json_integer(max));
	return schema;
}

static json_t *describe_array(const struct kw_field *f, json_t *items)
{
	json_t *schema = json_pack("{s:s}", "type", "array");
	if (f->min > 0)
		json_object_set_new(schema, "minItems", json_integer(f->min));
	if (f->max < INT64_MAX)
		json_object_set_new(schema, "maxItems", json_integer(f->max));
	json_object_set_new(schema, "items", items);
	return schema;
}

static json_t *describe_integer(const struct kw_field *f)
{
	json_t *schema = json_pack("{s:s}", "type", "integer");
	if (f->min > INT64_MIN)
		json_object_set_new(schema, "minimum", json_integer(f->min));
	if (f->max < INT64_MAX)
		json_object_set_new(schema, "maximum", json_integer(f->max));
	return schema;
}

static json_t *describe_enum(const struct kw_strtab *names)
{
	json_t *list = json_array();
	for (int value = 0; value < names->n; value++)
		json_array_append_new(list, json_string(kw_strtab_name(names, value)));
	return json_pack("{s:s,s:o}", "type", "string", "enum", list);
}

static json_t *describe_kind(const struct kw_field *f, bool *money)
{
	switch (f->kind) {
	case KW_KIND_STR:
	case KW_KIND_ID:
		return describe_text(f->min, f->max);
	case KW_KIND_BOOL:
		return json_pack("{s:s}", "type", "boolean");
	case KW_KIND_I64:
		return describe_integer(f);
	case KW_KIND_MONEY:
		*money = true;
		return json_pack("{s:s}", "$ref", "#/$defs/money");
	case KW_KIND_TIME:
		return json_pack("{s:s,s:s}", "type", "string", "format", "date-time");
	case KW_KIND_UUID:
		return json_pack("{s:s,s:s}", "type", "string", "format", "uuid");
	case KW_KIND_ENUM:
		return describe_enum(f->names);
	case KW_KIND_OBJECT:
		return describe_object(f->fields, money);
	case KW_KIND_ARRAY:
		return describe_array(f, describe_object(f->fields, money));
	case KW_KIND_STRS:
		return describe_array(f, describe_text(STRS_MIN, STRS_MAX));
	case KW_KIND_END:
		break;
	}
	return NULL;
}

static json_t *describe_object(const struct kw_field *fields, bool *money)
{
	json_t *properties = json_object(), *required = json_array();
	for (const struct kw_field *f = fields; f->kind != KW_KIND_END; f++) {
		json_object_set_new(properties, f->name, describe_kind(f, money));
		if (f->flags & KW_REQUIRED)
			json_array_append_new(required, json_string(f->name));
	}
	json_t *schema = json_pack("{s:s,s:o}", "type", "object", "required", required);
	json_object_set_new(schema, "properties", properties);
	return schema;
}

void kw_json_schema_of(const struct kw_field *fields, struct kw_buf *out)
{
	bool money = false;
	KW_CLEANUP(json_free) json_t *schema = describe_object(fields, &money);
	if (money)
		json_object_set_new(schema, "$defs",
			json_pack("{s:{s:s,s:[s,s],s:{s:{s:s,s:s},s:{s:s,s:s}}}}", "money", "type",
				"object", "required", "amount", "currency", "properties", "amount",
				"type", "string", "pattern", "^-?[0-9]+(\\.[0-9]+)?$", "currency",
				"type", "string", "pattern", "^[A-Z]{3}$"));
	char *text = json_dumps(schema, JSON_INDENT(2));
	kw_assert(text);
	kw_buf_str(out, text);
	free(text);
}

enum kw_rc kw_json_schema_examples(const char *schema, size_t n,
	enum kw_rc (*fn)(void *ctx, const char *json, size_t n_json, struct kw_err *err), void *ctx,
	struct kw_err *err)
{
	json_error_t e;
	KW_CLEANUP(json_free) json_t *root = json_loadb(schema, n, JSON_REJECT_DUPLICATES, &e);
	if (!root)
		return kw_fail_code(err, KW_INVALID, "SYNTAX", "%s (line %d)", e.text, e.line);
	const json_t *examples = json_object_get(root, "examples"), *example;
	if (json_array_size(examples) == 0)
		return kw_fail_at(err, KW_INVALID, "/examples", "there are none");
	size_t i;
	json_array_foreach(examples, i, example)
	{
		char *text = json_dumps(example, JSON_COMPACT | JSON_ENCODE_ANY);
		kw_assert(text);
		enum kw_rc rc = fn(ctx, text, strlen(text), err);
		free(text);
		KW_TRY(rc);
	}
	return KW_OK;
}
