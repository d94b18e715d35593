#include "seqgrad/layers/attention_decoder.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/core/ops/activations.hpp"
#include "seqgrad/core/ops/elementary.hpp"
#include "seqgrad/core/ops/join.hpp"
#include "seqgrad/core/ops/matmul.hpp"
#include "seqgrad/core/ops/slice.hpp"
#include "seqgrad/layers/internal/padding.hpp"

namespace seqgrad {
namespace {

/// The size of the states that the cell attends with.
template <class T>
std::size_t query_size(const RecurrentCell<T>& cell, AttentionStyle style) {
    return style == AttentionStyle::luong ? cell.output_size() : cell.state_size()[cell.output_state()];
}

template <class T>
const std::shared_ptr<RecurrentCell<T>>& checked(const std::shared_ptr<RecurrentCell<T>>& cell) {
    if (!cell) throw ValueError("AttentionDecoder: expected a cell, got none");
    if (cell->state_size().empty())
        throw ValueError(fmt::format("AttentionDecoder: {} has no states", cell->description()));
    for (const std::size_t size : cell->state_size())
        detail::check_size("AttentionDecoder", "the cell's state", size);
    return cell;
}

}  // namespace

template <class T>
AttentionDecoder<T>::AttentionDecoder(std::shared_ptr<RecurrentCell<T>> cell, AttentionDecoderConfig config)
    : Module<T>(config.name),
      cell_(checked(cell)),
      config_(std::move(config)),
      attention_(make_attention(*cell_, config_)) {
    if (config_.input_feeding && !luong())
        throw ValueError(fmt::format("{}: input_feeding needs the style luong", this->description()));
}

template <class T>
typename AttentionDecoder<T>::Attention AttentionDecoder<T>::make_attention(
    const RecurrentCell<T>& cell, const AttentionDecoderConfig& config) {
    const std::size_t units =
        config.attention_units == 0 ? query_size(cell, config.style) : config.attention_units;
    if (config.score == AttentionScore::bahdanau) {
        if (config.window != AttentionWindow::global) {
            throw ValueError(
                fmt::format("AttentionDecoder: the window {} needs a score dot, general or concat",
                            to_string(config.window)));
        }
        return BahdanauAttention<T>({.units = units,
                                     .kernel_initializer = config.kernel_initializer,
                                     .v_initializer = config.kernel_initializer});
    }
    return LuongAttention<T>({.score = config.score,
                              .units = units,
                              .window = config.window,
                              .D = config.D,
                              .kernel_initializer = config.kernel_initializer,
                              .v_initializer = config.kernel_initializer});
}

template <class T>
MemoryAttention<T>& AttentionDecoder<T>::attention() noexcept {
    return std::visit([](auto& attention) -> MemoryAttention<T>& { return attention; }, attention_);
}

template <class T>
void AttentionDecoder<T>::members(Members<T>& members) {
    members.child("attention", attention());
    members.child("cell", *cell_);
    if (luong()) members.parameter("attention_kernel", attention_kernel_);
}

template <class T>
void AttentionDecoder<T>::build_several(const std::vector<PartialShape>& input_shapes) {
    if (input_shapes.size() < 2) {
        throw ValueError(fmt::format("{}: takes {{x, memory, initial states...}}, got {} input{}",
                                     this->description(), input_shapes.size(),
                                     input_shapes.size() == 1 ? "" : "s"));
    }
    const PartialShape &x = input_shapes[0], &memory = input_shapes[1];
    if (x.size() != 3 || x[2] == unknown || memory.size() != 3 || memory[2] == unknown) {
        throw ShapeError(fmt::format(
            "{}: expected x [batch, time, features] and memory [batch, memory time, features], got {} and {}",
            this->description(), to_string(x), to_string(memory)));
    }
    const std::size_t U = cell_->output_size(), M = static_cast<std::size_t>(memory[2]);
    const std::ptrdiff_t fed =
        !luong() ? memory[2] : static_cast<std::ptrdiff_t>(config_.input_feeding ? U : 0);
    const auto Q = static_cast<std::ptrdiff_t>(query_size(*cell_, config_.style));
    // Nothing of the layer is built when the attention refuses the sizes.
    attention().build_for({{unknown, Q}, memory});
    cell_->build({unknown, x[2] + fed});
    if (luong()) attention_kernel_ = parameter(config_.kernel_initializer.template make<T>({M + U, U}));
    features_ = static_cast<std::size_t>(x[2]);
}

template <class T>
AttentionDecoderOutput<T> AttentionDecoder<T>::run(const Variable<T>& x, const Variable<T>& memory,
                                                   const States& initial_state) {
    this->build_for({any_batch(x.shape()), any_batch(memory.shape())});
    if (x.rank() != 3 || x.shape()[2] != features_) {
        throw ShapeError(fmt::format("{}: expected x [batch, time, features={}] (rank 3), got {} (rank {})",
                                     this->description(), features_, to_string(x.shape()), x.rank()));
    }
    const std::size_t B = x.shape()[0], steps = x.shape()[1];
    if (memory.rank() == 3 && memory.shape()[0] != B) {
        throw ShapeError(fmt::format("{}: x {} and memory {} differ in their batch", this->description(),
                                     to_string(x.shape()), to_string(memory.shape())));
    }
    if (x.mask() != nullptr && x.mask()->shape() != Shape{B, steps}) {
        throw ShapeError(fmt::format("{}: expected x's mask [batch={}, time={}], got {}", this->description(),
                                     B, steps, to_string(x.mask()->shape())));
    }
    if (!initial_state.empty()) {
        detail::check_states(this->description(), "initial state", initial_state, cell_->state_size(), B);
    }
    cell_->reset_dropout_masks();
    const auto standard = cell_->standard();
    AttentionDecoderOutput<T> out = standard ? run_as_one_operation(*standard, x, memory, initial_state)
                                             : run_step_by_step(x, memory, initial_state);
    cell_->reset_dropout_masks();
    out.sequence = out.sequence.with_mask_of(x);
    return out;
}

template <class T>
AttentionDecoderOutput<T> AttentionDecoder<T>::run_as_one_operation(const StandardCell<T>& cell,
                                                                    const Variable<T>& x,
                                                                    const Variable<T>& memory,
                                                                    const States& initial_state) {
    const std::string description = this->description();
    AttentionDecoderOperands<T> operands{.x = x,
                                         .memory = memory,
                                         .kernel = cell.weights.kernel,
                                         .recurrent_kernel = cell.weights.recurrent_kernel,
                                         .bias = cell.weights.bias,
                                         .attention_kernel = attention_kernel_};
    if (!initial_state.empty()) operands.initial_h = initial_state[0];
    if (initial_state.size() > 1) operands.initial_c = initial_state[1];
    if (const auto* bahdanau = std::get_if<BahdanauAttention<T>>(&attention_)) {
        operands.query_kernel = bahdanau->query_kernel();
        operands.memory_kernel = bahdanau->memory_kernel();
        operands.query_bias = bahdanau->bias();
        operands.v = bahdanau->v();
    } else {
        const auto& attention = std::get<LuongAttention<T>>(attention_);
        operands.query_kernel = attention.kernel();
        operands.v = attention.v();
        operands.position_kernel = attention.position_kernel();
        operands.position_v = attention.position_v();
    }
    const AttentionDecoderResult<T> r = attention_decoder(operands, {.cell = cell.kind,
                                                                     .style = config_.style,
                                                                     .score = config_.score,
                                                                     .window = config_.window,
                                                                     .D = config_.D,
                                                                     .input_feeding = config_.input_feeding,
                                                                     .mask = x.mask(),
                                                                     .memory_mask = memory.mask(),
                                                                     .caller = description});
    States states{r.h};
    if (r.c) states.push_back(r.c);
    return {r.sequence, r.weights, std::move(states)};
}

template <class T>
AttentionDecoderOutput<T> AttentionDecoder<T>::run_step_by_step(const Variable<T>& x,
                                                                const Variable<T>& memory,
                                                                const States& initial_state) {
    const std::size_t steps = x.shape()[1];
    const AttentionMemory<T> prepared = prepare(memory);
    AttentionDecoderState<T> state = start(prepared, initial_state);
    const Variable<T> no_weights = constant(zeros<T>({x.shape()[0], memory.shape()[1]}));
    Variable<T> output = constant(zeros<T>({x.shape()[0], cell_->output_size()})), weights = no_weights;
    std::vector<Variable<T>> outputs, all_weights;
    const std::vector<Variable<T>> inputs = unstack(x.mask() ? detail::without_padding(x) : x, 1);
    for (std::size_t t = 0; t < steps; ++t) {
        AttentionDecoderStep<T> next = this->step(inputs[t], prepared, state);
        if (x.mask()) {
            const Mask counts = detail::step_of(*x.mask(), t);
            next.output = where(counts, next.output, output);
            next.attention_weights = where(counts, next.attention_weights, weights);
            next.state.output = next.output;
            for (std::size_t i = 0; i < state.cell.size(); ++i)
                next.state.cell[i] = where(counts, next.state.cell[i], state.cell[i]);
        }
        output = next.output;
        weights = next.attention_weights;
        state = std::move(next.state);
        outputs.push_back(output);
        all_weights.push_back(weights);
    }
    if (steps == 0) {
        return {constant(zeros<T>({x.shape()[0], 0, cell_->output_size()})),
                constant(zeros<T>({x.shape()[0], 0, memory.shape()[1]})), std::move(state.cell)};
    }
    return {stack<T>(outputs, 1), stack<T>(all_weights, 1), std::move(state.cell)};
}

template <class T>
AttentionMemory<T> AttentionDecoder<T>::prepare(const Variable<T>& memory) {
    return attention().prepare(memory);
}

template <class T>
AttentionDecoderState<T> AttentionDecoder<T>::start(const AttentionMemory<T>& memory,
                                                    const States& initial_state) const {
    if (!memory.values) {
        throw ValueError(fmt::format("{}: start needs a memory that prepare gave", this->description()));
    }
    const std::size_t B = memory.values.shape()[0];
    if (!initial_state.empty())
        detail::check_states(this->description(), "initial state", initial_state, cell_->state_size(), B);
    return {initial_state.empty() ? cell_->get_initial_state(B) : initial_state,
            constant(zeros<T>({B, cell_->output_size()})), 0};
}

template <class T>
AttentionDecoderStep<T> AttentionDecoder<T>::step(const Variable<T>& x, const AttentionMemory<T>& memory,
                                                  const AttentionDecoderState<T>& state) {
    if (!this->built()) {
        throw ValueError(
            fmt::format("{}: step needs parameters; call build_for({{x's shape, memory's shape}}) before",
                        this->description()));
    }
    if (x.rank() != 2 || x.shape()[1] != features_) {
        throw ShapeError(
            fmt::format("{}: expected x of a step [batch, features={}] (rank 2), got {} (rank {})",
                        this->description(), features_, to_string(x.shape()), x.rank()));
    }
    if (state.cell.size() != cell_->state_size().size())
        throw ValueError(fmt::format("{}: step needs a state that start or step gave", this->description()));
    if (!luong()) {
        AttentionOutput<T> attended =
            attention().attend(state.cell[cell_->output_state()], memory, state.step);
        RecurrentOutput<T> out = (*cell_)(concatenate({x, attended.context}, -1), state.cell);
        return {out.output, attended.weights, {std::move(out.states), out.output, state.step + 1}};
    }
    RecurrentOutput<T> out =
        (*cell_)(config_.input_feeding ? concatenate({x, state.output}, -1) : x, state.cell);
    AttentionOutput<T> attended = attention().attend(out.output, memory, state.step);
    const Variable<T> y = tanh(matmul(concatenate({attended.context, out.output}, -1), attention_kernel_));
    return {y, attended.weights, {std::move(out.states), y, state.step + 1}};
}

template <class T>
std::vector<Variable<T>> AttentionDecoder<T>::call_several(const std::vector<Variable<T>>& inputs) {
    if (inputs.size() < 2) {
        throw ValueError(
            fmt::format("{}: takes {{x, memory, initial states...}}, got one input", this->description()));
    }
    AttentionDecoderOutput<T> out = run(inputs[0], inputs[1], States(inputs.begin() + 2, inputs.end()));
    std::vector<Variable<T>> outputs{std::move(out.sequence)};
    if (config_.return_attention_scores) outputs.push_back(std::move(out.attention_weights));
    if (config_.return_state) outputs.insert(outputs.end(), out.states.begin(), out.states.end());
    return outputs;
}

template <class T>
AttentionDecoderState<T> take_rows(const AttentionDecoderState<T>& state, const Tensor<std::int64_t>& rows) {
    return {.cell = take_rows(state.cell, rows), .output = take_rows(state.output, rows), .step = state.step};
}

template class AttentionDecoder<float>;
template class AttentionDecoder<double>;
template AttentionDecoderState<float> take_rows(const AttentionDecoderState<float>&,
                                                const Tensor<std::int64_t>&);
template AttentionDecoderState<double> take_rows(const AttentionDecoderState<double>&,
                                                 const Tensor<std::int64_t>&);

}  // namespace seqgrad
