#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/activations.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/attention.hpp"
#include "seqgrad/core/ops/attention_decoder.hpp"
#include "seqgrad/core/ops/dropout.hpp"
#include "seqgrad/core/ops/elementary.hpp"
#include "seqgrad/core/ops/index.hpp"
#include "seqgrad/core/ops/join.hpp"
#include "seqgrad/core/ops/linear.hpp"
#include "seqgrad/core/ops/matmul.hpp"
#include "seqgrad/core/ops/normalization.hpp"
#include "seqgrad/core/ops/recurrent.hpp"
#include "seqgrad/core/ops/reduce.hpp"
#include "seqgrad/core/ops/shape.hpp"
#include "seqgrad/core/ops/slice.hpp"
#include "seqgrad/core/ops/softmax.hpp"
#include "seqgrad/core/random.hpp"

using namespace seqgrad;

// Sizes at both ends of what a number of that type can be, for every operation.

namespace {

using V = Variable<double>;
using Indices = Tensor<std::int64_t>;

/// What a call that is to throw ShapeError says; "" where it does not.
std::string refusal(const std::function<void()>& call) {
    try {
        call();
    } catch (const ShapeError& e) {
        return e.what();
    }
    return "";
}

V none(const Shape& shape) {
    return constant(zeros<double>(shape));
}

}  // namespace

TEST_CASE("sizes that wrap around are refused in the operation's name") {
    // big^2 is 0 in 64 bits, 4 quarter is, and 2 half is.
    const std::size_t big = std::size_t{1} << 32, quarter = std::size_t{1} << 62, half = std::size_t{1} << 63;
    const std::size_t minus_3 = static_cast<std::size_t>(-3);
    const V one = none({1}), four = none({4});
    const auto check = [](const char* op, const std::function<void()>& call) {
        CAPTURE(op);
        const std::string said = refusal(call);
        CAPTURE(said);
        CHECK(said.starts_with(std::string(op) + ": "));
        CHECK(said.find("too large") + said.find("than memory has addresses") + 1 != std::string::npos);
    };
    const auto along = [](std::ptrdiff_t axis) { return ReduceOptions{.axis = axis}; };

    for (const std::size_t n : {half, quarter, big << 29}) {
        check("repeat", [&] { repeat(one, n, 0); });
        check("repeat", [&] { repeat(four, n, 0); });
        check("repeat", [&] { repeat(none({0, 4}), n, 1); });
        check("one_hot", [&] { one_hot<double>(Indices(Shape{0}), n); });
        check("pad", [&] { pad(one, {{n, 0}}); });
        check("pad", [&] { pad(one, {{0, n}}); });
        check("pad", [&] { pad(one, {{n, half}}); });
    }
    check("tile", [&] { tile(one, {quarter}); });
    check("tile", [&] { tile(four, {quarter}); });
    check("tile", [&] { tile(one, {big, big}); });
    check("pad", [&] { pad(four, {{minus_3, 0}}); });
    check("pad", [&] { pad(four, {{0, minus_3}}); });
    check("pad", [&] { pad(four, {{half, half}}); });
    check("pad", [&] { pad(none({1, 1}), {{big, 0}, {0, big}}); });
    check("broadcast_to", [&] { broadcast_to(one, {big, big}); });
    check("broadcast_to", [&] { broadcast_to(one, {big, big, big}); });
    check("broadcast_to", [&] { broadcast_to(none({0, 1, 1}), {0, quarter, quarter}); });
    check("concatenate", [&] { concatenate({none({half, 0}), none({half, 0})}); });
    check("matmul", [&] { matmul(none({big, 0}), none({0, big})); });
    check("matmul", [&] { matmul(none({big, 1, 0}), none({1, 0, big})); });
    check("vecdot", [&] { vecdot(none({big, 1, 0}), none({1, big, 0})); });
    check("linear", [&] { linear(none({big, 0}), none({0, big})); });
    check("dot_scores", [&] { dot_scores(none({1, big, 0}), none({1, big, 0})); });
    check("additive_scores", [&] { additive_scores(none({1, big, 0}), none({1, big, 0}), none({0})); });
    const V rows = none({big, big, 0});
    check("sum", [&] { sum(rows, along(-1)); });
    check("mean", [&] { mean(rows, along(-1)); });
    check("max", [&] { max(rows, along(-1)); });
    check("min", [&] { min(rows, along(-1)); });
    check("logsumexp", [&] { logsumexp(rows, along(-1)); });
    check("variance", [&] { variance(rows, along(-1)); });
    check("softmax_cross_entropy", [&] { softmax_cross_entropy(rows, rows); });
    check("transpose", [&] { transpose(rows); });
    check("swapaxes", [&] { swapaxes(rows, 0, 2); });
    // Four gates of a quarter of all numbers have no columns.
    const V x = none({1, 1, 1});
    CHECK(refusal([&] {
              lstm(x, none({1, 0}), none({quarter, 0}));
          }).starts_with("lstm: expected recurrent_kernel"));
    check("simple_rnn", [&] { simple_rnn(none({big, big, 0}), none({0, 1}), none({1, 1})); });
    check("simple_rnn", [&] { simple_rnn(none({quarter, 0, 0}), none({0, 8}), none({8, 8})); });
    check("attention_decoder", [&] {
        attention_decoder<double>({.x = none({1, 1, 1}),
                                   .memory = none({1, 1, 1}),
                                   .kernel = none({2, 0}),
                                   .recurrent_kernel = none({quarter, 0})},
                                  {.cell = CellKind::lstm});
    });
}

