#pragma once

#include <cstddef>
#include <span>

#include "seqgrad/core/internal/strided.hpp"
#include "seqgrad/core/ops/slice.hpp"
#include "seqgrad/core/tensor.hpp"

namespace seqgrad::detail {

/// Where a part of a tensor lies in it.
struct Part {
    std::ptrdiff_t offset = 0;
    Shape sizes;
    Steps steps;
};

/// The index of an axis, counted from the front. Throws ValueError naming `op` if it lies outside.
std::size_t checked_index(const char* op, std::ptrdiff_t index, std::size_t axis, const Shape& shape);

/// The part of a dense tensor that subscripts name, see `slice`, and throws as that does.
Part named_part(const Shape& shape, std::span<const Subscript> subscripts);

/// What lies at one index of an axis.
Part selected_part(const Shape& shape, std::size_t axis, std::size_t index);

}  // namespace seqgrad::detail
