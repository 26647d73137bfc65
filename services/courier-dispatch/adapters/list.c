/* All courier adapters. */
#include <string.h>

#include "adapters/adapter.h"

static enum kw_rc verify(
	const struct kw_partner *partner, const struct kw_request *rq, struct kw_err *err)
{
	const struct courier_adapter *adapter = courier_adapter_find(partner->adapter);

	return adapter->verify(rq->arena, &partner->secrets,
		kw_request_header(rq, adapter->signature), rq->body, err);
}

const struct kw_adapter dispatch_adapters[] = {
	{ "karwan", KW_COURIER, karwan_courier_verify, &karwan_courier },
	{ "aftership", KW_COURIER, verify, &aftership },
	{ "easypost", KW_COURIER, verify, &easypost },
	{ 0 },
};

const struct courier_adapter *courier_adapter_find(const char *name)
{
	for (const struct kw_adapter *row = dispatch_adapters; row->name; row++)
		if (strcmp(row->name, name) == 0)
			return row->more;
	return NULL;
}

bool courier_books(const struct kw_partner *partner)
{
	const struct courier_adapter *adapter = courier_adapter_find(partner->adapter);

	return adapter && adapter->book;
}

const struct carrier_word *carrier_word_find(const struct carrier_word *words, const char *word)
{
	for (const struct carrier_word *w = words; w->word; w++)
		if (strcmp(w->word, word) == 0)
			return w;
	return NULL;
}

const struct carrier_word *carrier_word_of(
	const struct kw_partners *partners, const char *courier, const char *word)
{
	const struct kw_partner *partner = kw_partners_find(partners, KW_COURIER, courier);
	const struct courier_adapter *adapter =
		partner ? courier_adapter_find(partner->adapter) : NULL;

	return adapter ? carrier_word_find(adapter->words, word) : NULL;
}

int carrier_status_of(const struct kw_partners *partners, const char *courier, const char *word)
{
	const struct carrier_word *row = carrier_word_of(partners, courier, word);

	return row ? row->status : CARRIER_UNKNOWN;
}