TEST_CASE("makers of tensors refuse shapes that wrap around") {
    const std::size_t big = std::size_t{1} << 32;
    Generator generator(0);
    const GeneratorState before = generator.state();
    for (const Shape& shape : {Shape{big, big}, Shape{4, std::size_t{1} << 62},
                               Shape{static_cast<std::size_t>(-3)}, Shape{0, big, big}}) {
        CAPTURE(to_string(shape));
        CHECK_THROWS_AS(zeros<float>(shape), ShapeError);
        CHECK_THROWS_AS(ones<double>(shape), ShapeError);
        CHECK_THROWS_AS(full<std::int64_t>(shape, 1), ShapeError);
        CHECK_THROWS_AS(full<bool>(shape, true), ShapeError);
        CHECK_THROWS_AS(tensor<float>(shape, std::span<const float>{}), ShapeError);
        CHECK_THROWS_AS(generator.uniform<float>(shape), ShapeError);
        CHECK_THROWS_AS(generator.normal<float>(shape), ShapeError);
        CHECK_THROWS_AS(generator.truncated_normal<float>(shape), ShapeError);
        CHECK_THROWS_AS(generator.integers(shape, 0, 2), ShapeError);
        CHECK_THROWS_AS(generator.bernoulli<float>(shape, 0.5), ShapeError);
    }
    CHECK(generator.state() == before);
    // An axis before an empty one multiplies nothing.
    CHECK(zeros<float>({big, big, 0}).size() == 0);
}

TEST_CASE("a size of an unsigned type is not taken for a negative one") {
    const V x = none({4});
    const std::size_t minus_1 = static_cast<std::size_t>(-1);
    CHECK_THROWS_AS(reshape(x, {minus_1}), ValueError);
    CHECK_THROWS_AS(reshape(x, Shape{minus_1}), ValueError);
    CHECK_THROWS_AS(reshape(x, minus_1), ValueError);
    CHECK(reshape(x, {2, -1}).shape() == Shape{2, 2});
}

