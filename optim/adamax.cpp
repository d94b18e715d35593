#include "seqgrad/optim/adamax.hpp"

#include <cmath>
#include <cstddef>
#include <utility>

namespace seqgrad {

template <class T>
Adamax<T>::Adamax(AdamaxConfig config)
    : Optimizer<T>(config.learning_rate, detail::options_of(config)), config_(std::move(config)) {
    detail::check_range("Adamax", "beta_1", detail::keras_cast(config_.beta_1), 0.0, 1.0, true);
    detail::check_range("Adamax", "beta_2", config_.beta_2, 0.0, 1.0, true);
    detail::check_epsilon<T>("Adamax", config_.epsilon);
}

template <class T>
void Adamax<T>::update(const ParameterUpdate<T>& u) {
    const double remaining = 1.0 - std::pow(detail::keras_cast(config_.beta_1), static_cast<double>(u.step));
    const auto rate = static_cast<T>(u.learning_rate / remaining);
    const auto toward_1 = static_cast<T>(1.0 - config_.beta_1);
    const auto beta_2 = static_cast<T>(config_.beta_2);
    const auto epsilon = static_cast<T>(config_.epsilon);
    const std::size_t n = u.value.size();
    const ClippedGradient<T> gradient = u.gradient;
    T* w = u.value.data();
    T* m = u.slots[0].data();
    T* norm = u.slots[1].data();
    for (std::size_t i = 0; i < n; ++i) {
        const T g = gradient[i];
        const T first = m[i] + (g - m[i]) * toward_1;
        const T faded = norm[i] * beta_2;
        const T size = std::abs(g);
        const T largest = faded < size ? size : faded;
        m[i] = first;
        norm[i] = largest;
        w[i] -= rate * first / (largest + epsilon);
    }
}

template class Adamax<float>;
template class Adamax<double>;

}  // namespace seqgrad
