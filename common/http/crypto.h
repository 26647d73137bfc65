/* The few cryptographic operations that the borders need, on OpenSSL 3. Stateless; any thread. */
#ifndef KW_HTTP_CRYPTO_H
#define KW_HTTP_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"

#define KW_SHA256_SIZE 32

/* HMAC-SHA256 over the parts one after the other. */
void kw_hmac_sha256(
	struct kw_bytes key, const struct kw_bytes *parts, size_t n, uint8_t out[KW_SHA256_SIZE]);
void kw_sha256(struct kw_bytes data, uint8_t out[KW_SHA256_SIZE]);
/* The same piece by piece; _end frees it. */
struct kw_digest;
struct kw_digest *kw_digest_new(void);
void kw_digest_add(struct kw_digest *d, struct kw_bytes data);
void kw_digest_end(struct kw_digest *d, uint8_t out[KW_SHA256_SIZE]);
/* Lengths are compared first; the contents in constant time. */
bool kw_secret_equal(struct kw_bytes a, struct kw_bytes b);
void kw_random(void *out, size_t n);

/* NUL-terminated in the arena. */
char *kw_base64(struct kw_arena *a, struct kw_bytes data);
char *kw_hex(struct kw_arena *a, struct kw_bytes data);
/* Without an arena: out has room for (n + 2) / 3 * 4 characters, nothing ends them; returns how
 * many were written. */
size_t kw_base64_write(struct kw_bytes data, char *out);
/* out has room for n / 4 * 3 + 2 bytes, or n / 2. */
bool kw_base64_read(const char *text, size_t n, uint8_t *out, size_t *ret_n);
bool kw_hex_read(const char *text, size_t n, uint8_t *out);
/* Padding is optional. false: not base64 / not hex. */
bool kw_base64_decode(struct kw_arena *a, const char *text, size_t n, struct kw_bytes *ret);
bool kw_hex_decode(struct kw_arena *a, const char *text, size_t n, struct kw_bytes *ret);

/* AES-256-GCM: nonce (12), ciphertext, tag (16). key is 32 bytes; context is authenticated, not
 * stored. */
struct kw_bytes kw_seal(
	struct kw_arena *a, const uint8_t key[32], struct kw_bytes plain, struct kw_bytes context);
enum kw_rc kw_open(struct kw_arena *a, const uint8_t key[32], struct kw_bytes sealed,
	struct kw_bytes context, struct kw_bytes *ret, struct kw_err *err);

/* When the first of the certificates in a PEM text expires, in seconds since 1970. */
enum kw_rc kw_certificate_expires(struct kw_bytes pem, int64_t *ret_s, struct kw_err *err);

#endif
