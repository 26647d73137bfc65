/* Migrations of a schema: once, twice, two runners at a time, changed and unknown files, failures.
 */
#include <pthread.h>
#include <stdio.h>

#include "pg/migrate.h"
#include "pg_testing.h"

static const struct kw_migration base[] = {
	{ "000_base.sql", "CREATE TABLE base (n int8);\nINSERT INTO base VALUES (1);\n" },
	{ 0 },
};
static const struct kw_migration own[] = {
	{ "001_own.sql",
		"CREATE TABLE own (n int8); CREATE VIEW pairs AS SELECT own.n FROM own, base" },
	{ "002_more.sql", "ALTER TABLE own ADD COLUMN note text DEFAULT 'it''s; $1 \"fine\"'" },
	{ 0 },
};
static const struct kw_migration *const sets[] = { base, own, NULL };
static const struct kw_migration *const base_only[] = { base, NULL };

static size_t migrate(struct kw_pg *pg, const char *schema, const struct kw_migration *const *files)
{
	size_t applied = 99;
	struct kw_migrate_target target = { .schema = schema, .sets = files };

	OK(kw_pg_migrate(pg, &target, &applied, &why));
	return applied;
}

static enum kw_rc try_migrate(struct kw_pg *pg, const char *schema,
	const struct kw_migration *const *files, struct kw_err *err)
{
	size_t applied = 99;
	struct kw_migrate_target target = { .schema = schema, .sets = files };
	enum kw_rc rc = kw_pg_migrate(pg, &target, &applied, err);

	assert_true(rc == KW_OK || applied == 99);
	return rc;
}

static void twice(void **state)
{
	static const struct kw_stmt count = { "SELECT count(*) FROM twice.base, twice.migrations" };
	struct kw_pg *pg = test_pg();

	(void)state;
	assert_int_equal(migrate(pg, "twice", base_only), 1);
	assert_int_equal(migrate(pg, "twice", sets), 2);
	assert_int_equal(migrate(pg, "twice", sets), 0);
	assert_int_equal(test_number(pg, &count), 3);
	/* nothing of the runs stays in the session */
	OK(kw_pg_script(pg, "CREATE TABLE in_public (n int)", &why));
	OK(kw_pg_script(pg, "DROP TABLE public.in_public", &why));
	kw_pg_free(pg);
}

static void odd_names(void **state)
{
	struct kw_pg *pg = test_pg();

	(void)state;
	assert_int_equal(migrate(pg, "Odd \"name\" 'x'", sets), 3);
	assert_int_equal(migrate(pg, "Odd \"name\" 'x'", sets), 0);
	kw_pg_free(pg);
}

static void changed_text(void **state)
{
	static const struct kw_migration other[] = {
		{ "000_base.sql", "CREATE TABLE base (n int4)" }, { 0 }
	};
	static const struct kw_migration *const changed[] = { other, own, NULL };
	static const struct kw_stmt tables = {
		"SELECT count(*) FROM pg_tables WHERE schemaname = 'changed' AND tablename = 'own'"
	};
	struct kw_pg *pg = test_pg();
	struct kw_err err = { 0 };

	(void)state;
	assert_int_equal(migrate(pg, "changed", base_only), 1);
	assert_int_equal(try_migrate(pg, "changed", changed, &err), KW_CONFLICT);
	assert_string_equal(err.code, "CHECKSUM");
	assert_non_null(strstr(err.reason, "000_base.sql"));
	/* nothing after it was applied either */
	assert_int_equal(test_number(pg, &tables), 0);
	kw_pg_free(pg);
}

static void older_program(void **state)
{
	struct kw_pg *pg = test_pg();
	struct kw_err err = { 0 };

	(void)state;
	assert_int_equal(migrate(pg, "newer", sets), 3);
	assert_int_equal(try_migrate(pg, "newer", base_only, &err), KW_CONFLICT);
	assert_string_equal(err.code, "CHECKSUM");
	assert_non_null(strstr(err.reason, "001_own.sql"));
	kw_pg_free(pg);
}

/* A file is applied whole or not at all; those before it stay. */
static void failing_file(void **state)
{
	static const struct kw_migration bad[] = {
		{ "001_own.sql", "CREATE TABLE own (n int8);\n-- چادر\nSELECT no_such_function()" },
		{ "002_more.sql", "CREATE TABLE more (n int8)" },
		{ 0 },
	};
	static const struct kw_migration *const failing[] = { base, bad, NULL };
	static const struct kw_stmt tables = {
		"SELECT count(*) FROM pg_tables WHERE schemaname = 'failing' AND tablename <> "
		"'migrations'"
	};
	struct kw_pg *pg = test_pg();
	struct kw_err err = { 0 };

	(void)state;
	assert_int_equal(try_migrate(pg, "failing", failing, &err), KW_FATAL);
	assert_string_equal(err.code, "42883");
	assert_non_null(strstr(err.reason, "failing.001_own.sql"));
	assert_non_null(strstr(err.reason, "line 3"));
	assert_int_equal(test_number(pg, &tables), 1);
	assert_int_equal(migrate(pg, "failing", sets), 2);
	kw_pg_free(pg);
}

