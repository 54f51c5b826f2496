# Helpers every folder's CMakeLists.txt uses, so that flags live in one place.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
pkg_check_modules(TDB REQUIRED IMPORTED_TARGET tdb)
pkg_check_modules(VERBS REQUIRED IMPORTED_TARGET libibverbs)

set(CTDB_WARNINGS -Wall -Wextra -Wconversion -Werror)

# ctdb_library(NAME SOURCES ... [LINK ...]): a static library with the project's flags. Include paths are the
# repository root (sources name each other as "libctdbipc/base/result.h", "ctdb-store/core/store.h").
function(ctdb_library name)
  cmake_parse_arguments(A "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${A_SOURCES})
  target_compile_options(${name} PRIVATE ${CTDB_WARNINGS})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${A_LINK})
endfunction()

# ctdb_program(NAME SOURCES ... [LINK ...]): an executable in build/<preset>/bin.
function(ctdb_program name)
  cmake_parse_arguments(A "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_compile_options(${name} PRIVATE ${CTDB_WARNINGS})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${A_LINK})
endfunction()

# ctdb_test(NAME SOURCES ... [LINK ...]): a GoogleTest program registered with CTest as NAME. Its own sources are compiled
# without optimisation: that halves the time compiling them takes, and what they test is in libraries.
function(ctdb_test name)
  cmake_parse_arguments(A "" "" "SOURCES;LINK" ${ARGN})
  ctdb_program(${name} SOURCES ${A_SOURCES} LINK ${A_LINK} GTest::gtest GTest::gtest_main Threads::Threads)
  target_compile_options(${name} PRIVATE -O0)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300)
endfunction()

# ctdb_pkgconfig(NAME): installs NAME.pc, made of NAME.pc.in, which says where it was installed, also after cmake --install --prefix.
function(ctdb_pkgconfig name)
  cmake_path(APPEND CTDB_PC_LIBDIR "\${prefix}" "${CMAKE_INSTALL_LIBDIR}")
  cmake_path(APPEND CTDB_PC_INCLUDEDIR "\${prefix}" "${CMAKE_INSTALL_INCLUDEDIR}")
  set(CMAKE_INSTALL_PREFIX "@CMAKE_INSTALL_PREFIX@")  # known when it is installed
  set(made ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc)
  configure_file(${name}.pc.in ${made}.in @ONLY)
  install(CODE "configure_file([[${made}.in]] [[${made}]] @ONLY)" COMPONENT client)
  install(FILES ${made} DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT client)
endfunction()
