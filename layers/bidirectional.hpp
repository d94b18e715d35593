#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "seqgrad/layers/rnn.hpp"

namespace seqgrad {

/// How Bidirectional makes one output of the forward one y and the backward one z.
enum class MergeMode {
    concat,  ///< [y, z] along the last axis
    sum,     ///< y + z
    mul,     ///< y z, elementwise
    ave,     ///< (y + z) / 2
    none,    ///< both, as two outputs
};

/// Keras's name: "concat", ..., and "None".
std::string_view to_string(MergeMode mode);

/// The mode of this name. Throws ValueError for any other.
MergeMode merge_mode(std::string_view name);

/// Arguments of Bidirectional, with Keras's names and defaults.
struct BidirectionalConfig {
    MergeMode merge_mode = MergeMode::concat;
    std::string name = {};
};

/// A recurrent layer run over sequences in both directions: [B, T, D] -> [B, T, 2U] or [B, 2U], with U
/// instead of 2U for the merge modes other than concat.
///
///     Bidirectional<float> layer(LSTM<float>({.units = 64, .return_sequences = true}));
///
/// The backward layer's outputs are turned round, so that both stand at their step. Unless it is given it is
/// a new layer of the forward one's configuration with `go_backwards`. As in Keras masked steps output 0 in
/// both layers (`zero_output_for_mask`) when they return sequences, and x's mask goes on to the output then.
///
/// The call with a list takes {x, initial states of the forward layer..., of the backward layer...} and gives
/// the merged output, two with MergeMode::none, and with `return_state` the final states of both. Paths of
/// parameters begin with "forward_layer" and "backward_layer".
///
/// Throws ValueError unless exactly one layer goes backwards and both agree in return_sequences, return_state
/// and stateful, and, without a backward layer, where the cell cannot be cloned. Source: Schuster and
/// Paliwal, IEEE Transactions on Signal Processing 45, 1997.
template <class T>
class Bidirectional : public Module<T> {
  public:
    using Config = BidirectionalConfig;

    /// Takes the layer over.
    template <std::derived_from<RNN<T>> Layer>
    explicit Bidirectional(Layer layer, BidirectionalConfig config = {})
        : Bidirectional(std::make_shared<Layer>(std::move(layer)), nullptr, std::move(config)) {}
    /// Takes both layers over.
    template <std::derived_from<RNN<T>> Layer, std::derived_from<RNN<T>> Backward>
    Bidirectional(Layer layer, Backward backward_layer, BidirectionalConfig config = {})
        : Bidirectional(std::make_shared<Layer>(std::move(layer)),
                        std::make_shared<Backward>(std::move(backward_layer)), std::move(config)) {}
    /// `backward_layer` may be null.
    Bidirectional(std::shared_ptr<RNN<T>> layer, std::shared_ptr<RNN<T>> backward_layer,
                  BidirectionalConfig config = {});

    /// Output and final states, the forward layer's before the backward layer's, from initial states in the
    /// same order or from zeros. Throws ValueError with MergeMode::none, which has two outputs, and for
    /// another number of states; ShapeError when x, mask or a state does not fit.
    RecurrentOutput<T> run(const Variable<T>& x, const std::vector<Variable<T>>& initial_state = {});

    RNN<T>& forward_layer() const noexcept { return *forward_layer_; }
    RNN<T>& backward_layer() const noexcept { return *backward_layer_; }
    /// Whether the backward layer was given, rather than made from the forward one.
    bool has_own_backward_layer() const noexcept { return own_backward_layer_; }
    const BidirectionalConfig& config() const noexcept { return config_; }

    std::string type() const override { return "Bidirectional"; }
    PartialShape compute_output_shape(const PartialShape& input_shape) const override;

  protected:
    void members(Members<T>& members) override;
    void build_parameters(const PartialShape& input_shape) override;
    Variable<T> call(const Variable<T>& x) override;
    std::vector<Variable<T>> call_several(const std::vector<Variable<T>>& inputs) override;

  private:
    struct Both {
        std::vector<Variable<T>> outputs;
        std::vector<Variable<T>> states;
    };
    Both run_both(const Variable<T>& x, const std::vector<Variable<T>>& initial_state);

    std::shared_ptr<RNN<T>> forward_layer_;
    std::shared_ptr<RNN<T>> backward_layer_;
    bool own_backward_layer_;
    BidirectionalConfig config_;
};

template <class Layer, class... Rest>
Bidirectional(Layer, Rest...) -> Bidirectional<typename Layer::value_type>;

extern template class Bidirectional<float>;
extern template class Bidirectional<double>;

}  // namespace seqgrad
