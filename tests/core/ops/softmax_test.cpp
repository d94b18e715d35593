#include "seqgrad/core/ops/softmax.hpp"

#include <cmath>
#include <limits>

#include "support/pointwise.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/reduce.hpp"

using namespace seqgrad;
using doctest::Approx;
using test::infinite;
using test::not_a_number;
using test::vector;

namespace {

/// Logits whose softmax is (1, 2, 5) / 8.
Variable<double> eighths(double shift = 0) {
    return vector({shift, shift + std::log(2.), shift + std::log(5.)});
}

template <class T>
void check_close(const Tensor<T>& actual, std::initializer_list<double> expected, double tolerance = 1e-14) {
    REQUIRE(actual.size() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
        CAPTURE(i);
        CHECK(std::abs(double(actual.data()[i]) - expected.begin()[i]) <= tolerance);
    }
}

}  // namespace

TEST_CASE("softmax: values, and the gradient p (g - <p, g>)") {
    const Variable<double> x = eighths();
    const Variable<double> y = softmax(x);
    check_close(y.value(), {0.125, 0.25, 0.625});
    backward(y, tensor<double>({3}, {8, 4, 0}));  // <p, g> = 2
    check_close(x.grad(), {0.125 * 6, 0.25 * 2, 0.625 * -2});
}

TEST_CASE("log_softmax: values, and the gradient g - p sum(g)") {
    const Variable<double> x = eighths();
    const Variable<double> y = log_softmax(x);
    check_close(y.value(), {-std::log(8.), -std::log(4.), -std::log(1.6)});
    backward(y, tensor<double>({3}, {8, 4, 0}));
    check_close(x.grad(), {8 - 1.5, 4 - 3, -7.5});
}

TEST_CASE_TEMPLATE("softmax and log_softmax go along any axis", T, float, double) {
    // Long enough for several groups of rows, and one row that is a group by itself.
    for (const Shape& shape : {Shape{3, 40, 50}, Shape{2, 3000}, Shape{1, 1, 2}}) {
        Tensor<T> values(shape), seed(shape);
        for (std::size_t i = 0; i < values.size(); ++i) {
            values.data()[i] = T(std::sin(double(7 * i + 1))) * 3;
            seed.data()[i] = T(std::cos(double(5 * i)));
        }
        for (std::ptrdiff_t axis = -static_cast<std::ptrdiff_t>(shape.size()); axis < 0; ++axis) {
            const ReduceOptions along{.axis = axis, .keepdims = true};
            const Variable<T> x = parameter(values);
            const Variable<T> reference = parameter(values);
            const Variable<T> expected = log_softmax(x, axis);
            const Variable<T> composed = reference - logsumexp(reference, along);
            const double tolerance = 20 * double(std::numeric_limits<T>::epsilon());
            for (std::size_t i = 0; i < values.size(); i += 7) {
                CHECK(double(expected.value().data()[i]) ==
                      Approx(double(composed.value().data()[i])).epsilon(tolerance));
            }
            backward(expected, seed);
            backward(composed, seed);
            for (std::size_t i = 0; i < values.size(); i += 7) {
                CHECK(std::abs(x.grad().data()[i] - reference.grad().data()[i]) <= 5 * tolerance);
            }
            const Variable<T> p = softmax(x, axis);
            const Variable<T> totals = sum(p, along);
            for (const T total : elements(totals.value()))
                CHECK(double(total) == Approx(1).epsilon(tolerance));
            const Tensor<T> before = x.grad();
            backward(p, seed);
            Tensor<T> weighted = p.value();
            for (std::size_t i = 0; i < weighted.size(); ++i) weighted.data()[i] *= seed.data()[i];
            const Tensor<T> mean = sum(constant(weighted), along).value();
            const Tensor<T> centred = (constant(seed) - constant(mean)).value();
            for (std::size_t i = 0; i < values.size(); i += 7) {
                const T gradient = x.grad().data()[i] - before.data()[i];
                CHECK(std::abs(gradient - p.value().data()[i] * centred.data()[i]) <= 5 * tolerance);
            }
        }
    }
}

