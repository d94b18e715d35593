#pragma once

#include <type_traits>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"
#include "seqgrad/train/losses/reduction.hpp"

// Losses of numbers, each a mean over the last axis.

namespace seqgrad {

/// The mean of (y_true - y_pred)^2 over the last axis: [B, ..., F] -> [B, ...].
///
/// Where one has an axis of size 1 more at the end it is dropped, [B] with [B, 1] gives [B]. Throws
/// ShapeError when they differ otherwise (Keras broadcasts) and for rank 0.
template <class T>
Variable<T> mean_squared_error(const Tensor<T>& y_true, const Variable<T>& y_pred);

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

}  // namespace seqgrad
