# Every dependency of seqgrad, in one place. Names in brackets are Debian's and Ubuntu's packages; scripts/ installs
# them, README.md lists them.
include(GNUInstallDirs)

# Public: part of the headers that users include.
find_package(xtensor REQUIRED)                          # containers [libxtensor-dev]

# Private: used inside the library only.
find_package(xtensor-blas REQUIRED)                     # QR factorisation [libxtensor-blas-dev]
set(BLA_VENDOR OpenBLAS)
find_package(BLAS REQUIRED)                             # matrix products [libopenblas-dev]
find_package(LAPACK REQUIRED)                           # [libopenblas-dev]
find_package(xsimd REQUIRED)                            # vector instructions [libxsimd-dev]
find_package(nlohmann_json 3.10 REQUIRED)               # weights as JSON [nlohmann-json3-dev]
find_package(fmt REQUIRED)                              # messages [libfmt-dev]
find_package(Threads REQUIRED)
# For Keras's files, which are in HDF5, and in zip archives of it [libhdf5-dev, libzip-dev].
set(SEQGRAD_WITH_HDF5 OFF)
if(SEQGRAD_HDF5)
    set(required REQUIRED)
    if(SEQGRAD_HDF5 STREQUAL "AUTO")
        set(required)
    endif()
    find_package(HDF5C ${required})
    find_package(LibZip ${required})
    if(HDF5C_FOUND AND LibZip_FOUND)
        set(SEQGRAD_WITH_HDF5 ON)
    endif()
endif()

# Header-only packages leave nothing to link, so that users of an installed static library need not have them. fmt is
# linked: as headers only it would be compiled into each source, which took most of the time to build.
set(SEQGRAD_PRIVATE_DEPENDENCIES
    $<BUILD_INTERFACE:xtensor-blas>
    $<BUILD_INTERFACE:xsimd>
    $<BUILD_INTERFACE:nlohmann_json::nlohmann_json>
    LAPACK::LAPACK
    BLAS::BLAS
    fmt::fmt
    Threads::Threads)
if(SEQGRAD_WITH_HDF5)
    list(APPEND SEQGRAD_PRIVATE_DEPENDENCIES HDF5C::HDF5C LibZip::LibZip)
endif()

if(SEQGRAD_BUILD_TESTS)
    find_package(doctest REQUIRED)                      # [doctest-dev]
    find_package(valijson REQUIRED)                     # JSON Schema [libvalijson-dev]
endif()
if(SEQGRAD_BUILD_EXAMPLES OR SEQGRAD_BUILD_TOOLS OR SEQGRAD_BUILD_BENCH)
    find_package(CLI11 REQUIRED)                        # command lines [libcli11-dev]
endif()
if(SEQGRAD_BUILD_BENCH)
    find_package(benchmark REQUIRED)                    # [libbenchmark-dev]
endif()
