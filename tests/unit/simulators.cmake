# The simulators' bodies, signatures, schedules and readers (Python, standard library and python3-jsonschema).
add_test(NAME unit.simulators COMMAND python3 ${CMAKE_CURRENT_SOURCE_DIR}/simulators_test.py ${CMAKE_SOURCE_DIR})
set_tests_properties(unit.simulators PROPERTIES LABELS unit TIMEOUT 120)
