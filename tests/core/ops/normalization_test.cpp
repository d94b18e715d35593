#include "seqgrad/core/ops/normalization.hpp"

#include <cmath>
#include <utility>

#include "support/difference.hpp"
#include "support/fixture.hpp"
#include "support/golden.hpp"
#include "support/pointwise.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/elementary.hpp"
#include "seqgrad/core/ops/reduce.hpp"
#include "seqgrad/core/ops/shape.hpp"

using namespace seqgrad;
using test::largest_difference;
using test::vector;

namespace {

/// The definition, from elementary operations; gamma and beta have x's rank.
Variable<double> composed(const Variable<double>& x, const Variable<double>& gamma,
                          const Variable<double>& beta, std::ptrdiff_t axis, double epsilon) {
    const ReduceOptions along{.axis = axis, .keepdims = true};
    return gamma * (x - mean(x, along)) / sqrt(variance(x, along) + epsilon) + beta;
}

Tensor<double> waves(const Shape& shape, double phase) {
    Tensor<double> t(shape);
    for (std::size_t i = 0; i < t.size(); ++i) t.data()[i] = std::sin(double(i * i) + phase) * 2 + phase;
    return t;
}

}  // namespace

TEST_CASE("layer_norm: values by hand") {
    const Variable<double> x = constant(tensor<double>({2, 2}, {1, 3, -5, -5}));
    const Variable<double> gamma = vector({10, 100});
    const Variable<double> beta = vector({1, 2});
    const Tensor<double> y = layer_norm(x, gamma, beta, -1, 3.0).value();  // sqrt(1 + 3) = 2
    CHECK(y == tensor<double>({2, 2}, {-5 + 1, 50 + 2, 1, 2}));
    CHECK(layer_norm(x, {}, {}, -1, 3.0).value() == tensor<double>({2, 2}, {-0.5, 0.5, 0, 0}));
    CHECK(layer_norm(x).value()(0, 1) == doctest::Approx(1 / std::sqrt(1.001)).epsilon(1e-15));
    CHECK(layer_norm(x, {}, beta, 0, 0.0).value() == tensor<double>({2, 2}, {1 + 1, 1 + 1, -1 + 2, -1 + 2}));
}

TEST_CASE("layer_norm is as precise far from zero as around it") {
    // Means that are no double, and no float.
    const Tensor<double> near = tensor<double>({1, 3}, {0, 2, 8});
    const Tensor<double> seed = tensor<double>({1, 3}, {1, -3, 0.5});
    const auto run = [&]<class T>(T far) {
        const Variable<T> x = parameter(Tensor<T>(cast<T>(near) + far));
        const Variable<T> y = layer_norm(x);
        backward(y, cast<T>(seed));
        return std::pair(cast<double>(y.value()), cast<double>(x.grad()));
    };
    const auto [y, gradient] = run(0.0);
    CHECK(largest_difference(run(1e16).first, y) < 1e-14);
    CHECK(largest_difference(run(1e16).second, gradient) < 1e-14);
    CHECK(largest_difference(run(2e7F).first, y) < 1e-6);
    CHECK(largest_difference(run(2e7F).second, gradient) < 1e-6);
}

TEST_CASE("layer_norm agrees with its definition along every axis, gradients included") {
    const Shape shape{3, 130, 4};
    const Tensor<double> values = waves(shape, 0.5);
    const Tensor<double> seed = waves(shape, 2);
    for (std::ptrdiff_t axis = -3; axis < 0; ++axis) {
        CAPTURE(axis);
        const std::size_t n = shape[static_cast<std::size_t>(axis + 3)];
        Shape broadcast{1, 1, 1};
        broadcast[static_cast<std::size_t>(axis + 3)] = n;
        const Variable<double> x = parameter(values), gamma = parameter(waves({n}, 1)),
                               beta = parameter(waves({n}, 3));
        const Variable<double> x2 = parameter(values), gamma2 = parameter(gamma.value()),
                               beta2 = parameter(beta.value());
        const Variable<double> y = layer_norm(x, gamma, beta, axis, 0.1);
        const Variable<double> y2 =
            composed(x2, reshape(gamma2, broadcast), reshape(beta2, broadcast), axis, 0.1);
        CHECK(largest_difference(y.value(), y2.value()) < 1e-14 * 10);
        backward(y, seed);
        backward(y2, seed);
        CHECK(largest_difference(x.grad(), x2.grad()) < 1e-12);
        CHECK(largest_difference(gamma.grad(), gamma2.grad()) < 1e-11);
        CHECK(largest_difference(beta.grad(), beta2.grad()) < 1e-11);
    }
}

TEST_CASE_TEMPLATE("layer_norm gives Keras's numbers", T, float, double) {
    const test::Json fixture = test::read_fixture(test::golden_path("layers/LayerNormalization.json"));
    const double epsilon = fixture.at("config").at("epsilon");
    for (const test::Json& call : fixture.at("calls")) {
        const Variable<T> gamma = parameter(test::to_tensor<T>(fixture.at("weights").at("gamma")));
        const Variable<T> beta = parameter(test::to_tensor<T>(fixture.at("weights").at("beta")));
        const Variable<T> x = parameter(test::to_tensor<T>(call.at("inputs").at("x")));
        const Variable<T> y = layer_norm(x, gamma, beta, -1, epsilon);
        CHECK(test::golden_error(y.value(), test::to_tensor<double>(call.at("outputs").at(0))) <= 1);
        backward(y, test::to_tensor<T>(call.at("cotangents").at(0)));
        CHECK(test::golden_error(x.grad(), test::to_tensor<double>(call.at("gradients").at("x"))) <= 1);
        CHECK(test::golden_error(gamma.grad(), test::to_tensor<double>(call.at("gradients").at("gamma"))) <=
              1);
        CHECK(test::golden_error(beta.grad(), test::to_tensor<double>(call.at("gradients").at("beta"))) <= 1);
    }
}

TEST_CASE("layer_norm's sums over a long batch keep their digits in float") {
    const std::size_t rows = 1'000'000;
    const Variable<float> x = constant(zeros<float>({rows, 1}));
    const Variable<float> beta = parameter(zeros<float>({1}));
    backward(layer_norm(x, {}, beta), full<float>({rows, 1}, 0.1F));
    CHECK(beta.grad()(0) == doctest::Approx(double(0.1F) * double(rows)).epsilon(1e-6));
}

TEST_CASE("layer_norm: wrong arguments and empty tensors") {
    const Variable<double> x = parameter(ones<double>({3, 4}));
    CHECK_THROWS_WITH_AS(layer_norm(x, vector({1, 2, 3})),
                         "layer_norm: x [3, 4] normalised along axis 1 needs gamma of shape [4], got [3]",
                         ShapeError);
    CHECK_THROWS_AS(layer_norm(x, {}, constant(ones<double>({1, 4}))), ShapeError);
    CHECK_THROWS_AS(layer_norm(x, {}, {}, 2), ShapeError);
    CHECK_THROWS_WITH_AS(layer_norm(x, {}, {}, -1, -1.0), "layer_norm: epsilon must not be negative, got -1",
                         ValueError);
    const Variable<double> none = parameter(zeros<double>({0, 2}));
    const Variable<double> gamma = vector({1, 2});
    backward(layer_norm(none, gamma), zeros<double>({0, 2}));
    CHECK(none.grad().shape() == Shape{0, 2});
    CHECK(gamma.grad() == zeros<double>({2}));
}
