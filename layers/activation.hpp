#pragma once

#include <string>

#include "seqgrad/core/ops/activations.hpp"
#include "seqgrad/layers/module.hpp"

namespace seqgrad {

/// Arguments of ActivationLayer, with Keras's names.
struct ActivationLayerConfig {
    Activation activation = Activation::linear;
    std::string name = {};
};

/// Keras's layer `Activation`: an activation function of every element, y = activation(x). It is called
/// ActivationLayer because Activation is the choice of a function; its type() is "Activation".
///
/// x of any shape; y of the same.
template <class T>
class ActivationLayer : public Module<T> {
  public:
    using Config = ActivationLayerConfig;

    explicit ActivationLayer(ActivationLayerConfig config);

    const ActivationLayerConfig& config() const noexcept { return config_; }

    std::string type() const override { return "Activation"; }
    bool supports_masking() const override { return true; }
    PartialShape compute_output_shape(const PartialShape& input_shape) const override { return input_shape; }

  protected:
    Variable<T> call(const Variable<T>& x) override;

  private:
    ActivationLayerConfig config_;
};

extern template class ActivationLayer<float>;
extern template class ActivationLayer<double>;

}  // namespace seqgrad
