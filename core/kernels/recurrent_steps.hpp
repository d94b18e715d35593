#pragma once

#include <cstddef>

#include "seqgrad/core/kernels/instruction_set.hpp"

namespace seqgrad::kernels {

/// What happens inside the time loop of the recurrent layers, for one instruction set and one cell.
///
/// Letters: n steps of this call, B samples, U units, C gate columns of the cell. All arrays are dense,
/// row-major and time-major, need no alignment and do not overlap unless said otherwise. The gate columns are
///
///     simple_rnn  C =  U: h
///     lstm        C = 4U: i | f | c | o
///     gru         C = 4U: h recurrent side | z | r | h input side
///
/// The gate buffer runs through a life of its own: the caller fills it with the input side x_t W_x (the first
/// U columns of gru excepted), `forward` turns that into the activated gates (simple_rnn: leaves it),
/// `backward` turns those into the gradients of what went into the activations. The two h groups of gru then
/// hold the gradients of h_{t-1} W_h and x_t W_x for the candidate, so that the first 3U columns belong to
/// the recurrent weights and the last 3U to the input weights.
template <class T>
struct ForwardSteps {
    std::size_t batch, steps, units;
    /// Recurrent weights as written by pack_forward.
    const T* packed;
    /// [C], zeros where there is none; gru: z and r hold the sum of both sides' bias.
    const T* bias;
    /// [n, B, C], changed.
    T* gates;
    /// [n+1, B, U]: row 0 is given, the others are written.
    T* h;
    /// [n+1, B, U]: like h; lstm only.
    T* c;
    /// Null, or where h_t of sample b is written too: sequence + b * sequence_stride + t * U.
    T* sequence;
    std::size_t sequence_stride;
};

template <class T>
struct BackwardSteps {
    std::size_t batch, steps, units;
    /// Recurrent weights as written by pack_backward.
    const T* packed;
    /// [n, B, C]: activated gates (simple_rnn: ignored), replaced by their gradients.
    T* gates;
    /// [n+1, B, U]: as left by forward.
    const T* h;
    /// [n+1, B, U]: as left by forward; lstm only.
    const T* c;
    /// Null, or the gradient of h_t of sample b as an output: d_sequence + b * sequence_stride + t * U.
    const T* d_sequence;
    std::size_t sequence_stride;
    /// [B, U]: given the gradient that reaches h_n from later steps, replaced by the one that reaches h_0.
    T* dh;
    /// [B, U]: the same for c; lstm only.
    T* dc;
    /// [C]: the sum of the gate gradients over steps and samples is added.
    T* d_bias;
};

template <class T>
struct RecurrentSteps {
    /// Elements that pack_forward and pack_backward write; their target must be aligned to 64 bytes.
    std::size_t (*packed_size)(std::size_t units);
    /// From a recurrent kernel [U, gates U] in Keras's order of gates.
    void (*pack_forward)(std::size_t units, const T* recurrent_kernel, T* packed);
    void (*pack_backward)(std::size_t units, const T* recurrent_kernel, T* packed);
    void (*forward)(const ForwardSteps<T>& steps);
    void (*backward)(const BackwardSteps<T>& steps);
};

/// The cells of one instruction set.
template <class T>
struct RecurrentTable {
    RecurrentSteps<T> simple_rnn;
    RecurrentSteps<T> lstm;
    RecurrentSteps<T> gru;
};

}  // namespace seqgrad::kernels
