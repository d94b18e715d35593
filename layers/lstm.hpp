#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "seqgrad/core/ops/activations.hpp"
#include "seqgrad/layers/constraints.hpp"
#include "seqgrad/layers/initializers.hpp"
#include "seqgrad/layers/module.hpp"
#include "seqgrad/layers/recurrent_cell.hpp"
#include "seqgrad/layers/regularizers.hpp"
#include "seqgrad/layers/rnn.hpp"

namespace seqgrad {

/// Arguments of LSTMCell, with Keras's names and defaults.
struct LSTMCellConfig {
    std::size_t units = 0;  ///< U, the size of the state; at least 1
    Activation activation = Activation::tanh;
    Activation recurrent_activation = Activation::sigmoid;
    bool use_bias = true;
    Initializer kernel_initializer = GlorotUniform{};
    Initializer recurrent_initializer = Orthogonal{};
    Initializer bias_initializer = Zeros{};
    bool unit_forget_bias = true;  ///< the forget gate's bias starts at 1
    Regularizer kernel_regularizer = {};
    Regularizer recurrent_regularizer = {};
    Regularizer bias_regularizer = {};
    Constraint kernel_constraint = {};
    Constraint recurrent_constraint = {};
    Constraint bias_constraint = {};
    double dropout = 0.0;            ///< part of the inputs to drop while training, in [0, 1)
    double recurrent_dropout = 0.0;  ///< part of the state to drop on its way into the recurrent product
    std::optional<std::int64_t> seed = {};  ///< of the dropout masks
    std::string name = {};
};

/// A step of the long short-term memory, see LSTM.
/// States: h and c [B, U].
template <class T>
class LSTMCell : public RecurrentCell<T> {
  public:
    using Config = LSTMCellConfig;
    using States = typename RecurrentCell<T>::States;

    explicit LSTMCell(LSTMCellConfig config);

    const LSTMCellConfig& config() const noexcept { return config_; }
    const RecurrentWeights<T>& weights() const noexcept { return weights_; }
    /// x [B, T, D] with the sequence's dropout mask on it.
    Variable<T> drop_input(const Variable<T>& x);

    std::string type() const override { return "LSTMCell"; }
    std::vector<std::size_t> state_size() const override { return {config_.units, config_.units}; }
    std::ptrdiff_t input_size() const override;
    std::optional<StandardCell<T>> standard() const override;
    std::shared_ptr<RecurrentCell<T>> clone() const override;
    void reset_dropout_masks() override { dropout_.reset(); }

  protected:
    void members(Members<T>& members) override;
    void build_parameters(const PartialShape& input_shape) override;
    RecurrentOutput<T> step(const Variable<T>& x, const States& states) override;

  private:
    LSTMCellConfig config_;
    RecurrentWeights<T> weights_;
    detail::CellDropout<T> dropout_;
};

/// Arguments of LSTM, with Keras's names and defaults.
struct LSTMConfig {
    std::size_t units = 0;  ///< U, the size of the state; at least 1
    Activation activation = Activation::tanh;
    Activation recurrent_activation = Activation::sigmoid;
    bool use_bias = true;
    Initializer kernel_initializer = GlorotUniform{};
    Initializer recurrent_initializer = Orthogonal{};
    Initializer bias_initializer = Zeros{};
    bool unit_forget_bias = true;  ///< the forget gate's bias starts at 1
    Regularizer kernel_regularizer = {};
    Regularizer recurrent_regularizer = {};
    Regularizer bias_regularizer = {};
    Constraint kernel_constraint = {};
    Constraint recurrent_constraint = {};
    Constraint bias_constraint = {};
    double dropout = 0.0;            ///< part of the inputs to drop while training, in [0, 1)
    double recurrent_dropout = 0.0;  ///< part of the state to drop on its way into the recurrent product
    std::optional<std::int64_t> seed = {};  ///< of the dropout masks
    bool return_sequences = false;          ///< output every step [B, T, U] instead of the last one [B, U]
    bool return_state = false;  ///< a call with a list of inputs gives the final states after the output
    bool go_backwards = false;  ///< from the last step to the first; outputs in the order of processing
    bool stateful = false;      ///< a call starts with the states in which the call before ended
    bool unroll = false;        ///< accepted as Keras's; the result is the same
    bool zero_output_for_mask = false;  ///< a masked step's output is 0 instead of the output before it
    std::size_t bptt_steps = 0;         ///< gradients reach back over so many steps at most; 0: over all
    bool recompute = false;             ///< keep only states for the backward pass: less memory, more time
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
/// The pair tanh and sigmoid, without recurrent dropout, runs as one operation for the whole sequence; other
/// layers run step by step, with the same results. Masks, states and calls with several inputs: see RNN.
/// Throws ValueError for units of 0 and rates outside [0, 1). Source: Hochreiter and Schmidhuber, "Long
/// short-term memory", 1997; forget gate: Gers et al., 2000; its bias: Jozefowicz et al., 2015.
template <class T>
class LSTM : public RNN<T> {
  public:
    using Config = LSTMConfig;
    using States = typename RNN<T>::States;

    explicit LSTM(LSTMConfig config);

    const LSTMConfig& config() const noexcept { return config_; }
    const Variable<T>& kernel() const noexcept { return cell_->weights().kernel; }
    const Variable<T>& recurrent_kernel() const noexcept { return cell_->weights().recurrent_kernel; }
    const Variable<T>& bias() const noexcept { return cell_->weights().bias; }

    std::string type() const override { return "LSTM"; }
    std::unique_ptr<RNN<T>> reversed() const override;

  protected:
    RecurrentOutput<T> run_sequence(const Variable<T>& x, const States& initial_state) override;

  private:
    LSTM(LSTMConfig config, std::shared_ptr<LSTMCell<T>> cell);

    LSTMConfig config_;
    std::shared_ptr<LSTMCell<T>> cell_;
};

extern template class LSTMCell<float>;
extern template class LSTMCell<double>;
extern template class LSTM<float>;
extern template class LSTM<double>;

}  // namespace seqgrad