TEST_CASE_TEMPLATE("softmax family at +-1e4 and with excluded classes", T, float, double) {
    const T inf = std::numeric_limits<T>::infinity();
    const double tolerance = 4 * double(std::numeric_limits<T>::epsilon());
    for (const T shift : {T(1e4), T(-1e4)}) {
        const Variable<T> x = parameter(tensor<T>({4}, {shift, shift + 1, -inf, shift - 1}));
        const double total = 1 + std::exp(1.) + std::exp(-1.);
        check_close(softmax(x).value(), {1 / total, std::exp(1.) / total, 0, std::exp(-1.) / total},
                    tolerance);
        const Variable<T> y = log_softmax(x);
        CHECK(double(y.value()(1)) == Approx(1 - std::log(total)).epsilon(tolerance));
        CHECK(y.value()(2) == -inf);
        const Variable<T> loss = softmax_cross_entropy(x, tensor<std::int64_t>({}, {1}));
        CHECK(loss.shape() == Shape{});
        CHECK(double(loss.item()) == Approx(std::log(total) - 1).epsilon(tolerance));
        backward(loss);
        check_close(x.grad(), {1 / total, std::exp(1.) / total - 1, 0, std::exp(-1.) / total}, tolerance);
        Variable<T> fresh = parameter(x.value());
        const Variable<T> dense = softmax_cross_entropy(fresh, tensor<T>({4}, {T(0.5), T(0.5), 0, 0}));
        CHECK(double(dense.item()) == Approx(std::log(total) - 0.5).epsilon(tolerance));
        backward(dense);
        check_close(fresh.grad(), {1 / total - 0.5, std::exp(1.) / total - 0.5, 0, std::exp(-1.) / total},
                    tolerance);
    }
    const Variable<T> apart = parameter(tensor<T>({2, 2}, {T(1e4), T(-1e4), T(-1e4), T(1e4)}));
    const Variable<T> loss = softmax_cross_entropy(apart, tensor<std::int64_t>({2}, {0, 0}));
    CHECK(loss.value() == tensor<T>({2}, {0, T(2e4)}));
    backward(loss, ones<T>({2}));
    CHECK(apart.grad() == tensor<T>({2, 2}, {0, 0, -1, 1}));
    // An excluded class that is right after all, and no class left.
    CHECK(softmax_cross_entropy(constant(tensor<T>({2}, {0, -inf})), tensor<std::int64_t>({}, {1})).item() ==
          inf);
    CHECK(std::isnan(softmax(constant(full<T>({2}, -inf))).value()(0)));
}

TEST_CASE("cross-entropy with labels: per-sample losses and gradients") {
    Tensor<double> values(Shape{2, 2, 3});
    for (std::size_t r = 0; r < 4; ++r) {
        for (std::size_t v = 0; v < 3; ++v) values.data()[3 * r + v] = eighths(double(r)).value()(v);
    }
    const Variable<double> x = parameter(values);
    const Variable<double> loss = softmax_cross_entropy(x, tensor<std::int64_t>({2, 2}, {0, 1, 2, 2}));
    CHECK(loss.shape() == Shape{2, 2});
    check_close(loss.value(), {std::log(8.), std::log(4.), std::log(1.6), std::log(1.6)});
    backward(loss, tensor<double>({2, 2}, {1, 2, 8, 0}));
    const std::initializer_list<double> expected{-0.875, 0.25, 0.625, 0.25, -1.5, 1.25, 1, 2, -3, 0, 0, 0};
    check_close(x.grad(), expected);
    // Into a gradient that another use has begun.
    const Variable<double> again = parameter(values);
    const Variable<double> both =
        sum(softmax_cross_entropy(again, tensor<std::int64_t>({2, 2}, {0, 1, 2, 2})) *
            tensor<double>({2, 2}, {1, 2, 8, 0})) +
        sum(again);
    backward(both);
    for (std::size_t i = 0; i < 12; ++i) {
        CHECK(again.grad().data()[i] == Approx(expected.begin()[i] + 1).epsilon(1e-14));
    }
}

