#pragma once

#include <cmath>
#include <cstddef>
#include <optional>

#include "seqgrad/core/tensor.hpp"

namespace seqgrad::detail {

/// Index of the first element, in row-major order, that is infinite or not a number.
template <class T>
std::optional<std::size_t> first_non_finite(const Tensor<T>& t) {
    for (std::size_t i = 0; i < t.size(); ++i) {
        if (!std::isfinite(t.data()[i])) return i;
    }
    return std::nullopt;
}

/// "nan", "inf" or "-inf". (A NaN has a sign too, which says nothing and would be printed.)
template <class T>
const char* non_finite_name(T value) {
    return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

}  // namespace seqgrad::detail
