#pragma once

#include <cstddef>
#include <vector>

#include "seqgrad/core/kernels/instruction_set.hpp"
#include "seqgrad/core/kernels/recurrent.hpp"
#include "seqgrad/core/kernels/scratch.hpp"

namespace seqgrad::kernels {

/// How a query is compared with a row of the memory: q . m; q W . m; v . tanh(q W + m V + b).
enum class Score { dot, general, additive };

/// Which positions a query sees: all; those around its own; those around one that it predicts, with a
/// Gaussian factor.
enum class Window { global, local_m, local_p };

/// What the steps of a decoder do.
struct AttentionDecoderKind {
    Cell cell;
    /// Whether a step attends with its new state, whose output is tanh([context; state] C). Otherwise it
    /// attends with the state before, and the context goes into the cell beside x.
    bool attends_after;
    /// attends_after only: whether the output before goes into the cell beside x.
    bool feeding;
    Score score;
    Window window;
    /// Positions on either side of a local window's centre.
    std::size_t reach;
};

struct AttentionDecoderSizes {
    std::size_t batch, steps, memory;  ///< B, T, S
    std::size_t features, units;       ///< D, U
    std::size_t memory_features;       ///< M
    std::size_t attention, position;   ///< A of additive scores, P of predicted centres; else 0
};

/// The operands, dense and row-major; E = M where the context goes into the cell, U with feeding, else 0.
template <class T>
struct AttentionDecoderOperands {
    const T* x;                           ///< [B, T, D]
    const T* memory;                      ///< [B, S, M]
    RecurrentWeights<T> cell;             ///< kernel [D + E, gU], rows of x first
    const T* initial_h;                   ///< [B, U] or null for zeros
    const T* initial_c;                   ///< the same; lstm only
    const T* query_kernel = nullptr;      ///< general: [U, M]; additive: [U, A]
    const T* memory_kernel = nullptr;     ///< additive: [M, A]
    const T* query_bias = nullptr;        ///< additive: [A] or null
    const T* v = nullptr;                 ///< additive: [A]
    const T* position_kernel = nullptr;   ///< local_p: [U, P]
    const T* position_v = nullptr;        ///< local_p: [P]
    const T* attention_kernel = nullptr;  ///< attends_after: [M + U, U], rows of the context first
};

/// What a forward pass leaves for the backward pass. Rows are time-major: row t B + b is step t of sample b.
template <class T>
struct AttentionDecoderSaved {
    /// The memory's rows that count, sample by sample: sample b has first_row[b] up to first_row[b + 1], and
    /// row r stands at positions[r].
    std::vector<std::size_t> first_row, positions;
    /// [T B]: which steps count; empty: all.
    std::vector<char> counts;
    Scratch<T> memory;    ///< [R, M]; empty where every row counts
    Scratch<T> keys;      ///< [R, A]; additive only
    Scratch<T> queries;   ///< [T B, Q]; not for dot
    Scratch<T> weights;   ///< [T B, S], a sample's counted rows in front
    Scratch<T> softmax;   ///< the weights before the Gaussian factor; local_p only
    Scratch<T> position;  ///< [T B, P]: tanh(q position_kernel); local_p only
    Scratch<T> centres;   ///< [T B]; local_p only
    Scratch<T> contexts;  ///< [T B, M]
    Scratch<T> gates;     ///< [T B, gate_groups U]
    /// Whether `gates` has the activated gates; a backward pass leaves their gradients there, and the next
    /// one computes them again.
    bool gates_kept = true;
    Scratch<T> h, c;     ///< [(1 + T) B, U]; c: lstm only
    Scratch<T> outputs;  ///< [T B, U]; attends_after only
};

/// A decoder over a whole sequence. A step that does not count leaves the states as they are, and repeats the
/// output and weights before it (zeros before the first). Memory that does not count has no influence, NaN
/// included; a sample without any has weights and contexts of zeros.
template <class T>
struct AttentionDecoderForward {
    AttentionDecoderKind kind;
    AttentionDecoderSizes sizes;
    AttentionDecoderOperands<T> in;
    const bool* mask;         ///< [B, T] or null
    const bool* memory_mask;  ///< [B, S] or null
    T* sequence;              ///< [B, T, U]
    T* weights;               ///< [B, T, S]
    T* final_h;               ///< [B, U]
    T* final_c;               ///< [B, U]; lstm only
};

template <class T>
struct AttentionDecoderBackward {
    AttentionDecoderKind kind;
    AttentionDecoderSizes sizes;
    AttentionDecoderOperands<T> in;
    /// Gradients of the results, or null.
    const T *d_sequence, *d_weights, *d_final_h, *d_final_c;
    /// Where the gradients of the operands go, in the order in which they are written. query_kernel and
    /// memory_kernel may be parts of one array.
    GradientTarget<T> initial_h, initial_c, bias, kernel, x, recurrent_kernel, attention_kernel, query_kernel,
        query_bias, memory_kernel, v, position_kernel, position_v, memory;
};

/// Several threads share the samples of a step's cell, and the columns of products (threads.hpp).
template <class T>
AttentionDecoderSaved<T> attention_decoder_forward(const AttentionDecoderForward<T>& pass,
                                                   InstructionSet set = instruction_set());
template <class T>
void attention_decoder_backward(const AttentionDecoderBackward<T>& pass, AttentionDecoderSaved<T>& saved,
                                InstructionSet set = instruction_set());

}  // namespace seqgrad::kernels
