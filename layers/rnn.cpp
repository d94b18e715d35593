#include "seqgrad/layers/rnn.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/elementary.hpp"
#include "seqgrad/core/ops/join.hpp"
#include "seqgrad/core/ops/slice.hpp"
#include "seqgrad/layers/internal/padding.hpp"
#include "seqgrad/layers/internal/state_scope.hpp"

namespace seqgrad {

template <class T>
RNN<T>::RNN(std::shared_ptr<RecurrentCell<T>> cell, RNNConfig config)
    : Module<T>(config.name), cell_(std::move(cell)), config_(std::move(config)) {
    if (!cell_) throw ValueError("RNN: expected a cell, got none");
    if (cell_->state_size().empty())
        throw ValueError(fmt::format("RNN: {} has no states", cell_->description()));
}

template <class T>
RNN<T>::~RNN() {
    detail::StateScope<T>::forget(states_);
}

template <class T>
PartialShape RNN<T>::compute_output_shape(const PartialShape& input_shape) const {
    const std::ptrdiff_t D = cell_->input_size();
    if (input_shape.size() != 3 || input_shape[2] == unknown || (D != unknown && input_shape[2] != D)) {
        throw ShapeError(fmt::format("{}: expected x [batch, time, features{}] (rank 3), got {} (rank {})",
                                     this->description(), D == unknown ? "" : fmt::format("={}", D),
                                     to_string(input_shape), input_shape.size()));
    }
    const auto U = static_cast<std::ptrdiff_t>(cell_->output_size());
    return config_.return_sequences ? PartialShape{input_shape[0], input_shape[1], U}
                                    : PartialShape{input_shape[0], U};
}

template <class T>
void RNN<T>::members(Members<T>& members) {
    members.transparent_child(*cell_);
    if (config_.stateful) members.states("states", states_, cell_->state_size());
}

template <class T>
void RNN<T>::build_parameters(const PartialShape& input_shape) {
    compute_output_shape(input_shape);
    cell_->build({input_shape[0], input_shape[2]});
}

template <class T>
RecurrentOutput<T> RNN<T>::run(const Variable<T>& x, const States& initial_state) {
    compute_output_shape(any_batch(x.shape()));
    this->build(any_batch(x.shape()));
    const std::size_t batch = x.shape()[0];
    if (x.mask() != nullptr && x.mask()->dimension() != 2) {
        throw ShapeError(fmt::format("{}: expected a mask [batch={}, time={}], got {}", this->description(),
                                     batch, x.shape()[1], to_string(x.mask()->shape())));
    }
    States start = initial_state;
    if (start.empty() && !states_.empty()) {
        if (states_[0].shape()[0] != batch) {
            throw ValueError(fmt::format(
                "{}: is stateful and holds states of a batch of {}, got a batch of {}; call reset_state() "
                "before another batch size",
                this->description(), states_[0].shape()[0], batch));
        }
        for (const Tensor<T>& state : states_) start.push_back(constant(state));
    }
    if (!start.empty())
        detail::check_states(this->description(), "initial state", start, cell_->state_size(), batch);

    cell_->reset_dropout_masks();
    RecurrentOutput<T> out = run_sequence(x, start);
    cell_->reset_dropout_masks();
    if (config_.return_sequences) out.output = out.output.with_mask_of(x);
    if (config_.stateful) {
        std::vector<Tensor<T>> states;
        for (const Variable<T>& state : out.states) states.push_back(state.value());
        detail::StateScope<T>::replace(states_, std::move(states));
    }
    return out;
}

template <class T>
RecurrentOutput<T> RNN<T>::run_sequence(const Variable<T>& x, const States& initial_state) {
    const std::size_t B = x.shape()[0], steps = x.shape()[1];
    States states = initial_state;
    if (states.empty()) {
        states = cell_->get_initial_state(B);
        detail::check_states(cell_->description(), "initial state", states, cell_->state_size(), B);
    }
    const Variable<T> zero = constant(zeros<T>({B, cell_->output_size()}));
    Variable<T> output = zero;
    std::vector<Variable<T>> outputs;
    const std::vector<Variable<T>> inputs = unstack(x.mask() ? detail::without_padding(x) : x, 1);
    for (std::size_t s = 0; s < steps; ++s) {
        const std::size_t t = config_.go_backwards ? steps - 1 - s : s;
        if (config_.bptt_steps != 0 && s != 0 && s % config_.bptt_steps == 0)
            for (Variable<T>& state : states) state = state.detach();
        RecurrentOutput<T> next = (*cell_)(inputs[t], states);
        if (x.mask()) {
            const Mask counts = detail::step_of(*x.mask(), t);
            next.output = where(counts, next.output, config_.zero_output_for_mask ? zero : output);
            for (std::size_t i = 0; i < states.size(); ++i)
                next.states[i] = where(counts, next.states[i], states[i]);
        }
        output = std::move(next.output);
        states = std::move(next.states);
        if (config_.return_sequences) outputs.push_back(output);
    }
    if (config_.return_sequences) {
        output = outputs.empty() ? constant(zeros<T>({B, 0, cell_->output_size()})) : stack<T>(outputs, 1);
    }
    return {output, std::move(states)};
}

template <class T>
Variable<T> RNN<T>::output_of(const Variable<T>& x, const Variable<T>& sequence, const Variable<T>& h) const {
    if (config_.return_sequences) return sequence;
    const std::size_t B = x.shape()[0], steps = x.shape()[1];
    if (sequence) return select(sequence, 1, -1);
    if (steps != 0 && !x.mask()) return h;
    // Samples that had no step, or whose last step outputs 0, have an output that is not their state.
    Mask has_output(Shape{B, 1});
    for (std::size_t b = 0; b < B; ++b) {
        const bool* row = steps == 0 ? nullptr : x.mask()->data() + b * steps;
        const std::size_t last = config_.go_backwards ? 0 : steps - 1;
        has_output.data()[b] =
            steps != 0 &&
            (config_.zero_output_for_mask ? row[last] : std::find(row, row + steps, true) != row + steps);
    }
    if (std::all_of(has_output.begin(), has_output.end(), [](bool has) { return has; })) return h;
    return where(std::move(has_output), h, constant(zeros<T>({})));
}

template <class T>
Variable<T> RNN<T>::call(const Variable<T>& x) {
    return run(x).output;
}

template <class T>
std::vector<Variable<T>> RNN<T>::call_several(const std::vector<Variable<T>>& inputs) {
    RecurrentOutput<T> out = run(inputs[0], States(inputs.begin() + 1, inputs.end()));
    std::vector<Variable<T>> outputs{std::move(out.output)};
    if (config_.return_state) outputs.insert(outputs.end(), out.states.begin(), out.states.end());
    return outputs;
}

template <class T>
void RNN<T>::clear_state() {
    detail::StateScope<T>::replace(states_, {});
}

template <class T>
void RNN<T>::reset_state(std::span<const std::size_t> samples) {
    if (!config_.stateful)
        throw ValueError(fmt::format("{}: reset_state: is not stateful", this->description()));
    if (states_.empty()) return;
    const std::size_t batch = states_[0].shape()[0];
    for (const std::size_t sample : samples) {
        if (sample >= batch) {
            throw ValueError(fmt::format("{}: reset_state: sample {} asked for, the batch has {}",
                                         this->description(), sample, batch));
        }
    }
    const States fresh = cell_->get_initial_state(batch);
    std::vector<Tensor<T>> states = states_;
    for (std::size_t i = 0; i < states.size(); ++i) {
        const std::size_t U = states[i].shape()[1];
        for (const std::size_t sample : samples)
            std::copy_n(fresh[i].value().data() + sample * U, U, states[i].data() + sample * U);
    }
    detail::StateScope<T>::replace(states_, std::move(states));
}

template <class T>
std::unique_ptr<RNN<T>> RNN<T>::reversed() const {
    std::shared_ptr<RecurrentCell<T>> cell = cell_->clone();
    if (!cell) {
        throw ValueError(fmt::format("{}: {} does not offer clone(), give a backward_layer instead",
                                     this->description(), cell_->description()));
    }
    RNNConfig config = config_;
    config.go_backwards = !config.go_backwards;
    return std::make_unique<RNN>(std::move(cell), std::move(config));
}

template class RNN<float>;
template class RNN<double>;

}  // namespace seqgrad
