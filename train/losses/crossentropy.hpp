#pragma once

#include <cstdint>
#include <type_traits>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"
#include "seqgrad/train/losses/reduction.hpp"

// Losses of probabilities and logits, in nats.

namespace seqgrad {

/// The cross-entropy -ln p[label] in nats of predicted classes: y_pred [B, ..., V], labels [B, ...] -> [B,
/// ...].
///
/// With `from_logits`, p = softmax(y_pred). Otherwise y_pred holds probabilities, and p is what Keras on
/// TensorFlow makes of them: clipped to [1e-7, 1 - 1e-7], then scaled to a sum of 1. The labels may have an
/// axis of size 1 at the end. Throws ShapeError when the shapes do not fit, ValueError for a label outside
/// [0, V).
template <class T>
Variable<T> sparse_categorical_crossentropy(const Tensor<std::int64_t>& labels, const Variable<T>& y_pred,
                                            bool from_logits = false);

/// Labels stored as whole numbers in T, as in a Dataset. Throws ValueError for one that is not a whole
/// number.
template <class T>
Tensor<std::int64_t> to_labels(const Tensor<T>& y_true);

/// The cross-entropy of predicted classes with labels, see `sparse_categorical_crossentropy`.
struct SparseCategoricalCrossentropy {
    bool from_logits = false;  ///< y_pred are logits rather than probabilities
    Reduction reduction = Reduction::sum_over_batch_size;

    /// One number, unless the reduction is `none`. Throws as sparse_categorical_crossentropy, reduce_loss
    /// and, for labels stored in T, to_labels do.
    template <class T>
    Variable<T> operator()(const Tensor<std::int64_t>& labels, const Variable<T>& y_pred,
                           const std::type_identity_t<LossWeights<T>>& weights = {}) const {
        return detail::without_padding(
            labels, y_pred, weights,
            [this](const Tensor<std::int64_t>& y, const Variable<T>& p, const LossWeights<T>& w) {
                return reduce_loss(sparse_categorical_crossentropy(y, p, from_logits), reduction, w);
            });
    }
    template <Real T>
    Variable<T> operator()(const Tensor<T>& y_true, const Variable<T>& y_pred,
                           const std::type_identity_t<LossWeights<T>>& weights = {}) const {
        return detail::without_padding(
            y_true, y_pred, weights,
            [this](const Tensor<T>& y, const Variable<T>& p, const LossWeights<T>& w) {
                return reduce_loss(sparse_categorical_crossentropy(to_labels(y), p, from_logits), reduction,
                                   w);
            });
    }
};

}  // namespace seqgrad
