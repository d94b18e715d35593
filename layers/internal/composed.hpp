#pragma once

#include "seqgrad/core/ops/activations.hpp"
#include "seqgrad/core/variable.hpp"
#include "seqgrad/layers/recurrent.hpp"

// Recurrent layers composed from elementary operations, a dozen nodes a step. They take any activation, and
// they are what the layers of one node per sequence are tested against. Shapes and equations are those of the
// layers: x is [B, T, D], an initial state is [B, U] or an empty handle for zeros.

namespace seqgrad::detail {

template <class T>
RecurrentOutput<T> composed_simple_rnn(const Variable<T>& x, const RecurrentWeights<T>& weights,
                                       const Variable<T>& initial_h, Activation activation,
                                       bool return_sequences);

template <class T>
RecurrentOutput<T> composed_lstm(const Variable<T>& x, const RecurrentWeights<T>& weights,
                                 const Variable<T>& initial_h, const Variable<T>& initial_c,
                                 Activation activation, Activation recurrent_activation,
                                 bool return_sequences);

template <class T>
RecurrentOutput<T> composed_gru(const Variable<T>& x, const RecurrentWeights<T>& weights,
                                const Variable<T>& initial_h, Activation activation,
                                Activation recurrent_activation, bool return_sequences);

}  // namespace seqgrad::detail
