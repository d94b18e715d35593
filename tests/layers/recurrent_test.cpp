// SimpleRNN, LSTM and GRU: names, shapes, and what they do with wrong input. What layers compute is compared
// with Keras by the golden check, and with each other in equivalence_test.cpp.

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "support/difference.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/sequential.hpp"
#include "seqgrad/layers/simple_rnn.hpp"

using namespace seqgrad;
using test::largest_difference;

TEST_CASE_TEMPLATE("parameters have Keras's names and shapes", Layer, SimpleRNN<float>, LSTM<float>,
                   GRU<float>) {
    Layer layer({.units = 5});
    layer.build({unknown, unknown, 3});
    const std::size_t gates = layer.type() == "LSTM" ? 4 : layer.type() == "GRU" ? 3 : 1;
    const auto parameters = layer.parameters();
    REQUIRE(parameters.size() == 3);
    CHECK(parameters[0].name == "kernel");
    CHECK(parameters[0].variable.shape() == Shape{3, 5 * gates});
    CHECK(parameters[1].name == "recurrent_kernel");
    CHECK(parameters[1].variable.shape() == Shape{5, 5 * gates});
    CHECK(parameters[2].name == "bias");
    CHECK(parameters[2].variable.shape() == (layer.type() == "GRU" ? Shape{2, 15} : Shape{5 * gates}));
    CHECK(layer.compute_output_shape({unknown, 7, 3}) == PartialShape{unknown, 5});
    CHECK(Layer({.units = 5, .return_sequences = true}).compute_output_shape({2, 7, 3}) ==
          PartialShape{2, 7, 5});
}

TEST_CASE("the LSTM's forget gate starts open") {
    LSTM<float> layer({.units = 2});
    layer.build({unknown, 1, 1});
    CHECK(layer.bias().value() == tensor<float>({8}, {0, 0, 1, 1, 0, 0, 0, 0}));
    LSTM<float> plain({.units = 2, .unit_forget_bias = false});
    plain.build({unknown, 1, 1});
    CHECK(plain.bias().value() == zeros<float>({8}));
}

TEST_CASE_TEMPLATE("other activations are composed and differ", Layer, SimpleRNN<double>, LSTM<double>,
                   GRU<double>) {
    const auto x = constant(full<double>({2, 3, 2}, 0.7));
    Layer standard({.units = 4,
                    .kernel_initializer = GlorotUniform{.seed = 1},
                    .recurrent_initializer = Orthogonal{.seed = 2}});
    Layer relu({.units = 4,
                .activation = Activation::relu,
                .kernel_initializer = GlorotUniform{.seed = 1},
                .recurrent_initializer = Orthogonal{.seed = 2}});
    CHECK(largest_difference(standard(x).value(), relu(x).value()) > 1e-3);
}

TEST_CASE_TEMPLATE("sequences without steps leave the state as it was", Layer, SimpleRNN<double>,
                   LSTM<double>, GRU<double>) {
    for (const Activation activation : {Activation(Activation::tanh), Activation(Activation::relu)}) {
        Layer layer({.units = 2, .activation = activation, .return_sequences = true});
        const auto out = layer.run(constant(zeros<double>({3, 0, 4})));
        CHECK(out.output.shape() == Shape{3, 0, 2});
        CHECK(out.states[0].value() == zeros<double>({3, 2}));
    }
}

TEST_CASE_TEMPLATE("what does not fit is named, and nothing is built", Layer, SimpleRNN<float>, LSTM<float>,
                   GRU<float>) {
    const std::string type = Layer({.units = 1}).type();
    CHECK_THROWS_WITH_AS(Layer({.units = 0}), (type + ": units must be at least 1").c_str(), ValueError);
    Layer layer({.units = 4, .name = "encoder"});
    CHECK_THROWS_WITH_AS(
        layer(constant(ones<float>({32, 64}))),
        (type + " \"encoder\": expected x [batch, time, features] (rank 3), got (None, 64) (rank 2)").c_str(),
        ShapeError);
    CHECK_FALSE(layer.built());
    layer(constant(ones<float>({2, 3, 64})));
    CHECK_THROWS_WITH_AS(
        layer(constant(ones<float>({2, 3, 65}))),
        (type + " \"encoder\": expected x [batch, time, features=64] (rank 3), got (None, 3, 65) (rank 3)")
            .c_str(),
        ShapeError);
    const auto x = constant(ones<float>({2, 3, 64}));
    const auto state = constant(ones<float>({2, 4}));
    CHECK_THROWS_AS(layer.run(x, {state, state, state}), ValueError);
    const std::vector<Variable<float>> wrong(type == "LSTM" ? 2 : 1, constant(ones<float>({3, 4})));
    CHECK_THROWS_WITH_AS(
        layer.run(x, wrong),
        (type + " \"encoder\": expected initial state 0 of shape [batch=2, units=4], got [3, 4]").c_str(),
        ShapeError);
}

TEST_CASE("layers stack in a Sequential") {
    Sequential model{LSTM<float>({.units = 3, .return_sequences = true}), GRU<float>({.units = 2})};
    model.build({unknown, unknown, 5});
    CHECK(model(constant(ones<float>({4, 6, 5}))).shape() == Shape{4, 2});
    CHECK(model.parameters()[0].name == "lstm.kernel");
    CHECK(model.parameters()[5].name == "gru.bias");
}
