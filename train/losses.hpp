#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

// A loss is a function of targets and predictions, and a value: `SparseCategoricalCrossentropy{.from_logits =
// true}` can be called, copied and handed to a Trainer. Each comes in two parts: a function that gives one
// number per sample or time step, and its reduction to one number for the batch, which is the same for all.
// Predictions are [B, ...]; where a loss has one number per row of the last axis, that axis is F or V here.

namespace seqgrad {

/// How the losses of a batch become one number; Keras's names.
enum class Reduction {
    sum_over_batch_size,      ///< their sum divided by their number, time steps included
    mean,                     ///< the same
    mean_with_sample_weight,  ///< the weighted sum divided by the sum of the weights
    sum,                      ///< their sum
    none,                     ///< no reduction: one loss per sample or time step
};

/// Which samples and time steps count, and how much.
template <class T>
struct LossWeights {
    /// A factor for each loss: [B] for samples, [B, T] for time steps, or anything that broadcasts to the
    /// losses' shape once axes of size 1 are appended.
    std::optional<Tensor<T>> sample_weight = {};
    /// False where a sample or time step is padding; of the same shapes. Averages are over what is true.
    std::optional<Tensor<bool>> mask = {};
};

/// Reduces losses, one per sample or time step, to one number, as Keras does.
///
/// Each loss l is multiplied by its weight w; `sum_over_batch_size` gives sum(l w) / number of losses, or
/// with a mask sum(l w over what is true) / number of what is true. Where the divisor is 0 the result is 0.
/// Throws ShapeError when weights or mask do not fit.
template <class T>
Variable<T> reduce_loss(const Variable<T>& losses, Reduction reduction = Reduction::sum_over_batch_size,
                        const LossWeights<T>& weights = {});

/// The mean of (y_true - y_pred)^2 over the last axis: [B, ..., F] -> [B, ...].
///
/// Where one has an axis of size 1 more at the end it is dropped, [B] with [B, 1] gives [B]. Throws
/// ShapeError when they differ otherwise (Keras broadcasts) and for rank 0.
template <class T>
Variable<T> mean_squared_error(const Tensor<T>& y_true, const Variable<T>& y_pred);

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

/// The mean squared error, see `mean_squared_error`.
struct MeanSquaredError {
    Reduction reduction = Reduction::sum_over_batch_size;

    /// One number, unless the reduction is `none`. Throws as mean_squared_error and reduce_loss do.
    template <class T>
    Variable<T> operator()(const std::type_identity_t<Tensor<T>>& y_true, const Variable<T>& y_pred,
                           const std::type_identity_t<LossWeights<T>>& weights = {}) const {
        return reduce_loss(mean_squared_error(y_true, y_pred), reduction, weights);
    }
};

/// The cross-entropy of predicted classes with labels, see `sparse_categorical_crossentropy`.
struct SparseCategoricalCrossentropy {
    bool from_logits = false;  ///< y_pred are logits rather than probabilities
    Reduction reduction = Reduction::sum_over_batch_size;

    /// One number, unless the reduction is `none`. Throws as sparse_categorical_crossentropy, reduce_loss
    /// and, for labels stored in T, to_labels do.
    template <class T>
    Variable<T> operator()(const Tensor<std::int64_t>& labels, const Variable<T>& y_pred,
                           const std::type_identity_t<LossWeights<T>>& weights = {}) const {
        return reduce_loss(sparse_categorical_crossentropy(labels, y_pred, from_logits), reduction, weights);
    }
    template <Real T>
    Variable<T> operator()(const Tensor<T>& y_true, const Variable<T>& y_pred,
                           const std::type_identity_t<LossWeights<T>>& weights = {}) const {
        return (*this)(to_labels(y_true), y_pred, weights);
    }
};

/// Any loss: one of those above, or a user's function of (y_true, y_pred) or (y_true, y_pred, weights).
///
/// A function of two arguments gives one loss per sample or time step, and is reduced by
/// `sum_over_batch_size`, or gives one number, which cannot be weighted or masked. It may take y_true as a
/// Tensor or as a Variable:
///
///     Loss<float> loss = [](const Variable<float>& y, const Variable<float>& p) { return abs(y - p); };
template <class T>
class Loss {
  public:
    template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, Loss> &&
             (std::is_invocable_r_v<Variable<T>, const F&, const Tensor<T>&, const Variable<T>&,
                                    const LossWeights<T>&> ||
              std::is_invocable_r_v<Variable<T>, const F&, const Tensor<T>&, const Variable<T>&> ||
              std::is_invocable_r_v<Variable<T>, const F&, const Variable<T>&, const Variable<T>&>))
        Loss(F loss) {
        if constexpr (std::is_invocable_r_v<Variable<T>, const F&, const Tensor<T>&, const Variable<T>&,
                                            const LossWeights<T>&>) {
            function_ = std::move(loss);
        } else {
            function_ = [loss = std::move(loss)](const Tensor<T>& y_true, const Variable<T>& y_pred,
                                                 const LossWeights<T>& weights) {
                if constexpr (std::is_invocable_r_v<Variable<T>, const F&, const Tensor<T>&,
                                                    const Variable<T>&>) {
                    return reduce_loss<T>(loss(y_true, y_pred), Reduction::sum_over_batch_size, weights);
                } else {
                    return reduce_loss<T>(loss(constant(y_true), y_pred), Reduction::sum_over_batch_size,
                                          weights);
                }
            };
        }
    }

    /// Throws what the loss throws.
    Variable<T> operator()(const Tensor<T>& y_true, const Variable<T>& y_pred,
                           const LossWeights<T>& weights = {}) const {
        return function_(y_true, y_pred, weights);
    }

  private:
    std::function<Variable<T>(const Tensor<T>&, const Variable<T>&, const LossWeights<T>&)> function_;
};

}  // namespace seqgrad
