#pragma once

#include <cstddef>
#include <vector>

#include "seqgrad/core/variable.hpp"

namespace seqgrad {

/// What a recurrent layer computes for a batch of sequences.
template <class T>
struct RecurrentOutput {
    /// The state h after every step [B, T, U] with `return_sequences`, otherwise after the last step [B, U].
    Variable<T> output;
    /// The final states, each [B, U]: h, for the LSTM also c.
    std::vector<Variable<T>> states;
};

/// The parameters of a recurrent layer, whose columns are G blocks of U: one for each gate.
template <class T>
struct RecurrentWeights {
    Variable<T> kernel;            ///< [D, G U], from the input
    Variable<T> recurrent_kernel;  ///< [U, G U], from the state before
    Variable<T> bias;              ///< [G U], for the GRU [2, G U]; empty without bias
};

}  // namespace seqgrad
