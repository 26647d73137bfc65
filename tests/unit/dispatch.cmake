# Tests of services/courier-dispatch that need no server.
if(TARGET kw_dispatch)
  kw_test(dispatch_states unit SOURCES dispatch_states_test.c USES kw_dispatch)
  kw_test(dispatch_rules unit SOURCES dispatch_rules_test.c USES kw_dispatch)
  kw_test(dispatch_label unit SOURCES dispatch_label_test.c USES kw_dispatch)
  kw_test(dispatch_adapter unit SOURCES dispatch_adapter_test.c USES kw_dispatch)
  add_test(NAME unit.zpl COMMAND python3 ${CMAKE_CURRENT_SOURCE_DIR}/zpl_test.py)
  set_tests_properties(unit.zpl PROPERTIES LABELS unit TIMEOUT 60)
endif()
