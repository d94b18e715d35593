#pragma once

#include <cstddef>

#include "seqgrad/core/kernels/instruction_set.hpp"

namespace seqgrad::kernels {

/// What happens inside the time loop of the recurrent layers, for one instruction set and one cell.
///
/// Letters: n steps of this call, B samples in the states before them, R rows (one for every sample of every
/// step), U units, C gate columns of the cell. A step may have fewer samples than the one before, then the
/// first ones of it. All arrays are dense, row-major and time-major, need no alignment and do not overlap
/// unless said otherwise. The gate columns are
///
///     simple_rnn  C =  U: h
///     lstm        C = 4U: i | f | c | o
///     gru         C = 4U: h recurrent side | z | r | h input side
///     gru_reset_before  C = 4U: r h_{t-1} | z | r | h
///
/// The gate buffer runs through a life of its own: the caller fills it with the input side x_t W_x (the first
/// U columns of the grus excepted) or gives x and W_x, `forward` turns that into the activated gates
/// (simple_rnn: leaves the buffer as it is), `backward` turns those into the gradients of what went into the
/// activations. The two h groups of gru then hold the gradients of h_{t-1} W_h and x_t W_x for the candidate,
/// so that the first 3U columns belong to the recurrent weights and the last 3U to the input weights.
/// gru_reset_before's r h_{t-1} stays as it is: it is what the candidate's recurrent weights were multiplied
/// by.
///
/// Samples come in tiles, whose rows are multiplied at once: tile i holds samples [starts[i], starts[i + 1]),
/// at most tile_rows of the cell. A call works on the samples of some of the tiles only, so that several
/// threads can share the work; a sample's results do not depend on the tile it is in.
struct Tiles {
    const std::size_t* starts;
    /// Those of this call: [first, last).
    std::size_t first, last;
};

/// The units of a call that works on some of them only, while others work on the rest: part `index` of
/// `count`. Every step needs what all of them have written in the one before.
struct UnitsPart {
    std::size_t index = 0, count = 1;
    /// Returns when all parts, each with its index, have called it as often.
    void (*meet)(void* crew, std::size_t index) = nullptr;
    void* crew = nullptr;
};

template <class T>
struct ForwardSteps {
    std::size_t batch, steps, units;
    Tiles tiles = {};
    UnitsPart part = {};
    /// [n]: samples of each step; null: B.
    const std::size_t* active;
    /// Recurrent weights as written by pack_forward.
    const T* packed;
    /// Null where `gates` has the input side; or x, [R, D], and W_x as written by pack_input.
    const T* x = nullptr;
    std::size_t features = 0;
    const T* packed_input = nullptr;
    /// [C], zeros where there is none; gru: z and r hold the sum of both sides' bias.
    const T* bias;
    /// [R, C], changed.
    T* gates;
    /// [B + R, U]: the first B rows are given, the others are written.
    T* h;
    /// [B + R, U]: like h; lstm only.
    T* c;
    /// Null, or where h_t of sample b is written too: sequence + b * sequence_stride + t * U. Null where
    /// `active` is given.
    T* sequence;
    std::size_t sequence_stride;
};

template <class T>
struct BackwardSteps {
    std::size_t batch, steps, units;
    Tiles tiles = {};
    UnitsPart part = {};
    /// [n]: samples of each step; null: B.
    const std::size_t* active;
    /// Recurrent weights as written by pack_backward.
    const T* packed;
    /// [R, C]: activated gates (simple_rnn: ignored), replaced by their gradients.
    T* gates;
    /// [B + R, U]: as left by forward.
    const T* h;
    /// [B + R, U]: as left by forward; lstm only.
    const T* c;
    /// Null, or the gradient of h_t of sample b as an output: d_sequence + b * sequence_stride + t * U; where
    /// `active` is given [R, U].
    const T* d_sequence;
    std::size_t sequence_stride;
    /// [R]: rows whose gradient does not go on to the state before; null: none.
    const bool* cut;
    /// [B, U]: given the gradient that reaches each sample's last state from later steps, replaced by the one
    /// that reaches the first.
    T* dh;
    /// [B, U]: the same for c; lstm only.
    T* dc;
    /// [tiles, C]: for every tile, the sum of its gate gradients over steps and samples is added.
    T* d_bias;
};

template <class T>
struct RecurrentSteps {
    /// The most samples of a tile.
    std::size_t tile_rows;
    /// The most parts that the units can be cut into, for a batch of so many samples.
    std::size_t (*parts)(std::size_t units, std::size_t batch);
    /// Elements that pack_forward and pack_backward write; their target must be aligned to 64 bytes.
    std::size_t (*packed_size)(std::size_t units);
    /// From a recurrent kernel [U, gates U] in Keras's order of gates.
    void (*pack_forward)(std::size_t units, const T* recurrent_kernel, T* packed);
    void (*pack_backward)(std::size_t units, const T* recurrent_kernel, T* packed);
    /// From a kernel [D, ...] in Keras's order, into packed_input_size elements, aligned as the others. Null:
    /// the cell wants the input side in the gate buffer.
    std::size_t (*packed_input_size)(std::size_t units, std::size_t features);
    void (*pack_input)(std::size_t units, std::size_t features, const T* kernel, T* packed);
    void (*forward)(const ForwardSteps<T>& steps);
    void (*backward)(const BackwardSteps<T>& steps);
};

/// The cells of one instruction set.
template <class T>
struct RecurrentTable {
    RecurrentSteps<T> simple_rnn;
    RecurrentSteps<T> lstm;
    RecurrentSteps<T> gru;
    RecurrentSteps<T> gru_reset_before;
};

}  // namespace seqgrad::kernels
