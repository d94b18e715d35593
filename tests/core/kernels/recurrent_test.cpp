#include "seqgrad/core/kernels/recurrent.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <optional>
#include <random>
#include <type_traits>
#include <vector>

#include "core/kernels/available.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/tensor.hpp"

using namespace seqgrad;
using namespace seqgrad::kernels;

namespace {

template <class S>
using Array = std::vector<S>;

/// Everything that goes into a recurrent layer, as scalars of any kind.
template <class S>
struct Inputs {
    Array<S> x, kernel, recurrent_kernel, bias, h, c;

    std::vector<Array<S>*> arrays() { return {&x, &kernel, &recurrent_kernel, &bias, &h, &c}; }
};

template <class S>
struct Outputs {
    Array<S> sequence, h, c;
};

template <class S>
S sigmoid(S x) {
    return S(1) / (S(1) + std::exp(-x));
}

/// The definition: one sample, one step, one unit at a time. Works for complex numbers too, whose imaginary
/// part is the derivative.
template <class S>
Outputs<S> reference(Cell cell, const RecurrentSizes& s, const TimelineOptions& time, const Inputs<S>& in) {
    const std::size_t groups = weight_groups(cell), columns = groups * s.units;
    Outputs<S> out{Array<S>(s.batch * s.steps * s.units), in.h, in.c};
    for (std::size_t b = 0; b < s.batch; ++b) {
        for (std::size_t p = 0; p < s.steps; ++p) {
            const std::size_t t = time.go_backwards ? s.steps - 1 - p : p;
            if (time.bptt_steps > 0 && p > 0 && p % time.bptt_steps == 0) {
                for (std::size_t u = b * s.units; u < (b + 1) * s.units; ++u) {
                    out.h[u] = std::real(out.h[u]);
                    if (cell == Cell::lstm) out.c[u] = std::real(out.c[u]);
                }
            }
            S* output = out.sequence.data() + (b * s.steps + p) * s.units;
            if (time.mask && !time.mask[b * s.steps + t]) {
                if (p > 0 && !time.zero_output) std::copy(output - s.units, output, output);
                continue;
            }
            const Array<S> h0(out.h.begin() + std::ptrdiff_t(b * s.units),
                              out.h.begin() + std::ptrdiff_t((b + 1) * s.units));
            const auto reset_gate = [&](std::size_t u) {
                S sum = in.bias.empty() ? S(0) : in.bias[s.units + u];
                for (std::size_t d = 0; d < s.features; ++d) {
                    sum += in.x[(b * s.steps + t) * s.features + d] * in.kernel[d * columns + s.units + u];
                }
                for (std::size_t k = 0; k < s.units; ++k)
                    sum += h0[k] * in.recurrent_kernel[k * columns + s.units + u];
                return sigmoid(sum);
            };
            for (std::size_t u = 0; u < s.units; ++u) {
                Array<S> a(groups), r(groups);  // input side and recurrent side
                for (std::size_t g = 0; g < groups; ++g) {
                    const std::size_t j = g * s.units + u;
                    if (!in.bias.empty()) a[g] += in.bias[j];
                    if (!in.bias.empty() && cell == Cell::gru) r[g] += in.bias[columns + j];
                    for (std::size_t d = 0; d < s.features; ++d) {
                        a[g] += in.x[(b * s.steps + t) * s.features + d] * in.kernel[d * columns + j];
                    }
                    if (cell == Cell::gru_reset_before && g == 2) continue;
                    for (std::size_t k = 0; k < s.units; ++k)
                        r[g] += h0[k] * in.recurrent_kernel[k * columns + j];
                }
                S& h = out.h[b * s.units + u];
                if (cell == Cell::simple_rnn) {
                    h = std::tanh(a[0] + r[0]);
                } else if (cell == Cell::lstm) {
                    S& c = out.c[b * s.units + u];
                    c = sigmoid(a[1] + r[1]) * c + sigmoid(a[0] + r[0]) * std::tanh(a[2] + r[2]);
                    h = sigmoid(a[3] + r[3]) * std::tanh(c);
                } else if (cell == Cell::gru_reset_before) {
                    for (std::size_t k = 0; k < s.units; ++k) {
                        r[2] += reset_gate(k) * h0[k] * in.recurrent_kernel[k * columns + 2 * s.units + u];
                    }
                    const S z = sigmoid(a[0] + r[0]);
                    h = z * h0[u] + (S(1) - z) * std::tanh(a[2] + r[2]);
                } else {
                    const S z = sigmoid(a[0] + r[0]);
                    h = z * h0[u] + (S(1) - z) * std::tanh(a[2] + sigmoid(a[1] + r[1]) * r[2]);
                }
                output[u] = h;
            }
        }
    }
    return out;
}

template <class S>
Array<S> draw(std::size_t n, std::mt19937_64& random, double scale = 1) {
    std::normal_distribution<double> normal;  // scaled here: the standard asks for a deviation above 0
    Array<S> out(n);
    for (S& v : out) v = static_cast<S>(scale * normal(random));
    return out;
}

template <class To, class From>
Array<To> cast(const Array<From>& from) {
    Array<To> out(from.size());
    std::transform(from.begin(), from.end(), out.begin(), [](From v) { return static_cast<To>(v); });
    return out;
}

/// Which of the optional arguments are given.
struct Given {
    bool bias, state, sequence, final_state;
};

template <class T>
struct Run {
    Outputs<T> outputs;
    Inputs<T> gradients;
};

/// Both passes of the kernels. Gradients are added to `before` when beta is 1.
template <class T>
Run<T> run(Cell cell, const RecurrentSizes& s, const Timeline& time, const Inputs<T>& in,
           const Outputs<T>& cotangents, const Given& given, InstructionSet set, bool keep_gates = true,
           T beta = 0, T before = std::numeric_limits<T>::quiet_NaN()) {
    const std::size_t state = s.batch * s.units;
    const bool has_c = cell == Cell::lstm;
    const T nan = std::numeric_limits<T>::quiet_NaN();
    const auto optional = [](bool wanted, auto& array) { return wanted ? array.data() : nullptr; };

    Run<T> r{{Array<T>(s.batch * s.steps * s.units, nan), Array<T>(state, nan), Array<T>(state, nan)}, in};
    for (Array<T>* array : r.gradients.arrays()) std::fill(array->begin(), array->end(), before);
    // One element too many: no vector may be without storage, since null has a meaning.
    const std::size_t rows = time.rows();
    Array<T> gates(rows * s.units * gate_groups(cell) + 1, nan), h((s.batch + rows) * s.units + 1, nan),
        c((s.batch + rows) * s.units + 1, nan);
    const RecurrentWeights<T> weights{in.kernel.data(), in.recurrent_kernel.data(),
                                      optional(given.bias, in.bias)};
    const RecurrentSaved<T> saved{optional(cell != Cell::simple_rnn && keep_gates, gates), h.data(),
                                  optional(has_c, c)};
    recurrent_forward<T>({.cell = cell,
                          .sizes = s,
                          .timeline = time,
                          .x = in.x.data(),
                          .weights = weights,
                          .initial_h = optional(given.state, in.h),
                          .initial_c = optional(given.state && has_c, in.c),
                          .sequence = optional(given.sequence, r.outputs.sequence),
                          .final_h = r.outputs.h.data(),
                          .final_c = optional(has_c, r.outputs.c),
                          .saved = saved},
                         set);
    const auto target = [&](Array<T>& array, bool wanted = true) {
        return GradientTarget<T>{wanted ? array.data() : nullptr, beta};
    };
    recurrent_backward<T>({.cell = cell,
                           .sizes = s,
                           .timeline = time,
                           .x = in.x.data(),
                           .weights = weights,
                           .saved = saved,
                           .gates_kept = keep_gates,
                           .d_sequence = optional(given.sequence, cotangents.sequence),
                           .d_final_h = optional(given.final_state, cotangents.h),
                           .d_final_c = optional(given.final_state && has_c, cotangents.c),
                           .x_grad = target(r.gradients.x),
                           .kernel_grad = target(r.gradients.kernel),
                           .recurrent_kernel_grad = target(r.gradients.recurrent_kernel),
                           .bias_grad = target(r.gradients.bias, given.bias),
                           .initial_h_grad = target(r.gradients.h),
                           .initial_c_grad = target(r.gradients.c, has_c)},
                          set);
    return r;
}

template <class T>
Outputs<T> infer(Cell cell, const RecurrentSizes& s, const Timeline& time, const Inputs<T>& in,
                 const Given& given, InstructionSet set) {
    const bool has_c = cell == Cell::lstm;
    const auto optional = [](bool wanted, auto& array) { return wanted ? array.data() : nullptr; };
    Outputs<T> out{Array<T>(s.batch * s.steps * s.units), in.h, in.c};
    recurrent_forward<T>(
        {.cell = cell,
         .sizes = s,
         .timeline = time,
         .x = in.x.data(),
         .weights = {in.kernel.data(), in.recurrent_kernel.data(), optional(given.bias, in.bias)},
         .initial_h = optional(given.state, in.h),
         .initial_c = optional(given.state && has_c, in.c),
         .sequence = optional(given.sequence, out.sequence),
         .final_h = out.h.data(),
         .final_c = optional(has_c, out.c),
         .saved = {}},
        set);
    return out;
}

/// How the steps of a problem are taken.
struct Time {
    /// Every sample's steps that count: all, the first ones, the last ones, some, or all of some samples.
    enum class Kind { none, all, right, left, gaps, samples, nothing } mask = Kind::none;
    bool go_backwards = false, zero_output = false;
    std::size_t bptt_steps = 0;
};

Mask draw_mask(Time::Kind kind, const RecurrentSizes& s, std::mt19937_64& random) {
    Mask mask(Shape{s.batch, s.steps});
    for (std::size_t b = 0; b < s.batch; ++b) {
        const std::size_t length = random() % (s.steps + 1);
        const bool sample = random() % 2 == 0;
        for (std::size_t t = 0; t < s.steps; ++t) {
            const bool coin = random() % 3 != 0;
            mask(b, t) = kind == Time::Kind::right     ? t < length
                         : kind == Time::Kind::left    ? t >= length
                         : kind == Time::Kind::gaps    ? coin
                         : kind == Time::Kind::samples ? sample
                                                       : kind != Time::Kind::nothing;
        }
    }
    return mask;
}

/// A layer with everything drawn at random; what is not given is zero.
struct Problem {
    Cell cell;
    RecurrentSizes s;
    Given given;
    Time time;
    std::optional<Mask> mask;
    Inputs<double> in;
    Outputs<double> cotangents;

