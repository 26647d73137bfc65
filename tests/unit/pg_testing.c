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
