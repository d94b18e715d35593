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

TEST_CASE("LayerNormalization goes along another axis") {
    // np.array(keras.layers.LayerNormalization(axis=1)(np.arange(12.).reshape(2, 3, 2)**2)), in float64
    const Tensor<double> expected = tensor<double>(
        {2, 3, 2}, {-0.9805700686201437, -1.069039598602696, -0.3922280274480575, -0.26725989965067387,
                    1.3727980960682011, 1.33629949825337, -1.1706683237061906, -1.1769640202309475,
                    -0.10179724553966896, -0.09053569386391924, 1.2724655692458589, 1.2674997140948658});
    const Variable<double> x =
        constant(tensor<double>({2, 3, 2}, {0, 1, 4, 9, 16, 25, 36, 49, 64, 81, 100, 121}));
    for (const std::ptrdiff_t axis : {1, -2}) {
        LayerNormalization<double> layer({.axis = axis});
        const Tensor<double> y = layer(x).value();
        for (std::size_t i = 0; i < 12; ++i)
            CHECK(y.data()[i] == doctest::Approx(expected.data()[i]).epsilon(1e-9));
        CHECK(layer.gamma().shape() == Shape{3});
        CHECK_THROWS_AS(layer(constant(ones<double>({2, 4, 2}))), ShapeError);
    }
    LayerNormalization<float> third({.axis = 3});
    CHECK_THROWS_WITH_AS(
        third(constant(ones<float>({2, 3, 2}))),
        "LayerNormalization: expected x [batch, ...] whose axis 3 has a known size, got (None, "
        "3, 2) (rank 3)",
        ShapeError);
    CHECK_THROWS_AS(LayerNormalization<float>({.axis = -3})(constant(ones<float>({2, 3, 2}))), ShapeError);
    CHECK_THROWS_AS(LayerNormalization<float>({.axis = 0}), ValueError);
}

TEST_CASE("LayerNormalization passes its input's mask on, and has regularizers and constraints") {
    LayerNormalization<double> layer({.beta_initializer = Constant{-1},
                                      .beta_regularizer = L2{.l2 = 0.5},
                                      .gamma_regularizer = L1{.l1 = 0.25},
                                      .beta_constraint = NonNeg{},
                                      .gamma_constraint = UnitNorm{}});
    const Mask mask = tensor<bool>({1, 2}, {true, false});
    CHECK(*layer(constant(ones<double>({1, 2, 4})).with_mask(mask)).mask() == mask);
    CHECK(layer.regularization_loss().item() == 0.5 * 4 + 0.25 * 4);
    layer.apply_constraints();
    CHECK(layer.gamma().value()(0) == doctest::Approx(0.5).epsilon(1e-7));
    CHECK(layer.beta().value() == zeros<double>({4}));
}
