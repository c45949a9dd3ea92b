include(CMakePackageConfigHelpers)
# switchboard_asio is made anew by the package's own SwitchboardDependencies.cmake
install(TARGETS switchboard EXPORT switchboardTargets)
install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/switchboard")
install(EXPORT switchboardTargets NAMESPACE switchboard:: DESTINATION ${package_dir})
configure_package_config_file(cmake/switchboardConfig.cmake.in switchboardConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(switchboardConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/switchboardConfig.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/switchboardConfigVersion.cmake"
              cmake/SwitchboardDependencies.cmake cmake/SwitchboardRedis.cmake
              cmake/SwitchboardTls.cmake
        DESTINATION ${package_dir})

# For pkg-config. The prefix is found from where the file is, so that the whole can be moved.
set(pkgconfig_dir "${CMAKE_INSTALL_DATADIR}/pkgconfig")
file(RELATIVE_PATH to_prefix "/prefix/${pkgconfig_dir}" "/prefix")
string(REGEX REPLACE "/$" "" to_prefix "${to_prefix}")
set(asio_flags "")
if(NOT SWITCHBOARD_ASIO_INCLUDE_DIR IN_LIST CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
  set(asio_flags "-I${SWITCHBOARD_ASIO_INCLUDE_DIR}")
endif()
foreach(part switchboard switchboard-redis switchboard-tls)
  configure_file(cmake/${part}.pc.in ${part}.pc @ONLY)
  install(FILES "${CMAKE_CURRENT_BINARY_DIR}/${part}.pc" DESTINATION ${pkgconfig_dir})
endforeach()
