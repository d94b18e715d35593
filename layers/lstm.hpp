#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "seqgrad/core/ops/activations.hpp"
#include "seqgrad/layers/initializers.hpp"
#include "seqgrad/layers/module.hpp"
#include "seqgrad/layers/recurrent.hpp"

namespace seqgrad {

/// Arguments of LSTM, with Keras's names and defaults.
struct LSTMConfig {
    std::size_t units = 0;  ///< U, the size of the state; at least 1
    Activation activation = Activation::tanh;
    Activation recurrent_activation = Activation::sigmoid;
    bool use_bias = true;
    Initializer kernel_initializer = GlorotUniform{};
    Initializer recurrent_initializer = Orthogonal{};
    Initializer bias_initializer = Zeros{};
    bool unit_forget_bias = true;   ///< the forget gate's bias starts at 1
    bool return_sequences = false;  ///< output every step [B, T, U] instead of the last one [B, U]
    std::string name = {};
};

/// The long short-term memory layer.
///
///     i = recurrent_activation(x[t] W_i + h[t-1] R_i + b_i)        input gate
///     f = recurrent_activation(x[t] W_f + h[t-1] R_f + b_f)        forget gate
///     g = activation(x[t] W_c + h[t-1] R_c + b_c)                  candidate
///     o = recurrent_activation(x[t] W_o + h[t-1] R_o + b_o)        output gate
///     c[t] = f c[t-1] + i g
///     h[t] = o activation(c[t])
///
/// x [B, T, D]; h and c [B, U]. Parameters, with columns in the order i | f | c | o: `kernel` W [D, 4U],
/// `recurrent_kernel` R [U, 4U], `bias` b [4U].
/// The pair tanh and sigmoid runs as one operation for the whole sequence; other activations are composed
/// from elementary operations, with the same results. Throws ValueError for units of 0. Source: Hochreiter
/// and Schmidhuber, "Long short-term memory", 1997; forget gate: Gers et al., 2000.
template <class T>
class LSTM : public Module<T> {
  public:
    using Config = LSTMConfig;

    explicit LSTM(LSTMConfig config);

    /// The output together with the final states, from {h0, c0}, each [B, U], or from zeros.
    /// Throws ShapeError when x or a state does not fit, ValueError for another number of states.
    RecurrentOutput<T> run(const Variable<T>& x, const std::vector<Variable<T>>& initial_state = {});

    const LSTMConfig& config() const noexcept { return config_; }
    const Variable<T>& kernel() const noexcept { return weights_.kernel; }
    const Variable<T>& recurrent_kernel() const noexcept { return weights_.recurrent_kernel; }
    const Variable<T>& bias() const noexcept { return weights_.bias; }

    std::string type() const override { return "LSTM"; }
    PartialShape compute_output_shape(const PartialShape& input_shape) const override;

  protected:
    void members(Members<T>& members) override;
    void build_parameters(const PartialShape& input_shape) override;
    Variable<T> call(const Variable<T>& x) override;

  private:
    LSTMConfig config_;
    RecurrentWeights<T> weights_;
};

extern template class LSTM<float>;
extern template class LSTM<double>;

}  // namespace seqgrad
