#include "seqgrad/core/kernels/recurrent.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <optional>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "core/kernels/available.hpp"
#include "core/kernels/definition.hpp"
#include "core/kernels/guarded.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/tensor.hpp"

using namespace seqgrad;
using namespace seqgrad::kernels;
using test::Array, test::cast, test::draw, test::worst_difference;

namespace {

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

/// The definition: one sample, one step, one unit at a time.
template <class S>
Outputs<S> reference(Cell cell, const RecurrentSizes& s, const TimelineOptions& time, const Inputs<S>& in) {
    Outputs<S> out{Array<S>(s.batch * s.steps * s.units), in.h, in.c};
    for (std::size_t b = 0; b < s.batch; ++b) {
        S* const h = out.h.data() + b * s.units;
        S* const c = cell == Cell::lstm ? out.c.data() + b * s.units : nullptr;
        for (std::size_t p = 0; p < s.steps; ++p) {
            const std::size_t t = time.go_backwards ? s.steps - 1 - p : p;
            if (time.bptt_steps > 0 && p > 0 && p % time.bptt_steps == 0) {
                for (std::size_t u = 0; u < s.units; ++u) {
                    h[u] = std::real(h[u]);
                    if (c) c[u] = std::real(c[u]);
                }
            }
            S* output = out.sequence.data() + (b * s.steps + p) * s.units;
            if (time.mask && !time.mask[b * s.steps + t]) {
                if (p > 0 && !time.zero_output) std::copy(output - s.units, output, output);
                continue;
            }
            test::take_step(cell, s.features, s.units, in.x.data() + (b * s.steps + t) * s.features,
                            in.kernel.data(), in.recurrent_kernel.data(), in.bias.data(), h, c);
            std::copy_n(h, s.units, output);
        }
    }
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

/// How a run differs from the usual one.
template <class T>
struct Way {
    /// Where arrays begin, in elements behind a boundary of 64 bytes.
    std::size_t offset = 0;
    bool keep_gates = true;
    /// Whether the states are kept where the outputs have them too.
    bool keep_h = true;
    /// Gradients are added to `before` when beta is 1.
    T beta = 0, before = std::numeric_limits<T>::quiet_NaN();
};

/// Both passes of the kernels.
template <class T>
Run<T> run(Cell cell, const RecurrentSizes& s, const Timeline& time, const Inputs<T>& in,
           const Outputs<T>& cotangents, const Given& given, InstructionSet set, const Way<T>& way = {}) {
    const std::size_t state = s.batch * s.units, rows = time.rows();
    const bool has_c = cell == Cell::lstm;
    test::GuardedArrays<T> arrays(way.offset);
    const auto input = [&](const Array<T>& content, bool wanted = true) {
        return wanted ? arrays.input(content) : nullptr;
    };
    const auto output = [&](std::size_t n, bool wanted = true) {
        return wanted ? arrays.output(Array<T>(n, std::numeric_limits<T>::quiet_NaN())) : nullptr;
    };

    const T* x = input(in.x);
    const RecurrentWeights<T> weights{input(in.kernel), input(in.recurrent_kernel),
                                      input(in.bias, given.bias)};
    const bool keep_h = way.keep_h || !given.sequence || !time.whole();
    const RecurrentSaved<T> saved{
        output(rows * s.units * gate_groups(cell), cell != Cell::simple_rnn && way.keep_gates),
        output((s.batch + (keep_h ? rows : 0)) * s.units), output((s.batch + rows) * s.units, has_c), keep_h};
    T* const sequence = output(s.batch * s.steps * s.units, given.sequence);
    T* const final_h = output(state);
    T* const final_c = output(state, has_c);
    recurrent_forward<T>({.cell = cell,
                          .sizes = s,
                          .timeline = time,
                          .x = {x},
                          .weights = weights,
                          .initial_h = input(in.h, given.state),
                          .initial_c = input(in.c, given.state && has_c),
                          .sequence = sequence,
                          .final_h = final_h,
                          .final_c = final_c,
                          .saved = saved},
                         set);
    Run<T> r{{arrays.content(sequence), arrays.content(final_h), arrays.content(final_c)}, in};
    std::vector<T*> targets;
    for (const Array<T>* array : r.gradients.arrays())
        targets.push_back(arrays.output(Array<T>(array->size(), way.before)));
    const auto target = [&](std::size_t i, bool wanted = true) {
        return GradientTarget<T>{wanted ? targets[i] : nullptr, way.beta};
    };
    recurrent_backward<T>({.cell = cell,
                           .sizes = s,
                           .timeline = time,
                           .x = {x},
                           .weights = weights,
                           .saved = saved,
                           .gates_kept = way.keep_gates,
                           .sequence = keep_h ? nullptr : sequence,
                           .d_sequence = input(cotangents.sequence, given.sequence),
                           .d_final_h = input(cotangents.h, given.final_state),
                           .d_final_c = input(cotangents.c, given.final_state && has_c),
                           .x_grad = target(0),
                           .kernel_grad = target(1),
                           .recurrent_kernel_grad = target(2),
                           .bias_grad = target(3, given.bias),
                           .initial_h_grad = target(4),
                           .initial_c_grad = target(5, has_c)},
                          set);
    for (std::size_t i = 0; i < targets.size(); ++i) *r.gradients.arrays()[i] = arrays.content(targets[i]);
    CHECK(arrays.intact());
    return r;
}

template <class T>
Outputs<T> infer(Cell cell, const RecurrentSizes& s, const Timeline& time, const Inputs<T>& in,
                 const Given& given, InstructionSet set) {
    const bool has_c = cell == Cell::lstm;
    const auto optional = [](bool wanted, auto& array) { return wanted ? array.data() : nullptr; };
    Outputs<T> out{Array<T>(given.sequence ? s.batch * s.steps * s.units : 0), in.h, in.c};
    recurrent_forward<T>(
        {.cell = cell,
         .sizes = s,
         .timeline = time,
         .x = {in.x.data()},
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

/// The gradients' product with a direction, by the complex step: the imaginary part of the loss at input + i
/// 1e-30 direction.
double directional_derivative(const Problem& p, Inputs<double> direction) {
    using S = std::complex<double>;
    constexpr double step = 1e-30;
    Inputs<double> real = p.in;
    Inputs<S> in;
    for (std::size_t i = 0; i < real.arrays().size(); ++i) {
        Array<S>& moved = *in.arrays()[i];
        moved = cast<S>(*real.arrays()[i]);
        for (std::size_t j = 0; j < moved.size(); ++j) moved[j] += S(0, step * (*direction.arrays()[i])[j]);
    }
    return weighted_sum(reference(p.cell, p.s, p.timeline(), in), p.cotangents).imag() / step;
}

template <class T>
Inputs<T> cast_inputs(Inputs<double> in) {
    return {cast<T>(in.x),    cast<T>(in.kernel), cast<T>(in.recurrent_kernel),
            cast<T>(in.bias), cast<T>(in.h),      cast<T>(in.c)};
}

/// What a problem's kernels should give: values by the definition, the gradients' product with a direction in
/// all inputs together, and, from double's kernels to float's, the gradients.
struct Expected {
    Outputs<double> outputs;
    Inputs<double> direction, gradients;
    double derivative;

    explicit Expected(const Problem& p)
        : outputs(reference(p.cell, p.s, p.timeline(), p.in)), direction(p.in) {
        std::mt19937_64 random(99);
        for (Array<double>* array : direction.arrays()) {
            const double scale = 1 / std::sqrt(double(std::max<std::size_t>(array->size(), 1)));
            *array =
                draw<double>(array->size(), random, array == &direction.bias && !p.given.bias ? 0 : scale);
        }
        derivative = directional_derivative(p, direction);
    }
};

template <class T>
void check(const Problem& p, Expected& expected, double tolerance) {
    const Outputs<double>& want = expected.outputs;
    Inputs<double> poisoned = p.in;
    p.poison_padding(poisoned.x);
    const Inputs<T> in = cast_inputs<T>(poisoned);
    Array<double> d_sequence = p.cotangents.sequence;
    p.poison_zeros(d_sequence);
    const Outputs<T> cotangents{cast<T>(d_sequence), cast<T>(p.cotangents.h), cast<T>(p.cotangents.c)};
    const Timeline time(p.s.batch, p.s.steps, p.timeline());

    for (const InstructionSet set : test::available_instruction_sets()) {
        INFO(std::string(to_string(set)), ", cell ", int(p.cell), ", B ", p.s.batch, " T ", p.s.steps, " D ",
             p.s.features, " U ", p.s.units, ", bias ", p.given.bias, ", state ", p.given.state,
             ", sequence ", p.given.sequence, ", final ", p.given.final_state, ", mask ", int(p.time.mask),
             ", backwards ", p.time.go_backwards, ", zero output ", p.time.zero_output, ", bptt ",
             p.time.bptt_steps);
        auto got = run<T>(p.cell, p.s, time, in, cotangents, p.given, set);
        if (p.given.sequence) CHECK(worst_difference(got.outputs.sequence, want.sequence) <= tolerance);
        CHECK(worst_difference(got.outputs.h, want.h) <= tolerance);
        if (p.cell == Cell::lstm) CHECK(worst_difference(got.outputs.c, want.c) <= tolerance);

        const auto inferred = infer<T>(p.cell, p.s, time, in, p.given, set);
        CHECK(inferred.sequence == got.outputs.sequence);
        CHECK(inferred.h == got.outputs.h);
        if (p.cell == Cell::lstm) CHECK(inferred.c == got.outputs.c);

        auto recomputed = run<T>(p.cell, p.s, time, in, cotangents, p.given, set,
                                 {.offset = 1, .keep_gates = false, .keep_h = false});
        auto as_trained =
            run<T>(p.cell, p.s, time, in, cotangents, p.given, set, {.offset = 1, .keep_h = false});
        double product = 0, largest = 1;
        for (std::size_t i = 0; i < got.gradients.arrays().size(); ++i) {
            const Array<T>& gradient = *got.gradients.arrays()[i];
            if (gradient.empty() || (i == 3 && !p.given.bias)) continue;
            INFO("gradient of input ", i);
            CHECK(*recomputed.gradients.arrays()[i] == gradient);
            CHECK(*as_trained.gradients.arrays()[i] == gradient);
            double scale = 1;
            for (std::size_t j = 0; j < gradient.size(); ++j) {
                product += double(gradient[j]) * (*expected.direction.arrays()[i])[j];
                scale = std::max(scale, std::abs(double(gradient[j])));
            }
            if (!std::is_same_v<T, double>)
                CHECK(worst_difference(gradient, *expected.gradients.arrays()[i]) <= tolerance * scale * 10);
            largest = std::max(largest, scale);
        }
        CHECK(std::abs(product - expected.derivative) <= tolerance * largest * 10);
        if constexpr (std::is_same_v<T, double>) expected.gradients = got.gradients;
    }
}

/// Double to 1e-12, float to the tolerance, if it is not 0.
void check(const Problem& p, double float_tolerance) {
    Expected expected(p);
    check<double>(p, expected, 1e-12);
    if (float_tolerance > 0) check<float>(p, expected, float_tolerance);
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
            check(Problem(cell, s, {true, true, true, true}, ++seed), 1e-5);
        }
    }
}

TEST_CASE("recurrent kernels agree with the definition for every size from 1 to 67") {
    constexpr std::size_t largest = 67;
    std::uint64_t seed = 1000;
    const auto check_size = [&](Cell cell, const RecurrentSizes& s, const Time& time = {}) {
        check(Problem(cell, s, {true, true, true, true}, ++seed, time), 2e-5);
    };
    for (const Cell cell : all_cells) {
        for (std::size_t n = 1; n <= largest; ++n) {
            check_size(cell, {n, 2, 2, 5});
            check_size(cell, {2, n, 2, 3});
            check_size(cell, {2, 2, n, 3});
            check_size(cell, {2, 2, 2, n});
        }
        std::mt19937_64 random(17);
        for (int i = 0; i < 8; ++i) {
            const auto size = [&](std::size_t most) { return 1 + std::size_t(random() % most); };
            const auto kind = i % 2 == 0 ? Time::Kind::none : Time::Kind::right;
            check_size(cell, {size(largest), size(5), size(largest), size(9)}, {.mask = kind});
            check_size(cell, {size(9), size(5), size(5), size(largest)}, {.mask = kind});
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
                for (const std::size_t bptt_steps : {0u, 1u, 2u, 3u, 100u}) {
                    const bool backwards = seed % 2 == 0, zero = seed / 2 % 2 == 0;
                    const Problem p(cell, s, {true, true, true, true}, ++seed,
                                    {kind, backwards, zero, bptt_steps});
                    check(p, bptt_steps == 0 ? 2e-5 : 0);
                }
            }
        }
    }
}

TEST_CASE("bias, initial state, sequence and gradients of the final state may be left out") {
    for (const Cell cell : all_cells) {
        for (unsigned bits = 0; bits < 16; ++bits) {
            const Given given{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
            check(Problem(cell, {5, 4, 3, 9}, given, bits), 0);
            check(Problem(cell, {5, 4, 3, 9}, given, bits, {Time::Kind::gaps}), 0);
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
                auto added = run<T>(cell, s, time, in, cotangents, p.given, instruction_set(),
                                    {.beta = T(1), .before = T(0.25)});
                for (std::size_t i = 0; i < written.gradients.arrays().size(); ++i) {
                    Array<double> want = cast<double>(*written.gradients.arrays()[i]);
                    double scale = 1;
                    for (double& w : want) {
                        w += 0.25;
                        scale = std::max(scale, std::abs(w));
                    }
                    CHECK(worst_difference(*added.gradients.arrays()[i], want) <=
                          32 * std::numeric_limits<T>::epsilon() * scale);
                }
            }
        }
    }
}
