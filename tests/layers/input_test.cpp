#include "seqgrad/layers/input.hpp"

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/flatten.hpp"
#include "seqgrad/layers/sequential.hpp"

using namespace seqgrad;

TEST_CASE("InputLayer gives x itself when it has the shape") {
    Input<float> layer({.shape = {unknown, 2}});
    const Variable<float> x = constant(ones<float>({3, 5, 2})).with_mask(full<bool>({3, 5}, true));
    CHECK(layer(x).same_as(x));
    CHECK(layer(x).mask() == x.mask());
    CHECK(layer.type() == "InputLayer");
    CHECK_THROWS_WITH_AS(layer(constant(ones<float>({3, 5, 3}))),
                         "InputLayer: expected x (None, None, 2), got (3, 5, 3)", ShapeError);
    CHECK_THROWS_AS(layer(constant(ones<float>({3, 5}))), ShapeError);
    CHECK_THROWS_AS(Input<float>({.shape = {-2}}), ValueError);
}

TEST_CASE("InputLayer may ask for a batch size") {
    Input<float> layer({.shape = {2}, .batch_size = 4});
    CHECK(layer.batch_shape() == PartialShape{4, 2});
    CHECK(layer(constant(ones<float>({4, 2}))).size() == 8);
    CHECK_THROWS_WITH_AS(layer(constant(ones<float>({3, 2}))), "InputLayer: expected x (4, 2), got (3, 2)",
                         ShapeError);
}

TEST_CASE("a Sequential that begins with an InputLayer is built at once, and with every layer added") {
    Sequential<float> model{Input<float>({.shape = {3, 2}}), Flatten<float>()};
    CHECK(model.built());
    CHECK(model.output_shape() == PartialShape{unknown, 6});
    model.add(Dense<float>({.units = 4}));
    CHECK(model.parameter_count() == 28);
    CHECK(model.output_shape() == PartialShape{unknown, 4});
    CHECK(model.summary() ==
          "Sequential\n"
          "-------------------------------------------------\n"
          " Layer (type)              Output shape  Param #\n"
          "-------------------------------------------------\n"
          " input_layer (InputLayer)  (None, 3, 2)        0\n"
          " flatten (Flatten)         (None, 6)           0\n"
          " dense (Dense)             (None, 4)          28\n"
          "-------------------------------------------------\n"
          "Total params: 28 (112 bytes)\n"
          "Trainable params: 28\n");
    CHECK(model(constant(ones<float>({5, 3, 2}))).shape() == Shape{5, 4});
    CHECK_THROWS_AS(model(constant(ones<float>({5, 2, 3}))), ShapeError);
}

TEST_CASE("a layer that does not fit a built Sequential is not added") {
    Sequential<float> model{Input<float>({.shape = {unknown, 2}}), Flatten<float>()};
    CHECK_THROWS_AS(model.add(Dense<float>({.units = 4})), ShapeError);  // of unknown features
    CHECK(model.size() == 2);
    CHECK_THROWS_WITH_AS(model.add(Input<float>({.shape = {2}})),
                         "Sequential: InputLayer must be the first layer", ValueError);
}