namespace {

/// The sizes of an operation by their letters.
class Sizes {
  public:
    Sizes(std::string_view letters, std::size_t empty) : letters_(letters), empty_(empty) {}
    /// 2, 3, ... in the letters' order, but 0 for those chosen.
    std::size_t operator[](char letter) const {
        const std::size_t at = letters_.find(letter);
        return (empty_ >> at & 1) != 0 ? 0 : at + 2;
    }
    std::string empty_ones() const {
        std::string all;
        for (std::size_t at = 0; at < letters_.size(); ++at)
            if ((empty_ >> at & 1) != 0) all += letters_[at];
        return all;
    }

    /// A parameter of small numbers.
    V operator()(const Shape& shape) const {
        Tensor<double> value = zeros<double>(shape);
        for (std::size_t i = 0; i < value.size(); ++i)
            value.data()[i] = 0.1 * static_cast<double>(i % 7) - 0.25;
        parameters_.push_back(parameter(std::move(value)));
        return parameters_.back();
    }
    Indices zero_indices(const Shape& shape) const { return zeros<std::int64_t>(shape); }

    const std::vector<V>& parameters() const { return parameters_; }

  private:
    std::string_view letters_;
    std::size_t empty_;
    mutable std::vector<V> parameters_;
};

struct Result {
    V value;
    Shape shape;  // what it has to be
};

struct EmptyCase {
    const char* op;
    std::string_view letters;
    std::function<std::vector<Result>(const Sizes&)> run;
    /// The letters that must not be 0 ...
    std::string_view refused = "";
    /// ... unless one of these is, so that there is no result.
    std::string_view unless = "";
    /// Whether NumPy's value of no elements is not finite.
    bool may_be_infinite = false;
};

bool any_of(std::string_view letters, const std::string& chosen) {
    return chosen.find_first_of(letters) != std::string::npos;
}

bool all_finite(const Tensor<double>& t) {
    return std::ranges::all_of(elements(t), [](double v) { return std::isfinite(v); });
}

/// Runs the operation and its backward pass for every set of sizes that are 0 together.
void check_empty(const EmptyCase& c) {
    CAPTURE(c.op);
    for (std::size_t empty = 0; empty < std::size_t{1} << c.letters.size(); ++empty) {
        const Sizes sizes(c.letters, empty);
        const std::string chosen = sizes.empty_ones();
        CAPTURE(chosen);
        bool refused = false;
        try {
            V loss;
            for (const auto& [value, shape] : c.run(sizes)) {
                CHECK(value.shape() == shape);
                if (!c.may_be_infinite) CHECK(all_finite(value.value()));
                loss = loss ? loss + sum(value) : sum(value);
            }
            if (loss.requires_grad()) backward(loss);
            for (const V& parameter : sizes.parameters()) {
                REQUIRE(parameter.has_grad());
                CHECK(parameter.grad().shape() == parameter.shape());
                if (!c.may_be_infinite) CHECK(all_finite(parameter.grad()));
            }
        } catch (const ShapeError&) {
            refused = true;
        } catch (const ValueError&) {
            refused = true;
        }
        CHECK(refused == (any_of(c.refused, chosen) && !any_of(c.unless, chosen)));
    }
}

using Results = std::vector<Result>;

template <class F>
EmptyCase elementwise(const char* op, F f) {
    return {op, "BD", [f](const Sizes& n) -> Results {
                const Shape shape{n['B'], n['D']};
                return {{f(n(shape)), shape}};
            }};
}

template <class F>
EmptyCase broadcast(const char* op, F f) {
    return {op, "BD", [f](const Sizes& n) -> Results {
                const Shape shape{n['B'], n['D']};
                return {{f(n(shape), n({n['D']})), shape}, {f(n({n['B'], 1}), n(shape)), shape}};
            }};
}

template <class F>
EmptyCase reduction(const char* op, F f, bool may_be_infinite, bool needs_elements = false) {
    return {op,
            "BD",
            [f](const Sizes& n) -> Results {
                return {{f(n({n['B'], n['D']}), ReduceOptions{.axis = -1}), Shape{n['B']}}};
            },
            needs_elements ? "D" : "",
            "B",
            may_be_infinite};
}

std::vector<Result> recurrent(const Sizes& n, std::size_t kind, const RecurrentOptions& options) {
    const std::size_t B = n['B'], T = n['T'], D = n['D'], U = n['U'];
    const std::size_t g = kind == 0 ? 1 : kind == 1 ? 4 : 3;
    const V x = n({B, T, D}), kernel = n({D, g * U}), recurrent_kernel = n({U, g * U});
    const V bias = n(kind == 2 && options.reset_after ? Shape{2, g * U} : Shape{g * U}), h = n({B, U});
    const auto results = [&](const V& sequence, const V& last) {
        Results all{{last, {B, U}}};
        if (options.return_sequences) all.push_back({sequence, {B, T, U}});
        return all;
    };
    if (kind == 1) {
        const auto r = lstm(x, kernel, recurrent_kernel, bias, h, n({B, U}), options);
        Results all = results(r.sequence, r.h);
        all.push_back({r.c, {B, U}});
        return all;
    }
    const auto r = kind == 0 ? simple_rnn(x, kernel, recurrent_kernel, bias, h, options)
                             : gru(x, kernel, recurrent_kernel, bias, h, options);
    return results(r.sequence, r.h);
}

/// An attention decoder of all letters: batch, time, features, units, positions and size of the memory,
/// attention's and position's units.
Results decoder(const Sizes& n, const AttentionDecoderOptions& options) {
    const std::size_t B = n['B'], T = n['T'], D = n['D'], U = n['U'], S = n['S'];
    const std::size_t M = options.score == AttentionScore::dot ? U : n['M'];
    const std::size_t g = options.cell == CellKind::lstm ? 4 : options.cell == CellKind::simple_rnn ? 1 : 3;
    const bool luong = options.style == AttentionStyle::luong;
    AttentionDecoderOperands<double> in{
        .x = n({B, T, D}),
        .memory = n({B, S, M}),
        .kernel = n({D + (!luong                  ? M
                          : options.input_feeding ? U
                                                  : 0),
                     g * U}),
        .recurrent_kernel = n({U, g * U}),
        .bias = n(options.cell == CellKind::gru ? Shape{2, g * U} : Shape{g * U}),
        .initial_h = n({B, U})};
    if (options.cell == CellKind::lstm) in.initial_c = n({B, U});
    if (luong) in.attention_kernel = n({M + U, U});
    switch (options.score) {
        case AttentionScore::bahdanau:
            in.query_kernel = n({U, n['A']});
            in.memory_kernel = n({M, n['A']});
            in.query_bias = n({n['A']});
            in.v = n({n['A']});
            break;
        case AttentionScore::concat:
            in.query_kernel = n({U + M, n['A']});
            in.v = n({n['A']});
            break;
        case AttentionScore::general:
            in.query_kernel = n({U, M});
            break;
        default:
            break;
    }
    if (options.window == AttentionWindow::local_p) {
        in.position_kernel = n({U, n['P']});
        in.position_v = n({n['P']});
    }
    const auto r = attention_decoder(in, options);
    Results all{{r.sequence, {B, T, U}}, {r.weights, {B, T, S}}, {r.h, {B, U}}};
    if (r.c) all.push_back({r.c, {B, U}});
    return all;
}

}  // namespace

