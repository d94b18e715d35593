#pragma once

#include <cstddef>
#include <string>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/module.hpp"

namespace seqgrad::detail {

/// The number of features that a layer with weights for each finds in inputs [batch, ..., features]. Throws
/// ShapeError unless the rank is 2 or more, the last axis has a size, and that is `built_for` where the layer
/// was built already.
inline std::size_t features_of(const std::string& layer, const PartialShape& input,
                               std::ptrdiff_t built_for = unknown) {
    if (input.size() < 2 || input.back() == unknown || (built_for != unknown && input.back() != built_for)) {
        throw ShapeError(fmt::format(
            "{}: expected x [batch, ..., features{}] (rank 2 or more), got {} (rank {})", layer,
            built_for == unknown ? "" : fmt::format("={}", built_for), to_string(input), input.size()));
    }
    return static_cast<std::size_t>(input.back());
}

}  // namespace seqgrad::detail
