#include "seqgrad/optim/adagrad.hpp"

#include <cmath>
#include <cstddef>
#include <utility>

namespace seqgrad {

template <class T>
Adagrad<T>::Adagrad(AdagradConfig config)
    : Optimizer<T>(config.learning_rate, detail::options_of(config)), config_(std::move(config)) {
    detail::check_not_negative("Adagrad", "initial_accumulator_value", config_.initial_accumulator_value);
    detail::check_epsilon<T>("Adagrad", config_.epsilon);
}

template <class T>
double Adagrad<T>::slot_start(std::size_t) const {
    return detail::keras_cast(config_.initial_accumulator_value);
}

template <class T>
void Adagrad<T>::update(const ParameterUpdate<T>& u) {
    const auto rate = static_cast<T>(u.learning_rate);
    const auto epsilon = static_cast<T>(config_.epsilon);
    const std::size_t n = u.value.size();
    const ClippedGradient<T> gradient = u.gradient;
    T* w = u.value.data();
    T* sum = u.slots[0].data();
    for (std::size_t i = 0; i < n; ++i) {
        const T g = gradient[i];
        const T squares = sum[i] + g * g;
        sum[i] = squares;
        w[i] -= rate * g / std::sqrt(squares + epsilon);
    }
}

template class Adagrad<float>;
template class Adagrad<double>;

}  // namespace seqgrad
