#pragma once

#include <cmath>
#include <string_view>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad::detail {

/// Throws ValueError for a threshold that nothing is above or below.
inline void check_threshold(std::string_view metric, double threshold) {
    if (std::isnan(threshold)) throw ValueError(fmt::format("{}: the threshold is NaN", metric));
}

}  // namespace seqgrad::detail
