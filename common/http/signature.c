/* Webhook signature schemes. Every key's code is computed and compared with every signature of the
 * right kind that the request brings; the result is known only at the end, so the time tells
 * nothing about which one fitted. */
#include "http/signature.h"

#include <string.h>
#include <strings.h>

#define TOLERANCE_S 300
#define KEY_MAX 256 /* characters of a Standard Webhooks key or id */
#define KEY_MIN 16  /* bytes of the decoded key */
#define MAC_TEXT 44 /* base64 of 32 bytes */

static struct kw_bytes bytes_of(const char *s)
{
	return (struct kw_bytes) { s, strlen(s) };
}

/* Seconds since 1970: 1 to 12 digits and nothing else. */
static bool seconds_parse(const char *text, size_t n, int64_t *ret)
{
	int64_t v = 0;

	if (n == 0 || n > 12)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		v = v * 10 + (text[i] - '0');
	}
	*ret = v;
	return true;
}

/* Decodes the key into out; 0 when it is not base64 or not of a sensible length. */
static size_t key_decode(struct kw_bytes key, uint8_t out[KEY_MAX])
{
	const char *text = key.p;
	size_t n = key.n, size;

	if (n >= 6 && memcmp(text, "whsec_", 6) == 0) {
		text += 6;
		n -= 6;
	}
	if (n > KEY_MAX || !kw_base64_read(text, n, out, &size))
		return 0;
	return size < KEY_MIN ? 0 : size;
}

bool kw_standard_webhook_secret_ok(struct kw_bytes key)
{
	uint8_t decoded[KEY_MAX];

	return key_decode(key, decoded) > 0;
}

static void standard_mac(const uint8_t *key, size_t n, const char *id, const char *timestamp,
	struct kw_bytes body, char out[MAC_TEXT])
{
	uint8_t mac[KW_SHA256_SIZE];
	const struct kw_bytes parts[] = { bytes_of(id), { ".", 1 }, bytes_of(timestamp), { ".", 1 },
		body };

	kw_hmac_sha256((struct kw_bytes) { key, n }, parts, KW_LEN(parts), mac);
	kw_base64_write((struct kw_bytes) { mac, sizeof(mac) }, out);
}

enum kw_rc kw_verify_standard_webhook(const struct kw_secrets *secrets, const char *id,
	const char *timestamp, const char *signatures, struct kw_bytes body, kw_time now,
	struct kw_err *err)
{
	char macs[KW_SECRETS_MAX][MAC_TEXT];
	uint8_t key[KEY_MAX];
	int64_t seconds;
	bool good = false;

	if (!id || !timestamp || !signatures)
		return kw_fail_code(err, KW_INVALID, "SIGNATURE", "a webhook-* header is missing");
	if (!*id || strlen(id) > KEY_MAX || strchr(id, '.'))
		return kw_fail_code(err, KW_INVALID, "SIGNATURE", "webhook-id is not usable");
	if (!seconds_parse(timestamp, strlen(timestamp), &seconds))
		return kw_fail_code(
			err, KW_INVALID, "SIGNATURE", "webhook-timestamp is not a number");
	int64_t age = now / KW_US_PER_S - seconds;
	if (age > TOLERANCE_S || age < -TOLERANCE_S)
		return kw_fail_code(
			err, KW_INVALID, "SIGNATURE", "webhook-timestamp is too far from now");
	kw_assert(secrets->n > 0 && secrets->n <= KW_SECRETS_MAX);
	for (size_t i = 0; i < secrets->n; i++) {
		size_t n = key_decode(secrets->keys[i], key);
		if (n == 0)
			return kw_fail_code(
				err, KW_FATAL, "SECRET", "a Standard Webhooks key is not usable");
		standard_mac(key, n, id, timestamp, body, macs[i]);
	}
	for (const char *p = signatures; *p;) {
		size_t n = strcspn(p, " ");
		if (n > 3 && memcmp(p, "v1,", 3) == 0)
			for (size_t i = 0; i < secrets->n; i++)
				good |= kw_secret_equal((struct kw_bytes) { macs[i], MAC_TEXT },
					(struct kw_bytes) { p + 3, n - 3 });
		p += n + (p[n] == ' ');
	}
	return good ? KW_OK
		    : kw_fail_code(err, KW_INVALID, "SIGNATURE", "no signature fits the body");
}

enum kw_rc kw_sign_standard_webhook(struct kw_arena *a, struct kw_bytes key, const char *id,
	kw_time now, struct kw_bytes body, char **ret, struct kw_err *err)
{
	uint8_t decoded[KEY_MAX];
	char mac[MAC_TEXT];
	size_t n = key_decode(key, decoded);

	if (n == 0)
		return kw_fail_code(
			err, KW_FATAL, "SECRET", "the Standard Webhooks key is not usable");
	const char *timestamp = kw_arena_printf(a, "%lld", (long long)(now / KW_US_PER_S));
	standard_mac(decoded, n, id, timestamp, body, mac);
	*ret = kw_arena_printf(a, "v1,%.*s", MAC_TEXT, mac);
	return KW_OK;
}

