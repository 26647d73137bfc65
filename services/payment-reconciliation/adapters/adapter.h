/* What a payment provider's adapter is: how its requests are verified, and how its body becomes our
 * message. One folder for each, and one line in adapters.c. Const; any thread. */
#ifndef PAYMENT_ADAPTER_H
#define PAYMENT_ADAPTER_H

#include "http/signature.h"
#include "messages.h"
#include "svc/svc.h"

struct provider_adapter {
	const char *name;
	const char *signature_header;
	/* header: as received, or NULL. INVALID: not signed by one of the secrets. */
	enum kw_rc (*verify)(const struct kw_secrets *secrets, const char *header,
		struct kw_bytes body, kw_time now, struct kw_err *err);
	/* Fills what the provider says: provider_event_id, kind, provider_payment_id, amount, fee,
	 * channel, external_id, occurred_at. NOTHING: a type that we do not use, named in
	 * *ret_type. INVALID: pointer and reason. */
	enum kw_rc (*map)(struct kw_bytes body, struct kw_arena *a, struct payment_reported *ret,
		const char **ret_type, struct kw_err *err);
};

/* For the service's descriptor; more: struct provider_adapter. */
extern const struct kw_adapter payment_adapters[];

#endif
