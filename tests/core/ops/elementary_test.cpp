#include "seqgrad/core/ops/elementary.hpp"

#include <cmath>

#include "support/pointwise.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"

using namespace seqgrad;
using test::check_pointwise;
using test::infinite;
using test::not_a_number;
using test::vector;

TEST_CASE("exponentials and logarithms: values and gradients") {
    const double e = std::exp(1.0);
    check_pointwise([](auto x) { return exp(x); }, {0, 1, -1, -infinite, infinite, not_a_number},
                    {1, e, 1 / e, 0, infinite, not_a_number}, {1, e, 1 / e, 0, infinite, not_a_number});
    check_pointwise([](auto x) { return expm1(x); }, {0, 1, 1e-20, -30, -infinite},
                    {0, e - 1, 1e-20, std::expm1(-30.), -1}, {1, e, 1, std::exp(-30.), 0});
    check_pointwise([](auto x) { return log(x); }, {1, e, 0, -1, infinite},
                    {0, 1, -infinite, not_a_number, infinite}, {1, 1 / e, infinite, -1, 0});
    check_pointwise([](auto x) { return log1p(x); }, {0, 1, 1e-20, -1}, {0, std::log(2.), 1e-20, -infinite},
                    {1, 0.5, 1, infinite});
}

TEST_CASE("algebraic and trigonometric functions: values and gradients") {
    check_pointwise([](auto x) { return sqrt(x); }, {4, 0.25, 0, -1, infinite},
                    {2, 0.5, 0, not_a_number, infinite}, {0.25, 1, infinite, not_a_number, 0});
    check_pointwise([](auto x) { return square(x); }, {3, -2, 0, -infinite}, {9, 4, 0, infinite},
                    {6, -4, 0, -infinite});
    check_pointwise([](auto x) { return reciprocal(x); }, {4, -0.5, 0, infinite}, {0.25, -2, infinite, 0},
                    {-1. / 16, -4, -infinite, 0});
    check_pointwise([](auto x) { return sin(x); }, {0, 0.5}, {0, std::sin(0.5)}, {1, std::cos(0.5)});
    check_pointwise([](auto x) { return cos(x); }, {0, 0.5}, {1, std::cos(0.5)}, {0, -std::sin(0.5)});
}

TEST_CASE("abs and clip choose their gradients at kinks, and let NaN pass") {
    check_pointwise([](auto x) { return abs(x); }, {3, -3, 0, -infinite}, {3, 3, 0, infinite},
                    {1, -1, 0, -1});
    check_pointwise([](auto x) { return clip(x, -1, 2); }, {-1.5, -1, 0, 2, 2.5, -infinite, not_a_number},
                    {-1, -1, 0, 2, 2, -1, not_a_number}, {0, 1, 1, 1, 0, 0, 1});
    const Variable<double> x = vector({1});
    CHECK(clip(x, 3, 3).item() == 3);
    CHECK_THROWS_WITH_AS(clip(x, 2, 1), "clip: min must not exceed max, got min = 2 and max = 1", ValueError);
    CHECK_THROWS_AS(clip(x, not_a_number, 1), ValueError);
}

TEST_CASE("power with a fixed exponent") {
    check_pointwise([](auto x) { return power(x, 3); }, {2, -2, 0}, {8, -8, 0}, {12, 12, 0});
    check_pointwise([](auto x) { return power(x, 2); }, {3, -infinite}, {9, infinite}, {6, -infinite});
    check_pointwise([](auto x) { return power(x, 0.5); }, {4, 0, -1}, {2, 0, not_a_number},
                    {0.25, infinite, not_a_number});
    check_pointwise([](auto x) { return power(x, 1); }, {-2, 0}, {-2, 0}, {1, 1});
    check_pointwise([](auto x) { return power(x, 0); }, {-2, 0, infinite}, {1, 1, 1}, {0, 0, 0});
    check_pointwise([](auto x) { return power(x, -1); }, {4, 0}, {0.25, infinite}, {-1. / 16, -infinite});
}

TEST_CASE("power of two Variables broadcasts and sums both gradients") {
    const Variable<double> x = parameter(tensor<double>({2, 1}, {2, 3}));
    const Variable<double> y = parameter(tensor<double>({2}, {3, -1}));
    const Variable<double> z = power(x, y);
    CHECK(z.value()(0, 0) == 8);
    CHECK(z.value()(1, 1) == doctest::Approx(1. / 3).epsilon(1e-15));
    backward(z, tensor<double>({2, 2}, {1, 2, 3, 5}));
    CHECK(x.grad()(0, 0) == doctest::Approx(3 * 4 + 2 * (-0.25)).epsilon(1e-15));
    CHECK(x.grad()(1, 0) == doctest::Approx(3 * 27 + 5 * (-1. / 9)).epsilon(1e-15));
    CHECK(y.grad()(0) == doctest::Approx(8 * std::log(2.) + 3 * 27 * std::log(3.)).epsilon(1e-15));
    CHECK(y.grad()(1) == doctest::Approx(2 * 0.5 * std::log(2.) + 5. / 3 * std::log(3.)).epsilon(1e-15));
}

TEST_CASE("power outside the logarithm's domain gives its exponent no gradient") {
    const Variable<double> x = vector({0, 0, -2});
    const Variable<double> y = vector({2, 0, 3});
    backward(power(x, y), ones<double>({3}));
    CHECK(x.grad() == tensor<double>({3}, {0, 0, 12}));
    CHECK(y.grad() == zeros<double>({3}));
    const Variable<double> same = vector({2});
    backward(power(same, same), ones<double>({1}));
    CHECK(same.grad()(0) == doctest::Approx(4 * (1 + std::log(2.))).epsilon(1e-15));
}

