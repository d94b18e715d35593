#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "seqgrad/layers/files/load_limits.hpp"
#include "seqgrad/layers/module.hpp"
#include "seqgrad/layers/sequential.hpp"

namespace seqgrad {

/// The architecture of a model of the library's layers as JSON (docs/models.md): class, name and every
/// argument of every layer, without weights, seeds' progress and states. What it gives, `model_from_json`
/// and `layer_from_json` read back to an equal text.
///
/// Throws ValueError, with the place, for a module or cell of the user's own, for a layer that is used twice
/// and for an argument that JSON does not have, as infinity.
template <class T>
std::string to_json(const Module<T>& module);

/// The Sequential that a text of `to_json` describes, with new weights once it is built.
///
/// Only the library's layers can be named, and nothing in the text is executed. Arguments that are not there
/// have their defaults. Anything else that is not as docs/models.md says, unknown, repeated, out of its range
/// or beyond the limits, throws FormatError with the path of the place ("/config/layers/1/config/units") and
/// what was expected.
template <class T>
Sequential<T> model_from_json(std::string_view json, const LoadLimits& limits = {});

/// The same for a single layer or cell of any class: {"class_name": "LSTM", "config": {"units": 8}}.
template <class T>
std::unique_ptr<Module<T>> layer_from_json(std::string_view json, const LoadLimits& limits = {});

}  // namespace seqgrad
