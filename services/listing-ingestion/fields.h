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
	struct maker maker; /* version 0: none of its own */
	kw_time as_of;      /* of one without a version: what the source knew then */
	const struct origin *import;
};
struct hub_put {
	struct kw_meta meta;
	struct hub hub; /* version 0: none of its own */
	kw_time as_of;  /* of one without a version: what the source knew then */
	const struct origin *import;
};
struct listing_put {
	struct kw_meta meta;
	struct listing listing; /* version 0: none of its own */
	kw_time as_of;          /* of one without a version: what the source knew then */
	const struct origin *import;
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

/* An import began: its header. A later run of the same file has the same import_id. */
struct import_started {
	struct kw_meta meta;
	struct kw_uuid import_id, run_id;
	int kind, format;
	const char *name, *by;
	int64_t bytes; /* of the whole file, 0: not told */
	kw_time as_of, started_at;
};

/* One request of an import was taken: all its rows are appended or refused. */
struct import_reported {
	struct kw_meta meta;
	struct kw_uuid import_id, run_id, request_id;
	int64_t part;   /* 1, 2, 3 … of the run */
	bool last, cut; /* cut: the rest of the file cannot be read */
	int64_t bytes, rows, appended, refused;
	const struct problem *problems; /* the first PROBLEMS_MAX of the refused ones */
	size_t n_problems;
};

/* GET /v1/imports/:id */
struct import_view {
	struct kw_uuid import_id, run_id;
	int kind, format, state;
	const char *name, *by;
	kw_time as_of, started_at, changed_at;
	int64_t bytes, bytes_read, parts, rows, appended, refused; /* read from the file */
	int64_t changed, same, stale, set_aside;                   /* came of what was appended */
	const struct problem *problems;
	size_t n_problems;
	const char *next_cursor;
};

extern const struct kw_field maker_put_fields[], hub_put_fields[], listing_put_fields[],
	depleted_fields[], import_started_fields[], import_reported_fields[];
extern const struct kw_field maker_changed_fields[], hub_changed_fields[], listing_changed_fields[];
extern const struct kw_field maker_body_fields[], hub_body_fields[], listing_body_fields[],
	maker_kept_fields[], maker_shown_fields[];
/* Rows of files: the id is in the row, versions need not be. */
extern const struct kw_field maker_row_fields[], hub_row_fields[], listing_row_fields[];
extern const struct kw_field import_view_fields[];
extern const struct kw_contract_row listing_contract[];

#endif
