/* The statements about what couriers said, what was requested, and what a person must look at. */
#include <string.h>

#include "stmts.h"
#include "store.h"

#define STMT(name) (&dispatch_stmts[name])

static const struct kw_col id_cols[] = { { KW_COL_UUID_KIND, 0, 0, NULL }, KW_COL_END };

/* ---- scans ---- */

const struct kw_col scan_cols[] = {
	KW_COL_TEXT(struct scan, courier),
	KW_COL_TEXT(struct scan, event_id),
	KW_COL_TEXT(struct scan, carrier),
	KW_COL_UUID(struct scan, subject),
	KW_COL_UUID(struct scan, parcel_id),
	KW_COL_ENUM(struct scan, status, &carrier_statuses),
	KW_COL_TEXT(struct scan, word),
	KW_COL_TEXT(struct scan, tracking_number),
	KW_COL_TIME(struct scan, scanned_at),
	KW_COL_TIME(struct scan, arrived_at),
	KW_COL_TEXT(struct scan, place),
	KW_COL_TEXT(struct scan, note),
	KW_COL_ENUM(struct scan, standing, &scan_standings),
	KW_COL_I64(struct scan, content_hash),
	KW_COL_TEXT(struct scan, trace),
	KW_COL_END,
};

static const struct kw_col scan_key_cols[] = {
	KW_COL_TEXT(struct scan, courier),
	KW_COL_TEXT(struct scan, event_id),
	KW_COL_END,
};

static int by_key(const struct scan *left, const struct scan *right)
{
	int order = strcmp(left->courier, right->courier);

	return order != 0 ? order : strcmp(left->event_id, right->event_id);
}

/* Binary search in rows that are sorted by (courier, event_id). */
static struct scan *find_scan(struct scan *rows, size_t n, const struct scan *key)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = (low + high) / 2;
		int order = by_key(&rows[mid], key);

		if (order == 0)
			return &rows[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

enum kw_rc store_insert_scans(struct kw_batch *b, struct scan *rows, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	struct scan *keys;
	size_t n_keys;

	kw_args_rows(&args, scan_cols, rows, n, sizeof(*rows));
	KW_TRY(kw_pg_fetch(b->pg, STMT(INSERT_SCANS), &args, scan_key_cols, sizeof(*keys), &keys,
		&n_keys, err));
	for (size_t i = 0; i < n; i++)
		rows[i].is_new = false;
	for (size_t i = 0; i < n_keys; i++) {
		struct scan *row = find_scan(rows, n, &keys[i]);

		kw_assert(row != NULL);
		row->is_new = true;
	}
	return KW_OK;
}

enum kw_rc store_conflicting_scans(struct kw_batch *b, const struct scan *rows, size_t n,
	struct scan **ret, size_t *ret_n, struct kw_err *err)
{
	static const struct kw_col in_cols[] = {
		KW_COL_TEXT(struct scan, courier),
		KW_COL_TEXT(struct scan, event_id),
		KW_COL_I64(struct scan, content_hash),
		KW_COL_END,
	};
	static const struct kw_col out_cols[] = {
		KW_COL_TEXT(struct scan, courier),
		KW_COL_TEXT(struct scan, event_id),
		KW_COL_UUID(struct scan, parcel_id),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, in_cols, rows, n, sizeof(*rows));
	return kw_pg_fetch(
		b->pg, STMT(CONFLICTING_SCANS), &args, out_cols, sizeof(**ret), ret, ret_n, err);
}

enum kw_rc store_pending_scans(struct kw_batch *b, const struct kw_uuid *ids, size_t n,
	struct scan **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, id_cols, ids, n, sizeof(*ids));
	return kw_pg_fetch(
		b->pg, STMT(PENDING_SCANS), &args, scan_cols, sizeof(**ret), ret, ret_n, err);
}

enum kw_rc store_stand_scans(
	struct kw_batch *b, const struct scan *rows, size_t n, struct kw_err *err)
{
	static const struct kw_col cols[] = {
		KW_COL_TEXT(struct scan, courier),
		KW_COL_TEXT(struct scan, event_id),
		KW_COL_UUID(struct scan, parcel_id),
		KW_COL_ENUM(struct scan, standing, &scan_standings),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);

	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, cols, rows, n, sizeof(*rows));
	return store_exec_all(b, STAND_SCANS, &args, n, err);
}

enum kw_rc store_read_scans(struct kw_pg *pg, struct kw_arena *a, const struct kw_uuid *id,
	struct scan **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(a);

	kw_args_uuid(&args, id);
	kw_args_i64(&args, SCANS_SHOWN_MAX);
	return kw_pg_fetch(pg, STMT(READ_SCANS), &args, scan_cols, sizeof(**ret), ret, ret_n, err);
}

/* ---- numbers ---- */

struct found_row {
	int64_t at;
	struct kw_uuid parcel_id;
};

