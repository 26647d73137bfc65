# Tests of common/pg, on a real PostgreSQL.
kw_test(pg_rows servers SOURCES pg_rows_test.c USES kw_pg kt_support)
kw_test(pg_tx servers SOURCES pg_tx_test.c pg_testing.c USES kw_pg kt_support kw_test_proxy)
kw_test(pg_commit servers SOURCES pg_commit_test.c pg_testing.c USES kw_pg kt_support kw_test_proxy)
kw_test(pg_session servers SOURCES pg_session_test.c pg_testing.c USES kw_pg kt_support kw_test_proxy)
kw_test(pg_migrate servers SOURCES pg_migrate_test.c pg_testing.c USES kw_pg kt_support kw_test_proxy)
