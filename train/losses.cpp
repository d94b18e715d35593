#include "seqgrad/train/losses.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/broadcast.hpp"
#include "seqgrad/core/internal/keras.hpp"
#include "seqgrad/core/internal/whole_numbers.hpp"
#include "seqgrad/core/op.hpp"
#include "seqgrad/core/ops/elementary.hpp"
#include "seqgrad/core/ops/softmax.hpp"

namespace seqgrad {

namespace {

Shape without_last(const Shape& shape) {
    return Shape(shape.begin(), shape.end() - 1);
}

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

/// Weights of this shape with axes of size 1 appended, so that they broadcast to `target`; nothing where they
/// do not.
template <class W>
std::optional<Tensor<W>> spread(Tensor<W> weights, Shape shape, const Shape& target) {
    while (shape.size() < target.size()) shape.push_back(1);
    bool fits = shape.size() == target.size();
    for (std::size_t i = 0; fits && i < shape.size(); ++i) fits = shape[i] == target[i] || shape[i] == 1;
    if (!fits) return std::nullopt;
    weights.reshape(shape);
    return weights;
}

/// Gives weights of a batch, or of its time steps, the rank of its losses, with which they then broadcast.
template <class W>
Tensor<W> aligned(const char* what, const Tensor<W>& weights, const Shape& losses) {
    Shape shape(weights.shape().begin(), weights.shape().end());
    if (shape.size() == losses.size() + 1 && shape.back() == 1) shape.pop_back();
    std::optional<Tensor<W>> out = spread(weights, std::move(shape), losses);
    if (!out) {
        const char* const mend = losses.empty() ? "; return one loss per sample to weight them"
                                 : weights.dimension() == losses.size() + 1
                                     ? "; for one loss per step y_true and y_pred need a feature axis"
                                     : "";
        throw ShapeError(fmt::format("loss: a {} of shape {} does not fit losses of shape {}{}", what,
                                     to_string(weights.shape()), to_string(losses), mend));
    }
    return std::move(*out);
}

/// A mask as factors. With `average`, true counts the more, the more is false, so that a mean over all is one
/// over what is true.
template <class T>
Tensor<T> mask_factor(const Mask& mask, bool average) {
    const auto valid = std::count(mask.data(), mask.data() + mask.size(), true);
    T counts{1};
    if (average) counts = valid == 0 ? T{0} : static_cast<T>(mask.size()) / static_cast<T>(valid);
    Tensor<T> factor(mask.shape());
    for (std::size_t i = 0; i < mask.size(); ++i) factor.data()[i] = mask.data()[i] ? counts : T{0};
    return factor;
}

/// A mask that broadcasts to values [B, ...] of this shape; nothing where it does not.
std::optional<Mask> spread_mask(const Mask& mask, const Shape& values) {
    Shape shape(mask.shape().begin(), mask.shape().end());
    while (shape.size() > values.size() && shape.back() == 1) shape.pop_back();
    return spread(mask, std::move(shape), values);
}

}  // namespace

namespace detail {

template <class Y>
Tensor<Y> blank_padding(const Tensor<Y>& values, const Mask& mask) {
    const std::optional<Mask> counts = spread_mask(mask, values.shape());
    if (!counts) return values;
    return map(
        "loss", [](Y v, bool count) { return count ? v : Y{0}; }, values, *counts);
}

template <class T>
Variable<T> blank_padding(const Variable<T>& values, const Mask& mask) {
    std::optional<Mask> counts = spread_mask(mask, values.shape());
    return counts ? where(std::move(*counts), values, constant(zeros<T>({}))) : values.without_mask();
}

template Tensor<std::int64_t> blank_padding(const Tensor<std::int64_t>&, const Mask&);
template Tensor<float> blank_padding(const Tensor<float>&, const Mask&);
template Tensor<double> blank_padding(const Tensor<double>&, const Mask&);
template Variable<float> blank_padding(const Variable<float>&, const Mask&);
template Variable<double> blank_padding(const Variable<double>&, const Mask&);

}  // namespace detail

template <class T>
Variable<T> reduce_loss(const Variable<T>& losses, Reduction reduction, const LossWeights<T>& weights) {
    const bool average = reduction == Reduction::sum_over_batch_size || reduction == Reduction::mean;
    const auto times = [](T a, T b) { return a * b; };
    std::optional<Tensor<T>> w;
    Tensor<T> weighted = losses.value();
    if (weights.sample_weight) w = aligned("sample_weight", *weights.sample_weight, losses.shape());
    if (weights.mask) {
        const Mask mask = aligned("mask", *weights.mask, losses.shape());
        // Padding is left out rather than multiplied by 0, which does not make 0 of NaN.
        const auto selected = [](T value, bool counts) { return counts ? value : T{0}; };
        weighted = detail::map("loss", selected, weighted, mask);
        const Tensor<T> factor = mask_factor<T>(mask, average);
        w = w ? detail::map("loss", times, detail::map("loss", selected, *w, mask), factor) : factor;
    }
    if (w) weighted = detail::map("loss", times, weighted, *w);
    if (reduction == Reduction::none) {
        return record("reduce_loss", weighted, {losses}, [w, times](Backward<T>& pass) {
            if (w) {
                detail::accumulate_map(pass, 0, times, pass.grad(), *w);
            } else {
                pass.accumulate(0, pass.take_grad());
            }
        });
    }
    T divisor{1};
    if (average || (reduction == Reduction::mean_with_sample_weight && !w)) {
        divisor = static_cast<T>(losses.size());
    } else if (reduction == Reduction::mean_with_sample_weight) {
        divisor = detail::pairwise_sum(w->data(), w->size());
    }
    // Divided, not multiplied by the inverse: that is how Keras rounds.
    const T total = detail::pairwise_sum(weighted.data(), weighted.size());
    return record("reduce_loss", full<T>({}, divisor == T{0} ? T{0} : total / divisor), {losses},
                  [w, divisor, times](Backward<T>& pass) {
                      if (!pass.wants(0)) return;
                      const T each = divisor == T{0} ? T{0} : *pass.grad().data() / divisor;
                      Tensor<T> gradient = full<T>(pass.input_shape(0), each);
                      if (w) gradient = detail::map("loss", times, gradient, *w);
                      pass.accumulate(0, std::move(gradient));
                  });
}

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
    Tensor<T> losses(without_last(shape));
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

template Variable<float> reduce_loss(const Variable<float>&, Reduction, const LossWeights<float>&);
template Variable<double> reduce_loss(const Variable<double>&, Reduction, const LossWeights<double>&);
template Variable<float> mean_squared_error(const Tensor<float>&, const Variable<float>&);
template Variable<double> mean_squared_error(const Tensor<double>&, const Variable<double>&);
template Variable<float> sparse_categorical_crossentropy(const Tensor<std::int64_t>&, const Variable<float>&,
                                                         bool);
template Variable<double> sparse_categorical_crossentropy(const Tensor<std::int64_t>&,
                                                          const Variable<double>&, bool);
template Tensor<std::int64_t> to_labels(const Tensor<float>&);
template Tensor<std::int64_t> to_labels(const Tensor<double>&);

}  // namespace seqgrad
