/* HMAC, digests, constant-time compare, base64, hex and AES-256-GCM on OpenSSL 3. Stateless for the
 * caller; each thread keeps one MAC context (a fresh one per call costs three times as much). */
#include "http/crypto.h"

#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#define NONCE_SIZE 12
#define TAG_SIZE 16

static pthread_once_t mac_once = PTHREAD_ONCE_INIT;
static pthread_key_t mac_key;
static _Thread_local EVP_MAC_CTX *mac_ctx;

static void mac_thread_done(void *p)
{
	EVP_MAC_CTX_free(p);
}

static void mac_setup(void)
{
	kw_assert(pthread_key_create(&mac_key, mac_thread_done) == 0);
}

/* The thread's HMAC-SHA256 context, made at its first use and freed by the key's destructor. */
static EVP_MAC_CTX *mac_of_thread(void)
{
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};

	if (mac_ctx)
		return mac_ctx;
	pthread_once(&mac_once, mac_setup);
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	kw_assert(mac);
	mac_ctx = EVP_MAC_CTX_new(mac);
	EVP_MAC_free(mac);
	kw_assert(mac_ctx && EVP_MAC_CTX_set_params(mac_ctx, params) == 1);
	pthread_setspecific(mac_key, mac_ctx);
	return mac_ctx;
}

void kw_hmac_sha256(
	struct kw_bytes key, const struct kw_bytes *parts, size_t n, uint8_t out[KW_SHA256_SIZE])
{
	EVP_MAC_CTX *ctx = mac_of_thread();
	size_t size = 0;

	/* A NULL key would mean "the key of last time". */
	kw_assert(EVP_MAC_init(ctx, key.n ? key.p : (const void *)"", key.n, NULL) == 1);
	for (size_t i = 0; i < n; i++)
		if (parts[i].n)
			kw_assert(EVP_MAC_update(ctx, parts[i].p, parts[i].n) == 1);
	kw_assert(EVP_MAC_final(ctx, out, &size, KW_SHA256_SIZE) == 1 && size == KW_SHA256_SIZE);
}

static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;

static void sha256_setup(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	kw_assert(sha256);
}

/* Of the process: with EVP_sha256() each digest would look for its implementation. */
static const EVP_MD *sha256_of_process(void)
{
	pthread_once(&sha256_once, sha256_setup);
	return sha256;
}

void kw_sha256(struct kw_bytes data, uint8_t out[KW_SHA256_SIZE])
{
	kw_assert(EVP_Digest(data.n ? data.p : "", data.n, out, NULL, sha256_of_process(), NULL) ==
		  1);
}

/* An EVP_MD_CTX under a name of ours. */
struct kw_digest *kw_digest_new(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	kw_assert(ctx && EVP_DigestInit_ex(ctx, sha256_of_process(), NULL) == 1);
	return (struct kw_digest *)ctx;
}

void kw_digest_add(struct kw_digest *d, struct kw_bytes data)
{
	kw_assert(EVP_DigestUpdate((EVP_MD_CTX *)d, data.n ? data.p : "", data.n) == 1);
}

void kw_digest_end(struct kw_digest *d, uint8_t out[KW_SHA256_SIZE])
{
	kw_assert(EVP_DigestFinal_ex((EVP_MD_CTX *)d, out, NULL) == 1);
	EVP_MD_CTX_free((EVP_MD_CTX *)d);
}

bool kw_secret_equal(struct kw_bytes a, struct kw_bytes b)
{
	return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}

void kw_random(void *out, size_t n)
{
	kw_assert(n <= INT_MAX && RAND_bytes(out, (int)n) == 1);
}

size_t kw_base64_write(struct kw_bytes data, char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *in = data.p;
	char *begin = out;

	for (size_t i = 0; i < data.n; i += 3) {
		size_t left = data.n - i;
		uint32_t v = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
			     (left > 2 ? in[i + 2] : 0);
		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		*out++ = left > 1 ? digits[v >> 6 & 63] : '=';
		*out++ = left > 2 ? digits[v & 63] : '=';
	}
	return (size_t)(out - begin);
}

char *kw_base64(struct kw_arena *a, struct kw_bytes data)
{
	char *text = kw_new(a, char, (data.n + 2) / 3 * 4 + 1);

	text[kw_base64_write(data, text)] = '\0';
	return text;
}

char *kw_hex(struct kw_arena *a, struct kw_bytes data)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *in = data.p;
	char *text = kw_new(a, char, data.n * 2 + 1);

	for (size_t i = 0; i < data.n; i++) {
		text[2 * i] = digits[in[i] >> 4];
		text[2 * i + 1] = digits[in[i] & 15];
	}
	return text;
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool kw_base64_read(const char *text, size_t n, uint8_t *out, size_t *ret_n)
{
	uint8_t *begin = out;
	uint32_t v = 0;
	int bits = 0;

	if (n % 4 == 0)
		for (int pad = 0; pad < 2 && n > 0 && text[n - 1] == '='; pad++)
			n--;
	if (n % 4 == 1)
		return false;
	for (size_t i = 0; i < n; i++) {
		int digit = base64_value(text[i]);
		if (digit < 0)
			return false;
		v = v << 6 | (uint32_t)digit;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			*out++ = (uint8_t)(v >> bits);
			v &= (1u << bits) - 1;
		}
	}
	*ret_n = (size_t)(out - begin);
	return true;
}

