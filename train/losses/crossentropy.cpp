#include "seqgrad/train/losses/crossentropy.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/broadcast.hpp"
#include "seqgrad/core/internal/keras.hpp"
#include "seqgrad/core/internal/whole_numbers.hpp"
#include "seqgrad/core/op.hpp"
#include "seqgrad/core/ops/softmax.hpp"
#include "seqgrad/train/losses/internal/rows.hpp"

namespace seqgrad {

using detail::mean_over_last_axis;
using detail::sum_over_last_axis;
using detail::without_last;

namespace {

void check_smoothing(const char* loss, double label_smoothing) {
    if (!(label_smoothing >= 0 && label_smoothing <= 1)) {
        throw ValueError(fmt::format("{}: label_smoothing must be in [0, 1], got {}", loss, label_smoothing));
    }
}

/// Targets moved towards `uniform` by the share `smoothing`.
template <class T>
Tensor<T> smoothed(Tensor<T> targets, double smoothing, double uniform) {
    if (smoothing == 0) return targets;
    const auto keep = static_cast<T>(1.0 - smoothing), add = static_cast<T>(smoothing * uniform);
    for (std::size_t i = 0; i < targets.size(); ++i) targets.data()[i] = targets.data()[i] * keep + add;
    return targets;
}

/// Clips to [1e-7, 1 - 1e-7].
template <class T>
struct Clip {
    T low = static_cast<T>(detail::keras_epsilon);
    T high = static_cast<T>(1.0 - detail::keras_epsilon);

