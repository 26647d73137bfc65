/* What is done to JSON text before it is decoded: only as much syntax is read as that takes. */
#include <stdbool.h>
#include <string.h>

#include "json/json.h"

#define SAFE_DIGITS 18 /* always within 64 bits */
#define WHOLE_DIGITS 100
#define EXPONENT_DIGITS 2

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char digits[] = "0123456789";

static bool in_number(char c)
{
	return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static size_t count_digits(const char *p, const char *end)
{
	const char *at = p;

	while (at < end && memchr(digits, *at, sizeof(digits) - 1))
		at++;
	return (size_t)(at - p);
}

/* Is it a number of JSON that a double surely holds? Any other is the decoder's to judge. */
static bool is_number(const char *p, size_t n)
{
	const char *end = p + n, *first = p + (*p == '-');
	size_t whole = count_digits(first, end), more;

	if (whole == 0 || whole > WHOLE_DIGITS || (whole > 1 && *first == '0'))
		return false;
	p = first + whole;
	if (p < end && *p == '.') {
		more = count_digits(++p, end);
		if (more == 0)
			return false;
		p += more;
	}
	if (p < end && (*p | 32) == 'e') {
		p++;
		p += p < end && (*p == '+' || *p == '-');
		more = count_digits(p, end);
		if (more == 0 || more > EXPONENT_DIGITS)
			return false;
		p += more;
	}
	return p == end;
}

/* A number there would become a name, and what is no JSON would be some. */
static bool is_name(const char *behind, const char *end)
{
	while (behind < end && is_blank(*behind))
		behind++;
	return behind < end && *behind == ':';
}

/* Length of the text that begins with the quote at p. */
static size_t quoted(const char *p, const char *end)
{
	const char *at = p + 1;

	while (at < end && *at != '"')
		at += *at == '\\' ? 2 : 1;
	return at < end ? (size_t)(at - p) + 1 : (size_t)(end - p);
}

struct kw_bytes kw_json_quote_numbers(struct kw_arena *a, struct kw_bytes json)
{
	const char *p = json.p ? json.p : "", *end = p + json.n;
	/* a number that is quoted has a point, an exponent or many digits: three characters */
	char *out = kw_arena_alloc(a, json.n / 3 * 2 + json.n + 1, 1);
	size_t n = 0;

	while (p < end) {
		bool number = (*p >= '0' && *p <= '9') || *p == '-', plain = true;
		size_t length = *p == '"' ? quoted(p, end) : 1;

		if (number) {
			for (length = 0; p + length < end && in_number(p[length]); length++)
				plain = plain && p[length] != '.' && (p[length] | 32) != 'e';
			plain = (plain && length <= SAFE_DIGITS) || length < 3 ||
				!is_number(p, length) || is_name(p + length, end);
		}
		if (number && !plain)
			out[n++] = '"';
		memcpy(out + n, p, length);
		n += length;
		if (number && !plain)
			out[n++] = '"';
		p += length;
	}
	return (struct kw_bytes) { out, n };
}

/* The element's length: to the comma or bracket that ends it. */
static size_t element(const char *p, const char *end)
{
	const char *at = p;
	int depth = 0;

	while (at < end) {
		if (depth == 0 && (*at == ',' || *at == ']'))
			break;
		if (*at == '[' || *at == '{')
			depth++;
		else if (*at == ']' || *at == '}')
			depth--;
		at += *at == '"' ? quoted(at, end) : 1;
	}
	return (size_t)(at - p);
}

enum kw_rc kw_json_elements(struct kw_bytes json, size_t max, struct kw_arena *a,
	struct kw_bytes **ret, size_t *ret_n, struct kw_err *err)
{
	const char *p = json.p ? json.p : "", *end = p + json.n;
	struct kw_bytes *found = kw_new(a, struct kw_bytes, max + 1);
	size_t n = 0;

	while (p < end && is_blank(*p))
		p++;
	if (p == end || *p != '[')
		return kw_fail_code(err, KW_INVALID, "SYNTAX", "not a JSON array");
	do {
		for (p++; p < end && is_blank(*p);)
			p++;
		size_t length = element(p, end);
		if (p + length == end)
			return kw_fail_code(err, KW_INVALID, "SYNTAX", "the array ends too early");
		if (n == max && length > 0)
			return kw_fail_code(
				err, KW_INVALID, "SYNTAX", "more than %zu elements", max);
		found[n] = (struct kw_bytes) { p, length };
		if (length == 0 && (n > 0 || p[length] == ','))
			return kw_fail_code(err, KW_INVALID, "SYNTAX", "an element is missing");
		n += length > 0;
		p += length;
	} while (*p == ',');
	for (p++; p < end && is_blank(*p);)
		p++;
	if (p != end)
		return kw_fail_code(err, KW_INVALID, "SYNTAX", "more than one value");
	*ret = found;
	*ret_n = n;
	return KW_OK;
}
