#pragma once

#include <span>
#include <string>
#include <vector>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"
#include "seqgrad/train/losses/reduction.hpp"
#include "seqgrad/train/metrics/metric.hpp"

// Metrics of numbers that are no means of losses; those are the losses themselves, MeanAbsoluteError{} say.
// Shapes may differ by a last axis of size 1 as in mean_squared_error.

namespace seqgrad {

/// The root of the mean over all elements of (y_pred - y_true)^2.
struct RootMeanSquaredError {
    std::string name = "root_mean_squared_error";

    /// The squared errors. Throws ShapeError when the shapes do not fit.
    template <class T>
    Tensor<T> values(const Tensor<T>& y_true, const Variable<T>& y_pred) const;
    double result(double mean) const;
};

/// How the numbers of several columns become one.
enum class ClassAggregation {
    uniform_average,            ///< their mean
    variance_weighted_average,  ///< their mean weighted by the variance of the columns' targets
};

/// What R2Score has gathered of a column: of its targets the weighted mean and the squared deviations from it
/// (West, "Updating mean and variance estimates: an improved method", 1979), and the squared errors. The mean
/// is `shift`, the first target, and `mean` more: digits that all targets share cost none of the precision.
struct R2Column {
    double weight = 0;
    double shift = 0;
    double mean = 0;
    double deviations = 0;
    CompensatedSum errors;

    void add(double y, double p, double w) noexcept;
    double score() const noexcept;
    std::vector<double> numbers() const;
    bool set_numbers(std::span<const double> numbers);
};

/// The coefficient of determination 1 - sum (y_true - y_pred)^2 / sum (y_true - mean)^2 of every column of
/// the last axis, [B, ..., C], averaged over columns: 1 where all predictions are right, 0 where they are as
/// good as the mean of the targets.
///
/// A column whose targets are all the same gives 0, or 1 where all predictions are right (Keras gives NaN
/// there). [B] is one column. The result of nothing is 0.
struct R2Score {
    using State = PerColumn<R2Column>;

    ClassAggregation class_aggregation = ClassAggregation::uniform_average;
    std::string name = "r2_score";

    /// Throws ShapeError when the shapes or weights do not fit and when the number of columns changes.
    template <class T>
    void update(State& state, const Tensor<T>& y_true, const Variable<T>& y_pred,
                const LossWeights<T>& weights) const;
    double result(const State& state) const;
};

}  // namespace seqgrad
