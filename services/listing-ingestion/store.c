#include "store.h"

enum {
	LOCK_RECORDS,
	PUT_RECORDS,
	FIND_HASHES,
	PUT_NATIONAL_IDS,
	ADD_EXCEPTIONS,
	PUT_AVAILABILITY,
	RECOUNT,
	FIND_AVAILABILITY,
	FIND_RECORD,
	FIND_STAMP,
};

/* What a record and its stock say now. */
#define RECORD_WITH_STOCK                                                 \
	"coalesce(a.available, 9223372036854775807) FROM records r LEFT " \
	"JOIN availability a ON r.kind = 'listing' AND a.listing_id = "   \
	"r.id WHERE r.kind = $1::text AND r.id = $2::text"

const struct kw_stmt listing_stmts[] = {
	[LOCK_RECORDS] = { "SELECT id, entity, source_version, version, state, subkind, coalesce(as_of, changed_at), import_id, "
			   "import_line, body FROM records "
			   "WHERE kind = $1::text AND id = ANY ($2::text[]) ORDER BY id FOR UPDATE" },
	[PUT_RECORDS] = { "INSERT INTO records (kind, id, entity, source_version, version, state, subkind, body, changed_at, as_of, import_id, "
			  "import_line) SELECT $1::text, r.id, r.entity, r.source_version, r.version, r.state, r.subkind, r.body, $2::timestamptz, "
			  "r.as_of, r.import_id, nullif(r.import_line, 0) "
			  "FROM unnest($3::text[], $4::uuid[], $5::bigint[], $6::bigint[], $7::int[], $8::int[], $9::text[], $10::timestamptz[], "
			  "$11::uuid[], $12::bigint[]) "
			  "AS r(id, entity, source_version, version, state, subkind, body, as_of, import_id, import_line) "
			  "ON CONFLICT (kind, id) DO UPDATE SET source_version = excluded.source_version, version = excluded.version, "
			  "state = excluded.state, subkind = excluded.subkind, body = excluded.body, changed_at = excluded.changed_at, "
			  "as_of = excluded.as_of, import_id = excluded.import_id, import_line = excluded.import_line" },
	[FIND_HASHES] = { "SELECT n.maker_id, n.hash FROM national_ids n JOIN unnest($1::text[], $2::text[]) AS i(maker_id, hash) "
			  "ON n.hash = i.hash AND n.maker_id <> i.maker_id" },
	[PUT_NATIONAL_IDS] = { "INSERT INTO national_ids (maker_id, hash, ciphertext, key_id, changed_at) "
			       "SELECT i.maker_id, i.hash, i.ciphertext, i.key_id, $1::timestamptz "
			       "FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS i(maker_id, hash, ciphertext, key_id) "
			       "ON CONFLICT (maker_id) DO UPDATE SET hash = excluded.hash, ciphertext = excluded.ciphertext, "
			       "key_id = excluded.key_id, changed_at = excluded.changed_at" },
	[ADD_EXCEPTIONS] = { "INSERT INTO exceptions (exception_id, kind, entity_kind, entity_id, source_version, reason, body, owner, state, "
			     "opened_at) SELECT x.exception_id, x.kind, x.entity_kind, x.entity_id, x.source_version, x.reason, x.body, "
			     "'operators', 'OPEN', $1::timestamptz "
			     "FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[]) "
			     "AS x(exception_id, kind, entity_kind, entity_id, source_version, reason, body) ON CONFLICT DO NOTHING" },
	[PUT_AVAILABILITY] = { "INSERT INTO availability AS a (listing_id, available, stock_version, said_at) "
			       "SELECT d.listing_id, d.available, d.stock_version, $1::timestamptz "
			       "FROM unnest($2::text[], $3::bigint[], $4::bigint[]) AS d(listing_id, available, stock_version) "
			       "ORDER BY d.listing_id ON CONFLICT (listing_id) DO UPDATE SET available = excluded.available, "
			       "stock_version = excluded.stock_version, said_at = excluded.said_at "
			       "WHERE a.stock_version < excluded.stock_version RETURNING listing_id, available, stock_version" },
	[RECOUNT] = { "UPDATE availability a SET available = i.available FROM "
		      "(SELECT DISTINCT ON (listing_id) listing_id, available FROM unnest($1::text[], $2::bigint[], $3::bigint[]) "
		      "WITH ORDINALITY AS u(listing_id, available, stock_version, n) ORDER BY listing_id, n DESC) i "
		      "WHERE a.listing_id = i.listing_id" },
	[FIND_AVAILABILITY] = { "SELECT listing_id, available, stock_version FROM availability WHERE listing_id = ANY ($1::text[])" },
	[FIND_RECORD] = { "SELECT r.id, r.entity, r.source_version, r.version, r.state, r.subkind, "
			  "r.body, " RECORD_WITH_STOCK },
	[FIND_STAMP] = { "SELECT r.version, " RECORD_WITH_STOCK },
};
const size_t n_listing_stmts = KW_LEN(listing_stmts);

