#include "seqgrad/optim/rmsprop.hpp"

#include <cmath>
#include <cstddef>
#include <utility>

namespace seqgrad {

template <class T>
RMSprop<T>::RMSprop(RMSpropConfig config)
    : Optimizer<T>(config.learning_rate, detail::options_of(config)), config_(std::move(config)) {
    detail::check_range("RMSprop", "rho", config_.rho, 0.0, 1.0, true);
    detail::check_range("RMSprop", "momentum", config_.momentum, 0.0, 1.0);
    detail::check_epsilon<T>("RMSprop", config_.epsilon);
}

template <class T>
std::vector<std::string_view> RMSprop<T>::slot_names() const {
    std::vector<std::string_view> names{"velocity"};
    if (config_.momentum > 0.0) names.emplace_back("momentum");
    if (config_.centered) names.emplace_back("average_gradient");
    return names;
}

template <class T>
void RMSprop<T>::update(const ParameterUpdate<T>& u) {
    const auto rate = static_cast<T>(u.learning_rate);
    const auto rho = static_cast<T>(config_.rho);
    const auto toward = static_cast<T>(1.0 - config_.rho);
    const auto epsilon = static_cast<T>(config_.epsilon);
    const auto momentum = static_cast<T>(config_.momentum);
    const std::size_t n = u.value.size();
    const ClippedGradient<T> gradient = u.gradient;
    T* w = u.value.data();
    T* v = u.slots[0].data();
    const auto mean_square = [=](std::size_t i, T g) { return v[i] = rho * v[i] + toward * (g * g); };
    const auto run = [&](auto increment) {
        if (config_.momentum > 0.0) {
            T* s = u.slots[1].data();
            for (std::size_t i = 0; i < n; ++i) {
                s[i] = momentum * s[i] + increment(i);
                w[i] -= s[i];
            }
        } else {
            for (std::size_t i = 0; i < n; ++i) w[i] -= increment(i);
        }
    };
    if (config_.centered) {
        T* a = u.slots.back().data();
        run([=](std::size_t i) {
            const T g = gradient[i];
            const T second = mean_square(i, g);
            const T first = rho * a[i] + toward * g;
            a[i] = first;
            const T variance = second - first * first;
            return rate * g / std::sqrt((variance > T{0} ? variance : T{0}) + epsilon);
        });
    } else {
        run([=](std::size_t i) {
            const T g = gradient[i];
            return rate * g / std::sqrt(mean_square(i, g) + epsilon);
        });
    }
}

template class RMSprop<float>;
template class RMSprop<double>;

}  // namespace seqgrad
