#include "seqgrad/optim/adamw.hpp"

#include <utility>

#include "seqgrad/optim/internal/adam_rule.hpp"

namespace seqgrad {

template <class T>
AdamW<T>::AdamW(AdamWConfig config)
    : Optimizer<T>(config.learning_rate, detail::options_of(config)), config_(std::move(config)) {
    detail::check_adam<T>("AdamW", detail::adam_rule(config_));
}

template <class T>
std::vector<std::string_view> AdamW<T>::slot_names() const {
    return detail::adam_rule(config_).slot_names();
}

template <class T>
void AdamW<T>::update(const ParameterUpdate<T>& u) {
    detail::adam_update(detail::adam_rule(config_), u);
}

template class AdamW<float>;
template class AdamW<double>;

}  // namespace seqgrad
