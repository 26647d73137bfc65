/* Every kind of column to the server and back: scalars, arrays of 0, 1 and 2000 rows, NULLs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pg/pg.h"
#include "support.h"

#define ROWS 2000

enum { RED, GREEN, BLUE };
static const char *const colour_names[] = { "RED", "GREEN", "BLUE" };
static const struct kw_strtab colours = KW_STRTAB(colour_names);

struct thing {
	int64_t no;
	struct kw_uuid id;
	const char *name;
	struct kw_money price;
	int count;
	bool good;
	kw_time at;
	struct kw_bytes blob;
	int colour;
};

static const struct kw_col thing_cols[] = {
	KW_COL_I64(struct thing, no),
	KW_COL_UUID(struct thing, id),
	KW_COL_TEXT(struct thing, name),
	KW_COL_MONEY(struct thing, price),
	KW_COL_INT(struct thing, count),
	KW_COL_BOOL(struct thing, good),
	KW_COL_TIME(struct thing, at),
	KW_COL_BYTES(struct thing, blob),
	KW_COL_ENUM(struct thing, colour, &colours),
	KW_COL_END,
};

enum { INSERT_MANY, INSERT_ONE, FIND_ALL, FIND_BY_NO, CLEAR, ECHO, COUNT_NULLS };

static const struct kw_stmt stmts[] = {
	[INSERT_MANY] = { "INSERT INTO things SELECT * FROM unnest($1::int8[], $2::uuid[], "
			  "$3::text[], $4::int8[], "
			  "$5::text[], $6::int4[], $7::bool[], $8::timestamptz[], $9::bytea[], "
			  "$10::text[])" },
	[INSERT_ONE] = { "INSERT INTO things VALUES ($1::int8, $2::uuid, $3::text, $4::int8, "
			 "$5::text, $6::int4, "
			 "$7::bool, $8::timestamptz, $9::bytea, $10::text)" },
	[FIND_ALL] = { "SELECT * FROM things ORDER BY no" },
	[FIND_BY_NO] = { "SELECT * FROM things WHERE no >= $1::int8 ORDER BY no" },
	[CLEAR] = { "DELETE FROM things" },
	[ECHO] = { "SELECT $1::int8, $2::uuid, $3::text, $4::int8, 'PKR', $5::int4, $6::bool, "
		   "$7::timestamptz, "
		   "$8::bytea, 'BLUE'" },
	[COUNT_NULLS] = { "SELECT no, id, name, price, currency, count, good, at, blob, colour "
			  "FROM things "
			  "WHERE num_nulls(id, name, currency, at, blob, colour) = 6" },
};

struct fixture {
	struct kw_pg *pg;
	struct kw_arena *a;
};

static int set_up(void **state)
{
	static struct fixture f;
	struct kw_err err = { 0 };

	f.pg = kw_pg_new(&(struct kw_pg_config) {
		.dsn = kt_database(kt_unique("kw-pg-rows")), .application = "pg_rows_test" });
	f.a = kw_arena_new((size_t)64 << 20);
	if (kw_pg_script(f.pg,
		    "CREATE TABLE things (no int8, id uuid, name text, price int8, currency text, "
		    "count int4, good bool, at timestamptz, blob bytea, colour text)",
		    &err) != KW_OK)
		fail_msg("%s", err.reason);
	*state = &f;
	return 0;
}

static int clear(void **state)
{
	struct fixture *f = *state;

	kw_arena_reset(f->a);
	return kw_pg_exec(f->pg, &stmts[CLEAR], NULL, NULL, NULL) == KW_OK ? 0 : -1;
}

#define OK(call)                                                            \
	do {                                                                \
		struct kw_err err = { 0 };                                  \
		if ((call) != KW_OK)                                        \
			fail_msg("%s: %s %s", #call, err.code, err.reason); \
	} while (0)

/* Every third value of what can be NULL is. */
static struct thing thing_no(struct kw_arena *a, int64_t i)
{
	static const int64_t numbers[] = { 0, 1, -1, INT64_MAX, INT64_MIN, 1234567890123 };
	static const int ints[] = { 0, 1, -1, INT32_MAX, INT32_MIN };
	struct thing t = { .no = i, .count = ints[i % 5], .good = i % 2 };

	t.price.minor = numbers[i % 6];
	if (i % 3 != 0) {
		t.id = kw_uuid_of("thing", kw_arena_printf(a, "%d", (int)i));
		/* empty is not NULL */
		t.name =
			i % 7 == 0 ? "" : kw_arena_printf(a, "چادر \"%d\", 'it''s' \\ {x}", (int)i);
		memcpy(t.price.currency, i % 2 ? "PKR" : "JPY", 4);
		t.at = 1767225600000001 + i * 7919 - (i % 5 ? 0 : 1800000000000000);
		t.blob = (struct kw_bytes) { kw_arena_copy(a, "\0\xff\n\\", 4), (size_t)(i % 5) };
		t.colour = (int)(i % 3);
	} else {
		t.colour = -1;
	}
	return t;
}

