#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/tensor.hpp"

namespace seqgrad::detail {

/// Class labels or ids that are stored as whole numbers in T. Throws ValueError, beginning with `what`, for
/// an element that is not a whole number or too large for T to tell it from its neighbours.
template <class T>
Tensor<std::int64_t> whole_numbers(std::string_view what, const Tensor<T>& stored) {
    Tensor<std::int64_t> numbers(stored.shape());
    // Every whole number up to this one is exact in T.
    const T limit = std::ldexp(T{1}, std::numeric_limits<T>::digits);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const T v = stored.data()[i];
        if (std::isfinite(v) && std::abs(v) > limit) {
            throw ValueError(
                fmt::format("{}: element {} of {} is {:.0f}, but {} tells whole numbers apart only up "
                            "to {:.0f}; give them as integers or in double",
                            what, i, to_string(stored.shape()), v,
                            sizeof(T) == sizeof(float) ? "float" : "double", limit));
        }
        if (!(std::trunc(v) == v) || std::isinf(v)) {
            throw ValueError(fmt::format("{}: element {} of {} is {}, not a whole number", what, i,
                                         to_string(stored.shape()), v));
        }
        numbers.data()[i] = static_cast<std::int64_t>(v);
    }
    return numbers;
}

}  // namespace seqgrad::detail
