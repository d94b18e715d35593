#pragma once

#include <type_traits>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"
#include "seqgrad/train/losses/reduction.hpp"

// Losses of numbers, one per row of the last axis: [B, ..., F] -> [B, ...]. y_true and y_pred are of one
// shape; where one has an axis of size 1 more at the end it is dropped, [B] with [B, 1] gives [B]. They throw
// ShapeError when the shapes differ otherwise (Keras broadcasts) and for rank 0.

namespace seqgrad {

/// The mean of (y_pred - y_true)^2 over the last axis.
template <class T>
Variable<T> mean_squared_error(const Tensor<T>& y_true, const Variable<T>& y_pred);

/// The mean of |y_pred - y_true| over the last axis. Where they are equal the gradient is 0.
template <class T>
Variable<T> mean_absolute_error(const Tensor<T>& y_true, const Variable<T>& y_pred);

/// 100 times the mean of |y_pred - y_true| / max(|y_true|, 1e-7) over the last axis, in percent. Where they
/// are equal the gradient is 0.
template <class T>
Variable<T> mean_absolute_percentage_error(const Tensor<T>& y_true, const Variable<T>& y_pred);

/// The mean of (ln(1 + y_pred) - ln(1 + y_true))^2 over the last axis, where what is below 1e-7 counts as
/// 1e-7; a prediction below it has gradient 0.
template <class T>
Variable<T> mean_squared_logarithmic_error(const Tensor<T>& y_true, const Variable<T>& y_pred);

/// The mean over the last axis of e^2 / 2 where |e| <= delta, and of delta |e| - delta^2 / 2 beyond, with
/// e = y_pred - y_true (Huber, "Robust estimation of a location parameter", 1964).
/// Throws ValueError for a delta that is not positive.
template <class T>
Variable<T> huber(const Tensor<T>& y_true, const Variable<T>& y_pred, double delta = 1.0);

/// The mean of ln(cosh(y_pred - y_true)) over the last axis: near e^2 / 2 for small errors e, near |e| - ln 2
/// for large ones, which do not overflow. In double it is 1.9e-9 less, as in Keras, whose ln 2 is a float.
template <class T>
Variable<T> log_cosh(const Tensor<T>& y_true, const Variable<T>& y_pred);

/// Minus the cosine of the angle between the rows of the last axis, -1 where they point the same way.
///
/// A row is divided by its length, or by 1e-7 where it is shorter: a row of zeros gives 0.
template <class T>
Variable<T> cosine_similarity(const Tensor<T>& y_true, const Variable<T>& y_pred);

/// The mean squared error, see `mean_squared_error`.
struct MeanSquaredError {
    static constexpr const char* name = "mean_squared_error";
    Reduction reduction = Reduction::sum_over_batch_size;

    /// One number, unless the reduction is `none`. Throws as mean_squared_error and reduce_loss do.
    template <class T>
    Variable<T> operator()(const std::type_identity_t<Tensor<T>>& y_true, const Variable<T>& y_pred,
                           const std::type_identity_t<LossWeights<T>>& weights = {}) const {
        return detail::reduced(mean_squared_error<T>, reduction, y_true, y_pred, weights);
    }
};

/// The mean absolute error, see `mean_absolute_error`.
struct MeanAbsoluteError {
    static constexpr const char* name = "mean_absolute_error";
    Reduction reduction = Reduction::sum_over_batch_size;

    /// One number, unless the reduction is `none`. Throws as mean_absolute_error and reduce_loss do.
    template <class T>
    Variable<T> operator()(const std::type_identity_t<Tensor<T>>& y_true, const Variable<T>& y_pred,
                           const std::type_identity_t<LossWeights<T>>& weights = {}) const {
        return detail::reduced(mean_absolute_error<T>, reduction, y_true, y_pred, weights);
    }
};

/// The mean absolute error in percent of the targets, see `mean_absolute_percentage_error`.
struct MeanAbsolutePercentageError {
    static constexpr const char* name = "mean_absolute_percentage_error";
    Reduction reduction = Reduction::sum_over_batch_size;

    /// One number, unless the reduction is `none`. Throws as mean_absolute_percentage_error and reduce_loss
    /// do.
    template <class T>
    Variable<T> operator()(const std::type_identity_t<Tensor<T>>& y_true, const Variable<T>& y_pred,
                           const std::type_identity_t<LossWeights<T>>& weights = {}) const {
        return detail::reduced(mean_absolute_percentage_error<T>, reduction, y_true, y_pred, weights);
    }
};

/// The mean squared error of logarithms, see `mean_squared_logarithmic_error`.
struct MeanSquaredLogarithmicError {
    static constexpr const char* name = "mean_squared_logarithmic_error";
    Reduction reduction = Reduction::sum_over_batch_size;

    /// One number, unless the reduction is `none`. Throws as mean_squared_logarithmic_error and reduce_loss
    /// do.
    template <class T>
    Variable<T> operator()(const std::type_identity_t<Tensor<T>>& y_true, const Variable<T>& y_pred,
                           const std::type_identity_t<LossWeights<T>>& weights = {}) const {
        return detail::reduced(mean_squared_logarithmic_error<T>, reduction, y_true, y_pred, weights);
    }
};

/// A squared error that grows only linearly beyond delta, see `huber`.
struct Huber {
    static constexpr const char* name = "huber";
    double delta = 1.0;
    Reduction reduction = Reduction::sum_over_batch_size;

    /// One number, unless the reduction is `none`. Throws as huber and reduce_loss do.
    template <class T>
    Variable<T> operator()(const std::type_identity_t<Tensor<T>>& y_true, const Variable<T>& y_pred,
                           const std::type_identity_t<LossWeights<T>>& weights = {}) const {
        const auto losses = [this](const Tensor<T>& y, const Variable<T>& p) { return huber(y, p, delta); };
        return detail::reduced(losses, reduction, y_true, y_pred, weights);
    }
};

/// The logarithm of the error's hyperbolic cosine, see `log_cosh`.
struct LogCosh {
    static constexpr const char* name = "log_cosh";
    Reduction reduction = Reduction::sum_over_batch_size;

    /// One number, unless the reduction is `none`. Throws as log_cosh and reduce_loss do.
    template <class T>
    Variable<T> operator()(const std::type_identity_t<Tensor<T>>& y_true, const Variable<T>& y_pred,
                           const std::type_identity_t<LossWeights<T>>& weights = {}) const {
        return detail::reduced(log_cosh<T>, reduction, y_true, y_pred, weights);
    }
};

/// Minus the cosine of the angle between predictions and targets, see `cosine_similarity`.
struct CosineSimilarity {
    static constexpr const char* name = "cosine_similarity";
    Reduction reduction = Reduction::sum_over_batch_size;

    /// One number, unless the reduction is `none`. Throws as cosine_similarity and reduce_loss do.
    template <class T>
    Variable<T> operator()(const std::type_identity_t<Tensor<T>>& y_true, const Variable<T>& y_pred,
                           const std::type_identity_t<LossWeights<T>>& weights = {}) const {
        return detail::reduced(cosine_similarity<T>, reduction, y_true, y_pred, weights);
    }
};

}  // namespace seqgrad
