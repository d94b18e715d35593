#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "seqgrad/layers/module.hpp"

namespace seqgrad {

/// A chain of layers, each applied to the output of the one before.
///
///     Sequential<float> model{LSTM<float>({.units = 32}), Dense<float>({.units = 1})};
///
/// A layer without a name gets Keras's: its class in snake case, numbered from the second of its kind on
/// ("lstm", "lstm_1"). Names are the first part of the paths of parameters ("lstm.kernel").
///
/// A chain that begins with an InputLayer is built at once; any other by `build` or by the first call.
template <class T>
class Sequential : public Module<T> {
  public:
    Sequential() = default;

    /// Takes the layers over, in order.
    template <class... Layers>
    requires(sizeof...(Layers) > 0 && (std::derived_from<Layers, Module<T>> && ...) &&
             !(sizeof...(Layers) == 1 &&
               (std::same_as<Layers, Sequential> && ...))) explicit Sequential(Layers&&... layers) {
        (add(std::forward<Layers>(layers)), ...);
    }

    /// Appends a layer, and builds it where the model is built already. Throws ValueError when its name is
    /// another layer's or no name for a path, for a second InputLayer, and for a layer that holds this model;
    /// ShapeError when it does not fit the model's output.
    template <std::derived_from<Module<T>> Layer>
    Sequential& add(Layer&& layer) {
        return add(std::static_pointer_cast<Module<T>>(std::make_shared<Layer>(std::forward<Layer>(layer))));
    }
    /// Appends a layer that is used elsewhere too; its parameters are shared.
    Sequential& add(std::shared_ptr<Module<T>> layer);

    std::size_t size() const noexcept { return layers_.size(); }
    /// Layer i. Throws ValueError when there are not so many.
    Module<T>& operator[](std::size_t i) const;

    /// The shape of the input that the model was built for; empty before it is built.
    const PartialShape& input_shape() const noexcept { return input_shape_; }

    std::string type() const override { return "Sequential"; }
    PartialShape compute_output_shape(const PartialShape& input_shape) const override;

  protected:
    void members(Members<T>& members) override;
    void build_parameters(const PartialShape& input_shape) override;
    Variable<T> call(const Variable<T>& x) override;
    bool gives_masks() const override { return true; }

  private:
    std::vector<std::shared_ptr<Module<T>>> layers_;
    PartialShape input_shape_;
};

template <class First, class... Rest>
Sequential(First&&, Rest&&...) -> Sequential<typename std::remove_cvref_t<First>::value_type>;

extern template class Sequential<float>;
extern template class Sequential<double>;

}  // namespace seqgrad
