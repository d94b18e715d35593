#pragma once

#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/core/op.hpp"

// Losses that have one number per row of the last axis.

namespace seqgrad::detail {

/// Where one of two shapes has an axis of size 1 more at its end, drops that; [B] is made [B, 1] instead, as
/// in Keras.
inline void drop_unmatched_axis(Shape& a, Shape& b) {
    Shape& longer = a.size() > b.size() ? a : b;
    Shape& shorter = a.size() > b.size() ? b : a;
    if (longer.size() != shorter.size() + 1 || longer.back() != 1) return;
    if (shorter.size() == 1) {
        shorter.push_back(1);
    } else {
        longer.pop_back();
    }
}

/// The shape [B, ..., F] of which targets and predictions both are. Throws ShapeError.
template <class T>
Shape common_shape(const char* loss, const Tensor<T>& y_true, const Tensor<T>& y_pred) {
    Shape shape(y_pred.shape().begin(), y_pred.shape().end());
    Shape truth(y_true.shape().begin(), y_true.shape().end());
    drop_unmatched_axis(shape, truth);
    if (shape != truth || shape.empty()) {
        throw ShapeError(
            fmt::format("{}: expected y_true and y_pred of one shape [batch, ..., features], got {} and {}",
                        loss, to_string(y_true.shape()), to_string(y_pred.shape())));
    }
    return shape;
}

inline Shape without_last(const Shape& shape) {
    return checked("loss", Shape(shape.begin(), shape.end() - 1));
}

/// A loss that is the sum over the last axis of value(y, p), whose derivative by p is slope(y, p), or with
/// `mean` their mean.
template <class T, class Value, class Slope>
Variable<T> over_last_axis(const char* loss, bool mean, const Tensor<T>& y_true, const Variable<T>& y_pred,
                           const Value& value, const Slope& slope) {
    const Shape shape = common_shape(loss, y_true, y_pred.value());
    const std::size_t features = shape.back();
    const T divisor = mean ? static_cast<T>(features) : T{1};
    Tensor<T> losses(without_last(shape));
    const T* y = y_true.data();
    const T* p = y_pred.value().data();
    for (std::size_t row = 0; row < losses.size(); ++row) {
        T sum{};
        for (std::size_t i = 0; i < features; ++i) sum += value(*y++, *p++);
        losses.data()[row] = sum / divisor;
    }
    return record(loss, std::move(losses), {y_pred},
                  [y_true, y_pred = save(y_pred), slope, features, divisor](Backward<T>& pass) {
                      if (!pass.wants(0)) return;
                      Tensor<T> gradient(y_pred.shape());
                      const T* y = y_true.data();
                      const T* p = y_pred.value().data();
                      T* to = gradient.data();
                      for (std::size_t row = 0; row < pass.grad().size(); ++row) {
                          const T scale = pass.grad().data()[row] / divisor;
                          // By choice, not by product: of a loss that was not chosen the slope may be NaN.
                          for (std::size_t i = 0; i < features; ++i, ++y, ++p)
                              *to++ = scale == 0 ? T{0} : slope(*y, *p) * scale;
                      }
                      pass.accumulate(0, std::move(gradient));
                  });
}

template <class T, class Value, class Slope>
Variable<T> mean_over_last_axis(const char* loss, const Tensor<T>& y_true, const Variable<T>& y_pred,
                                const Value& value, const Slope& slope) {
    return over_last_axis(loss, true, y_true, y_pred, value, slope);
}
template <class T, class Value, class Slope>
Variable<T> sum_over_last_axis(const char* loss, const Tensor<T>& y_true, const Variable<T>& y_pred,
                               const Value& value, const Slope& slope) {
    return over_last_axis(loss, false, y_true, y_pred, value, slope);
}

}  // namespace seqgrad::detail
