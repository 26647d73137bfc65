# Tests of common/json.
kw_test(json_decode unit SOURCES json_decode_test.c USES kw_json)
kw_test(json_encode unit SOURCES json_encode_test.c USES kw_json)
kw_test(json_flat unit SOURCES json_flat_test.c USES kw_json)
kw_test(json_text unit SOURCES json_text_test.c USES kw_json)
kw_test(json_schema unit SOURCES json_schema_test.c USES kw_json)
add_test(NAME unit.json_types
  COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/json_types_test.sh ${CMAKE_C_COMPILER} ${CMAKE_SOURCE_DIR}/common ${CMAKE_CURRENT_SOURCE_DIR})
set_tests_properties(unit.json_types PROPERTIES LABELS unit TIMEOUT 60)
kw_test(json_scan unit SOURCES json_scan_test.c USES kw_json THIRD PkgConfig::JANSSON)
