/* Money: texts, arithmetic at the limits, basis points, and division without a lost paisa. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/money.h"
#include "vectors.h"

__extension__ typedef __int128 wide;

static uint64_t random_state;

static uint64_t next_random(void)
{
	/* xorshift64* */
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1du;
}

static struct kw_money of(int64_t minor, const char *currency)
{
	struct kw_money m;
	assert_int_equal(kw_money_from_minor(minor, currency, &m, NULL), KW_OK);
	return m;
}

static void check_text(const char *const column[VECTOR_COLUMNS], int line)
{
	struct kw_money m = { .minor = 77, .currency = "QQQ" }, again;
	struct kw_err err = { 0 };
	enum kw_rc rc = kw_money_parse(column[0], column[1], &m, &err);
	if (strcmp(column[2], "reject") == 0) {
		if (rc != KW_INVALID || m.minor != 77 || strcmp(m.currency, "QQQ") != 0 ||
			!err.reason[0])
			fail_msg(
				"line %d: \"%s\" was not refused as it should be", line, column[0]);
		return;
	}
	if (rc != KW_OK || m.minor != strtoll(column[2], NULL, 10) ||
		strcmp(m.currency, column[1]) != 0)
		fail_msg("line %d: \"%s\": %s, %lld", line, column[0], err.reason,
			(long long)m.minor);
	char text[32];
	kw_money_format(m, text);
	assert_int_equal(kw_money_parse(text, column[1], &again, NULL), KW_OK);
	assert_int_equal(again.minor, m.minor);
}

static void test_texts(void **state)
{
	(void)state;
	each_vector("money.tsv", 60, check_text);
	struct kw_money m;
	assert_int_equal(kw_money_parse(NULL, "PKR", &m, NULL), KW_INVALID);
	assert_int_equal(kw_money_parse("1", NULL, &m, NULL), KW_INVALID);
}

static void test_unknown_currency_has_a_code(void **state)
{
	(void)state;
	struct kw_money m;
	struct kw_err err;
	assert_int_equal(kw_money_parse("1", "ABC", &m, &err), KW_INVALID);
	assert_string_equal(err.code, "UNKNOWN_CURRENCY");
	assert_int_equal(kw_money_from_minor(1, "ABC", &m, &err), KW_INVALID);
	assert_string_equal(err.code, "UNKNOWN_CURRENCY");
}

static void test_formats(void **state)
{
	(void)state;
	static const struct {
		int64_t minor;
		const char *currency, *text;
	} rows[] = {
		{ 0, "PKR", "0.00" },
		{ 5, "PKR", "0.05" },
		{ -5, "PKR", "-0.05" },
		{ 1250, "USD", "12.50" },
		{ -1250, "USD", "-12.50" },
		{ 100, "USD", "1.00" },
		{ 0, "JPY", "0" },
		{ -42, "JPY", "-42" },
		{ 7, "KWD", "0.007" },
		{ 1234567, "KWD", "1234.567" },
		{ 1, "CLF", "0.0001" },
		{ INT64_MAX, "USD", "92233720368547758.07" },
		{ INT64_MIN, "USD", "-92233720368547758.08" },
		{ INT64_MIN, "JPY", "-9223372036854775808" },
	};
	for (size_t i = 0; i < KW_LEN(rows); i++) {
		char text[32];
		kw_money_format(of(rows[i].minor, rows[i].currency), text);
		assert_string_equal(text, rows[i].text);
	}
}

static void test_currencies(void **state)
{
	(void)state;
	static const char *const two[] = { "PKR", "USD", "EUR", "GBP", "AED", "SAR", "INR", "CNY",
		"ZWG" };
	for (size_t i = 0; i < KW_LEN(two); i++)
		assert_int_equal(kw_currency_digits(two[i]), 2);
	static const char *const none[] = { "JPY", "KRW", "VND", "XOF", "ISK" };
	for (size_t i = 0; i < KW_LEN(none); i++)
		assert_int_equal(kw_currency_digits(none[i]), 0);
	static const char *const three[] = { "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND" };
	for (size_t i = 0; i < KW_LEN(three); i++)
		assert_int_equal(kw_currency_digits(three[i]), 3);
	static const char *const not [] = { "XAU", "XAG", "XTS", "XXX", "XBA", "HRK", "pkr", "PK",
		"", " PK", "KR ", "\xd9\xa3\x41" };
	for (size_t i = 0; i < KW_LEN(not ); i++)
		assert_int_equal(kw_currency_digits(not [i]), -1);
	assert_int_equal(kw_currency_digits(NULL), -1);
}