struct runner {
	struct kw_pg *pg;
	pthread_barrier_t *start;
	size_t applied;
	enum kw_rc rc;
};

static void *run(void *arg)
{
	struct runner *r = arg;
	struct kw_migrate_target target = { .schema = "raced", .sets = sets };

	r->rc = kw_pg_connect(r->pg, NULL);
	pthread_barrier_wait(r->start);
	if (r->rc == KW_OK)
		r->rc = kw_pg_migrate(r->pg, &target, &r->applied, NULL);
	return NULL;
}

static void several_at_once(void **state)
{
	enum { N = 4 };
	pthread_barrier_t start;
	pthread_t threads[N];
	struct runner runners[N];
	size_t applied = 0;

	(void)state;
	for (int round = 0; round < 5; round++) {
		struct kw_pg *pg = test_pg();
		OK(kw_pg_script(pg, "DROP SCHEMA IF EXISTS raced CASCADE", &why));
		kw_pg_free(pg);
		pthread_barrier_init(&start, NULL, N);
		for (int i = 0; i < N; i++) {
			runners[i] = (struct runner) { .pg = test_pg(), .start = &start };
			assert_int_equal(pthread_create(&threads[i], NULL, run, &runners[i]), 0);
		}
		applied = 0;
		for (int i = 0; i < N; i++) {
			pthread_join(threads[i], NULL);
			assert_int_equal(runners[i].rc, KW_OK);
			applied += runners[i].applied;
			kw_pg_free(runners[i].pg);
		}
		pthread_barrier_destroy(&start);
		assert_int_equal(applied, 3);
	}
}

static void owner(void **state)
{
	static const struct kw_stmt owned = {
		"SELECT count(*) FROM (SELECT nspowner AS o FROM pg_namespace WHERE nspname = "
		"'owned' UNION ALL "
		"SELECT relowner FROM pg_class WHERE relnamespace = 'owned'::regnamespace AND "
		"relkind IN ('r', 'v')) x "
		"JOIN pg_roles r ON r.oid = x.o WHERE r.rolname = 'kw test owner'"
	};
	static const struct kw_stmt me = { "SELECT (current_user = session_user)::int4::int8" };
	struct kw_pg *pg = test_pg();
	struct kw_migrate_target target = {
		.schema = "owned", .owner = "kw test owner", .sets = sets
	};
	size_t applied;

	(void)state;
	/* roles belong to the server: another run of this test may be using it, so it stays */
	OK(kw_pg_script(pg,
		"DO $$ BEGIN CREATE ROLE \"kw test owner\" NOLOGIN; "
		"EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$",
		&why));
	OK(kw_pg_migrate(pg, &target, &applied, &why));
	assert_int_equal(applied, 3);
	assert_int_equal(test_number(pg, &owned), 1 + 4);
	assert_int_equal(test_number(pg, &me), 1);
	kw_pg_free(pg);
}

/* ---- the reply to a COMMIT of a file is lost ---- */

static enum kt_verdict cut_commit_of_more(
	void *ctx, int connection, bool to_server, const void *bytes, size_t n)
{
	int *seen = ctx; /* 1: the file is being applied; 2: its COMMIT went */

	(void)connection;
	if (*seen == 0 && to_server && kt_bytes_contain(bytes, n, "ADD COLUMN"))
		*seen = 1;
	else if (*seen == 1 && to_server && kt_bytes_contain(bytes, n, "COMMIT"))
		*seen = 2;
	else if (*seen == 2 && !to_server) {
		*seen = 3;
		return KT_CUT;
	}
	return KT_PASS;
}

static void lost_commit(void **state)
{
	int seen = 0;
	const char *dsn;
	struct kt_proxy *proxy = test_proxy(cut_commit_of_more, &seen, &dsn);
	struct kw_pg *pg = test_pg_at(dsn);

	(void)state;
	assert_int_equal(migrate(pg, "lost", sets), 3);
	assert_int_equal(kw_pg_sessions(pg), 2);
	assert_int_equal(migrate(pg, "lost", sets), 0);
	kw_pg_free(pg);
	kt_proxy_close(proxy);
	assert_int_equal(seen, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(twice),
		cmocka_unit_test(odd_names),
		cmocka_unit_test(changed_text),
		cmocka_unit_test(older_program),
		cmocka_unit_test(failing_file),
		cmocka_unit_test(several_at_once),
		cmocka_unit_test(owner),
		cmocka_unit_test(lost_commit),
	};
	test_database("kw-pg-migrate");
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	kw_arena_free(test_arena);
	return failed;
}