TEST_CASE("operations on elements compute or refuse sizes of 0") {
    for (const EmptyCase& c : {
             elementwise("tanh", [](const V&x) { return tanh(x); }),
             elementwise("sigmoid", [](const V&x) { return sigmoid(x); }),
             elementwise("hard_sigmoid", [](const V&x) { return hard_sigmoid(x); }),
             elementwise("relu", [](const V&x) { return relu(x); }),
             elementwise("leaky_relu", [](const V&x) { return leaky_relu(x); }),
             elementwise("elu", [](const V&x) { return elu(x); }),
             elementwise("selu", [](const V&x) { return selu(x); }),
             elementwise("softplus", [](const V&x) { return softplus(x); }),
             elementwise("gelu", [](const V&x) { return gelu(x); }),
             elementwise("gelu approximate", [](const V&x) { return gelu(x, true); }),
             elementwise("silu", [](const V&x) { return silu(x); }),
             elementwise("softsign", [](const V&x) { return softsign(x); }),
             elementwise("negative", [](const V&x) { return negative(x); }),
             elementwise("power", [](const V&x) { return power(x, 3.0); }),
             elementwise("exp", [](const V&x) { return exp(x); }),
             elementwise("expm1", [](const V&x) { return expm1(x); }),
             elementwise("log", [](const V&x) { return log(x + 1); }),
             elementwise("log1p", [](const V&x) { return log1p(x); }),
             elementwise("sqrt", [](const V&x) { return sqrt(x + 1); }),
             elementwise("square", [](const V&x) { return square(x); }),
             elementwise("abs", [](const V&x) { return abs(x); }),
             elementwise("reciprocal", [](const V&x) { return reciprocal(x + 1); }),
             elementwise("sin", [](const V&x) { return sin(x); }),
             elementwise("cos", [](const V&x) { return cos(x); }),
             elementwise("clip", [](const V&x) { return clip(x, -0.1, 0.1); }),
             elementwise("dropout",
                         [](const V&x) {
                             Generator generator(1);
                             return dropout(x, 0.5, generator);
                         }),
             elementwise("dropout with a noise shape",
                         [](const V&x) {
                             Generator generator(1);
                             return dropout(x, 0.5, generator, {x.shape()[0], 1});
                         }),
             elementwise("where",
                         [](const V&x) {
                             return where(full<bool>({x.shape()[0], 1}, true), x, V(x));
                         }),
             broadcast("add", [](const V&a, const V&b) { return a + b; }),
             broadcast("subtract", [](const V&a, const V&b) { return a - b; }),
             broadcast("multiply", [](const V&a, const V&b) { return a * b; }),
             broadcast("divide", [](const V&a, const V&b) { return a / (b + 1); }),
             broadcast("power", [](const V&a, const V&b) { return power(a + 1, b); }),
             broadcast("minimum", [](const V&a, const V&b) { return minimum(a, b); }),
             broadcast("maximum", [](const V&a, const V&b) { return maximum(a, b); }),
         }) {
        check_empty(c);
    }
}

