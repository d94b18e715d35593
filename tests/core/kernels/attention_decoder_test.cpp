#include "seqgrad/core/kernels/attention_decoder.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/kernels/available.hpp"
#include "core/kernels/definition.hpp"
#include "core/kernels/guarded.hpp"
#include <doctest/doctest.h>

using namespace seqgrad;
using namespace seqgrad::kernels;
using test::Array, test::cast, test::draw, test::worst_difference;

namespace {

using Kind = AttentionDecoderKind;
using Sizes = AttentionDecoderSizes;

/// Everything that goes into a decoder, as scalars of any kind; what the kind has no use for is empty.
template <class S>
struct Operands {
    Array<S> x, memory, kernel, recurrent_kernel, bias, h, c, query_kernel, memory_kernel, query_bias, v,
        position_kernel, position_v, attention_kernel;

    std::vector<Array<S>*> arrays() {
        return {&x,          &memory,          &kernel,        &recurrent_kernel, &bias, &h,
                &c,          &query_kernel,    &memory_kernel, &query_bias,       &v,    &position_kernel,
                &position_v, &attention_kernel};
    }
};

template <class S>
struct Results {
    Array<S> sequence, weights, h, c;

    std::vector<Array<S>*> arrays() { return {&sequence, &weights, &h, &c}; }
};

/// Which steps and which positions count; empty: all.
struct Masks {
    std::vector<char> steps, memory;

