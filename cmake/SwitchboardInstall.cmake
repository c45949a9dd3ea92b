include(GNUInstallDirs)
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
