#include "pg_testing.h"

#include <stdio.h>

char test_dsn[512];
struct kw_arena *test_arena;

const struct kw_col number_cols[] = { KW_COL_I64(struct number, n), KW_COL_END };

void test_database(const char *name)
{
	struct kw_pg *pg;

	snprintf(test_dsn, sizeof(test_dsn), "%s", kt_database(kt_unique(name)));
	if (!test_arena)
		test_arena = kw_arena_new((size_t)64 << 20);
	pg = test_pg();
	OK(kw_pg_script(pg,
		"CREATE TABLE rows (id int8 PRIMARY KEY, n int8 NOT NULL);"
		"INSERT INTO rows VALUES (1, 0), (2, 0)",
		&why));
	kw_pg_free(pg);
}

struct kw_pg *test_pg_at(const char *dsn)
{
	return kw_pg_new(&(struct kw_pg_config) { .dsn = dsn, .application = "karwan-test" });
}

struct kw_pg *test_pg(void)
{
	return test_pg_at(test_dsn);
}

struct kt_proxy *test_proxy(kt_proxy_hook *hook, void *ctx, const char **ret_dsn)
{
	static char dsn[512];
	const char *at = strchr(test_dsn, '@'), *slash = at ? strchr(at, '/') : NULL;
	char host[64];
	int port;

	assert_non_null(slash);
	assert_int_equal(sscanf(at, "@%63[^:]:%d", host, &port), 2);
	struct kt_proxy *p = kt_proxy_open(host, port, hook, ctx);
	/* what a proxy cuts must not be encrypted */
	snprintf(dsn, sizeof(dsn), "%.*s@127.0.0.1:%d%s%csslmode=disable", (int)(at - test_dsn),
		test_dsn, kt_proxy_port(p), slash, strchr(slash, '?') ? '&' : '?');
	*ret_dsn = dsn;
	return p;
}

int64_t test_number(struct kw_pg *pg, const struct kw_stmt *stmt)
{
	struct kw_args none = kw_args_of(test_arena);
	struct number row;

	OK(kw_pg_fetch_one(pg, stmt, &none, number_cols, sizeof(row), &row, &why));
	return row.n;
}

int64_t test_row(int64_t id)
{
	static const struct kw_stmt stmt = { "SELECT n FROM rows WHERE id = $1::int8" };
	struct kw_pg *pg = test_pg();
	struct kw_args args = kw_args_of(test_arena);
	struct number row = { -1 };

	kw_args_i64(&args, id);
	assert_true(kw_pg_fetch_one(pg, &stmt, &args, number_cols, sizeof(row), &row, NULL) <=
		    KW_NOTHING);
	kw_pg_free(pg);
	return row.n;
}

void test_terminate(struct kw_pg *pg)
{
	static const struct kw_stmt pid = { "SELECT pg_backend_pid()::int8" };
	static const struct kw_stmt terminate = {
		"SELECT pg_terminate_backend($1::int8::int4, 10000)::int4::int8"
	};
	struct kw_pg *other = test_pg();
	struct kw_args args = kw_args_of(test_arena);
	struct number row;

	kw_args_i64(&args, test_number(pg, &pid));
	OK(kw_pg_fetch_one(other, &terminate, &args, number_cols, sizeof(row), &row, &why));
	assert_int_equal(row.n, 1);
	kw_pg_free(other);
}

/* ---- work in transactions ---- */

enum { ADD, FIND_LOCKED, ZERO };

static const struct kw_stmt stmts[] = {
	[ADD] = { "UPDATE rows SET n = n + $2::int8 WHERE id = $1::int8" },
	[FIND_LOCKED] = { "SELECT n FROM rows WHERE id = $1::int8 FOR UPDATE" },
	[ZERO] = { "UPDATE rows SET n = 0" },
};

enum kw_rc test_add(struct kw_pg *pg, int64_t id, int64_t by, struct kw_err *err)
{
	/* of its own: the two threads of a deadlock come here */
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(65536);
	struct kw_args args = kw_args_of(a);
	size_t affected;

	kw_args_i64(&args, id);
	kw_args_i64(&args, by);
	KW_TRY(kw_pg_exec(pg, &stmts[ADD], &args, &affected, err));
	return affected == 1 ? KW_OK : kw_fail(err, KW_FATAL, "no row");
}

enum kw_rc test_find_locked(struct kw_pg *pg, int64_t id, int64_t *ret, struct kw_err *err)
{
	struct kw_args args = kw_args_of(test_arena);
	struct number row;

	kw_args_i64(&args, id);
	KW_TRY(kw_pg_fetch_one(
		pg, &stmts[FIND_LOCKED], &args, number_cols, sizeof(row), &row, err));
	*ret = row.n;
	return KW_OK;
}

enum kw_rc test_add_one(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct test_work *w = ctx;

	w->runs++;
	if (w->set)
		KW_TRY(kw_pg_script(pg, w->set, err));
	KW_TRY(test_add(pg, w->id, 1, err));
	return w->result;
}

int test_reset(void **state)
{
	struct kw_pg *pg = test_pg();

	(void)state;
	kw_arena_reset(test_arena);
	OK(kw_pg_exec(pg, &stmts[ZERO], NULL, NULL, &why));
	kw_pg_free(pg);
	return 0;
}
