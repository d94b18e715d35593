#include "seqgrad/core/internal/kernel_checks.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/kernels/scratch.hpp"
#include "seqgrad/core/kernels/tables.hpp"

namespace seqgrad::detail {
namespace {

using namespace kernels;

/// Whole registers of every set, one less and one more, up to several blocks of registers.
constexpr std::array<std::size_t, 16> awkward_sizes{1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 67};
constexpr std::size_t most_samples = 9;

template <class T>
constexpr T unset = std::numeric_limits<T>::quiet_NaN();

template <class T>
constexpr const char* type_name = std::is_same_v<T, float> ? "float" : "double";

/// Numbers that float holds, so that both element types are given the same.
class Draws {
  public:
    explicit Draws(std::uint64_t seed) : engine_(seed) {}

    /// Between -scale and scale.
    std::vector<double> operator()(std::size_t n, double scale = 1) {
        std::vector<double> numbers(n);
        for (double& x : numbers) {
            const double unit = static_cast<double>(engine_() >> 11) * 0x1p-52 - 1;
            x = static_cast<double>(static_cast<float>(scale * unit));
        }
        return numbers;
    }
    /// A matrix that leaves the size of what it is multiplied with.
    std::vector<double> weights(std::size_t rows, std::size_t columns) {
        return (*this)(rows * columns, 1.7 / std::sqrt(static_cast<double>(std::max<std::size_t>(rows, 1))));
    }

