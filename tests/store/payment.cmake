# services/payment-reconciliation on a real PostgreSQL.
if(TARGET kw_payment)
  add_library(kt_payment STATIC payment_world.c)
  target_include_directories(kt_payment PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(kt_payment PUBLIC kw_payment kw_payment_sql kt_support PRIVATE PkgConfig::CMOCKA)
  foreach(part schema arrival money races)
    kw_test(payment_store_${part} servers SOURCES payment_${part}_test.c USES kt_payment)
  endforeach()
endif()
