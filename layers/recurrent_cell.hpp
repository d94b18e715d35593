#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "seqgrad/core/ops/attention_decoder.hpp"
#include "seqgrad/core/random.hpp"
#include "seqgrad/core/variable.hpp"
#include "seqgrad/layers/module.hpp"

namespace seqgrad {

/// What a recurrent layer computes for a batch of sequences, or a cell for one step of them.
template <class T>
struct RecurrentOutput {
    /// The output: [B, U] of a cell; of a layer [B, T, U] with `return_sequences`, otherwise that of the last
    /// step [B, U].
    Variable<T> output;
    /// The states afterwards, each [B, U]: h, for the LSTM also c.
    std::vector<Variable<T>> states;
};

/// The weights of a cell, whose columns are G blocks of U: one for each gate.
template <class T>
struct RecurrentWeights {
    Variable<T> kernel;            ///< [D, G U], from the input
    Variable<T> recurrent_kernel;  ///< [U, G U], from the state before
    Variable<T> bias;              ///< [G U], for the GRU with reset_after [2, G U]; empty without bias
};

/// A cell of the kinds that operations over whole sequences know.
template <class T>
struct StandardCell {
    CellKind kind;
    RecurrentWeights<T> weights;
};

/// Base of what happens in one step of a recurrent layer. A user's cell derives from it, says the size of its
/// states and what a step computes, and runs over sequences in an RNN, which differentiates through time:
///
///     class LeakyCell : public RecurrentCell<float> {
///       public:
///         std::string type() const override { return "LeakyCell"; }
///         std::vector<std::size_t> state_size() const override { return {16}; }
///       protected:
///         void members(Members<float>& m) override { m.parameter("kernel", kernel_); }
///         void build_parameters(const PartialShape& input_shape) override { ... }
///         RecurrentOutput<float> step(const Variable<float>& x, const States& states) override {
///             const Variable<float> h = 0.9F * states[0] + tanh(matmul(x, kernel_));
///             return {h, {h}};
///         }
///       ...
///     RNN<float> layer(LeakyCell(), {.return_sequences = true});
template <class T>
class RecurrentCell : public Module<T> {
  public:
    /// The states between two steps: for every size U of `state_size` a Variable [B, U].
    using States = std::vector<Variable<T>>;

    /// The size of every state.
    virtual std::vector<std::size_t> state_size() const = 0;
    /// The size of the output, by default that of the first state.
    virtual std::size_t output_size() const { return state_size().front(); }
    /// The states before the first step, by default zeros.
    virtual States get_initial_state(std::size_t batch_size) const;

    /// One step for x [B, D] and the states after the step before. Builds the cell first where that was not
    /// done yet. Throws ShapeError when x or a state does not fit, or the step gives an output or a state of
    /// another shape than [B, output_size] and [B, U]; ValueError for another number of states.
    RecurrentOutput<T> operator()(const Variable<T>& x, const States& states);

    /// D of the inputs it was built for, or `unknown`.
    virtual std::ptrdiff_t input_size() const { return unknown; }

    /// The index of the state that is the output too, by default the first.
    virtual std::size_t output_state() const { return 0; }

    /// What an operation over whole sequences needs to compute the same as the steps would, or nothing where
    /// it could not: for dropout while training, and activations other than Keras's defaults.
    virtual std::optional<StandardCell<T>> standard() const { return std::nullopt; }

    /// A new cell of the same configuration with weights of its own, which Bidirectional needs for the way
    /// back; null for a cell that does not offer it.
    virtual std::shared_ptr<RecurrentCell> clone() const { return nullptr; }

    /// Makes the next step draw new dropout masks. Between two of these calls every step has the same ones;
    /// recurrent layers call it before each sequence.
    virtual void reset_dropout_masks() {}

    /// [B, ...] -> [B, output_size].
    PartialShape compute_output_shape(const PartialShape& input_shape) const override;

  protected:
    using Module<T>::Module;
    RecurrentCell() = default;

    /// Computes one step.
    virtual RecurrentOutput<T> step(const Variable<T>& x, const States& states) = 0;

    void call_to_build(const std::vector<Variable<T>>& inputs) override {
        step(inputs[0], get_initial_state(inputs[0].shape()[0]));
    }

  private:
    using Module<T>::operator();
};

namespace detail {

/// Throws ValueError for another number of states than the cell has, ShapeError for one that does not fit the
/// batch. `owner` is told them as `what`: "state", "initial state".
template <class T>
void check_states(const std::string& owner, const char* what, const std::vector<Variable<T>>& states,
                  const std::vector<std::size_t>& sizes, std::size_t batch);

/// The dropout masks of a cell, drawn when they are first asked for and kept until `reset`. As in Keras a
/// cell with recurrent dropout has masks of their own for each gate, any other one mask for all.
template <class T>
class CellDropout {
  public:
    /// Draws from the seed, or from one of its own where none is given.
    CellDropout(double rate, double recurrent_rate, std::size_t gates, std::optional<std::int64_t> seed);

    /// x [B, D] as every gate sees it: one Variable for all gates, or one for each.
    std::vector<Variable<T>> on_input(const Variable<T>& x, bool training);
    /// h [B, U] as every gate sees it.
    std::vector<Variable<T>> on_state(const Variable<T>& h, bool training);
    /// A sequence x [B, T, D] with the mask of a cell that has one for all gates, the same at every step.
    Variable<T> on_sequence(const Variable<T>& x, bool training);

    void reset();
    /// Whether there is anything to draw.
    bool draws() const noexcept { return rate_ != 0.0 || recurrent_rate_ != 0.0; }
    Generator& generator() noexcept { return generator_; }

  private:
    std::vector<Variable<T>> masked(double rate, std::vector<Variable<T>>& masks, const Variable<T>& x,
                                    bool training);

    double rate_, recurrent_rate_;
    std::size_t masks_of_each_;
    Generator generator_;
    std::vector<Variable<T>> input_masks_, state_masks_;
};

extern template class CellDropout<float>;
extern template class CellDropout<double>;

}  // namespace detail

extern template class RecurrentCell<float>;
extern template class RecurrentCell<double>;

}  // namespace seqgrad
