#pragma once

#include <optional>
#include <string>
#include <vector>

#include "seqgrad/core/variable.hpp"
#include "seqgrad/data/dataset.hpp"
#include "seqgrad/layers/module.hpp"

namespace seqgrad::detail {

/// The first output of a model for one input or several.
template <class T>
Variable<T> output_of(Module<T>& model, const std::vector<Variable<T>>& inputs);
/// The same for a batch's inputs.
template <class T>
Variable<T> output_of(Module<T>& model, const Dataset<T>& batch);

/// Where the first number that is not finite comes from when the model is called with a batch: the inputs,
/// the first layer whose output has one, in anomaly mode with what the operation says, the targets, or
/// the sample weights; nothing where all of these are finite. Calls the model without a graph, in the mode in
/// which it is.
template <class T>
std::optional<std::string> diagnose_non_finite(Module<T>& model, const Dataset<T>& batch,
                                               const std::optional<Tensor<T>>& sample_weight = {});

}  // namespace seqgrad::detail