  private:
    std::mt19937_64 engine_;
};

template <class T>
std::vector<T> as(const std::vector<double>& numbers) {
    std::vector<T> out(numbers.size());
    std::ranges::transform(numbers, out.begin(), [](double x) { return static_cast<T>(x); });
    return out;
}

/// Null where there is no such array.
template <class T>
T* pointer(std::vector<T>& array) {
    return array.empty() ? nullptr : array.data();
}

/// An array of results, and what it is called.
template <class T>
struct Named {
    const char* name;
    std::vector<T> values;
};

/// f(kernels, precision) with both element types of every set.
template <class F>
void for_each_type(std::span<CheckedSet> sets, const F& f) {
    for (CheckedSet& set : sets) {
        f(set, std::get<0>(set.kernels), set.result.of_float);
        f(set, std::get<1>(set.kernels), set.result.of_double);
    }
}

/// Notes how far `got` is from `want`; `kernel()` and `sizes()` are asked for if it is too far.
template <class T, class Kernel, class Sizes>
void compare(CheckedSet& set, SelfTestPrecision& precision, const std::vector<T>& got,
             const std::vector<double>& want, const Kernel& kernel, const Sizes& sizes) {
    ++set.result.comparisons;
    double scale = 1;
    for (const double x : want) scale = std::max(scale, std::abs(x));
    for (std::size_t i = 0; i < want.size(); ++i) {
        double difference = std::abs(static_cast<double>(got[i]) - want[i]) / scale;
        if (std::isnan(difference)) difference = std::numeric_limits<double>::infinity();
        precision.largest_difference = std::max(precision.largest_difference, difference);
        if (difference <= precision.limit || set.result.fault) continue;
        set.result.fault = SelfTestFault{kernel(), sizes(), want[i], static_cast<double>(got[i])};
    }
}

// Elementwise functions.

template <class T>
struct NamedFunction {
    const char* name;
    typename Elementwise<T>::Function Elementwise<T>::*function;
    double (*definition)(double);
    double lowest, highest;
};

template <class T>
std::array<NamedFunction<T>, 8> elementwise_functions() {
    using E = Elementwise<T>;
    return {{{"exp", &E::exp, [](double x) { return std::exp(x); }, -30, 30},
             {"expm1", &E::expm1, [](double x) { return std::expm1(x); }, -30, 30},
             {"log", &E::log, [](double x) { return std::log(x); }, 0x1p-100, 100},
             {"log1p", &E::log1p, [](double x) { return std::log1p(x); }, -0.999, 100},
             {"tanh", &E::tanh, [](double x) { return std::tanh(x); }, -15, 15},
             {"sigmoid", &E::sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, -30, 30},
             {"softplus", &E::softplus,
              [](double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }, -30, 30},
             {"erf", &E::erf, [](double x) { return std::erf(x); }, -5, 5}}};
}

template <class T>
void check_functions(CheckedSet& set, const CheckedKernels<T>& checked, SelfTestPrecision& precision) {
    Draws draw(1);
    for (const NamedFunction<T>& f : elementwise_functions<T>()) {
        for (std::size_t n = 1; n <= awkward_sizes.back(); ++n) {
            std::vector<double> x = draw(n, (f.highest - f.lowest) / 2);
            for (double& v : x) {
                v = static_cast<double>(static_cast<float>(v + (f.highest + f.lowest) / 2));
                v = std::clamp(v, f.lowest, f.highest);
            }
            std::vector<T> y(n, unset<T>);
            const std::vector<T> in = as<T>(x);
            (checked.elementwise.*f.function)(n, in.data(), y.data());
            for (std::size_t i = 0; i < n; ++i) x[i] = f.definition(static_cast<double>(in[i]));
            compare(
                set, precision, y, x, [&] { return fmt::format("{}, {}", f.name, type_name<T>); },
                [&] { return fmt::format("n={}", n); });
        }
    }
}

// What attention does with the rows of a memory.

template <class T>
void check_rows(CheckedSet& set, const CheckedKernels<T>& checked, SelfTestPrecision& precision,
                std::size_t n, std::size_t d) {
    Draws draw(n * 100 + d);
    const std::vector<double> rows = draw(n * d), query = draw(d), v = draw(d), w = draw(n),
                              before_rows = draw(n * d), before_v = draw(d);
    std::vector<double> dots(n), sum(d), scores(n), d_rows = before_rows, d_query(d), d_v = before_v;
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j < d; ++j) {
            const double row = rows[i * d + j], t = std::tanh(query[j] + row);
            dots[i] += row * v[j];
            sum[j] += w[i] * row;
            scores[i] += v[j] * t;
            d_rows[i * d + j] += w[i] * v[j] * (1 - t * t);
            d_query[j] += w[i] * v[j] * (1 - t * t);
            d_v[j] += w[i] * t;
        }
    }
    const std::vector<T> r = as<T>(rows), q = as<T>(query), u = as<T>(v), weights = as<T>(w);
    std::vector<T> got_dots(n, unset<T>), got_sum(d, unset<T>), got_scores(n, unset<T>),
        got_rows = as<T>(before_rows), got_query(d, unset<T>), got_v = as<T>(before_v);
    const AttentionRows<T>& kernel = checked.attention_rows;
    kernel.dots(n, d, r.data(), u.data(), got_dots.data());
    kernel.weighted_sum(n, d, r.data(), weights.data(), got_sum.data());
    kernel.additive_scores(n, d, r.data(), q.data(), u.data(), got_scores.data());
    kernel.additive_scores_backward(n, d, r.data(), q.data(), u.data(), weights.data(), got_rows.data(),
                                    got_query.data(), got_v.data());
    const auto one = [&](const char* name, const std::vector<T>& got, const std::vector<double>& want) {
        compare(
            set, precision, got, want, [&] { return fmt::format("{}, {}", name, type_name<T>); },
            [&] { return fmt::format("n={} d={}", n, d); });
    };
    one("attention dots", got_dots, dots);
    one("attention weighted sum", got_sum, sum);
    one("additive scores", got_scores, scores);
    one("additive scores backward: gradient of the rows", got_rows, d_rows);
    one("additive scores backward: gradient of the query", got_query, d_query);
    one("additive scores backward: gradient of v", got_v, d_v);
}

// Matrix products.

/// How a product is laid out, and whether its first operand is packed.
struct ProductLayout {
    bool turn_a, turn_b, packs_rows;
    double alpha, beta;
};

constexpr ProductLayout product_layouts[] = {{false, false, false, 1, 0},
                                             {true, false, false, 1, 1},
                                             {true, false, true, -1.5, 0.5},
                                             {false, true, false, 1, 0},
                                             {true, true, true, 2, 1}};

/// Sizes m, n and k with their operands and what comes out, in double.
struct ProductCase {
    ProductLayout layout;
    std::size_t m, n, k;
    std::vector<double> a, b, c, want;

