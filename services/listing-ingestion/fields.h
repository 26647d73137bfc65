/* The field tables of listing-ingestion, and its contract for the test that compares it with
 * schemas/events. */
#ifndef LISTING_FIELDS_H
#define LISTING_FIELDS_H

#include "flow/batch.h"
#include "model.h"
#include "json/contract.h"

/* Messages of the in topic: what was put, and around it the meta. */
struct maker_put {
	struct kw_meta meta;
	struct maker maker;
};
struct hub_put {
	struct kw_meta meta;
	struct hub hub;
};
struct listing_put {
	struct kw_meta meta;
	struct listing listing;
};

/* Read from karwan.orders.events. */
struct depleted_message {
	struct kw_meta meta;
	const struct depletion *depleted;
	size_t n_depleted;
};

/* Body of PUT /v1/makers/:id: the national id in clear, never beyond the edge. */
struct maker_body {
	struct maker maker;
	const char *national_id;
};

/* Row of GET /v1/exceptions. */
struct exception {
	struct kw_uuid exception_id;
	int kind, state;
	const char *entity_kind, *entity_id, *reason, *owner;
	int64_t source_version;
	kw_time opened_at;
};
struct exception_list {
	const struct exception *exceptions;
	size_t n_exceptions;
	const char *next_cursor;
};

extern const struct kw_field maker_put_fields[], hub_put_fields[], listing_put_fields[],
	depleted_fields[];
extern const struct kw_field maker_changed_fields[], hub_changed_fields[], listing_changed_fields[];
extern const struct kw_field maker_body_fields[], hub_body_fields[], listing_body_fields[],
	maker_kept_fields[], maker_shown_fields[];
extern const struct kw_field exception_list_fields[];
extern const struct kw_contract_row listing_contract[];

#endif
