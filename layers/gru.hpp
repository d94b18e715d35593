#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "seqgrad/core/ops/activations.hpp"
#include "seqgrad/layers/initializers.hpp"
#include "seqgrad/layers/module.hpp"
#include "seqgrad/layers/recurrent.hpp"

namespace seqgrad {

/// Arguments of GRU, with Keras's names and defaults.
struct GRUConfig {
    std::size_t units = 0;  ///< U, the size of the state; at least 1
    Activation activation = Activation::tanh;
    Activation recurrent_activation = Activation::sigmoid;
    bool use_bias = true;
    Initializer kernel_initializer = GlorotUniform{};
    Initializer recurrent_initializer = Orthogonal{};
    Initializer bias_initializer = Zeros{};
    bool return_sequences = false;  ///< output every step [B, T, U] instead of the last one [B, U]
    std::string name = {};
};

/// The gated recurrent unit.
///
///     z = recurrent_activation(x[t] W_z + b_z + h[t-1] R_z + s_z)              update gate
///     r = recurrent_activation(x[t] W_r + b_r + h[t-1] R_r + s_r)              reset gate
///     g = activation(x[t] W_h + b_h + r (h[t-1] R_h + s_h))                    candidate
///     h[t] = z h[t-1] + (1 - z) g
///
/// x [B, T, D]; h [B, U]. Parameters, with columns in the order z | r | h: `kernel` W [D, 3U],
/// `recurrent_kernel` R [U, 3U], `bias` [2, 3U] of rows b and s. The reset gate applies after the recurrent
/// product (Keras's default reset_after). The pair tanh and sigmoid runs as one operation for the whole
/// sequence; other activations are composed from elementary operations, with the same results. Throws
/// ValueError for units of 0. Source: Cho et al., arXiv 1406.1078; reset after the product: as in cuDNN and
/// Keras.
template <class T>
class GRU : public Module<T> {
  public:
    using Config = GRUConfig;

    explicit GRU(GRUConfig config);

    /// The output together with the final state, from {h0} [B, U] or from zeros.
    /// Throws ShapeError when x or a state does not fit, ValueError for another number of states.
    RecurrentOutput<T> run(const Variable<T>& x, const std::vector<Variable<T>>& initial_state = {});

    const GRUConfig& config() const noexcept { return config_; }
    const Variable<T>& kernel() const noexcept { return weights_.kernel; }
    const Variable<T>& recurrent_kernel() const noexcept { return weights_.recurrent_kernel; }
    const Variable<T>& bias() const noexcept { return weights_.bias; }

    std::string type() const override { return "GRU"; }
    PartialShape compute_output_shape(const PartialShape& input_shape) const override;

  protected:
    void members(Members<T>& members) override;
    void build_parameters(const PartialShape& input_shape) override;
    Variable<T> call(const Variable<T>& x) override;

  private:
    GRUConfig config_;
    RecurrentWeights<T> weights_;
};

extern template class GRU<float>;
extern template class GRU<double>;

}  // namespace seqgrad
