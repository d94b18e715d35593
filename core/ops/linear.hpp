#pragma once

#include "seqgrad/core/variable.hpp"

namespace seqgrad {

/// x W + b over the last axis: y[..., u] = sum_d x[..., d] W[d, u] + b[u].
///
/// x is [..., D] of rank 1 or more, `kernel` [D, U], `bias` [U] or an empty handle for none; the result is
/// [..., U]. All rows are one matrix product, and so are the gradients of x and of the kernel. Throws
/// ShapeError when D or U differ.
template <class T>
Variable<T> linear(const Variable<T>& x, const Variable<T>& kernel, const Variable<T>& bias = {});

}  // namespace seqgrad