TEST_CASE("reductions and distributions compute or refuse sizes of 0") {
    const auto over_classes = [](const char* op, auto f) -> EmptyCase {
        return {op, "BD", [f](const Sizes& n) -> Results {
                    const Shape shape{n['B'], n['D'], 2};
                    return {{f(n(shape), -1), shape}, {f(n(shape), 1), shape}, {f(n(shape), 0), shape}};
                }};
    };
    for (const EmptyCase& c : {
             reduction(
                 "sum", [](const V&x, const ReduceOptions&o) { return sum(x, o); }, false),
             reduction(
                 "mean", [](const V&x, const ReduceOptions&o) { return mean(x, o); }, true),
             reduction(
                 "max", [](const V&x, const ReduceOptions&o) { return max(x, o); }, false, true),
             reduction(
                 "min", [](const V&x, const ReduceOptions&o) { return min(x, o); }, false, true),
             reduction(
                 "logsumexp", [](const V&x, const ReduceOptions&o) { return logsumexp(x, o); }, true),
             reduction(
                 "variance", [](const V&x, const ReduceOptions&o) { return variance(x, o); }, true),
             over_classes("softmax", [](const V&x, int axis) { return softmax(x, axis); }),
             over_classes("log_softmax", [](const V&x, int axis) { return log_softmax(x, axis); }),
             over_classes("layer_norm", [](const V&x, int axis) { return layer_norm(x, {}, {}, axis); }),
             EmptyCase{"layer_norm with weights", "BD",
                       [](const Sizes&n) -> Results {
                           const Shape shape{n['B'], n['D']};
                           return {{layer_norm(n(shape), n({n['D']}), n({n['D']})), shape}};
                       }},
             EmptyCase{"softmax_cross_entropy", "BV",
                       [](const Sizes&n) -> Results {
                           return {{softmax_cross_entropy(n({n['B'], n['V']}), n.zero_indices({n['B']})),
                                    Shape{n['B']}}};
                       },
                       "V", "B"},
             EmptyCase{"softmax_cross_entropy with distributions", "BV",
                       [](const Sizes&n) -> Results {
                           const Shape shape{n['B'], n['V']};
                           return {{softmax_cross_entropy(n(shape), n(shape)), Shape{n['B']}}};
                       }},
             EmptyCase{"masked_softmax", "BTS",
                       [](const Sizes&n) -> Results {
                           const Shape shape{n['B'], n['T'], n['S']};
                           Mask mask = full<bool>({n['B'], n['S']}, true);
                           mask.reshape(Shape{n['B'], std::size_t{1}, n['S']});
                           return {{masked_softmax(n(shape), &mask), shape},
                                   {masked_softmax(n(shape), nullptr), shape}};
                       }},
         }) {
        check_empty(c);
    }
}

