/* Batch handlers that keep copies of makers, hubs and listings: newest version wins. They wake what
 * waits for them and lock neither orders nor stock. Consumer thread. */
#ifndef ROUTING_CATALOGUE_H
#define ROUTING_CATALOGUE_H

#include "flow/batch.h"

kw_batch_fn on_maker_changed, on_hub_changed, on_listing_changed;

#endif
