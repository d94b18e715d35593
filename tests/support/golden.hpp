#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <type_traits>

#include "seqgrad/core/tensor.hpp"

namespace seqgrad::test {

/// How far a result computed in T may lie from a reference in float64: absolute + relative * |reference|.
template <class T>
struct GoldenTolerance {
    static constexpr double absolute = std::is_same_v<T, double> ? 1e-10 : 1e-5;
    static constexpr double relative = std::is_same_v<T, double> ? 1e-9 : 1e-4;
};

/// The largest |actual - expected| in units of what is tolerated: at most 1 where they agree; infinite where
/// the shapes differ or a number is NaN.
template <class T>
double golden_error(const Tensor<T>& actual, const Tensor<double>& expected) {
    double worst = actual.shape() == expected.shape() ? 0.0 : std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < std::min(actual.size(), expected.size()); ++i) {
        const double e = expected.data()[i];
        const double error = std::abs(static_cast<double>(actual.data()[i]) - e) /
                             (GoldenTolerance<T>::absolute + GoldenTolerance<T>::relative * std::abs(e));
        worst = std::isnan(error) ? std::numeric_limits<double>::infinity() : std::max(worst, error);
    }
    return worst;
}

}  // namespace seqgrad::test