static void test_arithmetic(void **state)
{
	(void)state;
	struct kw_money r = of(1, "EUR"), max = of(INT64_MAX, "PKR"), min = of(INT64_MIN, "PKR");
	assert_int_equal(kw_money_add(of(250, "PKR"), of(-300, "PKR"), &r, NULL), KW_OK);
	assert_int_equal(r.minor, -50);
	assert_string_equal(r.currency, "PKR");
	assert_int_equal(kw_money_sub(of(250, "PKR"), of(300, "PKR"), &r, NULL), KW_OK);
	assert_int_equal(r.minor, -50);
	assert_int_equal(kw_money_mul(of(-250, "PKR"), 3, &r, NULL), KW_OK);
	assert_int_equal(r.minor, -750);

	assert_int_equal(kw_money_add(max, of(1, "PKR"), &r, NULL), KW_INVALID);
	assert_int_equal(kw_money_add(min, of(-1, "PKR"), &r, NULL), KW_INVALID);
	assert_int_equal(kw_money_sub(min, of(1, "PKR"), &r, NULL), KW_INVALID);
	assert_int_equal(kw_money_sub(of(0, "PKR"), min, &r, NULL), KW_INVALID);
	assert_int_equal(kw_money_mul(min, -1, &r, NULL), KW_INVALID);
	assert_int_equal(kw_money_mul(of(INT64_MAX / 2 + 1, "PKR"), 2, &r, NULL), KW_INVALID);
	assert_int_equal(kw_money_add(of(1, "PKR"), of(1, "USD"), &r, NULL), KW_INVALID);
	assert_int_equal(kw_money_sub(of(1, "PKR"), of(1, "USD"), &r, NULL), KW_INVALID);
	assert_int_equal(r.minor, -750); /* set only on success */
	assert_true(kw_money_same_currency(max, min));
	assert_false(kw_money_same_currency(max, of(1, "USD")));
}

static void test_basis_points(void **state)
{
	(void)state;
	static const struct {
		int64_t minor;
		int bps;
		int64_t part;
	} rows[] = {
		{ 10000, 290, 290 },
		{ 1, 4999, 0 },
		{ 1, 5000, 1 },
		{ -1, 5000, -1 },
		{ -1, 4999, 0 },
		{ 3, 5000, 2 },
		{ 12345, 0, 0 },
		{ 12345, 10000, 12345 },
		{ INT64_MAX, 10000, INT64_MAX },
		{ INT64_MIN, 10000, INT64_MIN },
		{ INT64_MAX, 5000, INT64_MAX / 2 + 1 },
	};
	struct kw_money r = of(0, "USD");
	for (size_t i = 0; i < KW_LEN(rows); i++) {
		assert_int_equal(
			kw_money_bps(of(rows[i].minor, "PKR"), rows[i].bps, &r, NULL), KW_OK);
		assert_int_equal(r.minor, rows[i].part);
		assert_string_equal(r.currency, "PKR");
	}
	assert_int_equal(kw_money_bps(of(1, "PKR"), -1, &r, NULL), KW_INVALID);
	assert_int_equal(kw_money_bps(of(1, "PKR"), 10001, &r, NULL), KW_INVALID);
}

/* The method word for word: whole parts, then one more to the largest remainder, again and again.
 */
static void split_slowly(int64_t total, const int64_t *weights, size_t n, int64_t *shares)
{
	wide size = total < 0 ? -(wide)total : total, sum = 0, left = size, remainder[16];
	for (size_t i = 0; i < n; i++)
		sum += weights[i];
	for (size_t i = 0; i < n; i++) {
		wide share = size * weights[i] / sum;
		remainder[i] = size * weights[i] - share * sum;
		left -= share;
		shares[i] = (int64_t)(total < 0 ? -share : share);
	}
	for (; left > 0; left--) {
		size_t best = 0;
		for (size_t i = 1; i < n; i++)
			if (remainder[i] > remainder[best])
				best = i;
		shares[best] += total < 0 ? -1 : 1;
		remainder[best] = -1;
	}
}