enum kw_rc kw_verify_body_mac(const struct kw_body_mac *scheme, const struct kw_secrets *secrets,
	const char *signature, struct kw_bytes body, struct kw_err *err)
{
	size_t n_prefix = strlen(scheme->prefix);
	uint8_t mac[KW_SHA256_SIZE], theirs[KW_SHA256_SIZE];
	bool good = false;

	if (!signature)
		return kw_fail_code(err, KW_INVALID, "SIGNATURE", "%s is missing", scheme->header);
	if (strncmp(signature, scheme->prefix, n_prefix) != 0)
		return kw_fail_code(err, KW_INVALID, "SIGNATURE", "%s does not begin with %s",
			scheme->header, scheme->prefix);
	signature += n_prefix;
	bool readable = !scheme->hex || (strlen(signature) == 2 * sizeof(theirs) &&
						kw_hex_read(signature, strlen(signature), theirs));
	kw_assert(secrets->n > 0 && secrets->n <= KW_SECRETS_MAX);
	for (size_t i = 0; i < secrets->n && readable; i++) {
		char text[MAC_TEXT];
		kw_hmac_sha256(secrets->keys[i], &body, 1, mac);
		kw_base64_write((struct kw_bytes) { mac, sizeof(mac) }, text);
		good |= scheme->hex ? kw_secret_equal((struct kw_bytes) { mac, sizeof(mac) },
					      (struct kw_bytes) { theirs, sizeof(theirs) })
				    : kw_secret_equal((struct kw_bytes) { text, MAC_TEXT },
					      bytes_of(signature));
	}
	return good ? KW_OK
		    : kw_fail_code(err, KW_INVALID, "SIGNATURE", "%s does not fit the body",
			      scheme->header);
}

enum kw_rc kw_verify_shopify(const struct kw_secrets *secrets, const char *signature,
	struct kw_bytes body, struct kw_err *err)
{
	static const struct kw_body_mac scheme = { "X-Shopify-Hmac-Sha256", "", false };

	return kw_verify_body_mac(&scheme, secrets, signature, body, err);
}

/* t=…: the timestamp's text and value. Anything without "=" or a second t is malformed. */
static bool stripe_time(const char *header, struct kw_bytes *ret_text, int64_t *ret_seconds)
{
	bool found = false;

	for (const char *p = header; *p;) {
		size_t n = strcspn(p, ",");
		if (!memchr(p, '=', n))
			return false;
		if (n > 2 && memcmp(p, "t=", 2) == 0) {
			if (found || !seconds_parse(p + 2, n - 2, ret_seconds))
				return false;
			*ret_text = (struct kw_bytes) { p + 2, n - 2 };
			found = true;
		}
		p += n + (p[n] == ',');
	}
	return found;
}

enum kw_rc kw_verify_stripe(const struct kw_secrets *secrets, const char *header,
	struct kw_bytes body, kw_time now, struct kw_err *err)
{
	uint8_t macs[KW_SECRETS_MAX][KW_SHA256_SIZE], theirs[KW_SHA256_SIZE];
	struct kw_bytes time;
	int64_t seconds;
	bool good = false;

	if (!header)
		return kw_fail_code(err, KW_INVALID, "SIGNATURE", "Stripe-Signature is missing");
	if (!stripe_time(header, &time, &seconds))
		return kw_fail_code(err, KW_INVALID, "SIGNATURE", "Stripe-Signature is malformed");
	if (now / KW_US_PER_S - seconds > TOLERANCE_S)
		return kw_fail_code(err, KW_INVALID, "SIGNATURE", "Stripe-Signature is too old");
	kw_assert(secrets->n > 0 && secrets->n <= KW_SECRETS_MAX);
	for (size_t i = 0; i < secrets->n; i++) {
		const struct kw_bytes parts[] = { time, { ".", 1 }, body };
		kw_hmac_sha256(secrets->keys[i], parts, KW_LEN(parts), macs[i]);
	}
	for (const char *p = header; *p;) {
		size_t n = strcspn(p, ",");
		if (n > 3 && memcmp(p, "v1=", 3) == 0 && n - 3 == 2 * sizeof(theirs) &&
			kw_hex_read(p + 3, n - 3, theirs))
			for (size_t i = 0; i < secrets->n; i++)
				good |= kw_secret_equal(
					(struct kw_bytes) { macs[i], KW_SHA256_SIZE },
					(struct kw_bytes) { theirs, KW_SHA256_SIZE });
		p += n + (p[n] == ',');
	}
	return good ? KW_OK
		    : kw_fail_code(err, KW_INVALID, "SIGNATURE", "no v1 signature fits the body");
}

enum kw_rc kw_verify_bearer(
	const struct kw_secrets *secrets, const char *authorization, struct kw_err *err)
{
	bool good = false;

	if (!authorization || strncasecmp(authorization, "Bearer ", 7) != 0)
		return kw_fail_code(err, KW_INVALID, "TOKEN", "Authorization: Bearer … is missing");
	kw_assert(secrets->n > 0 && secrets->n <= KW_SECRETS_MAX);
	for (size_t i = 0; i < secrets->n; i++)
		good |= kw_secret_equal(secrets->keys[i], bytes_of(authorization + 7));
	return good ? KW_OK : kw_fail_code(err, KW_INVALID, "TOKEN", "the token is not known");
}
