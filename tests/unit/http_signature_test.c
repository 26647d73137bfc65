/* Each webhook scheme over its accepted and refused rows. The rows marked "published" are values of
 * the Standard Webhooks specification and its libraries' tests (MIT); the others were computed with
 * Python's hmac. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/signature.h"

#define KEY_ONE "whsec_a2Fyd2FuLXRlc3Qta2V5LW9uZS0zMi1ieXRlcy1vayE="
#define KEY_TWO "whsec_a2Fyd2FuLXRlc3Qta2V5LXR3by0zMi1ieXRlcy1vayE="
#define OURS "{\"order\":\"A-1\",\"price\":\"12.50\",\"note\":\"a\\/b\"}"
#define BY_ONE "v1,9mWrAGcdrOPQsP7uxVOYRs1jpe8kaneyhS4nw7bSkbo="
#define BY_TWO "v1,YPLOeNEdUOPrUQoy7aAVIv1+4EjWpB//LXR3YJsz49g="

#define PUBLISHED "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define PUBLISHED_ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define PUBLISHED_BODY "{\"test\": 2432232314}"
#define PUBLISHED_V1 "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define WRONG_V1 "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="

static struct kw_bytes text(const char *s)
{
	return (struct kw_bytes) { s, strlen(s) };
}

/* NULL-terminated */
static struct kw_secrets secrets_of(const char *const *keys)
{
	struct kw_secrets s = { .n = 0 };

	while (keys[s.n] && s.n < 2) {
		s.keys[s.n] = text(keys[s.n]);
		s.n++;
	}
	return s;
}

