#pragma once

#include <functional>
#include <string>
#include <vector>

#include "seqgrad/core/random.hpp"
#include "seqgrad/layers/activation.hpp"
#include "seqgrad/layers/bidirectional.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/embedding.hpp"
#include "seqgrad/layers/files/pytorch.hpp"
#include "seqgrad/layers/files/safetensors.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/input.hpp"
#include "seqgrad/layers/layer_normalization.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/sequential.hpp"
#include "seqgrad/layers/simple_rnn.hpp"

namespace seqgrad::test {

/// Outputs of a model here and of its like in another library differ by at most so much, in float.
inline constexpr double interop_tolerance = 1e-5;

/// A model that another library has, too, under the same name in tests/interop.
struct InteropCase {
    std::string name;
    std::function<Sequential<float>()> model;
    PartialShape input = {unknown, 4, 3};
    PyTorchNames names = {};
    std::size_t ids = 0;  ///< how many ids the inputs are drawn from; 0: they are numbers
};

/// The cases of tests/interop/pytorch_peer.py.
inline std::vector<InteropCase> pytorch_cases() {
    using Model = Sequential<float>;
    const auto rnn = [](bool use_bias = true, Activation activation = Activation::tanh) {
        return SimpleRNN<float>(
            {.units = 3, .activation = activation, .use_bias = use_bias, .return_sequences = true});
    };
    const auto lstm = [](bool use_bias = true) {
        return LSTM<float>({.units = 3, .use_bias = use_bias, .return_sequences = true});
    };
    const auto gru = [](bool use_bias = true) {
        return GRU<float>({.units = 3, .use_bias = use_bias, .return_sequences = true});
    };
    const auto both = [](auto layer) { return Bidirectional<float>(std::move(layer)); };
    const PartialShape ids{unknown, 4};
    return {
        {.name = "rnn", .model = [=] { return Model{rnn()}; }, .names = {{"simple_rnn", "rnn"}}},
        {.name = "rnn_relu_without_bias",
         .model = [=] { return Model{rnn(false, Activation::relu)}; },
         .names = {{"simple_rnn", "rnn"}}},
        {.name = "rnn_bidirectional_2_layers",
         .model =
             [=] {
                 return Model{both(rnn()), both(rnn())};
             },
         .names = {{"bidirectional", "rnn"}, {"bidirectional_1", "rnn"}}},
        {.name = "lstm", .model = [=] { return Model{lstm()}; }, .names = {{"lstm", "rnn"}}},
        {.name = "lstm_without_bias",
         .model = [=] { return Model{lstm(false)}; },
         .names = {{"lstm", "rnn"}}},
        {.name = "lstm_3_layers",
         .model =
             [=] {
                 return Model{lstm(), lstm(), lstm()};
             },
         .names = {{"lstm", "rnn"}, {"lstm_1", "rnn"}, {"lstm_2", "rnn"}}},
        {.name = "lstm_bidirectional",
         .model = [=] { return Model{both(lstm())}; },
         .names = {{"bidirectional", "rnn"}}},
        {.name = "gru", .model = [=] { return Model{gru()}; }, .names = {{"gru", "rnn"}}},
        {.name = "gru_without_bias", .model = [=] { return Model{gru(false)}; }, .names = {{"gru", "rnn"}}},
        {.name = "gru_bidirectional_2_layers",
         .model =
             [=] {
                 return Model{both(gru()), both(gru())};
             },
         .names = {{"bidirectional", "rnn"}, {"bidirectional_1", "rnn"}}},
        {.name = "linear",
         .model = [] { return Model{Dense<float>({.units = 5})}; },
         .names = {{"dense", ""}}},
        {.name = "embedding",
         .model = [] { return Model{Embedding<float>({.input_dim = 7, .output_dim = 4})}; },
         .input = ids,
         .names = {{"embedding", ""}},
         .ids = 7},
        {.name = "layer_norm",
         .model = [] { return Model{LayerNormalization<float>({.epsilon = 1e-3})}; },
         .names = {{"layer_normalization", ""}}},
        {.name = "chain",
         .model =
             [] {
                 return Model{Dense<float>({.units = 5}), ActivationLayer<float>({.activation = "tanh"}),
                              Dense<float>({.units = 2, .use_bias = false})};
             }},
        {.name = "tagger",
         .model =
             [=] {
                 return Model{Embedding<float>({.input_dim = 7, .output_dim = 4}), both(lstm()), both(lstm()),
                              LayerNormalization<float>({.epsilon = 1e-3}), Dense<float>({.units = 2})};
             },
         .input = ids,
         .names = {{"embedding", "words"},
                   {"bidirectional", "rnn"},
                   {"bidirectional_1", "rnn"},
                   {"layer_normalization", "norm"},
                   {"dense", "out"}},
         .ids = 7},
    };
}

/// A tensor of a file as one that a model takes.
inline Tensor<float> to_tensor(const StoredTensor& stored) {
    return tensor<float>(stored.shape(), std::span<const float>(stored.data<float>()));
}

inline StoredTensor to_stored(const Tensor<float>& x) {
    const auto values = elements(x);
    return {x.shape(), std::vector<float>(values.begin(), values.end())};
}

/// Weights and biases all different from 0, so that none can hide.
inline void draw_weights(Module<float>& model, Generator& random) {
    for (auto& [name, variable] : model.parameters())
        variable.assign(random.uniform<float>(variable.shape(), -0.9, 0.9));
}

/// A batch of two that a case's model takes.
inline Tensor<float> draw_input(const InteropCase& a, Generator& random) {
    Shape shape(a.input.begin(), a.input.end());
    shape[0] = 2;
    if (a.ids == 0) return random.uniform<float>(shape, -2, 2);
    return xt::floor(random.uniform<float>(shape, 0, static_cast<double>(a.ids)));
}

/// What tests/golden/files/onnx/golden.onnx holds: of every kind of operator one.
inline Sequential<float> onnx_golden_model() {
    Sequential<float> model{InputLayer<float>({.shape = {unknown}}),
                            Embedding<float>({.input_dim = 7, .output_dim = 4}),
                            Bidirectional<float>(LSTM<float>({.units = 3, .return_sequences = true})),
                            GRU<float>({.units = 3, .return_sequences = true, .go_backwards = true}),
                            LayerNormalization<float>(),
                            SimpleRNN<float>({.units = 3}),
                            Dense<float>({.units = 2, .activation = "softmax"})};
    Generator random(1);
    draw_weights(model, random);
    return model;
}

}  // namespace seqgrad::test
