#include "seqgrad/core/ops/recurrent.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/anomaly.hpp"
#include "seqgrad/core/internal/gradient_targets.hpp"
#include "seqgrad/core/internal/lookup.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/core/kernels/recurrent.hpp"
#include "seqgrad/core/op.hpp"

namespace seqgrad {
namespace {

using kernels::Cell;
using kernels::GradientTarget;
using kernels::RecurrentSizes;
using kernels::Timeline;

const char* name_of(Cell cell) {
    switch (cell) {
        case Cell::lstm:
            return "lstm";
        case Cell::gru:
        case Cell::gru_reset_before:
            return "gru";
        default:
            return "simple_rnn";
    }
}

template <class T>
struct Operands {
    Variable<T> x, kernel, recurrent_kernel, bias, initial_h, initial_c;
};

/// The lookup that x is, where it pays to multiply the table's rows instead of x's: they are fewer, and a row
/// of the product costs more than a copy of it. Null otherwise.
template <class T>
const detail::Lookup<T>* lookup_of(const Variable<T>& x, const RecurrentSizes& s) {
    const detail::Lookup<T>* lookup = x.requires_grad() ? x.node()->lookup() : nullptr;
    if (lookup == nullptr || lookup->ids.shape() != Shape{s.batch, s.steps} || !lookup->is_current()) {
        return nullptr;
    }
    constexpr std::size_t least_features = 16;
    const bool pays = 2 * lookup->table.shape()[0] <= s.batch * s.steps && s.features >= least_features;
    return pays ? lookup : nullptr;
}

/// x, or the table of the lookup that it is.
template <class T>
kernels::RecurrentX<T> input_of(const Tensor<T>& x, const detail::Lookup<T>* lookup) {
    if (lookup == nullptr) return {x.data()};
    const Tensor<T>& table = lookup->table.value();
    return {table.data(), lookup->ids.data(), table.shape()[0]};
}

/// Throws ShapeError: `expected` describes the operand with its axes, such as "kernel [features, 4
/// units=12]".
[[noreturn]] void refuse(Cell cell, const RecurrentOptions& options, const std::string& expected,
                         const Shape& got) {
    throw ShapeError(fmt::format("{}: expected {} (rank {}), got {} (rank {}).",
                                 options.caller.empty() ? name_of(cell) : options.caller, expected,
                                 1 + std::ranges::count(expected, ','), to_string(got), got.size()));
}

template <class T>
RecurrentSizes check_shapes(Cell cell, const Operands<T>& in, const RecurrentOptions& options) {
    const std::size_t groups = kernels::weight_groups(cell);
    const std::string columns = groups == 1 ? "units" : fmt::format("{} units", groups);
    const auto& recurrent = in.recurrent_kernel;
    // Divided, not multiplied: the product of sizes beside an axis of 0 may wrap around.
    if (recurrent.rank() != 2 || recurrent.shape()[1] % groups != 0 ||
        recurrent.shape()[1] / groups != recurrent.shape()[0]) {
        refuse(cell, options, fmt::format("recurrent_kernel [units, {}]", columns), recurrent.shape());
    }
    const std::size_t units = recurrent.shape()[0];
    if (in.kernel.rank() != 2 || in.kernel.shape()[1] != groups * units) {
        refuse(cell, options, fmt::format("kernel [features, {}={}]", columns, groups * units),
               in.kernel.shape());
    }
    const std::size_t features = in.kernel.shape()[0];
    if (in.x.rank() != 3 || in.x.shape()[2] != features) {
        refuse(cell, options, fmt::format("x [batch, time, features={}]", features), in.x.shape());
    }
    const Shape bias = cell == Cell::gru ? Shape{2, 3 * units} : Shape{groups * units};
    if (in.bias && in.bias.shape() != bias) {
        refuse(cell, options,
               fmt::format("bias [{}{}={}]", cell == Cell::gru ? "2, " : "", columns, groups * units),
               in.bias.shape());
    }
    const std::size_t batch = in.x.shape()[0];
    for (const auto& [name, state] :
         {std::pair{"initial_h", &in.initial_h}, std::pair{"initial_c", &in.initial_c}}) {
        if (*state && state->shape() != Shape{batch, units}) {
            refuse(cell, options, fmt::format("{} [batch={}, units={}]", name, batch, units), state->shape());
        }
    }
    const std::size_t steps = in.x.shape()[1];
    if (options.mask && options.mask->shape() != Shape{batch, steps}) {
        refuse(cell, options, fmt::format("mask [batch={}, time={}]", batch, steps), options.mask->shape());
    }
    const std::string_view op = options.caller.empty() ? name_of(cell) : options.caller;
    for (const Shape& made : {Shape{batch, steps}, Shape{batch, steps, units}, Shape{batch, units}})
        detail::checked(op, made);
    return {batch, steps, features, units};
}

template <class T>
const T* data_or_null(const Variable<T>& v) {
    return v ? v.value().data() : nullptr;
}

/// What the backward pass needs beside the operands, in the layout of kernels::RecurrentSaved.
template <class T>
struct States {
    Tensor<T> gates, h, c;
    bool h_kept;

