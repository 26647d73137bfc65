/* Forward-only, checksummed migrations of one schema, under an advisory lock. Run twice, it changes
 * nothing. A file of sql/ is one row; its text never changes after it was applied anywhere (the
 * checksum is compared). */
#ifndef KW_PG_MIGRATE_H
#define KW_PG_MIGRATE_H

#include "pg/pg.h"

struct kw_migration {
	const char *name; /* "001_orders.sql": also the order */
	const char *sql;  /* unqualified names: runs with search_path = schema */
};

struct kw_migrate_target {
	const char *schema; /* "routing"; made if absent, owned by owner */
	const char *owner;  /* role that owns all (SET ROLE), e.g. "karwan_owner"; NULL: the
			       session's own */
	const struct kw_migration *const
		*sets; /* NULL-terminated list of { 0 }-terminated arrays, applied in this order */
};

/* One transaction per file. ret_applied counts what was new. CONFLICT with code CHECKSUM when an
 * applied text has changed, or a recorded name is unknown to this build (an older program on a
 * newer database). */
enum kw_rc kw_pg_migrate(struct kw_pg *pg, const struct kw_migrate_target *target,
	size_t *ret_applied, struct kw_err *err);

#endif
