# switchboard::redis, for RedisBroker: switchboard and hiredis. It is there where hiredis is.
# Used by this project and, installed beside switchboardConfig.cmake, by those who find_package() it.
find_path(SWITCHBOARD_HIREDIS_INCLUDE_DIR NAMES hiredis/read.h DOC "Folder that holds hiredis/read.h")
find_library(SWITCHBOARD_HIREDIS_LIBRARY NAMES hiredis DOC "hiredis")
mark_as_advanced(SWITCHBOARD_HIREDIS_INCLUDE_DIR SWITCHBOARD_HIREDIS_LIBRARY)
if(SWITCHBOARD_HIREDIS_INCLUDE_DIR AND SWITCHBOARD_HIREDIS_LIBRARY AND NOT TARGET switchboard::redis)
  add_library(switchboard::redis INTERFACE IMPORTED GLOBAL)
  target_include_directories(switchboard::redis INTERFACE "${SWITCHBOARD_HIREDIS_INCLUDE_DIR}")
  target_link_libraries(switchboard::redis INTERFACE switchboard::switchboard "${SWITCHBOARD_HIREDIS_LIBRARY}")
endif()