    Problem(Cell cell_, RecurrentSizes sizes, Given given_, std::uint64_t seed, Time time_ = {})
        : cell(cell_), s(sizes), given(given_), time(time_) {
        std::mt19937_64 random(seed);
        const std::size_t columns = weight_groups(cell) * s.units, state = s.batch * s.units;
        const double scale = 1 / std::sqrt(double(s.units + s.features));
        in.x = draw<double>(s.batch * s.steps * s.features, random);
        in.kernel = draw<double>(s.features * columns, random, scale);
        in.recurrent_kernel = draw<double>(s.units * columns, random, scale);
        in.bias = draw<double>(cell == Cell::gru ? 2 * columns : columns, random, 0.5 * given.bias);
        in.h = draw<double>(state, random, 0.5 * given.state);
        in.c = draw<double>(cell == Cell::lstm ? state : 0, random, given.state);
        cotangents.sequence = draw<double>(s.batch * s.steps * s.units, random, given.sequence);
        cotangents.h = draw<double>(state, random, given.final_state);
        cotangents.c = draw<double>(in.c.size(), random, given.final_state);
        if (time.mask != Time::Kind::none) mask = draw_mask(time.mask, s, random);
    }

    TimelineOptions timeline() const {
        return {mask ? mask->data() : nullptr, time.go_backwards, time.zero_output, time.bptt_steps};
    }
    bool counts(std::size_t b, std::size_t position) const {
        const std::size_t t = time.go_backwards ? s.steps - 1 - position : position;
        return !mask || (*mask)(b, t);
    }
    /// NaN in x where no step counts.
    void poison_padding(Array<double>& x) const {
        for (std::size_t b = 0; b < s.batch; ++b) {
            for (std::size_t p = 0; p < s.steps; ++p) {
                const std::size_t t = time.go_backwards ? s.steps - 1 - p : p;
                if (counts(b, p)) continue;
                for (std::size_t d = 0; d < s.features; ++d)
                    x[(b * s.steps + t) * s.features + d] = std::nan("");
            }
        }
    }
    /// NaN in the gradient of outputs that are zero because no step counts.
    void poison_zeros(Array<double>& d_sequence) const {
        for (std::size_t b = 0; b < s.batch; ++b) {
            bool any = false;
            for (std::size_t p = 0; p < s.steps; ++p) {
                any = any || counts(b, p);
                if (counts(b, p) || (any && !time.zero_output)) continue;
                for (std::size_t u = 0; u < s.units; ++u)
                    d_sequence[(b * s.steps + p) * s.units + u] = std::nan("");
            }
        }
    }
};

template <class S, class C>
S weighted_sum(const Outputs<S>& out, const Outputs<C>& cotangents) {
    S sum = 0;
    for (std::size_t i = 0; i < out.sequence.size(); ++i) sum += S(cotangents.sequence[i]) * out.sequence[i];
    for (std::size_t i = 0; i < out.h.size(); ++i) sum += S(cotangents.h[i]) * out.h[i];
    for (std::size_t i = 0; i < out.c.size(); ++i) sum += S(cotangents.c[i]) * out.c[i];
    return sum;
}

double worst_difference(const Array<double>& got, const Array<double>& want) {
    double worst = got.size() == want.size() ? 0 : std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < got.size() && i < want.size(); ++i) {
        const double difference = std::abs(got[i] - want[i]);
        if (!(difference <= worst)) worst = difference;
    }
    return worst;
}