static void test_split_has_its_properties(void **state)
{
	(void)state;
	random_state = 20260131;
	for (int round = 0; round < 20000; round++) {
		int64_t weights[16], shares[16], slow[16], negative[16];
		size_t n = 1 + next_random() % 16;
		int shift = (int)(next_random() % 56);
		uint64_t sum = 0;
		for (size_t i = 0; i < n; i++) {
			weights[i] =
				next_random() % 4 == 0 ? 0 : (int64_t)(next_random() >> 5 >> shift);
			sum += (uint64_t)weights[i];
		}
		if (sum == 0)
			sum += (uint64_t)(weights[0] = 1);
		int64_t total = (int64_t)(next_random() >> 1 >> (next_random() % 63));
		assert_int_equal(kw_money_split(total, weights, n, shares, NULL), KW_OK);
		assert_int_equal(kw_money_split(-total, weights, n, negative, NULL), KW_OK);
		split_slowly(total, weights, n, slow);
		int64_t together = 0;
		for (size_t i = 0; i < n; i++) {
			together += shares[i];
			wide off = (wide)shares[i] * (wide)sum - (wide)total * weights[i];
			assert_true(
				off < (wide)sum && -off < (wide)sum); /* less than one unit away */
			assert_true(weights[i] > 0 || shares[i] == 0);
			assert_int_equal(shares[i], -negative[i]);
			assert_int_equal(shares[i], slow[i]);
		}
		assert_int_equal(together, total);
	}
}

static void test_split_of_examples(void **state)
{
	(void)state;
	int64_t s[4];
	assert_int_equal(kw_money_split(100, (int64_t[]) { 1, 1, 1 }, 3, s, NULL), KW_OK);
	assert_memory_equal(s, ((int64_t[]) { 34, 33, 33 }), 3 * sizeof(*s));
	assert_int_equal(kw_money_split(101, (int64_t[]) { 1, 1, 1 }, 3, s, NULL), KW_OK);
	assert_memory_equal(s, ((int64_t[]) { 34, 34, 33 }), 3 * sizeof(*s));
	assert_int_equal(kw_money_split(-100, (int64_t[]) { 1, 1, 1 }, 3, s, NULL), KW_OK);
	assert_memory_equal(s, ((int64_t[]) { -34, -33, -33 }), 3 * sizeof(*s));
	assert_int_equal(kw_money_split(10, (int64_t[]) { 0, 5, 0, 1 }, 4, s, NULL), KW_OK);
	assert_memory_equal(s, ((int64_t[]) { 0, 8, 0, 2 }), 4 * sizeof(*s));
	assert_int_equal(kw_money_split(0, (int64_t[]) { 0, 0 }, 2, s, NULL), KW_OK);
	assert_memory_equal(s, ((int64_t[]) { 0, 0 }), 2 * sizeof(*s));
	assert_int_equal(
		kw_money_split(INT64_MIN, (int64_t[]) { INT64_MAX, INT64_MAX }, 2, s, NULL), KW_OK);
	assert_memory_equal(s, ((int64_t[]) { INT64_MIN / 2, INT64_MIN / 2 }), 2 * sizeof(*s));
	assert_int_equal(kw_money_split(0, NULL, 0, NULL, NULL), KW_OK);
}

static void test_split_refuses(void **state)
{
	(void)state;
	int64_t s[4];
	assert_int_equal(kw_money_split(1, (int64_t[]) { 0, 0 }, 2, s, NULL), KW_INVALID);
	assert_int_equal(kw_money_split(1, NULL, 0, s, NULL), KW_INVALID);
	assert_int_equal(kw_money_split(1, (int64_t[]) { 2, -1 }, 2, s, NULL), KW_INVALID);
	int64_t huge[] = { INT64_MAX, INT64_MAX, INT64_MAX };
	assert_int_equal(kw_money_split(1, huge, 3, s, NULL), KW_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_unknown_currency_has_a_code),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_currencies),
		cmocka_unit_test(test_arithmetic),
		cmocka_unit_test(test_basis_points),
		cmocka_unit_test(test_split_has_its_properties),
		cmocka_unit_test(test_split_of_examples),
		cmocka_unit_test(test_split_refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
