/* Rows of a binary result into plain structs. A column that is not what the table of columns says
 * is our bug or an older program on a newer database: FATAL. */
#include <endian.h>
#include <stdint.h>
#include <string.h>

#include "pg/impl.h"

static bool type_fits(enum kw_col_kind kind, Oid type);
static enum kw_rc read_text(const struct kw_col *col, const char *value, size_t n,
	struct kw_arena *a, char *member, struct kw_err *err);

enum kw_rc kw_rows_check(const PGresult *result, const struct kw_col *cols, struct kw_err *err)
{
	int n = 0;

	while (cols[n].kind != KW_COL_END_KIND)
		n++;
	if (PQnfields(result) != n)
		return kw_fail(err, KW_FATAL, "PostgreSQL: %d columns where %d were expected",
			PQnfields(result), n);
	for (int i = 0; i < n; i++)
		if (PQfformat(result, i) != 1 || !type_fits(cols[i].kind, PQftype(result, i)))
			return kw_fail(err, KW_FATAL,
				"PostgreSQL: column %s (%d) has type %u, not that of its member",
				PQfname(result, i), i + 1, PQftype(result, i));
	return KW_OK;
}

static int64_t get_i64(const char *from)
{
	uint64_t v;

	memcpy(&v, from, sizeof(v));
	return (int64_t)be64toh(v);
}

static int get_int(const char *from)
{
	uint32_t v;

	memcpy(&v, from, sizeof(v));
	return (int)be32toh(v);
}

static kw_time get_time(const char *from)
{
	int64_t v = get_i64(from), t;

	if (v == INT64_MIN || v == INT64_MAX) /* the server's infinities */
		return v;
	return __builtin_add_overflow(v, KW_PG_EPOCH_US, &t) ? INT64_MAX : t;
}

enum kw_rc kw_rows_read(const PGresult *result, int i, const struct kw_col *cols,
	struct kw_arena *a, void *row, struct kw_err *err)
{
	for (int c = 0; cols[c].kind != KW_COL_END_KIND; c++) {
		const struct kw_col *col = &cols[c];
		char *member = (char *)row + col->offset;
		const char *value = PQgetvalue(result, i, c);
		size_t n = (size_t)PQgetlength(result, i, c);
		struct kw_bytes bytes;
		int64_t i64;
		int number = -1;

		if (PQgetisnull(result, i, c)) {
			if (col->kind == KW_COL_ENUM_KIND)
				memcpy(member, &number, sizeof(number));
			continue; /* the struct is zeroed */
		}
		switch (col->kind) {
		case KW_COL_UUID_KIND:
			kw_uuid_from_bytes((const uint8_t *)value, (struct kw_uuid *)member);
			break;
		case KW_COL_I64_KIND:
			i64 = get_i64(value);
			memcpy(member, &i64, sizeof(i64));
			break;
		case KW_COL_INT_KIND:
			number = get_int(value);
			memcpy(member, &number, sizeof(number));
			break;
		case KW_COL_BOOL_KIND:
			*(bool *)member = value[0] != 0;
			break;
		case KW_COL_TIME_KIND:
			i64 = get_time(value);
			memcpy(member, &i64, sizeof(i64));
			break;
		case KW_COL_BYTES_KIND:
			bytes = (struct kw_bytes) { kw_arena_copy(a, value, n), n };
			memcpy(member, &bytes, sizeof(bytes));
			break;
		case KW_COL_TEXT_KIND:
		case KW_COL_CHARS_KIND:
		case KW_COL_ENUM_KIND:
			KW_TRY(read_text(col, value, n, a, member, err));
			break;
		case KW_COL_END_KIND:
			break;
		}
	}
	return KW_OK;
}

static enum kw_rc read_text(const struct kw_col *col, const char *value, size_t n,
	struct kw_arena *a, char *member, struct kw_err *err)
{
	if (col->kind == KW_COL_TEXT_KIND) {
		const char *text = kw_arena_strn(a, value, n);

		memcpy(member, &text, sizeof(text));
	} else if (col->kind == KW_COL_CHARS_KIND) {
		if (n >= col->size)
			return kw_fail(err, KW_FATAL,
				"PostgreSQL: a text of %zu bytes where %zu fit", n, col->size - 1);
		memcpy(member, value, n);
	} else {
		/* binary values end with a NUL of libpq's own */
		int number = kw_strtab_value(col->names, value);

		if (number < 0)
			return kw_fail(err, KW_FATAL,
				"PostgreSQL: \"%.40s\" is no value that this program knows", value);
		memcpy(member, &number, sizeof(number));
	}
	return KW_OK;
}

static bool type_fits(enum kw_col_kind kind, Oid type)
{
	switch (kind) {
	case KW_COL_UUID_KIND:
		return type == KW_OID_UUID;
	case KW_COL_I64_KIND:
		return type == KW_OID_INT8;
	case KW_COL_INT_KIND:
		return type == KW_OID_INT4;
	case KW_COL_BOOL_KIND:
		return type == KW_OID_BOOL;
	case KW_COL_TIME_KIND:
		return type == KW_OID_TIMESTAMPTZ;
	case KW_COL_BYTES_KIND:
		return type == KW_OID_BYTEA;
	case KW_COL_TEXT_KIND:
	case KW_COL_CHARS_KIND:
	case KW_COL_ENUM_KIND:
		return type == KW_OID_TEXT || type == KW_OID_VARCHAR || type == KW_OID_BPCHAR ||
		       type == KW_OID_NAME || type == KW_OID_JSON;
	case KW_COL_END_KIND:
		break;
	}
	return false;
}