TEST_CASE("operations that move elements compute or refuse sizes of 0") {
    for (const EmptyCase& c : {
             EmptyCase{"reshape and flatten", "BD",
                       [](const Sizes& n) -> Results {
                           const std::size_t B = n['B'], D = n['D'];
                           return {{reshape(n({B, D}), {D, B}), {D, B}},
                                   {flatten(n({B, D})), {B * D}},
                                   {expand_dims(n({B, D}), {0, 2}), {1, B, 1, D}},
                                   {squeeze(n({B, 1, D}), {1}), {B, D}},
                                   {squeeze(n({B, 1, D})), {B, D}}};
                       }},
             EmptyCase{"reshape with a size to find", "BD",
                       [](const Sizes& n) -> Results {
                           return {{reshape(n({n['B'], n['D']}), {n['B'], -1}), {n['B'], n['D']}}};
                       },
                       "B"},
             EmptyCase{"transpose, flip and broadcast_to", "BTD",
                       [](const Sizes& n) -> Results {
                           const std::size_t B = n['B'], T = n['T'], D = n['D'];
                           const Shape shape{B, T, D};
                           return {{transpose(n(shape)), {D, T, B}},
                                   {transpose(n(shape), {2, 0, 1}), {D, B, T}},
                                   {swapaxes(n(shape)), {B, D, T}},
                                   {flip(n(shape)), shape},
                                   {flip(n(shape), {1}), shape},
                                   {broadcast_to(n({T, 1}), shape), shape},
                                   {broadcast_to(n({1, 1, D}), shape), shape}};
                       }},
             EmptyCase{"slice and split", "BD",
                       [](const Sizes& n) -> Results {
                           const std::size_t B = n['B'], D = n['D'];
                           Results all{
                               {slice(n({B, D}), {seqgrad::all, Range{.start = 1}}), {B, D == 0 ? 0 : D - 1}},
                               {slice(n({B, D}), {Range{.step = -2}}), {(B + 1) / 2, D}}};
                           for (const V& part : split(n({B, 2 * D}), 2, 1)) all.push_back({part, {B, D}});
                           for (const V& part : split_sizes(n({B, D}), {0, -1}, 1))
                               all.push_back({part, {B, all.size() % 2 == 0 ? 0 : D}});
                           return all;
                       }},
             EmptyCase{"select", "BD",
                       [](const Sizes& n) -> Results {
                           return {{select(n({n['B'], n['D']}), 1, -1), {n['B']}}};
                       },
                       "D"},
             EmptyCase{"concatenate and stack", "BDE",
                       [](const Sizes& n) -> Results {
                           const std::size_t B = n['B'], D = n['D'], E = n['E'];
                           return {{concatenate({n({B, D}), n({B, E})}, 1), {B, D + E}},
                                   {concatenate({n({D, B}), n({E, B})}, 0), {D + E, B}},
                                   {stack({n({B, D}), n({B, D})}, 1), {B, 2, D}}};
                       }},
             EmptyCase{"pad, repeat and tile", "BDR",
                       [](const Sizes& n) -> Results {
                           const std::size_t B = n['B'], D = n['D'], R = n['R'];
                           return {{pad(n({B, D}), {{R, 1}, {0, R}}, 0.5), {B + R + 1, D + R}},
                                   {repeat(n({B, D}), R, 0), {B * R, D}},
                                   {repeat(n({B, D}), R, 1), {B, D * R}},
                                   {tile(n({B, D}), {R, 2, 1}), {R, 2 * B, D}}};
                       }},
             EmptyCase{"take, with nothing to take from", "VD",
                       [](const Sizes& n) -> Results {
                           return {{take(n({n['V'], n['D']}), n.zero_indices({3}), 0), {3, n['D']}},
                                   {embedding_lookup(n({n['V'], n['D']}), n.zero_indices({3})), {3, n['D']}},
                                   {take_along_axis(n({n['V'], n['D']}), n.zero_indices({3, n['D']}), 0),
                                    {3, n['D']}}};
                       },
                       "V"},
             EmptyCase{"take nothing", "VDI",
                       [](const Sizes& n) -> Results {
                           const std::size_t V = n['V'] + 1, D = n['D'], I = n['I'];
                           return {{take(n({V, D}), n.zero_indices({I}), 0), {I, D}},
                                   {take(n({D, V}), n.zero_indices({I, 2}), 1), {D, I, 2}},
                                   {embedding_lookup(n({V, D}), n.zero_indices({I})), {I, D}},
                                   {take_along_axis(n({V, D}), n.zero_indices({I, D}), 0), {I, D}},
                                   {scatter_add(n({V, D}), n.zero_indices({I}), n({I, D})), {V, D}}};
                       }},
         }) {
        check_empty(c);
    }
    CHECK(one_hot<double>(Indices(Shape{0}), 3).shape() == Shape{0, 3});
    CHECK(one_hot<double>(Indices(Shape{0}), 0).shape() == Shape{0, 0});
    CHECK_THROWS_AS(one_hot<double>(zeros<std::int64_t>({2}), 0), ValueError);
    CHECK(unstack(none({0, 3})).empty());
    CHECK(unstack(none({3, 0})).size() == 3);
    CHECK_THROWS_AS(split(none({3, 0}), 0, 1), ValueError);
}

