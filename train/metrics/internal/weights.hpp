#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/broadcast.hpp"
#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"
#include "seqgrad/train/losses/internal/rows.hpp"
#include "seqgrad/train/losses/internal/weights.hpp"
#include "seqgrad/train/losses/reduction.hpp"

namespace seqgrad::detail {

/// Which of the values of a shape count, and how much.
template <class T>
class ElementWeights {
  public:
    /// Throws ShapeError, naming `metric`, when they do not fit.
    ElementWeights(std::string_view metric, const std::optional<Tensor<T>>& weight, const Mask* mask,
                   const Shape& values) {
        const Weighted weighted{.owner = metric, .one = "value", .many = "values"};
        if (weight) weight_ = repeated(aligned(weighted, "sample_weight", *weight, values), values);
        if (mask != nullptr) mask_ = repeated(aligned(weighted, "mask", *mask, values), values);
    }

    bool counts(std::size_t i) const { return !mask_ || mask_->data()[i]; }
    double weight(std::size_t i) const { return weight_ ? static_cast<double>(weight_->data()[i]) : 1.0; }

  private:
    template <class W>
    static Tensor<W> repeated(const Tensor<W>& weights, const Shape& shape) {
        Tensor<W> all(shape);
        broadcast_apply<false>(
            all.data(), shape, [](W w) { return w; }, weights);
        return all;
    }

    std::optional<Tensor<T>> weight_;
    std::optional<Mask> mask_;
};

/// The columns of y_true and y_pred [B, ..., C], one for [B].
inline std::size_t column_count(const Shape& shape) {
    return shape.size() == 1 ? 1 : shape.back();
}

/// The number of columns of y_true and y_pred, of which `columns` are the states. Throws ShapeError, naming
/// `metric`, when the shapes do not fit and when earlier batches had another number.
template <class S, class T>
std::size_t fit_columns(const std::string& metric, std::vector<S>& columns, const Tensor<T>& y_true,
                        const Variable<T>& y_pred) {
    const std::size_t count = column_count(common_shape(metric.c_str(), y_true, y_pred.value()));
    if (columns.empty()) columns.resize(count);
    if (columns.size() != count) {
        throw ShapeError(fmt::format("{}: y_pred {} has a last axis of {}, earlier batches had one of {}",
                                     metric, to_string(y_pred.shape()), count, columns.size()));
    }
    return count;
}

/// Calls f(column, y, p, weight) for every element of y_true and y_pred that counts. Throws ShapeError,
/// naming `metric`, when shapes or weights do not fit.
template <class T, class F>
void for_each_element(const std::string& metric, const Tensor<T>& y_true, const Variable<T>& y_pred,
                      const LossWeights<T>& weights, const F& f) {
    const Shape shape = common_shape(metric.c_str(), y_true, y_pred.value());
    const ElementWeights<T> counted(metric, weights.sample_weight,
                                    weights.mask ? &*weights.mask : y_pred.mask(), shape);
    const std::size_t columns = column_count(shape);
    for (std::size_t i = 0; i < y_true.size(); ++i) {
        if (counted.counts(i)) f(i % columns, y_true.data()[i], y_pred.value().data()[i], counted.weight(i));
    }
}

}  // namespace seqgrad::detail
