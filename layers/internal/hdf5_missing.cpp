#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/internal/hdf5_file.hpp"
#include "seqgrad/layers/internal/zip_archive.hpp"

// Stands in for hdf5_file.cpp and zip_archive.cpp in a build without the libraries.

namespace seqgrad::detail {
namespace {

[[noreturn]] void refuse() {
    throw Error(
        "this seqgrad was built without HDF5, which Keras's files take: install HDF5 and libzip (libhdf5-dev "
        "and "
        "libzip-dev in Debian and Ubuntu) and build it with -DSEQGRAD_HDF5=ON");
}

}  // namespace

bool has_hdf5() noexcept {
    return false;
}

Hdf5File read_hdf5(const std::filesystem::path&, const LoadLimits&, SkipPath) {
    refuse();
}

Hdf5File read_hdf5(std::string_view, const std::string&, const LoadLimits&, SkipPath) {
    refuse();
}

std::string write_hdf5(const StoredTensors&, const std::vector<std::string>&) {
    refuse();
}

struct ZipArchive::State {};

ZipArchive::ZipArchive(const std::filesystem::path&, const LoadLimits&) {
    refuse();
}

ZipArchive::~ZipArchive() = default;

std::optional<std::string> ZipArchive::read(const std::string&) const {
    refuse();
}

}  // namespace seqgrad::detail
