#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "seqgrad/core/ops/activations.hpp"
#include "seqgrad/layers/initializers.hpp"
#include "seqgrad/layers/module.hpp"
#include "seqgrad/layers/recurrent.hpp"

namespace seqgrad {

/// Arguments of SimpleRNN, with Keras's names and defaults.
struct SimpleRNNConfig {
    std::size_t units = 0;  ///< U, the size of the state; at least 1
    Activation activation = Activation::tanh;
    bool use_bias = true;
    Initializer kernel_initializer = GlorotUniform{};
    Initializer recurrent_initializer = Orthogonal{};
    Initializer bias_initializer = Zeros{};
    bool return_sequences = false;  ///< output every step [B, T, U] instead of the last one [B, U]
    std::string name = {};
};

/// The fully connected recurrent layer: h[t] = activation(x[t] W + h[t-1] R + b).
///
/// x [B, T, D]; h [B, U]. Parameters: `kernel` W [D, U], `recurrent_kernel` R [U, U], `bias` b [U]. With tanh
/// the whole sequence runs as one operation; other activations are composed from elementary operations, with
/// the same results. Throws ValueError for units of 0. Source: Elman, "Finding structure in time", 1990.
template <class T>
class SimpleRNN : public Module<T> {
  public:
    using Config = SimpleRNNConfig;

    explicit SimpleRNN(SimpleRNNConfig config);

    /// The output together with the final state, from {h0} [B, U] or from zeros.
    /// Throws ShapeError when x or a state does not fit, ValueError for another number of states.
    RecurrentOutput<T> run(const Variable<T>& x, const std::vector<Variable<T>>& initial_state = {});

    const SimpleRNNConfig& config() const noexcept { return config_; }
    const Variable<T>& kernel() const noexcept { return weights_.kernel; }
    const Variable<T>& recurrent_kernel() const noexcept { return weights_.recurrent_kernel; }
    const Variable<T>& bias() const noexcept { return weights_.bias; }

    std::string type() const override { return "SimpleRNN"; }
    PartialShape compute_output_shape(const PartialShape& input_shape) const override;

  protected:
    void members(Members<T>& members) override;
    void build_parameters(const PartialShape& input_shape) override;
    Variable<T> call(const Variable<T>& x) override;

  private:
    SimpleRNNConfig config_;
    RecurrentWeights<T> weights_;
};

extern template class SimpleRNN<float>;
extern template class SimpleRNN<double>;

}  // namespace seqgrad
