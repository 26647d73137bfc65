kw_test(listing_rules unit SOURCES ${CMAKE_CURRENT_LIST_DIR}/listing_rules_test.c USES kw_listing)
kw_test(listing_source unit SOURCES ${CMAKE_CURRENT_LIST_DIR}/listing_source_test.c USES kw_listing)
