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
if(SEQGRAD_ONEDNN)
    find_package(oneDNN REQUIRED)                       # large matrix products in float [libdnnl-dev]
endif()
find_package(xsimd REQUIRED)                            # vector instructions [libxsimd-dev]
find_package(nlohmann_json 3.10 REQUIRED)               # weights as JSON [nlohmann-json3-dev]
find_package(fmt REQUIRED)                              # messages [libfmt-dev]
find_package(Threads REQUIRED)

# Header-only packages leave nothing to link, so that users of an installed static library need not have them.
set(SEQGRAD_PRIVATE_DEPENDENCIES
    $<BUILD_INTERFACE:xtensor-blas>
    $<BUILD_INTERFACE:xsimd>
    $<BUILD_INTERFACE:nlohmann_json::nlohmann_json>
    $<BUILD_INTERFACE:fmt::fmt-header-only>
    LAPACK::LAPACK
    BLAS::BLAS
    Threads::Threads)
if(SEQGRAD_ONEDNN)
    list(APPEND SEQGRAD_PRIVATE_DEPENDENCIES oneDNN::oneDNN)
endif()

if(SEQGRAD_BUILD_TESTS)
    find_package(doctest REQUIRED)                      # [doctest-dev]
endif()
if(SEQGRAD_BUILD_EXAMPLES OR SEQGRAD_BUILD_BENCH)
    find_package(CLI11 REQUIRED)                        # command lines [libcli11-dev]
endif()
if(SEQGRAD_BUILD_BENCH)
    find_package(benchmark REQUIRED)                    # [libbenchmark-dev]
endif()
