kw_test(listing_store servers SOURCES ${CMAKE_CURRENT_LIST_DIR}/listing_store_test.c USES kw_listing kw_listing_sql kt_support)
kw_test(listing_import servers SOURCES ${CMAKE_CURRENT_LIST_DIR}/listing_import_test.c USES kw_listing kw_listing_sql kt_support)
