#include "fuzz.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/json.h"
#include "json/scan.h"

#define ARENA_MAX ((size_t)512 * 1024 * 1024)
#define TEXT_MAX ((size_t)64 * 1024 * 1024)
#define DIGITS_MAX 299 /* of a number with its exponent: what a double surely holds */

static struct kw_arena *arena;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	kw_json_init();
	return 0;
}

void fuzz_failed(const char *cond, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%d: not %s: ", file, line, cond);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

struct kw_arena *fuzz_arena(void)
{
	if (!arena)
		arena = kw_arena_new(ARENA_MAX);
	kw_arena_reset(arena);
	return arena;
}

struct fuzz_rest fuzz_split(struct kw_arena *a, const uint8_t *data, size_t size)
{
	bool json = size > 0 && (data[0] == '{' || data[0] == '[');
	const uint8_t *newline = size > 0 && !json ? memchr(data, '\n', size) : NULL;
	size_t n_line = newline ? (size_t)(newline - data) : 0, skip = newline ? n_line + 1 : 0;
	struct fuzz_rest rest = { .n = size - skip };

	if (newline)
		rest.line = kw_arena_strn(a, (const char *)data, n_line);
	rest.p = malloc(rest.n ? rest.n : 1);
	kw_assert(rest.p);
	if (rest.n > 0)
		memcpy(rest.p, data + skip, rest.n);
	return rest;
}

void fuzz_rest_done(struct fuzz_rest *rest)
{
	free(rest->p);
}

uint64_t fuzz_seed(const void *p, size_t n)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ ((const unsigned char *)p)[i]) * 1099511628211u;
	return h;
}

/* ---- JSON as jansson sees it ---- */

static size_t digits_at(const char *p, const char *end)
{
	size_t n = 0;

	while (p + n < end && p[n] >= '0' && p[n] <= '9')
		n++;
	return n;
}

/* Behind the digits at *p: the exponent, or what stands for a large one. */
static size_t exponent_at(const char **p, const char *end)
{
	size_t exponent = 0;

	while (*p < end && (**p == '.' || (**p >= '0' && **p <= '9')))
		(*p)++;
	if (*p == end || (**p != 'e' && **p != 'E'))
		return 0;
	(*p)++;
	if (*p < end && (**p == '+' || **p == '-'))
		(*p)++;
	for (; *p < end && **p >= '0' && **p <= '9'; (*p)++)
		exponent = exponent < DIGITS_MAX ? exponent * 10 + (size_t)(**p - '0') : DIGITS_MAX;
	return exponent;
}

/* A number outside of texts that may be too large for a double. */
static bool has_large_number(const char *p, size_t n)
{
	const char *end = p + n;
	bool text = false;

	while (p < end) {
		if (text && *p == '\\' && p + 1 < end) {
			p += 2;
		} else if (text || *p < '0' || *p > '9') {
			text = text != (*p == '"');
			p++;
		} else {
			size_t digits = digits_at(p, end);
			p += digits;
			if (digits + exponent_at(&p, end) >= DIGITS_MAX)
				return true;
		}
	}
	return false;
}

static int depth_of(const json_t *value)
{
	const char *name;
	json_t *element;
	size_t i;
	int depth = 0;

	if (json_is_object(value)) {
		json_object_foreach((json_t *)(uintptr_t)value, name, element)
		{
			int d = depth_of(element);
			depth = d > depth ? d : depth;
		}
	} else if (json_is_array(value)) {
		json_array_foreach(value, i, element)
		{
			int d = depth_of(element);
			depth = d > depth ? d : depth;
		}
	} else {
		return 0;
	}
	return depth + 1;
}

static json_t *load(const char *p, size_t n)
{
	return json_loadb(p, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
}

bool fuzz_is_json(const char *p, size_t n, bool *ret_object, bool *ret_limits)
{
	json_t *root = load(p, n);

	*ret_object = json_is_object(root);
	*ret_limits = root && (memchr(p, '\0', n) || has_large_number(p, n) ||
				      depth_of(root) > KW_DEPTH_MAX);
	json_decref(root);
	return root != NULL;
}

/* ---- refusals ---- */

static const json_t *step(const json_t *at, const char *name, size_t n)
{
	char text[256];

	if (n >= sizeof(text))
		return NULL;
	memcpy(text, name, n);
	text[n] = '\0';
	if (json_is_array(at))
		return json_array_get(at, strtoul(text, NULL, 10));
	return json_object_get(at, text);
}

/* All of it but for its last part is there. */
static bool points_inside(const json_t *root, const char *pointer)
{
	const json_t *at = root;

	while (*pointer == '/' && at) {
		size_t n = strcspn(++pointer, "/");
		if (!pointer[n])
			return json_is_object(at) ||
			       strtoul(pointer, NULL, 10) < json_array_size(at);
		at = step(at, pointer, n);
		pointer += n;
	}
	return at && !*pointer;
}

void fuzz_refused(const struct kw_err *err, const char *body, size_t n)
{
	bool object, limits, taken = fuzz_is_json(body, n, &object, &limits);

	FUZZ_CHECK(err->rc == KW_INVALID, "%s", kw_rc_name(err->rc));
	FUZZ_CHECK(err->reason[0], "no reason at %s", err->pointer);
	if (strcmp(err->code, "SYNTAX") == 0) {
		FUZZ_CHECK(!taken || !object || limits, "%s", err->reason);
		FUZZ_CHECK(!err->pointer[0], "%s", err->pointer);
		return;
	}
	/* integers beyond 64 bits are texts to some (kw_json_quote_numbers) */
	json_t *root = json_loadb(
		body, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
	FUZZ_CHECK(json_is_object(root), "%s %s", err->pointer, err->reason);
	/* a long pointer is cut */
	FUZZ_CHECK(strlen(err->pointer) == sizeof(err->pointer) - 1 ||
			   points_inside(root, err->pointer),
		"%s: %s", err->pointer, err->reason);
	json_decref(root);
}

/* ---- round trips ---- */

static const char *encode(const struct kw_field *fields, const void *in, struct kw_arena *a)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf text;

	kw_buf_init(&text, TEXT_MAX);
	kw_json_encode(fields, in, &text);
	FUZZ_CHECK(!text.full, "it became longer than %zu bytes", TEXT_MAX);
	FUZZ_CHECK(strlen(text.p) == text.n, "a NUL in %s", text.p);
	return kw_arena_strn(a, text.p, text.n);
}

const char *fuzz_stable(
	const struct kw_field *fields, size_t size, const void *in, struct kw_arena *a)
{
	const char *first = encode(fields, in, a);
	void *again = kw_arena_alloc(a, 1, size);
	struct kw_err err = { 0 };

	FUZZ_CHECK(kw_json_decode(fields, first, strlen(first), a, again, &err) == KW_OK,
		"%s %s: %s", err.pointer, err.reason, first);
	const char *second = encode(fields, again, a);
	FUZZ_CHECK(strcmp(first, second) == 0, "\n%s\n%s", first, second);
	return first;
}
