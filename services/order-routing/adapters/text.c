/* What parsers share: texts, times, and the judgement of an API's answer. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter.h"
#include "core/err.h"

#define TEN_YEARS_US (3653LL * 24 * 3600 * KW_US_PER_S)
#define MILLISECONDS_FROM 100000000000LL /* as seconds: the year 5138 */

/* ---- HTML ---- */

/* Those that shops and their editors write;
 * https://html.spec.whatwg.org/multipage/named-characters.html */
static const struct {
	const char *name, *text;
} entities[] = {
	{ "amp;", "&" },
	{ "lt;", "<" },
	{ "gt;", ">" },
	{ "quot;", "\"" },
	{ "apos;", "'" },
	{ "nbsp;", " " },
	{ "ndash;", "\u2013" },
	{ "mdash;", "\u2014" },
	{ "lsquo;", "\u2018" },
	{ "rsquo;", "\u2019" },
	{ "ldquo;", "\u201c" },
	{ "rdquo;", "\u201d" },
	{ "hellip;", "\u2026" },
	{ "times;", "\u00d7" },
	{ "middot;", "\u00b7" },
	{ "frac12;", "\u00bd" },
	{ "eacute;", "\u00e9" },
};

static size_t put_utf8(char *out, unsigned long c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* &#8211; or &#x2013; at p: its length, and what it stands for; 0: it is none. No control
 * characters: no text of ours holds one. */
static size_t numeric_entity(const char *p, char *out, size_t *ret_n)
{
	bool hex = p[2] == 'x' || p[2] == 'X';
	const char *digits = p + (hex ? 3 : 2);
	char *end;

	if (!isxdigit((unsigned char)*digits))
		return 0;
	unsigned long c = strtoul(digits, &end, hex ? 16 : 10);
	if (*end != ';' || end - p > 10 || c < 0x20 || c == 0x7f || (c >= 0xd800 && c < 0xe000) ||
		c > 0x10ffff)
		return 0;
	*ret_n = put_utf8(out, c);
	return (size_t)(end - p) + 1;
}

/* The entity at p. What it stands for is never longer than it is. */
static size_t entity(const char *p, char *out, size_t *ret_n)
{
	if (p[1] == '#')
		return numeric_entity(p, out, ret_n);
	for (size_t i = 0; i < KW_LEN(entities); i++) {
		size_t n = strlen(entities[i].name);
		if (strncmp(p + 1, entities[i].name, n) != 0)
			continue;
		*ret_n = strlen(entities[i].text);
		memcpy(out, entities[i].text, *ret_n);
		return n + 1;
	}
	return 0;
}

const char *text_plain(struct kw_arena *a, const char *text)
{
	if (!text || !strchr(text, '&'))
		return text;
	char *out = kw_arena_alloc(a, strlen(text) + 1, 1);
	size_t at = 0;
	for (const char *p = text; *p;) {
		size_t written = 1, n = *p == '&' ? entity(p, out + at, &written) : 0;
		if (n == 0) {
			out[at] = *p;
			n = written = 1;
		}
		at += written;
		p += n;
	}
	return out;
}

const char *text_given(const char *text)
{
	return text && *text && strcmp(text, "null") != 0 ? text : NULL;
}

const char *text_in_url(struct kw_arena *a, const char *text)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = kw_arena_alloc(a, strlen(text) * 3 + 1, 1), *to = out;

	for (const char *p = text; *p; p++) {
		unsigned char c = (unsigned char)*p;
		if (isalnum(c) || strchr("-._~", c)) {
			*to++ = *p;
			continue;
		}
		*to++ = '%';
		*to++ = digits[c >> 4];
		*to++ = digits[c & 15];
	}
	return out;
}

/* ---- time ---- */

enum kw_rc time_at(const char *text, const char *pointer, kw_time *ret, struct kw_err *err)
{
	static const char digits[] = "0123456789";
	char whole[80];
	struct kw_err why;

	if (!text)
		return KW_OK;
	if (strlen(text) < 19 || strlen(text) > 40 || !strchr("Tt ", text[10]))
		return kw_fail_at(err, KW_INVALID, pointer, "is no time");
	const char *rest = text + 19;
	size_t fraction = *rest == '.' ? 1 + strspn(rest + 1, digits) : 0;
	const char *zone = rest + fraction + strspn(rest + fraction, " ");
	bool short_zone = strlen(zone) == 5 && strspn(zone + 1, digits) == 4;
	snprintf(whole, sizeof(whole), "%.10sT%.8s%.*s%.*s%s%s", text, text + 11, (int)fraction,
		rest, short_zone ? 3 : 0, zone, short_zone ? ":" : "",
		short_zone ? zone + 3
		: *zone    ? zone
			   : "Z");
	if (kw_time_parse(whole, ret, &why) != KW_OK)
		return kw_fail_at(err, KW_INVALID, pointer, "%s", why.reason);
	return KW_OK;
}

enum kw_rc time_of_number(
	int64_t n, const char *pointer, kw_time now, kw_time *ret, struct kw_err *err)
{
	int64_t unit = n >= MILLISECONDS_FROM ? KW_US_PER_S / 1000 : KW_US_PER_S;

	if (n <= 0 || n > INT64_MAX / unit || n * unit > now + TEN_YEARS_US ||
		n * unit < now - TEN_YEARS_US)
		return kw_fail_at(err, KW_INVALID, pointer, "no time within ten years of now");
	*ret = n * unit;
	return KW_OK;
}

/* ---- answers ---- */

enum kw_rc api_answered(const struct kw_call *call, struct kw_err *err)
{
	char code[16];

	if (call->rc != KW_OK)
		return kw_fail_code(err, call->rc == KW_INVALID ? KW_INVALID : KW_RETRY,
			call->err.code, "%s", call->err.reason);
	if (call->status == 200)
		return KW_OK;
	snprintf(code, sizeof(code), "HTTP_%d", call->status);
	bool later = call->status == 408 || call->status == 429 || call->status >= 500;
	return kw_fail_code(err, later ? KW_RETRY : KW_INVALID, code, "answered %d%s", call->status,
		call->status >= 300 && call->status < 400    ? ", which is not followed"
		: call->status == 401 || call->status == 403 ? ": our credentials are refused"
							     : "");
}
