#include "json/scan.h"

#include <stdlib.h>
#include <string.h>

#include "core/err.h"

#define FEW_MEMBERS 24 /* compared each with each; more are sorted */
#define REAL_DIGITS_MAX 300

struct reader {
	struct kw_scan *s;
	struct kw_arena *arena;
	const char *p, *end;
	int depth;
};

static bool read_value(struct reader *r);

void kw_scan_done(struct kw_scan *s)
{
	free(s->tokens);
	*s = (struct kw_scan) { 0 };
}

/* Valid until the next one. */
static struct kw_token *add(struct reader *r, enum kw_token_kind kind)
{
	struct kw_scan *s = r->s;

	if (s->n == s->cap) {
		s->cap *= 2;
		s->tokens = realloc(s->tokens, s->cap * sizeof(*s->tokens));
		kw_assert(s->tokens);
	}
	struct kw_token *t = &s->tokens[s->n++];
	*t = (struct kw_token) { .kind = kind, .after = (uint32_t)s->n };
	return t;
}

static void skip_space(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
		r->p++;
}

static bool take(struct reader *r, char c)
{
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

static bool take_word(struct reader *r, const char *word, enum kw_token_kind kind)
{
	size_t n = strlen(word);

	if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
		return false;
	r->p += n;
	add(r, kind);
	return true;
}

/* ---- numbers ---- */

static size_t skip_digits(struct reader *r)
{
	const char *from = r->p;

	while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
		r->p++;
	return (size_t)(r->p - from);
}

static bool read_int(const char *p, const char *end, int64_t *ret)
{
	bool negative = *p == '-';
	int64_t v = 0;

	for (p += negative; p < end; p++)
		if (__builtin_mul_overflow(v, 10, &v) ||
			(negative ? __builtin_sub_overflow(v, *p - '0', &v)
				  : __builtin_add_overflow(v, *p - '0', &v)))
			return false;
	*ret = v;
	return true;
}

/* A number with a fraction or an exponent is nobody's value here: only one that no double holds is
 * refused, as a number out of range. */
static bool read_exponent(struct reader *r, size_t n_digits)
{
	const char *from;
	int exponent = 0;
	bool negative;

	r->p++; /* e */
	negative = r->p < r->end && *r->p == '-';
	if (r->p < r->end && (*r->p == '-' || *r->p == '+'))
		r->p++;
	from = r->p;
	if (skip_digits(r) == 0)
		return false;
	for (; from < r->p && exponent < REAL_DIGITS_MAX; from++)
		exponent = exponent * 10 + (*from - '0');
	return negative || (size_t)exponent + n_digits < REAL_DIGITS_MAX;
}

static bool read_number(struct reader *r)
{
	const char *from = r->p;
	size_t n;
	bool real = false;

	(void)take(r, '-');
	const char *digits = r->p;
	n = skip_digits(r);
	if (n == 0 || n >= REAL_DIGITS_MAX || (n > 1 && *digits == '0'))
		return false;
	const char *end = r->p;
	if (take(r, '.')) {
		real = true;
		if (skip_digits(r) == 0)
			return false;
	}
	if (r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
		real = true;
		if (!read_exponent(r, n))
			return false;
	}
	struct kw_token *t = add(r, real ? KW_TOKEN_REAL : KW_TOKEN_INT);
	return real || read_int(from, end, &t->i64);
}

/* ---- texts ---- */

static bool read_hex4(struct reader *r, uint32_t *ret)
{
	if (r->end - r->p < 4)
		return false;
	*ret = 0;
	for (int i = 0; i < 4; i++) {
		char c = *r->p++, lower = (char)(c | 0x20);

		if (c >= '0' && c <= '9')
			*ret = *ret << 4 | (uint32_t)(c - '0');
		else if (lower >= 'a' && lower <= 'f')
			*ret = *ret << 4 | (uint32_t)(lower - 'a' + 10);
		else
			return false;
	}
	return true;
}

/* After \u: a character, of which some are told as two halves. */
static bool read_codepoint(struct reader *r, uint32_t *ret)
{
	uint32_t low;

	if (!read_hex4(r, ret))
		return false;
	if (*ret < 0xd800 || *ret > 0xdfff)
		return true;
	if (*ret > 0xdbff || !take(r, '\\') || !take(r, 'u') || !read_hex4(r, &low) ||
		low < 0xdc00 || low > 0xdfff)
		return false;
	*ret = 0x10000 + ((*ret - 0xd800) << 10) + (low - 0xdc00);
	return true;
}

static char *write_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = (char)c;
		return to;
	}
	if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*to++ = (char)(0xe0 | c >> 12);
		} else {
			*to++ = (char)(0xf0 | c >> 18);
			*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		}
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (c & 0x3f));
	return to;
}

