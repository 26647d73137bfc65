kw_test(listing_rules unit SOURCES ${CMAKE_CURRENT_LIST_DIR}/listing_rules_test.c USES kw_listing)
