/* Arguments of statements in PostgreSQL's binary format, written straight into the arena: scalars,
 * and one array per column of an array of structs. Layout of arrays: array_recv in
 * src/backend/utils/adt/arrayfuncs.c. */
#include <endian.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "pg/impl.h"

#define ARRAY_HEADER \
	20 /* dimensions, has NULLs, element type, length, lower bound: four bytes each */
#define IS_NULL SIZE_MAX

static void add(struct kw_args *args, const void *value, size_t n);
static size_t value_size(const struct kw_col *col, const char *row);
static void value_write(const struct kw_col *col, const char *row, char *to, size_t n);
static uint32_t element_type(const struct kw_col *col);

static char *put_u32(char *to, uint32_t v)
{
	v = htobe32(v);
	memcpy(to, &v, sizeof(v));
	return to + sizeof(v);
}

static void put_i64(char *to, int64_t v)
{
	uint64_t n = htobe64((uint64_t)v);

	memcpy(to, &n, sizeof(n));
}

struct kw_args kw_args_of(struct kw_arena *a)
{
	struct kw_args args;

	/* the arrays are filled as arguments come: clearing them would cost more than the call */
	args.arena = a;
	args.n = 0;
	return args;
}

void kw_args_i64(struct kw_args *args, int64_t v)
{
	char *to = kw_arena_alloc(args->arena, 1, 8);

	put_i64(to, v);
	add(args, to, 8);
}

void kw_args_int(struct kw_args *args, int v)
{
	char *to = kw_arena_alloc(args->arena, 1, 4);

	put_u32(to, (uint32_t)v);
	add(args, to, 4);
}

void kw_args_bool(struct kw_args *args, bool v)
{
	add(args, v ? "\1" : "\0", 1);
}

void kw_args_text(struct kw_args *args, const char *v)
{
	add(args, kw_arena_str(args->arena, v), v ? strlen(v) : 0);
}

void kw_args_uuid(struct kw_args *args, const struct kw_uuid *v)
{
	uint8_t *to = NULL;

	if (v && v->s[0]) {
		to = kw_arena_alloc(args->arena, 1, 16);
		kw_uuid_to_bytes(v, to);
	}
	add(args, to, 16);
}

void kw_args_time(struct kw_args *args, kw_time v)
{
	static const struct kw_col col = { KW_COL_TIME_KIND, 0, 0, NULL };

	kw_args_row(args, (const struct kw_col[]) { col, KW_COL_END }, &v);
}

void kw_args_bytes(struct kw_args *args, struct kw_bytes v)
{
	add(args, v.p ? kw_arena_copy(args->arena, v.p, v.n) : NULL, v.n);
}

void kw_args_rows(struct kw_args *args, const struct kw_col *cols, const void *rows, size_t n,
	size_t row_size)
{
	for (const struct kw_col *col = cols; col->kind != KW_COL_END_KIND; col++) {
		size_t total = n ? ARRAY_HEADER : 12;
		bool nulls = false;

		for (size_t i = 0; i < n; i++) {
			size_t size = value_size(col, (const char *)rows + i * row_size);
			total += 4 + (size == IS_NULL ? 0 : size);
			nulls |= size == IS_NULL;
		}
		kw_assert(total <= INT_MAX);
		char *to = kw_arena_alloc(args->arena, 1, total);
		add(args, to, total);
		to = put_u32(to, n ? 1 : 0);
		to = put_u32(to, nulls);
		to = put_u32(to, element_type(col));
		if (n == 0)
			continue;
		to = put_u32(to, (uint32_t)n);
		to = put_u32(to, 1);
		for (size_t i = 0; i < n; i++) {
			const char *row = (const char *)rows + i * row_size;
			size_t size = value_size(col, row);

			to = put_u32(to, size == IS_NULL ? UINT32_MAX : (uint32_t)size);
			if (size == IS_NULL)
				continue;
			value_write(col, row, to, size);
			to += size;
		}
	}
}

void kw_args_row(struct kw_args *args, const struct kw_col *cols, const void *row)
{
	for (const struct kw_col *col = cols; col->kind != KW_COL_END_KIND; col++) {
		size_t size = value_size(col, row);
		char *to = NULL;

		if (size != IS_NULL) {
			to = kw_arena_alloc(args->arena, 1, size);
			value_write(col, row, to, size);
		}
		add(args, to, size == IS_NULL ? 0 : size);
	}
}

