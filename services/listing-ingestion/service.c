/* listing-ingestion: makers, hubs and listings by the endpoints of the contract, as events for
 * everybody else. */
#include "api.h"
#include "config.h"
#include "fields.h"
#include "handlers.h"
#include "svc/resolution.h"
#include "svc/svc.h"

static const struct kw_config_key config_keys[] = {
	KW_HEX_SECRET_KEY(struct config, national_id_key, "KARWAN_NATIONAL_ID_KEY", 64,
		"encrypts national ids: 64 hex digits"),
	KW_HEX_SECRET_KEY(struct config, national_id_hash_key, "KARWAN_NATIONAL_ID_HASH_KEY", 64,
		"hashes national ids for look-up: 64 hex digits"),
	KW_TEXT_KEY(struct config, national_id_key_id, "KARWAN_NATIONAL_ID_KEY_ID", "1", 1, 32,
		"name of the key, kept beside each ciphertext"),
	{ 0 },
};

static const struct kw_topic_row topics[] = {
	{ "karwan.listings.in", "karwan.hub.put.v1", hub_put_fields, sizeof(struct hub_put),
		on_hub_put },
	{ "karwan.listings.in", "karwan.maker.put.v1", maker_put_fields, sizeof(struct maker_put),
		on_maker_put },
	{ "karwan.listings.in", "karwan.listing.put.v1", listing_put_fields,
		sizeof(struct listing_put), on_listing_put },
	{ "karwan.listings.in", KW_RESOLVE_REQUESTED, kw_resolve_requested_fields,
		sizeof(struct kw_resolve_requested), kw_on_keep_requested },
	{ "karwan.listings.in", "karwan.import.started.v1", import_started_fields,
		sizeof(struct import_started), on_import_started },
	{ "karwan.listings.in", "karwan.import.reported.v1", import_reported_fields,
		sizeof(struct import_reported), on_import_reported },
	{ "karwan.orders.events", "karwan.order.routed.v1", depleted_fields,
		sizeof(struct depleted_message), on_depleted },
	{ "karwan.orders.events", "karwan.order.cancelled.v1", depleted_fields,
		sizeof(struct depleted_message), on_depleted },
	{ "karwan.orders.events", "karwan.order.expired.v1", depleted_fields,
		sizeof(struct depleted_message), on_depleted },
	{ 0 },
};

static const struct kw_service listing_ingestion = {
	.name = "listing-ingestion",
	.schema = "listing",
	.in_topic = "karwan.listings.in",
	.events_topic = "karwan.listings.events",
	.database_user = "karwan_listing",
	.config = config_keys,
	.config_size = sizeof(struct config),
	.routes = listing_routes,
	.topics = topics,
};

int main(int argc, char **argv)
{
	return kw_svc_run(&listing_ingestion, argc, argv);
}
