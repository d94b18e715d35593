#pragma once

#include <vector>

#include "seqgrad/core/gradcheck.hpp"
#include "seqgrad/layers/module.hpp"

namespace seqgrad {

/// Compares the gradients of a layer or model with differences of its outputs, as the gradcheck of a function
/// does: those of x, if it is a parameter, and of every parameter of the model that is not frozen.
///
///     const GradcheckReport report = gradcheck(model, constant(x));
///
/// The report's inputs are x and then the model's parameters, by path. A model that is not built is built by
/// a call. Every call computes from the same state: dropout draws the same numbers, stateful layers start
/// from the same states. Afterwards parameters, their gradients and the state are as before. Throws as the
/// gradcheck of a function and the model do, and ValueError for `input_names` in the options.
GradcheckReport gradcheck(Module<double>& model, const Variable<double>& x,
                          const GradcheckOptions& options = {});

/// The same for a model of several inputs, several outputs, or both.
GradcheckReport gradcheck(Module<double>& model, const std::vector<Variable<double>>& inputs,
                          const GradcheckOptions& options = {});

}  // namespace seqgrad
