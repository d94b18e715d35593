#include "seqgrad/train/losses/regression.hpp"

#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/op.hpp"

namespace seqgrad {

namespace {

/// Where one of two shapes has an axis of size 1 more at its end, drops that; [B] is made [B, 1] instead, as
/// in Keras.
void drop_unmatched_axis(Shape& a, Shape& b) {
    Shape& longer = a.size() > b.size() ? a : b;
    Shape& shorter = a.size() > b.size() ? b : a;
    if (longer.size() != shorter.size() + 1 || longer.back() != 1) return;
    if (shorter.size() == 1) {
        shorter.push_back(1);
    } else {
        longer.pop_back();
    }
}

}  // namespace

template <class T>
Variable<T> mean_squared_error(const Tensor<T>& y_true, const Variable<T>& y_pred) {
    Shape shape(y_pred.shape().begin(), y_pred.shape().end());
    Shape truth(y_true.shape().begin(), y_true.shape().end());
    drop_unmatched_axis(shape, truth);
    if (shape != truth || shape.empty()) {
        throw ShapeError(
            fmt::format("mean_squared_error: expected y_true and y_pred of one shape [batch, ..., features], "
                        "got {} and {}",
                        to_string(y_true.shape()), to_string(y_pred.shape())));
    }
    const std::size_t features = shape.back();
    Tensor<T> losses(Shape(shape.begin(), shape.end() - 1));
    Tensor<T> difference(y_pred.shape());
    for (std::size_t i = 0; i < difference.size(); ++i)
        difference.data()[i] = y_pred.value().data()[i] - y_true.data()[i];
    for (std::size_t row = 0; row < losses.size(); ++row) {
        const T* d = difference.data() + row * features;
        T sum{};
        for (std::size_t i = 0; i < features; ++i) sum += d[i] * d[i];
        losses.data()[row] = sum / static_cast<T>(features);
    }
    return record("mean_squared_error", std::move(losses), {y_pred},
                  [difference = std::move(difference), features](Backward<T>& pass) {
                      if (!pass.wants(0)) return;
                      Tensor<T> gradient(difference.shape());
                      const T* d = difference.data();
                      T* to = gradient.data();
                      for (std::size_t row = 0; row < pass.grad().size(); ++row) {
                          const T scale = T{2} * pass.grad().data()[row] / static_cast<T>(features);
                          for (std::size_t i = 0; i < features; ++i) *to++ = *d++ * scale;
                      }
                      pass.accumulate(0, std::move(gradient));
                  });
}

template Variable<float> mean_squared_error(const Tensor<float>&, const Variable<float>&);
template Variable<double> mean_squared_error(const Tensor<double>&, const Variable<double>&);

}  // namespace seqgrad
