/* All courier adapters. */
#include <string.h>

#include "adapters/adapter.h"

static const struct courier_adapter *const all[] = {
	&karwan_courier,
};

const struct courier_adapter *courier_adapter_find(const char *name)
{
	for (size_t i = 0; i < KW_LEN(all); i++)
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	return NULL;
}

int carrier_status_of(const struct kw_partners *partners, const char *courier, const char *word)
{
	const struct kw_partner *partner = kw_partners_find(partners, KW_COURIER, courier);
	const struct courier_adapter *adapter =
		partner ? courier_adapter_find(partner->adapter) : NULL;

	for (const struct carrier_word *w = adapter ? adapter->words : NULL; w && w->word; w++)
		if (strcmp(w->word, word) == 0)
			return w->status;
	return CARRIER_UNKNOWN;
}
