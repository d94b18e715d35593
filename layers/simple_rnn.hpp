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

/// Arguments of SimpleRNNCell, with Keras's names and defaults.
struct SimpleRNNCellConfig {
    std::size_t units = 0;  ///< U, the size of the state; at least 1
    Activation activation = Activation::tanh;
    bool use_bias = true;
    Initializer kernel_initializer = GlorotUniform{};
    Initializer recurrent_initializer = Orthogonal{};
    Initializer bias_initializer = Zeros{};
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

/// The fully connected recurrent layer's step: h[t] = activation(x[t] W + h[t-1] R + b).
/// States: h [B, U].
template <class T>
class SimpleRNNCell : public RecurrentCell<T> {
  public:
    using Config = SimpleRNNCellConfig;
    using States = typename RecurrentCell<T>::States;

    explicit SimpleRNNCell(SimpleRNNCellConfig config);

    const SimpleRNNCellConfig& config() const noexcept { return config_; }
    const RecurrentWeights<T>& weights() const noexcept { return weights_; }
    /// x [B, T, D] with the sequence's dropout mask on it.
    Variable<T> drop_input(const Variable<T>& x);

    std::string type() const override { return "SimpleRNNCell"; }
    std::vector<std::size_t> state_size() const override { return {config_.units}; }
    std::ptrdiff_t input_size() const override;
    std::optional<StandardCell<T>> standard() const override;
    std::shared_ptr<RecurrentCell<T>> clone() const override;
    void reset_dropout_masks() override { dropout_.reset(); }

  protected:
    void members(Members<T>& members) override;
    void build_parameters(const PartialShape& input_shape) override;
    RecurrentOutput<T> step(const Variable<T>& x, const States& states) override;

  private:
    SimpleRNNCellConfig config_;
    RecurrentWeights<T> weights_;
    detail::CellDropout<T> dropout_;
};

/// Arguments of SimpleRNN, with Keras's names and defaults.
struct SimpleRNNConfig {
    std::size_t units = 0;  ///< U, the size of the state; at least 1
    Activation activation = Activation::tanh;
    bool use_bias = true;
    Initializer kernel_initializer = GlorotUniform{};
    Initializer recurrent_initializer = Orthogonal{};
    Initializer bias_initializer = Zeros{};
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

/// The fully connected recurrent layer: h[t] = activation(x[t] W + h[t-1] R + b).
///
/// x [B, T, D]; h [B, U]. Parameters: `kernel` W [D, U], `recurrent_kernel` R [U, U], `bias` b [U]. With tanh
/// and without recurrent dropout the whole sequence runs as one operation; otherwise step by step, with the
/// same results. Masks, states and calls with several inputs: see RNN. Throws ValueError for units of 0 and
/// rates outside [0, 1). Source: Elman, "Finding structure in time", 1990.
template <class T>
class SimpleRNN : public RNN<T> {
  public:
    using Config = SimpleRNNConfig;
    using States = typename RNN<T>::States;

    explicit SimpleRNN(SimpleRNNConfig config);

    const SimpleRNNConfig& config() const noexcept { return config_; }
    const Variable<T>& kernel() const noexcept { return cell_->weights().kernel; }
    const Variable<T>& recurrent_kernel() const noexcept { return cell_->weights().recurrent_kernel; }
    const Variable<T>& bias() const noexcept { return cell_->weights().bias; }

    std::string type() const override { return "SimpleRNN"; }
    std::unique_ptr<RNN<T>> reversed() const override;

  protected:
    RecurrentOutput<T> run_sequence(const Variable<T>& x, const States& initial_state) override;

  private:
    SimpleRNN(SimpleRNNConfig config, std::shared_ptr<SimpleRNNCell<T>> cell);

    SimpleRNNConfig config_;
    std::shared_ptr<SimpleRNNCell<T>> cell_;
};

extern template class SimpleRNNCell<float>;
extern template class SimpleRNNCell<double>;
extern template class SimpleRNN<float>;
extern template class SimpleRNN<double>;

}  // namespace seqgrad
