#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

// How often predictions are right. Predictions of classes, [B, ..., V], may be probabilities or logits: only
// their order matters. The prediction is the first of those that are largest; where one is NaN it is wrong.

namespace seqgrad {

/// The share of elements where (y_pred > threshold) is y_true, 0 or 1.
struct BinaryAccuracy {
    double threshold = 0.5;
    std::string name = "binary_accuracy";

    /// 1 where right, 0 where wrong. Shapes may differ by a last axis of size 1 as in mean_squared_error.
    /// Throws ShapeError when they do not fit, ValueError for a threshold of NaN.
    template <class T>
    Tensor<T> values(const Tensor<T>& y_true, const Variable<T>& y_pred) const;
};

/// The share of samples or steps whose prediction is the class where y_true is largest, one-hot or not.
struct CategoricalAccuracy {
    std::string name = "categorical_accuracy";

    /// 1 where right, 0 where wrong: y_true and y_pred [B, ..., V] -> [B, ...]. Throws ShapeError when they
    /// differ in shape.
    template <class T>
    Tensor<T> values(const Tensor<T>& y_true, const Variable<T>& y_pred) const;
};

/// The share of samples or steps whose prediction is their label.
struct SparseCategoricalAccuracy {
    /// What has this label, often -1, does not count, as if the mask left it out.
    std::optional<std::int64_t> ignore_class = {};
    std::string name = "sparse_categorical_accuracy";

    /// 1 where right, 0 where wrong: y_true [B, ...] or [B, ..., 1], y_pred [B, ..., V] -> [B, ...]. Throws
    /// ShapeError when they do not fit, ValueError for labels that are not whole numbers in [0, V).
    template <class T>
    Tensor<T> values(const Tensor<T>& y_true, const Variable<T>& y_pred) const;
};

/// The share of samples or steps where fewer than k classes are predicted above that where y_true is largest.
struct TopKCategoricalAccuracy {
    std::size_t k = 5;
    std::string name = "top_k_categorical_accuracy";

    /// Throws as CategoricalAccuracy's, and ValueError for k = 0.
    template <class T>
    Tensor<T> values(const Tensor<T>& y_true, const Variable<T>& y_pred) const;
};

/// The share of samples or steps where fewer than k classes are predicted above their label.
struct SparseTopKCategoricalAccuracy {
    std::size_t k = 5;
    /// What has this label, often -1, does not count, as if the mask left it out.
    std::optional<std::int64_t> ignore_class = {};
    std::string name = "sparse_top_k_categorical_accuracy";

    /// Throws as SparseCategoricalAccuracy's, and ValueError for k = 0.
    template <class T>
    Tensor<T> values(const Tensor<T>& y_true, const Variable<T>& y_pred) const;
};

/// The accuracy that fits the shapes of a batch, as Keras's "accuracy": BinaryAccuracy for y_pred [B, ..., 1]
/// and [B]; otherwise SparseCategoricalAccuracy where y_true has an axis less than y_pred or a last one of
/// size 1; otherwise CategoricalAccuracy. Throws as they do.
struct Accuracy {
    std::string name = "accuracy";

    template <class T>
    Tensor<T> values(const Tensor<T>& y_true, const Variable<T>& y_pred) const;
};

}  // namespace seqgrad
