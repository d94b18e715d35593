#pragma once

#include <cstdint>
#include <optional>
#include <type_traits>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"
#include "seqgrad/train/losses/reduction.hpp"

// Losses of probabilities and logits, in nats, one per row of the last axis. Those of logits neither overflow
// nor lose their digits at large ones. Probabilities are clipped as Keras on TensorFlow does: what is clipped
// does not move the loss, its gradient is 0.

namespace seqgrad {

/// The mean over the last axis of -t ln p - (1 - t) ln(1 - p): y_true t and y_pred [B, ..., F] -> [B, ...].
///
/// With `from_logits`, p = sigmoid(y_pred); otherwise y_pred clipped to [1e-7, 1 - 1e-7]. With
/// `label_smoothing` s the targets are t (1 - s) + s / 2. Shapes may differ by a last axis of size 1 as in
/// mean_squared_error. Throws ShapeError when they do not fit, ValueError for s outside [0, 1].
template <class T>
Variable<T> binary_crossentropy(const Tensor<T>& y_true, const Variable<T>& y_pred, bool from_logits = false,
                                double label_smoothing = 0.0);

/// -sum_v t_v ln p_v: target probabilities y_true t and y_pred [B, ..., V] -> [B, ...].
///
/// With `from_logits`, p = softmax(y_pred); otherwise y_pred scaled to a sum of 1, then clipped to
/// [1e-7, 1 - 1e-7]. With `label_smoothing` s the targets are t (1 - s) + s / V. Throws ShapeError when the
/// shapes differ, ValueError for s outside [0, 1].
template <class T>
Variable<T> categorical_crossentropy(const Tensor<T>& y_true, const Variable<T>& y_pred,
                                     bool from_logits = false, double label_smoothing = 0.0);

/// The cross-entropy -ln p[label] of predicted classes: y_pred [B, ..., V], labels [B, ...] -> [B, ...].
///
/// With `from_logits`, p = softmax(y_pred). Otherwise y_pred holds probabilities, and p is what Keras on
/// TensorFlow makes of them: clipped to [1e-7, 1 - 1e-7], then scaled to a sum of 1. The labels may have an
/// axis of size 1 at the end. Throws ShapeError when the shapes do not fit, ValueError for a label outside
/// [0, V).
template <class T>
Variable<T> sparse_categorical_crossentropy(const Tensor<std::int64_t>& labels, const Variable<T>& y_pred,
                                            bool from_logits = false);

/// The Kullback-Leibler divergence sum_v t_v ln(t_v / p_v) of y_pred p from y_true t, both clipped to
/// [1e-7, 1]: [B, ..., V] -> [B, ...]. Shapes may differ by a last axis of size 1 as in mean_squared_error.
/// Throws ShapeError when they do not fit.
template <class T>
Variable<T> kl_divergence(const Tensor<T>& y_true, const Variable<T>& y_pred);

/// Labels stored as whole numbers in T, as in a Dataset. Throws ValueError for one that is not a whole
/// number.
template <class T>
Tensor<std::int64_t> to_labels(const Tensor<T>& y_true);

namespace detail {

/// The weights with a mask that also leaves out what has this label. Throws ShapeError when the mask that
/// there is does not fit the labels.
template <class Y, class T>
LossWeights<T> leave_out_label(const Tensor<Y>& labels, std::int64_t left_out, const Variable<T>& y_pred,
                               LossWeights<T> weights);

}  // namespace detail

/// The cross-entropy of yes-or-no predictions, see `binary_crossentropy`.
struct BinaryCrossentropy {
    static constexpr const char* name = "binary_crossentropy";
    bool from_logits = false;      ///< y_pred are logits rather than probabilities
    double label_smoothing = 0.0;  ///< in [0, 1]: how far targets are moved towards 1/2
    Reduction reduction = Reduction::sum_over_batch_size;

