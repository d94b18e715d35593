#include "seqgrad/core/ops/reduce.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "support/pointwise.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"

using namespace seqgrad;
using test::infinite;
using test::not_a_number;
using test::vector;

namespace {

/// Whole numbers without pattern, small enough that every sum of them is exact.
template <class T>
Tensor<T> scattered(const Shape& shape) {
    Tensor<T> t(shape);
    std::uint32_t state = 12345;
    for (T& v : elements(t)) {
        state = state * 1664525U + 1013904223U;
        v = static_cast<T>(state >> 24) - T{128};
    }
    return t;
}

struct Naive {
    Tensor<double> sum, largest, smallest;
};

/// The reductions by their definition, one element at a time. `kept` has size 1 on the reduced axes.
template <class T>
Naive naive(const Tensor<T>& x, const Shape& kept) {
    Naive result{zeros<double>(kept), full<double>(kept, -infinite), full<double>(kept, infinite)};
    std::vector<std::size_t> index(x.dimension(), 0);
    for (const T v : elements(x)) {
        std::vector<std::size_t> to = index;
        for (std::size_t k = 0; k < to.size(); ++k) to[k] = kept[k] == 1 ? 0 : index[k];
        result.sum.element(to.begin(), to.end()) += v;
        double& largest = result.largest.element(to.begin(), to.end());
        double& smallest = result.smallest.element(to.begin(), to.end());
        largest = std::max<double>(largest, v);
        smallest = std::min<double>(smallest, v);
        for (std::size_t k = index.size(); k-- > 0;) {
            if (++index[k] < x.shape()[k]) break;
            index[k] = 0;
        }
    }
    return result;
}

}  // namespace

TEST_CASE_TEMPLATE("every choice of axes agrees with the definition", T, float, double) {
    // Lengths on either side of each length that the loops treat differently, and sizes of 1 between.
    const std::vector<Shape> shapes{
        {},          {1},       {5},           {1000},       {3, 4},       {70, 2},        {300, 7},
        {2, 513},    {40, 600}, {1, 35, 1, 3}, {3, 1, 5, 2}, {2, 3, 4, 5}, {33, 2, 17, 3}, {5, 2, 1, 3, 2},
        {130, 1, 31}};
    for (const Shape& shape : shapes) {
        const Variable<T> x = constant(scattered<T>(shape));
        for (unsigned choice = 0; choice < 1U << shape.size(); ++choice) {
            IntList axes;
            std::vector<std::size_t> chosen;
            Shape kept = shape;
            Shape dropped;
            for (std::size_t axis = 0; axis < shape.size(); ++axis) {
                if ((choice >> axis & 1U) != 0) {
                    chosen.push_back(axis);
                    kept[axis] = 1;
                } else {
                    dropped.push_back(shape[axis]);
                }
            }
            CAPTURE(to_string(shape));
            CAPTURE(choice);
            const Naive expected = naive(x.value(), kept);
            const ReduceOptions keeping{.axis = IntList(chosen), .keepdims = true};
            CHECK(sum(x, keeping).value() == cast<T>(expected.sum));
            CHECK(max(x, keeping).value() == cast<T>(expected.largest));
            CHECK(min(x, keeping).value() == cast<T>(expected.smallest));
            const Variable<T> flat = sum(x, {.axis = IntList(chosen)});
            CHECK(flat.shape() == dropped);
            CHECK(std::equal(elements(flat.value()).begin(), elements(flat.value()).end(),
                             expected.sum.data()));
        }
    }
}

TEST_CASE("axes count from either end, default to all, and are checked") {
    const Variable<double> x = parameter(scattered<double>({2, 3, 4}));
    CHECK(sum(x).shape() == Shape{});
    CHECK(sum(x, {.keepdims = true}).shape() == Shape{1, 1, 1});
    CHECK(sum(x, {.axis = -1}).shape() == Shape{2, 3});
    CHECK(sum(x, {.axis = {0, -1}}).shape() == Shape{3});
    CHECK(sum(x, {.axis = {-1, 0}, .keepdims = true}).shape() == Shape{1, 3, 1});
    CHECK(sum(x, {.axis = {}}).shape() == Shape{});
    CHECK(sum(x, {.axis = IntList()}).value() == x.value());
    CHECK_THROWS_WITH_AS(sum(x, {.axis = 3}), "sum: axis 3 does not exist in a tensor of rank 3", ShapeError);
    CHECK_THROWS_WITH_AS(mean(x, {.axis = {1, 0, -2}}),
                         "mean: axis 1 of shape [2, 3, 4] is named twice in [1, 0, -2]", ShapeError);
    CHECK_THROWS_AS(max(constant(full<double>({}, 1)), {.axis = 0}), ShapeError);
}

