/* HMAC, base64, hex and AES-256-GCM against published vectors, and that a changed byte anywhere is
 * noticed; when certificates expire. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/crypto.h"

static struct kw_arena *a;

static int setup(void **state)
{
	(void)state;
	a = kw_arena_new(1024 * 1024);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kw_arena_free(a);
	return 0;
}

static struct kw_bytes text(const char *s)
{
	return (struct kw_bytes) { s, strlen(s) };
}

static struct kw_bytes hex(const char *s)
{
	struct kw_bytes b;

	assert_true(kw_hex_decode(a, s, strlen(s), &b));
	return b;
}

static const char *hmac_hex(struct kw_bytes key, const struct kw_bytes *parts, size_t n)
{
	uint8_t mac[KW_SHA256_SIZE];

	kw_hmac_sha256(key, parts, n, mac);
	return kw_hex(a, (struct kw_bytes) { mac, sizeof(mac) });
}

/* RFC 4231, test cases 1, 2, 6 and 7; GitHub's documentation "Validating webhook deliveries". */
static const struct {
	const char *key_hex, *data, *mac;
} hmacs[] = {
	{ "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "Hi There",
		"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
	{ "4a656665", "what do ya want for nothing?",
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
	{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"Test Using Larger Than Block-Size Key - Hash Key First",
		"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
	{ "4974277320612053656372657420746f2045766572796"
	  "26f6479",
		"Hello, World!",
		"757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" },
};

static void test_hmac(void **state)
{
	(void)state;
	for (size_t i = 0; i < KW_LEN(hmacs); i++) {
		struct kw_bytes data = text(hmacs[i].data), key = hex(hmacs[i].key_hex);
		assert_string_equal(hmac_hex(key, &data, 1), hmacs[i].mac);
		/* The same in parts, at every cut. */
		for (size_t cut = 0; cut <= data.n; cut++) {
			const struct kw_bytes parts[] = { { data.p, cut }, { NULL, 0 },
				{ (const char *)data.p + cut, data.n - cut } };
			assert_string_equal(hmac_hex(key, parts, 3), hmacs[i].mac);
		}
	}
}

/* An empty key is a key of its own, not the one of the call before. */
static void test_hmac_keeps_no_key(void **state)
{
	struct kw_bytes data = text("");

	(void)state;
	hmac_hex(text("another"), &data, 1);
	assert_string_equal(hmac_hex((struct kw_bytes) { NULL, 0 }, &data, 1),
		"b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void *hmac_thread(void *arg)
{
	uint8_t *out = arg;
	struct kw_bytes data = text("Hello, World!");

	for (int i = 0; i < 1000; i++)
		kw_hmac_sha256(text("It's a Secret to Everybody"), &data, 1, out);
	return NULL;
}

static void test_hmac_in_threads(void **state)
{
	pthread_t threads[4];
	uint8_t macs[4][KW_SHA256_SIZE];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hmac_thread, macs[i]), 0);
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_string_equal(
			kw_hex(a, (struct kw_bytes) { macs[i], KW_SHA256_SIZE }), hmacs[3].mac);
	}
}

static void test_sha256(void **state)
{
	uint8_t out[KW_SHA256_SIZE];

	(void)state;
	kw_sha256(text("abc"), out); /* FIPS 180-2 */
	assert_string_equal(kw_hex(a, (struct kw_bytes) { out, sizeof(out) }),
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	kw_sha256((struct kw_bytes) { NULL, 0 }, out);
	assert_string_equal(kw_hex(a, (struct kw_bytes) { out, sizeof(out) }),
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_secret_equal(void **state)
{
	(void)state;
	assert_true(kw_secret_equal(text("abc"), text("abc")));
	assert_true(kw_secret_equal(text(""), (struct kw_bytes) { NULL, 0 }));
	assert_false(kw_secret_equal(text("abc"), text("abd")));
	assert_false(kw_secret_equal(text("abc"), text("abcd")));
	assert_false(kw_secret_equal(text("abc"), text("")));
}

/* RFC 4648, section 10, and the same without padding. */
static void test_base64(void **state)
{
	static const char *const rows[][2] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
		{ "\xfb\xff\xbf", "+/+/" },
	};
	struct kw_bytes b;

	(void)state;
	for (size_t i = 0; i < KW_LEN(rows); i++) {
		const char *encoded = rows[i][1];
		assert_string_equal(kw_base64(a, text(rows[i][0])), encoded);
		for (int padded = 0; padded < 2; padded++) {
			size_t n = padded ? strlen(encoded) : strcspn(encoded, "=");
			assert_true(kw_base64_decode(a, encoded, n, &b));
			assert_int_equal(b.n, strlen(rows[i][0]));
			assert_memory_equal(b.p, rows[i][0], b.n);
		}
	}
}

static void test_base64_refuses(void **state)
{
	static const char *const bad[] = { "Z", "Zg=", "Zg===", "Z===", "====", "Zm9v\n", "Zm 9v",
		"Zm9-", "Zm_v", "Zg==Zg==", "Zm9vY", "=Zm9", "Zm9\xc3" };
	struct kw_bytes b;

	(void)state;
	for (size_t i = 0; i < KW_LEN(bad); i++)
		assert_false(kw_base64_decode(a, bad[i], strlen(bad[i]), &b));
}

static void test_hex(void **state)
{
	static const char *const bad[] = { "0", "0g", "g0", " 0", "0x", "00\n0", "\xc3\xa4" };
	struct kw_bytes b;

	(void)state;
	assert_true(kw_hex_decode(a, "00ffABcd", 8, &b));
	assert_int_equal(b.n, 4);
	assert_memory_equal(b.p, "\x00\xff\xab\xcd", 4);
	assert_string_equal(kw_hex(a, b), "00ffabcd");
	assert_true(kw_hex_decode(a, "", 0, &b));
	assert_int_equal(b.n, 0);
	for (size_t i = 0; i < KW_LEN(bad); i++)
		assert_false(kw_hex_decode(a, bad[i], strlen(bad[i]), &b));
}

/* Galois/Counter Mode of Operation (McGrew, Viega), test case 16. */
static void test_open_known(void **state)
{
	struct kw_bytes key =
		hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
	struct kw_bytes context = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
	struct kw_bytes sealed = hex("cafebabefacedbaddecaf888"
				     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555"
				     "d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
				     "76fc6ece0f4e1768cddf8853bb2d551b");
	struct kw_bytes plain;

	(void)state;
	assert_int_equal(kw_open(a, key.p, sealed, context, &plain, NULL), KW_OK);
	assert_string_equal(kw_hex(a, plain),
		"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a31"
		"8a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
}

static void test_seal_round_trip(void **state)
{
	static const char *const contexts[] = { "", "maker:m-1" };
	uint8_t key[32];
	struct kw_bytes plain;

	(void)state;
	kw_random(key, sizeof(key));
	for (size_t n = 0; n < 70; n++)
		for (size_t i = 0; i < KW_LEN(contexts); i++) {
			char *in = kw_new(a, char, n + 1);
			kw_random(in, n);
			struct kw_bytes sealed =
				kw_seal(a, key, (struct kw_bytes) { in, n }, text(contexts[i]));
			assert_int_equal(sealed.n, 12 + n + 16);
			assert_int_equal(
				kw_open(a, key, sealed, text(contexts[i]), &plain, NULL), KW_OK);
			assert_int_equal(plain.n, n);
			assert_memory_equal(plain.p, in, n);
		}
	/* Never the same twice. */
	struct kw_bytes one = kw_seal(a, key, text("x"), text("")),
			two = kw_seal(a, key, text("x"), text(""));
	assert_memory_not_equal(one.p, two.p, one.n);
}

static void test_seal_notices_changes(void **state)
{
	uint8_t key[32] = { 1 }, other[32] = { 2 };
	struct kw_bytes sealed = kw_seal(a, key, text("3420108912318"), text("m-1")), plain;
	struct kw_err err;

	(void)state;
	for (size_t i = 0; i < sealed.n; i++) {
		uint8_t *changed = kw_arena_copy(a, sealed.p, sealed.n);
		changed[i] ^= 1;
		assert_int_equal(kw_open(a, key, (struct kw_bytes) { changed, sealed.n },
					 text("m-1"), &plain, &err),
			KW_INVALID);
	}
	for (size_t n = 0; n < sealed.n; n++)
		assert_int_equal(kw_open(a, key, (struct kw_bytes) { sealed.p, n }, text("m-1"),
					 &plain, &err),
			KW_INVALID);
	assert_int_equal(kw_open(a, key, sealed, text("m-2"), &plain, &err), KW_INVALID);
	assert_int_equal(kw_open(a, key, sealed, text(""), &plain, &err), KW_INVALID);
	assert_int_equal(kw_open(a, other, sealed, text("m-1"), &plain, &err), KW_INVALID);
	assert_null(strstr(err.reason, "34201"));
	assert_int_equal(kw_open(a, key, sealed, text("m-1"), &plain, &err), KW_OK);
}

/* Made by `openssl req -x509`; they end at 2141359337 and 2486959337. */
#define EARLIER                                                              \
	"-----BEGIN CERTIFICATE-----\n"                                      \
	"MIIBhjCCAS2gAwIBAgIUWSRsWif5a89KSC9T1h3BPEGV080wCgYIKoZIzj0EAwIw\n" \
	"GTEXMBUGA1UEAwwOa2Fyd2FuLmV4YW1wbGUwHhcNMjYxMTI3MDYwMjE3WhcNMzcx\n" \
	"MTA5MDYwMjE3WjAZMRcwFQYDVQQDDA5rYXJ3YW4uZXhhbXBsZTBZMBMGByqGSM49\n" \
	"AgEGCCqGSM49AwEHA0IABB2BOTY++pw9stpus8W5JpY682XturkKOte+F/3odMSw\n" \
	"7v0qstaOmquCrrSUH9sanrDd6sGDwCeRTvjbqT6GrPijUzBRMB0GA1UdDgQWBBRq\n" \
	"l97MoXgYeUeES3A8M59LoVqumjAfBgNVHSMEGDAWgBRql97MoXgYeUeES3A8M59L\n" \
	"oVqumjAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0cAMEQCICJQriQHYZ0M\n" \
	"itWFvgLCASj+38K2FZ4mbhDDg2mpA3z1AiBXmzWeISrGktIUFphDzuUbUE3dNdJ4\n" \
	"NaZvSh8UaJvksA==\n"                                                 \
	"-----END CERTIFICATE-----\n"
#define LATER                                                                \
	"-----BEGIN CERTIFICATE-----\n"                                      \
	"MIIBhzCCAS2gAwIBAgIUQsmR/f50xWQovm1uqc4ciOsRZpIwCgYIKoZIzj0EAwIw\n" \
	"GTEXMBUGA1UEAwwOa2Fyd2FuLmV4YW1wbGUwHhcNMjYxMTI3MDYwMjE3WhcNNDgx\n" \
	"MDIyMDYwMjE3WjAZMRcwFQYDVQQDDA5rYXJ3YW4uZXhhbXBsZTBZMBMGByqGSM49\n" \
	"AgEGCCqGSM49AwEHA0IABIEE+m8fGXqQ+8RL4L3rdYpqbRZSG8iOBAUDPkbkjtwe\n" \
	"DpDm/oAg0mLag8DlnPjO3CALBnEdFsZ5YXMDUYWEUa2jUzBRMB0GA1UdDgQWBBTH\n" \
	"XZ8FBomeyWpzHFxYpN2Jbkb0NjAfBgNVHSMEGDAWgBTHXZ8FBomeyWpzHFxYpN2J\n" \
	"bkb0NjAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQDPlILFk+yC\n" \
	"ah0uM2AJ5JT9ge0D8oTXskQoNKkORX+8OQIgRIfufhrI/Wjv1ptBkI2bARXeugUS\n" \
	"gydJ/iUo/dXM+9s=\n"                                                 \
	"-----END CERTIFICATE-----\n"
static const struct {
	const char *pem;
	int64_t expires; /* 0: INVALID */
} certificates[] = {
	{ EARLIER, 2141359337 },
	{ LATER, 2486959337 },
	{ EARLIER LATER, 2141359337 },
	{ LATER EARLIER, 2141359337 },
	{ "leaf\n" LATER "root\n" EARLIER, 2141359337 },
	{ "", 0 },
	{ "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0 },
	{ "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 0 },
	{ LATER "-----BEGIN CERTIFICATE-----\nMIIBhj", 0 },
};

static void test_certificate_expires(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(certificates) / sizeof(certificates[0]); i++) {
		int64_t expires = 0;
		struct kw_err err = { 0 };
		enum kw_rc rc = kw_certificate_expires(text(certificates[i].pem), &expires, &err);
		assert_int_equal(rc, certificates[i].expires ? KW_OK : KW_INVALID);
		assert_int_equal(expires, certificates[i].expires);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_hmac_keeps_no_key),
		cmocka_unit_test(test_hmac_in_threads),
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_secret_equal),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_base64_refuses),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_open_known),
		cmocka_unit_test(test_seal_round_trip),
		cmocka_unit_test(test_seal_notices_changes),
		cmocka_unit_test(test_certificate_expires),
	};
	return cmocka_run_group_tests_name("http_crypto", tests, setup, teardown);
}
