/* Settings of listing-ingestion beside the common ones. */
#ifndef LISTING_CONFIG_H
#define LISTING_CONFIG_H

#include "core/buf.h"
#include "svc/config.h"

struct config {
	struct kw_bytes national_id_key;      /* 64 hex digits: AES-256 */
	struct kw_bytes national_id_hash_key; /* 64 hex digits: HMAC-SHA256 */
	const char *national_id_key_id;       /* kept beside each ciphertext, for rotation */
};

#endif
