#include "seqgrad/optim/adam.hpp"

#include <utility>

#include "seqgrad/optim/internal/adam_rule.hpp"

namespace seqgrad {

template <class T>
Adam<T>::Adam(AdamConfig config)
    : Optimizer<T>(config.learning_rate, detail::options_of(config)), config_(std::move(config)) {
    detail::check_adam<T>("Adam", detail::adam_rule(config_));
}

template <class T>
std::vector<std::string_view> Adam<T>::slot_names() const {
    return detail::adam_rule(config_).slot_names();
}

template <class T>
void Adam<T>::update(const ParameterUpdate<T>& u) {
    detail::adam_update(detail::adam_rule(config_), u);
}

template class Adam<float>;
template class Adam<double>;

}  // namespace seqgrad