    /// One number, unless the reduction is `none`. Throws as binary_crossentropy and reduce_loss do.
    template <class T>
    Variable<T> operator()(const std::type_identity_t<Tensor<T>>& y_true, const Variable<T>& y_pred,
                           const std::type_identity_t<LossWeights<T>>& weights = {}) const {
        const auto losses = [this](const Tensor<T>& y, const Variable<T>& p) {
            return binary_crossentropy(y, p, from_logits, label_smoothing);
        };
        return detail::reduced(losses, reduction, y_true, y_pred, weights);
    }
};

/// The cross-entropy of predicted classes with target probabilities, one-hot or not, see
/// `categorical_crossentropy`.
struct CategoricalCrossentropy {
    static constexpr const char* name = "categorical_crossentropy";
    bool from_logits = false;      ///< y_pred are logits rather than probabilities
    double label_smoothing = 0.0;  ///< in [0, 1]: how far targets are moved towards 1/V
    Reduction reduction = Reduction::sum_over_batch_size;

    /// One number, unless the reduction is `none`. Throws as categorical_crossentropy and reduce_loss do.
    template <class T>
    Variable<T> operator()(const std::type_identity_t<Tensor<T>>& y_true, const Variable<T>& y_pred,
                           const std::type_identity_t<LossWeights<T>>& weights = {}) const {
        const auto losses = [this](const Tensor<T>& y, const Variable<T>& p) {
            return categorical_crossentropy(y, p, from_logits, label_smoothing);
        };
        return detail::reduced(losses, reduction, y_true, y_pred, weights);
    }
};

/// The cross-entropy of predicted classes with labels, see `sparse_categorical_crossentropy`.
struct SparseCategoricalCrossentropy {
    static constexpr const char* name = "sparse_categorical_crossentropy";
    bool from_logits = false;  ///< y_pred are logits rather than probabilities
    /// What has this label, often -1, does not count, as if the mask left it out.
    std::optional<std::int64_t> ignore_class = {};
    Reduction reduction = Reduction::sum_over_batch_size;

    /// One number, unless the reduction is `none`. Throws as sparse_categorical_crossentropy, reduce_loss
    /// and, for labels stored in T, to_labels do.
    template <class T>
    Variable<T> operator()(const Tensor<std::int64_t>& labels, const Variable<T>& y_pred,
                           const std::type_identity_t<LossWeights<T>>& weights = {}) const {
        return of_labels(labels, y_pred, weights);
    }
    template <Real T>
    Variable<T> operator()(const Tensor<T>& y_true, const Variable<T>& y_pred,
                           const std::type_identity_t<LossWeights<T>>& weights = {}) const {
        return of_labels(y_true, y_pred, weights);
    }

  private:
    template <class Y, class T>
    Variable<T> of_labels(const Tensor<Y>& labels, const Variable<T>& y_pred,
                          const LossWeights<T>& weights) const {
        const auto losses = [this](const Tensor<Y>& y, const Variable<T>& p) {
            if constexpr (Real<Y>) {
                return sparse_categorical_crossentropy(to_labels(y), p, from_logits);
            } else {
                return sparse_categorical_crossentropy(y, p, from_logits);
            }
        };
        if (!ignore_class) return detail::reduced(losses, reduction, labels, y_pred, weights);
        return detail::reduced(losses, reduction, labels, y_pred,
                               detail::leave_out_label(labels, *ignore_class, y_pred, weights));
    }
};

/// The Kullback-Leibler divergence of predicted from target probabilities, see `kl_divergence`.
struct KLDivergence {
    static constexpr const char* name = "kl_divergence";
    Reduction reduction = Reduction::sum_over_batch_size;

    /// One number, unless the reduction is `none`. Throws as kl_divergence and reduce_loss do.
    template <class T>
    Variable<T> operator()(const std::type_identity_t<Tensor<T>>& y_true, const Variable<T>& y_pred,
                           const std::type_identity_t<LossWeights<T>>& weights = {}) const {
        return detail::reduced(kl_divergence<T>, reduction, y_true, y_pred, weights);
    }
};

}  // namespace seqgrad