/// The gradient's product with a direction, by the complex step: the imaginary part of the loss at input + i
/// 1e-30 direction. Shares nothing with back-propagation and has no difference to cancel.
double directional_derivative(const Problem& p, std::size_t array, const Array<double>& direction) {
    using S = std::complex<double>;
    constexpr double step = 1e-30;
    Inputs<double> real = p.in;
    Inputs<S> in;
    for (std::size_t i = 0; i < real.arrays().size(); ++i) *in.arrays()[i] = cast<S>(*real.arrays()[i]);
    Array<S>& moved = *in.arrays()[array];
    for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += S(0, step * direction[i]);
    return weighted_sum(reference(p.cell, p.s, p.timeline(), in), p.cotangents).imag() / step;
}

template <class T>
Inputs<T> cast_inputs(Inputs<double> in) {
    return {cast<T>(in.x),    cast<T>(in.kernel), cast<T>(in.recurrent_kernel),
            cast<T>(in.bias), cast<T>(in.h),      cast<T>(in.c)};
}

/// Values against the definition in double, gradients against complex steps, for one element type.
template <class T>
void check(const Problem& p, double tolerance) {
    const auto want = reference(p.cell, p.s, p.timeline(), p.in);
    Inputs<double> poisoned = p.in;
    p.poison_padding(poisoned.x);
    const Inputs<T> in = cast_inputs<T>(poisoned);
    Array<double> d_sequence = p.cotangents.sequence;
    p.poison_zeros(d_sequence);
    const Outputs<T> cotangents{cast<T>(d_sequence), cast<T>(p.cotangents.h), cast<T>(p.cotangents.c)};
    const Timeline time(p.s.batch, p.s.steps, p.timeline());

    std::mt19937_64 random(99);
    Inputs<double> directions = p.in;
    std::vector<double> derivatives;
    for (std::size_t i = 0; i < directions.arrays().size(); ++i) {
        Array<double>& direction = *directions.arrays()[i];
        direction = draw<double>(direction.size(), random,
                                 1 / std::sqrt(double(std::max<std::size_t>(direction.size(), 1))));
        derivatives.push_back(directional_derivative(p, i, direction));
    }

    for (const InstructionSet set : test::available_instruction_sets()) {
        INFO(to_string(set), ", cell ", int(p.cell), ", B ", p.s.batch, " T ", p.s.steps, " D ", p.s.features,
             " U ", p.s.units, ", bias ", p.given.bias, ", state ", p.given.state, ", sequence ",
             p.given.sequence, ", final ", p.given.final_state, ", mask ", int(p.time.mask), ", backwards ",
             p.time.go_backwards, ", zero output ", p.time.zero_output, ", bptt ", p.time.bptt_steps);
        auto got = run<T>(p.cell, p.s, time, in, cotangents, p.given, set);
        if (p.given.sequence)
            CHECK(worst_difference(cast<double>(got.outputs.sequence), want.sequence) <= tolerance);
        CHECK(worst_difference(cast<double>(got.outputs.h), want.h) <= tolerance);
        if (p.cell == Cell::lstm) CHECK(worst_difference(cast<double>(got.outputs.c), want.c) <= tolerance);

        const auto inferred = infer<T>(p.cell, p.s, time, in, p.given, set);
        if (p.given.sequence) CHECK(inferred.sequence == got.outputs.sequence);
        CHECK(inferred.h == got.outputs.h);
        if (p.cell == Cell::lstm) CHECK(inferred.c == got.outputs.c);

        auto recomputed = run<T>(p.cell, p.s, time, in, cotangents, p.given, set, false);
        for (std::size_t i = 0; i < derivatives.size(); ++i) {
            if (i == 3 && !p.given.bias) continue;
            CHECK(*recomputed.gradients.arrays()[i] == *got.gradients.arrays()[i]);
        }

        for (std::size_t i = 0; i < derivatives.size(); ++i) {
            const Array<T>& gradient = *got.gradients.arrays()[i];
            if (gradient.empty() || (i == 3 && !p.given.bias)) continue;
            double product = 0, scale = 1;
            for (std::size_t j = 0; j < gradient.size(); ++j) {
                product += double(gradient[j]) * (*directions.arrays()[i])[j];
                scale = std::max(scale, std::abs(double(gradient[j])));
            }
            INFO("gradient of input ", i);
            CHECK(std::abs(product - derivatives[i]) <= tolerance * scale * 10);
        }
    }
}

