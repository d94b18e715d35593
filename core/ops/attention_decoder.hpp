#pragma once

#include <cstddef>
#include <string_view>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

namespace seqgrad {

/// How well a query q [U] fits a position m [M] of a memory.
enum class AttentionScore {
    bahdanau,  ///< v . tanh(q W + m U + b)
    dot,       ///< q . m
    general,   ///< q W . m
    concat,    ///< v . tanh([q; m] W)
};

/// Which positions of a memory a query sees: all of them, those around its own position, or those around one
/// that is predicted from it.
enum class AttentionWindow { global, local_m, local_p };

/// When a decoder attends: with the state before its step, for a context that goes into the cell (Bahdanau et
/// al. 2014, arXiv 1409.0473), or with the new state, for an output made of both (Luong et al. 2015, arXiv
/// 1508.04025).
enum class AttentionStyle { bahdanau, luong };

/// The recurrent cell of a decoder, with Keras's default activations.
enum class CellKind { simple_rnn, lstm, gru, gru_reset_before };

/// How a decoder runs over a sequence.
struct AttentionDecoderOptions {
    CellKind cell = CellKind::gru;
    AttentionStyle style = AttentionStyle::bahdanau;
    AttentionScore score = AttentionScore::bahdanau;
    AttentionWindow window = AttentionWindow::global;
    /// Positions on either side of a local window's centre, at least 1 there.
    std::size_t D = 10;
    /// AttentionStyle::luong only: the output before goes into the cell beside x.
    bool input_feeding = false;
    /// [B, T]: which steps count; null: all. Others leave the states as they are and repeat the output and
    /// weights before them, zeros before the first. Read during the call only.
    const Mask* mask = nullptr;
    /// [B, S]: which positions of the memory count; null: all. What stands at the others, NaN included, has
    /// no influence. A sample without any has weights and contexts of zeros. Read during the call only.
    const Mask* memory_mask = nullptr;
    /// What error messages call the caller; the operation's own name when empty.
    std::string_view caller = {};
};

/// The operands of `attention_decoder`. E is M in Bahdanau's style, U with input feeding, otherwise 0; g is
/// the number of the cell's gates (1, 4, 3, 3).
template <class T>
struct AttentionDecoderOperands {
    Variable<T> x;                      ///< [B, T, D]
    Variable<T> memory;                 ///< [B, S, M]
    Variable<T> kernel;                 ///< [D + E, gU], the rows of x first
    Variable<T> recurrent_kernel;       ///< [U, gU]
    Variable<T> bias = {};              ///< [gU], gru: [2, 3U]; or empty
    Variable<T> initial_h = {};         ///< [B, U], or empty for zeros
    Variable<T> initial_c = {};         ///< the same, lstm only
    Variable<T> query_kernel = {};      ///< bahdanau [U, A], general [U, M], concat [U + M, A]; dot: empty
    Variable<T> memory_kernel = {};     ///< bahdanau [M, A], otherwise empty
    Variable<T> query_bias = {};        ///< bahdanau [A], or empty
    Variable<T> v = {};                 ///< bahdanau and concat [A]
    Variable<T> position_kernel = {};   ///< local_p [U, P]
    Variable<T> position_v = {};        ///< local_p [P]
    Variable<T> attention_kernel = {};  ///< luong [M + U, U], the rows of the context first
};

template <class T>
struct AttentionDecoderResult {
    Variable<T> sequence;  ///< outputs [B, T, U]
    Variable<T> weights;   ///< attention weights [B, T, S]
    Variable<T> h;         ///< final state [B, U]
    Variable<T> c;         ///< final cell state [B, U]; lstm only
};

/// A recurrent cell that attends to a memory in every step, as one operation over the whole sequence, whose
/// gradient is back-propagation through time. Step t, with the weights a_ts = softmax over s of
/// score(query, memory_s):
///
///     bahdanau  c_t = sum_s a_ts memory_s, query h_{t-1};  h_t = cell([x_t; c_t], h_{t-1});  output h_t
///     luong     h_t = cell([x_t; fed], h_{t-1});  c_t = sum_s a_ts memory_s, query h_t;
///               output y_t = tanh([c_t; h_t] C);  with input feeding fed = y_{t-1} (0 at first)
///
/// local_m and local_p take the softmax over |s - p_t| <= D, with p_t = t, or p_t = L sigmoid(position_v .
/// tanh(query position_kernel)) where L is the last position that counts; local_p then multiplies the weights
/// by exp(-(s - p_t)^2 / (2 (D / 2)^2)). Positions count from 0.
/// Throws ShapeError when an operand or a mask does not fit, or the memory has no positions; ValueError when
/// an operand is missing or given without use.
template <class T>
AttentionDecoderResult<T> attention_decoder(const AttentionDecoderOperands<T>& in,
                                            const AttentionDecoderOptions& options = {});

}  // namespace seqgrad
