#pragma once

#include <cstddef>

#include "seqgrad/core/variable.hpp"

namespace seqgrad {

/// Matrix product by NumPy's rules: out[..., i, j] = sum_k a[..., i, k] b[..., k, j].
///
/// Axes before the last two are batch axes and broadcast against each other. An operand of rank 1 is a row
/// vector on the left, a column vector on the right, and its axis of size 1 does not appear in the result:
/// [K] x [K] -> [], [M, K] x [K] -> [M], [K] x [K, N] -> [N]. With K = 0 the result is zero.
/// [B, T, D] x [D, U] -> [B, T, U] is a single product over B T rows, and so are its gradients.
/// Throws ShapeError when an operand is of rank 0, the inner sizes differ or batch axes do not broadcast.
template <class T>
Variable<T> matmul(const Variable<T>& a, const Variable<T>& b);

/// Dot products along an axis: sum(a * b, axis), without the product in memory. The operands broadcast
/// against each other, and the axis is one of the shape they broadcast to.
/// Throws ShapeError when the shapes do not broadcast or the axis does not exist.
template <class T>
Variable<T> vecdot(const Variable<T>& a, const Variable<T>& b, std::ptrdiff_t axis = -1);

}  // namespace seqgrad
