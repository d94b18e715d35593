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
//
// As in Keras, the mask of the predictions (Variable::mask) says what is padding, unless LossWeights does.
// What stands in padding of targets and predictions, NaN or a label of -1, changes neither loss nor
// gradients. A prediction that has no time axis any more has no mask either: every sample counts.

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
    /// Where it is not given, the predictions' own mask is taken.
    std::optional<Mask> mask = {};
};

/// Reduces losses, one per sample or time step, to one number, as Keras does.
///
/// Each loss l is multiplied by its weight w; `sum_over_batch_size` gives sum(l w) / number of losses, or
/// with a mask sum(l w over what is true) / number of what is true, whatever w is. Where the divisor is 0 the
/// result is 0. What the mask leaves out is 0, also where l or w is NaN there.
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

namespace detail {

/// The values with 0 where the mask leaves a sample or time step out. A mask that does not fit them leaves
/// them as they are; reduce_loss then says what is wrong. The result has no mask.
template <class Y>
Tensor<Y> blank_padding(const Tensor<Y>& values, const Mask& mask);
template <class T>
Variable<T> blank_padding(const Variable<T>& values, const Mask& mask);

/// compute(y_true, y_pred, weights) with padding blanked and the predictions' mask among the weights.
template <class Y, class T, class F>
Variable<T> without_padding(const Tensor<Y>& y_true, const Variable<T>& y_pred, const LossWeights<T>& weights,
                            const F& compute) {
    if (!weights.mask && y_pred.mask() == nullptr) return compute(y_true, y_pred, weights);
    LossWeights<T> all = weights;
    if (!all.mask) all.mask = *y_pred.mask();
    return compute(blank_padding(y_true, *all.mask), blank_padding(y_pred, *all.mask), all);
}

}  // namespace detail

/// The mean squared error, see `mean_squared_error`.
struct MeanSquaredError {
    Reduction reduction = Reduction::sum_over_batch_size;

    /// One number, unless the reduction is `none`. Throws as mean_squared_error and reduce_loss do.
    template <class T>
    Variable<T> operator()(const std::type_identity_t<Tensor<T>>& y_true, const Variable<T>& y_pred,
                           const std::type_identity_t<LossWeights<T>>& weights = {}) const {
        return detail::without_padding(
            y_true, y_pred, weights,
            [this](const Tensor<T>& y, const Variable<T>& p, const LossWeights<T>& w) {
                return reduce_loss(mean_squared_error(y, p), reduction, w);
            });
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

/// Any loss: one of those above, or a user's function of (y_true, y_pred) or (y_true, y_pred, weights).
///
/// A function of two arguments gives one loss per sample or time step, and is reduced by
/// `sum_over_batch_size`, or gives one number, which cannot be weighted; the predictions' mask does not
/// change it. It gets y_true and y_pred with 0 in padding, and may take y_true as a Tensor or as a Variable:
///
///     Loss<float> loss = [](const Variable<float>& y, const Variable<float>& p) { return abs(y - p); };
///
/// A function of three arguments gets everything as it is and looks after weights and masks itself.
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
                const auto reduced = [&](const Tensor<T>& y, const Variable<T>& p, LossWeights<T> all) {
                    Variable<T> losses;
                    if constexpr (std::is_invocable_r_v<Variable<T>, const F&, const Tensor<T>&,
                                                        const Variable<T>&>) {
                        losses = loss(y, p);
                    } else {
                        losses = loss(constant(y), p);
                    }
                    if (losses.rank() == 0 && !weights.mask) all.mask.reset();
                    return reduce_loss<T>(losses, Reduction::sum_over_batch_size, all);
                };
                return detail::without_padding(y_true, y_pred, weights, reduced);
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