static const struct kw_col id_cols[] = { KW_COL_TEXT(struct id_row, id), KW_COL_END };

static const struct kw_col kept_cols[] = {
	KW_COL_TEXT(struct kept, id),
	KW_COL_UUID(struct kept, entity),
	KW_COL_I64(struct kept, source_version),
	KW_COL_I64(struct kept, version),
	KW_COL_INT(struct kept, state),
	KW_COL_INT(struct kept, kind),
	KW_COL_TIME(struct kept, as_of),
	KW_COL_UUID(struct kept, import),
	KW_COL_I64(struct kept, import_line),
	KW_COL_TEXT(struct kept, body),
	KW_COL_END,
};

enum kw_rc store_lock_records(struct kw_batch *b, const char *kind, const struct id_row *ids,
	size_t n, struct kept **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	kw_args_text(&args, kind);
	kw_args_rows(&args, id_cols, ids, n, sizeof(*ids));
	return kw_pg_fetch(b->pg, &listing_stmts[LOCK_RECORDS], &args, kept_cols, sizeof(**ret),
		ret, ret_n, err);
}

struct record record_of(const struct kept *kept)
{
	return (struct record) { kept->id, kept->body, kept->entity, kept->source_version,
		kept->version, kept->state, kept->kind, kept->as_of, kept->import,
		kept->import_line };
}

/* Every row must have been written. */
static enum kw_rc all_written(size_t wanted, size_t written, const char *what, struct kw_err *err)
{
	if (wanted != written)
		return kw_fail(err, KW_FATAL, "%zu of %zu %s were written", written, wanted, what);
	return KW_OK;
}

static const struct kw_col record_cols[] = {
	KW_COL_TEXT(struct record, id),
	KW_COL_UUID(struct record, entity),
	KW_COL_I64(struct record, source_version),
	KW_COL_I64(struct record, version),
	KW_COL_INT(struct record, state),
	KW_COL_INT(struct record, subkind),
	KW_COL_TEXT(struct record, body),
	KW_COL_TIME(struct record, as_of),
	KW_COL_UUID(struct record, import),
	KW_COL_I64(struct record, import_line),
	KW_COL_END,
};

enum kw_rc store_put_records(struct kw_batch *b, const char *kind, const struct record *rows,
	size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	size_t written;

	if (n == 0)
		return KW_OK;
	kw_args_text(&args, kind);
	kw_args_time(&args, b->now);
	kw_args_rows(&args, record_cols, rows, n, sizeof(*rows));
	KW_TRY(kw_pg_exec(b->pg, &listing_stmts[PUT_RECORDS], &args, &written, err));
	return all_written(n, written, "records", err);
}

static const struct kw_col hash_cols[] = { KW_COL_TEXT(struct sealed_row, maker_id),
	KW_COL_TEXT(struct sealed_row, hash), KW_COL_END };

enum kw_rc store_find_hashes(struct kw_batch *b, const struct sealed_row *rows, size_t n,
	struct sealed_row **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, hash_cols, rows, n, sizeof(*rows));
	return kw_pg_fetch(b->pg, &listing_stmts[FIND_HASHES], &args, hash_cols, sizeof(**ret), ret,
		ret_n, err);
}

static const struct kw_col sealed_cols[] = {
	KW_COL_TEXT(struct sealed_row, maker_id),
	KW_COL_TEXT(struct sealed_row, hash),
	KW_COL_TEXT(struct sealed_row, ciphertext),
	KW_COL_TEXT(struct sealed_row, key_id),
	KW_COL_END,
};

enum kw_rc store_put_national_ids(
	struct kw_batch *b, const struct sealed_row *rows, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	size_t written;

	if (n == 0)
		return KW_OK;
	kw_args_time(&args, b->now);
	kw_args_rows(&args, sealed_cols, rows, n, sizeof(*rows));
	KW_TRY(kw_pg_exec(b->pg, &listing_stmts[PUT_NATIONAL_IDS], &args, &written, err));
	return all_written(n, written, "national ids", err);
}

