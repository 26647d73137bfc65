/* The list of payment providers' adapters: one line for each. */
#include "adapters/adapter.h"

#include <string.h>

#include "adapters/stripe/stripe.h"

static enum kw_rc verify(
	const struct kw_partner *partner, const struct kw_request *rq, struct kw_err *err);

const struct kw_adapter payment_adapters[] = {
	{ "stripe", KW_PROVIDER, verify, &stripe_adapter },
	{ 0 },
};

static enum kw_rc verify(
	const struct kw_partner *partner, const struct kw_request *rq, struct kw_err *err)
{
	for (const struct kw_adapter *row = payment_adapters; row->name; row++) {
		const struct provider_adapter *adapter = row->more;
		if (strcmp(row->name, partner->adapter) == 0)
			return adapter->verify(&partner->secrets,
				kw_request_header(rq, adapter->signature_header), rq->body, rq->now,
				err);
	}
	return kw_fail(err, KW_INVALID, "no adapter '%s'", partner->adapter);
}
