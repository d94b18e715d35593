#pragma once

#include <optional>
#include <utility>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

namespace seqgrad {

/// How the losses of a batch become one number; Keras's names.
enum class Reduction {
    sum_over_batch_size,      ///< their sum divided by their number, time steps included
    mean,                     ///< the same
    mean_with_sample_weight,  ///< the weighted sum divided by the sum of the weights as given
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
/// result is 0. What the mask leaves out is 0, also if l or w is NaN there, and so is what weighs 0, for
/// which Keras gives NaN if l is NaN or infinite. Throws ShapeError when weights or mask do not fit.
template <class T>
Variable<T> reduce_loss(const Variable<T>& losses, Reduction reduction = Reduction::sum_over_batch_size,
                        const LossWeights<T>& weights = {});

namespace detail {

/// The values with 0 where the mask leaves a sample or time step out. A mask that does not fit them leaves
/// them as they are; reduce_loss then says what is wrong. The result has no mask.
template <class Y>
Tensor<Y> blank_padding(const Tensor<Y>& values, const Mask& mask);
template <class T>
Variable<T> blank_padding(const Variable<T>& values, const Mask& mask);

/// Targets and predictions of one rank, as Keras's losses make them: where one has an axis of size 1 more at
/// its end, that goes, or [B] becomes [B, 1]. All others stay as they are.
template <class T>
std::pair<Tensor<T>, Variable<T>> of_one_rank(const Tensor<T>& y_true, const Variable<T>& y_pred);

/// A mask of samples or time steps with the rank of their losses, to whose shape it then broadcasts. Throws
/// ShapeError when it does not fit.
Mask aligned_mask(const Mask& mask, const Shape& losses);

/// compute(y_true, y_pred, weights) with padding blanked and the predictions' mask among the weights.
template <class Y, class T, class F>
Variable<T> without_padding(const Tensor<Y>& y_true, const Variable<T>& y_pred, const LossWeights<T>& weights,
                            const F& compute) {
    if (!weights.mask && y_pred.mask() == nullptr) return compute(y_true, y_pred, weights);
    LossWeights<T> all = weights;
    if (!all.mask) all.mask = *y_pred.mask();
    return compute(blank_padding(y_true, *all.mask), blank_padding(y_pred, *all.mask), all);
}

/// losses(y_true, y_pred), one per sample or time step, with padding left out and reduced.
template <class F, class Y, class T>
Variable<T> reduced(const F& losses, Reduction reduction, const Tensor<Y>& y_true, const Variable<T>& y_pred,
                    const LossWeights<T>& weights) {
    return without_padding(y_true, y_pred, weights,
                           [&](const Tensor<Y>& y, const Variable<T>& p, const LossWeights<T>& w) {
                               return reduce_loss(losses(y, p), reduction, w);
                           });
}

}  // namespace detail

}  // namespace seqgrad