static const struct {
	const char *name, *keys[3], *id, *timestamp, *signatures, *body;
	int64_t now_s;
	bool good;
} standard[] = {
	{ "published: with prefix", { "whsec_" PUBLISHED }, PUBLISHED_ID, "1614265330",
		PUBLISHED_V1, PUBLISHED_BODY, 1614265330, true },
	{ "published: without prefix", { PUBLISHED }, PUBLISHED_ID, "1614265330", PUBLISHED_V1,
		PUBLISHED_BODY, 1614265330, true },
	{ "published: list", { PUBLISHED }, PUBLISHED_ID, "1614265330",
		WRONG_V1 " v2,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= " PUBLISHED_V1
			 " " WRONG_V1,
		PUBLISHED_BODY, 1614265330, true },
	{ "published: last character", { PUBLISHED }, PUBLISHED_ID, "1614265330",
		"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA=", PUBLISHED_BODY, 1614265330,
		false },
	{ "same bytes in another base64 spelling", { PUBLISHED }, PUBLISHED_ID, "1614265330",
		"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF=", PUBLISHED_BODY, 1614265330,
		false },
	{ "published: nothing after v1,", { PUBLISHED }, PUBLISHED_ID, "1614265330", "v1,",
		PUBLISHED_BODY, 1614265330, false },
	{ "published: not a number", { PUBLISHED }, PUBLISHED_ID, "hello", PUBLISHED_V1,
		PUBLISHED_BODY, 1614265330, false },
	{ "published: 301 s old", { PUBLISHED }, PUBLISHED_ID, "1614265330", PUBLISHED_V1,
		PUBLISHED_BODY, 1614265330 + 301, false },
	{ "published: 301 s ahead", { PUBLISHED }, PUBLISHED_ID, "1614265330", PUBLISHED_V1,
		PUBLISHED_BODY, 1614265330 - 301, false },
	{ "published: 300 s old", { PUBLISHED }, PUBLISHED_ID, "1614265330", PUBLISHED_V1,
		PUBLISHED_BODY, 1614265330 + 300, true },
	{ "300 s ahead", { PUBLISHED }, PUBLISHED_ID, "1614265330", PUBLISHED_V1, PUBLISHED_BODY,
		1614265330 - 300, true },
	{ "unpadded key", { "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS" }, PUBLISHED_ID, "1614265330",
		"v1,LVOXivKoo4FWasi/IaHvzhE/u+7/cu2AME+zS/nXqzk=", PUBLISHED_BODY, 1614265330,
		true },
	{ "published: no id", { PUBLISHED }, NULL, "1614265330", PUBLISHED_V1, PUBLISHED_BODY,
		1614265330, false },
	{ "published: no timestamp", { PUBLISHED }, PUBLISHED_ID, NULL, PUBLISHED_V1,
		PUBLISHED_BODY, 1614265330, false },
	{ "published: no signature", { PUBLISHED }, PUBLISHED_ID, "1614265330", NULL,
		PUBLISHED_BODY, 1614265330, false },
	{ "ours", { KEY_ONE }, "msg_1", "1700000000", BY_ONE, OURS, 1700000000, true },
	{ "first of two keys", { KEY_ONE, KEY_TWO }, "msg_1", "1700000000", BY_ONE, OURS,
		1700000000, true },
	{ "second of two keys", { KEY_ONE, KEY_TWO }, "msg_1", "1700000000", BY_TWO, OURS,
		1700000000, true },
	{ "a key that is no longer ours", { KEY_TWO }, "msg_1", "1700000000", BY_ONE, OURS,
		1700000000, false },
	{ "two signatures while the key changes", { KEY_TWO }, "msg_1", "1700000000",
		BY_ONE " " BY_TWO, OURS, 1700000000, true },
	{ "another body", { KEY_ONE }, "msg_1", "1700000000", BY_ONE, OURS " ", 1700000000, false },
	{ "another id", { KEY_ONE }, "msg_2", "1700000000", BY_ONE, OURS, 1700000000, false },
	{ "another time", { KEY_ONE }, "msg_1", "1700000001", BY_ONE, OURS, 1700000000, false },
	{ "the time with a zero before", { KEY_ONE }, "msg_1", "01700000000", BY_ONE, OURS,
		1700000000, false },
	{ "the time with a blank", { KEY_ONE }, "msg_1", " 1700000000", BY_ONE, OURS, 1700000000,
		false },
	{ "the time with a sign", { KEY_ONE }, "msg_1", "+1700000000", BY_ONE, OURS, 1700000000,
		false },
	{ "a time beyond all numbers", { KEY_ONE }, "msg_1", "99999999999999999999", BY_ONE, OURS,
		1700000000, false },
	{ "an id with a point", { KEY_ONE }, "msg.1", "1700000000", BY_ONE, OURS, 1700000000,
		false },
	{ "an empty id", { KEY_ONE }, "", "1700000000", BY_ONE, OURS, 1700000000, false },
	{ "an entry without comma", { KEY_ONE }, "msg_1", "1700000000", "v1 " BY_ONE, OURS,
		1700000000, true },
	{ "blanks around", { KEY_ONE }, "msg_1", "1700000000", "  " BY_ONE "  ", OURS, 1700000000,
		true },
	{ "without the padding", { KEY_ONE }, "msg_1", "1700000000",
		"v1,9mWrAGcdrOPQsP7uxVOYRs1jpe8kaneyhS4nw7bSkbo", OURS, 1700000000, false },
	{ "asymmetric only", { KEY_ONE }, "msg_1", "1700000000",
		"v1a,9mWrAGcdrOPQsP7uxVOYRs1jpe8kaneyhS4nw7bSkbo=", OURS, 1700000000, false },
	{ "nothing", { KEY_ONE }, "msg_1", "1700000000", "", OURS, 1700000000, false },
};

static void test_standard(void **state)
{
	(void)state;
	for (size_t i = 0; i < KW_LEN(standard); i++) {
		struct kw_secrets s = secrets_of(standard[i].keys);
		struct kw_err err = { 0 };
		enum kw_rc rc = kw_verify_standard_webhook(&s, standard[i].id,
			standard[i].timestamp, standard[i].signatures, text(standard[i].body),
			standard[i].now_s * KW_US_PER_S, &err);
		if (rc != (standard[i].good ? KW_OK : KW_INVALID))
			fail_msg("%s: %s (%s)", standard[i].name, kw_rc_name(rc), err.reason);
	}
}