    ProductCase(const ProductLayout& how, std::size_t rows, std::size_t columns, std::size_t depth)
        : layout(how), m(rows), n(columns), k(depth) {
        Draws draw((m * 100 + n) * 100 + k);
        a = draw(m * k);
        b = draw(k * n);
        c = draw(m * n);
        want = c;
        for (std::size_t i = 0; i < m; ++i) {
            for (std::size_t j = 0; j < n; ++j) {
                double sum = 0;
                for (std::size_t p = 0; p < k; ++p)
                    sum += a[how.turn_a ? p * m + i : i * k + p] * b[how.turn_b ? j * k + p : p * n + j];
                want[i * n + j] = how.alpha * sum + how.beta * c[i * n + j];
            }
        }
    }
};

template <class T>
void check_product(CheckedSet& set, const ProductKernels<T>& kernel, SelfTestPrecision& precision,
                   const ProductCase& of) {
    const ProductLayout& how = of.layout;
    const std::vector<T> a = as<T>(of.a), b = as<T>(of.b);
    const std::size_t tiles = (of.m + kernel.tile_rows - 1) / kernel.tile_rows;
    const std::size_t panels = (of.n + kernel.panel_columns - 1) / kernel.panel_columns;
    Scratch<T> rows(how.packs_rows ? tiles * kernel.tile_rows * of.k : 0);
    Scratch<T> panel(kernel.panel_columns * of.k);
    // Whole registers of columns may be left where they are.
    const bool can_stay = !how.turn_b && of.n % kernel.register_columns == 0;
    for (const bool packs_panel : {true, false}) {
        if (!packs_panel && !can_stay) continue;
        // A product that is not to read C must not pass on what stands there.
        std::vector<T> c = how.beta == 0 ? std::vector<T>(of.m * of.n, unset<T>) : as<T>(of.c);
        const Product<T> product{.m = of.m,
                                 .n = of.n,
                                 .k = of.k,
                                 .a = a.data(),
                                 .a_row = how.turn_a ? 1 : of.k,
                                 .a_column = how.turn_a ? of.m : 1,
                                 .b = b.data(),
                                 .b_row = how.turn_b ? 1 : of.n,
                                 .b_column = how.turn_b ? of.k : 1,
                                 .alpha = static_cast<T>(how.alpha),
                                 .beta = static_cast<T>(how.beta),
                                 .c = c.data(),
                                 .c_row = of.n};
        if (how.packs_rows) kernel.pack_rows(product, 0, tiles, rows.data());
        kernel.multiply(product, how.packs_rows ? rows.data() : nullptr, 0, panels * tiles,
                        packs_panel ? panel.data() : nullptr);
        compare(
            set, precision, c, of.want, [] { return fmt::format("matrix product, {}", type_name<T>); },
            [&] {
                return fmt::format("m={} n={} k={}{}{}{}{}", of.m, of.n, of.k, how.turn_a ? ", A^T" : "",
                                   how.turn_b ? ", B^T" : "", how.packs_rows ? ", A packed" : "",
                                   packs_panel ? ", B packed" : "");
            });
    }
}

// Recurrent layers.

constexpr Cell all_cells[] = {Cell::simple_rnn, Cell::lstm, Cell::gru, Cell::gru_reset_before};

const char* name_of(Cell cell) {
    switch (cell) {
        case Cell::simple_rnn:
            return "simple_rnn";
        case Cell::lstm:
            return "lstm";
        case Cell::gru:
            return "gru";
        default:
            return "gru with reset_after=false";
    }
}

/// A layer with its operands, in double, and the gradients of its results.
struct RecurrentCase {
    Cell cell;
    RecurrentSizes sizes;
    /// Of every sample, the steps that count.
    std::vector<std::size_t> lengths;
    std::unique_ptr<bool[]> mask;
    std::vector<double> x, kernel, recurrent_kernel, bias, h, c, d_sequence, d_h, d_c;

    RecurrentCase(Cell of, const RecurrentSizes& all, std::vector<std::size_t> steps)
        : cell(of),
          sizes(all),
          lengths(std::move(steps)),
          mask(std::make_unique<bool[]>(all.batch * all.steps)) {
        const auto [B, T, D, U] = sizes;
        for (std::size_t b = 0; b < B; ++b)
            std::fill_n(mask.get() + b * T, lengths.empty() ? T : lengths[b], true);
        const std::size_t columns = weight_groups(cell) * U, states = cell == Cell::lstm ? B * U : 0;
        Draws draw((B * 100 + U) * 100 + D);
        x = draw(B * T * D);
        kernel = draw.weights(D, columns);
        recurrent_kernel = draw.weights(U, columns);
        bias = draw((cell == Cell::gru ? 2 : 1) * columns, 0.5);
        h = draw(B * U);
        c = draw(states);
        d_sequence = draw(B * T * U);
        d_h = draw(B * U);
        d_c = draw(states);
    }

