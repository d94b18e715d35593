#include "seqgrad/layers/layer_normalization.hpp"

#include <cmath>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

TEST_CASE("LayerNormalization gives every row mean 0 and variance 1, then gamma and beta") {
    LayerNormalization<double> layer(
        {.epsilon = 0, .beta_initializer = Constant{3}, .gamma_initializer = Constant{2}});
    const auto y = layer(constant(tensor<double>({1, 2, 2}, {1, 3, 10, 30})));
    CHECK(y.value() == tensor<double>({1, 2, 2}, {1, 5, 1, 5}));
    CHECK(layer.parameters()[0].name == "gamma");
    CHECK(layer.parameters()[1].name == "beta");
}

TEST_CASE("LayerNormalization goes without gamma and beta, and refuses what does not fit") {
    LayerNormalization<float> layer({.center = false, .scale = false});
    CHECK(layer(constant(ones<float>({3, 4}))).value() == zeros<float>({3, 4}));
    CHECK(layer.parameter_count() == 0);
    CHECK_THROWS_AS(layer(constant(ones<float>({3, 5}))), ShapeError);
    CHECK_THROWS_AS(layer(constant(ones<float>({4}))), ShapeError);
    CHECK_THROWS_AS(LayerNormalization<float>({.epsilon = -1}), ValueError);
    CHECK_THROWS_AS(LayerNormalization<float>({.epsilon = std::nan("")}), ValueError);
}
