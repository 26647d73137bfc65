/* Money: int64 minor units with an ISO 4217 currency; checked arithmetic; read from characters.
 * Values; any thread. Minor units per currency: ISO 4217 list of 2024-06-25. */
#ifndef KW_CORE_MONEY_H
#define KW_CORE_MONEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct kw_money {
	int64_t minor;
	char currency[4]; /* "" only in a zeroed struct: no value */
};

/* Number of digits after the point (PKR 2, JPY 0, KWD 3), or -1 for a code that is not money. */
int kw_currency_digits(const char *currency);
/* The currency at this place of the list of all that are known; false beyond its end. */
bool kw_currency_at(size_t i, char ret_code[4], int *ret_digits);

/* "-12.50" (plain decimal, JSON string dialect): zeros past the minor unit are fine, anything else
 * is INVALID; no exponent, grouping, blanks, sign "+". The currency must be known. */
enum kw_rc kw_money_parse(
	const char *text, const char *currency, struct kw_money *ret, struct kw_err *err);
/* Integer text that already counts minor units (Stripe). */
enum kw_rc kw_money_from_minor(
	int64_t minor, const char *currency, struct kw_money *ret, struct kw_err *err);
/* "12.50" with the currency's digits; out has room for 32 bytes. */
void kw_money_format(struct kw_money m, char out[32]);

bool kw_money_same_currency(struct kw_money a, struct kw_money b);
/* INVALID on overflow or different currencies. */
enum kw_rc kw_money_add(
	struct kw_money a, struct kw_money b, struct kw_money *ret, struct kw_err *err);
enum kw_rc kw_money_sub(
	struct kw_money a, struct kw_money b, struct kw_money *ret, struct kw_err *err);
enum kw_rc kw_money_mul(
	struct kw_money a, int64_t factor, struct kw_money *ret, struct kw_err *err);
/* Part of m in basis points, its size rounded half up (a refund mirrors its charge); 0 <= bps <=
 * 10000. */
enum kw_rc kw_money_bps(struct kw_money m, int bps, struct kw_money *ret, struct kw_err *err);
/* Largest remainder: total into n shares in proportion to weights (>= 0, at least one > 0 unless
 * total is 0); shares sum to total exactly; ties go to the lower index. */
enum kw_rc kw_money_split(
	int64_t total, const int64_t *weights, size_t n, int64_t *ret_shares, struct kw_err *err);

#endif