    T operator()(T p) const { return std::clamp(p, low, high); }
    /// Whether p is left as it is, so that a change of it goes on.
    bool passes(T p) const { return !(p < low || p > high); }
};

}  // namespace

template <class T>
Variable<T> binary_crossentropy(const Tensor<T>& y_true, const Variable<T>& y_pred, bool from_logits,
                                double label_smoothing) {
    check_smoothing("binary_crossentropy", label_smoothing);
    const Tensor<T> targets = smoothed(y_true, label_smoothing, 0.5);
    if (from_logits) {
        return mean_over_last_axis(
            "binary_crossentropy", targets, y_pred,
            [](T t, T x) { return std::max(x, T{0}) - x * t + std::log1p(std::exp(-std::abs(x))); },
            [](T t, T x) {
                return x < 0 ? std::exp(x) / (1 + std::exp(x)) - t : 1 / (1 + std::exp(-x)) - t;
            });
    }
    const Clip<T> clip;
    return mean_over_last_axis(
        "binary_crossentropy", targets, y_pred,
        [clip](T t, T p) { return -t * std::log(clip(p)) - (1 - t) * std::log(1 - clip(p)); },
        [clip](T t, T p) { return clip.passes(p) ? (1 - t) / (1 - p) - t / p : T{0}; });
}

template <class T>
Variable<T> categorical_crossentropy(const Tensor<T>& y_true, const Variable<T>& y_pred, bool from_logits,
                                     double label_smoothing) {
    check_smoothing("categorical_crossentropy", label_smoothing);
    const Shape& shape = y_pred.shape();
    if (y_true.shape() != shape || shape.empty()) {
        throw ShapeError(fmt::format(
            "categorical_crossentropy: expected y_true and y_pred of one shape [batch, ..., "
            "classes], got {} and {}{}",
            to_string(y_true.shape()), to_string(shape),
            y_true.dimension() + 1 == shape.size() ? "; for labels there is SparseCategoricalCrossentropy"
                                                   : ""));
    }
    const std::size_t n = shape.back();
    Tensor<T> targets = smoothed(y_true, label_smoothing, 1.0 / static_cast<double>(n));
    if (from_logits) return softmax_cross_entropy(y_pred, std::move(targets));

    const Clip<T> clip;
    Tensor<T> losses(without_last(shape));
    Tensor<T> sums(losses.shape());
    for (std::size_t row = 0; row < losses.size(); ++row) {
        const T* p = y_pred.value().data() + row * n;
        const T* t = targets.data() + row * n;
        T sum{}, loss{};
        for (std::size_t i = 0; i < n; ++i) sum += p[i];
        for (std::size_t i = 0; i < n; ++i) loss -= t[i] * std::log(clip(p[i] / sum));
        sums.data()[row] = sum;
        losses.data()[row] = loss;
    }
    return record("categorical_crossentropy", std::move(losses), {y_pred},
                  [y_pred = save(y_pred), targets = std::move(targets), sums = std::move(sums), clip,
                   n](Backward<T>& pass) {
                      if (!pass.wants(0)) return;
                      Tensor<T> gradient(y_pred.shape());
                      const T* p = y_pred.value().data();
                      const T* t = targets.data();
                      T* to = gradient.data();
                      for (std::size_t row = 0; row < sums.size(); ++row, p += n, t += n, to += n) {
                          if (pass.grad().data()[row] == 0) {  // not chosen: takes no part, whatever p is
                              std::fill_n(to, n, T{0});
                              continue;
                          }
                          // With q = p / sum: first the gradient of q, then that of p.
                          const T sum = sums.data()[row];
                          T along_p{};
                          for (std::size_t i = 0; i < n; ++i) {
                              const T q = p[i] / sum;
                              to[i] = clip.passes(q) ? -t[i] / q : T{0};
                              along_p += to[i] * q;
                          }
                          const T scale = pass.grad().data()[row] / sum;
                          for (std::size_t i = 0; i < n; ++i) to[i] = scale * (to[i] - along_p);
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
    const Clip<T> clip;
    const std::size_t n = shape.back();
    Tensor<T> losses(expected);
    Tensor<T> sums(expected);
    for (std::size_t row = 0; row < label.size(); ++row) {
        const T* p = y_pred.value().data() + row * n;
        T sum{};
        for (std::size_t i = 0; i < n; ++i) sum += clip(p[i]);
        sums.data()[row] = sum;
        const T q = clip(p[label.data()[row]]);
        losses.data()[row] = std::log(sum) - std::log(q);
    }
    return record("sparse_categorical_crossentropy", std::move(losses), {y_pred},
                  [y_pred = save(y_pred), label = std::move(label), sums = std::move(sums), clip,
                   n](Backward<T>& pass) {
                      if (!pass.wants(0)) return;
                      Tensor<T> gradient(y_pred.shape());
                      const T* p = y_pred.value().data();
                      T* to = gradient.data();
                      for (std::size_t row = 0; row < label.size(); ++row, p += n, to += n) {
                          const T g = pass.grad().data()[row];
                          if (g == 0) {  // not chosen: takes no part, whatever p is
                              std::fill_n(to, n, T{0});
                              continue;
                          }
                          for (std::size_t i = 0; i < n; ++i)
                              to[i] = clip.passes(p[i]) ? g / sums.data()[row] : T{0};
                          const auto k = static_cast<std::size_t>(label.data()[row]);
                          if (clip.passes(p[k])) to[k] -= g / p[k];
                      }
                      pass.accumulate(0, std::move(gradient));
                  });
}

template <class T>
Variable<T> kl_divergence(const Tensor<T>& y_true, const Variable<T>& y_pred) {
    const auto low = static_cast<T>(detail::keras_epsilon);
    const auto clip = [low](T p) { return std::clamp(p, low, T{1}); };
    return sum_over_last_axis(
        "kl_divergence", y_true, y_pred, [clip](T t, T p) { return clip(t) * std::log(clip(t) / clip(p)); },
        [clip, low](T t, T p) { return p < low || p > 1 ? T{0} : -clip(t) / p; });
}

template <class T>
Tensor<std::int64_t> to_labels(const Tensor<T>& y_true) {
    return detail::whole_numbers("labels", y_true);
}

namespace detail {

template <class Y, class T>
LossWeights<T> leave_out_label(const Tensor<Y>& labels, std::int64_t left_out, const Variable<T>& y_pred,
                               LossWeights<T> weights) {
    Shape shape(labels.shape().begin(), labels.shape().end());
    if (shape.size() == y_pred.rank() && !shape.empty() && shape.back() == 1) shape.pop_back();
    Mask counts(shape);
    for (std::size_t i = 0; i < counts.size(); ++i)
        counts.data()[i] = labels.data()[i] != static_cast<Y>(left_out);
    if (!weights.mask && y_pred.mask() != nullptr) weights.mask = *y_pred.mask();
    if (weights.mask) {
        Tensor<bool> mask = aligned_mask(*weights.mask, shape);
        counts = map(
            "loss", [](bool a, bool b) { return a && b; }, counts, mask);
    }
    weights.mask = std::move(counts);
    return weights;
}

template LossWeights<float> leave_out_label(const Tensor<std::int64_t>&, std::int64_t, const Variable<float>&,
                                            LossWeights<float>);
template LossWeights<double> leave_out_label(const Tensor<std::int64_t>&, std::int64_t,
                                             const Variable<double>&, LossWeights<double>);
template LossWeights<float> leave_out_label(const Tensor<float>&, std::int64_t, const Variable<float>&,
                                            LossWeights<float>);
template LossWeights<double> leave_out_label(const Tensor<double>&, std::int64_t, const Variable<double>&,
                                             LossWeights<double>);

}  // namespace detail

template Variable<float> binary_crossentropy(const Tensor<float>&, const Variable<float>&, bool, double);
template Variable<double> binary_crossentropy(const Tensor<double>&, const Variable<double>&, bool, double);
template Variable<float> categorical_crossentropy(const Tensor<float>&, const Variable<float>&, bool, double);
template Variable<double> categorical_crossentropy(const Tensor<double>&, const Variable<double>&, bool,
                                                   double);
template Variable<float> kl_divergence(const Tensor<float>&, const Variable<float>&);
template Variable<double> kl_divergence(const Tensor<double>&, const Variable<double>&);
template Variable<float> sparse_categorical_crossentropy(const Tensor<std::int64_t>&, const Variable<float>&,
                                                         bool);
template Variable<double> sparse_categorical_crossentropy(const Tensor<std::int64_t>&,
                                                          const Variable<double>&, bool);
template Tensor<std::int64_t> to_labels(const Tensor<float>&);
template Tensor<std::int64_t> to_labels(const Tensor<double>&);

}  // namespace seqgrad