TEST_CASE("sum and mean spread their gradient") {
    const Variable<double> x = parameter(scattered<double>({2, 3}));
    backward(sum(x, {.axis = 0}), tensor<double>({3}, {1, 2, 3}));
    CHECK(x.grad() == tensor<double>({2, 3}, {1, 2, 3, 1, 2, 3}));
    backward(mean(x, {.axis = 1}), tensor<double>({2}, {3, 6}));  // added to what is there
    CHECK(x.grad() == tensor<double>({2, 3}, {2, 3, 4, 3, 4, 5}));
    const Variable<double> y = vector({1, 2, 6});
    CHECK(mean(y).item() == 3);
    backward(mean(y) * sum(y));
    CHECK(y.grad() == full<double>({3}, 3 + 9. / 3));
}

TEST_CASE_TEMPLATE("sums keep their digits", T, float, double) {
    // 0.1 is not exact: added one after another, ten million of them are off by 9 % in float.
    const std::size_t n = 10'000'000;
    const double exact = static_cast<double>(T(0.1)) * static_cast<double>(n);
    const double tolerance = 4 * static_cast<double>(std::numeric_limits<T>::epsilon());
    const Variable<T> x = constant(full<T>({n}, T(0.1)));
    CHECK(static_cast<double>(sum(x).item()) == doctest::Approx(exact).epsilon(tolerance));
    const Variable<T> tall = constant(full<T>({n / 10, 10}, T(0.1)));
    CHECK(static_cast<double>(sum(tall, {.axis = 0}).value()(9)) ==
          doctest::Approx(exact / 10).epsilon(tolerance));
    const Variable<T> blocks = constant(full<T>({n / 100, 10, 10}, T(0.1)));
    CHECK(static_cast<double>(sum(blocks, {.axis = {0, 2}}).value()(9)) ==
          doctest::Approx(exact / 10).epsilon(tolerance));
    // The sum that undoes broadcasting.
    const Variable<T> bias = parameter(zeros<T>({10}));
    backward(tall + bias, tall.value());
    CHECK(static_cast<double>(bias.grad()(3)) == doctest::Approx(exact / 10).epsilon(tolerance));
}

TEST_CASE("max and min share the gradient of ties, and find NaN") {
    const Variable<double> x = parameter(tensor<double>({2, 4}, {3, 1, 3, 3, -1, 5, 5, -1}));
    const Tensor<double> seed = tensor<double>({2}, {6, 8});
    const Variable<double> largest = max(x, {.axis = 1});
    CHECK(largest.value() == tensor<double>({2}, {3, 5}));
    backward(largest, seed);
    CHECK(x.grad() == tensor<double>({2, 4}, {2, 0, 2, 2, 0, 4, 4, 0}));
    Variable<double> y = parameter(x.value());
    const Variable<double> smallest = min(y, {.axis = -1, .keepdims = true});
    CHECK(smallest.value() == tensor<double>({2, 1}, {1, -1}));
    backward(smallest, tensor<double>({2, 1}, {6, 8}));
    CHECK(y.grad() == tensor<double>({2, 4}, {0, 6, 0, 0, 4, 0, 0, 4}));

    for (const std::size_t n : {std::size_t{3}, std::size_t{16}, std::size_t{41}}) {
        for (std::size_t at = 0; at < n; ++at) {
            Tensor<double> t = full<double>({n}, 2);
            t(at) = not_a_number;
            CHECK(std::isnan(max(constant(t)).item()));
            CHECK(std::isnan(min(constant(t)).item()));
            t.reshape(Shape{n, 1});
            CHECK(std::isnan(max(constant(t) * ones<double>({1, 2}), {.axis = 0}).value()(1)));
        }
    }
    const Variable<double> infinities = vector({-infinite, infinite, 0});
    CHECK(max(infinities).item() == infinite);
    CHECK(min(infinities).item() == -infinite);
    CHECK(max(vector({-infinite, -infinite})).item() == -infinite);
}

