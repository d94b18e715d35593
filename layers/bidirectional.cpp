#include "seqgrad/layers/bidirectional.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/join.hpp"
#include "seqgrad/core/ops/shape.hpp"
#include "seqgrad/layers/internal/state_scope.hpp"

namespace seqgrad {
namespace {

// In the order of MergeMode.
constexpr std::array<std::string_view, 5> merge_mode_names = {"concat", "sum", "mul", "ave", "None"};

}  // namespace

std::string_view to_string(MergeMode mode) {
    return merge_mode_names[static_cast<std::size_t>(mode)];
}

MergeMode merge_mode(std::string_view name) {
    const auto found = std::ranges::find(merge_mode_names, name);
    if (found == merge_mode_names.end()) {
        throw ValueError(
            fmt::format("Bidirectional: merge_mode must be concat, sum, mul, ave or None, got \"{}\"", name));
    }
    return static_cast<MergeMode>(std::distance(merge_mode_names.begin(), found));
}

template <class T>
Bidirectional<T>::Bidirectional(std::shared_ptr<RNN<T>> layer, std::shared_ptr<RNN<T>> backward_layer,
                                BidirectionalConfig config)
    : Module<T>(config.name),
      forward_layer_(std::move(layer)),
      own_backward_layer_(backward_layer != nullptr),
      config_(std::move(config)) {
    if (!forward_layer_) throw ValueError(fmt::format("{}: expected a layer, got none", this->description()));
    if (!backward_layer && forward_layer_->config().go_backwards) {
        throw ValueError(
            fmt::format("{}: the layer goes backwards already; give a backward_layer that does "
                        "not, or a layer without go_backwards",
                        this->description()));
    }
    backward_layer_ =
        backward_layer ? std::move(backward_layer) : std::shared_ptr<RNN<T>>(forward_layer_->reversed());
    if (backward_layer_ == forward_layer_)
        throw ValueError(fmt::format("{}: both layers are the same one", this->description()));
    RNNConfig& forward = forward_layer_->config_;
    RNNConfig& backward = backward_layer_->config_;
    if (forward.go_backwards == backward.go_backwards) {
        throw ValueError(fmt::format("{}: one of the layers must have go_backwards, {} has",
                                     this->description(), forward.go_backwards ? "both" : "none"));
    }
    const auto check_same = [&](const char* name, bool a, bool b) {
        if (a != b) {
            throw ValueError(
                fmt::format("{}: both layers must have the same {}, got {} forward and {} backward",
                            this->description(), name, a, b));
        }
    };
    check_same("return_sequences", forward.return_sequences, backward.return_sequences);
    check_same("return_state", forward.return_state, backward.return_state);
    check_same("stateful", forward.stateful, backward.stateful);
    if (config_.merge_mode != MergeMode::concat && config_.merge_mode != MergeMode::none &&
        forward_layer_->cell().output_size() != backward_layer_->cell().output_size()) {
        throw ValueError(
            fmt::format("{}: merge_mode {} needs outputs of one size, got {} forward and {} backward",
                        this->description(), to_string(config_.merge_mode),
                        forward_layer_->cell().output_size(), backward_layer_->cell().output_size()));
    }
    forward.zero_output_for_mask = forward.return_sequences;
    backward.zero_output_for_mask = backward.return_sequences;
}

template <class T>
PartialShape Bidirectional<T>::compute_output_shape(const PartialShape& input_shape) const {
    PartialShape shape = forward_layer_->compute_output_shape(input_shape);
    const PartialShape backward = backward_layer_->compute_output_shape(input_shape);
    if (config_.merge_mode == MergeMode::concat) shape.back() += backward.back();
    return shape;
}

template <class T>
void Bidirectional<T>::members(Members<T>& members) {
    members.child("forward_layer", *forward_layer_);
    members.child("backward_layer", *backward_layer_);
}

template <class T>
void Bidirectional<T>::build_parameters(const PartialShape& input_shape) {
    compute_output_shape(input_shape);
    forward_layer_->build(input_shape);
    backward_layer_->build(input_shape);
}

template <class T>
typename Bidirectional<T>::Both Bidirectional<T>::run_both(const Variable<T>& x,
                                                           const std::vector<Variable<T>>& initial_state) {
    this->build(any_batch(x.shape()));
    const std::size_t forward_states = forward_layer_->cell().state_size().size();
    const std::size_t states = forward_states + backward_layer_->cell().state_size().size();
    if (!initial_state.empty() && initial_state.size() != states) {
        throw ValueError(fmt::format("{}: expected {} initial states, {} of each layer, got {}",
                                     this->description(), states, forward_states, initial_state.size()));
    }
    const auto half =
        initial_state.begin() + static_cast<std::ptrdiff_t>(std::min(forward_states, initial_state.size()));
    RecurrentOutput<T> y = forward_layer_->run(x, {initial_state.begin(), half});
    RecurrentOutput<T> z = backward_layer_->run(x, {half, initial_state.end()});
    Both both{{std::move(y.output), std::move(z.output)}, std::move(y.states)};
    both.states.insert(both.states.end(), z.states.begin(), z.states.end());
    Variable<T>& backward = both.outputs[1];
    if (forward_layer_->config().return_sequences) backward = flip(backward, {1}).with_mask_of(x);
    return both;
}

template <class T>
RecurrentOutput<T> Bidirectional<T>::run(const Variable<T>& x,
                                         const std::vector<Variable<T>>& initial_state) {
    if (config_.merge_mode == MergeMode::none) {
        throw ValueError(fmt::format(
            "{}: has two outputs without a merge_mode; call it with a list of inputs", this->description()));
    }
    detail::StateScope<T> scope;
    Both both = run_both(x, initial_state);
    const Variable<T>& y = both.outputs[0];
    const Variable<T>& z = both.outputs[1];
    Variable<T> output;
    switch (config_.merge_mode) {
        case MergeMode::sum:
            output = y + z;
            break;
        case MergeMode::mul:
            output = y * z;
            break;
        case MergeMode::ave:
            output = (y + z) / 2;
            break;
        default:
            output = concatenate({y, z}, -1);
    }
    if (forward_layer_->config().return_sequences) output = output.with_mask_of(x);
    scope.succeed();
    return {std::move(output), std::move(both.states)};
}

template <class T>
Variable<T> Bidirectional<T>::call(const Variable<T>& x) {
    return run(x).output;
}

template <class T>
std::vector<Variable<T>> Bidirectional<T>::call_several(const std::vector<Variable<T>>& inputs) {
    const std::vector<Variable<T>> initial_state(inputs.begin() + 1, inputs.end());
    Both both;
    if (config_.merge_mode == MergeMode::none) {
        both = run_both(inputs[0], initial_state);
    } else {
        RecurrentOutput<T> out = run(inputs[0], initial_state);
        both = {{std::move(out.output)}, std::move(out.states)};
    }
    if (forward_layer_->config().return_state)
        both.outputs.insert(both.outputs.end(), both.states.begin(), both.states.end());
    return std::move(both.outputs);
}

template class Bidirectional<float>;
template class Bidirectional<double>;

}  // namespace seqgrad
