#pragma once

#include <optional>
#include <string>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/layers/module.hpp"

namespace seqgrad::detail {

/// Where the first number that is not finite comes from when the model is called with x: the inputs, the first
/// layer whose output has one, in anomaly mode with what the operation says, or the targets y; nothing where all of
/// these are finite. Calls the model without a graph, in the mode in which it is.
template <class T>
std::optional<std::string> diagnose_non_finite(Module<T>& model, const Tensor<T>& x, const Tensor<T>& y);

}  // namespace seqgrad::detail
