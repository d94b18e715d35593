#include "seqgrad/layers/dense.hpp"

#include <cmath>

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"

using namespace seqgrad;

TEST_CASE("Dense has Keras's parameters, made by its initializers") {
    Dense<double> layer({.units = 3,
                         .activation = Activation::tanh,
                         .kernel_initializer = Ones{},
                         .bias_initializer = Constant{0.5}});
    const Variable<double> y = layer(constant(full<double>({2, 4}, 0.25)));
    CHECK(y.value()(1, 2) == doctest::Approx(std::tanh(1.5)).epsilon(1e-15));
    const auto parameters = layer.parameters();
    REQUIRE(parameters.size() == 2);
    CHECK(parameters[0].name == "kernel");
    CHECK(parameters[0].variable.shape() == Shape{4, 3});
    CHECK(parameters[1].name == "bias");
    CHECK(parameters[1].variable.shape() == Shape{3});
    backward(y, ones<double>({2, 3}));
    CHECK(layer.bias().grad()(0) ==
          doctest::Approx(2 * (1 - std::tanh(1.5) * std::tanh(1.5))).epsilon(1e-14));
}

TEST_CASE("Dense applies to the last axis of sequences, and goes without a bias") {
    Dense<float> layer({.units = 2, .use_bias = false, .kernel_initializer = Ones{}});
    CHECK(layer(constant(ones<float>({3, 5, 4}))).value() == full<float>({3, 5, 2}, 4));
    CHECK(layer.parameter_count() == 8);
    CHECK(layer.compute_output_shape({unknown, unknown, 4}) == PartialShape{unknown, unknown, 2});
}

TEST_CASE("Dense names the layer and the shapes that do not fit") {
    CHECK_THROWS_WITH_AS(Dense<float>({.units = 0, .name = "head"}),
                         "Dense \"head\": units must be at least 1", ValueError);
    Dense<float> layer({.units = 2, .name = "head"});
    CHECK_THROWS_WITH_AS(
        layer(constant(ones<float>({4}))),
        "Dense \"head\": expected x [batch, ..., features] (rank 2 or more), got (None,) (rank 1)",
        ShapeError);
    CHECK_FALSE(layer.built());
    layer.build({unknown, 4});
    CHECK_THROWS_WITH_AS(
        layer(constant(ones<float>({3, 5}))),
        "Dense \"head\": expected x [batch, ..., features=4] (rank 2 or more), got (None, 5) (rank 2)",
        ShapeError);
}

TEST_CASE("Dense passes its input's mask on, and has regularizers and constraints") {
    Dense<double> layer({.units = 2,
                         .kernel_initializer = Constant{3},
                         .bias_initializer = Constant{-2},
                         .kernel_regularizer = L1{.l1 = 0.5},
                         .bias_regularizer = L2{.l2 = 0.25},
                         .kernel_constraint = MaxNorm{.max_value = 1},
                         .bias_constraint = NonNeg{}});
    const Mask mask = tensor<bool>({1, 2}, {true, false});
    CHECK(*layer(constant(ones<double>({1, 2, 4})).with_mask(mask)).mask() == mask);
    CHECK(layer.regularization_loss().item() == 0.5 * 24 + 0.25 * 8);
    layer.apply_constraints();
    CHECK(layer.kernel().value()(3, 1) == doctest::Approx(0.5).epsilon(1e-7));
    CHECK(layer.bias().value() == zeros<double>({2}));
}
