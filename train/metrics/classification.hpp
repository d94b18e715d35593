#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"
#include "seqgrad/train/losses/reduction.hpp"
#include "seqgrad/train/metrics/metric.hpp"

// How what is predicted compares with what is true: y_true is 0 or 1 everywhere, one-hot for classes that
// exclude each other. Shapes may differ by a last axis of size 1 as in mean_squared_error.

namespace seqgrad {

/// How often it was right and wrong to predict or not to predict a class, weighted.
struct ClassCounts {
    CompensatedSum true_positives, false_positives, false_negatives;

    void add(bool is_true, bool is_predicted, double weight) noexcept;
    std::vector<double> numbers() const;
    bool set_numbers(std::span<const double> numbers);
};

/// The share of what is predicted, y_pred > threshold, that is true; 0 where nothing is predicted.
struct Precision {
    using State = ClassCounts;
    double threshold = 0.5;
    /// Only this column of the last axis counts; all where not given.
    std::optional<std::size_t> class_id = {};
    std::string name = "precision";

    /// Throws ShapeError when shapes or weights do not fit; ValueError for a y_true that counts and is not 0
    /// or 1, a class_id that is no column, and a threshold of NaN.
    template <class T>
    void update(State& state, const Tensor<T>& y_true, const Variable<T>& y_pred,
                const LossWeights<T>& weights) const;
    double result(const State& state) const;
};

/// The share of what is true that is predicted, y_pred > threshold; 0 where nothing is true.
struct Recall {
    using State = ClassCounts;
    double threshold = 0.5;
    /// Only this column of the last axis counts; all where not given.
    std::optional<std::size_t> class_id = {};
    std::string name = "recall";

    /// Throws as Precision's.
    template <class T>
    void update(State& state, const Tensor<T>& y_true, const Variable<T>& y_pred,
                const LossWeights<T>& weights) const;
    double result(const State& state) const;
};

/// How the numbers of several classes become one.
enum class ClassAverage {
    micro,     ///< that of all classes' counts together
    macro,     ///< their mean
    weighted,  ///< their mean weighted by how often each class is true
};

/// The harmonic mean of precision and recall of every class, a column of the last axis, [B, ..., C], and the
/// average of these; 0 of a class that is never both true and predicted.
///
/// Predicted is what is larger than the threshold; without one, as in Keras, what is largest in its row, all
/// of those that are equal, but not 0 (within 1e-9). Keras's default is one number per class; their mean,
/// `macro`, is the default here. Keras adds 1e-7 to its divisors, which shows where counts are small.
struct F1Score {
    using State = PerColumn<ClassCounts>;
    ClassAverage average = ClassAverage::macro;
    std::optional<double> threshold = {};
    std::string name = "f1_score";

    /// Throws as Precision's; ShapeError when the number of classes changes, ValueError for a single class
    /// without a threshold.
    template <class T>
    void update(State& state, const Tensor<T>& y_true, const Variable<T>& y_pred,
                const LossWeights<T>& weights) const;
    double result(const State& state) const;
};

}  // namespace seqgrad
