#include "seqgrad/layers/activation.hpp"

#include <doctest/doctest.h>

using namespace seqgrad;

TEST_CASE("ActivationLayer applies its function, and is named as Keras's layer") {
    ActivationLayer<float> layer({.activation = "relu"});
    CHECK(layer(constant(tensor<float>({3}, {-1, 0, 2}))).value() == tensor<float>({3}, {0, 0, 2}));
    CHECK(layer.type() == "Activation");
    CHECK(layer.compute_output_shape({unknown, 3}) == PartialShape{unknown, 3});
    CHECK(layer.parameters().empty());
}