static void same(const struct thing *x, const struct thing *y)
{
	assert_true(x->no == y->no && x->count == y->count && x->good == y->good);
	assert_true(x->at == y->at && x->colour == y->colour);
	assert_string_equal(x->id.s, y->id.s);
	assert_int_equal(x->price.minor, y->price.minor);
	assert_string_equal(x->price.currency, y->price.currency);
	assert_true(!x->name == !y->name && !x->blob.p == !y->blob.p);
	if (x->name)
		assert_string_equal(x->name, y->name);
	assert_int_equal(x->blob.n, y->blob.n);
	if (x->blob.p)
		assert_memory_equal(x->blob.p, y->blob.p, x->blob.n);
}

static void arrays(struct fixture *f, size_t n)
{
	struct thing *in = kw_new(f->a, struct thing, n), *out;
	struct kw_args args = kw_args_of(f->a), none = kw_args_of(f->a);
	size_t affected, n_out;

	for (size_t i = 0; i < n; i++)
		in[i] = thing_no(f->a, (int64_t)i);
	kw_args_rows(&args, thing_cols, in, n, sizeof(*in));
	OK(kw_pg_exec(f->pg, &stmts[INSERT_MANY], &args, &affected, &err));
	assert_int_equal(affected, n);
	OK(kw_pg_fetch(
		f->pg, &stmts[FIND_ALL], &none, thing_cols, sizeof(*out), &out, &n_out, &err));
	assert_int_equal(n_out, n);
	assert_non_null(out);
	for (size_t i = 0; i < n; i++)
		same(&in[i], &out[i]);
	OK(kw_pg_fetch(
		f->pg, &stmts[COUNT_NULLS], &none, thing_cols, sizeof(*out), &out, &n_out, &err));
	assert_int_equal(n_out, (n + 2) / 3);
}

static void array_of_none(void **state)
{
	arrays(*state, 0);
}

static void array_of_one(void **state)
{
	arrays(*state, 1);
}

static void array_of_many(void **state)
{
	arrays(*state, ROWS);
}

/* The array's fields do not depend on what lies beside them in memory. */
static void array_of_two(void **state)
{
	arrays(*state, 2);
}

static void one_struct(void **state)
{
	struct fixture *f = *state;

	for (int64_t i = 0; i < 12; i++) {
		struct thing in = thing_no(f->a, i), out;
		struct kw_args args = kw_args_of(f->a);

		OK(clear(state) == 0 ? KW_OK : kw_fail(&err, KW_FATAL, "clear"));
		in = thing_no(f->a, i);
		kw_args_row(&args, thing_cols, &in);
		OK(kw_pg_exec(f->pg, &stmts[INSERT_ONE], &args, NULL, &err));
		args = kw_args_of(f->a);
		kw_args_i64(&args, i);
		OK(kw_pg_fetch_one(
			f->pg, &stmts[FIND_BY_NO], &args, thing_cols, sizeof(out), &out, &err));
		same(&in, &out);
	}
}

static void scalars(void **state)
{
	struct fixture *f = *state;
	struct kw_args args = kw_args_of(f->a);
	struct kw_uuid id = kw_uuid_of("scalar");
	struct thing out;

	kw_args_i64(&args, INT64_MIN);
	kw_args_uuid(&args, &id);
	kw_args_text(&args, "x");
	kw_args_i64(&args, 42);
	kw_args_int(&args, INT32_MIN);
	kw_args_bool(&args, true);
	kw_args_time(&args, 1);
	kw_args_bytes(&args, (struct kw_bytes) { "", 0 });
	OK(kw_pg_fetch_one(f->pg, &stmts[ECHO], &args, thing_cols, sizeof(out), &out, &err));
	assert_true(
		out.no == INT64_MIN && out.price.minor == 42 && out.count == INT32_MIN && out.good);
	assert_string_equal(out.id.s, id.s);
	assert_string_equal(out.name, "x");
	assert_string_equal(out.price.currency, "PKR");
	assert_int_equal(out.at, 1);
	assert_non_null(out.blob.p);
	assert_int_equal(out.blob.n, 0);
	assert_int_equal(out.colour, BLUE);
}

static void scalar_nulls(void **state)
{
	struct fixture *f = *state;
	struct kw_args args = kw_args_of(f->a);
	struct thing out;

	kw_args_i64(&args, 0);
	kw_args_uuid(&args, &(struct kw_uuid) { "" });
	kw_args_text(&args, NULL);
	kw_args_i64(&args, 0);
	kw_args_int(&args, 0);
	kw_args_bool(&args, false);
	kw_args_time(&args, 0);
	kw_args_bytes(&args, (struct kw_bytes) { NULL, 0 });
	OK(kw_pg_fetch_one(f->pg, &stmts[ECHO], &args, thing_cols, sizeof(out), &out, &err));
	assert_string_equal(out.id.s, "");
	assert_null(out.name);
	assert_int_equal(out.at, 0);
	assert_null(out.blob.p);
}

