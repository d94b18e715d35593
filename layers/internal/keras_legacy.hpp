#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "seqgrad/layers/files/load_limits.hpp"
#include "seqgrad/layers/files/stored_tensors.hpp"
#include "seqgrad/layers/internal/hdf5_file.hpp"
#include "seqgrad/layers/module.hpp"

// Weights in the legacy format of Keras 2 and 3, HDF5 files that `model.save("x.h5")` and, in Keras 2,
// `model.save_weights("x.h5")` write: a group for every layer, and lists of the names of layers and weights,
// in order, as attributes.

namespace seqgrad::detail {

/// A layer of a legacy file.
struct LegacyLayer {
    std::string name;
    std::vector<std::string> weights;  ///< paths of its datasets, in Keras's order
};

/// The layers of a legacy file that have weights, in order. Those of the model itself are the last one's,
/// named "".
using LegacyLayers = std::vector<LegacyLayer>;

/// The layers of a file whose datasets were read; nothing for one that is not of the legacy format. Throws
/// FormatError, with the file's name, where its lists cannot be read or name what is not there.
std::optional<LegacyLayers> legacy_layers(const std::filesystem::path& path, const Hdf5File& file,
                                          const LoadLimits& limits);

/// The tensors under the names of the module's parameters, matched as Keras does by order: layers with
/// weights one by one, and of each those that are trained before those that are not. Throws FormatError where
/// numbers or names of weights differ; with LoadMode::partial such layers' tensors keep their names.
template <class T>
StoredTensors named_as_in(const Module<T>& module, const LegacyLayers& layers, const StoredTensors& tensors,
                          LoadMode mode);

}  // namespace seqgrad::detail
