/* Field tables of everything that listing-ingestion takes, appends, reads and emits. */
#include "fields.h"

#include "svc/resolution.h"

#define NAMES(table, ...)                                           \
	static const char *const table##_texts[] = { __VA_ARGS__ }; \
	const struct kw_strtab table = KW_STRTAB(table##_texts)

NAMES(maker_state_names, "INVITED", "REGISTERED", "ID_VERIFIED", "PAYABLE", "ACTIVE", "ON_LEAVE",
	"SUSPENDED", "GRADUATED");
NAMES(listing_kind_names, "ONE_OF_A_KIND", "STOCKED", "MADE_TO_ORDER");
NAMES(listing_state_names, "DRAFT", "APPROVED", "RETIRED");
NAMES(publication_state_names, "PUBLISHED", "PAUSED", "UNPUBLISHED", "RETIRED");
NAMES(exception_kind_names, "CONFLICT", "STATE_REFUSED", "KIND_CHANGED", "NATIONAL_ID_TAKEN");
NAMES(exception_state_names, "OPEN", "CLOSED");
NAMES(import_kind_names, "MAKERS", "HUBS", "LISTINGS", "SHOPIFY");
NAMES(import_format_names, "CSV", "NDJSON");
NAMES(import_state_names, "RECEIVING", "APPLYING", "DONE", "CUT_SHORT");

static const struct kw_field address_fields[] = {
	KW_STR(struct address, name, KW_REQUIRED, 1, 200),
	KW_STR(struct address, line1, KW_REQUIRED, 1, 300),
	KW_STR(struct address, line2, KW_OPTIONAL, 1, 300),
	KW_STR(struct address, line3, KW_OPTIONAL, 1, 300),
	KW_STR(struct address, city, KW_REQUIRED, 1, 120),
	KW_STR(struct address, postcode, KW_OPTIONAL, 1, 40),
	KW_STR(struct address, region, KW_OPTIONAL, 1, 120),
	KW_STR(struct address, country, KW_REQUIRED, 2, 2),
	KW_STR(struct address, phone, KW_OPTIONAL, 1, 40),
	KW_END,
};

static const struct kw_field sealed_fields[] = {
	KW_STR(struct sealed_id, ciphertext, KW_REQUIRED, 1, 200),
	KW_STR(struct sealed_id, key_id, KW_REQUIRED, 1, 32),
	KW_STR(struct sealed_id, hash, KW_REQUIRED, 64, 64),
	KW_STR(struct sealed_id, masked, KW_REQUIRED, 15, 15),
	KW_END,
};

/* As it is kept: the ciphertext lies in a table of its own. */
static const struct kw_field masked_fields[] = {
	KW_STR(struct sealed_id, hash, KW_REQUIRED, 64, 64),
	KW_STR(struct sealed_id, masked, KW_REQUIRED, 15, 15),
	KW_END,
};

static const struct kw_field shown_fields[] = {
	KW_STR(struct sealed_id, masked, KW_REQUIRED, 15, 15),
	KW_END,
};

static const struct kw_field publication_fields[] = {
	KW_STR(struct publication, channel, KW_REQUIRED, 1, 64),
	KW_STR(struct publication, channel_sku, KW_REQUIRED, 1, 100),
	KW_ENUM(struct publication, state, KW_REQUIRED, &publication_state_names),
	KW_MONEY(struct publication, price, KW_REQUIRED),
	KW_I64(struct publication, buffer, KW_OPTIONAL, 0, 1000000),
	KW_END,
};

/* Members of each entity, seen from struct T at the path p; the id is in the body only as the
 * path's echo. */
#define MAKER(T, p, id_flag, v_flag)                                                         \
	KW_STR_AS(T, p maker_id, "maker_id", id_flag, 1, 64),                                \
		KW_I64_AS(T, p version, "version", v_flag, 1, INT64_MAX),                    \
		KW_STR_AS(T, p name, "name", KW_REQUIRED, 1, 200),                           \
		KW_STR_AS(T, p hub_id, "hub_id", KW_REQUIRED, 1, 64),                        \
		KW_STRS_AS(T, p skills, p n_skills, "skills", KW_OPTIONAL, 0, SKILLS_MAX),   \
		KW_I64_AS(T, p weekly_capacity, "weekly_capacity", KW_REQUIRED, 0, 1000000), \
		KW_ENUM_AS(T, p state, "state", KW_REQUIRED, &maker_state_names),            \
		KW_TIME_AS(T, p leave_until, "leave_until", KW_OPTIONAL)
#define MAKER_PRIVATE(T, p)                                 \
	KW_STR_AS(T, p phone, "phone", KW_OPTIONAL, 1, 40), \
		KW_STR_AS(T, p sponsor, "sponsor", KW_OPTIONAL, 1, 200)
#define HUB(T, p, id_flag, v_flag)                                        \
	KW_STR_AS(T, p hub_id, "hub_id", id_flag, 1, 64),                 \
		KW_I64_AS(T, p version, "version", v_flag, 1, INT64_MAX), \
		KW_STR_AS(T, p name, "name", KW_REQUIRED, 1, 200),        \
		KW_STR_AS(T, p region, "region", KW_REQUIRED, 1, 120),    \
		KW_OBJECT_AS(T, p address, "address", KW_REQUIRED, struct address, address_fields)
#define HUB_PRIVATE(T, p) KW_STR_AS(T, p lead, "lead", KW_OPTIONAL, 1, 200)
#define LISTING(T, p, id_flag, v_flag)                                                        \
	KW_STR_AS(T, p listing_id, "listing_id", id_flag, 1, 64),                             \
		KW_I64_AS(T, p version, "version", v_flag, 1, INT64_MAX),                     \
		KW_STR_AS(T, p sku, "sku", KW_REQUIRED, 1, 100),                              \
		KW_STR_AS(T, p title, "title", KW_REQUIRED, 1, 300),                          \
		KW_ENUM_AS(T, p kind, "kind", KW_REQUIRED, &listing_kind_names),              \
		KW_STR_AS(T, p maker_id, "maker_id", KW_REQUIRED, 1, 64),                     \
		KW_STR_AS(T, p hub_id, "hub_id", KW_REQUIRED, 1, 64),                         \
		KW_STR_AS(T, p skill, "skill", KW_OPTIONAL, 1, 64),                           \
		KW_MONEY_AS(T, p price, "price", KW_REQUIRED),                                \
		KW_I64_AS(T, p weight_g, "weight_g", KW_REQUIRED, 1, 1000000),                \
		KW_I64_AS(T, p quantity, "quantity", KW_REQUIRED, 0, 1000000),                \
		KW_I64_AS(T, p quantity_version, "quantity_version", v_flag, 1, INT64_MAX),   \
		KW_I64_AS(T, p lead_days, "lead_days", KW_OPTIONAL, 0, 365),                  \
		KW_ENUM_AS(T, p state, "state", KW_REQUIRED, &listing_state_names),           \
		KW_ARRAY_AS(T, p publications, p n_publications, "publications", KW_OPTIONAL, \
			struct publication, publication_fields, 0, PUBLICATIONS_MAX)

/* ---- the in topic ---- */

static const struct kw_field origin_fields[] = {
	KW_UUID(struct origin, import_id, KW_REQUIRED),
	KW_UUID(struct origin, request_id, KW_REQUIRED),
	KW_I64(struct origin, line, KW_REQUIRED, 1, INT64_MAX),
	KW_END,
};
#define ORIGIN(T)                       \
	KW_TIME(T, as_of, KW_OPTIONAL), \
		KW_OBJECT(T, import, KW_OPTIONAL, struct origin, origin_fields)

const struct kw_field maker_put_fields[] = {
	MAKER(struct maker_put, maker., KW_REQUIRED, KW_OPTIONAL),
	MAKER_PRIVATE(struct maker_put, maker.),
	KW_OBJECT_AS(struct maker_put, maker.national_id, "national_id", KW_OPTIONAL,
		struct sealed_id, sealed_fields),
	ORIGIN(struct maker_put),
	KW_END,
};
const struct kw_field hub_put_fields[] = {
	HUB(struct hub_put, hub., KW_REQUIRED, KW_OPTIONAL),
	HUB_PRIVATE(struct hub_put, hub.),
	ORIGIN(struct hub_put),
	KW_END,
};
const struct kw_field listing_put_fields[] = {
	LISTING(struct listing_put, listing., KW_REQUIRED, KW_OPTIONAL),
	ORIGIN(struct listing_put),
	KW_END,
};

const struct kw_field import_started_fields[] = {
	KW_UUID(struct import_started, import_id, KW_REQUIRED),
	KW_UUID(struct import_started, run_id, KW_REQUIRED),
	KW_ENUM(struct import_started, kind, KW_REQUIRED, &import_kind_names),
	KW_ENUM(struct import_started, format, KW_REQUIRED, &import_format_names),
	KW_STR(struct import_started, name, KW_OPTIONAL, 1, 200),
	KW_STR(struct import_started, by, KW_REQUIRED, 1, 64),
	KW_I64(struct import_started, bytes, KW_OPTIONAL, 1, INT64_MAX),
	KW_TIME(struct import_started, as_of, KW_REQUIRED),
	KW_TIME(struct import_started, started_at, KW_REQUIRED),
	KW_END,
};

static const struct kw_field problem_fields[] = {
	KW_I64(struct problem, line, KW_REQUIRED, 1, INT64_MAX),
	KW_STR(struct problem, pointer, KW_OPTIONAL, 1, 200),
	KW_STR(struct problem, reason, KW_REQUIRED, 1, 400),
	KW_END,
};
const struct kw_field import_reported_fields[] = {
	KW_UUID(struct import_reported, import_id, KW_REQUIRED),
	KW_UUID(struct import_reported, run_id, KW_REQUIRED),
	KW_UUID(struct import_reported, request_id, KW_REQUIRED),
	KW_I64(struct import_reported, part, KW_REQUIRED, 1, INT64_MAX),
	KW_BOOL(struct import_reported, last, KW_REQUIRED),
	KW_BOOL(struct import_reported, cut, KW_REQUIRED),
	KW_I64(struct import_reported, bytes, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct import_reported, rows, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct import_reported, appended, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct import_reported, refused, KW_REQUIRED, 0, INT64_MAX),
	KW_ARRAY(struct import_reported, problems, KW_OPTIONAL, struct problem, problem_fields, 0,
		PROBLEMS_MAX),
	KW_END,
};

/* ---- events ---- */

const struct kw_field maker_changed_fields[] = { MAKER(struct maker, , KW_REQUIRED, KW_REQUIRED),
	KW_END };
const struct kw_field hub_changed_fields[] = { HUB(struct hub, , KW_REQUIRED, KW_REQUIRED),
	KW_END };
const struct kw_field listing_changed_fields[] = {
	LISTING(struct listing, , KW_REQUIRED, KW_REQUIRED),
	KW_I64(struct listing, source_version, KW_REQUIRED, 1, INT64_MAX),
	KW_END,
};

static const struct kw_field depletion_fields[] = {
	KW_STR(struct depletion, listing_id, KW_REQUIRED, 1, 64),
	KW_I64(struct depletion, available, KW_REQUIRED, -1000000, 1000000000),
	KW_I64(struct depletion, stock_version, KW_REQUIRED, 1, INT64_MAX),
	KW_END,
};
const struct kw_field depleted_fields[] = {
	KW_ARRAY(struct depleted_message, depleted, KW_OPTIONAL, struct depletion, depletion_fields,
		0, 10000),
	KW_END,
};

/* ---- the API ---- */

const struct kw_field maker_body_fields[] = {
	MAKER(struct maker_body, maker., KW_OPTIONAL, KW_REQUIRED),
	MAKER_PRIVATE(struct maker_body, maker.),
	KW_STR(struct maker_body, national_id, KW_OPTIONAL, 1, 20),
	KW_END,
};
const struct kw_field hub_body_fields[] = { HUB(struct hub, , KW_OPTIONAL, KW_REQUIRED),
	HUB_PRIVATE(struct hub, ), KW_END };
const struct kw_field listing_body_fields[] = { LISTING(struct listing, , KW_OPTIONAL, KW_REQUIRED),
	KW_END };

const struct kw_field maker_row_fields[] = {
	MAKER(struct maker_body, maker., KW_REQUIRED, KW_OPTIONAL),
	MAKER_PRIVATE(struct maker_body, maker.),
	KW_STR(struct maker_body, national_id, KW_OPTIONAL, 1, 20),
	KW_END,
};
const struct kw_field hub_row_fields[] = { HUB(struct hub, , KW_REQUIRED, KW_OPTIONAL),
	HUB_PRIVATE(struct hub, ), KW_END };
const struct kw_field listing_row_fields[] = { LISTING(struct listing, , KW_REQUIRED, KW_OPTIONAL),
	KW_END };

const struct kw_field import_view_fields[] = {
	KW_UUID(struct import_view, import_id, KW_REQUIRED),
	KW_UUID(struct import_view, run_id, KW_REQUIRED),
	KW_ENUM(struct import_view, kind, KW_REQUIRED, &import_kind_names),
	KW_ENUM(struct import_view, format, KW_REQUIRED, &import_format_names),
	KW_ENUM(struct import_view, state, KW_REQUIRED, &import_state_names),
	KW_STR(struct import_view, name, KW_OPTIONAL, 1, 200),
	KW_STR(struct import_view, by, KW_REQUIRED, 1, 64),
	KW_TIME(struct import_view, as_of, KW_REQUIRED),
	KW_TIME(struct import_view, started_at, KW_REQUIRED),
	KW_TIME(struct import_view, changed_at, KW_REQUIRED),
	KW_I64(struct import_view, bytes, KW_OPTIONAL, 1, INT64_MAX),
	KW_I64(struct import_view, bytes_read, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct import_view, parts, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct import_view, rows, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct import_view, appended, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct import_view, refused, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct import_view, changed, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct import_view, same, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct import_view, stale, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct import_view, set_aside, KW_REQUIRED, 0, INT64_MAX),
	KW_ARRAY(
		struct import_view, problems, KW_REQUIRED, struct problem, problem_fields, 0, 1000),
	KW_STR(struct import_view, next_cursor, KW_OPTIONAL, 1, 20),
	KW_END,
};

/* What is shown of a maker, and what is kept: the hash is for look-up alone. */
const struct kw_field maker_shown_fields[] = {
	MAKER(struct maker, , KW_REQUIRED, KW_REQUIRED),
	MAKER_PRIVATE(struct maker, ),
	KW_OBJECT(struct maker, national_id, KW_OPTIONAL, struct sealed_id, shown_fields),
	KW_END,
};
const struct kw_field maker_kept_fields[] = {
	MAKER(struct maker, , KW_REQUIRED, KW_REQUIRED),
	MAKER_PRIVATE(struct maker, ),
	KW_OBJECT(struct maker, national_id, KW_OPTIONAL, struct sealed_id, masked_fields),
	KW_END,
};

const struct kw_contract_row listing_contract[] = {
	{ KW_RESOLVE_REQUESTED, kw_resolve_requested_fields, sizeof(struct kw_resolve_requested),
		KW_CONTRACT_OUT },
	{ "karwan.maker.put.v1", maker_put_fields, sizeof(struct maker_put), KW_CONTRACT_OUT },
	{ "karwan.hub.put.v1", hub_put_fields, sizeof(struct hub_put), KW_CONTRACT_OUT },
	{ "karwan.listing.put.v1", listing_put_fields, sizeof(struct listing_put),
		KW_CONTRACT_OUT },
	{ "karwan.import.started.v1", import_started_fields, sizeof(struct import_started),
		KW_CONTRACT_OUT },
	{ "karwan.import.reported.v1", import_reported_fields, sizeof(struct import_reported),
		KW_CONTRACT_OUT },
	{ "karwan.maker.changed.v1", maker_changed_fields, sizeof(struct maker), KW_CONTRACT_OUT },
	{ "karwan.hub.changed.v1", hub_changed_fields, sizeof(struct hub), KW_CONTRACT_OUT },
	{ "karwan.listing.changed.v1", listing_changed_fields, sizeof(struct listing),
		KW_CONTRACT_OUT },
	{ "karwan.order.routed.v1", depleted_fields, sizeof(struct depleted_message),
		KW_CONTRACT_IN },
	{ "karwan.order.cancelled.v1", depleted_fields, sizeof(struct depleted_message),
		KW_CONTRACT_IN },
	{ "karwan.order.expired.v1", depleted_fields, sizeof(struct depleted_message),
		KW_CONTRACT_IN },
	{ 0 },
};
