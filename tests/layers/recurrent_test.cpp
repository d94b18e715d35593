// SimpleRNN, LSTM and GRU: each layer as one operation against the same layer composed from elementary
// operations, and what it does with wrong input. Keras's numbers are compared by the golden check.

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/reduce.hpp"
#include "seqgrad/core/random.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/internal/composed.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/sequential.hpp"
#include "seqgrad/layers/simple_rnn.hpp"

using namespace seqgrad;

namespace {

constexpr double rounding = 1e-12;

RecurrentOutput<double> composed(const SimpleRNN<double>&, const Variable<double>& x,
                                 const RecurrentWeights<double>& w, const std::vector<Variable<double>>& s,
                                 bool sequences) {
    return detail::composed_simple_rnn(x, w, s[0], Activation::tanh, sequences);
}
RecurrentOutput<double> composed(const LSTM<double>&, const Variable<double>& x,
                                 const RecurrentWeights<double>& w, const std::vector<Variable<double>>& s,
                                 bool sequences) {
    return detail::composed_lstm(x, w, s[0], s[1], Activation::tanh, Activation::sigmoid, sequences);
}
RecurrentOutput<double> composed(const GRU<double>&, const Variable<double>& x,
                                 const RecurrentWeights<double>& w, const std::vector<Variable<double>>& s,
                                 bool sequences) {
    return detail::composed_gru(x, w, s[0], Activation::tanh, Activation::sigmoid, sequences);
}

/// A loss in which every output has another weight.
Variable<double> weighted(const RecurrentOutput<double>& out, std::int64_t seed) {
    Generator generator(seed);
    Variable<double> loss = sum(out.output * generator.normal<double>(out.output.shape()));
    for (const Variable<double>& state : out.states)
        loss = loss + sum(state * generator.normal<double>(state.shape()));
    return loss;
}

double largest_difference(const Tensor<double>& a, const Tensor<double>& b) {
    REQUIRE(a.shape() == b.shape());
    double largest = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        largest = std::max(largest, std::abs(a.data()[i] - b.data()[i]));
    return largest;
}

template <class Layer>
void compare_with_composed(std::size_t B, std::size_t T, std::size_t D, std::size_t U, bool sequences,
                           bool use_bias, std::int64_t seed) {
    CAPTURE(B);
    CAPTURE(T);
    CAPTURE(D);
    CAPTURE(U);
    CAPTURE(sequences);
    CAPTURE(use_bias);
    Generator generator(seed);
    Layer layer({.units = U,
                 .use_bias = use_bias,
                 .bias_initializer = RandomNormal{.stddev = 0.3, .seed = seed},
                 .return_sequences = sequences});
    const auto x = parameter(generator.normal<double>({B, T, D}));
    std::vector<Variable<double>> states;
    for (std::size_t i = 0; i < (layer.type() == "LSTM" ? 2U : 1U); ++i) {
        states.push_back(parameter(generator.normal<double>({B, U})));
    }
    const RecurrentOutput<double> fused = layer.run(x, states);
    const RecurrentOutput<double> oracle =
        composed(layer, x, {layer.kernel(), layer.recurrent_kernel(), layer.bias()}, states, sequences);
    CHECK(largest_difference(fused.output.value(), oracle.output.value()) <= rounding);
    REQUIRE(fused.states.size() == oracle.states.size());

    std::vector<Variable<double>> wanted{x, layer.kernel(), layer.recurrent_kernel()};
    if (use_bias) wanted.push_back(layer.bias());
    wanted.insert(wanted.end(), states.begin(), states.end());
    const auto from_fused = grad<double>(weighted(fused, seed + 1), wanted);
    const auto from_oracle = grad<double>(weighted(oracle, seed + 1), wanted);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        CAPTURE(i);
        CHECK(largest_difference(from_fused[i], from_oracle[i]) <= rounding * static_cast<double>(1 + B * T));
    }
}

}  // namespace

TEST_CASE_TEMPLATE("one operation per sequence equals the layer composed from elementary operations", Layer,
                   SimpleRNN<double>, LSTM<double>, GRU<double>) {
    std::int64_t seed = 1;
    for (const bool sequences : {true, false}) {
        for (const bool use_bias : {true, false}) {
            compare_with_composed<Layer>(1, 1, 1, 1, sequences, use_bias, seed++);
            compare_with_composed<Layer>(3, 5, 2, 4, sequences, use_bias, seed++);
            compare_with_composed<Layer>(7, 3, 11, 13, sequences, use_bias, seed++);
            compare_with_composed<Layer>(2, 9, 5, 33, sequences, use_bias, seed++);
        }
    }
}

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
