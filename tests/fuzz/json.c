/* The scanner takes what jansson takes, but for its limits, and sees the same in it; a decoder that
 * wants nothing takes what the scanner takes. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "json/json.h"
#include "json/scan.h"

struct anything {
	const char *id;
	const char *text;
	int64_t number;
	bool truth;
	const char **texts;
	size_t n_texts;
	struct kw_money money;
	kw_time time;
	struct kw_uuid uuid;
	struct anything *more;
	struct anything *many;
	size_t n_many;
};

static const struct kw_field leaf_fields[] = {
	KW_STR(struct anything, text, KW_REQUIRED, 1, 40),
	KW_ID(struct anything, id, KW_OPTIONAL, 2, 20),
	KW_I64(struct anything, number, KW_REQUIRED, -5, 1000000),
	KW_END,
};

/* One member of each kind. */
static const struct kw_field fields[] = {
	KW_STR_AS(struct anything, text, "t", KW_OPTIONAL, 1, 200),
	KW_ID_AS(struct anything, id, "i", KW_OPTIONAL, 1, 64),
	KW_I64_AS(struct anything, number, "n", KW_OPTIONAL, INT64_MIN, INT64_MAX),
	KW_BOOL_AS(struct anything, truth, "b", KW_OPTIONAL),
	KW_STRS_AS(struct anything, texts, n_texts, "s", KW_OPTIONAL, 0, 5),
	KW_MONEY_AS(struct anything, money, "m", KW_OPTIONAL),
	KW_TIME_AS(struct anything, time, "at", KW_OPTIONAL),
	KW_UUID_AS(struct anything, uuid, "u", KW_OPTIONAL),
	KW_OBJECT_AS(struct anything, more, "o", KW_OPTIONAL, struct anything, leaf_fields),
	KW_ARRAY_AS(struct anything, many, n_many, "a", KW_OPTIONAL, struct anything, leaf_fields,
		0, 4),
	KW_END,
};

static uint32_t same(const struct kw_token *tokens, uint32_t at, const json_t *value);

static uint32_t same_members(const struct kw_token *tokens, uint32_t at, const json_t *value)
{
	const struct kw_token *object = &tokens[at++];

	FUZZ_CHECK(json_object_size(value) == object->count, "%u members", object->count);
	for (uint32_t i = 0; i < object->count; i++) {
		const struct kw_token *name = &tokens[at];
		FUZZ_CHECK(name->kind == KW_TOKEN_STR, "a name of kind %d", name->kind);
		char *text = strndup(name->p, name->n);
		const json_t *member = json_object_get(value, text);
		FUZZ_CHECK(member, "jansson has no %s", text);
		free(text);
		at = same(tokens, at + 1, member);
	}
	return at;
}

/* Returns the index of what follows it. */
static uint32_t same(const struct kw_token *tokens, uint32_t at, const json_t *value)
{
	const struct kw_token *t = &tokens[at];
	uint32_t next = at + 1;

	switch (t->kind) {
	case KW_TOKEN_NULL:
		FUZZ_CHECK(json_is_null(value), "null");
		break;
	case KW_TOKEN_FALSE:
		FUZZ_CHECK(json_is_false(value), "false");
		break;
	case KW_TOKEN_TRUE:
		FUZZ_CHECK(json_is_true(value), "true");
		break;
	case KW_TOKEN_INT:
		FUZZ_CHECK(json_is_integer(value) && json_integer_value(value) == t->i64, "%lld",
			(long long)t->i64);
		break;
	case KW_TOKEN_REAL:
		FUZZ_CHECK(json_is_real(value), "a fraction");
		break;
	case KW_TOKEN_STR:
		FUZZ_CHECK(json_is_string(value) && json_string_length(value) == t->n &&
				   memcmp(json_string_value(value), t->p, t->n) == 0,
			"%.*s", (int)t->n, t->p);
		break;
	case KW_TOKEN_OBJECT:
		FUZZ_CHECK(json_is_object(value), "an object");
		next = same_members(tokens, at, value);
		break;
	case KW_TOKEN_ARRAY:
		FUZZ_CHECK(json_is_array(value) && json_array_size(value) == t->count,
			"%u elements", t->count);
		for (size_t i = 0; i < t->count; i++)
			next = same(tokens, next, json_array_get(value, i));
		break;
	}
	FUZZ_CHECK(t->after == next, "%u is after it, and not %u", next, t->after);
	return next;
}

static bool scan(const char *p, size_t n, struct kw_arena *a)
{
	struct kw_scan s = { 0 };
	bool object, limits, mine = kw_scan(&s, p, n, a),
			     theirs = fuzz_is_json(p, n, &object, &limits);

	FUZZ_CHECK(mine ? theirs : !theirs || limits, "the scanner %s it, jansson %s it",
		mine ? "takes" : "refuses", theirs ? "takes" : "refuses");
	if (mine) {
		json_t *root = json_loadb(p, n, JSON_ALLOW_NUL, NULL);
		FUZZ_CHECK(same(s.tokens, 0, root) == s.n, "%zu tokens", s.n);
		json_decref(root);
	}
	kw_scan_done(&s);
	return mine && object;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct kw_field none[] = { KW_END };
	struct kw_arena *a = fuzz_arena();
	struct anything *any = kw_new(a, struct anything, 1);
	struct kw_err err = { 0 };
	char nothing;
	const char *body = (const char *)data;
	bool object = scan(body, size, a);

	FUZZ_CHECK((kw_json_decode(none, data, size, a, &nothing, &err) == KW_OK) == object,
		"%s %s", err.pointer, err.reason);
	err = (struct kw_err) { 0 };
	if (kw_json_decode(fields, data, size, a, any, &err) == KW_OK)
		(void)fuzz_stable(fields, sizeof(*any), any, a);
	else
		fuzz_refused(&err, body, size);
	return 0;
}
