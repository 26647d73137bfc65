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

#define BODY(T, table) KW_JSON_BODY, table, sizeof(struct T), 0, NULL
#define IMPORT_MAX ((size_t)16 * 1024 * 1024)
#define NO_BODY KW_NO_BODY, NULL, 0, 0, NULL

static const struct kw_route routes[] = {
	{ "PUT", "/v1/makers/:id", put_maker, KW_AUTH_OPERATOR,
		BODY(maker_body, maker_body_fields) },
	{ "GET", "/v1/makers/:id", get_maker, KW_AUTH_OPERATOR, NO_BODY },
	{ "PUT", "/v1/hubs/:id", put_hub, KW_AUTH_OPERATOR, BODY(hub, hub_body_fields) },
	{ "GET", "/v1/hubs/:id", get_hub, KW_AUTH_OPERATOR, NO_BODY },
	{ "PUT", "/v1/listings/:id", put_listing, KW_AUTH_OPERATOR,
		BODY(listing, listing_body_fields) },
	{ "GET", "/v1/listings/:id", get_listing, KW_AUTH_OPERATOR, NO_BODY },
	{ "POST", "/v1/imports", post_import, KW_AUTH_OPERATOR, KW_RAW_BODY, NULL, 0, IMPORT_MAX,
		"text/csv|application/x-ndjson" },
	{ "GET", "/v1/imports/:id", get_import, KW_AUTH_OPERATOR, NO_BODY },
	{ "GET", "/v1/exceptions", get_exceptions, KW_AUTH_OPERATOR, NO_BODY },
	{ "POST", "/v1/exceptions/:id/resolve", post_resolution, KW_AUTH_OPERATOR,
		BODY(kw_resolve_body, kw_resolve_body_fields) },
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
	.routes = routes,
	.topics = topics,
};

int main(int argc, char **argv)
{
	return kw_svc_run(&listing_ingestion, argc, argv);
}
