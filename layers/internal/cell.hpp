#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/linear.hpp"
#include "seqgrad/core/ops/recurrent.hpp"
#include "seqgrad/core/ops/shape.hpp"
#include "seqgrad/core/ops/slice.hpp"
#include "seqgrad/layers/recurrent_cell.hpp"
#include "seqgrad/layers/rnn.hpp"

// What the cells of SimpleRNN, LSTM and GRU have in common.

namespace seqgrad::detail {

/// Throws ValueError for arguments that no cell takes.
template <class Config>
void check_cell_config(const std::string& cell, const Config& config) {
    if (config.units == 0) throw ValueError(fmt::format("{}: units must be at least 1", cell));
    check_size(cell, "units", config.units);
    const auto check_rate = [&](const char* name, double rate) {
        if (!(rate >= 0.0 && rate < 1.0))
            throw ValueError(fmt::format("{}: {} must be in [0, 1), got {}", cell, name, rate));
    };
    check_rate("dropout", config.dropout);
    check_rate("recurrent_dropout", config.recurrent_dropout);
}

template <class T, class Config>
void name_weights(Members<T>& members, RecurrentWeights<T>& weights, const Config& config) {
    members.parameter("kernel", weights.kernel, config.kernel_regularizer, config.kernel_constraint);
    members.parameter("recurrent_kernel", weights.recurrent_kernel, config.recurrent_regularizer,
                      config.recurrent_constraint);
    if (config.use_bias)
        members.parameter("bias", weights.bias, config.bias_regularizer, config.bias_constraint);
}

/// Fresh weights for inputs [B, D] and `gates` blocks of columns. All are made before any is kept.
template <class T, class Config>
RecurrentWeights<T> make_weights(const std::string& cell, const Config& config,
                                 const PartialShape& input_shape, std::size_t gates,
                                 const Shape& bias_shape) {
    if (input_shape.size() != 2 || input_shape[1] == unknown) {
        throw ShapeError(fmt::format("{}: expected x [batch, features] (rank 2), got {} (rank {})", cell,
                                     to_string(input_shape), input_shape.size()));
    }
    const std::size_t columns = gates * config.units;
    RecurrentWeights<T> weights;
    weights.kernel = parameter(
        config.kernel_initializer.template make<T>({static_cast<std::size_t>(input_shape[1]), columns}));
    weights.recurrent_kernel =
        parameter(config.recurrent_initializer.template make<T>({config.units, columns}));
    if (config.use_bias) weights.bias = parameter(config.bias_initializer.template make<T>(bias_shape));
    return weights;
}

/// x W + b for every gate, each [B, U]. `seen` is x as each gate sees it, or once for all.
template <class T>
std::vector<Variable<T>> project(const std::vector<Variable<T>>& seen, const Variable<T>& kernel,
                                 const Variable<T>& bias, std::size_t gates) {
    if (seen.size() == 1) return split(linear(seen[0], kernel, bias), gates, -1);
    const std::vector<Variable<T>> kernels = split(kernel, gates, -1);
    const std::vector<Variable<T>> biases = bias ? split(bias, gates, -1) : std::vector<Variable<T>>(gates);
    std::vector<Variable<T>> out;
    for (std::size_t g = 0; g < gates; ++g) out.push_back(linear(seen[g], kernels[g], biases[g]));
    return out;
}

/// x W + h R + b for every gate, each [B, U].
template <class T>
std::vector<Variable<T>> gate_sums(const std::vector<Variable<T>>& x, const std::vector<Variable<T>>& h,
                                   const RecurrentWeights<T>& weights, std::size_t gates) {
    if (x.size() == 1 && h.size() == 1) {
        return split(linear(x[0], weights.kernel, weights.bias) + linear(h[0], weights.recurrent_kernel),
                     gates, -1);
    }
    std::vector<Variable<T>> sums = project(x, weights.kernel, weights.bias, gates);
    const std::vector<Variable<T>> recurrent = project(h, weights.recurrent_kernel, {}, gates);
    for (std::size_t g = 0; g < gates; ++g) sums[g] = sums[g] + recurrent[g];
    return sums;
}

/// The part of a layer's arguments that says how its cell runs over a sequence.
template <class Config>
RNNConfig rnn_config(const Config& c) {
    return {.return_sequences = c.return_sequences,
            .return_state = c.return_state,
            .go_backwards = c.go_backwards,
            .stateful = c.stateful,
            .unroll = c.unroll,
            .zero_output_for_mask = c.zero_output_for_mask,
            .bptt_steps = c.bptt_steps,
            .name = c.name};
}

/// A layer's cell with the arguments that both have. Throws ValueError in the layer's name.
template <class Cell, class CellConfig, class Config>
std::shared_ptr<Cell> make_cell(const std::string& layer, const Config& c) {
    check_cell_config(c.name.empty() ? layer : fmt::format("{} \"{}\"", layer, c.name), c);
    CellConfig cell{.units = c.units,
                    .activation = c.activation,
                    .use_bias = c.use_bias,
                    .kernel_initializer = c.kernel_initializer,
                    .recurrent_initializer = c.recurrent_initializer,
                    .bias_initializer = c.bias_initializer,
                    .kernel_regularizer = c.kernel_regularizer,
                    .recurrent_regularizer = c.recurrent_regularizer,
                    .bias_regularizer = c.bias_regularizer,
                    .kernel_constraint = c.kernel_constraint,
                    .recurrent_constraint = c.recurrent_constraint,
                    .bias_constraint = c.bias_constraint,
                    .dropout = c.dropout,
                    .recurrent_dropout = c.recurrent_dropout,
                    .seed = c.seed};
    if constexpr (requires { c.recurrent_activation; }) cell.recurrent_activation = c.recurrent_activation;
    if constexpr (requires { c.unit_forget_bias; }) cell.unit_forget_bias = c.unit_forget_bias;
    if constexpr (requires { c.reset_after; }) cell.reset_after = c.reset_after;
    return std::make_shared<Cell>(std::move(cell));
}

/// The layer of this configuration that reads time the other way, with weights of its own.
template <class Layer, class Config>
std::unique_ptr<Layer> reversed_layer(Config config) {
    config.go_backwards = !config.go_backwards;
    return std::make_unique<Layer>(std::move(config));
}

/// Whether the operation over whole sequences computes what the cell would, step by step.
template <class Config>
bool runs_as_one_operation(const Config& c, bool training) {
    bool standard = c.activation == Activation::tanh;
    if constexpr (requires { c.recurrent_activation; })
        standard = standard && c.recurrent_activation == Activation::sigmoid;
    return standard && !(training && c.recurrent_dropout > 0.0);
}

/// State i, or an empty handle where none are given.
template <class T>
Variable<T> state_or_none(const std::vector<Variable<T>>& states, std::size_t i) {
    return states.empty() ? Variable<T>() : states[i];
}

/// How the operations over whole sequences run for a layer. `description`, what messages call it, has to
/// outlive the call.
template <class Config>
RecurrentOptions recurrent_options(const RNNConfig& sequence, const Config& config, const Mask* mask,
                                   const std::string& description) {
    // Truncation cuts the way back from a final state that masked steps have carried across a border; an
    // output that they repeat stands before it.
    const bool across = mask != nullptr && mask->size() != 0 && sequence.bptt_steps != 0;
    RecurrentOptions options{.return_sequences = sequence.return_sequences || across,
                             .mask = mask,
                             .go_backwards = sequence.go_backwards,
                             .zero_output_for_mask = sequence.zero_output_for_mask,
                             .bptt_steps = sequence.bptt_steps,
                             .recompute = config.recompute,
                             .caller = description};
    if constexpr (requires { config.reset_after; }) options.reset_after = config.reset_after;
    return options;
}

/// D of a cell's weights.
template <class T>
std::ptrdiff_t input_size_of(const RecurrentWeights<T>& weights) {
    return weights.kernel ? static_cast<std::ptrdiff_t>(weights.kernel.shape()[0]) : unknown;
}

}  // namespace seqgrad::detail
