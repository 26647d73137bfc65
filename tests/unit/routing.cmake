# Tests of services/order-routing that need no server of others.
if(TARGET kw_routing)
  foreach(part states rules allocate stock recent walk rest)
    kw_test(routing_${part} unit SOURCES ${CMAKE_CURRENT_LIST_DIR}/routing_${part}_test.c USES kw_routing)
  endforeach()
  kw_test(routing_fixtures unit SOURCES ${CMAKE_CURRENT_LIST_DIR}/routing_fixtures_test.c USES kw_routing
    THIRD PkgConfig::JANSSON)
endif()
