#pragma once

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "seqgrad/layers/module.hpp"
#include "seqgrad/layers/recurrent_cell.hpp"

namespace seqgrad {

/// Arguments of RNN, with Keras's names and defaults.
struct RNNConfig {
    bool return_sequences = false;  ///< output every step [B, T, U] instead of the last one [B, U]
    bool return_state = false;      ///< a call with a list of inputs gives the final states after the output
    bool go_backwards = false;      ///< from the last step to the first; outputs in the order of processing
    bool stateful = false;          ///< a call starts with the states in which the call before ended
    bool unroll = false;            ///< accepted as Keras's; the result is the same
    bool zero_output_for_mask = false;  ///< a masked step's output is 0 instead of the output before it
    std::size_t bptt_steps = 0;         ///< gradients reach back over so many steps at most; 0: over all
    std::string name = {};
};

/// A cell run over sequences: x [B, T, D] -> [B, T, U] or [B, U], differentiated through time.
///
/// A step that x's mask [B, T] leaves out changes nothing: states hold, and the output repeats the one before
/// (zeros before the first), or is zero with `zero_output_for_mask`. What stands in such a step of x, NaN
/// included, reaches neither output nor gradients. The mask goes on to the output with `return_sequences`.
///
/// With `bptt_steps` k, back-propagation is truncated: the states are detached before every k-th step
/// (Williams and Peng, Neural Computation 2, 1990).
///
/// The call with a list takes {x, initial states...} and gives {output}, with `return_state` {output, final
/// states...}. Throws ShapeError when x, mask or a state does not fit, ValueError for another number of
/// states.
template <class T>
class RNN : public Module<T> {
  public:
    using Config = RNNConfig;
    using States = typename RecurrentCell<T>::States;

    /// Takes the cell over.
    template <std::derived_from<RecurrentCell<T>> Cell>
    explicit RNN(Cell cell, RNNConfig config = {})
        : RNN(std::make_shared<Cell>(std::move(cell)), std::move(config)) {}
    /// The same for a cell that is used elsewhere too. Throws ValueError when it is null.
    explicit RNN(std::shared_ptr<RecurrentCell<T>> cell, RNNConfig config = {});

    /// The output together with the final states, whatever `return_state` says. Without initial states it
    /// starts from the cell's, or those of the call before where the layer is stateful.
    RecurrentOutput<T> run(const Variable<T>& x, const States& initial_state = {});

    RNN(RNN&&) noexcept = default;
    RNN& operator=(RNN&&) noexcept = default;
    ~RNN() override;

    RecurrentCell<T>& cell() const noexcept { return *cell_; }
    const RNNConfig& config() const noexcept { return config_; }

    /// The states that the next call of a stateful layer starts with; none where it starts afresh.
    const std::vector<Tensor<T>>& states() const noexcept { return states_; }
    using Module<T>::reset_state;
    /// Makes chosen samples of the batch start afresh. Throws ValueError for a sample outside of it, and
    /// where the layer is not stateful.
    void reset_state(std::span<const std::size_t> samples);
    void reset_state(std::initializer_list<std::size_t> samples) {
        reset_state(std::span<const std::size_t>(samples.begin(), samples.size()));
    }

    /// A new layer of the same configuration, with weights of its own, that goes the other way. Throws
    /// ValueError where the cell cannot be cloned.
    virtual std::unique_ptr<RNN> reversed() const;

    std::string type() const override { return "RNN"; }
    PartialShape compute_output_shape(const PartialShape& input_shape) const override;

  protected:
    /// The layer's work: output and final states for a checked x; no initial states stand for the cell's. By
    /// default runs the cell step by step.
    virtual RecurrentOutput<T> run_sequence(const Variable<T>& x, const States& initial_state);
    /// The layer's output from what an operation over the whole sequence gives: the outputs [B, T, U], where
    /// it was asked for them, and the final h [B, U].
    Variable<T> output_of(const Variable<T>& x, const Variable<T>& sequence, const Variable<T>& h) const;

    void members(Members<T>& members) override;
    void build_parameters(const PartialShape& input_shape) override;
    Variable<T> call(const Variable<T>& x) override;
    std::vector<Variable<T>> call_several(const std::vector<Variable<T>>& inputs) override;
    bool stateful() const override { return config_.stateful; }
    void clear_state() override;

  private:
    template <class U>
    friend class Bidirectional;

    std::shared_ptr<RecurrentCell<T>> cell_;
    RNNConfig config_;
    std::vector<Tensor<T>> states_;
};

template <class Cell>
RNN(Cell, RNNConfig) -> RNN<typename Cell::value_type>;

extern template class RNN<float>;
extern template class RNN<double>;

}  // namespace seqgrad
