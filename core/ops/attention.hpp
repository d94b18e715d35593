#pragma once

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

// What attention is made of: how well every query fits every position of a memory, and weights from that.
// B batch, T queries of a sample, S positions of its memory, D and A features.

namespace seqgrad {

/// softmax over the last axis of scores [..., S], among the positions that the mask counts:
/// y_s = e^x_s / sum of e^x_j over those j, and exactly 0 at the others.
///
/// What stands in a score that does not count, NaN and infinities included, has no influence, and gets the
/// gradient 0. A row in which nothing counts is all 0, with gradient 0. The mask's axes have the scores'
/// sizes or 1; one of fewer axes lacks those before its last: a memory's mask [B, S] beside scores [B, T, S].
/// A null mask counts everything. Throws ShapeError when the mask does not fit or the scores are of rank 0.
template <class T>
Variable<T> masked_softmax(const Variable<T>& scores, const Mask* mask);

/// y[b, t, s] = sum_d query[b, t, d] keys[b, s, d]: query [B, T, D], keys [B, S, D] -> [B, T, S]. Throws
/// ShapeError for operands of another rank or sizes that differ. Luong et al., "Effective approaches to
/// attention-based neural machine translation", arXiv 1508.04025, equation 8 (dot).
template <class T>
Variable<T> dot_scores(const Variable<T>& query, const Variable<T>& keys);

/// y[b, t, s] = sum_a v[a] tanh(query[b, t, a] + keys[b, s, a]): query [B, T, A], keys [B, S, A], v [A]
/// -> [B, T, S].
///
/// No tensor of B T S A elements is kept: the backward pass computes tanh again. Where the gradient of a
/// score is 0, as that of one which a mask left out, its key has no influence. Throws ShapeError for operands
/// of another rank or sizes that differ. Bahdanau et al., "Neural machine translation by jointly learning to
/// align and translate", arXiv 1409.0473, appendix A.1.2.
template <class T>
Variable<T> additive_scores(const Variable<T>& query, const Variable<T>& keys, const Variable<T>& v);

}  // namespace seqgrad
