# What the core needs: Asio (standalone), Boost's headers (Beast), nlohmann_json, threads.
# Used by this project and, installed beside switchboardConfig.cmake, by those who find_package() it.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)

# Asio ships no CMake package of its own; Debian's has only the headers.
if(NOT TARGET switchboard_asio)
  find_path(SWITCHBOARD_ASIO_INCLUDE_DIR NAMES asio/awaitable.hpp
            DOC "Folder that holds standalone Asio's headers (asio.hpp)")
  if(NOT SWITCHBOARD_ASIO_INCLUDE_DIR)
    message(FATAL_ERROR "switchboard needs standalone Asio 1.22 or newer (Debian: libasio-dev). "
                        "Set SWITCHBOARD_ASIO_INCLUDE_DIR to the folder with asio.hpp.")
  endif()
  add_library(switchboard_asio INTERFACE IMPORTED GLOBAL)
  target_include_directories(switchboard_asio INTERFACE "${SWITCHBOARD_ASIO_INCLUDE_DIR}")
endif()