    std::string text() const {
        const auto [B, T, D, U] = sizes;
        std::string out = fmt::format("B={} T={} D={} U={}", B, T, D, U);
        if (!lengths.empty()) out += fmt::format(", lengths {}", fmt::join(lengths, " "));
        return out;
    }
};

/// Results and gradients.
template <class T>
using Arrays = std::vector<Named<T>>;

constexpr std::size_t recurrent_results = 3;

template <class T>
Arrays<T> run(const RecurrentCase& of, const CheckedKernels<T>& checked) {
    const std::size_t state = of.sizes.batch * of.sizes.units;
    const Timeline time(of.sizes.batch, of.sizes.steps,
                        {.mask = of.lengths.empty() ? nullptr : of.mask.get()});
    const bool has_c = of.cell == Cell::lstm;
    std::vector<T> x = as<T>(of.x), kernel = as<T>(of.kernel), recurrent_kernel = as<T>(of.recurrent_kernel),
                   bias = as<T>(of.bias), h = as<T>(of.h), c = as<T>(of.c), d_sequence = as<T>(of.d_sequence),
                   d_h = as<T>(of.d_h), d_c = as<T>(of.d_c);
    const auto like = [](const std::vector<T>& array) { return std::vector<T>(array.size(), unset<T>); };
    Arrays<T> out{{"sequence", like(d_sequence)},
                  {"final h", like(h)},
                  {"final c", like(c)},
                  {"gradient of x", like(x)},
                  {"gradient of the kernel", like(kernel)},
                  {"gradient of the recurrent kernel", like(recurrent_kernel)},
                  {"gradient of the bias", like(bias)},
                  {"gradient of the initial h", like(h)},
                  {"gradient of the initial c", like(c)}};
    const auto to = [&](std::size_t i) { return pointer(out[i].values); };
    const auto target = [&](std::size_t i) { return GradientTarget<T>{to(i), T(0)}; };
    std::vector<T> gates(of.cell == Cell::simple_rnn ? 0
                                                     : time.rows() * gate_groups(of.cell) * of.sizes.units),
        saved_h(state + time.rows() * of.sizes.units), saved_c(has_c ? saved_h.size() : 0);
    const RecurrentSaved<T> saved{pointer(gates), saved_h.data(), pointer(saved_c)};
    const RecurrentWeights<T> weights{kernel.data(), recurrent_kernel.data(), bias.data()};
    checked.recurrent_forward({.cell = of.cell,
                               .sizes = of.sizes,
                               .timeline = time,
                               .x = {x.data()},
                               .weights = weights,
                               .initial_h = h.data(),
                               .initial_c = pointer(c),
                               .sequence = to(0),
                               .final_h = to(1),
                               .final_c = to(2),
                               .saved = saved});
    checked.recurrent_backward({.cell = of.cell,
                                .sizes = of.sizes,
                                .timeline = time,
                                .x = {x.data()},
                                .weights = weights,
                                .saved = saved,
                                .gates_kept = true,
                                .sequence = nullptr,
                                .d_sequence = d_sequence.data(),
                                .d_final_h = d_h.data(),
                                .d_final_c = pointer(d_c),
                                .x_grad = target(3),
                                .kernel_grad = target(4),
                                .recurrent_kernel_grad = target(5),
                                .bias_grad = target(6),
                                .initial_h_grad = target(7),
                                .initial_c_grad = target(8)});
    return out;
}

