/* Matching of paths against the route table, percent-decoding, and the validity of what comes out.
 */
#include "http/route.h"

#include <string.h>
#include <strings.h>

#define SEGMENTS_MAX 16
#define PARAM_MAX 128
#define ARGUMENT_MAX 1024
#define ARGUMENTS_MAX 32

struct kw_target kw_target_of(const char *text)
{
	struct kw_target t = { .path = text };

	if (strncasecmp(t.path, "http://", 7) == 0) {
		t.path += 7;
		t.path += strcspn(t.path, "/?");
	}
	t.n_path = strcspn(t.path, "?");
	t.query = t.path[t.n_path] ? t.path + t.n_path + 1 : "";
	return t;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Length of a UTF-8 sequence that begins at p, or 0 (RFC 3629: no surrogates, no overlong forms, up
 * to U+10FFFF). */
static size_t utf8_length(const unsigned char *p, size_t n)
{
	if (p[0] < 0x80)
		return 1;
	size_t length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n < length)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
		(p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return length;
}

static bool text_ok(const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text;

	for (size_t i = 0; i < n;) {
		size_t length = utf8_length(p + i, n - i);
		if (length == 0 || p[i] < 0x20 || p[i] == 0x7f)
			return false;
		i += length;
	}
	return true;
}

/* Decodes n characters; NULL when the encoding or the text is not good, or longer than max. */
static const char *decode(const char *text, size_t n, bool plus, size_t max, struct kw_arena *a)
{
	if (n > 3 * max)
		return NULL;
	char *out = kw_new(a, char, n + 1);
	size_t size = 0;
	for (size_t i = 0; i < n; i++) {
		char c = text[i];
		if (c == '%') {
			int high = i + 2 < n ? hex_value(text[i + 1]) : -1;
			int low = i + 2 < n ? hex_value(text[i + 2]) : -1;
			if (high < 0 || low < 0)
				return NULL;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		out[size++] = c;
	}
	out[size] = '\0';
	return size <= max && text_ok(out, size) ? out : NULL;
}

/* Splits and decodes the path: "/a/b" is two segments, "/a/" is "a" and "". Returns their number,
 * or -1. */
static int split(const struct kw_target *t, const char *segments[SEGMENTS_MAX], struct kw_arena *a)
{
	int n = 0;

	if (t->n_path == 0 || t->path[0] != '/')
		return -1;
	for (size_t at = 1; at <= t->n_path; n++) {
		size_t length = 0;
		while (at + length < t->n_path && t->path[at + length] != '/')
			length++;
		if (n == SEGMENTS_MAX)
			return -1;
		segments[n] = decode(t->path + at, length, false, PARAM_MAX, a);
		if (!segments[n])
			return -1;
		at += length + 1;
	}
	return n;
}

static bool path_fits(const char *pattern, const char *const *segments, int n,
	const char *params[KW_PATH_PARAMS_MAX])
{
	int i = 0, n_params = 0;

	memset(params, 0, KW_PATH_PARAMS_MAX * sizeof(*params));
	for (const char *p = pattern; *p; i++) {
		size_t length = strcspn(p + 1, "/");
		if (i == n)
			return false;
		if (p[1] == ':') {
			kw_assert(n_params < KW_PATH_PARAMS_MAX);
			if (!segments[i][0])
				return false;
			params[n_params++] = segments[i];
		} else if (strlen(segments[i]) != length || memcmp(segments[i], p + 1, length)) {
			return false;
		}
		p += 1 + length;
	}
	return i == n;
}

static void allow_add(char allow[KW_ALLOW_MAX], const char *method)
{
	size_t at = strlen(allow), n = strlen(method);

	kw_assert(at + n + 3 <= KW_ALLOW_MAX);
	if (at) {
		memcpy(allow + at, ", ", 2);
		at += 2;
	}
	memcpy(allow + at, method, n + 1);
}

enum kw_rc kw_route_match(const struct kw_route *routes, const char *method,
	const struct kw_target *target, struct kw_arena *a, struct kw_match *ret)
{
	const char *segments[SEGMENTS_MAX];
	int n = split(target, segments, a);

	*ret = (struct kw_match) { 0 };
	if (n < 0)
		return KW_NOTHING;
	const struct kw_route *path_only = NULL;
	for (const struct kw_route *r = routes; r->method; r++) {
		if (!path_fits(r->path, segments, n, ret->params))
			continue;
		if (strcmp(r->method, method) == 0) {
			ret->route = r;
			return KW_OK;
		}
		path_only = path_only ? path_only : r;
		allow_add(ret->allow, r->method);
	}
	ret->route = path_only;
	return path_only ? KW_INVALID : KW_NOTHING;
}

bool kw_query_ok(const char *query, struct kw_arena *a)
{
	int n = 0;

	for (const char *p = query; *p;) {
		size_t length = strcspn(p, "&");
		if (++n > ARGUMENTS_MAX || !decode(p, length, true, ARGUMENT_MAX, a))
			return false;
		p += length + (p[length] == '&');
	}
	return true;
}

const char *kw_query_find(const char *query, const char *name, struct kw_arena *a)
{
	for (const char *p = query; *p;) {
		size_t length = strcspn(p, "&"), n_name = strcspn(p, "&=");
		const char *found = decode(p, n_name, true, ARGUMENT_MAX, a);
		if (found && strcmp(found, name) == 0)
			return n_name == length ? ""
						: decode(p + n_name + 1, length - n_name - 1, true,
							  ARGUMENT_MAX, a);
		p += length + (p[length] == '&');
	}
	return NULL;
}
