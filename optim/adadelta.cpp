#include "seqgrad/optim/adadelta.hpp"

#include <cmath>
#include <cstddef>
#include <utility>

namespace seqgrad {

template <class T>
Adadelta<T>::Adadelta(AdadeltaConfig config)
    : Optimizer<T>(config.learning_rate, detail::options_of(config)), config_(std::move(config)) {
    detail::check_range("Adadelta", "rho", config_.rho, 0.0, 1.0, true);
    detail::check_epsilon<T>("Adadelta", config_.epsilon);
}

template <class T>
void Adadelta<T>::update(const ParameterUpdate<T>& u) {
    const auto rate = static_cast<T>(u.learning_rate);
    const auto rho = static_cast<T>(config_.rho);
    const auto toward = static_cast<T>(1.0 - config_.rho);
    const auto epsilon = static_cast<T>(config_.epsilon);
    const std::size_t n = u.value.size();
    const ClippedGradient<T> gradient = u.gradient;
    T* w = u.value.data();
    T* squares = u.slots[0].data();
    T* steps = u.slots[1].data();
    for (std::size_t i = 0; i < n; ++i) {
        const T g = gradient[i];
        const T square = rho * squares[i] + toward * (g * g);
        const T step = std::sqrt(steps[i] + epsilon) * g / std::sqrt(square + epsilon);
        squares[i] = square;
        steps[i] = rho * steps[i] + toward * (step * step);
        w[i] -= rate * step;
    }
}

template class Adadelta<float>;
template class Adadelta<double>;

}  // namespace seqgrad
