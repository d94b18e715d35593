#pragma once

#include <cstddef>

#include "seqgrad/layers/files/load_limits.hpp"
#include "seqgrad/layers/internal/strict_json.hpp"
#include "seqgrad/layers/module.hpp"
#include "seqgrad/layers/sequential.hpp"

namespace seqgrad::detail {

/// The model of a configuration, Keras's `config.json`, built, with new weights. Arguments that are about
/// Keras alone are left out where they say what is so here.
///
/// Throws FormatError with the path of the place for classes that are not Keras's own, for arguments that say
/// something else, for a model that was not built, and for one that takes much more memory than the bytes of
/// `weights` that there are for it.
template <class T>
Sequential<T> build_keras_model(const Json& config, std::size_t weights, const LoadLimits& limits);

/// Freezes the layers that the configuration calls not trainable. `module` was made of it, and is built.
template <class T>
void freeze_as_in_keras(const Json& config, Module<T>& module);

}  // namespace seqgrad::detail