const std::vector<RecurrentSizes> shapes{
    {1, 1, 1, 1},  {2, 3, 4, 5},  {3, 1, 2, 8}, {7, 5, 3, 16}, {5, 4, 2, 17}, {6, 3, 5, 33},  {13, 2, 1, 31},
    {2, 7, 3, 67}, {1, 9, 2, 13}, {0, 3, 2, 4}, {3, 0, 2, 4},  {2, 3, 0, 4},  {600, 3, 1, 3}, {1, 1100, 1, 2},
};

constexpr Cell all_cells[] = {Cell::simple_rnn, Cell::lstm, Cell::gru, Cell::gru_reset_before};

}  // namespace

TEST_CASE("recurrent kernels agree with the definition and its complex-step derivatives") {
    std::uint64_t seed = 1;
    for (const Cell cell : all_cells) {
        for (const RecurrentSizes& s : shapes) {
            const Problem p(cell, s, {true, true, true, true}, ++seed);
            check<double>(p, 1e-12);
            check<float>(p, 1e-5);
        }
    }
}

TEST_CASE("masks, direction and truncation agree with the definition, whatever stands in padding") {
    using enum Time::Kind;
    std::uint64_t seed = 100;
    for (const Cell cell : all_cells) {
        for (const RecurrentSizes& s :
             {RecurrentSizes{1, 6, 2, 5}, RecurrentSizes{7, 5, 3, 16}, RecurrentSizes{13, 7, 2, 17},
              RecurrentSizes{8, 4, 1, 67}, RecurrentSizes{300, 9, 1, 3}, RecurrentSizes{2, 0, 3, 4}}) {
            for (const auto kind : {none, all, right, left, gaps, samples, nothing}) {
                for (const std::size_t bptt_steps : {0, 1, 2, 3, 100}) {
                    const bool backwards = seed % 2 == 0, zero = seed / 2 % 2 == 0;
                    const Problem p(cell, s, {true, true, true, true}, ++seed,
                                    {kind, backwards, zero, bptt_steps});
                    check<double>(p, 1e-12);
                    if (bptt_steps == 0) check<float>(p, 2e-5);
                }
            }
        }
    }
}

