#include "seqgrad/optim/adam.hpp"

#include <cmath>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad {

template <class T>
Adam<T>::Adam(AdamConfig config)
    : Optimizer<T>(config.learning_rate, detail::clipping_of(config)), config_(std::move(config)) {
    detail::check_range("Adam", "beta_1", detail::keras_cast(config_.beta_1), 0.0, 1.0, true);
    detail::check_range("Adam", "beta_2", detail::keras_cast(config_.beta_2), 0.0, 1.0, true);
    // Without epsilon a parameter whose gradients are all 0 would become 0 / 0.
    if (!(static_cast<T>(config_.epsilon) > T{0} && std::isfinite(config_.epsilon))) {
        throw ValueError(
            fmt::format("Adam: epsilon must be a finite number above 0, got {}", config_.epsilon));
    }
}

template <class T>
void Adam<T>::update(const ParameterUpdate<T>& u) {
    const auto t = static_cast<double>(u.step);
    const double remaining_1 = 1.0 - std::pow(detail::keras_cast(config_.beta_1), t);
    const double remaining_2 = 1.0 - std::pow(detail::keras_cast(config_.beta_2), t);
    const auto rate = static_cast<T>(u.learning_rate * std::sqrt(remaining_2) / remaining_1);
    const auto toward_1 = static_cast<T>(1.0 - config_.beta_1);
    const auto toward_2 = static_cast<T>(1.0 - config_.beta_2);
    const auto epsilon = static_cast<T>(config_.epsilon);
    const std::size_t n = u.value.size();
    const ClippedGradient<T> gradient = u.gradient;
    T* w = u.value.data();
    T* m = u.slots[0].data();
    T* v = u.slots[1].data();
    for (std::size_t i = 0; i < n; ++i) {
        const T g = gradient[i];
        const T first = m[i] + (g - m[i]) * toward_1;
        const T second = v[i] + (g * g - v[i]) * toward_2;
        m[i] = first;
        v[i] = second;
        w[i] -= first * rate / (std::sqrt(second) + epsilon);
    }
}

template class Adam<float>;
template class Adam<double>;

}  // namespace seqgrad
