#pragma once

#include <filesystem>

#include "seqgrad/layers/files/load_limits.hpp"
#include "seqgrad/layers/files/stored_tensors.hpp"
#include "seqgrad/layers/module.hpp"
#include "seqgrad/layers/sequential.hpp"

// Files of Keras 3: weights (`.weights.h5`) and whole models (`.keras`), and weights of legacy files (`.h5`)
// of Keras 2 and 3, see docs/interchange.md. They take HDF5 and libzip, which a build may be without: then
// all of these throw Error, saying how to build with them.

namespace seqgrad {

/// Whether this build reads and writes Keras's files.
bool has_keras_files() noexcept;

/// The weights of a file that Keras's `model.save_weights` or `model.save` wrote, by the paths that they have
/// there: "layers/lstm/cell/vars/0". Of sharded weights it is the index, "x.weights.json", and the files that
/// it names lie beside it. Not among them is what the optimizer and generators of random numbers
/// remember. Throws as `load_keras_weights` does for a file that is not as the format says.
StoredTensors read_keras_weights(const std::filesystem::path& path, const LoadLimits& limits = {});

/// Gives a module's parameters the weights of a file that Keras's `model.save_weights("x.weights.h5")` or
/// `model.save("x.keras")` wrote, or the index "x.weights.json" of sharded weights; or of a legacy file,
/// "x.h5", of Keras 2 or 3.
///
/// The models must be built alike. As in Keras layers are found by their class and their number among those
/// of it, not by their names, in a Sequential and in a model of functions; there the module names its layers
/// in the order of Keras's `model.layers`. In a model of the user's own class they are found by the names of
/// the members, which are those of the attributes in Keras. Layers of a legacy file are matched by their
/// order, and so are the weights of each, those that are not trained last. The file must hold the module's
/// weights and nothing else: what is missing, unexpected, of another shape or would be rounded is listed in
/// one FormatError, and no parameter changes. With LoadMode::partial what fits is loaded, and that nothing
/// does is the only error of these; the report has the names of parameters here and, of what is unexpected,
/// those of the file.
///
/// Throws ValueError when the module is not built, IoError when the file cannot be read, FormatError with the
/// place where it is not as the format says; links out of the file are not followed.
template <class T>
LoadReport load_keras_weights(Module<T>& module, const std::filesystem::path& path,
                              const LoadLimits& limits = {}, LoadMode mode = LoadMode::exact);

/// Arguments of save_keras_weights.
struct KerasWeightsConfig {
    /// Keras's model is one of functions, `keras.Model(inputs, outputs)`; otherwise, where it is no
    /// Sequential, one of the user's own class.
    bool functional = false;
};

/// Writes a file for Keras's `model.load_weights("x.weights.h5")`, which finds them as `load_keras_weights`
/// does. The file is complete or not there. Throws ValueError when the module is not built and for another
/// name than Keras takes, IoError when the file cannot be written.
template <class T>
void save_keras_weights(const Module<T>& module, const std::filesystem::path& path,
                        const KerasWeightsConfig& config = {});

/// The Sequential that Keras's `model.save("x.keras")` wrote, with its weights; layers that are not to be
/// trained are frozen. How it was compiled is not read.
///
/// Throws as `load_keras_weights` does, and FormatError, naming it, for a class of layer or an argument that
/// is not here. Nothing in the file is executed.
template <class T>
Sequential<T> load_keras_model(const std::filesystem::path& path, const LoadLimits& limits = {});

}  // namespace seqgrad
