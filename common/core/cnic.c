#include "core/cnic.h"

#include <ctype.h>
#include <string.h>

static bool digits_at(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] < '0' || p[i] > '9')
			return false;
	return true;
}

size_t kw_cnic_count(const char *text, size_t n)
{
	const char *end = text + n;
	size_t count = 0;

	/* by their first dash: there are few */
	for (const char *p = text; (p = memchr(p, '-', (size_t)(end - p))); p++)
		if (p - text >= 5 && end - p >= 10 && p[8] == '-' && digits_at(p - 5, 5) &&
			digits_at(p + 1, 7) && digits_at(p + 9, 1) &&
			(p - text == 5 || !digits_at(p - 6, 1)) &&
			(end - p == 10 || !digits_at(p + 10, 1)))
			count++;
	return count;
}

/* Length of a CNIC at p: 12345-1234567-1, or the thirteen digits alone; 0: none. */
static size_t cnic_at(const char *p, bool bare)
{
	static const char dashed[] = "ddddd-ddddddd-d";
	size_t n = 0;

	while (dashed[n] &&
		(dashed[n] == 'd' ? isdigit((unsigned char)p[n]) != 0 : p[n] == dashed[n]))
		n++;
	if (!dashed[n] && !isdigit((unsigned char)p[n]))
		return n;
	if (!bare)
		return 0;
	for (n = 0; isdigit((unsigned char)p[n]); n++)
		;
	return n == 13 ? n : 0;
}

const char *kw_cnic_drop(struct kw_arena *a, const char *text, bool bare)
{
	char *out = NULL;
	size_t at = 0;

	if (!text)
		return NULL;
	for (const char *p = text; *p;) {
		bool starts = p == text || !isdigit((unsigned char)p[-1]);
		size_t n = starts ? cnic_at(p, bare) : 0;
		if (n == 0) {
			if (out)
				out[at] = *p;
			at++;
			p++;
			continue;
		}
		if (!out) {
			out = kw_arena_alloc(a, strlen(text) + 1, 1);
			memcpy(out, text, at);
		}
		out[at++] = '*';
		p += n;
	}
	return out ? out : text;
}
