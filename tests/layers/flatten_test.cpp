#include "seqgrad/layers/flatten.hpp"

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

TEST_CASE("Flatten keeps the batch axis and ends the mask") {
    Flatten<float> layer;
    const Variable<float> x =
        constant(tensor<float>({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8})).with_mask(full<bool>({2, 2}, true));
    CHECK(layer(x).value() == tensor<float>({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8}));
    CHECK(layer(x).mask() == nullptr);
    const Variable<float> flat = constant(ones<float>({2, 3})).with_mask(full<bool>({2}, true));
    CHECK(layer(flat).mask() == nullptr);
}

TEST_CASE("Flatten knows the sizes of unusual inputs") {
    Flatten<float> layer;
    CHECK(layer(constant(ones<float>({3}))).shape() == Shape{3, 1});
    CHECK(layer(constant(ones<float>({0, 2, 3}))).shape() == Shape{0, 6});
    CHECK(layer(constant(ones<float>({2, 0, 3}))).shape() == Shape{2, 0});
    CHECK(layer.compute_output_shape({unknown, unknown, 3}) == PartialShape{unknown, unknown});
    CHECK(layer.compute_output_shape({4, 5, 3}) == PartialShape{4, 15});
    CHECK(layer.compute_output_shape({4, 1 << 30, unknown, 1 << 30}) == PartialShape{4, unknown});
    const std::ptrdiff_t large = std::ptrdiff_t{1} << 40;
    CHECK_THROWS_WITH_AS(layer.compute_output_shape({unknown, large, large}),
                         "Flatten: the sizes of (None, 1099511627776, 1099511627776) are too large to be "
                         "multiplied",
                         ShapeError);
    CHECK_THROWS_WITH_AS(layer(constant(ones<float>({}))),
                         "Flatten: expected x [batch, ...] (rank 1 or more), got a scalar", ShapeError);
}