    bool step_counts(std::size_t at) const { return steps.empty() || steps[at]; }
    bool position_counts(std::size_t at) const { return memory.empty() || memory[at]; }
};

/// The weights of one sample's positions for the query `h` of step t.
template <class S>
Array<S> attend(const Kind& kind, const Sizes& s, const Masks& masks, const Operands<S>& in, std::size_t b,
                std::size_t t, const S* h) {
    const std::size_t A = s.attention, M = s.memory_features, P = s.position, U = s.units;
    S centre(static_cast<double>(t));
    if (kind.window == Window::local_p) {
        Array<S> hidden(P);
        test::add_product(U, h, in.position_kernel.data(), P, 0, P, hidden.data());
        S sum(0);
        for (std::size_t p = 0; p < P; ++p) sum += in.position_v[p] * std::tanh(hidden[p]);
        std::size_t last = 0;
        for (std::size_t at = 0; at < s.memory; ++at)
            if (masks.position_counts(b * s.memory + at)) last = at;
        centre = S(static_cast<double>(last)) * test::sigmoid(sum);
    }
    Array<S> query(h, h + U);
    if (kind.score != Score::dot) {
        const std::size_t size = kind.score == Score::general ? M : A;
        query = in.query_bias;
        query.resize(size);
        test::add_product(U, h, in.query_kernel.data(), size, 0, size, query.data());
    }
    const auto reach = static_cast<double>(kind.reach);
    Array<S> weights(s.memory);
    S total(0);
    for (std::size_t at = 0; at < s.memory; ++at) {
        const double distance = static_cast<double>(at) - std::real(centre);
        if (!masks.position_counts(b * s.memory + at)) continue;
        if (kind.window != Window::global && std::abs(distance) > reach) continue;
        const S* m = in.memory.data() + (b * s.memory + at) * M;
        S score(0);
        if (kind.score == Score::additive) {
            Array<S> key = query;
            test::add_product(M, m, in.memory_kernel.data(), A, 0, A, key.data());
            for (std::size_t a = 0; a < A; ++a) score += in.v[a] * std::tanh(key[a]);
        } else {
            for (std::size_t k = 0; k < M; ++k) score += query[k] * m[k];
        }
        weights[at] = std::exp(score);
        total += weights[at];
    }
    for (std::size_t at = 0; at < s.memory; ++at) {
        if (weights[at] == S(0)) continue;
        weights[at] /= total;
        if (kind.window == Window::local_p) {
            const S z = (S(static_cast<double>(at)) - centre) / S(reach / 2);
            weights[at] *= std::exp(-z * z / S(2));
        }
    }
    return weights;
}

/// The definition: one sample after the other, one step at a time.
template <class S>
Results<S> reference(const Kind& kind, const Sizes& s, const Masks& masks, const Operands<S>& in) {
    const std::size_t U = s.units, M = s.memory_features;
    Results<S> out{Array<S>(s.batch * s.steps * U), Array<S>(s.batch * s.steps * s.memory), in.h, in.c};
    for (std::size_t b = 0; b < s.batch; ++b) {
        S* const h = out.h.data() + b * U;
        S* const c = kind.cell == Cell::lstm ? out.c.data() + b * U : nullptr;
        Array<S> output(U), weights(s.memory);
        const auto context = [&](std::size_t t) {
            weights = attend(kind, s, masks, in, b, t, h);
            Array<S> mean(M);
            test::add_product(s.memory, weights.data(), in.memory.data() + b * s.memory * M, M, 0, M,
                              mean.data());
            return mean;
        };
        for (std::size_t t = 0; t < s.steps; ++t) {
            const std::size_t row = b * s.steps + t;
            if (masks.step_counts(row)) {
                const S* x = in.x.data() + row * s.features;
                Array<S> fed(x, x + s.features);
                const Array<S> beside =
                    kind.attends_after ? (kind.feeding ? output : Array<S>()) : context(t);
                fed.insert(fed.end(), beside.begin(), beside.end());
                test::take_step(kind.cell, fed.size(), U, fed.data(), in.kernel.data(),
                                in.recurrent_kernel.data(), in.bias.data(), h, c);
                output.assign(h, h + U);
                if (kind.attends_after) {
                    Array<S> both = context(t);
                    both.insert(both.end(), h, h + U);
                    output.assign(U, S(0));
                    test::add_product(M + U, both.data(), in.attention_kernel.data(), U, 0, U, output.data());
                    for (S& y : output) y = std::tanh(y);
                }
            }
            std::copy(output.begin(), output.end(), out.sequence.data() + row * U);
            std::copy(weights.begin(), weights.end(), out.weights.data() + row * s.memory);
        }
    }
    return out;
}

template <class T>
struct Run {
    Results<T> results;
    Operands<T> gradients;
};

/// Both passes of the kernels, whose arrays begin `offset` elements behind a boundary of 64 bytes.
template <class T>
Run<T> run(const Kind& kind, const Sizes& s, const Masks& masks, Operands<T> in, Results<T> cotangents,
           std::size_t offset, InstructionSet set) {
    test::GuardedArrays<T> arrays(offset);
    const T nan = std::numeric_limits<T>::quiet_NaN();
    std::vector<const T*> operands;
    for (const Array<T>* array : in.arrays())
        operands.push_back(array->empty() ? nullptr : arrays.input(*array));
    std::vector<T*> results, targets;
    for (const Array<T>* array : cotangents.arrays())
        results.push_back(arrays.output(Array<T>(array->size(), nan)));
    const auto bits = [](const std::vector<char>& mask) {
        auto copy = std::make_unique<bool[]>(mask.size());
        std::copy(mask.begin(), mask.end(), copy.get());
        return mask.empty() ? nullptr : std::move(copy);
    };
    const auto steps = bits(masks.steps), memory = bits(masks.memory);
    const AttentionDecoderOperands<T> given{.x = operands[0],
                                            .memory = operands[1],
                                            .cell = {operands[2], operands[3], operands[4]},
                                            .initial_h = operands[5],
                                            .initial_c = operands[6],
                                            .query_kernel = operands[7],
                                            .memory_kernel = operands[8],
                                            .query_bias = operands[9],
                                            .v = operands[10],
                                            .position_kernel = operands[11],
                                            .position_v = operands[12],
                                            .attention_kernel = operands[13]};
    auto saved = attention_decoder_forward<T>({.kind = kind,
                                               .sizes = s,
                                               .in = given,
                                               .mask = steps.get(),
                                               .memory_mask = memory.get(),
                                               .sequence = results[0],
                                               .weights = results[1],
                                               .final_h = results[2],
                                               .final_c = results[3]},
                                              set);
    Run<T> r;
    for (std::size_t i = 0; i < results.size(); ++i) *r.results.arrays()[i] = arrays.content(results[i]);

    for (const Array<T>* array : in.arrays())
        targets.push_back(array->empty() ? nullptr : arrays.output(Array<T>(array->size(), nan)));
    const auto target = [&](std::size_t i) { return GradientTarget<T>{targets[i], 0}; };
    attention_decoder_backward<T>({.kind = kind,
                                   .sizes = s,
                                   .in = given,
                                   .d_sequence = arrays.input(cotangents.sequence),
                                   .d_weights = arrays.input(cotangents.weights),
                                   .d_final_h = arrays.input(cotangents.h),
                                   .d_final_c = arrays.input(cotangents.c),
                                   .initial_h = target(5),
                                   .initial_c = target(6),
                                   .bias = target(4),
                                   .kernel = target(2),
                                   .x = target(0),
                                   .recurrent_kernel = target(3),
                                   .attention_kernel = target(13),
                                   .query_kernel = target(7),
                                   .query_bias = target(9),
                                   .memory_kernel = target(8),
                                   .v = target(10),
                                   .position_kernel = target(11),
                                   .position_v = target(12),
                                   .memory = target(1)},
                                  saved, set);
    for (std::size_t i = 0; i < targets.size(); ++i)
        if (targets[i]) *r.gradients.arrays()[i] = arrays.content(targets[i]);
    CHECK(arrays.intact());
    return r;
}

Operands<double> draw_operands(const Kind& kind, const Sizes& s, std::mt19937_64& random) {
    const std::size_t A = s.attention, M = s.memory_features, P = s.position, U = s.units;
    const std::size_t columns = weight_groups(kind.cell) * U;
    const std::size_t fed = kind.attends_after ? (kind.feeding ? U : 0) : M;
    const auto make = [&](std::size_t rows, std::size_t n, bool wanted = true) {
        return draw<double>(wanted ? rows * n : 0, random,
                            1 / std::sqrt(double(std::max<std::size_t>(rows, 1))));
    };
    const bool additive = kind.score == Score::additive, local_p = kind.window == Window::local_p;
    Operands<double> in;
    in.x = draw<double>(s.batch * s.steps * s.features, random);
    in.memory = draw<double>(s.batch * s.memory * M, random);
    in.kernel = make(s.features + fed, columns);
    in.recurrent_kernel = make(U, columns);
    in.bias = draw<double>((kind.cell == Cell::gru ? 2 : 1) * columns, random, 0.5);
    in.h = draw<double>(s.batch * U, random, 0.5);
    in.c = draw<double>(kind.cell == Cell::lstm ? s.batch * U : 0, random);
    in.query_kernel = make(U, additive ? A : M, kind.score != Score::dot);
    in.memory_kernel = make(M, A, additive);
    in.query_bias = draw<double>(additive ? A : 0, random, 0.5);
    in.v = make(A, 1, additive);
    in.position_kernel = make(U, P, local_p);
    in.position_v = make(P, 1, local_p);
    in.attention_kernel = make(M + U, U, kind.attends_after);
    return in;
}

template <class T>
Operands<T> cast_operands(Operands<double> in) {
    Operands<T> out;
    for (std::size_t i = 0; i < in.arrays().size(); ++i) *out.arrays()[i] = cast<T>(*in.arrays()[i]);
    return out;
}

/// Values against the definition; double's gradients against its complex step in a direction of all operands
/// together, float's against double's.
void check(const Kind& kind, Sizes s, std::uint64_t seed) {
    if (kind.score == Score::dot) s.memory_features = s.units = std::max(s.memory_features, s.units);
    if (kind.score != Score::additive) s.attention = 0;
    if (kind.window != Window::local_p) s.position = 0;
    std::mt19937_64 random(seed);
    Operands<double> in = draw_operands(kind, s, random);
    Masks masks;
    const auto draw_mask = [&](std::size_t n) {
        std::vector<char> mask(n);
        for (char& bit : mask) bit = random() % 4 != 0;
        return mask;
    };
    if (seed % 2 == 1) masks = {draw_mask(s.batch * s.steps), draw_mask(s.batch * s.memory)};
    Results<double> want = reference(kind, s, masks, in), cotangents = want;
    for (Array<double>* array : cotangents.arrays()) *array = draw<double>(array->size(), random);

    Operands<double> direction = in;
    for (Array<double>* array : direction.arrays()) {
        const double scale = 1 / std::sqrt(double(std::max<std::size_t>(array->size(), 1)));
        *array = draw<double>(array->size(), random, scale);
    }
    using Complex = std::complex<double>;
    constexpr double step = 1e-30;
    Operands<Complex> moved = cast_operands<Complex>(in);
    for (std::size_t i = 0; i < moved.arrays().size(); ++i) {
        Array<Complex>& array = *moved.arrays()[i];
        for (std::size_t j = 0; j < array.size(); ++j)
            array[j] += Complex(0, step * (*direction.arrays()[i])[j]);
    }
    Results<Complex> moved_results = reference(kind, s, masks, moved);
    double derivative = 0;
    for (std::size_t i = 0; i < cotangents.arrays().size(); ++i) {
        const Array<Complex>& array = *moved_results.arrays()[i];
        for (std::size_t j = 0; j < array.size(); ++j)
            derivative += (*cotangents.arrays()[i])[j] * array[j].imag() / step;
    }

    const Results<float> float_cotangents{cast<float>(cotangents.sequence), cast<float>(cotangents.weights),
                                          cast<float>(cotangents.h), cast<float>(cotangents.c)};
    for (const InstructionSet set : test::available_instruction_sets()) {
        INFO(std::string(to_string(set)), ", cell ", int(kind.cell), ", after ", kind.attends_after,
             ", feeding ", kind.feeding, ", score ", int(kind.score), ", window ", int(kind.window), ", B ",
             s.batch, " T ", s.steps, " S ", s.memory, " D ", s.features, " U ", s.units, " M ",
             s.memory_features, " A ", s.attention, " P ", s.position);
        auto exact = run<double>(kind, s, masks, in, cotangents, seed % 3 == 0, set);
        auto single =
            run<float>(kind, s, masks, cast_operands<float>(in), float_cotangents, seed % 3 == 1, set);
        for (std::size_t i = 0; i < want.arrays().size(); ++i) {
            INFO("result ", i);
            CHECK(worst_difference(*exact.results.arrays()[i], *want.arrays()[i]) <= 1e-12);
            CHECK(worst_difference(*single.results.arrays()[i], *want.arrays()[i]) <= 2e-5);
        }
        double product = 0, largest = 1;
        for (std::size_t i = 0; i < direction.arrays().size(); ++i) {
            const Array<double>& gradient = *exact.gradients.arrays()[i];
            double scale = 1;
            for (std::size_t j = 0; j < gradient.size(); ++j) {
                product += gradient[j] * (*direction.arrays()[i])[j];
                scale = std::max(scale, std::abs(gradient[j]));
            }
            INFO("gradient of operand ", i);
            CHECK(worst_difference(*single.gradients.arrays()[i], gradient) <= 1e-4 * scale);
            largest = std::max(largest, scale);
        }
        CHECK(std::abs(product - derivative) <= 1e-11 * largest);
    }
}

/// All cells, both styles, feeding or not, all scores and windows.
std::vector<Kind> all_kinds() {
    std::vector<Kind> kinds;
    for (const Cell cell : {Cell::simple_rnn, Cell::lstm, Cell::gru, Cell::gru_reset_before}) {
        for (const int style : {0, 1, 2}) {
            for (const Score score : {Score::dot, Score::general, Score::additive}) {
                for (const Window window : {Window::global, Window::local_m, Window::local_p})
                    kinds.push_back({cell, style > 0, style == 2, score, window, 2});
            }
        }
    }
    return kinds;
}

}  // namespace

