#include "seqgrad/layers/activation.hpp"

namespace seqgrad {

template <class T>
ActivationLayer<T>::ActivationLayer(ActivationLayerConfig config)
    : Module<T>(config.name), config_(std::move(config)) {}

template <class T>
Variable<T> ActivationLayer<T>::call(const Variable<T>& x) {
    return apply(config_.activation, x);
}

template class ActivationLayer<float>;
template class ActivationLayer<double>;

}  // namespace seqgrad
