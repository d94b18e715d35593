#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "seqgrad/core/ops/attention_decoder.hpp"
#include "seqgrad/core/tensor.hpp"
#include "seqgrad/layers/bahdanau_attention.hpp"
#include "seqgrad/layers/initializers.hpp"
#include "seqgrad/layers/luong_attention.hpp"
#include "seqgrad/layers/memory_attention.hpp"
#include "seqgrad/layers/module.hpp"
#include "seqgrad/layers/recurrent_cell.hpp"
#include "seqgrad/layers/take_rows.hpp"

namespace seqgrad {

/// Arguments of AttentionDecoder.
struct AttentionDecoderConfig {
    AttentionStyle style = AttentionStyle::bahdanau;  ///< attends before the cell's step, or after it
    AttentionScore score = AttentionScore::bahdanau;
    std::size_t attention_units = 0;  ///< A of bahdanau, concat and local_p; 0: as many as the cell has
    AttentionWindow window = AttentionWindow::global;  ///< a local one needs one of Luong's scores
    std::size_t D = 10;                                ///< a local window's half width in positions
    bool input_feeding = false;            ///< luong only: the output before goes into the cell beside x
    bool return_attention_scores = false;  ///< a call gives the weights [B, T, S] after the output
    bool return_state = false;             ///< and the final states after that
    Initializer kernel_initializer = GlorotUniform{};  ///< of the attention's weights and attention_kernel
    std::string name = {};
};

/// What an AttentionDecoder gives for a batch of sequences.
template <class T>
struct AttentionDecoderOutput {
    Variable<T> sequence;             ///< outputs [B, T, U], with x's mask
    Variable<T> attention_weights;    ///< [B, T, S]
    std::vector<Variable<T>> states;  ///< the cell's states afterwards, each [B, U]
};

/// Where a decoder stands between two steps.
template <class T>
struct AttentionDecoderState {
    std::vector<Variable<T>> cell = {};  ///< the cell's states, each [B, U]
    Variable<T> output = {};             ///< the last output [B, U], which input feeding needs
    std::size_t step = 0;                ///< steps taken so far
};

/// What one step of a decoder gives.
template <class T>
struct AttentionDecoderStep {
    Variable<T> output;             ///< [B, U]
    Variable<T> attention_weights;  ///< [B, S]
    AttentionDecoderState<T> state;
};

/// A recurrent layer that attends to a memory in every step, such as the outputs of an encoder: x [B, T, D]
/// and memory [B, S, M] -> [B, T, U]. With the weights a_ts = softmax over s of score(query, memory_s), step
/// t is
///
///     bahdanau  c_t = sum_s a_ts memory_s for the query h_{t-1};  h_t = cell([x_t; c_t], h_{t-1});
///               output h_t
///     luong     h_t = cell(x_t, h_{t-1}), with input feeding cell([x_t; y_{t-1}], h_{t-1}), y_{-1} = 0;
///               c_t = sum_s a_ts memory_s for the query h_t;  output y_t = tanh([c_t; h_t] attention_kernel)
///
/// Scores and windows are those of BahdanauAttention and LuongAttention, whose memory projection is computed
/// once. The cell may be any, also StackedRNNCells: then the query is the top cell's state. Over sequences,
/// cells as Keras has them run as one operation with its own back-propagation through time (see
/// `attention_decoder`); others, and such with dropout while training, step by step.
///
/// The memory's mask says which positions count, x's mask which steps: others hold the states and repeat the
/// output and weights before them (zeros before the first).
///
/// The call with a list takes {x, memory, initial states...} and gives {output}, then what the
/// `return_` arguments ask for. To decode a sequence that depends on its own outputs:
///
///     const AttentionMemory<float> memory = decoder.prepare(encoded);
///     AttentionDecoderState<float> state = decoder.start(memory, encoder_states);
///     for (...) {
///         auto step = decoder.step(embedding(last_token), memory, state);
///         state = step.state;
///         ...
///     }
///
/// Parameters: "attention.*" and "cell.*", and for luong `attention_kernel` [M + U, U], the rows of the
/// context first. Throws ShapeError when x, memory, a mask or a state does not fit; ValueError for arguments
/// that do not go together. Sources: Bahdanau, Cho and Bengio, arXiv 1409.0473; Luong, Pham and Manning,
/// arXiv 1508.04025.
template <class T>
class AttentionDecoder : public Module<T> {
  public:
    using Config = AttentionDecoderConfig;
    using States = typename RecurrentCell<T>::States;

    /// Takes the cell over.
    template <std::derived_from<RecurrentCell<T>> Cell>
    explicit AttentionDecoder(Cell cell, AttentionDecoderConfig config = {})
        : AttentionDecoder(std::make_shared<Cell>(std::move(cell)), std::move(config)) {}
    explicit AttentionDecoder(std::shared_ptr<RecurrentCell<T>> cell, AttentionDecoderConfig config = {});

    /// Output, weights and final states, whatever the `return_` arguments say. Without initial states it
    /// starts from the cell's.
    AttentionDecoderOutput<T> run(const Variable<T>& x, const Variable<T>& memory,
                                  const States& initial_state = {});

    /// The memory [B, S, M] with its projection. Throws ValueError unless the layer is built, by a call or by
    /// build_for({x's shape, memory's shape}).
    AttentionMemory<T> prepare(const Variable<T>& memory);
    /// The state before the first step.
    AttentionDecoderState<T> start(const AttentionMemory<T>& memory, const States& initial_state = {}) const;
    /// One step for x [B, D].
    AttentionDecoderStep<T> step(const Variable<T>& x, const AttentionMemory<T>& memory,
                                 const AttentionDecoderState<T>& state);

    RecurrentCell<T>& cell() const noexcept { return *cell_; }
    MemoryAttention<T>& attention() noexcept;
    /// Empty for bahdanau.
    const Variable<T>& attention_kernel() const noexcept { return attention_kernel_; }
    const AttentionDecoderConfig& config() const noexcept { return config_; }

    std::string type() const override { return "AttentionDecoder"; }

  protected:
    void members(Members<T>& members) override;
    void build_several(const std::vector<PartialShape>& input_shapes) override;
    std::vector<Variable<T>> call_several(const std::vector<Variable<T>>& inputs) override;
    bool gives_masks() const override { return true; }

  private:
    using Attention = std::variant<BahdanauAttention<T>, LuongAttention<T>>;
    static Attention make_attention(const RecurrentCell<T>& cell, const AttentionDecoderConfig& config);

    bool luong() const { return config_.style == AttentionStyle::luong; }
    AttentionDecoderOutput<T> run_as_one_operation(const StandardCell<T>& cell, const Variable<T>& x,
                                                   const Variable<T>& memory, const States& initial_state);
    AttentionDecoderOutput<T> run_step_by_step(const Variable<T>& x, const Variable<T>& memory,
                                               const States& initial_state);

    std::shared_ptr<RecurrentCell<T>> cell_;
    AttentionDecoderConfig config_;
    Attention attention_;
    Variable<T> attention_kernel_;
    std::size_t features_ = 0;
};

template <class Cell>
AttentionDecoder(Cell, AttentionDecoderConfig) -> AttentionDecoder<typename Cell::value_type>;

/// The states of some samples, for searches that follow several sequences of one sample; see take_rows.hpp.
template <class T>
AttentionDecoderState<T> take_rows(const AttentionDecoderState<T>& state, const Tensor<std::int64_t>& rows);

extern template class AttentionDecoder<float>;
extern template class AttentionDecoder<double>;

}  // namespace seqgrad
