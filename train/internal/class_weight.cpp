#include "seqgrad/train/internal/class_weight.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/broadcast.hpp"
#include "seqgrad/train/losses/reduction.hpp"

namespace seqgrad::detail {
namespace {

/// How far the sum of a row of probabilities may be from 1: smoothed ones of many classes are rounded often.
constexpr double sum_tolerance = 1e-3;

double weight_at(const std::map<std::int64_t, double>& weight_of, std::int64_t label) {
    const auto found = weight_of.find(label);
    return found == weight_of.end() ? 1.0 : found->second;
}

template <class T>
Tensor<T> weights_of_labels(const std::map<std::int64_t, double>& weight_of, const Tensor<T>& labels,
                            const Shape& shape) {
    Tensor<T> weights(shape);
    for (std::size_t i = 0; i < weights.size(); ++i) {
        const double label = std::nearbyint(static_cast<double>(labels.data()[i]));  // halves to even
        // Every class that is named lies within; padding may hold anything, NaN included.
        const bool is_class = std::abs(label) < 0x1p63;
        weights.data()[i] =
            is_class ? static_cast<T>(weight_at(weight_of, static_cast<std::int64_t>(label))) : T{1};
    }
    return weights;
}

/// Whether each row counts.
template <class T>
Mask counted_rows(const Variable<T>& p, const Shape& rows) {
    Mask all(rows);
    std::fill(all.begin(), all.end(), true);
    if (p.mask() == nullptr) return all;
    return map(
        "class_weight", [](bool, bool counts) { return counts; }, all, aligned_mask(*p.mask(), rows));
}

template <class T>
Tensor<T> weights_of_rows(const std::map<std::int64_t, double>& weight_of, const Tensor<T>& y,
                          const Variable<T>& p) {
    const std::size_t V = y.shape().back();
    const Shape rows(y.shape().begin(), y.shape().end() - 1);
    const Mask counts = counted_rows(p, rows);
    Tensor<T> weights = ones<T>(rows);
    for (std::size_t r = 0; r < weights.size(); ++r) {
        if (!counts.data()[r]) continue;
        const T* row = y.data() + r * V;
        double sum = 0.0;
        for (std::size_t v = 0; v < V; ++v) sum += static_cast<double>(row[v]);
        const T* largest = std::max_element(row, row + V);
        // A row of zeros is of no class: padding that no mask tells of.
        if (std::all_of(row, row + V, [](T t) { return t == T{0}; })) continue;
        if (std::any_of(row, row + V, [](T t) { return t < T{0}; }) ||
            !(std::abs(sum - 1.0) <= sum_tolerance)) {
            throw ValueError(fmt::format(
                "class_weight: targets and predictions are both {}, so that each row of {} targets would "
                "have to say one class, but row {} is no one-hot row and no probabilities: it sums to {}; "
                "for "
                "a label per step give y [batch, time, 1] and predictions [batch, time, classes], for "
                "several "
                "labels per sample weigh the samples (sample_weight)",
                to_string(y.shape()), V, r, sum));
        }
        weights.data()[r] = static_cast<T>(weight_at(weight_of, largest - row));
    }
    return weights;
}

}  // namespace

template <class T>
Tensor<T> class_weights(const std::map<std::int64_t, double>& weight_of, const Tensor<T>& y,
                        const Variable<T>& p) {
    const Shape shape(y.shape().begin(), y.shape().end());
    const Shape& predicted = p.shape();
    if (shape.size() == 1 || (shape.size() == 2 && shape[1] == 1))
        return weights_of_labels(weight_of, y, {shape[0]});
    if (!predicted.empty()) {
        Shape steps(predicted.begin(), predicted.end() - 1);
        if (shape == steps) return weights_of_labels(weight_of, y, steps);
        steps.push_back(1);
        if (shape == steps) return weights_of_labels(weight_of, y, Shape(shape.begin(), shape.end() - 1));
        if (shape == predicted && shape.size() >= 2) return weights_of_rows(weight_of, y, p);
    }
    throw ValueError(fmt::format(
        "class_weight: targets {} do not say one class for every sample or step of predictions {}; expected "
        "labels [batch] or [batch, 1], or for predictions [batch, ..., classes] labels [batch, ...] or "
        "[batch, ..., 1], or one-hot rows [batch, ..., classes]",
        to_string(shape), to_string(predicted)));
}

template Tensor<float> class_weights(const std::map<std::int64_t, double>&, const Tensor<float>&,
                                     const Variable<float>&);
template Tensor<double> class_weights(const std::map<std::int64_t, double>&, const Tensor<double>&,
                                      const Variable<double>&);

}  // namespace seqgrad::detail