TEST_CASE("logsumexp is exact at large and infinite arguments") {
    const Variable<double> x =
        parameter(tensor<double>({3, 2}, {1e4, 1e4, -1e4, -1e4 + std::log(3.), -infinite, -infinite}));
    const Variable<double> y = logsumexp(x, {.axis = 1});
    CHECK(y.value()(0) == doctest::Approx(1e4 + std::log(2.)).epsilon(1e-15));
    CHECK(y.value()(1) == doctest::Approx(-1e4 + std::log(4.)).epsilon(1e-15));
    CHECK(y.value()(2) == -infinite);
    backward(y, tensor<double>({3}, {2, 4, 5}));
    CHECK(x.grad()(0, 0) == 1);
    CHECK(x.grad()(1, 0) == doctest::Approx(1).epsilon(1e-11));
    CHECK(x.grad()(1, 1) == doctest::Approx(3).epsilon(1e-11));
    CHECK(x.grad()(2, 0) == 0);
    CHECK(x.grad()(2, 1) == 0);
    CHECK(logsumexp(vector({1, -infinite})).item() == 1);
    CHECK(logsumexp(vector({1, infinite})).item() == infinite);
    CHECK(std::isnan(logsumexp(vector({1, not_a_number})).item()));
    CHECK(logsumexp(vector({7})).item() == 7);

    const Variable<double> columns = parameter(tensor<double>({2, 2}, {0, std::log(2.), std::log(3.), 0}));
    const Variable<double> z = logsumexp(columns, {.axis = 0, .keepdims = true});
    CHECK(z.shape() == Shape{1, 2});
    CHECK(z.value()(0, 0) == doctest::Approx(std::log(4.)).epsilon(1e-15));
    backward(z, tensor<double>({1, 2}, {4, 6}));
    CHECK(columns.grad()(0, 0) == doctest::Approx(1).epsilon(1e-15));
    CHECK(columns.grad()(1, 0) == doctest::Approx(3).epsilon(1e-15));
    CHECK(columns.grad()(0, 1) == doctest::Approx(4).epsilon(1e-15));
    CHECK(columns.grad()(1, 1) == doctest::Approx(2).epsilon(1e-15));
}

TEST_CASE("logsumexp's gradient keeps its digits in float at large arguments") {
    const Variable<float> x = parameter(tensor<float>({2}, {10000.0F, 10001.0F}));
    backward(logsumexp(x));
    CHECK(x.grad()(0) == doctest::Approx(1 / (1 + std::exp(1.))).epsilon(1e-6));
    CHECK(x.grad()(1) == doctest::Approx(1 / (1 + std::exp(-1.))).epsilon(1e-6));
}

TEST_CASE("variance is the population's, and survives a large mean") {
    const Variable<double> x = parameter(tensor<double>({2, 4}, {1, 2, 3, 6, 5, 5, 5, 5}));
    const Variable<double> v = variance(x, {.axis = 1});
    CHECK(v.value() == tensor<double>({2}, {3.5, 0}));
    backward(v, tensor<double>({2}, {2, 3}));
    CHECK(x.grad() == tensor<double>({2, 4}, {-2, -1, 0, 3, 0, 0, 0, 0}));
    CHECK(variance(vector({1e9 + 1, 1e9 + 3})).item() == 1);
    // Means that are no double, and no float.
    const Variable<double> far = parameter(tensor<double>({3}, {1e16, 1e16 + 2, 1e16 + 8}));
    const Variable<double> far_variance = variance(far);
    CHECK(far_variance.item() == doctest::Approx(312.0 / 27).epsilon(1e-15));
    backward(far_variance);
    CHECK(far.grad()(0) == doctest::Approx(-20.0 / 9).epsilon(1e-15));
    CHECK(far.grad()(2) == doctest::Approx(28.0 / 9).epsilon(1e-15));
    CHECK(variance(vector({1e16, 1e16 + 2})).item() == 1);
    CHECK(variance(constant(tensor<float>({2}, {1e7F, 1e7F + 1}))).item() == 0.25F);
    CHECK(variance(vector({4})).item() == 0);
    CHECK(variance(x, {.axis = 0, .keepdims = true}).value() == tensor<double>({1, 4}, {4, 2.25, 1, 0.25}));
}

TEST_CASE_TEMPLATE("empty axes behave as in NumPy", T, float, double) {
    const Variable<T> x = parameter(zeros<T>({3, 0}));
    CHECK(sum(x).item() == 0);
    CHECK(sum(x, {.axis = 1}).value() == zeros<T>({3}));
    CHECK(sum(x, {.axis = 0}).shape() == Shape{0});
    CHECK(std::isnan(mean(x).item()));
    CHECK(std::isnan(variance(x, {.axis = 1}).value()(2)));
    CHECK(logsumexp(x, {.axis = 1}).value()(0) == -std::numeric_limits<T>::infinity());
    CHECK(max(x, {.axis = 0}).shape() == Shape{0});  // nothing is asked for
    CHECK_THROWS_WITH_AS(
        max(x, {.axis = 1}),
        "max: axis 1 of shape [3, 0] is empty, and there is no max of no elements; reduce an axis that "
        "has elements",
        ValueError);
    CHECK_THROWS_AS(min(x), ValueError);
    for (const Variable<T>& y : {sum(x), mean(x), logsumexp(x), variance(x)}) backward(y);
    CHECK(x.grad().shape() == Shape{3, 0});
    const Variable<T> s = parameter(full<T>({}, 3));
    backward(sum(s) + mean(s) + max(s) + logsumexp(s) + variance(s));
    CHECK(s.grad()() == 4);
}