bool kw_base64_decode(struct kw_arena *a, const char *text, size_t n, struct kw_bytes *ret)
{
	uint8_t *bytes = kw_new(a, uint8_t, n / 4 * 3 + 2);
	size_t size;

	if (!kw_base64_read(text, n, bytes, &size))
		return false;
	*ret = (struct kw_bytes) { bytes, size };
	return true;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool kw_hex_read(const char *text, size_t n, uint8_t *out)
{
	if (n % 2)
		return false;
	for (size_t i = 0; i < n; i += 2) {
		int high = hex_value(text[i]), low = hex_value(text[i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i / 2] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool kw_hex_decode(struct kw_arena *a, const char *text, size_t n, struct kw_bytes *ret)
{
	uint8_t *bytes = kw_new(a, uint8_t, n / 2);

	if (!kw_hex_read(text, n, bytes))
		return false;
	*ret = (struct kw_bytes) { bytes, n / 2 };
	return true;
}

static void cipher_freep(EVP_CIPHER_CTX **ctx)
{
	EVP_CIPHER_CTX_free(*ctx);
}

struct kw_bytes kw_seal(
	struct kw_arena *a, const uint8_t key[32], struct kw_bytes plain, struct kw_bytes context)
{
	KW_CLEANUP(cipher_freep) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t *out = kw_new(a, uint8_t, NONCE_SIZE + plain.n + TAG_SIZE);
	uint8_t *text = out + NONCE_SIZE, *tag = text + plain.n;
	int n = 0;

	kw_assert(ctx && plain.n <= INT_MAX && context.n <= INT_MAX);
	kw_random(out, NONCE_SIZE);
	kw_assert(EVP_EncryptInit_ex2(ctx, EVP_aes_256_gcm(), key, out, NULL) == 1);
	if (context.n)
		kw_assert(EVP_EncryptUpdate(ctx, NULL, &n, context.p, (int)context.n) == 1);
	if (plain.n)
		kw_assert(EVP_EncryptUpdate(ctx, text, &n, plain.p, (int)plain.n) == 1);
	kw_assert(EVP_EncryptFinal_ex(ctx, tag, &n) == 1);
	kw_assert(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, tag) == 1);
	return (struct kw_bytes) { out, NONCE_SIZE + plain.n + TAG_SIZE };
}

enum kw_rc kw_open(struct kw_arena *a, const uint8_t key[32], struct kw_bytes sealed,
	struct kw_bytes context, struct kw_bytes *ret, struct kw_err *err)
{
	KW_CLEANUP(cipher_freep) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	const uint8_t *nonce = sealed.p;
	uint8_t tag[TAG_SIZE];
	int n = 0;

	if (sealed.n < NONCE_SIZE + TAG_SIZE || sealed.n > INT_MAX || context.n > INT_MAX)
		return kw_fail_code(err, KW_INVALID, "SEAL", "the sealed text has a wrong length");
	size_t size = sealed.n - NONCE_SIZE - TAG_SIZE;
	const uint8_t *text = nonce + NONCE_SIZE;
	memcpy(tag, text + size, TAG_SIZE);
	uint8_t *plain = kw_new(a, uint8_t, size);
	kw_assert(ctx && EVP_DecryptInit_ex2(ctx, EVP_aes_256_gcm(), key, nonce, NULL) == 1);
	kw_assert(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) == 1);
	if (context.n)
		kw_assert(EVP_DecryptUpdate(ctx, NULL, &n, context.p, (int)context.n) == 1);
	if (size)
		kw_assert(EVP_DecryptUpdate(ctx, plain, &n, text, (int)size) == 1);
	if (EVP_DecryptFinal_ex(ctx, plain + size, &n) != 1) {
		OPENSSL_cleanse(plain, size);
		return kw_fail_code(err, KW_INVALID, "SEAL",
			"the sealed text, its key or its context is wrong");
	}
	*ret = (struct kw_bytes) { plain, size };
	return KW_OK;
}

/* ---- certificates ---- */

enum kw_rc kw_certificate_expires(struct kw_bytes pem, int64_t *ret_s, struct kw_err *err)
{
	int64_t first = INT64_MAX;
	size_t n = 0;
	X509 *one;

	kw_assert(pem.n <= INT_MAX);
	BIO *text = BIO_new_mem_buf(pem.p, (int)pem.n);
	kw_assert(text);
	for (; (one = PEM_read_bio_X509(text, NULL, NULL, NULL)) != NULL; n++) {
		struct tm end;
		kw_assert(ASN1_TIME_to_tm(X509_get0_notAfter(one), &end) == 1);
		int64_t at = timegm(&end);
		first = at < first ? at : first;
		X509_free(one);
	}
	/* at the end of the text there is no more beginning of one; anything else is a torn one */
	bool torn = ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
	ERR_clear_error();
	BIO_free(text);
	if (n == 0 || torn)
		return kw_fail_code(err, KW_INVALID, "CERTIFICATE", "no certificates in PEM");
	*ret_s = first;
	return KW_OK;
}
