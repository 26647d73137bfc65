/* Batch handlers of listing-ingestion, for the topic table. */
#ifndef LISTING_HANDLERS_H
#define LISTING_HANDLERS_H

#include "flow/batch.h"

kw_batch_fn on_maker_put, on_hub_put, on_listing_put, on_depleted, on_import_started,
	on_import_reported;

#endif