/// Compares what every set makes of a case with what the baseline makes of it in double.
template <class Case, class Name>
void check_against_reference(std::span<CheckedSet> sets, const CheckedKernels<double>& reference,
                             const Case& of, std::size_t results, const Name& name) {
    const Arrays<double> want = run<double>(of, reference);
    for_each_type(
        sets, [&]<class T>(CheckedSet& set, CheckedKernels<T>& checked, SelfTestPrecision& precision) {
            if (checked.are_reference) return;
            const Arrays<T> got = run<T>(of, checked);
            for (std::size_t i = 0; i < want.size(); ++i) {
                if (want[i].values.empty()) continue;
                compare(
                    set, precision, got[i].values, want[i].values,
                    [&] {
                        return fmt::format("{} {}, {}: {}", name(), i < results ? "forward" : "backward",
                                           type_name<T>, want[i].name);
                    },
                    [&] { return of.text(); });
            }
        });
}

/// Lengths of which every one is shorter than the one before, the last one possibly 0.
std::vector<std::size_t> falling_lengths(std::size_t batch, std::size_t steps) {
    std::vector<std::size_t> lengths;
    for (std::size_t b = 0; b < batch; ++b) lengths.push_back(steps * (batch - b) / batch);
    return lengths;
}

// Decoders with attention.

struct DecoderCase {
    AttentionDecoderKind kind;
    AttentionDecoderSizes sizes;
    std::vector<double> x, memory, kernel, recurrent_kernel, bias, h, c, query_kernel, memory_kernel,
        query_bias, v, position_kernel, position_v, attention_kernel, d_sequence, d_weights, d_h, d_c;

    DecoderCase(const AttentionDecoderKind& of, const AttentionDecoderSizes& all) : kind(of), sizes(all) {
        const bool additive = kind.score == Score::additive, local_p = kind.window == Window::local_p;
        if (kind.score == Score::dot) sizes.memory_features = sizes.units;
        if (!additive) sizes.attention = 0;
        if (!local_p) sizes.position = 0;
        const std::size_t B = sizes.batch, T = sizes.steps, S = sizes.memory, D = sizes.features,
                          U = sizes.units, M = sizes.memory_features, A = sizes.attention, P = sizes.position;
        const std::size_t columns = weight_groups(kind.cell) * U,
                          states = kind.cell == Cell::lstm ? B * U : 0;
        const std::size_t fed = kind.attends_after ? (kind.feeding ? U : 0) : M;
        Draws draw((B * 100 + U) * 100 + M);
        x = draw(B * T * D);
        memory = draw(B * S * M);
        kernel = draw.weights(D + fed, columns);
        recurrent_kernel = draw.weights(U, columns);
        bias = draw((kind.cell == Cell::gru ? 2 : 1) * columns, 0.5);
        h = draw(B * U, 0.5);
        c = draw(states);
        if (kind.score != Score::dot) query_kernel = draw.weights(U, additive ? A : M);
        memory_kernel = draw.weights(M, A);
        query_bias = draw(A, 0.5);
        v = draw.weights(A, additive ? 1 : 0);
        position_kernel = draw.weights(U, P);
        position_v = draw.weights(P, local_p ? 1 : 0);
        if (kind.attends_after) attention_kernel = draw.weights(M + U, U);
        d_sequence = draw(B * T * U);
        d_weights = draw(B * T * S);
        d_h = draw(B * U);
        d_c = draw(states);
    }

    std::string text() const {
        constexpr const char* scores[] = {"dot", "general", "additive"};
        constexpr const char* windows[] = {"global", "local_m", "local_p"};
        return fmt::format("B={} T={} S={} D={} U={} M={} A={} P={}, {} scores, {} window, attends {}",
                           sizes.batch, sizes.steps, sizes.memory, sizes.features, sizes.units,
                           sizes.memory_features, sizes.attention, sizes.position,
                           scores[static_cast<int>(kind.score)], windows[static_cast<int>(kind.window)],
                           kind.attends_after ? (kind.feeding ? "after the cell, feeding" : "after the cell")
                                              : "before the cell");
    }
};

constexpr std::size_t decoder_results = 4;

