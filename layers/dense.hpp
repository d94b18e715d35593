#pragma once

#include <cstddef>
#include <string>

#include "seqgrad/core/ops/activations.hpp"
#include "seqgrad/layers/constraints.hpp"
#include "seqgrad/layers/initializers.hpp"
#include "seqgrad/layers/module.hpp"
#include "seqgrad/layers/regularizers.hpp"

namespace seqgrad {

/// Arguments of Dense, with Keras's names and defaults.
struct DenseConfig {
    std::size_t units = 0;  ///< size of the output's last axis; at least 1
    Activation activation = Activation::linear;
    bool use_bias = true;
    Initializer kernel_initializer = GlorotUniform{};
    Initializer bias_initializer = Zeros{};
    Regularizer kernel_regularizer = {};
    Regularizer bias_regularizer = {};
    Constraint kernel_constraint = {};
    Constraint bias_constraint = {};
    std::string name = {};
};

/// A fully connected layer over the last axis: y = activation(x W + b).
///
/// x [B, ..., D] of rank 2 or more; y [B, ..., U]. Parameters: `kernel` W [D, U] and, with `use_bias`, `bias`
/// b [U]. Throws ValueError for units of 0, ShapeError for an input of another rank or D than it was built
/// for.
template <class T>
class Dense : public Module<T> {
  public:
    using Config = DenseConfig;

    explicit Dense(DenseConfig config);

    const DenseConfig& config() const noexcept { return config_; }
    const Variable<T>& kernel() const noexcept { return kernel_; }
    const Variable<T>& bias() const noexcept { return bias_; }

    std::string type() const override { return "Dense"; }
    bool supports_masking() const override { return true; }
    PartialShape compute_output_shape(const PartialShape& input_shape) const override;

  protected:
    void members(Members<T>& members) override;
    void build_parameters(const PartialShape& input_shape) override;
    Variable<T> call(const Variable<T>& x) override;

  private:
    DenseConfig config_;
    Variable<T> kernel_;
    Variable<T> bias_;
};

extern template class Dense<float>;
extern template class Dense<double>;

}  // namespace seqgrad
