#include "seqgrad/core/ops/linear.hpp"

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"

using namespace seqgrad;

TEST_CASE("linear multiplies the last axis and adds the bias") {
    const auto x = parameter(tensor<double>({2, 1, 2}, {1, 2, 3, 4}));
    const auto w = parameter(tensor<double>({2, 3}, {1, 0, -1, 2, 1, 0}));
    const auto b = parameter(tensor<double>({3}, {10, 20, 30}));
    const auto y = linear(x, w, b);
    CHECK(y.value() == tensor<double>({2, 1, 3}, {15, 22, 29, 21, 24, 27}));
    backward(y, tensor<double>({2, 1, 3}, {1, 2, 3, 4, 5, 6}));
    CHECK(x.grad() == tensor<double>({2, 1, 2}, {-2, 4, -2, 13}));
    CHECK(w.grad() == tensor<double>({2, 3}, {13, 17, 21, 18, 24, 30}));
    CHECK(b.grad() == tensor<double>({3}, {5, 7, 9}));
    CHECK(linear(x, w).value() == tensor<double>({2, 1, 3}, {5, 2, -1, 11, 4, -3}));
}

TEST_CASE("linear handles vectors, empty batches and empty features") {
    const auto w = parameter(ones<float>({2, 3}));
    CHECK(linear(constant(ones<float>({2})), w).value() == full<float>({3}, 2));
    const auto none = linear(constant(ones<float>({0, 2})), w);
    CHECK(none.shape() == Shape{0, 3});
    backward(none, zeros<float>({0, 3}));
    CHECK(w.grad() == zeros<float>({2, 3}));
    const auto b = constant(full<float>({3}, 7));
    CHECK(linear(constant(ones<float>({4, 0})), constant(ones<float>({0, 3})), b).value() ==
          full<float>({4, 3}, 7));
}

TEST_CASE("linear names the shapes that do not fit") {
    const auto w = constant(ones<float>({2, 3}));
    CHECK_THROWS_WITH_AS(linear(constant(ones<float>({4, 5})), w),
                         "linear: expected x [..., D] and kernel [D, U], got [4, 5] and [2, 3]", ShapeError);
    CHECK_THROWS_AS(linear(constant(ones<float>({})), w), ShapeError);
    CHECK_THROWS_WITH_AS(linear(constant(ones<float>({4, 2})), w, constant(ones<float>({2}))),
                         "linear: expected bias [U=3], got [2]", ShapeError);
}