TEST_CASE("attention decoder kernels agree with the definition for every size from 1 to 67") {
    const std::vector<Kind> kinds = all_kinds();
    std::size_t next = 0;
    const auto some_kind = [&](const auto& suits) {
        // 7 has no factor in common with the number of kinds: each has its turn.
        do {
            next = (next + 7) % kinds.size();
        } while (!suits(kinds[next]));
        return kinds[next];
    };
    constexpr Sizes small{.batch = 2,
                          .steps = 3,
                          .memory = 4,
                          .features = 2,
                          .units = 3,
                          .memory_features = 5,
                          .attention = 3,
                          .position = 2};
    std::uint64_t seed = 0;
    for (const auto axis : {&Sizes::batch, &Sizes::steps, &Sizes::memory, &Sizes::features, &Sizes::units,
                            &Sizes::memory_features, &Sizes::attention, &Sizes::position}) {
        const auto suits = [&](const Kind& kind) {
            if (axis == &Sizes::attention) return kind.score == Score::additive;
            return axis != &Sizes::position || kind.window == Window::local_p;
        };
        for (std::size_t n = 1; n <= 67; ++n) {
            Sizes s = small;
            s.*axis = n;
            for (int i = 0; i < 2; ++i) check(some_kind(suits), s, ++seed);
        }
    }
    for (const Kind& kind : kinds) {
        std::mt19937_64 random(++seed);
        const auto size = [&](std::size_t most) { return 1 + std::size_t(random() % most); };
        const Sizes s{.batch = size(9),
                      .steps = size(6),
                      .memory = size(20),
                      .features = size(9),
                      .units = size(34),
                      .memory_features = size(34),
                      .attention = size(34),
                      .position = size(20)};
        check(kind, s, seed);
    }
}
