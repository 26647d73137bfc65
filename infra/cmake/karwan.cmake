# Compiler flags, and the functions by which libraries, programs and tests are declared.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(PQ REQUIRED IMPORTED_TARGET libpq)
pkg_check_modules(RDKAFKA REQUIRED IMPORTED_TARGET rdkafka)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
pkg_check_modules(HIREDIS REQUIRED IMPORTED_TARGET hiredis)
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

add_library(kw_flags INTERFACE)
target_compile_options(kw_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
  -Wcast-qual -Wwrite-strings -Wundef -Wformat=2 -Wvla -Werror=implicit-function-declaration
  -Wno-overlength-strings
  -fno-common -fstack-protector-strong -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
target_compile_definitions(kw_flags INTERFACE _GNU_SOURCE KW_VERSION="${PROJECT_VERSION}")
target_link_options(kw_flags INTERFACE -Wl,-z,relro,-z,now)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(KARWAN_SANITIZE)
  target_compile_options(kw_flags INTERFACE -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  target_link_options(kw_flags INTERFACE -fsanitize=address,undefined)
  if(KARWAN_FUZZ)
    target_compile_options(kw_flags INTERFACE -g -fsanitize=fuzzer-no-link)
  endif()
else()
  target_compile_definitions(kw_flags INTERFACE $<$<NOT:$<CONFIG:Debug>>:_FORTIFY_SOURCE=2>)
endif()

# kw_expose(DIR NAME): headers of DIR are included as "NAME/x.h", and only by targets that link to it.
function(kw_expose target dir name)
  set(root ${CMAKE_BINARY_DIR}/include/${name})
  file(MAKE_DIRECTORY ${root})
  file(CREATE_LINK ${dir} ${root}/${name} SYMBOLIC)
  target_include_directories(${target} PUBLIC ${root})
endfunction()

# kw_library(NAME SOURCES … USES layers below … THIRD private third-party targets …)
function(kw_library name)
  cmake_parse_arguments(A "" "" "SOURCES;USES;THIRD" ${ARGN})
  add_library(kw_${name} STATIC ${A_SOURCES})
  kw_expose(kw_${name} ${CMAKE_CURRENT_SOURCE_DIR} ${name})
  list(TRANSFORM A_USES PREPEND kw_)
  target_link_libraries(kw_${name} PUBLIC kw_flags ${A_USES} PRIVATE ${A_THIRD} Threads::Threads)
endfunction()

# kw_embed(TARGET NAME DIR): every DIR/*.sql becomes a row of `const struct kw_migration NAME[]`.
function(kw_embed target name dir)
  file(GLOB files CONFIGURE_DEPENDS ${dir}/*.sql)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${name}.c)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DNAME=${name} "-DFILES=${files}" -P ${CMAKE_SOURCE_DIR}/infra/cmake/embed.cmake
    DEPENDS ${files} ${CMAKE_SOURCE_DIR}/infra/cmake/embed.cmake VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()

# kw_service(NAME TITLE SOURCES …): library kw_svc_NAME (all but service.c, for tests) and the program TITLE.
function(kw_service name title)
  cmake_parse_arguments(A "" "" "SOURCES;THIRD" ${ARGN})
  add_library(kw_${name} STATIC ${A_SOURCES})
  target_include_directories(kw_${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(kw_${name} PUBLIC kw_svc PRIVATE ${A_THIRD})
  add_executable(${title} service.c)
  target_link_libraries(${title} PRIVATE kw_${name})
  # the migrations alone, so that the operators' command can apply them without the service
  add_library(kw_${name}_sql STATIC)
  target_link_libraries(kw_${name}_sql PUBLIC kw_pg)
  kw_embed(kw_${name}_sql ${name}_migrations ${CMAKE_CURRENT_SOURCE_DIR}/sql)
endfunction()

# kw_test(NAME LABEL SOURCES … USES …): one cmocka program, one ctest entry. LABEL servers: needs the real servers.
# COST: about how many seconds it takes, where that is long: ctest begins with the longest.
function(kw_test name label)
  cmake_parse_arguments(A "" "TIMEOUT;COST" "SOURCES;USES;THIRD" ${ARGN})
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 300)
  endif()
  add_executable(test_${name} ${A_SOURCES})
  target_compile_definitions(test_${name} PRIVATE KW_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(test_${name} PRIVATE kw_flags ${A_USES} ${A_THIRD} PkgConfig::CMOCKA)
  add_test(NAME ${label}.${name} COMMAND test_${name})
  # cmocka prints that a group's teardown failed, and exits with 0 all the same
  set_tests_properties(${label}.${name} PROPERTIES LABELS ${label} TIMEOUT ${A_TIMEOUT}
    FAIL_REGULAR_EXPRESSION "GROUP TEARDOWN")
  if(A_COST)
    set_tests_properties(${label}.${name} PROPERTIES COST ${A_COST})
  endif()
endfunction()