/* Bytes of the character at p, which is no ASCII; 0: it is none (RFC 3629: no long forms, no
 * halves of pairs, none above U+10FFFF). */
static size_t utf8_size(const char *p, const char *end)
{
	unsigned char c = (unsigned char)*p;
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (c >= 0xc2 && c <= 0xdf)
		n = 2;
	else if (c >= 0xe0 && c <= 0xef)
		n = 3;
	else if (c >= 0xf0 && c <= 0xf4)
		n = 4;
	else
		return 0;
	if (c == 0xe0)
		low = 0xa0;
	else if (c == 0xed)
		high = 0x9f;
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f;
	if ((size_t)(end - p) < n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		unsigned char next = (unsigned char)p[i];

		if (next < low || next > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return n;
}

/* To the text's end; ret_escapes: there are some. */
static bool skip_text(struct reader *r, bool *ret_escapes)
{
	*ret_escapes = false;
	while (r->p < r->end && *r->p != '"') {
		unsigned char c = (unsigned char)*r->p;

		if (c == '\\') {
			*ret_escapes = true;
			r->p++;
			if (r->p == r->end)
				return false;
			r->p++;
		} else if (c >= 0x80) {
			size_t n = utf8_size(r->p, r->end);
			if (n == 0)
				return false;
			r->p += n;
		} else if (c < 0x20) {
			return false;
		} else {
			r->p++;
		}
	}
	return r->p < r->end;
}

/* from … r->p, which holds escapes, into the arena: never longer than it was. */
static bool unescape(struct reader *r, const char *from, struct kw_token *t)
{
	static const char escapes[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	struct reader in = { .p = from, .end = r->p };
	char *text = kw_arena_alloc(r->arena, (size_t)(in.end - in.p), 1), *to = text;

	while (in.p < in.end) {
		const char *escape;
		uint32_t c;

		if (*in.p != '\\') {
			*to++ = *in.p++;
			continue;
		}
		in.p++;
		if (take(&in, 'u')) {
			if (!read_codepoint(&in, &c))
				return false;
			to = write_utf8(to, c);
			continue;
		}
		escape = *in.p ? strchr(escapes, *in.p) : NULL;
		if (!escape)
			return false;
		*to++ = meant[escape - escapes];
		in.p++;
	}
	t->p = text;
	t->n = (uint32_t)(to - text);
	return true;
}

static bool read_text(struct reader *r)
{
	const char *from;
	bool escapes;

	if (!take(r, '"'))
		return false;
	from = r->p;
	if (!skip_text(r, &escapes))
		return false;
	struct kw_token *t = add(r, KW_TOKEN_STR);
	t->p = from;
	t->n = (uint32_t)(r->p - from);
	if (escapes && !unescape(r, from, t))
		return false;
	r->p++;
	return true;
}

/* ---- objects, arrays ---- */

static bool same(const struct kw_token *a, const struct kw_token *b)
{
	return a->n == b->n && memcmp(a->p, b->p, a->n) == 0;
}

/* Few names: each against those before it. */
static bool differ_few(const struct kw_token *tokens, const uint32_t *names, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++)
		for (uint32_t k = 0; k < i; k++)
			if (same(&tokens[names[i]], &tokens[names[k]]))
				return false;
	return true;
}

static int by_text(const void *left, const void *right)
{
	const struct kw_token *l = *(const struct kw_token *const *)left,
			      *r = *(const struct kw_token *const *)right;

	if (l->n != r->n)
		return l->n < r->n ? -1 : 1;
	return memcmp(l->p, r->p, l->n);
}

/* Sorted: no sender can make it slow. */
static bool differ_many(const struct kw_token *tokens, uint32_t object)
{
	uint32_t n = tokens[object].count, at = object + 1;
	const struct kw_token **names = malloc(n * sizeof(struct kw_token *));
	bool differ = true;

	kw_assert(names);
	for (uint32_t i = 0; i < n; i++, at = tokens[at + 1].after)
		names[i] = &tokens[at];
	qsort(names, n, sizeof(*names), by_text);
	for (uint32_t i = 1; i < n && differ; i++)
		differ = !same(names[i - 1], names[i]);
	free(names);
	return differ;
}

static bool read_object(struct reader *r)
{
	uint32_t object = (uint32_t)r->s->n, names[FEW_MEMBERS], n = 0;

	add(r, KW_TOKEN_OBJECT);
	r->p++;
	skip_space(r);
	while (!take(r, '}')) {
		if (n > 0 && !take(r, ','))
			return false;
		skip_space(r);
		if (n < FEW_MEMBERS)
			names[n] = (uint32_t)r->s->n;
		n++;
		if (!read_text(r))
			return false;
		const struct kw_token *name = &r->s->tokens[r->s->n - 1];
		if (memchr(name->p, '\0', name->n))
			return false;
		skip_space(r);
		if (!take(r, ':') || !read_value(r))
			return false;
		skip_space(r);
	}
	r->s->tokens[object].count = n;
	r->s->tokens[object].after = (uint32_t)r->s->n;
	return n <= FEW_MEMBERS ? differ_few(r->s->tokens, names, n)
				: differ_many(r->s->tokens, object);
}

static bool read_array(struct reader *r)
{
	uint32_t array = (uint32_t)r->s->n, n = 0;

	add(r, KW_TOKEN_ARRAY);
	r->p++;
	skip_space(r);
	while (!take(r, ']')) {
		if (n > 0 && !take(r, ','))
			return false;
		n++;
		if (!read_value(r))
			return false;
		skip_space(r);
	}
	r->s->tokens[array].count = n;
	r->s->tokens[array].after = (uint32_t)r->s->n;
	return true;
}

static bool read_nested(struct reader *r)
{
	if (++r->depth > KW_DEPTH_MAX)
		return false;
	bool good = *r->p == '{' ? read_object(r) : read_array(r);
	r->depth--;
	return good;
}

static bool read_value(struct reader *r)
{
	skip_space(r);
	if (r->p == r->end)
		return false;
	switch (*r->p) {
	case '{':
	case '[':
		return read_nested(r);
	case '"':
		return read_text(r);
	case 't':
		return take_word(r, "true", KW_TOKEN_TRUE);
	case 'f':
		return take_word(r, "false", KW_TOKEN_FALSE);
	case 'n':
		return take_word(r, "null", KW_TOKEN_NULL);
	default:
		return read_number(r);
	}
}

bool kw_scan(struct kw_scan *s, const char *p, size_t n, struct kw_arena *a)
{
	struct reader r = { .s = s, .arena = a, .p = p, .end = p + n };

	if (n >= UINT32_MAX)
		return false;
	*s = (struct kw_scan) { .cap = 32 + n / 12 };
	s->tokens = malloc(s->cap * sizeof(*s->tokens));
	kw_assert(s->tokens);
	skip_space(&r);
	if (r.p == r.end || (*r.p != '{' && *r.p != '[') || !read_value(&r))
		return false;
	skip_space(&r);
	return r.p == r.end;
}
