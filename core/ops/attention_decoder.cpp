#include "seqgrad/core/ops/attention_decoder.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/anomaly.hpp"
#include "seqgrad/core/internal/gradient_targets.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/core/kernels/attention_decoder.hpp"
#include "seqgrad/core/op.hpp"

namespace seqgrad {
namespace {

using kernels::AttentionDecoderKind;
using kernels::AttentionDecoderSizes;
using kernels::GradientTarget;

template <class T>
using Operands = AttentionDecoderOperands<T>;

kernels::Cell cell_of(CellKind cell) {
    switch (cell) {
        case CellKind::simple_rnn:
            return kernels::Cell::simple_rnn;
        case CellKind::lstm:
            return kernels::Cell::lstm;
        case CellKind::gru:
            return kernels::Cell::gru;
        default:
            return kernels::Cell::gru_reset_before;
    }
}

bool is_additive(AttentionScore score) {
    return score == AttentionScore::bahdanau || score == AttentionScore::concat;
}

AttentionDecoderKind kind_of(const AttentionDecoderOptions& options) {
    const auto score = [&] {
        if (is_additive(options.score)) return kernels::Score::additive;
        return options.score == AttentionScore::dot ? kernels::Score::dot : kernels::Score::general;
    };
    const auto window = [&] {
        if (options.window == AttentionWindow::global) return kernels::Window::global;
        return options.window == AttentionWindow::local_m ? kernels::Window::local_m
                                                          : kernels::Window::local_p;
    };
    return {.cell = cell_of(options.cell),
            .attends_after = options.style == AttentionStyle::luong,
            .feeding = options.input_feeding,
            .score = score(),
            .window = window(),
            .reach = options.D};
}

/// Compares operands with what they have to be, and speaks of those that are not.
class Check {
  public:
    explicit Check(std::string_view caller) : caller_(caller.empty() ? "attention_decoder" : caller) {}

    /// An axis: how messages call it, and its size; any size where it is not known yet.
    struct Axis {
        const char* name;
        std::size_t size;
    };
    static constexpr std::size_t any = static_cast<std::size_t>(-1);

    template <class T>
    void operand(const char* name, const Variable<T>& v, std::initializer_list<Axis> axes) const {
        if (!v) throw ValueError(fmt::format("{}: needs {} {}", caller_, name, describe(axes)));
        shape(name, v.shape(), axes);
    }
    template <class T>
    void optional(const char* name, const Variable<T>& v, std::initializer_list<Axis> axes) const {
        if (v) shape(name, v.shape(), axes);
    }
    template <class T>
    void none(const char* name, const Variable<T>& v) const {
        if (v) throw ValueError(fmt::format("{}: got {}, which it has no use for", caller_, name));
    }
    void shape(const char* name, const Shape& got, std::initializer_list<Axis> axes) const {
        const auto fits = [](std::size_t size, const Axis& axis) {
            return axis.size == any || axis.size == size;
        };
        if (got.size() == axes.size() && std::equal(got.begin(), got.end(), axes.begin(), fits)) return;
        throw ShapeError(fmt::format("{}: expected {} {} (rank {}), got {} (rank {})", caller_, name,
                                     describe(axes), axes.size(), to_string(got), got.size()));
    }
    const std::string& caller() const { return caller_; }

  private:
    static std::string describe(std::initializer_list<Axis> axes) {
        std::string text;
        for (const Axis& axis : axes) {
            text += text.empty() ? "[" : ", ";
            text += axis.size == any ? std::string(axis.name) : fmt::format("{}={}", axis.name, axis.size);
        }
        return text + "]";
    }

