#include "seqgrad/core/ops/attention_decoder.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include "support/difference.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/reduce.hpp"
#include "seqgrad/core/random.hpp"

using namespace seqgrad;

namespace {

Variable<double> normal(std::int64_t seed, const Shape& shape) {
    return parameter(Generator(seed).normal<double>(shape));
}

/// Two samples of three steps and four positions; D 2, U 3, M 4, A 2.
AttentionDecoderOperands<double> bahdanau(CellKind cell = CellKind::gru) {
    const std::size_t gates = cell == CellKind::simple_rnn ? 1 : cell == CellKind::lstm ? 4 : 3;
    return {.x = normal(1, {2, 3, 2}),
            .memory = normal(2, {2, 4, 4}),
            .kernel = normal(3, {6, 3 * gates}),
            .recurrent_kernel = normal(4, {3, 3 * gates}),
            .query_kernel = normal(5, {3, 2}),
            .memory_kernel = normal(6, {4, 2}),
            .v = normal(7, {2})};
}

AttentionDecoderOperands<double> luong() {
    return {.x = normal(1, {2, 3, 2}),
            .memory = normal(2, {2, 4, 4}),
            .kernel = normal(3, {5, 9}),
            .recurrent_kernel = normal(4, {3, 9}),
            .query_kernel = normal(5, {3, 4}),
            .attention_kernel = normal(6, {7, 3})};
}

constexpr AttentionDecoderOptions feeding{
    .style = AttentionStyle::luong, .score = AttentionScore::general, .input_feeding = true};

}  // namespace

TEST_CASE("attention_decoder: a retained graph runs backward again, with the same gradients") {
    Mask mask({2, 3}, true);
    mask(1, 1) = false;
    struct Case {
        AttentionDecoderOperands<double> in;
        AttentionDecoderOptions options;
    };
    std::vector<Case> cases{{luong(), feeding}};
    for (const auto cell :
         {CellKind::simple_rnn, CellKind::lstm, CellKind::gru, CellKind::gru_reset_before}) {
        cases.push_back({bahdanau(cell), {.cell = cell}});
    }
    for (Case& c : cases) {
        c.options.mask = &mask;
        const auto r = attention_decoder(c.in, c.options);
        const Variable<double> loss = sum(r.sequence * r.sequence) + sum(r.weights * r.weights);
        std::vector<Variable<double>> wanted{c.in.x, c.in.memory, c.in.kernel, c.in.recurrent_kernel,
                                             c.in.query_kernel};
        backward(loss, {.retain_graph = true});
        std::vector<Tensor<double>> first;
        for (Variable<double>& v : wanted) {
            first.push_back(v.grad());
            v.clear_grad();
        }
        backward(loss);
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            CAPTURE(i);
            CHECK(test::largest_difference(wanted[i].grad(), first[i]) == 0);
        }
    }
}

TEST_CASE("attention_decoder: sequences of no steps give the initial state") {
    auto in = bahdanau();
    in.x = normal(1, {2, 0, 2});
    in.initial_h = normal(8, {2, 3});
    const auto r = attention_decoder(in);
    CHECK(r.sequence.shape() == Shape{2, 0, 3});
    CHECK(r.weights.shape() == Shape{2, 0, 4});
    CHECK(r.h.value() == in.initial_h.value());
}

TEST_CASE("attention_decoder: operands that do not fit are refused by name, axis and size") {
    const auto refused = [](auto change, const std::string& message) {
        auto in = bahdanau();
        change(in);
        CHECK_THROWS_WITH_AS(attention_decoder(in), message.c_str(), ShapeError);
    };
    refused(
        [](auto& in) {
            in.x = normal(1, {2, 3});
        },
        "attention_decoder: expected x [batch, time, features] (rank 3), got [2, 3] (rank 2)");
    refused(
        [](auto& in) {
            in.memory = normal(1, {3, 4, 4});
        },
        "attention_decoder: expected memory [batch=2, memory time, features] (rank 3), got [3, 4, 4] (rank "
        "3)");
    refused(
        [](auto& in) {
            in.memory = normal(1, {2, 0, 4});
        },
        "attention_decoder: expected memory [batch, memory time, features] with at least one position, got "
        "[2, 0, 4]");
    refused(
        [](auto& in) {
            in.kernel = normal(1, {2, 9});
        },
        "attention_decoder: expected kernel [features + memory features=6, gates x units=9] (rank 2), got "
        "[2, 9] (rank 2)");
    refused(
        [](auto& in) { in.v = normal(1, {3}); },
        "attention_decoder: expected query_kernel [units=3, attention units=3] (rank 2), got [3, 2] (rank "
        "2)");
    refused(
        [](auto& in) {
            in.initial_h = normal(1, {2, 4});
        },
        "attention_decoder: expected initial_h [batch=2, units=3] (rank 2), got [2, 4] (rank 2)");

    const Mask mask({2, 5}, true);
    CHECK_THROWS_WITH_AS(
        attention_decoder(bahdanau(), {.memory_mask = &mask, .caller = "Decoder"}),
        "Decoder: expected memory mask [batch=2, memory time=4] (rank 2), got [2, 5] (rank 2)", ShapeError);
    auto dot = luong();
    dot.query_kernel = {};
    CHECK_THROWS_WITH_AS(
        attention_decoder(
            dot, {.style = AttentionStyle::luong, .score = AttentionScore::dot, .input_feeding = true}),
        "attention_decoder: the dot score compares units=3 with memory features=4, which must "
        "be equal",
        ShapeError);
}

TEST_CASE("attention_decoder: operands and options that do not go together are refused") {
    auto missing = bahdanau();
    missing.v = {};
    CHECK_THROWS_WITH_AS(attention_decoder(missing), "attention_decoder: needs v [attention units]",
                         ValueError);
    auto useless = bahdanau();
    useless.attention_kernel = normal(1, {7, 3});
    CHECK_THROWS_WITH_AS(attention_decoder(useless),
                         "attention_decoder: got attention_kernel, which it has no use for", ValueError);
    auto state = bahdanau();
    state.initial_c = normal(1, {2, 3});
    CHECK_THROWS_AS(attention_decoder(state), ValueError);
    CHECK_THROWS_WITH_AS(attention_decoder(bahdanau(), {.input_feeding = true}),
                         "attention_decoder: input_feeding needs the style luong", ValueError);
    AttentionDecoderOptions window = feeding;
    window.window = AttentionWindow::local_m;
    window.D = 0;
    CHECK_THROWS_WITH_AS(attention_decoder(luong(), window),
                         "attention_decoder: a local window needs D of at least 1", ValueError);
    window.window = AttentionWindow::local_p;
    window.D = 1;
    CHECK_THROWS_AS(attention_decoder(luong(), window), ValueError);
}
