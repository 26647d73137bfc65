/* Money: int64 minor units with an ISO 4217 currency; checked arithmetic; read from characters. */
#include "core/money.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 64
/* A product of two int64 fits. */
__extension__ typedef __int128 wide;

/* Codes by number of minor digits, each followed by a blank. Metals, bond units, SDR, test and "no
 * currency" codes have no minor unit (N.A.) and are no money here. */
static const char *const codes_of_digits[] = {
	[0] = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF ",
	[2] = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD "
	      "BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP "
	      "ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR "
	      "JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU "
	      "MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR "
	      "RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS "
	      "TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG ",
	[3] = "BHD IQD JOD KWD LYD OMR TND ",
	[4] = "CLF UYW ",
};

struct share {
	uint64_t remainder;
	size_t at;
};

static enum kw_rc overflow(struct kw_err *err);
static int by_remainder(const void *left, const void *right);

int kw_currency_digits(const char *currency)
{
	if (!currency || strnlen(currency, 4) != 3 || strchr(currency, ' '))
		return -1;
	/* the ones that are met all day */
	if (memcmp(currency, "PKR", 3) == 0 || memcmp(currency, "USD", 3) == 0)
		return 2;
	for (int digits = 0; digits < (int)KW_LEN(codes_of_digits); digits++)
		for (const char *p = codes_of_digits[digits]; p && *p; p += 4)
			if (memcmp(p, currency, 3) == 0)
				return digits;
	return -1;
}

bool kw_currency_at(size_t i, char ret_code[4], int *ret_digits)
{
	for (int digits = 0; digits < (int)KW_LEN(codes_of_digits); digits++) {
		size_t n = codes_of_digits[digits] ? strlen(codes_of_digits[digits]) / 4 : 0;
		if (i < n) {
			memcpy(ret_code, codes_of_digits[digits] + 4 * i, 3);
			ret_code[3] = '\0';
			*ret_digits = digits;
			return true;
		}
		i -= n;
	}
	return false;
}

enum kw_rc kw_money_parse(
	const char *text, const char *currency, struct kw_money *ret, struct kw_err *err)
{
	int digits = kw_currency_digits(currency);
	if (digits < 0)
		return kw_fail_code(err, KW_INVALID, "UNKNOWN_CURRENCY", "unknown currency");
	if (!text || strnlen(text, TEXT_MAX + 1) > TEXT_MAX)
		return kw_fail(
			err, KW_INVALID, "no decimal number of at most %d characters", TEXT_MAX);
	const char *p = text;
	bool negative = *p == '-';
	p += negative;
	int64_t minor = 0;
	int before = 0, after = -1; /* digits before and after the point; -1: no point yet */
	for (; *p; p++) {
		if (*p == '.' && after < 0 && before > 0) {
			after = 0;
			continue;
		}
		if (*p < '0' || *p > '9')
			return kw_fail(err, KW_INVALID, "not a plain decimal number");
		if (after < 0)
			before++;
		else if (++after > digits && *p != '0')
			return kw_fail(err, KW_INVALID, "more than the %d decimal digits of %s",
				digits, currency);
		if (after > digits)
			continue;
		int step = negative ? '0' - *p : *p - '0';
		if (__builtin_mul_overflow(minor, 10, &minor) ||
			__builtin_add_overflow(minor, step, &minor))
			return overflow(err);
	}
	if (before == 0 || after == 0)
		return kw_fail(err, KW_INVALID, "not a plain decimal number");
	for (int have = after < 0 ? 0 : after; have < digits; have++)
		if (__builtin_mul_overflow(minor, 10, &minor))
			return overflow(err);
	return kw_money_from_minor(minor, currency, ret, err);
}

enum kw_rc kw_money_from_minor(
	int64_t minor, const char *currency, struct kw_money *ret, struct kw_err *err)
{
	if (kw_currency_digits(currency) < 0)
		return kw_fail_code(err, KW_INVALID, "UNKNOWN_CURRENCY", "unknown currency");
	ret->minor = minor;
	memcpy(ret->currency, currency, sizeof(ret->currency));
	return KW_OK;
}

