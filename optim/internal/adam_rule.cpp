#include "seqgrad/optim/internal/adam_rule.hpp"

#include <cmath>
#include <cstddef>

namespace seqgrad::detail {

template <class T>
void check_adam(const char* type, const AdamRule& rule) {
    check_range(type, "beta_1", keras_cast(rule.beta_1), 0.0, 1.0, true);
    check_range(type, "beta_2", keras_cast(rule.beta_2), 0.0, 1.0, true);
    check_epsilon<T>(type, rule.epsilon);
}

template <class T>
void adam_update(const AdamRule& rule, const ParameterUpdate<T>& u) {
    const auto t = static_cast<double>(u.step);
    const double remaining_1 = 1.0 - std::pow(keras_cast(rule.beta_1), t);
    const double remaining_2 = 1.0 - std::pow(keras_cast(rule.beta_2), t);
    const auto rate = static_cast<T>(u.learning_rate * std::sqrt(remaining_2) / remaining_1);
    const auto toward_1 = static_cast<T>(1.0 - rule.beta_1);
    const auto toward_2 = static_cast<T>(1.0 - rule.beta_2);
    const auto epsilon = static_cast<T>(rule.epsilon);
    const std::size_t n = u.value.size();
    const ClippedGradient<T> gradient = u.gradient;
    T* w = u.value.data();
    T* m = u.slots[0].data();
    T* v = u.slots[1].data();
    if (rule.amsgrad) {
        T* largest = u.slots[2].data();
        for (std::size_t i = 0; i < n; ++i) {
            const T g = gradient[i];
            const T first = m[i] + (g - m[i]) * toward_1;
            const T second = v[i] + (g * g - v[i]) * toward_2;
            const T bound = largest[i] < second ? second : largest[i];
            m[i] = first;
            v[i] = second;
            largest[i] = bound;
            w[i] -= first * rate / (std::sqrt(bound) + epsilon);
        }
        return;
    }
    for (std::size_t i = 0; i < n; ++i) {
        const T g = gradient[i];
        const T first = m[i] + (g - m[i]) * toward_1;
        const T second = v[i] + (g * g - v[i]) * toward_2;
        m[i] = first;
        v[i] = second;
        w[i] -= first * rate / (std::sqrt(second) + epsilon);
    }
}

template void check_adam<float>(const char*, const AdamRule&);
template void check_adam<double>(const char*, const AdamRule&);
template void adam_update(const AdamRule&, const ParameterUpdate<float>&);
template void adam_update(const AdamRule&, const ParameterUpdate<double>&);

}  // namespace seqgrad::detail
