# Tests of common/core.
kw_test(core_money unit SOURCES core_money_test.c vectors.c USES kw_core)
kw_test(core_clock unit SOURCES core_clock_test.c vectors.c USES kw_core)
kw_test(core_id unit SOURCES core_id_test.c vectors.c USES kw_core)
kw_test(core_memory unit SOURCES core_memory_test.c USES kw_core)
kw_test(core_tables unit SOURCES core_tables_test.c USES kw_core)
kw_test(core_log unit SOURCES core_log_test.c USES kw_json)
kw_test(core_cnic unit SOURCES core_cnic_test.c USES kw_core)
kw_test(core_csv unit SOURCES core_csv_test.c USES kw_core)
