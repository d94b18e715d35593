#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "seqgrad/core/tensor.hpp"

namespace seqgrad::test {

/// How many numbers of type T lie between a and b, one end counted: 0 when equal, 1 when adjacent. Never
/// small when one of them is not finite.
template <Real T>
std::uint64_t ulp_distance(T a, T b) {
    if (a == b) return 0;
    if (!std::isfinite(a) || !std::isfinite(b)) return std::numeric_limits<std::uint64_t>::max();
    using Bits = std::conditional_t<std::is_same_v<T, float>, std::int32_t, std::int64_t>;
    const auto rank = [](T x) {
        const std::int64_t magnitude = std::bit_cast<Bits>(std::abs(x));
        return std::signbit(x) ? -magnitude : magnitude;
    };
    // Two ranks of doubles of opposite sign differ by more than an int64 holds.
    const auto ra = static_cast<std::uint64_t>(rank(a));
    const auto rb = static_cast<std::uint64_t>(rank(b));
    return rank(a) > rank(b) ? ra - rb : rb - ra;
}

/// The largest ulp_distance of two tensors' elements; never small when their shapes differ.
template <Real T>
std::uint64_t max_ulp_distance(const Tensor<T>& a, const Tensor<T>& b) {
    if (a.shape() != b.shape()) return std::numeric_limits<std::uint64_t>::max();
    std::uint64_t worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        worst = std::max(worst, ulp_distance(a.data()[i], b.data()[i]));
    return worst;
}

}  // namespace seqgrad::test