struct ends {
	kw_time first, last, forever;
	bool check;
	int64_t no_i64;
	int no_int;
	bool no_bool;
};

static const struct kw_col ends_cols[] = {
	KW_COL_TIME(struct ends, first),
	KW_COL_TIME(struct ends, last),
	KW_COL_TIME(struct ends, forever),
	KW_COL_BOOL(struct ends, check),
	KW_COL_I64(struct ends, no_i64),
	KW_COL_INT(struct ends, no_int),
	KW_COL_BOOL(struct ends, no_bool),
	KW_COL_END,
};

/* Times at the ends of the range, and NULLs where the struct has no NULL. */
static void ends(void **state)
{
	static const struct kw_stmt stmt = {
		"SELECT $1::timestamptz, '294276-12-31 23:59:59.999999Z'::timestamptz, "
		"$2::timestamptz, "
		"$1::timestamptz = '-infinity' AND $2::timestamptz = 'infinity', NULL::int8, "
		"NULL::int4, NULL::bool"
	};
	struct fixture *f = *state;
	struct kw_args args = kw_args_of(f->a);
	struct ends out;

	kw_args_time(&args, INT64_MIN);
	kw_args_time(&args, INT64_MAX);
	OK(kw_pg_fetch_one(f->pg, &stmt, &args, ends_cols, sizeof(out), &out, &err));
	assert_true(out.first == INT64_MIN && out.forever == INT64_MAX && out.check);
	assert_true(out.last == INT64_MAX); /* past the end of our range: cut */
	assert_true(out.no_i64 == 0 && out.no_int == 0 && !out.no_bool);
}

struct number {
	int64_t n;
};

static const struct kw_col number_cols[] = { KW_COL_I64(struct number, n), KW_COL_END };

static enum kw_rc fetch_number(
	struct fixture *f, const struct kw_stmt *stmt, int64_t *ret, struct kw_err *err)
{
	struct kw_args none = kw_args_of(f->a);
	struct number row = { -7 };
	enum kw_rc rc = kw_pg_fetch_one(f->pg, stmt, &none, number_cols, sizeof(row), &row, err);

	*ret = row.n;
	return rc;
}

static void what_does_not_fit(void **state)
{
	static const struct kw_stmt wrong[] = {
		{ "SELECT 1::int4" },
		{ "SELECT 1::int8, 2::int8" },
		{ "SELECT n::int8 FROM generate_series(1, 2) n" },
		{ "SELECT 'x'::text" },
	};
	struct fixture *f = *state;
	int64_t n;

	for (size_t i = 0; i < KW_LEN(wrong); i++) {
		struct kw_err err = { 0 };

		assert_int_equal(fetch_number(f, &wrong[i], &n, &err), KW_FATAL);
		assert_int_equal(n, -7);
		assert_true(err.reason[0]);
	}
	static const struct kw_stmt none = { "SELECT 1::int8 WHERE false" };
	assert_int_equal(fetch_number(f, &none, &n, NULL), KW_NOTHING);
	assert_int_equal(n, -7);
}

static void texts_that_do_not_fit(void **state)
{
	static const struct kw_stmt colour = { "SELECT 'MAUVE'::text" },
				    currency = { "SELECT 'RUPEES'::text" };
	static const struct kw_col colour_cols[] = { KW_COL_ENUM(struct thing, colour, &colours),
		KW_COL_END };
	static const struct kw_col currency_cols[] = { KW_COL_CHARS(struct thing, price.currency),
		KW_COL_END };
	struct fixture *f = *state;
	struct kw_args none = kw_args_of(f->a);
	struct thing out;
	struct kw_err err = { 0 };

	assert_int_equal(
		kw_pg_fetch_one(f->pg, &colour, &none, colour_cols, sizeof(out), &out, &err),
		KW_FATAL);
	assert_non_null(strstr(err.reason, "MAUVE"));
	assert_int_equal(
		kw_pg_fetch_one(f->pg, &currency, &none, currency_cols, sizeof(out), &out, &err),
		KW_FATAL);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	kw_pg_free(f->pg);
	kw_arena_free(f->a);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(array_of_none, clear),
		cmocka_unit_test_setup(array_of_one, clear),
		cmocka_unit_test_setup(array_of_two, clear),
		cmocka_unit_test_setup(array_of_many, clear),
		cmocka_unit_test_setup(one_struct, clear),
		cmocka_unit_test_setup(scalars, clear),
		cmocka_unit_test_setup(scalar_nulls, clear),
		cmocka_unit_test_setup(ends, clear),
		cmocka_unit_test_setup(what_does_not_fit, clear),
		cmocka_unit_test_setup(texts_that_do_not_fit, clear),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
