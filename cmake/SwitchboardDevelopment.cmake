# How we build this project ourselves. Not installed, and not read where switchboard is a subdirectory.
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
endif()

set(SWITCHBOARD_SANITIZE "" CACHE STRING "Sanitizers for tests and examples, e.g. address,undefined")
if(SWITCHBOARD_SANITIZE)
  add_compile_options(-fsanitize=${SWITCHBOARD_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SWITCHBOARD_SANITIZE})
endif()

option(SWITCHBOARD_COVERAGE "Count which lines and branches run, as clang does" OFF)
if(SWITCHBOARD_COVERAGE)
  add_compile_options(-fprofile-instr-generate -fcoverage-mapping)
  add_link_options(-fprofile-instr-generate)
endif()

add_library(switchboard_warnings INTERFACE)
target_compile_options(switchboard_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)

# Asio 1.22 does not see the coroutines of clang with libstdc++; later versions do.
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_definitions(ASIO_HAS_CO_AWAIT ASIO_HAS_STD_COROUTINE)
  # With the time in it no precompiled header is like another, and ccache finds nothing that includes one.
  add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
endif()
