#include "seqgrad/layers/repeat_vector.hpp"

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"

using namespace seqgrad;

TEST_CASE("RepeatVector repeats each sample at every step, without a mask") {
    RepeatVector<double> layer({.n = 3});
    const Variable<double> x =
        parameter(tensor<double>({2, 2}, {1, 2, 3, 4})).with_mask(full<bool>({2}, true));
    const Variable<double> y = layer(x);
    CHECK(y.value() == tensor<double>({2, 3, 2}, {1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4}));
    CHECK(y.mask() == nullptr);
    backward(y, tensor<double>({2, 3, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
    CHECK(x.grad() == tensor<double>({2, 2}, {9, 12, 27, 30}));
    CHECK(layer.compute_output_shape({unknown, 2}) == PartialShape{unknown, 3, 2});
}

TEST_CASE("RepeatVector refuses n of 0 and other ranks") {
    CHECK_THROWS_WITH_AS(RepeatVector<float>({.name = "r"}), "RepeatVector \"r\": n must be at least 1",
                         ValueError);
    RepeatVector<float> layer({.n = 2});
    CHECK_THROWS_WITH_AS(layer(constant(ones<float>({2, 2, 2}))),
                         "RepeatVector: expected x [batch, features] (rank 2), got (None, 2, 2) (rank 3)",
                         ShapeError);
}