TEST_CASE("products compute sizes of 0") {
    for (const EmptyCase& c : {
             EmptyCase{"matmul", "BTDU",
                       [](const Sizes& n) -> Results {
                           const std::size_t B = n['B'], T = n['T'], D = n['D'], U = n['U'];
                           return {{matmul(n({T, D}), n({D, U})), {T, U}},
                                   {matmul(n({B, T, D}), n({D, U})), {B, T, U}},
                                   {matmul(n({B, T, D}), n({B, D, U})), {B, T, U}},
                                   {matmul(n({T, D}), n({B, D, U})), {B, T, U}},
                                   {matmul(n({D}), n({D, U})), {U}},
                                   {matmul(n({T, D}), n({D})), {T}},
                                   {matmul(n({D}), n({D})), {}}};
                       }},
             EmptyCase{"vecdot", "BD",
                       [](const Sizes& n) -> Results {
                           const std::size_t B = n['B'], D = n['D'];
                           return {{vecdot(n({B, D}), n({D})), {B}}, {vecdot(n({B, D}), n({B, D}), 0), {D}}};
                       }},
             EmptyCase{"linear", "BTDU",
                       [](const Sizes& n) -> Results {
                           const std::size_t B = n['B'], T = n['T'], D = n['D'], U = n['U'];
                           return {{linear(n({B, T, D}), n({D, U}), n({U})), {B, T, U}},
                                   {linear(n({B, D}), n({D, U})), {B, U}}};
                       }},
             EmptyCase{"dot_scores and additive_scores", "BTSD",
                       [](const Sizes& n) -> Results {
                           const std::size_t B = n['B'], T = n['T'], S = n['S'], D = n['D'];
                           return {{dot_scores(n({B, T, D}), n({B, S, D})), {B, T, S}},
                                   {additive_scores(n({B, T, D}), n({B, S, D}), n({D})), {B, T, S}}};
                       }},
         }) {
        check_empty(c);
    }
}

