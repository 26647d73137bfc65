#include "seal.h"

#include <string.h>

#include "core/cnic.h"
#include "http/crypto.h"
#include "rules.h"
#include "svc/svc.h"

enum kw_rc seal_national_id(const struct config *config, struct kw_arena *a, const char *maker_id,
	const char *text, const struct sealed_id **ret, struct kw_err *err)
{
	struct sealed_id *sealed = kw_new(a, struct sealed_id, 1);
	char digits[14], masked[16];
	uint8_t hash[KW_SHA256_SIZE];
	struct kw_bytes key, hash_key;

	KW_TRY(parse_national_id(text, digits, err));
	if (!kw_hex_decode(a, config->national_id_key.p, config->national_id_key.n, &key) ||
		key.n != 32 ||
		!kw_hex_decode(a, config->national_id_hash_key.p, config->national_id_hash_key.n,
			&hash_key))
		return kw_fail(err, KW_FATAL, "a national id key is not 64 hex digits");
	struct kw_bytes plain = { digits, 13 };
	kw_hmac_sha256(hash_key, &plain, 1, hash);
	mask_national_id(digits, masked);
	*sealed = (struct sealed_id) {
		.ciphertext = kw_base64(a,
			kw_seal(a, key.p, plain, (struct kw_bytes) { maker_id, strlen(maker_id) })),
		.key_id = config->national_id_key_id,
		.hash = kw_hex(a, (struct kw_bytes) { hash, sizeof(hash) }),
		.masked = kw_arena_str(a, masked),
	};
	*ret = sealed;
	return KW_OK;
}

enum kw_rc check_nothing_in_clear(
	struct kw_arena *a, const struct kw_field *fields, const void *message, struct kw_err *err)
{
	const char *text = kw_svc_text(a, fields, message);

	if (kw_cnic_count(text, strlen(text)) > 0)
		return kw_fail(err, KW_INVALID, "a national id stands outside of national_id");
	return KW_OK;
}
