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

/// Arguments of GRUCell, with Keras's names and defaults.
struct GRUCellConfig {
    std::size_t units = 0;  ///< U, the size of the state; at least 1
    Activation activation = Activation::tanh;
    Activation recurrent_activation = Activation::sigmoid;
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
    bool reset_after = true;         ///< the reset gate applies after the recurrent product
    std::optional<std::int64_t> seed = {};  ///< of the dropout masks
    std::string name = {};
};

/// A step of the gated recurrent unit, see GRU.
/// States: h [B, U].
template <class T>
class GRUCell : public RecurrentCell<T> {
  public:
    using Config = GRUCellConfig;
    using States = typename RecurrentCell<T>::States;

    explicit GRUCell(GRUCellConfig config);

    const GRUCellConfig& config() const noexcept { return config_; }
    const RecurrentWeights<T>& weights() const noexcept { return weights_; }
    /// x [B, T, D] with the sequence's dropout mask on it.
    Variable<T> drop_input(const Variable<T>& x);

    std::string type() const override { return "GRUCell"; }
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
    GRUCellConfig config_;
    RecurrentWeights<T> weights_;
    detail::CellDropout<T> dropout_;
};

/// Arguments of GRU, with Keras's names and defaults.
struct GRUConfig {
    std::size_t units = 0;  ///< U, the size of the state; at least 1
    Activation activation = Activation::tanh;
    Activation recurrent_activation = Activation::sigmoid;
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
    bool reset_after = true;         ///< the reset gate applies after the recurrent product
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

/// The gated recurrent unit.
///
///     z = recurrent_activation(x[t] W_z + b_z + h[t-1] R_z + s_z)              update gate
///     r = recurrent_activation(x[t] W_r + b_r + h[t-1] R_r + s_r)              reset gate
///     g = activation(x[t] W_h + b_h + r (h[t-1] R_h + s_h))                    candidate
///     h[t] = z h[t-1] + (1 - z) g
///
/// x [B, T, D]; h [B, U]. Parameters, with columns in the order z | r | h: `kernel` W [D, 3U],
/// `recurrent_kernel` R [U, 3U], `bias` [2, 3U] of rows b and s. Without `reset_after` the candidate is
/// activation(x[t] W_h + b_h + (r h[t-1]) R_h), and `bias` is b [3U] alone.
/// The pair tanh and sigmoid, without recurrent dropout, runs as one operation for the whole sequence; other
/// layers run step by step, with the same results. Masks, states and calls with several inputs: see RNN.
/// Throws ValueError for units of 0 and rates outside [0, 1). Source: Cho et al., arXiv 1406.1078; reset
/// after the product: as in cuDNN and Keras.
template <class T>
class GRU : public RNN<T> {
  public:
    using Config = GRUConfig;
    using States = typename RNN<T>::States;

    explicit GRU(GRUConfig config);

    const GRUConfig& config() const noexcept { return config_; }
    const Variable<T>& kernel() const noexcept { return cell_->weights().kernel; }
    const Variable<T>& recurrent_kernel() const noexcept { return cell_->weights().recurrent_kernel; }
    const Variable<T>& bias() const noexcept { return cell_->weights().bias; }

    std::string type() const override { return "GRU"; }
    std::unique_ptr<RNN<T>> reversed() const override;

  protected:
    RecurrentOutput<T> run_sequence(const Variable<T>& x, const States& initial_state) override;

  private:
    GRU(GRUConfig config, std::shared_ptr<GRUCell<T>> cell);

    GRUConfig config_;
    std::shared_ptr<GRUCell<T>> cell_;
};

extern template class GRUCell<float>;
extern template class GRUCell<double>;
extern template class GRU<float>;
extern template class GRU<double>;

}  // namespace seqgrad
