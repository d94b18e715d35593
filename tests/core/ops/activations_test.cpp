#include "seqgrad/core/ops/activations.hpp"

#include <cmath>
#include <string>

#include "support/fixture.hpp"
#include "support/golden.hpp"
#include "support/pointwise.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/linear.hpp"

using namespace seqgrad;
using test::check_pointwise;
using test::infinite;
using test::not_a_number;
using test::vector;

TEST_CASE("saturating activations: values and gradients") {
    const double t = std::tanh(0.5);
    const double s = 1 / (1 + std::exp(-0.5));
    check_pointwise([](auto x) { return tanh(x); }, {0, 0.5, -0.5, infinite, -infinite, 1e4, not_a_number},
                    {0, t, -t, 1, -1, 1, not_a_number}, {1, 1 - t * t, 1 - t * t, 0, 0, 0, not_a_number});
    check_pointwise([](auto x) { return sigmoid(x); }, {0, 0.5, -0.5, infinite, -infinite, -40},
                    {0.5, s, 1 - s, 1, 0, std::exp(-40.)},
                    {0.25, s * (1 - s), s * (1 - s), 0, 0, std::exp(-40.)});
    check_pointwise([](auto x) { return hard_sigmoid(x); }, {0, 1.5, -1.5, 3, -3, 4, -infinite, not_a_number},
                    {0.5, 0.75, 0.25, 1, 0, 1, 0, not_a_number}, {1. / 6, 1. / 6, 1. / 6, 0, 0, 0, 0, 0});
    check_pointwise([](auto x) { return softsign(x); }, {0, 1, -3, infinite, -infinite},
                    {0, 0.5, -0.75, 1, -1}, {1, 0.25, 1. / 16, 0, 0});
}

TEST_CASE("rectifiers choose their gradients at 0, and let NaN pass") {
    check_pointwise([](auto x) { return relu(x); }, {2, -2, 0, infinite, not_a_number},
                    {2, 0, 0, infinite, not_a_number}, {1, 0, 0, 1, 0});
    check_pointwise([](auto x) { return leaky_relu(x); }, {2, -2, 0}, {2, -2 * double(0.2F), 0},
                    {1, 0.2F, 0.2F});
    check_pointwise([](auto x) { return leaky_relu(x, 0.5); }, {2, -2}, {2, -1}, {1, 0.5});
    const double e = std::exp(-2.);
    check_pointwise([](auto x) { return elu(x); }, {2, -2, 0, -infinite, infinite, 1e4},
                    {2, e - 1, 0, -1, infinite, 1e4}, {1, e, 1, 0, 1, 1});
    check_pointwise([](auto x) { return elu(x, 3); }, {2, -2, -30}, {2, 3 * (e - 1), 3 * std::expm1(-30.)},
                    {1, 3 * e, 3 * std::exp(-30.)});
    const double scale = 1.0507009873554805;
    const double alpha = 1.6732632423543772;
    check_pointwise([](auto x) { return selu(x); }, {2, -2, 0}, {2 * scale, scale * alpha * (e - 1), 0},
                    {scale, scale * alpha * e, scale});
}

TEST_CASE("smooth rectifiers: values, gradients and limits") {
    const double sigmoid_of_2 = 1 / (1 + std::exp(-2.));
    check_pointwise([](auto x) { return softplus(x); }, {0, 2, -40, 1e4, -1e4},
                    {std::log(2.), std::log1p(std::exp(2.)), std::exp(-40.), 1e4, 0},
                    {0.5, sigmoid_of_2, std::exp(-40.), 1, 0});
    check_pointwise([](auto x) { return silu(x); }, {0, -2, 3, infinite, -infinite},
                    {0, -0.2384058440442351, 2.8577223804673, infinite, 0},
                    {0.5, -0.09078424878489547, 1.0881041060151695, 1, 0});
    const auto exact = [](double x) {
        const double root_half = 0.70710678118654752440F;
        const double p = std::erfc(-x * root_half) / 2;
        const double density =
            std::exp(-(x * root_half) * (x * root_half)) * root_half / std::sqrt(std::acos(-1.));
        return std::pair(x * p, p + x * density);
    };
    const auto [at_minus_2, slope_at_minus_2] = exact(-2);
    const auto [at_3, slope_at_3] = exact(3);
    CHECK(at_minus_2 == doctest::Approx(-0.04550026389635844).epsilon(1e-7));  // with the true sqrt(1/2)
    check_pointwise([](auto x) { return gelu(x); }, {0, -2, 3, infinite, -infinite},
                    {0, at_minus_2, at_3, infinite, 0}, {0.5, slope_at_minus_2, slope_at_3, 1, 0});

    // x sigmoid(2 u), u = sqrt(2/pi) (x + k x^3): another way to write the approximation.
    const auto approximate = [](double x) {
        const double c = std::sqrt(2 / std::acos(-1.));
        const double k = 0.044715F;
        const double s = 1 / (1 + std::exp(-2 * c * (x + k * x * x * x)));
        return std::pair(x * s, s + x * 2 * c * (1 + 3 * k * x * x) * s * (1 - s));
    };
    const auto [low, low_slope] = approximate(-2);
    const auto [high, high_slope] = approximate(0.5);
    check_pointwise([](auto x) { return gelu(x, true); }, {-2, 0.5, infinite, -infinite},
                    {low, high, infinite, 0}, {low_slope, high_slope, 1, 0});
}

