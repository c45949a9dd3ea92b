# What the core needs: Asio (standalone), Boost's headers (Beast), nlohmann_json, threads.
# Used by this project and, installed beside switchboardConfig.cmake, by those who find_package() it.
# What is missing stands in switchboard_missing, a sentence each.
set(switchboard_missing "")
if(POLICY CMP0167)
  cmake_policy(SET CMP0167 NEW)   # Boost's own package; CMake's module for it is going
endif()

find_package(Threads QUIET)
if(NOT Threads_FOUND)
  list(APPEND switchboard_missing "switchboard needs threads, and the compiler has none.")
endif()
find_package(Boost 1.81 QUIET)
if(NOT Boost_FOUND)
  list(APPEND switchboard_missing
    "switchboard needs the headers of Boost 1.81 or newer (Debian: libboost1.81-dev, or a newer libboost-dev).")
endif()
find_package(nlohmann_json 3.11 QUIET)
if(NOT nlohmann_json_FOUND)
  list(APPEND switchboard_missing "switchboard needs nlohmann_json 3.11 or newer (Debian: nlohmann-json3-dev).")
endif()

# Asio ships no CMake package of its own; Debian's has only the headers.
if(NOT TARGET switchboard_asio)
  find_path(SWITCHBOARD_ASIO_INCLUDE_DIR NAMES asio/awaitable.hpp
            DOC "Folder that holds standalone Asio's headers (asio.hpp)")
  set(switchboard_asio_version 0)   # 102201 is 1.22.1
  if(EXISTS "${SWITCHBOARD_ASIO_INCLUDE_DIR}/asio/version.hpp")
    file(STRINGS "${SWITCHBOARD_ASIO_INCLUDE_DIR}/asio/version.hpp" switchboard_asio_version REGEX "define ASIO_VERSION ")
    string(REGEX MATCH "[0-9]+" switchboard_asio_version "${switchboard_asio_version}")
  endif()
  if(switchboard_asio_version LESS 102200)
    list(APPEND switchboard_missing
      "switchboard needs standalone Asio 1.22 or newer (Debian: libasio-dev). SWITCHBOARD_ASIO_INCLUDE_DIR may name the folder with asio.hpp.")
  else()
    add_library(switchboard_asio INTERFACE IMPORTED GLOBAL)
    target_include_directories(switchboard_asio INTERFACE "${SWITCHBOARD_ASIO_INCLUDE_DIR}")
  endif()
endif()
list(JOIN switchboard_missing "\n" switchboard_missing)
