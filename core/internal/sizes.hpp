#pragma once

#include <cstddef>
#include <string_view>

#include "seqgrad/core/tensor.hpp"

// Sizes are numbers that a user or a file may choose, and wrap around when they are added or multiplied. What
// makes a shape from them does it here, and what makes a tensor of a new shape asks `checked` first:
//
//     Tensor<T> value(checked("repeat", shape));

namespace seqgrad::detail {

/// The shape itself. Throws ShapeError naming `op`, which is an operation's or a layer's name, for one of
/// more elements than the address space holds.
const Shape& checked(std::string_view op, const Shape& shape);

/// a + b and a b. Throw ShapeError naming `op` and both where a size cannot hold the result.
std::size_t added(std::string_view op, std::size_t a, std::size_t b);
std::size_t multiplied(std::string_view op, std::size_t a, std::size_t b);

/// Throws ValueError naming `op` and what its argument is called for a size that no axis can have.
void check_size(std::string_view op, std::string_view argument, std::size_t size);

}  // namespace seqgrad::detail
