/* Webhook signature schemes over the raw body: all active secrets are tried without early exit, in
 * constant time. INVALID for anything that is not a good signature; the reason is for our log only.
 * Stateless; any thread. */
#ifndef KW_HTTP_SIGNATURE_H
#define KW_HTTP_SIGNATURE_H

#include "core/clock.h"
#include "http/crypto.h"

#define KW_SECRETS_MAX 4

/* Secrets as the vendor gives them, byte for byte; not empty (checked where they are loaded). */
struct kw_secrets {
	struct kw_bytes keys[KW_SECRETS_MAX];
	size_t n;
};

/* Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks): keys are base64, with
 * or without "whsec_"; headers webhook-id, webhook-timestamp, webhook-signature; 300 s both ways,
 * exactly 300 s is accepted. */
enum kw_rc kw_verify_standard_webhook(const struct kw_secrets *secrets, const char *id,
	const char *timestamp, const char *signatures, struct kw_bytes body, kw_time now,
	struct kw_err *err);
/* "v1,<base64>" for outgoing calls and tests; FATAL when the key is not base64. */
enum kw_rc kw_sign_standard_webhook(struct kw_arena *a, struct kw_bytes key, const char *id,
	kw_time now, struct kw_bytes body, char **ret, struct kw_err *err);
/* Is the text a usable Standard Webhooks secret? For the check of the partners file. */
bool kw_standard_webhook_secret_ok(struct kw_bytes key);

/* The plainest scheme: a header that holds HMAC-SHA256(secret, body), as base64 or as hex in either
 * case, after a prefix ("" for none). header: its name, for the reason. */
struct kw_body_mac {
	const char *header, *prefix;
	bool hex;
};
enum kw_rc kw_verify_body_mac(const struct kw_body_mac *scheme, const struct kw_secrets *secrets,
	const char *signature, struct kw_bytes body, struct kw_err *err);
/* Shopify: X-Shopify-Hmac-Sha256 = base64(HMAC-SHA256(secret, body)). */
enum kw_rc kw_verify_shopify(const struct kw_secrets *secrets, const char *signature,
	struct kw_bytes body, struct kw_err *err);
/* Stripe: Stripe-Signature "t=…,v1=…[,v1=…]"; secret verbatim with whsec_; older than 300 s is
 * refused. */
enum kw_rc kw_verify_stripe(const struct kw_secrets *secrets, const char *header,
	struct kw_bytes body, kw_time now, struct kw_err *err);
/* "Authorization: Bearer <token>": OK when it is one of the secrets. */
enum kw_rc kw_verify_bearer(
	const struct kw_secrets *secrets, const char *authorization, struct kw_err *err);

#endif
