/* The small parsers, each on the same text: what is read is written and read again as it was; what
 * a plain reading of the rule takes is taken, and nothing else. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bus/envelope.h"
#include "core/clock.h"
#include "core/csv.h"
#include "core/id.h"
#include "core/money.h"
#include "fuzz.h"
#include "http/crypto.h"

#define HEX "0123456789abcdefABCDEF"

/* UINT64_MAX is too much, and stays so. */
static uint64_t digit_behind(uint64_t v, int digit)
{
	return __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)digit, &v)
		       ? UINT64_MAX
		       : v;
}

/* At most 64 characters of -?[0-9]+(\.[0-9]+)?, with zeros alone past the minor unit, and an int64
 * of minor units. */
static bool is_amount(const char *text, int digits)
{
	bool minus = *text == '-';
	const char *p = text + minus;
	size_t whole = strspn(p, "0123456789");
	size_t part = p[whole] == '.' ? strspn(p + whole + 1, "0123456789") : 0;
	uint64_t v = 0, limit = (uint64_t)INT64_MAX + minus;

	if (strlen(text) > 64 || whole == 0 || p[whole + (p[whole] == '.') + part] ||
		(p[whole] == '.' && part == 0))
		return false;
	for (size_t i = 0; i < whole; i++)
		v = digit_behind(v, p[i] - '0');
	for (size_t i = 0; i < part || (int)i < digits; i++) {
		int digit = i < part ? p[whole + 1 + i] - '0' : 0;
		if ((int)i < digits)
			v = digit_behind(v, digit);
		else if (digit)
			return false;
	}
	return v <= limit;
}

static void check_money(const char *text)
{
	static const char *const currencies[] = { "PKR", "JPY", "KWD" };
	char again[32];

	for (size_t i = 0; i < KW_LEN(currencies); i++) {
		struct kw_money m, same;
		struct kw_err err = { 0 };
		bool taken = kw_money_parse(text, currencies[i], &m, &err) == KW_OK;

		FUZZ_CHECK(taken == is_amount(text, kw_currency_digits(currencies[i])),
			"'%s' %s: %s", text, currencies[i], taken ? "taken" : err.reason);
		if (!taken)
			continue;
		kw_money_format(m, again);
		FUZZ_CHECK(kw_money_parse(again, currencies[i], &same, NULL) == KW_OK &&
				   same.minor == m.minor,
			"'%s' became %s", text, again);
	}
	FUZZ_CHECK(kw_currency_digits(text) < 0 ||
			   (strlen(text) == 3 && strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 3),
		"'%s' is a currency", text);
}

static void check_time(const char *text)
{
	static const char form[] = "dddd-dd-ddtdd:dd:dd";
	char again[KW_TIME_TEXT];
	kw_time t, same;

	if (kw_time_parse(text, &t, NULL) != KW_OK)
		return;
	for (size_t i = 0; form[i]; i++)
		FUZZ_CHECK(form[i] == 'd'   ? isdigit((unsigned char)text[i]) != 0
			   : form[i] == 't' ? strchr("Tt", text[i]) != NULL
					    : text[i] == form[i],
			"'%s' is a time", text);
	kw_time_format(t, again);
	FUZZ_CHECK(kw_time_parse(again, &same, NULL) == KW_OK && same == t, "'%s' became %s", text,
		again);
}

/* version 00-fe, ids that are not zero, two digits of flags; version 00 has nothing behind. */
static bool is_trace(const char *text)
{
	static const size_t ends[] = { 2, 35, 52, 55 };
	size_t n = strlen(text);
	bool zero[4] = { true, true, true, true };

	if (n < 55 || (n > 55 && (text[55] != '-' || strncmp(text, "00", 2) == 0)))
		return false;
	for (size_t i = 0, part = 0; i < 55; i++) {
		if (i == ends[part]) {
			if (text[i] != '-')
				return false;
			part++;
		} else if (!strchr("0123456789abcdef", text[i])) {
			return false;
		} else {
			zero[part] = zero[part] && text[i] == '0';
		}
	}
	return strncmp(text, "ff", 2) != 0 && !zero[1] && !zero[2];
}

static void check_trace(const char *text)
{
	struct kw_trace t = kw_trace_from(text);

	FUZZ_CHECK(is_trace(t.s) && strncmp(t.s, "00-", 3) == 0, "'%s' became %s", text, t.s);
	FUZZ_CHECK(is_trace(text) == (strlen(text) >= 35 && memcmp(t.s + 3, text + 3, 32) == 0),
		"'%s' became %s", text, t.s);
}

static void check_uuid(const char *text)
{
	struct kw_uuid u, same;
	uint8_t bytes[16];

	if (!kw_uuid_parse(text, &u))
		return;
	FUZZ_CHECK(strcasecmp(u.s, text) == 0, "'%s' became %s", text, u.s);
	kw_uuid_to_bytes(&u, bytes);
	kw_uuid_from_bytes(bytes, &same);
	FUZZ_CHECK(strcmp(u.s, same.s) == 0, "'%s' became %s", text, same.s);
}

static void check_place(const char *text, size_t n)
{
	char again[KW_SEQUENCE_TEXT];
	struct kw_place place;

	if (!kw_place_parse((struct kw_bytes) { text, n }, &place))
		return;
	kw_place_format(place, again);
	FUZZ_CHECK(
		n == strlen(again) && memcmp(text, again, n) == 0, "'%s' became %s", text, again);
}

static void check_codes(struct kw_arena *a, const char *text, size_t n)
{
	struct kw_bytes bytes, again;
	const char *written;

	if (kw_hex_decode(a, text, n, &bytes)) {
		written = kw_hex(a, bytes);
		FUZZ_CHECK(strlen(written) == n && strncasecmp(written, text, n) == 0,
			"'%s' became %s", text, written);
	} else {
		FUZZ_CHECK(n % 2 || strspn(text, HEX) < n, "'%s' is hex", text);
	}
	if (kw_base64_decode(a, text, n, &bytes)) {
		/* bits that fill up the last character are not looked at */
		written = kw_base64(a, bytes);
		FUZZ_CHECK(kw_base64_decode(a, written, strlen(written), &again) &&
				   again.n == bytes.n && memcmp(again.p, bytes.p, bytes.n) == 0,
			"'%s' became %s", text, written);
		FUZZ_CHECK(strncmp(written, text, n / 4 * 4 >= 4 ? n / 4 * 4 - 4 : 0) == 0,
			"'%s' became %s", text, written);
	}
	written = kw_base64(a, (struct kw_bytes) { text, n });
	FUZZ_CHECK(kw_base64_decode(a, written, strlen(written), &again) && again.n == n &&
			   memcmp(again.p, text, n) == 0,
		"%s", written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kw_arena *a = fuzz_arena();
	char *text = malloc(size + 1); /* of its own size, so that reading beyond it is seen */

	kw_assert(text);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	check_money(text);
	check_time(text);
	check_trace(text);
	check_uuid(text);
	check_place(text, size);
	check_codes(a, text, size);
	(void)kw_utf8_ok(text, size);
	free(text);
	return 0;
}