    std::string caller_;
};

template <class T>
AttentionDecoderSizes check(const Operands<T>& in, const AttentionDecoderOptions& options) {
    const Check expect(options.caller);
    constexpr std::size_t any = Check::any;
    const kernels::Cell cell = cell_of(options.cell);
    const std::size_t groups = kernels::weight_groups(cell);
    expect.operand("x", in.x, {{"batch", any}, {"time", any}, {"features", any}});
    const std::size_t B = in.x.shape()[0], steps = in.x.shape()[1], D = in.x.shape()[2];
    expect.operand("memory", in.memory, {{"batch", B}, {"memory time", any}, {"features", any}});
    const std::size_t S = in.memory.shape()[1], M = in.memory.shape()[2];
    if (S == 0) {
        throw ShapeError(
            fmt::format("{}: expected memory [batch, memory time, features] with at least one "
                        "position, got {}",
                        expect.caller(), to_string(in.memory.shape())));
    }
    expect.operand("recurrent_kernel", in.recurrent_kernel, {{"units", any}, {"gates x units", any}});
    const std::size_t U = in.recurrent_kernel.shape()[0];
    const std::size_t columns = detail::multiplied(expect.caller(), groups, U);
    expect.shape("recurrent_kernel", in.recurrent_kernel.shape(), {{"units", U}, {"gates x units", columns}});
    if (U == 0) {
        throw ShapeError(
            fmt::format("{}: expected recurrent_kernel [units, gates x units] of at least 1 unit, got {}",
                        expect.caller(), to_string(in.recurrent_kernel.shape())));
    }

    const bool luong = options.style == AttentionStyle::luong;
    if (options.input_feeding && !luong)
        throw ValueError(fmt::format("{}: input_feeding needs the style luong", expect.caller()));
    const std::size_t fed = !luong ? M : options.input_feeding ? U : 0;
    expect.operand(
        "kernel", in.kernel,
        {{luong ? (fed == 0 ? "features" : "features + units") : "features + memory features", D + fed},
         {"gates x units", columns}});
    if (options.cell == CellKind::gru) {
        expect.optional("bias", in.bias, {{"sides", 2}, {"gates x units", columns}});
    } else {
        expect.optional("bias", in.bias, {{"gates x units", columns}});
    }
    expect.optional("initial_h", in.initial_h, {{"batch", B}, {"units", U}});
    if (options.cell == CellKind::lstm) {
        expect.optional("initial_c", in.initial_c, {{"batch", B}, {"units", U}});
    } else {
        expect.none("initial_c", in.initial_c);
    }
    if (luong) {
        expect.operand("attention_kernel", in.attention_kernel,
                       {{"memory features + units", M + U}, {"units", U}});
    } else {
        expect.none("attention_kernel", in.attention_kernel);
    }

    std::size_t A = 0, P = 0;
    if (is_additive(options.score)) {
        expect.operand("v", in.v, {{"attention units", any}});
        A = in.v.shape()[0];
    } else {
        expect.none("v", in.v);
    }
    if (options.score == AttentionScore::bahdanau) {
        expect.operand("query_kernel", in.query_kernel, {{"units", U}, {"attention units", A}});
        expect.operand("memory_kernel", in.memory_kernel, {{"memory features", M}, {"attention units", A}});
        expect.optional("query_bias", in.query_bias, {{"attention units", A}});
    } else {
        expect.none("memory_kernel", in.memory_kernel);
        expect.none("query_bias", in.query_bias);
    }
    if (options.score == AttentionScore::concat) {
        expect.operand("query_kernel", in.query_kernel,
                       {{"units + memory features", U + M}, {"attention units", A}});
    }
    if (options.score == AttentionScore::general)
        expect.operand("query_kernel", in.query_kernel, {{"units", U}, {"memory features", M}});
    if (options.score == AttentionScore::dot) {
        expect.none("query_kernel", in.query_kernel);
        if (U != M) {
            throw ShapeError(fmt::format(
                "{}: the dot score compares units={} with memory features={}, which must be equal",
                expect.caller(), U, M));
        }
    }
    if (options.window == AttentionWindow::local_p) {
        expect.operand("position_v", in.position_v, {{"position units", any}});
        P = in.position_v.shape()[0];
        expect.operand("position_kernel", in.position_kernel, {{"units", U}, {"position units", P}});
    } else {
        expect.none("position_v", in.position_v);
        expect.none("position_kernel", in.position_kernel);
    }
    if (options.window != AttentionWindow::global && options.D == 0)
        throw ValueError(fmt::format("{}: a local window needs D of at least 1", expect.caller()));
    if (options.mask) expect.shape("mask", options.mask->shape(), {{"batch", B}, {"time", steps}});
    if (options.memory_mask)
        expect.shape("memory mask", options.memory_mask->shape(), {{"batch", B}, {"memory time", S}});
    for (const Shape& made : {Shape{B, steps, U}, Shape{B, steps, S}, Shape{B, U}})
        detail::checked(expect.caller(), made);
    return {.batch = B,
            .steps = steps,
            .memory = S,
            .features = D,
            .units = U,
            .memory_features = M,
            .attention = A,
            .position = P};
}

/// The operands, in the order in which they are recorded.
enum Slot : std::size_t {
    initial_h_slot,
    initial_c_slot,
    bias_slot,
    kernel_slot,
    x_slot,
    recurrent_kernel_slot,
    attention_kernel_slot,
    query_kernel_slot,
    query_bias_slot,
    memory_kernel_slot,
    v_slot,
    position_kernel_slot,
    position_v_slot,
    memory_slot,
    slots
};
template <class X>
using Slots = std::array<X, slots>;

template <class T>
Slots<Variable<T>> in_order(const Operands<T>& in) {
    return {in.initial_h,        in.initial_c,    in.bias,       in.kernel,        in.x, in.recurrent_kernel,
            in.attention_kernel, in.query_kernel, in.query_bias, in.memory_kernel, in.v, in.position_kernel,
            in.position_v,       in.memory};
}

/// Where the memory's rows of concat's kernel begin.
std::size_t memory_rows_of_concat(const AttentionDecoderOptions& options, const AttentionDecoderSizes& s) {
    return options.score == AttentionScore::concat ? s.units * s.attention : 0;
}

/// What the kernels read, null where an operand is not given.
template <class T>
kernels::AttentionDecoderOperands<T> pointers(const Slots<const T*>& p, std::size_t concat) {
    return {.x = p[x_slot],
            .memory = p[memory_slot],
            .cell = {.kernel = p[kernel_slot],
                     .recurrent_kernel = p[recurrent_kernel_slot],
                     .bias = p[bias_slot]},
            .initial_h = p[initial_h_slot],
            .initial_c = p[initial_c_slot],
            .query_kernel = p[query_kernel_slot],
            .memory_kernel = concat != 0 ? p[query_kernel_slot] + concat : p[memory_kernel_slot],
            .query_bias = p[query_bias_slot],
            .v = p[v_slot],
            .position_kernel = p[position_kernel_slot],
            .position_v = p[position_v_slot],
            .attention_kernel = p[attention_kernel_slot]};
}

/// The backward function.
template <class T>
class ThroughDecoder {
  public:
    ThroughDecoder(const AttentionDecoderKind& kind, const AttentionDecoderSizes& sizes, std::size_t concat,
                   const Slots<Variable<T>>& operands, kernels::AttentionDecoderSaved<T> saved)
        : kind_(kind), sizes_(sizes), concat_(concat), saved_(std::move(saved)) {
        for (std::size_t i = 0; i < operands.size(); ++i)
            if (operands[i]) values_[i].emplace(operands[i]);
    }

