/* Is this the database that was last accepted? (rule 7 of the design) */
#include "flow/impl.h"

#include <string.h>

static const struct kw_stmt find_identity = {
	"SELECT i.system_identifier, i.timeline, c.system_identifier, c.timeline FROM identity i, "
	"current_identity() c"
};

struct identity {
	const char *accepted, *current;
	int accepted_timeline, current_timeline;
};

static const struct kw_col identity_cols[] = {
	KW_COL_TEXT(struct identity, accepted),
	KW_COL_INT(struct identity, accepted_timeline),
	KW_COL_TEXT(struct identity, current),
	KW_COL_INT(struct identity, current_timeline),
	KW_COL_END,
};

enum kw_rc kw_identity_check(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(64 * 1024);
	struct kw_args args = kw_args_of(a);
	struct identity row = { 0 };

	(void)ctx;
	KW_TRY(kw_pg_fetch_one(pg, &find_identity, &args, identity_cols, sizeof(row), &row, err));
	if (strcmp(row.accepted, row.current) != 0 || row.accepted_timeline != row.current_timeline)
		return kw_fail_code(err, KW_RETRY, "EPOCH",
			"this database is %s timeline %d, accepted was %s timeline %d: it may have "
			"gone back; run karwanctl "
			"epoch, or karwanctl accept where nothing was lost",
			row.current, row.current_timeline, row.accepted, row.accepted_timeline);
	return KW_OK;
}
