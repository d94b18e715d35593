#include "seqgrad/layers/masking.hpp"

#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"

using namespace seqgrad;

TEST_CASE("Masking marks the steps whose features all have the mask value, and sets them to 0") {
    Masking<double> layer({.mask_value = -1});
    const Variable<double> x =
        parameter(tensor<double>({2, 3, 2}, {-1, 2, -1, -1, 0, 0, 3, -1, 4, 5, -1, -1}));
    const Variable<double> y = layer(x);
    CHECK(y.value() == tensor<double>({2, 3, 2}, {-1, 2, 0, 0, 0, 0, 3, -1, 4, 5, 0, 0}));
    REQUIRE(y.mask() != nullptr);
    CHECK(*y.mask() == tensor<bool>({2, 3}, {true, false, true, true, true, false}));
    backward(y, ones<double>(y.shape()));
    CHECK(x.grad() == tensor<double>({2, 3, 2}, {1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0}));
}

TEST_CASE("Masking's mask takes the place of the input's") {
    Masking<float> layer;
    const Variable<float> x =
        constant(tensor<float>({1, 2, 1}, {0, 1})).with_mask(tensor<bool>({1, 2}, {true, false}));
    CHECK(*layer(x).mask() == tensor<bool>({1, 2}, {false, true}));
    CHECK(*layer(constant(ones<float>({3, 2}))).mask() == full<bool>({3}, true));
}

TEST_CASE("Masking compares with the mask value as rounded to the element type; NaN differs from it") {
    Masking<float> layer({.mask_value = 0.1});
    const float nan = std::numeric_limits<float>::quiet_NaN();
    CHECK(*layer(constant(tensor<float>({1, 2, 1}, {0.1F, nan}))).mask() ==
          tensor<bool>({1, 2}, {false, true}));
    Masking<double> infinite({.mask_value = std::numeric_limits<double>::infinity()});
    CHECK(infinite(constant(full<double>({1, 1, 1}, std::numeric_limits<double>::infinity()))).item() == 0);
}

TEST_CASE("Masking needs an axis of features") {
    Masking<float> layer({.name = "pad"});
    CHECK_THROWS_WITH_AS(
        layer(constant(ones<float>({3}))),
        "Masking \"pad\": expected x [batch, ..., features] (rank 2 or more), got (None,) (rank 1)",
        ShapeError);
    CHECK(layer.compute_output_shape({unknown, unknown, 4}) == PartialShape{unknown, unknown, 4});
}
