#pragma once

#include <cstddef>

#include "seqgrad/core/int_list.hpp"
#include "seqgrad/core/tensor.hpp"

namespace seqgrad::detail {

/// The shape that `reshape` means by sizes of which one may be -1. Throws ShapeError as that does.
Shape complete_shape(const Shape& from, const IntList& sizes);

/// Which of `rank` axes are named. Throws ShapeError when one is named twice.
xt::svector<bool, 8> named_axes(const char* op, const IntList& axes, std::size_t rank);

/// The axes from the last to the first.
Shape reversed_axes(std::size_t rank);

/// The order that `transpose` is given. Throws ShapeError as that does.
Shape permutation(const Shape& shape, const IntList& axes);

}  // namespace seqgrad::detail