static void test_standard_keys(void **state)
{
	struct kw_err err = { 0 };
	struct kw_arena *a = kw_arena_new(65536);
	char *signature;

	(void)state;
	assert_true(kw_standard_webhook_secret_ok(text(KEY_ONE)));
	assert_true(kw_standard_webhook_secret_ok(text(PUBLISHED)));
	assert_false(kw_standard_webhook_secret_ok(text("")));
	assert_false(kw_standard_webhook_secret_ok(text("whsec_")));
	assert_false(kw_standard_webhook_secret_ok(text("whsec_not base64 at all!")));
	assert_false(kw_standard_webhook_secret_ok(text("whsec_c2hvcnQ="))); /* "short" */
	assert_false(kw_standard_webhook_secret_ok(text("whpk_" PUBLISHED)));

	/* A bad key is our configuration, never "accept" and never the sender's fault. */
	struct kw_secrets bad = { { text("whsec_") }, 1 };
	assert_int_equal(kw_verify_standard_webhook(&bad, PUBLISHED_ID, "1614265330", PUBLISHED_V1,
				 text(PUBLISHED_BODY), 1614265330 * KW_US_PER_S, &err),
		KW_FATAL);
	assert_int_equal(kw_sign_standard_webhook(
				 a, text("whsec_"), "m", KW_US_PER_S, text(""), &signature, &err),
		KW_FATAL);
	kw_arena_free(a);
}

static void test_standard_sign(void **state)
{
	struct kw_arena *a = kw_arena_new(65536);
	struct kw_err err = { 0 };
	char *signature;

	(void)state;
	assert_int_equal(kw_sign_standard_webhook(a, text(KEY_ONE), "msg_1",
				 1700000000 * KW_US_PER_S + 999999, text(OURS), &signature, &err),
		KW_OK);
	assert_string_equal(signature, BY_ONE);
	assert_int_equal(kw_sign_standard_webhook(a, text(PUBLISHED), PUBLISHED_ID,
				 1614265330 * KW_US_PER_S, text(PUBLISHED_BODY), &signature, &err),
		KW_OK);
	assert_string_equal(signature, PUBLISHED_V1);
	kw_arena_free(a);
}

#define SHOP "{\"id\":4601,\"name\":\"#4601\",\"note\":\"half\\/half\",\"total_price\":\"99.90\"}"
#define SHOP_REWRITTEN \
	"{\"id\":4601,\"name\":\"#4601\",\"note\":\"half/half\",\"total_price\":\"99.90\"}"
#define SHOP_BY_NEW "93A0/I82hM1QfNCRp2vUaZvRnEHKtD+KqzfLzsc2zO4="
#define SHOP_BY_OLD "Z80AlvH6rkvac5K8qvoYjX4BYvc8yEOxuTbnLSqV2FE="

static const struct {
	const char *name, *keys[3], *signature, *body;
	bool good;
} shopify[] = {
	{ "smallest body", { "secret" }, "dzJZAsrKgS3CWXM6rNBGtzgXNyx3e42VtAJkdHRRbhM=", "{}",
		true },
	{ "a body with an escaped slash", { "hush-hush" }, SHOP_BY_NEW, SHOP, true },
	{ "the same parsed and written again", { "hush-hush" }, SHOP_BY_NEW, SHOP_REWRITTEN,
		false },
	{ "first of two keys", { "hush-hush", "older-hush" }, SHOP_BY_NEW, SHOP, true },
	{ "second of two keys", { "hush-hush", "older-hush" }, SHOP_BY_OLD, SHOP, true },
	{ "old key after the rotation", { "hush-hush" }, SHOP_BY_OLD, SHOP, false },
	{ "missing", { "hush-hush" }, NULL, SHOP, false },
	{ "empty", { "hush-hush" }, "", SHOP, false },
	{ "one character more", { "hush-hush" }, SHOP_BY_NEW "=", SHOP, false },
	{ "without the padding", { "hush-hush" }, "93A0/I82hM1QfNCRp2vUaZvRnEHKtD+KqzfLzsc2zO4",
		SHOP, false },
	{ "another letter case", { "hush-hush" },
		"93a0/I82hM1QfNCRp2vUaZvRnEHKtD+KqzfLzsc2zO4=", SHOP, false },
};

