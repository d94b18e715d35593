#pragma once

#include <cstddef>
#include <string>

#include "seqgrad/core/no_arguments.hpp"
#include "seqgrad/layers/constraints.hpp"
#include "seqgrad/layers/initializers.hpp"
#include "seqgrad/layers/module.hpp"
#include "seqgrad/layers/regularizers.hpp"

namespace seqgrad {

/// Arguments of LayerNormalization, with Keras's names and defaults.
struct LayerNormalizationConfig {
    std::ptrdiff_t axis =
        -1;                 ///< the axis to normalise over, from the end where negative; not the batch axis
    double epsilon = 1e-3;  ///< added to the variance; finite, >= 0
    bool center = true;     ///< add `beta`
    bool scale = true;      ///< multiply by `gamma`
    Initializer beta_initializer = Zeros{};
    Initializer gamma_initializer = Ones{};
    Regularizer beta_regularizer = {};
    Regularizer gamma_regularizer = {};
    Constraint beta_constraint = {};
    Constraint gamma_constraint = {};
    std::string name = {};
};

/// Normalises every sample and time step over its features: y = gamma (x - mean) / sqrt(variance + epsilon) +
/// beta.
///
/// Mean and variance are taken over one axis, the last one unless another is named (Keras takes several,
/// too). x [B, ..., D] of rank 2 or more; y of the same shape. Parameters: `gamma` [D] and `beta` [D]. Throws
/// ShapeError for an input of another rank or D than it was built for, ValueError for axis 0 and a negative
/// epsilon. Source: Ba et al., "Layer normalization", arXiv 1607.06450.
template <class T>
class LayerNormalization : public Module<T> {
  public:
    using Config = LayerNormalizationConfig;

    explicit LayerNormalization(LayerNormalizationConfig config = {});
    explicit LayerNormalization(detail::EmptyBraces) : LayerNormalization() {}

    const LayerNormalizationConfig& config() const noexcept { return config_; }
    const Variable<T>& gamma() const noexcept { return gamma_; }
    const Variable<T>& beta() const noexcept { return beta_; }

    std::string type() const override { return "LayerNormalization"; }
    bool supports_masking() const override { return true; }
    PartialShape compute_output_shape(const PartialShape& input_shape) const override;

  protected:
    void members(Members<T>& members) override;
    void build_parameters(const PartialShape& input_shape) override;
    Variable<T> call(const Variable<T>& x) override;

  private:
    std::ptrdiff_t features_of(const PartialShape& input_shape) const;

    LayerNormalizationConfig config_;
    std::ptrdiff_t features_ = unknown;
    Variable<T> gamma_;
    Variable<T> beta_;
};

extern template class LayerNormalization<float>;
extern template class LayerNormalization<double>;

}  // namespace seqgrad
