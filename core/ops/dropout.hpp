#pragma once

#include "seqgrad/core/random.hpp"
#include "seqgrad/core/variable.hpp"

namespace seqgrad {

/// Sets elements to zero with probability `rate` and multiplies the others by 1 / (1 - rate), so that the
/// expected value stays what it was. An element is kept where the generator's uniform number is at least
/// `rate`: the same seed keeps the same elements as in Keras. Takes one draw from the generator.
///
/// Throws ValueError, without a draw, unless 0 <= rate < 1. Srivastava et al., JMLR 15 (2014).
template <class T>
Variable<T> dropout(const Variable<T>& x, double rate, Generator& generator);

/// The same with one choice for all elements along some axes: `noise_shape` is the shape of the choices and
/// broadcasts to x's; [B, 1, D] drops features of [B, T, D] for all steps at once. Throws ShapeError when it
/// does not.
template <class T>
Variable<T> dropout(const Variable<T>& x, double rate, Generator& generator, const Shape& noise_shape);

}  // namespace seqgrad
