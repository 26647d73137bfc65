/* Names of the rows of the statement table (stmts.c); private to store*.c. */
#ifndef DISPATCH_STMTS_H
#define DISPATCH_STMTS_H

#include "flow/batch.h"

enum {
	ROUTE_ORDERS,
	SETTLE_ORDERS,
	LOCK_ORDERS,
	WRITE_DUE,
	FIND_CANCELLED,
	REMEMBER_CANCELLED,
	LOCK_KNOWN_ORDERS,
	LOCK_KNOWN_PARCELS,
	PARCELS_OF,
	LOCK_PARCELS,
	READ_PARCELS,
	EXPECT_PARCELS,
	INSERT_PARCELS,
	UPDATE_PARCELS,
	INSERT_SCANS,
	CONFLICTING_SCANS,
	PENDING_SCANS,
	STAND_SCANS,
	FIND_NUMBERS,
	UNMATCHED_SCANS,
	READ_SCANS,
	INSERT_REFUSALS,
	FIND_REFUSALS,
	INSERT_REQUESTS,
	DROP_INTENTS,
	RAISE,
	RESOLVE,
	RESOLVE_IDS,
	READ_STAMP,
	FIND_MEANINGS,
	EXCEPTION_KINDS,
	MAP_WORDS,
	NAME_UNMATCHED,
	NAMELESS_PARCELS,
	NAMELESS_SCANS,
	NAME_SCANS,
	RESOLVE_MAPPED,
	N_STMTS
};

extern const struct kw_stmt dispatch_stmts[];
extern const size_t dispatch_n_stmts;
/* Of a statement that gives whole scans. */
extern const struct kw_col scan_cols[];

/* Runs an array statement that must touch exactly n rows. */
enum kw_rc store_exec_all(
	struct kw_batch *b, int stmt, const struct kw_args *args, size_t n, struct kw_err *err);

#endif
