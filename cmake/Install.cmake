# The installed package: headers, library, and what find_package(seqgrad) reads.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/seqgrad")

install(TARGETS seqgrad EXPORT seqgradTargets
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(FILES seqgrad.hpp DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/seqgrad")
foreach(folder core layers optim data train)
    install(DIRECTORY ${folder} DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/seqgrad"
        FILES_MATCHING PATTERN "*.hpp"
        PATTERN "kernels" EXCLUDE
        PATTERN "internal" EXCLUDE
        PATTERN "sets" EXCLUDE)
endforeach()
install(EXPORT seqgradTargets NAMESPACE seqgrad:: DESTINATION "${package_dir}")

configure_package_config_file(cmake/seqgradConfig.cmake.in "${CMAKE_CURRENT_BINARY_DIR}/seqgradConfig.cmake"
    INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/seqgradConfigVersion.cmake"
    COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/seqgradConfig.cmake"
    "${CMAKE_CURRENT_BINARY_DIR}/seqgradConfigVersion.cmake"
    cmake/FindHDF5C.cmake
    cmake/FindLibZip.cmake
    DESTINATION "${package_dir}")
