#pragma once

#include <cstddef>

#include "seqgrad/core/variable.hpp"

namespace seqgrad {

/// Layer normalisation along an axis of size D, with Keras's LayerNormalization's numbers:
/// y = gamma (x - mean) / sqrt(variance + epsilon) + beta, mean and (population) variance along the axis.
///
/// `gamma` and `beta` are [D], or empty handles for none. Throws ShapeError when the axis does not exist or
/// they have another shape, ValueError unless epsilon >= 0. Ba et al. 2016, arXiv 1607.06450.
template <class T>
Variable<T> layer_norm(const Variable<T>& x, const Variable<T>& gamma = {}, const Variable<T>& beta = {},
                       std::ptrdiff_t axis = -1, double epsilon = 1e-3);

}  // namespace seqgrad