    void operator()(Backward<T>& pass) {
        Slots<const T*> data{};
        for (std::size_t i = 0; i < values_.size(); ++i)
            if (values_[i]) data[i] = values_[i]->value().data();
        detail::GradientTargets<T> separate(pass);
        Slots<GradientTarget<T>> targets{};
        std::size_t operand = 0;
        for (std::size_t i = 0; i < values_.size(); ++i) {
            if (values_[i]) targets[i] = separate.of(operand++);
        }
        const auto grad = [&](std::size_t k) -> const T* {
            const Tensor<T>* g = pass.grad(k);
            return g ? g->data() : nullptr;
        };
        GradientTarget<T> memory_kernel = targets[memory_kernel_slot];
        if (concat_ != 0 && targets[query_kernel_slot].data)
            memory_kernel = {targets[query_kernel_slot].data + concat_, targets[query_kernel_slot].beta};
        kernels::attention_decoder_backward<T>(
            {.kind = kind_,
             .sizes = sizes_,
             .in = pointers<T>(data, concat_),
             .d_sequence = grad(0),
             .d_weights = grad(1),
             .d_final_h = grad(2),
             .d_final_c = kind_.cell == kernels::Cell::lstm ? grad(3) : nullptr,
             .initial_h = targets[initial_h_slot],
             .initial_c = targets[initial_c_slot],
             .bias = targets[bias_slot],
             .kernel = targets[kernel_slot],
             .x = targets[x_slot],
             .recurrent_kernel = targets[recurrent_kernel_slot],
             .attention_kernel = targets[attention_kernel_slot],
             .query_kernel = targets[query_kernel_slot],
             .query_bias = targets[query_bias_slot],
             .memory_kernel = memory_kernel,
             .v = targets[v_slot],
             .position_kernel = targets[position_kernel_slot],
             .position_v = targets[position_v_slot],
             .memory = targets[memory_slot]},
            saved_);
        separate.finish();
    }

