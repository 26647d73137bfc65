#include "rules.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum put_verdict judge_put(const struct kept *kept, int64_t version, const char *body,
	const struct kw_fsm *fsm, int state, int kind)
{
	if (kept->source_version == 0)
		return PUT_NEW;
	if (version < kept->source_version)
		return PUT_STALE;
	if (version == kept->source_version)
		return strcmp(kept->body, body) == 0 ? PUT_REPEAT : PUT_CONFLICT;
	if (fsm && !kw_fsm_find(fsm, kept->state, state))
		return PUT_REFUSED;
	return kind == kept->kind ? PUT_NEW : PUT_REFUSED;
}

bool is_behind(const struct kept *kept, kw_time as_of, const struct origin *origin)
{
	if (origin && kept->import.s[0] && strcmp(origin->import_id.s, kept->import.s) == 0)
		return origin->line < kept->import_line;
	return as_of < kept->as_of;
}

void hide_national_ids(char *text)
{
	for (char *p = text; *p;) {
		size_t n = strspn(p, "0123456789-"), digits = 0;

		for (size_t i = 0; i < n; i++)
			digits += p[i] != '-';
		for (size_t i = 0; digits >= 13 && i < n; i++)
			p[i] = '*';
		p += n + (p[n] != '\0');
	}
}

enum kw_rc parse_national_id(const char *text, char ret_digits[14], struct kw_err *err)
{
	size_t n = strlen(text), digits = 0;
	bool dashed = n == 15;

	if (n != 13 && n != 15)
		return kw_fail_at(err, KW_INVALID, "/national_id", "is not 13 digits");
	for (size_t i = 0; i < n; i++) {
		if (dashed && (i == 5 || i == 13)) {
			if (text[i] != '-')
				return kw_fail_at(err, KW_INVALID, "/national_id",
					"has its dashes elsewhere than 5-7-1");
			continue;
		}
		if (text[i] < '0' || text[i] > '9')
			return kw_fail_at(err, KW_INVALID, "/national_id",
				"holds something else than digits");
		ret_digits[digits++] = text[i];
	}
	ret_digits[13] = '\0';
	if (ret_digits[0] < '1' || ret_digits[0] > '8')
		return kw_fail_at(
			err, KW_INVALID, "/national_id", "begins with no province's digit");
	if (ret_digits[12] == '0')
		return kw_fail_at(err, KW_INVALID, "/national_id", "ends in 0");
	return KW_OK;
}

void mask_national_id(const char digits[14], char ret[16])
{
	snprintf(ret, 16, "%.5s-*******-%c", digits, digits[12]);
}

bool own_id_ok(const char *id)
{
	size_t n = strlen(id);

	for (size_t i = 0; i < n; i++)
		if (!isascii(id[i]) || (!isalnum((unsigned char)id[i]) && !strchr("._-", id[i])))
			return false;
	return n >= 1 && n <= 64;
}

enum kw_rc check_listing(const struct listing *listing, struct kw_err *err)
{
	char pointer[64];

	if (listing->kind == ONE_OF_A_KIND && listing->quantity > 1)
		return kw_fail_at(err, KW_INVALID, "/quantity",
			"a ONE_OF_A_KIND listing has at most one piece");
	if (listing->price.minor < 0)
		return kw_fail_at(err, KW_INVALID, "/price/amount", "is below 0");
	for (size_t i = 0; i < listing->n_publications; i++) {
		snprintf(pointer, sizeof(pointer), "/publications/%zu/channel", i);
		for (size_t k = 0; k < i; k++)
			if (strcmp(listing->publications[i].channel,
				    listing->publications[k].channel) == 0)
				return kw_fail_at(err, KW_INVALID, pointer, "is named twice");
	}
	return KW_OK;
}

const struct publication *pause_publications(
	struct kw_arena *a, const struct listing *listing, int64_t available)
{
	struct publication *copy =
		kw_arena_copy(a, listing->publications, listing->n_publications * sizeof(*copy));

	for (size_t i = 0; available <= 0 && i < listing->n_publications; i++)
		if (copy[i].state == PUBLICATION_PUBLISHED)
			copy[i].state = PUBLICATION_PAUSED;
	return copy;
}
