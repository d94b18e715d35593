#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "seqgrad/layers/files/load_limits.hpp"
#include "seqgrad/layers/files/stored_tensors.hpp"

// HDF5 files of groups and of datasets of floating-point numbers. In a build without HDF5 all throw Error.

namespace seqgrad::detail {

/// Whether the build has HDF5 and libzip.
bool has_hdf5() noexcept;

/// Which datasets are of no interest, by their path ("optimizer/vars/0"); also for groups, with all inside.
using SkipPath = bool (*)(std::string_view path);

/// What a file holds.
struct Hdf5File {
    StoredTensors tensors;            ///< its datasets by their paths
    std::vector<std::string> groups;  ///< the paths of its groups, without the outermost one
    /// Where in the file the headers of its groups stand, by their paths; "" is the outermost one.
    std::map<std::string, std::uint64_t> headers;
};

/// Reads a file. Half precision and Keras's bfloat16 come as float32. What a file links to outside of itself
/// is not followed. Throws FormatError with the place for anything that is not plain groups and datasets of
/// floating-point numbers, stored in the file whole; IoError when it cannot be read.
Hdf5File read_hdf5(const std::filesystem::path& path, const LoadLimits& limits, SkipPath skip);
/// The same for a file in memory; `source` is its name in messages.
Hdf5File read_hdf5(std::string_view bytes, const std::string& source, const LoadLimits& limits,
                   SkipPath skip);

/// A file of these datasets, with groups for all but the last parts of their names, and of these groups, in
/// which there may be nothing. The same tensors and groups always give the same bytes.
std::string write_hdf5(const StoredTensors& tensors, const std::vector<std::string>& groups);

}  // namespace seqgrad::detail