template <class T>
Arrays<T> run(const DecoderCase& of, const CheckedKernels<T>& checked) {
    std::vector<T> x = as<T>(of.x), memory = as<T>(of.memory), kernel = as<T>(of.kernel),
                   recurrent_kernel = as<T>(of.recurrent_kernel), bias = as<T>(of.bias), h = as<T>(of.h),
                   c = as<T>(of.c), query_kernel = as<T>(of.query_kernel),
                   memory_kernel = as<T>(of.memory_kernel), query_bias = as<T>(of.query_bias),
                   v = as<T>(of.v), position_kernel = as<T>(of.position_kernel),
                   position_v = as<T>(of.position_v), attention_kernel = as<T>(of.attention_kernel),
                   d_sequence = as<T>(of.d_sequence), d_weights = as<T>(of.d_weights), d_h = as<T>(of.d_h),
                   d_c = as<T>(of.d_c);
    const auto like = [](const std::vector<T>& array) { return std::vector<T>(array.size(), unset<T>); };
    Arrays<T> out{{"sequence", like(d_sequence)},
                  {"weights", like(d_weights)},
                  {"final h", like(h)},
                  {"final c", like(c)},
                  {"gradient of x", like(x)},
                  {"gradient of the memory", like(memory)},
                  {"gradient of the kernel", like(kernel)},
                  {"gradient of the recurrent kernel", like(recurrent_kernel)},
                  {"gradient of the bias", like(bias)},
                  {"gradient of the initial h", like(h)},
                  {"gradient of the initial c", like(c)},
                  {"gradient of the query kernel", like(query_kernel)},
                  {"gradient of the memory kernel", like(memory_kernel)},
                  {"gradient of the query bias", like(query_bias)},
                  {"gradient of v", like(v)},
                  {"gradient of the position kernel", like(position_kernel)},
                  {"gradient of the position v", like(position_v)},
                  {"gradient of the attention kernel", like(attention_kernel)}};
    const auto to = [&](std::size_t i) { return pointer(out[i].values); };
    const auto target = [&](std::size_t i) { return GradientTarget<T>{to(i), T(0)}; };
    const AttentionDecoderOperands<T> in{.x = x.data(),
                                         .memory = memory.data(),
                                         .cell = {kernel.data(), recurrent_kernel.data(), bias.data()},
                                         .initial_h = h.data(),
                                         .initial_c = pointer(c),
                                         .query_kernel = pointer(query_kernel),
                                         .memory_kernel = pointer(memory_kernel),
                                         .query_bias = pointer(query_bias),
                                         .v = pointer(v),
                                         .position_kernel = pointer(position_kernel),
                                         .position_v = pointer(position_v),
                                         .attention_kernel = pointer(attention_kernel)};
    AttentionDecoderSaved<T> saved = checked.decoder_forward({.kind = of.kind,
                                                              .sizes = of.sizes,
                                                              .in = in,
                                                              .mask = nullptr,
                                                              .memory_mask = nullptr,
                                                              .sequence = to(0),
                                                              .weights = to(1),
                                                              .final_h = to(2),
                                                              .final_c = to(3)});
    checked.decoder_backward({.kind = of.kind,
                              .sizes = of.sizes,
                              .in = in,
                              .d_sequence = d_sequence.data(),
                              .d_weights = d_weights.data(),
                              .d_final_h = d_h.data(),
                              .d_final_c = pointer(d_c),
                              .initial_h = target(9),
                              .initial_c = target(10),
                              .bias = target(8),
                              .kernel = target(6),
                              .x = target(4),
                              .recurrent_kernel = target(7),
                              .attention_kernel = target(17),
                              .query_kernel = target(11),
                              .query_bias = target(13),
                              .memory_kernel = target(12),
                              .v = target(14),
                              .position_kernel = target(15),
                              .position_v = target(16),
                              .memory = target(5)},
                             saved);
    return out;
}

template <class T>
CheckedKernels<T> checked_kernels(InstructionSet set) {
    const Table<T>& of = table<T>(set);
    CheckedKernels<T> checked{*of.elementwise, *of.attention, std::nullopt, {}, {}, {}, {}};
    if (of.product != nullptr) checked.product = *of.product;
    checked.recurrent_forward = [set](const RecurrentForward<T>& pass) { recurrent_forward(pass, set); };
    checked.recurrent_backward = [set](const RecurrentBackward<T>& pass) { recurrent_backward(pass, set); };
    checked.decoder_forward = [set](const AttentionDecoderForward<T>& pass) {
        return attention_decoder_forward(pass, set);
    };
    checked.decoder_backward = [set](const AttentionDecoderBackward<T>& pass,
                                     AttentionDecoderSaved<T>& saved) {
        attention_decoder_backward(pass, saved, set);
    };
    checked.are_reference = set == InstructionSet::baseline && std::is_same_v<T, double>;
    return checked;
}

}  // namespace

