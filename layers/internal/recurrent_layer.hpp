#pragma once

#include <string>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/activations.hpp"
#include "seqgrad/layers/module.hpp"
#include "seqgrad/layers/recurrent.hpp"

// What SimpleRNN, LSTM and GRU have in common.

namespace seqgrad::detail {

/// [B, T, D] -> [B, T, U] or [B, U]. Throws ShapeError naming the layer when the rank is not 3 or D is not
/// the built one.
template <class T>
PartialShape recurrent_output_shape(const Module<T>& layer, const RecurrentWeights<T>& weights,
                                    std::size_t units, bool return_sequences,
                                    const PartialShape& input_shape) {
    const std::ptrdiff_t D =
        weights.kernel ? static_cast<std::ptrdiff_t>(weights.kernel.shape()[0]) : unknown;
    if (input_shape.size() != 3 || input_shape[2] == unknown || (D != unknown && input_shape[2] != D)) {
        throw ShapeError(fmt::format("{}: expected x [batch, time, features{}] (rank 3), got {} (rank {})",
                                     layer.description(), D == unknown ? "" : fmt::format("={}", D),
                                     to_string(input_shape), input_shape.size()));
    }
    const auto U = static_cast<std::ptrdiff_t>(units);
    return return_sequences ? PartialShape{input_shape[0], input_shape[1], U}
                            : PartialShape{input_shape[0], U};
}

template <class T>
void name_weights(Members<T>& members, RecurrentWeights<T>& weights, bool use_bias) {
    members.parameter("kernel", weights.kernel);
    members.parameter("recurrent_kernel", weights.recurrent_kernel);
    if (use_bias) members.parameter("bias", weights.bias);
}

/// Fresh weights for D features and `gates` blocks of columns. All are made before any is kept.
template <class T, class Config>
RecurrentWeights<T> make_weights(const Config& config, std::size_t D, std::size_t gates,
                                 const Shape& bias_shape) {
    const std::size_t columns = gates * config.units;
    RecurrentWeights<T> weights;
    weights.kernel = parameter(config.kernel_initializer.template make<T>({D, columns}));
    weights.recurrent_kernel =
        parameter(config.recurrent_initializer.template make<T>({config.units, columns}));
    if (config.use_bias) weights.bias = parameter(config.bias_initializer.template make<T>(bias_shape));
    return weights;
}

/// Throws unless there are no states or `count` of them, all [B, U].
template <class T>
void check_initial_states(const Module<T>& layer, const std::vector<Variable<T>>& given, std::size_t count,
                          const Shape& state_shape) {
    if (!given.empty() && given.size() != count) {
        throw ValueError(fmt::format("{}: expected {} initial state{}, got {}", layer.description(), count,
                                     count == 1 ? "" : "s", given.size()));
    }
    for (std::size_t i = 0; i < given.size(); ++i) {
        if (given[i].shape() != state_shape) {
            throw ShapeError(fmt::format(
                "{}: expected initial state {} of shape [batch={}, units={}], got {}", layer.description(), i,
                state_shape[0], state_shape[1], to_string(given[i].shape())));
        }
    }
}

/// State i, or an empty handle, which stands for zeros.
template <class T>
Variable<T> state_or_empty(const std::vector<Variable<T>>& states, std::size_t i) {
    return states.empty() ? Variable<T>() : states[i];
}

}  // namespace seqgrad::detail
