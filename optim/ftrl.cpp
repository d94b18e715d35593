#include "seqgrad/optim/ftrl.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad {

template <class T>
Ftrl<T>::Ftrl(FtrlConfig config)
    : Optimizer<T>(config.learning_rate, detail::options_of(config)), config_(std::move(config)) {
    detail::check_not_negative("Ftrl", "initial_accumulator_value", config_.initial_accumulator_value);
    detail::check_not_negative("Ftrl", "l1_regularization_strength", config_.l1_regularization_strength);
    detail::check_not_negative("Ftrl", "l2_regularization_strength", config_.l2_regularization_strength);
    detail::check_not_negative("Ftrl", "l2_shrinkage_regularization_strength",
                               config_.l2_shrinkage_regularization_strength);
    detail::check_not_negative("Ftrl", "beta", config_.beta);
    if (!(std::isfinite(config_.learning_rate_power) && config_.learning_rate_power <= 0.0)) {
        throw ValueError(fmt::format("Ftrl: learning_rate_power must be a finite number <= 0, got {}",
                                     config_.learning_rate_power));
    }
}

template <class T>
double Ftrl<T>::slot_start(std::size_t slot) const {
    return slot == 0 ? detail::keras_cast(config_.initial_accumulator_value) : 0.0;
}

template <class T>
void Ftrl<T>::update(const ParameterUpdate<T>& u) {
    const auto rate = static_cast<T>(u.learning_rate);
    if (rate == T{0}) return;
    const auto shrinkage = static_cast<T>(2.0 * config_.l2_shrinkage_regularization_strength);
    const auto l1 = static_cast<T>(config_.l1_regularization_strength);
    const auto l2 =
        static_cast<T>(2.0 * (config_.l2_regularization_strength + config_.beta / (2.0 * u.learning_rate)));
    const std::size_t n = u.value.size();
    const ClippedGradient<T> gradient = u.gradient;
    T* w = u.value.data();
    T* squares = u.slots[0].data();
    T* linear = u.slots[1].data();
    const auto run = [=](auto power) {
        for (std::size_t i = 0; i < n; ++i) {
            const T g = gradient[i];
            const T at = w[i];
            const T sum = squares[i] + g * g;
            const T grown = power(sum);
            const T z = linear[i] + (g + shrinkage * at - (grown - power(squares[i])) / rate * at);
            const T curvature = grown / rate + l2;
            const T clipped = std::max(-l1, std::min(z, l1));
            squares[i] = sum;
            linear[i] = z;
            w[i] = curvature > T{0} ? (clipped - z) / curvature : at;
        }
    };
    if (config_.learning_rate_power == -0.5) {
        run([](T x) { return std::sqrt(x); });
    } else {
        run([power = static_cast<T>(-config_.learning_rate_power)](T x) { return std::pow(x, power); });
    }
}

template class Ftrl<float>;
template class Ftrl<double>;

}  // namespace seqgrad
