#include "seqgrad/train/losses/regression.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/keras.hpp"
#include "seqgrad/core/op.hpp"
#include "seqgrad/train/losses/internal/rows.hpp"

namespace seqgrad {

using detail::common_shape;
using detail::mean_over_last_axis;

namespace {

/// -1, 0 or 1; NaN of NaN.
template <class T>
T sign(T x) {
    return x > 0 ? T{1} : x < 0 ? T{-1} : x;
}

/// 1 / the length of a row, at most 1 / 1e-7, and whether it is that.
template <class T>
struct Inverse {
    T value;
    bool limited;
};
template <class T>
Inverse<T> inverse_length(const T* x, std::size_t n) {
    T squares{};
    for (std::size_t i = 0; i < n; ++i) squares += x[i] * x[i];
    const T inverse = T{1} / std::sqrt(squares);
    const auto limit = static_cast<T>(1.0 / detail::keras_epsilon);
    return {std::min(inverse, limit), inverse > limit};
}

}  // namespace

template <class T>
Variable<T> mean_squared_error(const Tensor<T>& y_true, const Variable<T>& y_pred) {
    return mean_over_last_axis(
        "mean_squared_error", y_true, y_pred, [](T y, T p) { return (p - y) * (p - y); },
        [](T y, T p) { return T{2} * (p - y); });
}

template <class T>
Variable<T> mean_absolute_error(const Tensor<T>& y_true, const Variable<T>& y_pred) {
    return mean_over_last_axis(
        "mean_absolute_error", y_true, y_pred, [](T y, T p) { return std::abs(p - y); },
        [](T y, T p) { return sign(p - y); });
}

template <class T>
Variable<T> mean_absolute_percentage_error(const Tensor<T>& y_true, const Variable<T>& y_pred) {
    const auto size = [](T y) { return std::max(std::abs(y), static_cast<T>(detail::keras_epsilon)); };
    return mean_over_last_axis(
        "mean_absolute_percentage_error", y_true, y_pred,
        [size](T y, T p) { return T{100} * std::abs((p - y) / size(y)); },
        [size](T y, T p) { return T{100} * sign(p - y) / size(y); });
}

template <class T>
Variable<T> mean_squared_logarithmic_error(const Tensor<T>& y_true, const Variable<T>& y_pred) {
    const auto epsilon = static_cast<T>(detail::keras_epsilon);
    const auto difference = [epsilon](T y, T p) {
        return std::log1p(std::max(p, epsilon)) - std::log1p(std::max(y, epsilon));
    };
    return mean_over_last_axis(
        "mean_squared_logarithmic_error", y_true, y_pred,
        [difference](T y, T p) { return difference(y, p) * difference(y, p); },
        [difference, epsilon](T y, T p) { return p < epsilon ? T{0} : T{2} * difference(y, p) / (p + 1); });
}

template <class T>
Variable<T> huber(const Tensor<T>& y_true, const Variable<T>& y_pred, double delta) {
    if (!(delta > 0)) throw ValueError(fmt::format("huber: delta must be positive, got {}", delta));
    const auto d = static_cast<T>(delta);
    return mean_over_last_axis(
        "huber", y_true, y_pred,
        [d](T y, T p) {
            const T error = std::abs(p - y);
            return error <= d ? error * error / 2 : d * error - d * d / 2;
        },
        [d](T y, T p) {
            const T error = p - y;
            return std::abs(error) <= d ? error : d * sign(error);
        });
}

template <class T>
Variable<T> log_cosh(const Tensor<T>& y_true, const Variable<T>& y_pred) {
    // Keras subtracts a ln 2 of float's digits in double too.
    constexpr T excess = static_cast<T>(std::numbers::ln2_v<float>) - std::numbers::ln2_v<T>;
    return mean_over_last_axis(
        "log_cosh", y_true, y_pred,
        [](T y, T p) {
            const T error = std::abs(p - y);
            // cosh^2 = 1 + sinh^2: keeps the digits of small errors, which the other form subtracts away.
            if (error < 1) return std::log1p(std::sinh(error) * std::sinh(error)) / 2 - excess;
            return error + std::log1p(std::exp(-2 * error)) - std::numbers::ln2_v<T> - excess;
        },
        [](T y, T p) { return std::tanh(p - y); });
}

template <class T>
Variable<T> cosine_similarity(const Tensor<T>& y_true, const Variable<T>& y_pred) {
    const Shape shape = common_shape("cosine_similarity", y_true, y_pred.value());
    const std::size_t features = shape.back();
    Tensor<T> losses(detail::without_last(shape));
    for (std::size_t row = 0; row < losses.size(); ++row) {
        const T* y = y_true.data() + row * features;
        const T* p = y_pred.value().data() + row * features;
        const T of_y = inverse_length(y, features).value;
        const T of_p = inverse_length(p, features).value;
        T cosine{};
        for (std::size_t i = 0; i < features; ++i) cosine += (y[i] * of_y) * (p[i] * of_p);
        losses.data()[row] = -cosine;
    }
    return record("cosine_similarity", std::move(losses), {y_pred},
                  [y_true, y_pred = save(y_pred), features](Backward<T>& pass) {
                      if (!pass.wants(0)) return;
                      Tensor<T> gradient(y_pred.shape());
                      for (std::size_t row = 0; row < pass.grad().size(); ++row) {
                          const T* y = y_true.data() + row * features;
                          const T* p = y_pred.value().data() + row * features;
                          if (pass.grad().data()[row] == 0) {  // not chosen: takes no part, whatever p is
                              std::fill_n(gradient.data() + row * features, features, T{0});
                              continue;
                          }
                          const T of_y = inverse_length(y, features).value;
                          const auto [of_p, limited] = inverse_length(p, features);
                          // A length that is limited does not change with p.
                          T cosine{};
                          if (!limited) {
                              for (std::size_t i = 0; i < features; ++i)
                                  cosine += (y[i] * of_y) * (p[i] * of_p);
                          }
                          const T scale = pass.grad().data()[row] * of_p;
                          for (std::size_t i = 0; i < features; ++i)
                              gradient.data()[row * features + i] =
                                  scale * (cosine * (p[i] * of_p) - y[i] * of_y);
                      }
                      pass.accumulate(0, std::move(gradient));
                  });
}

template Variable<float> mean_squared_error(const Tensor<float>&, const Variable<float>&);
template Variable<double> mean_squared_error(const Tensor<double>&, const Variable<double>&);
template Variable<float> mean_absolute_error(const Tensor<float>&, const Variable<float>&);
template Variable<double> mean_absolute_error(const Tensor<double>&, const Variable<double>&);
template Variable<float> mean_absolute_percentage_error(const Tensor<float>&, const Variable<float>&);
template Variable<double> mean_absolute_percentage_error(const Tensor<double>&, const Variable<double>&);
template Variable<float> mean_squared_logarithmic_error(const Tensor<float>&, const Variable<float>&);
template Variable<double> mean_squared_logarithmic_error(const Tensor<double>&, const Variable<double>&);
template Variable<float> huber(const Tensor<float>&, const Variable<float>&, double);
template Variable<double> huber(const Tensor<double>&, const Variable<double>&, double);
template Variable<float> log_cosh(const Tensor<float>&, const Variable<float>&);
template Variable<double> log_cosh(const Tensor<double>&, const Variable<double>&);
template Variable<float> cosine_similarity(const Tensor<float>&, const Variable<float>&);
template Variable<double> cosine_similarity(const Tensor<double>&, const Variable<double>&);

}  // namespace seqgrad