TEST_CASE("bias, initial state, sequence and gradients of the final state may be left out") {
    for (const Cell cell : all_cells) {
        for (unsigned bits = 0; bits < 16; ++bits) {
            const Given given{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
            check<double>(Problem(cell, {5, 4, 3, 9}, given, bits), 1e-12);
            check<double>(Problem(cell, {5, 4, 3, 9}, given, bits, {Time::Kind::gaps}), 1e-12);
        }
    }
}

TEST_CASE_TEMPLATE("gradients are added to what is there when beta is 1", T, float, double) {
    for (const Cell cell : all_cells) {
        for (const RecurrentSizes& s :
             {RecurrentSizes{4, 3, 2, 5}, RecurrentSizes{3, 0, 2, 4}, RecurrentSizes{700, 2, 2, 3}}) {
            for (const Time::Kind mask : {Time::Kind::none, Time::Kind::gaps, Time::Kind::nothing}) {
                const Problem p(cell, s, {true, true, true, true}, 5, {.mask = mask});
                const Inputs<T> in = cast_inputs<T>(p.in);
                const Outputs<T> cotangents{cast<T>(p.cotangents.sequence), cast<T>(p.cotangents.h),
                                            cast<T>(p.cotangents.c)};
                const Timeline time(s.batch, s.steps, p.timeline());
                auto written = run<T>(cell, s, time, in, cotangents, p.given, instruction_set());
                auto added =
                    run<T>(cell, s, time, in, cotangents, p.given, instruction_set(), true, T(1), T(0.25));
                for (std::size_t i = 0; i < written.gradients.arrays().size(); ++i) {
                    Array<double> want = cast<double>(*written.gradients.arrays()[i]);
                    double scale = 1;
                    for (double& w : want) {
                        w += 0.25;
                        scale = std::max(scale, std::abs(w));
                    }
                    CHECK(worst_difference(cast<double>(*added.gradients.arrays()[i]), want) <=
                          32 * std::numeric_limits<T>::epsilon() * scale);
                }
            }
        }
    }
}