  private:
    AttentionDecoderKind kind_;
    AttentionDecoderSizes sizes_;
    std::size_t concat_;
    Slots<std::optional<Saved<T>>> values_;
    kernels::AttentionDecoderSaved<T> saved_;
};

}  // namespace

template <class T>
AttentionDecoderResult<T> attention_decoder(const AttentionDecoderOperands<T>& in,
                                            const AttentionDecoderOptions& options) {
    const AttentionDecoderSizes s = check(in, options);
    const AttentionDecoderKind kind = kind_of(options);
    const Slots<Variable<T>> operands = in_order(in);
    const std::size_t concat = memory_rows_of_concat(options, s);
    std::vector<Variable<T>> given;
    Slots<const T*> data{};
    for (std::size_t i = 0; i < operands.size(); ++i) {
        if (!operands[i]) continue;
        given.push_back(operands[i]);
        data[i] = operands[i].value().data();
    }
    const bool lstm = options.cell == CellKind::lstm;
    Tensor<T> sequence(Shape{s.batch, s.steps, s.units}), weights(Shape{s.batch, s.steps, s.memory});
    Tensor<T> h(Shape{s.batch, s.units}), c(lstm ? h.shape() : Shape{0});
    auto saved = kernels::attention_decoder_forward<T>(
        {.kind = kind,
         .sizes = s,
         .in = pointers<T>(data, concat),
         .mask = options.mask ? options.mask->data() : nullptr,
         .memory_mask = options.memory_mask ? options.memory_mask->data() : nullptr,
         .sequence = sequence.data(),
         .weights = weights.data(),
         .final_h = h.data(),
         .final_c = lstm ? c.data() : nullptr});
    if (anomaly_detection_enabled()) detail::check_steps<T>("attention_decoder", sequence, false, given);
    std::vector<Variable<T>> results{constant(std::move(sequence)), constant(std::move(weights)),
                                     constant(std::move(h))};
    if (lstm) results.push_back(constant(std::move(c)));
    const std::span<const Variable<T>> values(results), inputs(given);
    results = record_several<T>("attention_decoder", values, inputs,
                                ThroughDecoder<T>(kind, s, concat, operands, std::move(saved)));
    return {results[0], results[1], results[2], lstm ? results[3] : Variable<T>()};
}

template AttentionDecoderResult<float> attention_decoder(const AttentionDecoderOperands<float>&,
                                                         const AttentionDecoderOptions&);
template AttentionDecoderResult<double> attention_decoder(const AttentionDecoderOperands<double>&,
                                                          const AttentionDecoderOptions&);

}  // namespace seqgrad
