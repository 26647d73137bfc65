/* The statement table of listing-ingestion, one typed function each. In the caller's transaction;
 * results live in the batch's arena. */
#ifndef LISTING_STORE_H
#define LISTING_STORE_H

#include "fields.h"
#include "flow/batch.h"
#include "pg/pg.h"

extern const struct kw_stmt listing_stmts[];
extern const size_t n_listing_stmts;

/* A new version of a record. */
struct record {
	const char *id, *body;
	struct kw_uuid entity;
	int64_t source_version, version;
	int state, subkind;
	kw_time as_of;
	struct kw_uuid import; /* the file that brought it, or "" */
	int64_t import_line;
};

struct record record_of(const struct kept *kept);

struct sealed_row {
	const char *maker_id, *hash, *ciphertext, *key_id;
};

struct new_exception {
	struct kw_uuid exception_id;
	int kind;
	const char *entity_kind, *entity_id, *reason, *body;
	int64_t source_version;
};

struct id_row {
	const char *id;
};

/* What came of the rows of one request of an import. */
struct import_outcome {
	struct kw_uuid request_id, import_id;
	int64_t changed, same, stale, set_aside;
};

struct import_part {
	struct kw_uuid run_id, import_id, request_id;
	int64_t part, bytes, rows, appended, refused;
	bool last, cut;
};

struct import_row {
	struct kw_uuid import_id, run_id;
	int kind, format;
	const char *name, *by;
	int64_t bytes;
	kw_time as_of, started_at;
};

struct import_problem {
	struct kw_uuid request_id, import_id;
	int64_t line;
	const char *pointer, *reason;
};

/* Rows of an import that are reported one by one, at most. */
#define IMPORT_PROBLEMS_MAX 10000

/* Locks and returns what is kept of these ids (n distinct ones), in order of id. */
enum kw_rc store_lock_records(struct kw_batch *b, const char *kind, const struct id_row *ids,
	size_t n, struct kept **ret, size_t *ret_n, struct kw_err *err);
/* Ids in order, each once. */
enum kw_rc store_put_records(struct kw_batch *b, const char *kind, const struct record *rows,
	size_t n, struct kw_err *err);
/* Hashes that belong to another maker already: returned as (hash, maker_id). */
enum kw_rc store_find_hashes(struct kw_batch *b, const struct sealed_row *rows, size_t n,
	struct sealed_row **ret, size_t *ret_n, struct kw_err *err);
enum kw_rc store_put_national_ids(
	struct kw_batch *b, const struct sealed_row *rows, size_t n, struct kw_err *err);
enum kw_rc store_add_exceptions(
	struct kw_batch *b, const struct new_exception *rows, size_t n, struct kw_err *err);
/* Listings by id, each once: newest stock versions; returns those that were news. */
enum kw_rc store_put_availability(struct kw_batch *b, const struct depletion *rows, size_t n,
	struct depletion **ret, size_t *ret_n, struct kw_err *err);
/* What is available of a listing that was counted anew; the last of several counts stands last. */
enum kw_rc store_recount(
	struct kw_batch *b, const struct depletion *rows, size_t n, struct kw_err *err);
enum kw_rc store_find_availability(struct kw_batch *b, const struct id_row *ids, size_t n,
	struct depletion **ret, size_t *ret_n, struct kw_err *err);

/* ---- imports (store_imports.c) ---- */

extern const struct kw_stmt import_stmts[];
extern const size_t n_import_stmts;

/* A newer run of a file forgets the parts of the older ones. Imports in order, each once. */
enum kw_rc store_start_imports(
	struct kw_batch *b, const struct import_row *rows, size_t n, struct kw_err *err);
/* Parts in order of run and number, each once. */
enum kw_rc store_put_parts(
	struct kw_batch *b, const struct import_part *rows, size_t n, struct kw_err *err);
/* Adds. Requests in order, each once. */
enum kw_rc store_add_outcomes(
	struct kw_batch *b, const struct import_outcome *rows, size_t n, struct kw_err *err);
/* As far as there is room below IMPORT_PROBLEMS_MAX. */
enum kw_rc store_add_problems(
	struct kw_batch *b, const struct import_problem *rows, size_t n, struct kw_err *err);
enum kw_rc store_find_import(struct kw_pg *pg, struct kw_arena *a, const char *id,
	const char *after, int limit, struct import_view *ret, struct kw_err *err);

/* API reads. NOTHING: not there. available: what routing says of a listing's stock, INT64_MAX where
 * it said nothing. What is shown of a record follows from its version and that. */
enum kw_rc store_find_stamp(struct kw_pg *pg, struct kw_arena *a, const char *kind, const char *id,
	int64_t *ret_version, int64_t *ret_available, struct kw_err *err);
enum kw_rc store_find_record(struct kw_pg *pg, struct kw_arena *a, const char *kind, const char *id,
	struct kept *ret, int64_t *ret_available, struct kw_err *err);

#endif