TEST_CASE_TEMPLATE("activations take any shape", T, float, double) {
    for (const Shape& shape : {Shape{}, Shape{0, 3}, Shape{2, 1, 37}}) {
        for (const char* name : {"elu", "exponential", "gelu", "hard_sigmoid", "leaky_relu", "linear", "relu",
                                 "selu", "sigmoid", "silu", "softplus", "softsign", "tanh"}) {
            CAPTURE(name);
            const Variable<T> x = parameter(full<T>(shape, T(0.5)));
            const Variable<T> y = apply(name, x);
            REQUIRE(y.shape() == shape);
            backward(y, ones<T>(shape));
            const double expected = apply(name, vector({0.5})).item();
            for (const T v : elements(y.value())) CHECK(double(v) == doctest::Approx(expected).epsilon(1e-6));
            const Variable<double> reference = vector({0.5});
            backward(apply(name, reference));
            for (const T v : elements(x.grad()))
                CHECK(double(v) == doctest::Approx(reference.grad()(0)).epsilon(1e-6));
        }
    }
}

TEST_CASE("Activation is named as in Keras") {
    struct Config {
        Activation activation = Activation::linear;
    };
    CHECK(Config{}.activation == Activation::linear);
    CHECK(Config{.activation = Activation::tanh}.activation.name() == "tanh");
    CHECK(Config{.activation = "hard_sigmoid"}.activation == Activation::hard_sigmoid);
    CHECK(Config{.activation = std::string("swish")}.activation == Activation::silu);
    CHECK(Activation() == Activation::linear);
    for (int k = Activation::elu; k <= Activation::tanh; ++k) {
        const Activation activation = static_cast<Activation::Kind>(k);
        CHECK(activation_from_name(activation.name()) == activation);
    }
    CHECK(Activation(Activation::log_softmax).name() == "log_softmax");
    CHECK(Activation(Activation::elu).name() == "elu");
    CHECK_THROWS_WITH_AS(activation_from_name("Tanh"),
                         "activation \"Tanh\" is not known; there are elu, exponential, gelu, hard_sigmoid, "
                         "leaky_relu, linear, "
                         "log_softmax, relu, selu, sigmoid, silu, softmax, softplus, softsign, tanh",
                         ValueError);
    CHECK_THROWS_AS(Activation(""), ValueError);
}

TEST_CASE("apply calls the function of that name") {
    const Variable<double> x = vector({-1, 2});
    CHECK(apply(Activation::linear, x).same_as(x));
    CHECK(apply(Activation::exponential, x).value()(1) == doctest::Approx(std::exp(2.)).epsilon(1e-15));
    for (const auto& [activation, op] : {std::pair(Activation::elu, "elu"),
                                         {Activation::exponential, "exp"},
                                         {Activation::gelu, "gelu"},
                                         {Activation::hard_sigmoid, "hard_sigmoid"},
                                         {Activation::leaky_relu, "leaky_relu"},
                                         {Activation::log_softmax, "log_softmax"},
                                         {Activation::relu, "relu"},
                                         {Activation::selu, "selu"},
                                         {Activation::sigmoid, "sigmoid"},
                                         {Activation::silu, "silu"},
                                         {Activation::softmax, "softmax"},
                                         {Activation::softplus, "softplus"},
                                         {Activation::softsign, "softsign"},
                                         {Activation::tanh, "tanh"}}) {
        CHECK(std::string(apply(activation, x).op()) == op);
    }
    CHECK_THROWS_AS(apply(static_cast<Activation::Kind>(99), x), ValueError);
}

TEST_CASE_TEMPLATE("activations give Keras's numbers behind a dense layer", T, float, double) {
    for (const std::string name : {"elu", "gelu", "hard_sigmoid", "leaky_relu", "linear", "relu", "selu",
                                   "sigmoid", "silu", "softmax", "softplus", "tanh"}) {
        CAPTURE(name);
        const test::Json fixture = test::read_fixture(test::golden_path("layers/Dense_" + name + ".json"));
        for (const test::Json& call : fixture.at("calls")) {
            const Variable<T> kernel = parameter(test::to_tensor<T>(fixture.at("weights").at("kernel")));
            const Variable<T> bias = parameter(test::to_tensor<T>(fixture.at("weights").at("bias")));
            const Variable<T> x = parameter(test::to_tensor<T>(call.at("inputs").at("x")));
            const Variable<T> y = apply(Activation(name), linear(x, kernel, bias));
            CHECK(test::golden_error(y.value(), test::to_tensor<double>(call.at("outputs").at(0))) <= 1);
            backward(y, test::to_tensor<T>(call.at("cotangents").at(0)));
            const test::Json& expected = call.at("gradients");
            CHECK(test::golden_error(x.grad(), test::to_tensor<double>(expected.at("x"))) <= 1);
            CHECK(test::golden_error(kernel.grad(), test::to_tensor<double>(expected.at("kernel"))) <= 1);
            CHECK(test::golden_error(bias.grad(), test::to_tensor<double>(expected.at("bias"))) <= 1);
        }
    }
}