static void test_shopify(void **state)
{
	(void)state;
	for (size_t i = 0; i < KW_LEN(shopify); i++) {
		struct kw_secrets s = secrets_of(shopify[i].keys);
		enum kw_rc rc =
			kw_verify_shopify(&s, shopify[i].signature, text(shopify[i].body), NULL);
		if (rc != (shopify[i].good ? KW_OK : KW_INVALID))
			fail_msg("%s: %s", shopify[i].name, kw_rc_name(rc));
	}
}

#define TRACKED "{\"event\":\"tracking_update\",\"note\":\"a\\/b\"}"
#define TRACKED_HEX "9ce6a53ad8588856057cb63e4f1709710109d333f431d3ad7826d162539d0362"
#define TRACKED_BIG "9CE6A53AD8588856057CB63E4F1709710109D333F431D3AD7826D162539D0362"

/* hex after a prefix; base64 is Shopify's */
static void test_body_mac(void **state)
{
	static const struct kw_body_mac scheme = { "X-Mac", "sha256=", true };
	static const struct {
		const char *name, *signature, *body, *reason;
	} rows[] = {
		{ "plain", "sha256=" TRACKED_HEX, TRACKED, NULL },
		{ "in capitals", "sha256=" TRACKED_BIG, TRACKED, NULL },
		{ "one blank more", "sha256=" TRACKED_HEX, TRACKED " ", "does not fit" },
		{ "no prefix", TRACKED_HEX, TRACKED, "does not begin" },
		{ "another prefix", "SHA256=" TRACKED_HEX, TRACKED, "does not begin" },
		{ "prefix alone", "sha256=", TRACKED, "does not fit" },
		{ "longer", "sha256=" TRACKED_HEX "0", TRACKED, "does not fit" },
		{ "not hex", "sha256=zz" TRACKED_HEX, TRACKED, "does not fit" },
		{ "missing", NULL, TRACKED, "X-Mac is missing" },
	};
	struct kw_secrets s = secrets_of((const char *[]) { "other", "hush", NULL });

	(void)state;
	for (size_t i = 0; i < KW_LEN(rows); i++) {
		struct kw_err err = { 0 };
		enum kw_rc rc = kw_verify_body_mac(
			&scheme, &s, rows[i].signature, text(rows[i].body), &err);
		if (rc != (rows[i].reason ? KW_INVALID : KW_OK) ||
			(rows[i].reason && !strstr(err.reason, rows[i].reason)))
			fail_msg("%s: %s %s", rows[i].name, kw_rc_name(rc), err.reason);
	}
}

#define PAID "{\"id\":\"evt_karwan_1\",\"object\":\"event\",\"type\":\"charge.succeeded\"}"
#define PAID_ONE "63ceee8ee6ed5316942ea85e4b9f06c91b0ade64eef1ff803798ef64ab3b9bf9"
#define PAID_TWO "5cdd396df0113a13efa7728b9e2c6bf310dda01fa80f743f47ba052af63cdc5b"

