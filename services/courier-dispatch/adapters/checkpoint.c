/* What aggregators' checkpoints have in common. */
#include "adapters/checkpoint.h"

#include <stdio.h>
#include <string.h>

#define TIME_MAX 40

enum kw_rc checkpoint_time(const char *text, const char *offset, kw_time *ret, struct kw_err *err)
{
	static const char date[] = "2026-01-31";
	char whole[TIME_MAX + 20];
	size_t n = strlen(text), n_date = strlen(date);

	if (n < n_date || n > TIME_MAX)
		return kw_fail(err, KW_INVALID, "is no time");
	/* an offset begins behind the date's own "-" */
	bool complete = n > n_date && strpbrk(text + n_date + 1, "Zz+-");
	snprintf(whole, sizeof(whole), "%s%s%s", text, n == n_date ? "T00:00:00" : "",
		complete ? "" : offset);
	if (whole[n_date] == ' ')
		whole[n_date] = 'T';
	return kw_time_parse(whole, ret, err);
}

const char *checkpoint_cut(struct kw_arena *a, const char *text, size_t n)
{
	if (!text || strlen(text) <= n)
		return text;
	while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	return kw_arena_strn(a, text, n);
}

const char *checkpoint_place(
	struct kw_arena *a, const char *city, const char *state, const char *country)
{
	const char *parts[] = { city, state, country }, *place = NULL;

	for (size_t i = 0; i < KW_LEN(parts); i++)
		if (parts[i])
			place = place ? kw_arena_printf(a, "%s, %s", place, parts[i]) : parts[i];
	return checkpoint_cut(a, place, CHECKPOINT_PLACE_MAX);
}
