#pragma once

#include <optional>
#include <string>

#include "seqgrad/layers/internal/strict_json.hpp"
#include "seqgrad/layers/module.hpp"

namespace seqgrad::detail {

/// A model's configuration, Keras's `config.json`, as `layer_from_json` reads it: arguments that are about
/// Keras alone are left out where they say what is so here. Throws FormatError with the path of the place for
/// classes that are not Keras's own and for arguments that say something else.
Json from_keras_config(const Json& config);

/// The shape that a model was built with; none where the configuration does not say.
std::optional<PartialShape> keras_build_shape(const Json& config);

/// Freezes the layers that the configuration calls not trainable. `module` was made of it, and is built.
template <class T>
void freeze_as_in_keras(const Json& config, Module<T>& module);

}  // namespace seqgrad::detail
