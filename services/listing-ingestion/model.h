/* What listing-ingestion thinks in: makers, hubs and listings as operators put them, and the rows
 * that are kept. Values; texts belong to the arena of the batch or request. Includes only core, so
 * that rules.c and states.c stay pure. */
#ifndef LISTING_MODEL_H
#define LISTING_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/money.h"
#include "core/strtab.h"

enum maker_state {
	MAKER_INVITED,
	MAKER_REGISTERED,
	MAKER_ID_VERIFIED,
	MAKER_PAYABLE,
	MAKER_ACTIVE,
	MAKER_ON_LEAVE,
	MAKER_SUSPENDED,
	MAKER_GRADUATED,
};

enum listing_kind { ONE_OF_A_KIND, STOCKED, MADE_TO_ORDER };
enum listing_state { LISTING_DRAFT, LISTING_APPROVED, LISTING_RETIRED };
enum publication_state {
	PUBLICATION_PUBLISHED,
	PUBLICATION_PAUSED,
	PUBLICATION_UNPUBLISHED,
	PUBLICATION_RETIRED
};
enum exception_kind {
	EXCEPTION_CONFLICT,
	EXCEPTION_STATE_REFUSED,
	EXCEPTION_KIND_CHANGED,
	EXCEPTION_NATIONAL_ID_TAKEN
};
enum exception_state { EXCEPTION_OPEN, EXCEPTION_CLOSED };
enum import_kind { IMPORT_MAKERS, IMPORT_HUBS, IMPORT_LISTINGS, IMPORT_SHOPIFY };
enum import_format { IMPORT_CSV, IMPORT_NDJSON };
enum import_state { IMPORT_RECEIVING, IMPORT_APPLYING, IMPORT_DONE, IMPORT_CUT_SHORT };

extern const struct kw_strtab maker_state_names, listing_kind_names, listing_state_names,
	publication_state_names, exception_kind_names, exception_state_names, import_kind_names,
	import_format_names, import_state_names;

#define PUBLICATIONS_MAX 20
#define SKILLS_MAX 50
#define PROBLEMS_MAX 1000 /* rows of one request that are reported one by one */

struct address {
	const char *name, *line1, *line2, *line3, *city, *postcode, *region, *country, *phone;
};

/* A national id as it travels: never in clear. */
struct sealed_id {
	const char *ciphertext; /* base64 of AES-256-GCM */
	const char *key_id;
	const char *hash;   /* hex of a keyed hash, for look-up */
	const char *masked; /* 34201-*******-8 */
};

struct maker {
	const char *maker_id;
	int64_t version; /* the operator's */
	const char *name, *hub_id;
	const char **skills;
	size_t n_skills;
	int64_t weekly_capacity;
	int state; /* enum maker_state */
	const char *phone, *sponsor;
	kw_time leave_until;
	const struct sealed_id *national_id;
};

struct hub {
	const char *hub_id;
	int64_t version;
	const char *name, *lead, *region;
	const struct address *address;
};

struct publication {
	const char *channel, *channel_sku;
	int state; /* enum publication_state */
	struct kw_money price;
	int64_t buffer;
};

struct listing {
	const char *listing_id;
	int64_t version;
	const char *sku, *title;
	int kind; /* enum listing_kind */
	const char *maker_id, *hub_id, *skill;
	struct kw_money price;
	int64_t weight_g, quantity, quantity_version, lead_days;
	int64_t source_version; /* in the event: the operator's version */
	int state;              /* enum listing_state */
	const struct publication *publications;
	size_t n_publications;
};

/* Where in which file a put comes from. */
struct origin {
	struct kw_uuid import_id, request_id;
	int64_t line;
};

/* A row that did not go in as it stands. */
struct problem {
	int64_t line;
	const char *pointer, *reason;
};

/* What is kept of any of the three: the newest accepted version, and what has been said of it. */
struct kept {
	const char *id;
	struct kw_uuid entity;
	int64_t source_version; /* 0: not there yet */
	int64_t version;        /* of the last event */
	int state, kind;
	kw_time as_of;         /* what the source knew then */
	struct kw_uuid import; /* the file that brought it, or "" */
	int64_t import_line;
	const char *body; /* canonical JSON of what was put, without secrets: the same text is the
			     same content */
};

/* What routing says of a listing's stock. */
struct depletion {
	const char *listing_id;
	int64_t available, stock_version;
};

#endif