TEST_CASE("cross-entropy with dense targets: both gradients") {
    const Variable<double> x = eighths();
    const Variable<double> t = vector({0.5, 0, 1});  // adds up to 1.5
    const Variable<double> loss = softmax_cross_entropy(x, t);
    CHECK(loss.item() == Approx(0.5 * std::log(8.) + std::log(1.6)).epsilon(1e-15));
    backward(loss, full<double>({}, 2));
    check_close(x.grad(), {2 * (1.5 * 0.125 - 0.5), 2 * 1.5 * 0.25, 2 * (1.5 * 0.625 - 1)});
    check_close(t.grad(), {2 * std::log(8.), 2 * std::log(4.), 2 * std::log(1.6)});
    // One-hot targets are labels.
    const Variable<double> y = eighths();
    backward(softmax_cross_entropy(y, tensor<double>({3}, {0, 1, 0})));
    check_close(y.grad(), {0.125, -0.75, 0.625});
    // A class without target may be excluded.
    const Variable<double> z = vector({0, -infinite});
    const Variable<double> certain = softmax_cross_entropy(z, tensor<double>({2}, {1, 0}));
    CHECK(certain.item() == 0);
    backward(certain);
    CHECK(z.grad() == zeros<double>({2}));
    CHECK(softmax_cross_entropy(z, tensor<double>({2}, {0, 1})).item() == infinite);
}

TEST_CASE("wrong axes, shapes and labels are named") {
    const Variable<double> x = parameter(zeros<double>({2, 3}));
    CHECK_THROWS_WITH_AS(softmax(x, 2), "softmax: axis 2 does not exist in a tensor of rank 2", ShapeError);
    CHECK_THROWS_AS(log_softmax(x, -3), ShapeError);
    CHECK_THROWS_AS(softmax(constant(full<double>({}, 1))), ShapeError);
    CHECK_THROWS_WITH_AS(
        softmax_cross_entropy(x, tensor<std::int64_t>({3}, {0, 1, 2})),
        "softmax_cross_entropy: logits [..., classes] = [2, 3] need labels of shape [2], got [3]",
        ShapeError);
    CHECK_THROWS_WITH_AS(softmax_cross_entropy(x, tensor<double>({2}, {0, 1})),
                         "softmax_cross_entropy: logits [2, 3] and targets [2] differ in shape", ShapeError);
    CHECK_THROWS_WITH_AS(softmax_cross_entropy(constant(full<double>({}, 1)), tensor<std::int64_t>({}, {0})),
                         "softmax_cross_entropy: expected logits [..., classes], got a tensor of rank 0",
                         ShapeError);
    CHECK_THROWS_WITH_AS(
        softmax_cross_entropy(parameter(zeros<double>({2, 2, 3})),
                              tensor<std::int64_t>({2, 2}, {0, 1, 3, 2})),
        "softmax_cross_entropy: label 3 at index [1, 0] lies outside [0, 3), the classes of logits [2, 2, 3]",
        ValueError);
    CHECK_THROWS_AS(softmax_cross_entropy(x, tensor<std::int64_t>({2}, {0, -1})), ValueError);
}

TEST_CASE_TEMPLATE("empty tensors and single classes", T, float, double) {
    const Variable<T> none = parameter(zeros<T>({0, 3}));
    CHECK(softmax(none).shape() == Shape{0, 3});
    CHECK(log_softmax(none, 0).shape() == Shape{0, 3});
    const Variable<T> loss = softmax_cross_entropy(none, zeros<std::int64_t>({0}));
    CHECK(loss.shape() == Shape{0});
    backward(loss, zeros<T>({0}));
    CHECK(none.grad().shape() == Shape{0, 3});
    CHECK(softmax(constant(zeros<T>({3, 0}))).shape() == Shape{3, 0});
    CHECK_THROWS_AS(softmax_cross_entropy(constant(zeros<T>({1, 0})), zeros<std::int64_t>({1})), ValueError);
    const Variable<T> single = parameter(full<T>({1}, 5));
    backward(softmax_cross_entropy(single, zeros<std::int64_t>({})) + sum(softmax(single)));
    CHECK(single.grad()(0) == 0);
}
