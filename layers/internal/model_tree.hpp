#pragma once

#include <string>

#include "seqgrad/layers/internal/strict_json.hpp"
#include "seqgrad/layers/module.hpp"
#include "seqgrad/layers/sequential.hpp"

// What model_json.hpp does with texts, for files of which the text is a part.

namespace seqgrad::detail {

/// `to_json`; `path` is where it is to stand, for messages.
template <class T>
Json tree_of(const Module<T>& module, const std::string& path);

/// `model_from_json`.
template <class T>
Sequential<T> sequential_of(const JsonPlace& at);

}  // namespace seqgrad::detail
