#pragma once

#include <cstddef>
#include <string_view>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

namespace seqgrad {

/// How a recurrent operation runs.
struct RecurrentOptions {
    /// Whether the result holds every step's output, as opposed to the final state alone.
    bool return_sequences = true;
    /// [B, T]: which steps count; null: all. Steps that do not count cost nothing, in whatever order they
    /// stand, and what x holds there (NaN included) has no influence: the states stay as they are, and the
    /// output is that of the last step that counted, zero where there was none. Read during the call only.
    const Mask* mask = nullptr;
    /// Takes the steps (and the mask) from the last to the first; outputs are in the order of processing.
    bool go_backwards = false;
    /// Outputs of steps that do not count are zero.
    bool zero_output_for_mask = false;
    /// Truncated back-propagation through time: no gradient goes from a step's state to the one before every
    /// `bptt_steps` steps, as if the state had been detached there; 0: it goes all the way. Steps are counted
    /// in the order of processing, whether or not the mask counts them. Williams and Peng 1990.
    std::size_t bptt_steps = 0;
    /// Keeps only states for the backward pass, which computes the gates again: a fifth of lstm's memory for
    /// about a third more time. The gradients are the same, bit for bit.
    bool recompute = false;
    /// gru only: whether the reset gate is applied after the recurrent product.
    bool reset_after = true;
    /// What error messages call the caller, such as `LSTM "encoder"`; the operation's own name when empty.
    /// Read during the call only.
    std::string_view caller = {};
};

/// Result of simple_rnn and gru.
template <class T>
struct RecurrentResult {
    /// Outputs [B, T, U]; an empty handle without return_sequences.
    Variable<T> sequence;
    /// Final state [B, U]: the output of the last step that counts, or the initial state when there is none.
    Variable<T> h;
};

/// Result of lstm.
template <class T>
struct LstmResult {
    /// Outputs [B, T, U]; an empty handle without return_sequences.
    Variable<T> sequence;
    /// Final output state [B, U].
    Variable<T> h;
    /// Final cell state [B, U].
    Variable<T> c;
};

// Each of these is one operation over the whole sequence, whose gradient is back-propagation through time,
// and follows Keras's layer of that name with its default activations. Operands:
//
//     x                 [B, T, D]
//     kernel            [D, gU], gates side by side in Keras's order
//     recurrent_kernel  [U, gU]
//     bias              [gU] or an empty handle for none (gru with reset_after: [2, 3U])
//     initial_h         [B, U] or an empty handle for zeros
//
// They throw ShapeError when an operand, or the mask, has another shape. B and T may be 0.

/// h_t = tanh(x_t W + h_{t-1} R + b). Elman 1990, "Finding structure in time".
template <class T>
RecurrentResult<T> simple_rnn(const Variable<T>& x, const Variable<T>& kernel,
                              const Variable<T>& recurrent_kernel, const Variable<T>& bias = {},
                              const Variable<T>& initial_h = {}, const RecurrentOptions& options = {});

/// c_t = f c_{t-1} + i g and h_t = o tanh(c_t), where i, f, o = sigmoid(x_t W + h_{t-1} R + b) and g =
/// tanh(the same), with columns i | f | g | o. Hochreiter and Schmidhuber 1997, "Long short-term memory",
/// with the forget gate of Gers, Schmidhuber and Cummins 2000. `initial_c` is [B, U] or an empty handle for
/// zeros.
template <class T>
LstmResult<T> lstm(const Variable<T>& x, const Variable<T>& kernel, const Variable<T>& recurrent_kernel,
                   const Variable<T>& bias = {}, const Variable<T>& initial_h = {},
                   const Variable<T>& initial_c = {}, const RecurrentOptions& options = {});

/// h_t = z h_{t-1} + (1 - z) g, where z, r = sigmoid(x_t W + b + h_{t-1} R + b') and g = tanh(x_t W + b + r
/// (h_{t-1} R + b')), with columns z | r | g and bias rows b, b'. Cho et al. 2014 (arXiv 1406.1078) with the
/// reset gate applied after the recurrent product, as cuDNN and Keras's reset_after=True have it. Without
/// reset_after, as published: g = tanh(x_t W + b + (r h_{t-1}) R), and there is no b'.
template <class T>
RecurrentResult<T> gru(const Variable<T>& x, const Variable<T>& kernel, const Variable<T>& recurrent_kernel,
                       const Variable<T>& bias = {}, const Variable<T>& initial_h = {},
                       const RecurrentOptions& options = {});

}  // namespace seqgrad
