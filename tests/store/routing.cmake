# services/order-routing on a real PostgreSQL.
if(TARGET kw_routing)
  add_library(kt_routing STATIC ${CMAKE_CURRENT_LIST_DIR}/routing_stage.c)
  target_include_directories(kt_routing PUBLIC ${CMAKE_CURRENT_LIST_DIR})
  target_link_libraries(kt_routing PUBLIC kw_routing kw_routing_sql kt_support PRIVATE PkgConfig::CMOCKA)
  foreach(part schema orders stock)
    kw_test(routing_store_${part} servers SOURCES ${CMAKE_CURRENT_LIST_DIR}/routing_${part}_test.c USES kt_routing)
  endforeach()
endif()
