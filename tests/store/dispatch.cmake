# Tests of services/courier-dispatch on a real PostgreSQL, with its own login.
if(TARGET kw_dispatch)
  kw_test(dispatch_store servers SOURCES ${CMAKE_CURRENT_LIST_DIR}/dispatch_store_test.c
    ${CMAKE_CURRENT_LIST_DIR}/dispatch_testing.c USES kw_dispatch kw_dispatch_sql kt_support)
  kw_test(dispatch_tracking servers SOURCES ${CMAKE_CURRENT_LIST_DIR}/dispatch_tracking_test.c
    ${CMAKE_CURRENT_LIST_DIR}/dispatch_testing.c USES kw_dispatch kw_dispatch_sql kt_support)
  kw_test(dispatch_words servers SOURCES ${CMAKE_CURRENT_LIST_DIR}/dispatch_words_test.c
    ${CMAKE_CURRENT_LIST_DIR}/dispatch_testing.c USES kw_dispatch kw_dispatch_sql kt_support)
  kw_test(dispatch_booking servers SOURCES ${CMAKE_CURRENT_LIST_DIR}/dispatch_booking_test.c
    ${CMAKE_CURRENT_LIST_DIR}/dispatch_testing.c USES kw_dispatch kw_dispatch_sql kw_courier_simulator kt_support)
  kw_test(dispatch_races servers SOURCES ${CMAKE_CURRENT_LIST_DIR}/dispatch_races_test.c
    ${CMAKE_CURRENT_LIST_DIR}/dispatch_testing.c USES kw_dispatch kw_dispatch_sql kt_support)
  kw_test(dispatch_edge servers SOURCES ${CMAKE_CURRENT_LIST_DIR}/dispatch_edge_test.c
    ${CMAKE_CURRENT_LIST_DIR}/dispatch_testing.c USES kw_dispatch kw_dispatch_sql kw_courier_simulator kw_bus kt_support)
  target_compile_definitions(test_dispatch_edge PRIVATE DISPATCH_PROGRAM="$<TARGET_FILE:courier-dispatch>")
  add_dependencies(test_dispatch_edge courier-dispatch)
endif()