    States(Cell cell, const RecurrentSizes& s, std::size_t rows, bool keep_gates, bool keep_h)
        : gates(Shape{keep_gates ? rows : 0, kernels::gate_groups(cell) * s.units}),
          h(Shape{s.batch + (keep_h ? rows : 0), s.units}),
          c(Shape{cell == Cell::lstm ? s.batch + rows : 0, s.units}),
          h_kept(keep_h) {}

    kernels::RecurrentSaved<T> pointers(Cell cell) {
        return {gates.shape()[0] == 0 ? nullptr : gates.data(), h.data(),
                cell == Cell::lstm ? c.data() : nullptr, h_kept};
    }
};

/// The backward function. Operands are x, the two kernels, those of bias and initial states that there are,
/// and the table where x is a lookup.
template <class T>
class ThroughTime {
  public:
    /// `sequence` is the result that has the outputs, where there is one.
    ThroughTime(Cell cell, const RecurrentSizes& sizes, Timeline timeline, const Variable<T>* sequence,
                const Operands<T>& in, States<T> states, const detail::Lookup<T>* lookup)
        : cell_(cell),
          sizes_(sizes),
          timeline_(std::move(timeline)),
          returns_sequence_(sequence != nullptr),
          x_(in.x),
          kernel_(in.kernel),
          recurrent_kernel_(in.recurrent_kernel),
          states_(std::move(states)) {
        gates_kept_ = states_.gates.shape()[0] > 0;
        if (in.bias) bias_.emplace(in.bias);
        has_h_ = static_cast<bool>(in.initial_h);
        has_c_ = static_cast<bool>(in.initial_c);
        if (lookup != nullptr) lookup_.emplace(*lookup);
        if (!states_.h_kept) sequence_.emplace(*sequence);
    }

    void operator()(Backward<T>& pass) {
        std::size_t result = 0;
        const auto grad = [&](bool exists) -> const T* {
            const Tensor<T>* g = exists ? pass.grad(result++) : nullptr;
            return g ? g->data() : nullptr;
        };
        detail::GradientTargets<T> targets(pass);
        const auto target = [&](bool exists, std::size_t operand) {
            return exists ? targets.of(operand) : GradientTarget<T>{};
        };
        // Where somebody asks for the gradient of x itself there is no way around x.
        const bool by_table = lookup_ && lookup_->is_current() && !(pass.wants(0) && pass.keeps(0));
        const std::size_t h = 3 + std::size_t{bias_.has_value()}, c = h + std::size_t{has_h_};
        const std::size_t table = c + std::size_t{has_c_};
        kernels::RecurrentBackward<T> call{.cell = cell_,
                                           .sizes = sizes_,
                                           .timeline = timeline_,
                                           .x = input_of(x_.value(), by_table ? &*lookup_ : nullptr),
                                           .weights = weights(),
                                           .saved = states_.pointers(cell_),
                                           .gates_kept = gates_kept_,
                                           .sequence = sequence_ ? sequence_->value().data() : nullptr,
                                           .d_sequence = grad(returns_sequence_),
                                           .d_final_h = grad(true),
                                           .d_final_c = grad(cell_ == Cell::lstm),
                                           .x_grad = target(true, by_table ? table : 0),
                                           .kernel_grad = target(true, 1),
                                           .recurrent_kernel_grad = target(true, 2),
                                           .bias_grad = target(bias_.has_value(), 3),
                                           .initial_h_grad = target(has_h_, h),
                                           .initial_c_grad = target(has_c_, c)};
        kernels::recurrent_backward(call);
        targets.finish();
        // Their place has been taken by their gradients. Where the graph was retained for another pass, they
        // are computed again: cheaper than a copy in every pass.
        gates_kept_ = false;
    }

  private:
    kernels::RecurrentWeights<T> weights() const {
        return {kernel_.value().data(), recurrent_kernel_.value().data(),
                bias_ ? bias_->value().data() : nullptr};
    }

