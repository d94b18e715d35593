#pragma once

#include <cstddef>
#include <utility>

#include "seqgrad/core/ops/elementary.hpp"
#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

// Masks of sequences for layers that take one step after the other.

namespace seqgrad::detail {

/// Column t of a mask [B, T], as [B, 1].
inline Mask step_of(const Mask& mask, std::size_t t) {
    const std::size_t B = mask.shape()[0], T = mask.shape()[1];
    Mask column(Shape{B, 1});
    for (std::size_t b = 0; b < B; ++b) column.data()[b] = mask.data()[b * T + t];
    return column;
}

/// x with zeros where its mask leaves a step out: a product with 0 in a cell's backward pass does not make 0
/// of NaN.
template <class T>
Variable<T> without_padding(const Variable<T>& x) {
    Mask mask = *x.mask();
    mask.reshape({x.shape()[0], x.shape()[1], std::size_t{1}});
    return where(std::move(mask), x, constant(zeros<T>({})));
}

}  // namespace seqgrad::detail
