# switchboard::tls, for rediss:// URLs: switchboard and OpenSSL. It is there where OpenSSL is.
# Used by this project and, installed beside switchboardConfig.cmake, by those who find_package() it.
find_package(OpenSSL 1.1.1 QUIET)
if(OpenSSL_FOUND AND NOT TARGET switchboard::tls)
  add_library(switchboard::tls INTERFACE IMPORTED GLOBAL)
  target_link_libraries(switchboard::tls INTERFACE switchboard::switchboard OpenSSL::SSL OpenSSL::Crypto)
endif()
