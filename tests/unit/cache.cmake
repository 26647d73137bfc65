# Tests of common/cache, on a real Redis and on one that is killed.
kw_test(cache servers SOURCES cache_test.c cache_testing.c USES kw_cache kt_support kw_test_proxy THIRD PkgConfig::HIREDIS)
kw_test(cache_away servers SOURCES cache_away_test.c cache_testing.c USES kw_cache kt_support kw_test_proxy THIRD PkgConfig::HIREDIS)
