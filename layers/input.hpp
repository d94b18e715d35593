#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "seqgrad/layers/module.hpp"

namespace seqgrad {

/// Arguments of InputLayer, with Keras's names and defaults.
struct InputLayerConfig {
    PartialShape shape = {};  ///< of one sample, without the batch axis; `unknown` for an axis of any size
    std::optional<std::size_t> batch_size = {};  ///< the one batch size there may be; any without it
    std::string name = {};
};

/// Says the shape of a model's inputs. A Sequential that begins with it is built at once, so that its summary
/// and weights are there before the first call:
///
///     Sequential<float> model{Input<float>({.shape = {unknown, 12}}), GRU<float>({.units = 8})};
///
/// Gives x itself, mask included. Throws ShapeError when x has another shape, ValueError for a negative size.
template <class T>
class InputLayer : public Module<T> {
  public:
    using Config = InputLayerConfig;

    explicit InputLayer(InputLayerConfig config);

    const InputLayerConfig& config() const noexcept { return config_; }
    /// The shape with the batch axis: (None, None, 12).
    PartialShape batch_shape() const;

    std::string type() const override { return "InputLayer"; }
    bool supports_masking() const override { return true; }
    PartialShape compute_output_shape(const PartialShape& input_shape) const override;

  protected:
    Variable<T> call(const Variable<T>& x) override;

  private:
    InputLayerConfig config_;
};

/// Keras's name for it at the head of a model.
template <class T>
using Input = InputLayer<T>;

extern template class InputLayer<float>;
extern template class InputLayer<double>;

}  // namespace seqgrad