static const struct kw_col new_exception_cols[] = {
	KW_COL_UUID(struct new_exception, exception_id),
	KW_COL_ENUM(struct new_exception, kind, &exception_kind_names),
	KW_COL_TEXT(struct new_exception, entity_kind),
	KW_COL_TEXT(struct new_exception, entity_id),
	KW_COL_I64(struct new_exception, source_version),
	KW_COL_TEXT(struct new_exception, reason),
	KW_COL_TEXT(struct new_exception, body),
	KW_COL_END,
};

enum kw_rc store_add_exceptions(
	struct kw_batch *b, const struct new_exception *rows, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	if (n == 0)
		return KW_OK;
	kw_args_time(&args, b->now);
	kw_args_rows(&args, new_exception_cols, rows, n, sizeof(*rows));
	return kw_pg_exec(b->pg, &listing_stmts[ADD_EXCEPTIONS], &args, NULL, err);
}

static const struct kw_col depletion_cols[] = {
	KW_COL_TEXT(struct depletion, listing_id),
	KW_COL_I64(struct depletion, available),
	KW_COL_I64(struct depletion, stock_version),
	KW_COL_END,
};

enum kw_rc store_put_availability(struct kw_batch *b, const struct depletion *rows, size_t n,
	struct depletion **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	kw_args_time(&args, b->now);
	kw_args_rows(&args, depletion_cols, rows, n, sizeof(*rows));
	return kw_pg_fetch(b->pg, &listing_stmts[PUT_AVAILABILITY], &args, depletion_cols,
		sizeof(**ret), ret, ret_n, err);
}

enum kw_rc store_recount(
	struct kw_batch *b, const struct depletion *rows, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, depletion_cols, rows, n, sizeof(*rows));
	return kw_pg_exec(b->pg, &listing_stmts[RECOUNT], &args, NULL, err);
}

enum kw_rc store_find_availability(struct kw_batch *b, const struct id_row *ids, size_t n,
	struct depletion **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);

	kw_args_rows(&args, id_cols, ids, n, sizeof(*ids));
	return kw_pg_fetch(b->pg, &listing_stmts[FIND_AVAILABILITY], &args, depletion_cols,
		sizeof(**ret), ret, ret_n, err);
}

struct found {
	struct kept kept;
	int64_t available;
};

static const struct kw_col found_cols[] = {
	KW_COL_TEXT(struct found, kept.id),
	KW_COL_UUID(struct found, kept.entity),
	KW_COL_I64(struct found, kept.source_version),
	KW_COL_I64(struct found, kept.version),
	KW_COL_INT(struct found, kept.state),
	KW_COL_INT(struct found, kept.kind),
	KW_COL_TEXT(struct found, kept.body),
	KW_COL_I64(struct found, available),
	KW_COL_END,
};

enum kw_rc store_find_record(struct kw_pg *pg, struct kw_arena *a, const char *kind, const char *id,
	struct kept *ret, int64_t *ret_available, struct kw_err *err)
{
	struct kw_args args = kw_args_of(a);
	struct found found;

	kw_args_text(&args, kind);
	kw_args_text(&args, id);
	KW_TRY(kw_pg_fetch_one(
		pg, &listing_stmts[FIND_RECORD], &args, found_cols, sizeof(found), &found, err));
	*ret = found.kept;
	*ret_available = found.available;
	return KW_OK;
}

struct stamp {
	int64_t version, available;
};

static const struct kw_col stamp_cols[] = {
	KW_COL_I64(struct stamp, version),
	KW_COL_I64(struct stamp, available),
	KW_COL_END,
};

enum kw_rc store_find_stamp(struct kw_pg *pg, struct kw_arena *a, const char *kind, const char *id,
	int64_t *ret_version, int64_t *ret_available, struct kw_err *err)
{
	struct kw_args args = kw_args_of(a);
	struct stamp stamp;

	kw_args_text(&args, kind);
	kw_args_text(&args, id);
	KW_TRY(kw_pg_fetch_one(
		pg, &listing_stmts[FIND_STAMP], &args, stamp_cols, sizeof(stamp), &stamp, err));
	*ret_version = stamp.version;
	*ret_available = stamp.available;
	return KW_OK;
}
