#include "seqgrad/optim/nadam.hpp"

#include <cmath>
#include <cstddef>
#include <utility>

namespace seqgrad {

namespace {

constexpr double momentum_decay = 0.96;

}  // namespace

template <class T>
Nadam<T>::Nadam(NadamConfig config)
    : Optimizer<T>(config.learning_rate, detail::options_of(config)), config_(std::move(config)) {
    detail::check_range("Nadam", "beta_1", detail::keras_cast(config_.beta_1), 0.0, 1.0, true);
    detail::check_range("Nadam", "beta_2", detail::keras_cast(config_.beta_2), 0.0, 1.0, true);
    detail::check_epsilon<T>("Nadam", config_.epsilon);
}

template <class T>
double Nadam<T>::product_until(std::int64_t step) {
    if (step < product_step_) {
        product_ = 1.0;
        product_step_ = 0;
    }
    while (product_step_ < step) {
        ++product_step_;
        product_ *=
            config_.beta_1 * (1.0 - 0.5 * std::pow(momentum_decay, static_cast<double>(product_step_)));
        // 1 - p_t has been 1 for long: a restored run need not count on to its millionth update.
        if (product_ < 1e-100) {
            product_ = 0.0;
            product_step_ = step;
        }
    }
    return product_;
}

template <class T>
void Nadam<T>::update(const ParameterUpdate<T>& u) {
    const auto t = static_cast<double>(u.step);
    const double beta_1 = detail::keras_cast(config_.beta_1);
    const double beta_2 = detail::keras_cast(config_.beta_2);
    const double decay = detail::keras_cast(momentum_decay);
    const double now = beta_1 * (1.0 - 0.5 * std::pow(decay, t));
    const double next = beta_1 * (1.0 - 0.5 * std::pow(decay, t + 1.0));
    const double product = product_until(u.step);
    const auto of_momentum = static_cast<T>(u.learning_rate * next / (1.0 - product * next));
    const auto of_gradient = static_cast<T>(u.learning_rate * (1.0 - now) / (1.0 - product));
    const auto correction = static_cast<T>(1.0 / (1.0 - std::pow(beta_2, t)));
    const auto toward_1 = static_cast<T>(1.0 - beta_1);
    const auto toward_2 = static_cast<T>(1.0 - beta_2);
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
        w[i] -= (of_momentum * first + of_gradient * g) / (std::sqrt(second * correction) + epsilon);
    }
}

template class Nadam<float>;
template class Nadam<double>;

}  // namespace seqgrad
