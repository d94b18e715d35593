#pragma once

#include <cmath>
#include <initializer_list>
#include <limits>

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

// For tests of functions that act on every element by itself.

namespace seqgrad::test {

inline constexpr double infinite = std::numeric_limits<double>::infinity();
inline constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

inline Variable<double> vector(std::initializer_list<double> values) {
    return parameter(tensor<double>({values.size()}, values));
}

/// Whether y = f(x) and dy/dx are those given, to a relative 1e-14. Every element of the result gets another
/// gradient.
template <class F>
void check_pointwise(F f, std::initializer_list<double> x, std::initializer_list<double> value,
                     std::initializer_list<double> derivative) {
    REQUIRE(value.size() == x.size());
    REQUIRE(derivative.size() == x.size());
    const Variable<double> v = vector(x);
    const Variable<double> y = f(v);
    Tensor<double> seed(v.shape());
    for (std::size_t i = 0; i < seed.size(); ++i) seed.data()[i] = 1 + 0.5 * static_cast<double>(i);
    backward(y, seed);
    const auto agree = [](double a, double b) {
        return a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= 1e-14 * std::abs(b);
    };
    for (std::size_t i = 0; i < x.size(); ++i) {
        CAPTURE(x.begin()[i]);
        CAPTURE(y.value()(i));
        CAPTURE(v.grad()(i) / seed(i));
        CHECK(agree(y.value()(i), value.begin()[i]));
        CHECK(agree(v.grad()(i) / seed(i), derivative.begin()[i]));
    }
}

}  // namespace seqgrad::test