enum kw_rc store_find_numbers(
	struct kw_batch *b, struct numbered *rows, size_t n, struct kw_err *err)
{
	static const struct kw_col in_cols[] = {
		KW_COL_TEXT(struct numbered, courier),
		KW_COL_TEXT(struct numbered, tracking_number),
		KW_COL_TIME(struct numbered, scanned_at),
		KW_COL_END,
	};
	static const struct kw_col out_cols[] = {
		KW_COL_I64(struct found_row, at),
		KW_COL_UUID(struct found_row, parcel_id),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);
	struct found_row *found;
	size_t n_found;

	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, in_cols, rows, n, sizeof(*rows));
	KW_TRY(kw_pg_fetch(
		b->pg, STMT(FIND_NUMBERS), &args, out_cols, sizeof(*found), &found, &n_found, err));
	for (size_t i = 0; i < n_found; i++) {
		kw_assert(found[i].at >= 1 && found[i].at <= (int64_t)n);
		rows[found[i].at - 1].parcel_id = found[i].parcel_id;
	}
	return KW_OK;
}

enum kw_rc store_unmatched_scans(struct kw_batch *b, const struct known_as *names, size_t n_names,
	struct scan **ret, size_t *ret_n, struct kw_err *err)
{
	static const struct kw_col in_cols[] = {
		KW_COL_TEXT(struct known_as, name),
		KW_COL_TEXT(struct known_as, courier),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, in_cols, names, n_names, sizeof(*names));
	kw_args_time(&args, b->now);
	return kw_pg_fetch(
		b->pg, STMT(UNMATCHED_SCANS), &args, scan_cols, sizeof(**ret), ret, ret_n, err);
}

/* ---- refusals ---- */

static const struct kw_col refusal_cols[] = {
	KW_COL_UUID(struct refusal, parcel_id),
	KW_COL_TEXT(struct refusal, courier),
	KW_COL_TEXT(struct refusal, reason),
	KW_COL_END,
};

enum kw_rc store_insert_refusals(
	struct kw_batch *b, const struct refusal *rows, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, refusal_cols, rows, n, sizeof(*rows));
	kw_args_time(&args, b->now);
	return store_exec_all(b, INSERT_REFUSALS, &args, n, err);
}

enum kw_rc store_find_refusals(struct kw_batch *b, const struct kw_uuid *ids, size_t n,
	struct refusal **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, id_cols, ids, n, sizeof(*ids));
	return kw_pg_fetch(
		b->pg, STMT(FIND_REFUSALS), &args, refusal_cols, sizeof(**ret), ret, ret_n, err);
}

/* ---- requests, intents, exceptions ---- */

enum kw_rc store_insert_requests(
	struct kw_batch *b, const struct request *rows, size_t n, struct kw_err *err)
{
	static const struct kw_col cols[] = {
		KW_COL_UUID(struct request, request_id),
		KW_COL_UUID(struct request, parcel_id),
		KW_COL_TEXT(struct request, kind),
		KW_COL_TEXT(struct request, reason),
		KW_COL_TEXT(struct request, by),
		KW_COL_TEXT(struct request, outcome),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);

	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, cols, rows, n, sizeof(*rows));
	kw_args_time(&args, b->now);
	return kw_pg_exec(b->pg, STMT(INSERT_REQUESTS), &args, NULL, err);
}

enum kw_rc store_drop_intents(
	struct kw_batch *b, const struct kw_uuid *ids, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, id_cols, ids, n, sizeof(*ids));
	kw_args_time(&args, b->now);
	return kw_pg_exec(b->pg, STMT(DROP_INTENTS), &args, NULL, err);
}

enum kw_rc store_raise(
	struct kw_batch *b, const struct exception *rows, size_t n, struct kw_err *err)
{
	static const struct kw_col cols[] = {
		KW_COL_UUID(struct exception, exception_id),
		KW_COL_ENUM(struct exception, kind, &parcel_exception_kinds),
		KW_COL_ENUM(struct exception, state, &parcel_exception_states),
		KW_COL_UUID(struct exception, parcel_id),
		KW_COL_UUID(struct exception, order_id),
		KW_COL_TEXT(struct exception, courier),
		KW_COL_TEXT(struct exception, reason),
		KW_COL_I64(struct exception, occurrences),
		KW_COL_TEXT(struct exception, word),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);

	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, cols, rows, n, sizeof(*rows));
	kw_args_time(&args, b->now);
	return store_exec_all(b, RAISE, &args, n, err);
}

enum kw_rc store_resolve(
	struct kw_batch *b, const struct exception *rows, size_t n, struct kw_err *err)
{
	static const struct kw_col cols[] = {
		KW_COL_UUID(struct exception, parcel_id),
		KW_COL_ENUM(struct exception, kind, &parcel_exception_kinds),
		KW_COL_END,
	};
	struct kw_args args = kw_args_of(b->arena);

	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, cols, rows, n, sizeof(*rows));
	kw_args_time(&args, b->now);
	return kw_pg_exec(b->pg, STMT(RESOLVE), &args, NULL, err);
}

enum kw_rc store_resolve_ids(
	struct kw_batch *b, const struct kw_uuid *ids, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, id_cols, ids, n, sizeof(*ids));
	kw_args_time(&args, b->now);
	return kw_pg_exec(b->pg, STMT(RESOLVE_IDS), &args, NULL, err);
}
