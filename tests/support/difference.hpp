#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include <doctest/doctest.h>

#include "seqgrad/core/tensor.hpp"

namespace seqgrad::test {

/// The largest |a - b| of two tensors, which must have one shape; infinite where a difference is NaN.
inline double largest_difference(const Tensor<double>& a, const Tensor<double>& b) {
    REQUIRE(a.shape() == b.shape());
    double largest = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double difference = std::abs(a.data()[i] - b.data()[i]);
        if (std::isnan(difference)) return std::numeric_limits<double>::infinity();
        largest = std::max(largest, difference);
    }
    return largest;
}

}  // namespace seqgrad::test