void kw_money_format(struct kw_money m, char out[32])
{
	int digits = kw_currency_digits(m.currency);
	kw_assert(digits >= 0);
	char text[32], *p = text + sizeof(text);
	uint64_t rest = m.minor < 0 ? 0 - (uint64_t)m.minor : (uint64_t)m.minor;
	*--p = '\0';
	for (int written = 0; rest > 0 || written <= digits; written++, rest /= 10) {
		if (written == digits && digits > 0)
			*--p = '.';
		*--p = (char)('0' + rest % 10);
	}
	if (m.minor < 0)
		*--p = '-';
	memcpy(out, p, (size_t)(text + sizeof(text) - p));
}

bool kw_money_same_currency(struct kw_money a, struct kw_money b)
{
	return memcmp(a.currency, b.currency, sizeof(a.currency)) == 0;
}

enum kw_rc kw_money_add(
	struct kw_money a, struct kw_money b, struct kw_money *ret, struct kw_err *err)
{
	if (!kw_money_same_currency(a, b))
		return kw_fail(err, KW_INVALID, "%s and %s do not add", a.currency, b.currency);
	if (__builtin_add_overflow(a.minor, b.minor, &a.minor))
		return overflow(err);
	*ret = a;
	return KW_OK;
}

enum kw_rc kw_money_sub(
	struct kw_money a, struct kw_money b, struct kw_money *ret, struct kw_err *err)
{
	if (!kw_money_same_currency(a, b))
		return kw_fail(
			err, KW_INVALID, "%s and %s do not subtract", a.currency, b.currency);
	if (__builtin_sub_overflow(a.minor, b.minor, &a.minor))
		return overflow(err);
	*ret = a;
	return KW_OK;
}

enum kw_rc kw_money_mul(struct kw_money a, int64_t factor, struct kw_money *ret, struct kw_err *err)
{
	if (__builtin_mul_overflow(a.minor, factor, &a.minor))
		return overflow(err);
	*ret = a;
	return KW_OK;
}

enum kw_rc kw_money_bps(struct kw_money m, int bps, struct kw_money *ret, struct kw_err *err)
{
	if (bps < 0 || bps > 10000)
		return kw_fail(err, KW_INVALID, "%d is not 0 to 10000 basis points", bps);
	wide size = m.minor < 0 ? -(wide)m.minor : m.minor;
	size = (size * bps + 5000) / 10000;
	m.minor = (int64_t)(m.minor < 0 ? -size : size);
	*ret = m;
	return KW_OK;
}

enum kw_rc kw_money_split(
	int64_t total, const int64_t *weights, size_t n, int64_t *ret_shares, struct kw_err *err)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < n; i++) {
		if (weights[i] < 0)
			return kw_fail(err, KW_INVALID, "weight %zu is negative", i);
		if (__builtin_add_overflow(sum, (uint64_t)weights[i], &sum))
			return overflow(err);
	}
	if (sum == 0 && total != 0)
		return kw_fail(err, KW_INVALID, "nothing to divide %" PRId64 " among", total);
	for (size_t i = 0; i < n; i++)
		ret_shares[i] = 0;
	if (total == 0)
		return KW_OK;

	struct share *order = malloc(n * sizeof(*order));
	kw_assert(order);
	wide size = total < 0 ? -(wide)total : total, left = size;
	int64_t sign = total < 0 ? -1 : 1;
	for (size_t i = 0; i < n; i++) {
		/* sums of weights reach 2^64, products 2^127: both below the limit of a wide */
		wide product = size * weights[i], share = product / (wide)sum;
		ret_shares[i] = (int64_t)(sign * share);
		order[i] = (struct share) { (uint64_t)(product % (wide)sum), i };
		left -= share;
	}
	/* what is left is less than the number of remainders above zero: no weight of zero gets any
	 */
	qsort(order, n, sizeof(*order), by_remainder);
	for (size_t i = 0; i < (size_t)left; i++)
		ret_shares[order[i].at] += sign;
	free(order);
	return KW_OK;
}

/* Largest first; of equals the lower index. */
static int by_remainder(const void *left, const void *right)
{
	const struct share *a = left, *b = right;
	if (a->remainder != b->remainder)
		return a->remainder > b->remainder ? -1 : 1;
	return (a->at > b->at) - (a->at < b->at);
}

static enum kw_rc overflow(struct kw_err *err)
{
	return kw_fail(err, KW_INVALID, "too large an amount");
}
