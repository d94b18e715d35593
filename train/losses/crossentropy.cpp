#include "seqgrad/train/losses/crossentropy.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/keras.hpp"
#include "seqgrad/core/internal/whole_numbers.hpp"
#include "seqgrad/core/op.hpp"
#include "seqgrad/core/ops/softmax.hpp"

namespace seqgrad {

namespace {

Shape without_last(const Shape& shape) {
    return Shape(shape.begin(), shape.end() - 1);
}

}  // namespace

template <class T>
Variable<T> sparse_categorical_crossentropy(const Tensor<std::int64_t>& labels, const Variable<T>& y_pred,
                                            bool from_logits) {
    const Shape& shape = y_pred.shape();
    Shape expected = shape.empty() ? Shape{} : without_last(shape);
    Shape given(labels.shape().begin(), labels.shape().end());
    if (given.size() == expected.size() + 1 && given.back() == 1) given.pop_back();
    if (shape.empty() || given != expected) {
        throw ShapeError(
            fmt::format("sparse_categorical_crossentropy: y_pred [batch, ..., classes] = {} needs labels of "
                        "shape {}, got {}",
                        to_string(shape), to_string(expected), to_string(labels.shape())));
    }
    const auto classes = static_cast<std::int64_t>(shape.back());
    Tensor<std::int64_t> label(expected);
    for (std::size_t row = 0; row < label.size(); ++row) {
        const std::int64_t k = labels.data()[row];
        if (k < 0 || k >= classes) {
            throw ValueError(
                fmt::format("sparse_categorical_crossentropy: label {} (element {} of {}) lies outside [0, "
                            "{}), the classes "
                            "of y_pred {}",
                            k, row, to_string(labels.shape()), classes, to_string(shape)));
        }
        label.data()[row] = k;
    }
    if (from_logits) return softmax_cross_entropy(y_pred, std::move(label));

    // -ln softmax(ln q)[label] = ln(sum q) - ln q[label], with q = clip(y_pred).
    const auto low = static_cast<T>(detail::keras_epsilon);
    const auto high = static_cast<T>(1.0 - detail::keras_epsilon);
    const std::size_t n = shape.back();
    Tensor<T> losses(expected);
    Tensor<T> sums(expected);
    for (std::size_t row = 0; row < label.size(); ++row) {
        const T* p = y_pred.value().data() + row * n;
        T sum{};
        for (std::size_t i = 0; i < n; ++i) sum += std::clamp(p[i], low, high);
        sums.data()[row] = sum;
        const T q = std::clamp(p[label.data()[row]], low, high);
        losses.data()[row] = std::log(sum) - std::log(q);
    }
    return record("sparse_categorical_crossentropy", std::move(losses), {y_pred},
                  [y_pred = save(y_pred), label = std::move(label), sums = std::move(sums), low, high,
                   n](Backward<T>& pass) {
                      if (!pass.wants(0)) return;
                      Tensor<T> gradient(y_pred.shape());
                      const T* p = y_pred.value().data();
                      T* to = gradient.data();
                      for (std::size_t row = 0; row < label.size(); ++row, p += n, to += n) {
                          const T g = pass.grad().data()[row];
                          // What is clipped does not move the loss.
                          const auto passes = [&](std::size_t i) { return p[i] >= low && p[i] <= high; };
                          for (std::size_t i = 0; i < n; ++i) to[i] = passes(i) ? g / sums.data()[row] : T{0};
                          const auto k = static_cast<std::size_t>(label.data()[row]);
                          if (passes(k)) to[k] -= g / p[k];
                      }
                      pass.accumulate(0, std::move(gradient));
                  });
}

template <class T>
Tensor<std::int64_t> to_labels(const Tensor<T>& y_true) {
    return detail::whole_numbers("labels", y_true);
}

template Variable<float> sparse_categorical_crossentropy(const Tensor<std::int64_t>&, const Variable<float>&,
                                                         bool);
template Variable<double> sparse_categorical_crossentropy(const Tensor<std::int64_t>&,
                                                          const Variable<double>&, bool);
template Tensor<std::int64_t> to_labels(const Tensor<float>&);
template Tensor<std::int64_t> to_labels(const Tensor<double>&);

}  // namespace seqgrad
