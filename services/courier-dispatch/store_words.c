/* The statements about what couriers' unknown words mean. */
#include "stmts.h"
#include "store.h"

#define STMT(name) (&dispatch_stmts[name])

static const struct kw_col id_cols[] = { { KW_COL_UUID_KIND, 0, 0, NULL }, KW_COL_END };

enum kw_rc store_find_meanings(struct kw_batch *b, const struct meaning *words, size_t n,
	struct meaning **ret, size_t *ret_n, struct kw_err *err)
{
	static const struct kw_col in_cols[] = {
		KW_COL_TEXT(struct meaning, courier),
		KW_COL_TEXT(struct meaning, word),
		KW_COL_END,
	};
	static const struct kw_col out_cols[] = {
		KW_COL_TEXT(struct meaning, courier),
		KW_COL_TEXT(struct meaning, word),
		KW_COL_ENUM(struct meaning, status, &mapped_statuses),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, in_cols, words, n, sizeof(*words));
	return kw_pg_fetch(
		b->pg, STMT(FIND_MEANINGS), &args, out_cols, sizeof(**ret), ret, ret_n, err);
}

enum kw_rc store_exception_kinds(struct kw_batch *b, const struct kw_uuid *ids, size_t n,
	struct exception **ret, size_t *ret_n, struct kw_err *err)
{
	static const struct kw_col cols[] = {
		KW_COL_UUID(struct exception, exception_id),
		KW_COL_ENUM(struct exception, kind, &parcel_exception_kinds),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, id_cols, ids, n, sizeof(*ids));
	return kw_pg_fetch(
		b->pg, STMT(EXCEPTION_KINDS), &args, cols, sizeof(**ret), ret, ret_n, err);
}

enum kw_rc store_map_words(
	struct kw_batch *b, const struct mapping *rows, size_t n, struct kw_err *err)
{
	static const struct kw_col cols[] = {
		KW_COL_UUID(struct mapping, exception_id),
		KW_COL_I64(struct mapping, version),
		KW_COL_TEXT(struct mapping, status),
		KW_COL_TEXT(struct mapping, by),
		KW_COL_TEXT(struct mapping, reason),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, cols, rows, n, sizeof(*rows));
	kw_args_time(&args, b->now);
	return kw_pg_exec(b->pg, STMT(MAP_WORDS), &args, NULL, err);
}

enum kw_rc store_name_unmatched(struct kw_batch *b, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	return kw_pg_exec(b->pg, STMT(NAME_UNMATCHED), &args, ret_n, err);
}

enum kw_rc store_nameless_parcels(
	struct kw_batch *b, struct kw_uuid **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	return kw_pg_fetch(
		b->pg, STMT(NAMELESS_PARCELS), &args, id_cols, sizeof(**ret), ret, ret_n, err);
}

enum kw_rc store_nameless_scans(struct kw_batch *b, const struct kw_uuid *ids, size_t n,
	struct scan **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, id_cols, ids, n, sizeof(*ids));
	return kw_pg_fetch(
		b->pg, STMT(NAMELESS_SCANS), &args, scan_cols, sizeof(**ret), ret, ret_n, err);
}

enum kw_rc store_name_scans(
	struct kw_batch *b, const struct scan *rows, size_t n, struct kw_err *err)
{
	static const struct kw_col cols[] = {
		KW_COL_TEXT(struct scan, courier),
		KW_COL_TEXT(struct scan, event_id),
		KW_COL_ENUM(struct scan, status, &mapped_statuses),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);

	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, cols, rows, n, sizeof(*rows));
	return store_exec_all(b, NAME_SCANS, &args, n, err);
}

enum kw_rc store_resolve_mapped(struct kw_batch *b, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	kw_args_time(&args, b->now);
	return kw_pg_exec(b->pg, STMT(RESOLVE_MAPPED), &args, NULL, err);
}
