#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <utility>

#include "seqgrad/layers/module.hpp"

namespace seqgrad {

/// Arguments of TimeDistributed.
struct TimeDistributedConfig {
    std::string name = {};
};

/// The same layer applied to every step: x [B, T, ...] -> [B, T, ...], y[:, t] = layer(x[:, t]).
///
///     TimeDistributed<float> words_to_sentences(LSTM<float>({.units = 32}));  // [B, S, W, D] -> [B, S, 32]
///
/// The layer gets all steps at once, as a batch of B T samples; dropout inside it draws for all of them
/// together. A mask [B, T] of x goes on to y. Of a mask with more axes each step's part goes to the layer; y
/// then has the mask that the layer gave, or counts the steps in which anything counted. Paths of parameters
/// begin with "layer". Throws ShapeError for an input of rank 2 or less and for a mask without time axis,
/// ValueError for a stateful recurrent layer, whose states would be mixed up.
template <class T>
class TimeDistributed : public Module<T> {
  public:
    using Config = TimeDistributedConfig;

    /// Takes the layer over.
    template <std::derived_from<Module<T>> Layer>
    explicit TimeDistributed(Layer layer, TimeDistributedConfig config = {})
        : TimeDistributed(std::static_pointer_cast<Module<T>>(std::make_shared<Layer>(std::move(layer))),
                          std::move(config)) {}
    /// The same for a layer that is used elsewhere too. Throws ValueError when it is null.
    explicit TimeDistributed(std::shared_ptr<Module<T>> layer, TimeDistributedConfig config = {});

    Module<T>& layer() const noexcept { return *layer_; }
    const TimeDistributedConfig& config() const noexcept { return config_; }

    std::string type() const override { return "TimeDistributed"; }
    bool supports_masking() const override { return true; }
    PartialShape compute_output_shape(const PartialShape& input_shape) const override;

  protected:
    void members(Members<T>& members) override;
    void build_parameters(const PartialShape& input_shape) override;
    Variable<T> call(const Variable<T>& x) override;

  private:
    PartialShape step_shape(const PartialShape& input_shape) const;

    std::shared_ptr<Module<T>> layer_;
    TimeDistributedConfig config_;
};

template <class Layer, class... Rest>
TimeDistributed(Layer, Rest...) -> TimeDistributed<typename Layer::value_type>;

extern template class TimeDistributed<float>;
extern template class TimeDistributed<double>;

}  // namespace seqgrad
