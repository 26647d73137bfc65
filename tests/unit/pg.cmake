# Tests of common/pg, on a real PostgreSQL.
kw_test(pg_rows servers SOURCES pg_rows_test.c USES kw_pg kt_support)