TEST_CASE("recurrent operations compute sizes of 0") {
    for (const std::size_t kind : {std::size_t{0}, std::size_t{1}, std::size_t{2}}) {
        for (const bool flag : {false, true}) {
            for (const RecurrentOptions& options :
                 {RecurrentOptions{.return_sequences = flag},
                  RecurrentOptions{.go_backwards = true, .bptt_steps = 2},
                  RecurrentOptions{.recompute = flag, .reset_after = false}}) {
                check_empty({kind == 0   ? "simple_rnn"
                             : kind == 1 ? "lstm"
                                         : "gru",
                             "BTDU", [&](const Sizes& n) { return recurrent(n, kind, options); }});
            }
        }
        check_empty({"masked", "BTDU", [&](const Sizes& n) {
                         Mask mask = full<bool>({n['B'], n['T']}, true);
                         if (mask.size() != 0) mask.data()[mask.size() - 1] = false;
                         return recurrent(n, kind, {.mask = &mask});
                     }});
    }
    // Where x is looked up in a table, the table's gradient is computed without x.
    check_empty({"looked up", "BVDU",
                 [](const Sizes& n) -> Results {
                     const std::size_t D = n['D'] == 0 ? 0 : 16, U = n['U'], steps = 9;
                     const V x = embedding_lookup(n({n['V'], D}), n.zero_indices({n['B'], steps}));
                     return {{simple_rnn(x, n({D, U}), n({U, U})).h, {n['B'], U}}};
                 },
                 "V", "B"});
}

TEST_CASE("attention decoders compute sizes of 0, but for units and the memory's steps") {
    for (const CellKind cell :
         {CellKind::simple_rnn, CellKind::lstm, CellKind::gru, CellKind::gru_reset_before}) {
        check_empty(
            {"bahdanau", "BTDUSMA", [&](const Sizes& n) { return decoder(n, {.cell = cell}); }, "US"});
    }
    check_empty({"luong dot", "BTDUS",
                 [](const Sizes& n) {
                     return decoder(n, {.style = AttentionStyle::luong, .score = AttentionScore::dot});
                 },
                 "US"});
    for (const AttentionStyle style : {AttentionStyle::bahdanau, AttentionStyle::luong}) {
        for (const AttentionWindow window : {AttentionWindow::global, AttentionWindow::local_m}) {
            for (const bool fed : {false, true}) {
                if (fed && style == AttentionStyle::bahdanau) continue;
                check_empty({"general", "BTDUSM",
                             [&](const Sizes& n) {
                                 return decoder(n, {.style = style,
                                                    .score = AttentionScore::general,
                                                    .window = window,
                                                    .D = 1,
                                                    .input_feeding = fed});
                             },
                             "US"});
                check_empty({"concat", "BTDUSMA",
                             [&](const Sizes& n) {
                                 return decoder(n, {.style = style,
                                                    .score = AttentionScore::concat,
                                                    .window = window,
                                                    .D = 1,
                                                    .input_feeding = fed});
                             },
                             "US"});
            }
        }
        check_empty({"local_p", "BTDUSMP",
                     [&](const Sizes& n) {
                         return decoder(n, {.style = style,
                                            .score = AttentionScore::general,
                                            .window = AttentionWindow::local_p,
                                            .D = 1});
                     },
                     "US"});
    }
}
