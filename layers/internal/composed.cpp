#include "seqgrad/layers/internal/composed.hpp"

#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/join.hpp"
#include "seqgrad/core/ops/linear.hpp"
#include "seqgrad/core/ops/slice.hpp"

namespace seqgrad::detail {
namespace {

template <class T>
Variable<T> state_or_zeros(const Variable<T>& state, const Variable<T>& x,
                           const RecurrentWeights<T>& weights) {
    return state ? state : constant(zeros<T>({x.shape()[0], weights.recurrent_kernel.shape()[0]}));
}

/// Runs `step(projected input of one step) -> h` over the time axis. The output is [B, T, U] or the last h.
template <class T, class Step>
Variable<T> over_time(const Variable<T>& projected, Variable<T> h, bool return_sequences, Step&& step) {
    std::vector<Variable<T>> outputs;
    for (const Variable<T>& x : unstack(projected, 1)) {
        h = step(x);
        if (return_sequences) outputs.push_back(h);
    }
    if (!return_sequences) return h;
    return outputs.empty() ? constant(zeros<T>({h.shape()[0], 0, h.shape()[1]})) : stack<T>(outputs, 1);
}

}  // namespace

template <class T>
RecurrentOutput<T> composed_simple_rnn(const Variable<T>& x, const RecurrentWeights<T>& weights,
                                       const Variable<T>& initial_h, Activation activation,
                                       bool return_sequences) {
    Variable<T> h = state_or_zeros(initial_h, x, weights);
    const Variable<T> output = over_time(
        linear(x, weights.kernel, weights.bias), h, return_sequences, [&](const Variable<T>& from_input) {
            h = apply(activation, from_input + linear(h, weights.recurrent_kernel));
            return h;
        });
    return {output, {h}};
}

template <class T>
RecurrentOutput<T> composed_lstm(const Variable<T>& x, const RecurrentWeights<T>& weights,
                                 const Variable<T>& initial_h, const Variable<T>& initial_c,
                                 Activation activation, Activation recurrent_activation,
                                 bool return_sequences) {
    Variable<T> h = state_or_zeros(initial_h, x, weights);
    Variable<T> c = state_or_zeros(initial_c, x, weights);
    const Variable<T> output = over_time(
        linear(x, weights.kernel, weights.bias), h, return_sequences, [&](const Variable<T>& from_input) {
            const auto gates = split(from_input + linear(h, weights.recurrent_kernel), 4, -1);
            const Variable<T> i = apply(recurrent_activation, gates[0]);
            const Variable<T> f = apply(recurrent_activation, gates[1]);
            const Variable<T> candidate = apply(activation, gates[2]);
            const Variable<T> o = apply(recurrent_activation, gates[3]);
            c = f * c + i * candidate;
            h = o * apply(activation, c);
            return h;
        });
    return {output, {h, c}};
}

template <class T>
RecurrentOutput<T> composed_gru(const Variable<T>& x, const RecurrentWeights<T>& weights,
                                const Variable<T>& initial_h, Activation activation,
                                Activation recurrent_activation, bool return_sequences) {
    const Variable<T> input_bias = weights.bias ? select(weights.bias, 0, 0) : Variable<T>();
    const Variable<T> recurrent_bias = weights.bias ? select(weights.bias, 0, 1) : Variable<T>();
    Variable<T> h = state_or_zeros(initial_h, x, weights);
    const Variable<T> output = over_time(
        linear(x, weights.kernel, input_bias), h, return_sequences, [&](const Variable<T>& from_input) {
            const auto gates = split(from_input, 3, -1);
            const auto recurrent = split(linear(h, weights.recurrent_kernel, recurrent_bias), 3, -1);
            const Variable<T> z = apply(recurrent_activation, gates[0] + recurrent[0]);
            const Variable<T> r = apply(recurrent_activation, gates[1] + recurrent[1]);
            const Variable<T> candidate = apply(activation, gates[2] + r * recurrent[2]);
            h = z * h + (1 - z) * candidate;
            return h;
        });
    return {output, {h}};
}

template RecurrentOutput<float> composed_simple_rnn(const Variable<float>&, const RecurrentWeights<float>&,
                                                    const Variable<float>&, Activation, bool);
template RecurrentOutput<double> composed_simple_rnn(const Variable<double>&, const RecurrentWeights<double>&,
                                                     const Variable<double>&, Activation, bool);
template RecurrentOutput<float> composed_lstm(const Variable<float>&, const RecurrentWeights<float>&,
                                              const Variable<float>&, const Variable<float>&, Activation,
                                              Activation, bool);
template RecurrentOutput<double> composed_lstm(const Variable<double>&, const RecurrentWeights<double>&,
                                               const Variable<double>&, const Variable<double>&, Activation,
                                               Activation, bool);
template RecurrentOutput<float> composed_gru(const Variable<float>&, const RecurrentWeights<float>&,
                                             const Variable<float>&, Activation, Activation, bool);
template RecurrentOutput<double> composed_gru(const Variable<double>&, const RecurrentWeights<double>&,
                                              const Variable<double>&, Activation, Activation, bool);

}  // namespace seqgrad::detail
