#include "seqgrad/optim/sgd.hpp"

#include <cstddef>
#include <utility>

namespace seqgrad {

template <class T>
SGD<T>::SGD(SGDConfig config)
    : Optimizer<T>(config.learning_rate, detail::options_of(config)), config_(std::move(config)) {
    detail::check_range("SGD", "momentum", config_.momentum, 0.0, 1.0);
}

template <class T>
std::vector<std::string_view> SGD<T>::slot_names() const {
    if (config_.momentum == 0.0) return {};
    return {"momentum"};
}

template <class T>
void SGD<T>::update(const ParameterUpdate<T>& u) {
    const auto rate = static_cast<T>(u.learning_rate);
    const auto momentum = static_cast<T>(detail::keras_cast(config_.momentum));
    const std::size_t n = u.value.size();
    const ClippedGradient<T> g = u.gradient;
    T* w = u.value.data();
    if (u.slots.empty()) {
        for (std::size_t i = 0; i < n; ++i) w[i] -= g[i] * rate;
        return;
    }
    T* v = u.slots[0].data();
    if (config_.nesterov) {
        for (std::size_t i = 0; i < n; ++i) {
            const T step = g[i] * rate;
            v[i] = v[i] * momentum - step;
            w[i] += v[i] * momentum - step;
        }
    } else {
        for (std::size_t i = 0; i < n; ++i) {
            v[i] = v[i] * momentum - g[i] * rate;
            w[i] += v[i];
        }
    }
}

template class SGD<float>;
template class SGD<double>;

}  // namespace seqgrad
