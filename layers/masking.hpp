#pragma once

#include <string>

#include "seqgrad/core/no_arguments.hpp"
#include "seqgrad/layers/module.hpp"

namespace seqgrad {

/// Arguments of Masking, with Keras's names and defaults.
struct MaskingConfig {
    double mask_value = 0.0;  ///< what every feature of a step that does not count is
    std::string name = {};
};

/// Marks the steps whose features are all `mask_value` as padding, and sets them to 0.
///
///     Sequential<float> model{Masking<float>({.mask_value = -1}), LSTM<float>({.units = 32})};
///
/// x [B, ..., D] of rank 2 or more; y of the same shape. y's mask [B, ...] is true where any feature of x
/// differs from mask_value, as rounded to T; it takes the place of a mask of x. NaN differs from everything.
/// Throws ShapeError for an input of rank 0 or 1.
template <class T>
class Masking : public Module<T> {
  public:
    using Config = MaskingConfig;

    explicit Masking(MaskingConfig config = {});
    explicit Masking(detail::EmptyBraces) : Masking() {}

    const MaskingConfig& config() const noexcept { return config_; }

    std::string type() const override { return "Masking"; }
    bool supports_masking() const override { return true; }
    PartialShape compute_output_shape(const PartialShape& input_shape) const override;

  protected:
    Variable<T> call(const Variable<T>& x) override;

  private:
    MaskingConfig config_;
};

extern template class Masking<float>;
extern template class Masking<double>;

}  // namespace seqgrad
