#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

// Distributions over classes. Nothing here overflows or loses its digits at large logits; a logit of -inf is
// a class of probability 0. Where a distribution has no finite logit at all, its results are NaN.

namespace seqgrad {

/// y_i = e^x_i / sum_j e^x_j along an axis. Throws ShapeError when the axis does not exist.
template <class T>
Variable<T> softmax(const Variable<T>& x, std::ptrdiff_t axis = -1);

/// y_i = x_i - ln(sum_j e^x_j) along an axis. Throws ShapeError when the axis does not exist.
template <class T>
Variable<T> log_softmax(const Variable<T>& x, std::ptrdiff_t axis = -1);

/// Cross-entropy, in nats, between softmax(logits) and the class that is right: -log_softmax(logits)[label].
///
/// `logits` is [..., V], `labels` [...], and so is the result. Throws ShapeError when they do not fit,
/// ValueError for a label outside [0, V).
template <class T>
Variable<T> softmax_cross_entropy(const Variable<T>& logits, Tensor<std::int64_t> labels);

/// Cross-entropy, in nats, between softmax(logits) and target probabilities:
/// -sum_v targets_v log_softmax(logits)_v, where a target of 0 counts nothing whatever the logit.
///
/// `logits` and `targets` are [..., V], the result is [...]. The targets need not add up to one, and get a
/// gradient too. Throws ShapeError when the shapes differ.
template <class T>
Variable<T> softmax_cross_entropy(const Variable<T>& logits, const Variable<T>& targets);
template <class T>
Variable<T> softmax_cross_entropy(const Variable<T>& logits, Tensor<std::type_identity_t<T>> targets);

}  // namespace seqgrad