    Cell cell_;
    RecurrentSizes sizes_;
    Timeline timeline_;
    bool returns_sequence_, has_h_, has_c_, gates_kept_;
    Saved<T> x_, kernel_, recurrent_kernel_;
    std::optional<Saved<T>> bias_, sequence_;
    std::optional<detail::Lookup<T>> lookup_;
    States<T> states_;
};

template <class T>
LstmResult<T> run(Cell cell, const Operands<T>& in, const RecurrentOptions& options) {
    const RecurrentSizes s = check_shapes(cell, in, options);
    std::vector<Variable<T>> operands{in.x, in.kernel, in.recurrent_kernel};
    for (const Variable<T>* optional : {&in.bias, &in.initial_h, &in.initial_c}) {
        if (*optional) operands.push_back(*optional);
    }
    const detail::Lookup<T>* lookup = lookup_of(in.x, s);
    if (lookup != nullptr) operands.push_back(lookup->table);
    Timeline timeline(s.batch, s.steps,
                      {.mask = options.mask ? options.mask->data() : nullptr,
                       .go_backwards = options.go_backwards,
                       .zero_output = options.zero_output_for_mask,
                       .bptt_steps = options.bptt_steps});
    std::optional<States<T>> states;
    if (detail::needs_graph<T>(operands)) {
        const bool keep_gates = cell != Cell::simple_rnn && !options.recompute;
        const bool keep_h = !(options.return_sequences && timeline.whole());
        states.emplace(cell, s, timeline.rows(), keep_gates, keep_h);
    }

    // Anomaly mode looks at every step.
    const bool sequence_wanted = options.return_sequences || anomaly_detection_enabled();
    Tensor<T> sequence(sequence_wanted ? Shape{s.batch, s.steps, s.units} : Shape{0});
    Tensor<T> h(Shape{s.batch, s.units}), c(cell == Cell::lstm ? h.shape() : Shape{0});
    kernels::recurrent_forward<T>(
        {.cell = cell,
         .sizes = s,
         .timeline = timeline,
         .x = input_of(in.x.value(), lookup),
         .weights = {in.kernel.value().data(), in.recurrent_kernel.value().data(), data_or_null(in.bias)},
         .initial_h = data_or_null(in.initial_h),
         .initial_c = data_or_null(in.initial_c),
         .sequence = sequence_wanted ? sequence.data() : nullptr,
         .final_h = h.data(),
         .final_c = cell == Cell::lstm ? c.data() : nullptr,
         .saved = states ? states->pointers(cell) : kernels::RecurrentSaved<T>{}});

    if (anomaly_detection_enabled())
        detail::check_steps<T>(name_of(cell), sequence, options.go_backwards, operands);
    std::vector<Variable<T>> results;
    if (options.return_sequences) results.push_back(constant(std::move(sequence)));
    results.push_back(constant(std::move(h)));
    if (cell == Cell::lstm) results.push_back(constant(std::move(c)));
    const std::span<const Variable<T>> values(results), inputs(operands);
    // Without a graph there is nothing to run backward, but anomaly mode still looks at the values.
    results = states ? record_several<T>(name_of(cell), values, inputs,
                                         ThroughTime<T>(cell, s, std::move(timeline),
                                                        options.return_sequences ? &results[0] : nullptr, in,
                                                        std::move(*states), lookup))
                     : record_several<T>(name_of(cell), values, inputs, [](Backward<T>&) {});
    LstmResult<T> out;
    auto next = results.begin();
    if (options.return_sequences) out.sequence = *next++;
    out.h = *next++;
    if (cell == Cell::lstm) out.c = *next++;
    return out;
}

}  // namespace

template <class T>
RecurrentResult<T> simple_rnn(const Variable<T>& x, const Variable<T>& kernel,
                              const Variable<T>& recurrent_kernel, const Variable<T>& bias,
                              const Variable<T>& initial_h, const RecurrentOptions& options) {
    const LstmResult<T> r =
        run<T>(Cell::simple_rnn, {x, kernel, recurrent_kernel, bias, initial_h, {}}, options);
    return {r.sequence, r.h};
}

template <class T>
LstmResult<T> lstm(const Variable<T>& x, const Variable<T>& kernel, const Variable<T>& recurrent_kernel,
                   const Variable<T>& bias, const Variable<T>& initial_h, const Variable<T>& initial_c,
                   const RecurrentOptions& options) {
    return run<T>(Cell::lstm, {x, kernel, recurrent_kernel, bias, initial_h, initial_c}, options);
}

template <class T>
RecurrentResult<T> gru(const Variable<T>& x, const Variable<T>& kernel, const Variable<T>& recurrent_kernel,
                       const Variable<T>& bias, const Variable<T>& initial_h,
                       const RecurrentOptions& options) {
    const Cell cell = options.reset_after ? Cell::gru : Cell::gru_reset_before;
    const LstmResult<T> r = run<T>(cell, {x, kernel, recurrent_kernel, bias, initial_h, {}}, options);
    return {r.sequence, r.h};
}

template RecurrentResult<float> simple_rnn(const Variable<float>&, const Variable<float>&,
                                           const Variable<float>&, const Variable<float>&,
                                           const Variable<float>&, const RecurrentOptions&);
template RecurrentResult<double> simple_rnn(const Variable<double>&, const Variable<double>&,
                                            const Variable<double>&, const Variable<double>&,
                                            const Variable<double>&, const RecurrentOptions&);
template LstmResult<float> lstm(const Variable<float>&, const Variable<float>&, const Variable<float>&,
                                const Variable<float>&, const Variable<float>&, const Variable<float>&,
                                const RecurrentOptions&);
template LstmResult<double> lstm(const Variable<double>&, const Variable<double>&, const Variable<double>&,
                                 const Variable<double>&, const Variable<double>&, const Variable<double>&,
                                 const RecurrentOptions&);
template RecurrentResult<float> gru(const Variable<float>&, const Variable<float>&, const Variable<float>&,
                                    const Variable<float>&, const Variable<float>&, const RecurrentOptions&);
template RecurrentResult<double> gru(const Variable<double>&, const Variable<double>&,
                                     const Variable<double>&, const Variable<double>&,
                                     const Variable<double>&, const RecurrentOptions&);

}  // namespace seqgrad
