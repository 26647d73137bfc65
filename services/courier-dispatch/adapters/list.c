/* All courier adapters. */
#include <string.h>

#include "adapters/adapter.h"

const struct kw_adapter dispatch_adapters[] = {
	{ "karwan", KW_COURIER, karwan_courier_verify, &karwan_courier },
	{ 0 },
};

const struct courier_adapter *courier_adapter_find(const char *name)
{
	for (const struct kw_adapter *row = dispatch_adapters; row->name; row++)
		if (strcmp(row->name, name) == 0)
			return row->more;
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