static const struct {
	const char *name, *keys[3], *header, *body;
	int64_t now_s;
	bool good;
} stripe[] = {
	{ "plain", { "whsec_karwan_one" }, "t=1700000000,v1=" PAID_ONE, PAID, 1700000000, true },
	{ "the key is used with its prefix", { "karwan_one" }, "t=1700000000,v1=" PAID_ONE, PAID,
		1700000000, false },
	{ "an unreadable v1 beside", { "whsec_karwan_one" },
		"t=1700000000,v1=" PAID_ONE ",v1=bad_signature", PAID, 1700000000, true },
	{ "an unreadable v1 before", { "whsec_karwan_one" },
		"t=1700000000,v1=bad_signature,v1=" PAID_ONE, PAID, 1700000000, true },
	{ "two v1 while the key changes", { "whsec_karwan_two" },
		"t=1700000000,v1=" PAID_ONE ",v1=" PAID_TWO, PAID, 1700000000, true },
	{ "second of two keys", { "whsec_karwan_one", "whsec_karwan_two" },
		"t=1700000000,v1=" PAID_TWO, PAID, 1700000000, true },
	{ "v1 before t", { "whsec_karwan_one" }, "v1=" PAID_ONE ",t=1700000000", PAID, 1700000000,
		true },
	{ "unknown element", { "whsec_karwan_one" }, "t=1700000000,v9=x,v1=" PAID_ONE, PAID,
		1700000000, true },
	{ "only v0", { "whsec_karwan_one" }, "t=1700000000,v0=" PAID_ONE, PAID, 1700000000, false },
	{ "published by stripe-go's tests: malformed", { "whsec_karwan_one" }, "v1,t=1", PAID, 1,
		false },
	{ "300 s old", { "whsec_karwan_one" }, "t=1700000000,v1=" PAID_ONE, PAID, 1700000300,
		true },
	{ "301 s old", { "whsec_karwan_one" }, "t=1700000000,v1=" PAID_ONE, PAID, 1700000301,
		false },
	{ "from a clock that is ahead", { "whsec_karwan_one" }, "t=1700000000,v1=" PAID_ONE, PAID,
		1699990000, true },
	{ "another time", { "whsec_karwan_one" }, "t=1700000001,v1=" PAID_ONE, PAID, 1700000001,
		false },
	{ "two times", { "whsec_karwan_one" }, "t=1700000000,t=1700000000,v1=" PAID_ONE, PAID,
		1700000000, false },
	{ "no time", { "whsec_karwan_one" }, "v1=" PAID_ONE, PAID, 1700000000, false },
	{ "a time that is none", { "whsec_karwan_one" }, "t=now,v1=" PAID_ONE, PAID, 1700000000,
		false },
	{ "another body", { "whsec_karwan_one" }, "t=1700000000,v1=" PAID_ONE, PAID " ", 1700000000,
		false },
	{ "missing", { "whsec_karwan_one" }, NULL, PAID, 1700000000, false },
	{ "empty", { "whsec_karwan_one" }, "", PAID, 1700000000, false },
	{ "half a signature", { "whsec_karwan_one" },
		"t=1700000000,v1=63ceee8ee6ed5316942ea85e4b9f06c9", PAID, 1700000000, false },
};

static void test_stripe(void **state)
{
	(void)state;
	for (size_t i = 0; i < KW_LEN(stripe); i++) {
		struct kw_secrets s = secrets_of(stripe[i].keys);
		enum kw_rc rc = kw_verify_stripe(&s, stripe[i].header, text(stripe[i].body),
			stripe[i].now_s * KW_US_PER_S, NULL);
		if (rc != (stripe[i].good ? KW_OK : KW_INVALID))
			fail_msg("%s: %s", stripe[i].name, kw_rc_name(rc));
	}
}

static const struct {
	const char *header;
	bool good;
} bearer[] = {
	{ "Bearer first-token", true },
	{ "bearer second-token", true },
	{ "BEARER first-token", true },
	{ "Bearer  first-token", false },
	{ "Bearer first-token ", false },
	{ "Bearer first-toke", false },
	{ "Bearer First-token", false },
	{ "Bearer ", false },
	{ "Bearer", false },
	{ "Basic first-token", false },
	{ "first-token", false },
	{ "", false },
	{ NULL, false },
};

static void test_bearer(void **state)
{
	struct kw_secrets s =
		secrets_of((const char *const[]) { "first-token", "second-token", NULL });

	(void)state;
	for (size_t i = 0; i < KW_LEN(bearer); i++) {
		struct kw_err err = { 0 };
		enum kw_rc rc = kw_verify_bearer(&s, bearer[i].header, &err);
		if (rc != (bearer[i].good ? KW_OK : KW_INVALID))
			fail_msg("%s: %s", bearer[i].header, kw_rc_name(rc));
		assert_null(strstr(err.reason, "token-"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_standard),
		cmocka_unit_test(test_standard_keys),
		cmocka_unit_test(test_standard_sign),
		cmocka_unit_test(test_shopify),
		cmocka_unit_test(test_body_mac),
		cmocka_unit_test(test_stripe),
		cmocka_unit_test(test_bearer),
	};
	return cmocka_run_group_tests_name("http_signature", tests, NULL, NULL);
}