static void add(struct kw_args *args, const void *value, size_t n)
{
	kw_assert(args->n < KW_ARGS_MAX && n <= INT_MAX);
	args->values[args->n] = value;
	args->lengths[args->n++] = (int)n;
}

static const char *enum_name(const struct kw_col *col, const char *member)
{
	int value;

	memcpy(&value, member, sizeof(value));
	if (value == -1)
		return NULL;
	const char *name = kw_strtab_name(col->names, value);
	kw_assert(name);
	return name;
}

static const char *text_of(const char *member)
{
	const char *text;

	memcpy(&text, member, sizeof(text));
	return text;
}

/* Bytes of the value, or IS_NULL. */
static size_t value_size(const struct kw_col *col, const char *row)
{
	const char *member = row + col->offset;
	struct kw_bytes bytes;
	kw_time time;

	switch (col->kind) {
	case KW_COL_UUID_KIND:
		return member[0] ? 16 : IS_NULL;
	case KW_COL_TEXT_KIND:
		return text_of(member) ? strlen(text_of(member)) : IS_NULL;
	case KW_COL_CHARS_KIND:
		return member[0] ? strnlen(member, col->size) : IS_NULL;
	case KW_COL_I64_KIND:
		return 8;
	case KW_COL_INT_KIND:
		return 4;
	case KW_COL_BOOL_KIND:
		return 1;
	case KW_COL_TIME_KIND:
		memcpy(&time, member, sizeof(time));
		return time ? 8 : IS_NULL;
	case KW_COL_BYTES_KIND:
		memcpy(&bytes, member, sizeof(bytes));
		return bytes.p ? bytes.n : IS_NULL;
	case KW_COL_ENUM_KIND:
		return enum_name(col, member) ? strlen(enum_name(col, member)) : IS_NULL;
	case KW_COL_END_KIND:
		break;
	}
	kw_assert(!"a column kind");
	return 0;
}

static void value_write(const struct kw_col *col, const char *row, char *to, size_t n)
{
	const char *member = row + col->offset;
	struct kw_bytes bytes;
	int64_t i64;
	int i;

	switch (col->kind) {
	case KW_COL_UUID_KIND:
		kw_uuid_to_bytes((const struct kw_uuid *)member, (uint8_t *)to);
		break;
	case KW_COL_TEXT_KIND:
		memcpy(to, text_of(member), n);
		break;
	case KW_COL_CHARS_KIND:
		memcpy(to, member, n);
		break;
	case KW_COL_I64_KIND:
		memcpy(&i64, member, sizeof(i64));
		put_i64(to, i64);
		break;
	case KW_COL_INT_KIND:
		memcpy(&i, member, sizeof(i));
		put_u32(to, (uint32_t)i);
		break;
	case KW_COL_BOOL_KIND:
		*to = member[0] != 0;
		break;
	case KW_COL_TIME_KIND:
		memcpy(&i64, member, sizeof(i64));
		/* the ends of our range are the server's infinities */
		if (i64 != INT64_MAX && __builtin_sub_overflow(i64, KW_PG_EPOCH_US, &i64))
			i64 = INT64_MIN;
		put_i64(to, i64);
		break;
	case KW_COL_BYTES_KIND:
		memcpy(&bytes, member, sizeof(bytes));
		memcpy(to, bytes.p, n);
		break;
	case KW_COL_ENUM_KIND:
		memcpy(to, enum_name(col, member), n);
		break;
	case KW_COL_END_KIND:
		break;
	}
}

static uint32_t element_type(const struct kw_col *col)
{
	static const uint32_t types[] = {
		[KW_COL_UUID_KIND] = KW_OID_UUID,
		[KW_COL_TEXT_KIND] = KW_OID_TEXT,
		[KW_COL_CHARS_KIND] = KW_OID_TEXT,
		[KW_COL_I64_KIND] = KW_OID_INT8,
		[KW_COL_INT_KIND] = KW_OID_INT4,
		[KW_COL_BOOL_KIND] = KW_OID_BOOL,
		[KW_COL_TIME_KIND] = KW_OID_TIMESTAMPTZ,
		[KW_COL_BYTES_KIND] = KW_OID_BYTEA,
		[KW_COL_ENUM_KIND] = KW_OID_TEXT,
	};
	return types[col->kind];
}