CheckedSet checked_set(InstructionSet set) {
    // Differences that rounding explains are a tenth of these at most.
    constexpr double limit_of_float = 2e-5, limit_of_double = 1e-13;
    CheckedSet checked{{checked_kernels<float>(set), checked_kernels<double>(set)}, {}};
    checked.result.instruction_set = to_string(set);
    checked.result.of_float.limit = limit_of_float;
    checked.result.of_double.limit = limit_of_double;
    return checked;
}

void check_elementwise(std::span<CheckedSet> sets) {
    for_each_type(sets, [](CheckedSet& set, auto& checked, SelfTestPrecision& precision) {
        check_functions(set, checked, precision);
    });
}

void check_attention_rows(std::span<CheckedSet> sets) {
    for_each_type(sets, [](CheckedSet& set, auto& checked, SelfTestPrecision& precision) {
        for (std::size_t d = 1; d <= awkward_sizes.back(); ++d)
            for (const std::size_t n : {1U, 2U, 3U, 4U, 5U, 9U}) check_rows(set, checked, precision, n, d);
    });
}

void check_products(std::span<CheckedSet> sets) {
    constexpr std::size_t rows[] = {1, 5, 6, 7, 13, 33};
    for (const ProductLayout& layout : product_layouts) {
        for (const std::size_t m : rows) {
            for (const std::size_t n : awkward_sizes) {
                for (const std::size_t k : {1U, 4U, 17U}) {
                    const ProductCase of(layout, m, n, k);
                    for_each_type(sets, [&](CheckedSet& set, auto& checked, SelfTestPrecision& precision) {
                        if (checked.product) check_product(set, *checked.product, precision, of);
                    });
                }
            }
        }
    }
}

void check_recurrent(std::span<CheckedSet> sets) {
    const CheckedKernels<double> reference = checked_kernels<double>(InstructionSet::baseline);
    const auto check = [&](const RecurrentCase& of) {
        check_against_reference(sets, reference, of, recurrent_results, [&] { return name_of(of.cell); });
    };
    for (const Cell cell : all_cells) {
        for (std::size_t B = 1; B <= most_samples; ++B) {
            for (const std::size_t U : awkward_sizes) {
                check({cell, {.batch = B, .steps = 3, .features = 5, .units = U}, {}});
                const std::size_t steps = B + 1;
                check({cell,
                       {.batch = B, .steps = steps, .features = 2, .units = U},
                       falling_lengths(B, steps)});
            }
            for (const std::size_t D : awkward_sizes)
                check({cell, {.batch = B, .steps = 2, .features = D, .units = 17}, {}});
        }
        // More units than one part of them has, and few samples left in most of many steps.
        for (const std::size_t B : {1U, 3U, 9U})
            check({cell, {.batch = B, .steps = 2, .features = 3, .units = 259}, {}});
        check({cell,
               {.batch = 8, .steps = 1500, .features = 3, .units = 33},
               {20, 20, 20, 1500, 20, 20, 20, 20}});
    }
}

void check_attention_decoder(std::span<CheckedSet> sets) {
    const CheckedKernels<double> reference = checked_kernels<double>(InstructionSet::baseline);
    std::size_t turn = 0;
    // Sizes take turns, so that each meets each of the kinds' parts.
    const auto next = [&](std::size_t step) { return awkward_sizes[turn * step % awkward_sizes.size()]; };
    for (std::size_t round = 0; round < 2; ++round) {
        for (const Cell cell : all_cells) {
            for (const int style : {0, 1, 2}) {
                for (const Score score : {Score::dot, Score::general, Score::additive}) {
                    for (const Window window : {Window::global, Window::local_m, Window::local_p}) {
                        ++turn;
                        const DecoderCase of({cell, style > 0, style == 2, score, window, 2},
                                             {.batch = 1 + turn % most_samples,
                                              .steps = 3,
                                              .memory = 1 + turn % 7,
                                              .features = 3,
                                              .units = next(5),
                                              .memory_features = next(3),
                                              .attention = next(7),
                                              .position = next(11)});
                        check_against_reference(sets, reference, of, decoder_results, [&] {
                            return fmt::format("attention decoder over {}", name_of(cell));
                        });
                    }
                }
            }
        }
    }
}

}  // namespace seqgrad::detail