TEST_CASE("minimum and maximum give a tie's gradient to the first operand") {
    const Variable<double> a = vector({1, 2, 3});
    const Variable<double> b = parameter(tensor<double>({2, 1}, {2, 0}));
    const Tensor<double> seed = tensor<double>({2, 3}, {1, 2, 3, 4, 5, 6});
    const Variable<double> low = minimum(a, b);
    CHECK(low.value() == tensor<double>({2, 3}, {1, 2, 2, 0, 0, 0}));
    backward(low, seed);
    CHECK(a.grad() == tensor<double>({3}, {1, 2, 0}));
    CHECK(b.grad() == tensor<double>({2, 1}, {3, 15}));
    Variable<double> c = vector({1, 2, 3});
    Variable<double> d = parameter(tensor<double>({2, 1}, {2, 0}));
    const Variable<double> high = maximum(c, d);
    CHECK(high.value() == tensor<double>({2, 3}, {2, 2, 3, 1, 2, 3}));
    backward(high, seed);
    CHECK(c.grad() == tensor<double>({3}, {4, 2 + 5, 3 + 6}));
    CHECK(d.grad() == tensor<double>({2, 1}, {1, 0}));
}

TEST_CASE("minimum and maximum propagate NaN from either side") {
    const Variable<double> a = vector({not_a_number, 1, infinite});
    const Variable<double> b = vector({1, not_a_number, -infinite});
    CHECK(std::isnan(minimum(a, b).value()(0)));
    CHECK(std::isnan(minimum(a, b).value()(1)));
    CHECK(std::isnan(maximum(a, b).value()(0)));
    CHECK(std::isnan(maximum(a, b).value()(1)));
    CHECK(minimum(a, b).value()(2) == -infinite);
    CHECK(maximum(a, b).value()(2) == infinite);
}

TEST_CASE("numbers and tensors may stand beside a Variable") {
    const Variable<double> x = vector({-1, 2});
    const Tensor<double> t = tensor<double>({2}, {0, 3});
    CHECK(maximum(x, 0).value() == tensor<double>({2}, {0, 2}));
    CHECK(minimum(1, x).value() == tensor<double>({2}, {-1, 1}));
    CHECK(power(2, x).value() == tensor<double>({2}, {0.5, 4}));
    CHECK(power(x, t).value() == tensor<double>({2}, {1, 8}));
    CHECK(maximum(t, x * 2).value() == tensor<double>({2}, {0, 4}));
    CHECK(minimum(x, t).value() == tensor<double>({2}, {-1, 2}));
    CHECK(where(x.value() > 0, x * 5, t).value() == tensor<double>({2}, {0, 10}));
    CHECK(where(tensor<bool>({2}, {true, false}), x, 7).value() == tensor<double>({2}, {-1, 7}));
    CHECK(power(parameter(full<float>({}, 3)), 3).item() == 27);
}

TEST_CASE("where broadcasts three ways and shields from the branch not taken") {
    const Variable<double> a = parameter(tensor<double>({2, 1}, {1, 2}));
    const Variable<double> b = vector({10, 20, 30});
    const Variable<double> y = where(tensor<bool>({3}, {true, false, true}), a, b);
    CHECK(y.value() == tensor<double>({2, 3}, {1, 20, 1, 2, 20, 2}));
    backward(y, tensor<double>({2, 3}, {1, 2, 3, 4, 5, 6}));
    CHECK(a.grad() == tensor<double>({2, 1}, {4, 10}));
    CHECK(b.grad() == tensor<double>({3}, {0, 7, 0}));

    const Variable<double> x = vector({0, 4});
    backward(where(tensor<bool>({2}, {false, true}), x, x * 2), ones<double>({2}));
    CHECK(x.grad() == tensor<double>({2}, {2, 1}));

    // The condition alone may stretch the result.
    const Variable<double> s = parameter(full<double>({}, 3));
    backward(where(tensor<bool>({3}, {true, false, true}), s, 0), ones<double>({3}));
    CHECK(s.grad()() == 2);
    const Variable<double> bad = vector({not_a_number, 1});
    const Variable<double> good = vector({5, 6});
    CHECK(where(tensor<bool>({2}, {false, true}), bad, good).value() == tensor<double>({2}, {5, 1}));
}

TEST_CASE("shapes that do not broadcast are named") {
    const Variable<double> a = parameter(ones<double>({2, 3}));
    const Variable<double> b = parameter(ones<double>({4}));
    CHECK_THROWS_WITH_AS(maximum(a, b),
                         "maximum: cannot broadcast [2, 3] with [4]: sizes 3 and 4 differ on axis -1, and "
                         "neither is 1",
                         ShapeError);
    CHECK_THROWS_AS(minimum(a, b), ShapeError);
    CHECK_THROWS_AS(power(a, b), ShapeError);
    CHECK_THROWS_AS(where(tensor<bool>({4}, {true, true, true, true}), a, a), ShapeError);
}

TEST_CASE_TEMPLATE("empty and rank-0 operands", T, float, double) {
    const Variable<T> none = parameter(zeros<T>({0, 3}));
    const Variable<T> row = parameter(ones<T>({3}));
    backward(maximum(exp(none), row), zeros<T>({0, 3}));
    CHECK(none.grad().shape() == Shape{0, 3});
    CHECK(row.grad() == zeros<T>({3}));
    const Variable<T> s = parameter(full<T>({}, 4));
    backward(sqrt(s) + log(s));
    CHECK(s.grad()() == T(0.5));
}
