#include "seqgrad/optim/lion.hpp"

#include <cmath>
#include <cstddef>
#include <utility>

#include "seqgrad/core/error.hpp"

namespace seqgrad {

template <class T>
Lion<T>::Lion(LionConfig config)
    : Optimizer<T>(config.learning_rate, detail::options_of(config)), config_(std::move(config)) {
    detail::check_range("Lion", "beta_1", config_.beta_1, 0.0, 1.0);
    detail::check_range("Lion", "beta_2", config_.beta_2, 0.0, 1.0);
    if (config_.beta_1 == 0.0) {
        throw ValueError(
            "Lion: beta_1 must be above 0; without momentum in its steps the rule is sign descent");
    }
}

template <class T>
void Lion<T>::update(const ParameterUpdate<T>& u) {
    const double share = detail::keras_cast(config_.beta_1);
    const double keep = detail::keras_cast(config_.beta_2);
    const auto rate = static_cast<T>(u.learning_rate);
    const auto beta_1 = static_cast<T>(share);
    const auto toward_1 = static_cast<T>(1.0 - share);
    const auto beta_2 = static_cast<T>(keep);
    const auto toward_2 = static_cast<T>(1.0 - keep);
    const std::size_t n = u.value.size();
    const ClippedGradient<T> gradient = u.gradient;
    T* w = u.value.data();
    T* m = u.slots[0].data();
    for (std::size_t i = 0; i < n; ++i) {
        const T g = gradient[i];
        const T direction = m[i] * beta_1 + g * toward_1;
        m[i] = m[i] * beta_2 + g * toward_2;
        w[i] -= direction == T{0} ? T{0} : std::copysign(rate, direction);
    }
}

template class Lion<float>;
template class Lion<double>;

}  // namespace seqgrad
