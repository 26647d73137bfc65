/* Each payment provider's bodies: what is taken becomes a message that is written and read again as
 * it was; what is refused is refused at a place in the body. */
#include "adapters/adapter.h"
#include "fuzz.h"

/* What an adapter fills of the message. */
static const struct kw_field mapped_fields[] = {
	KW_STR(struct payment_reported, provider_event_id, KW_REQUIRED, 1, 200),
	KW_ENUM(struct payment_reported, kind, KW_REQUIRED, &payment_kinds),
	KW_STR(struct payment_reported, provider_payment_id, KW_REQUIRED, 1, 200),
	KW_MONEY(struct payment_reported, amount, KW_REQUIRED),
	KW_MONEY(struct payment_reported, fee, KW_OPTIONAL),
	KW_STR(struct payment_reported, channel, KW_OPTIONAL, 1, 200),
	KW_STR(struct payment_reported, external_id, KW_OPTIONAL, 1, 200),
	KW_TIME(struct payment_reported, occurred_at, KW_REQUIRED),
	KW_END,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (const struct kw_adapter *row = payment_adapters; row->name; row++) {
		const struct provider_adapter *adapter = row->more;
		struct kw_arena *a = fuzz_arena();
		struct payment_reported *m = kw_new(a, struct payment_reported, 1);
		struct kw_err err = { 0 };
		const char *type = NULL;
		enum kw_rc rc = adapter->map((struct kw_bytes) { data, size }, a, m, &type, &err);

		if (rc == KW_OK)
			(void)fuzz_stable(mapped_fields, sizeof(*m), m, a);
		else if (rc == KW_NOTHING)
			FUZZ_CHECK(type && *type, "%s: nothing, of no type", row->name);
		else
			fuzz_refused(&err, (const char *)data, size);
	}
	return 0;
}
