#include "seqgrad/layers/memory_attention.hpp"

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "support/difference.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/index.hpp"
#include "seqgrad/core/ops/reduce.hpp"
#include "seqgrad/core/ops/slice.hpp"
#include "seqgrad/core/random.hpp"
#include "seqgrad/layers/bahdanau_attention.hpp"
#include "seqgrad/layers/luong_attention.hpp"

using namespace seqgrad;
using doctest::Approx;
using test::largest_difference;

namespace {

constexpr AttentionScore all_luong_scores[] = {AttentionScore::dot, AttentionScore::general,
                                               AttentionScore::concat};
constexpr AttentionWindow all_windows[] = {AttentionWindow::global, AttentionWindow::local_m,
                                           AttentionWindow::local_p};

Variable<double> random(const Shape& shape, std::int64_t seed) {
    return constant(Generator(seed).normal<double>(shape));
}

struct Named {
    std::string name;
    std::shared_ptr<MemoryAttention<double>> layer;
};

/// Every score and window, for queries and a memory of 3 features.
std::vector<Named> all_layers() {
    std::vector<Named> out{{"bahdanau", std::make_shared<BahdanauAttention<double>>(BahdanauAttentionConfig{
                                            .units = 4,
                                            .kernel_initializer = GlorotUniform{.seed = 1},
                                            .v_initializer = RandomNormal{.stddev = 1, .seed = 2}})}};
    for (const AttentionScore score : all_luong_scores) {
        for (const AttentionWindow window : all_windows) {
            out.push_back({std::string(to_string(score)) + " " + std::string(to_string(window)),
                           std::make_shared<LuongAttention<double>>(
                               LuongAttentionConfig{.score = score,
                                                    .units = 4,
                                                    .window = window,
                                                    .D = 2,
                                                    .step = 1,
                                                    .kernel_initializer = GlorotUniform{.seed = 1},
                                                    .v_initializer = RandomNormal{.stddev = 1, .seed = 2}})});
        }
    }
    return out;
}

bool is_local_p(const std::string& name) {
    return name.ends_with("local_p");
}

/// What f throws of this type.
template <class E, class F>
std::string message(F f) {
    try {
        f();
    } catch (const E& e) {
        return e.what();
    }
    return "";
}

}  // namespace

TEST_CASE("scores and windows have names") {
    CHECK(attention_score("concat") == AttentionScore::concat);
    CHECK(to_string(AttentionScore::bahdanau) == "bahdanau");
    CHECK(attention_window("local_p") == AttentionWindow::local_p);
    CHECK(to_string(AttentionWindow::global) == "global");
    CHECK_THROWS_WITH_AS(attention_score("cosine"),
                         "attention: there is no score \"cosine\"; known are bahdanau, dot, general, concat",
                         ValueError);
    CHECK_THROWS_WITH_AS(attention_window("local"),
                         "attention: there is no window \"local\"; known are global, local_m, local_p",
                         ValueError);
}

TEST_CASE("weights add up to 1, and are exactly 0 where the memory does not count") {
    Mask mask(Shape{2, 6});
    for (std::size_t i = 0; i < 12; ++i) mask.data()[i] = i % 6 < 5 - i / 6 && i != 1;
    for (const Named& each : all_layers()) {
        const std::string& name = each.name;
        MemoryAttention<double>& layer = *each.layer;
        CAPTURE(name);
        const auto out = layer({random({2, 3, 3}, 1), random({2, 6, 3}, 2).with_mask(mask)});
        REQUIRE(out[0].shape() == Shape{2, 3, 3});
        REQUIRE(out[1].shape() == Shape{2, 3, 6});
        for (std::size_t b = 0; b < 2; ++b) {
            for (std::size_t t = 0; t < 3; ++t) {
                double total = 0;
                for (std::size_t s = 0; s < 6; ++s) {
                    total += out[1].value()(b, t, s);
                    if (!mask(b, s)) CHECK(out[1].value()(b, t, s) == 0);
                }
                if (is_local_p(name)) {
                    CHECK(total < 1);
                    CHECK(total > 0);
                } else {
                    CHECK(total == Approx(1).epsilon(1e-14));
                }
            }
        }
    }
}

TEST_CASE("a memory of which nothing counts gives weights, context and gradients of 0") {
    for (const Named& each : all_layers()) {
        const std::string& name = each.name;
        MemoryAttention<double>& layer = *each.layer;
        CAPTURE(name);
        const Variable<double> query = parameter(random({2, 3}, 1).value());
        const Variable<double> memory = parameter(random({2, 4, 3}, 2).value());
        const Mask mask = tensor<bool>({2, 4}, {false, false, false, false, true, true, true, true});
        const auto out = layer({query, memory.with_mask(mask)});
        for (std::size_t i = 0; i < 3; ++i) CHECK(out[0].value()(0, i) == 0);
        for (std::size_t s = 0; s < 4; ++s) CHECK(out[1].value()(0, s) == 0);
        CHECK(out[0].value()(1, 0) != 0);
        backward(sum(out[0] * out[0]) + sum(out[1] * out[1]));
        for (std::size_t i = 0; i < 3; ++i) CHECK(query.grad()(0, i) == 0);
        for (std::size_t i = 0; i < 12; ++i) CHECK(memory.grad().data()[i] == 0);
    }
}

TEST_CASE("what stands in the memory where it does not count has no influence") {
    const Mask mask = tensor<bool>({1, 4}, {true, false, true, false});
    for (const Named& each : all_layers()) {
        const std::string& name = each.name;
        MemoryAttention<double>& layer = *each.layer;
        CAPTURE(name);
        const auto run = [&](double filler) {
            Tensor<double> m = random({1, 4, 3}, 2).value();
            for (std::size_t i = 0; i < 3; ++i) m(0, 1, i) = m(0, 3, i) = filler;
            const Variable<double> query = parameter(random({1, 2, 3}, 1).value()), memory = parameter(m);
            auto out = layer({query, memory.with_mask(mask)});
            for (const auto& p : layer.parameters()) Variable<double>(p.variable).clear_grad();
            backward(sum(out[0] * out[0]) + sum(out[1] * out[1]));
            std::vector<Tensor<double>> all{out[0].value(), out[1].value(), query.grad(), memory.grad()};
            for (const auto& p : layer.parameters()) all.push_back(p.variable.grad());
            return all;
        };
        const auto plain = run(0.5), wild = run(std::numeric_limits<double>::quiet_NaN());
        for (std::size_t i = 0; i < plain.size(); ++i) CHECK(plain[i] == wild[i]);
        for (std::size_t i = 0; i < 3; ++i) CHECK(wild[3](0, 1, i) == 0);
    }
}

TEST_CASE("permuting the memory permutes the weights and leaves the context") {
    const Variable<double> query = random({2, 3, 3}, 1), memory = random({2, 5, 3}, 2);
    const Tensor<std::int64_t> order = tensor<std::int64_t>({5}, {3, 0, 4, 1, 2});
    for (const Named& each : all_layers()) {
        const std::string& name = each.name;
        MemoryAttention<double>& layer = *each.layer;
        if (name.find("local") != std::string::npos) continue;
        CAPTURE(name);
        const auto before = layer({query, memory});
        const auto after = layer({query, take(memory, order, 1)});
        CHECK(largest_difference(after[0].value(), before[0].value()) <= 1e-14);
        CHECK(largest_difference(after[1].value(), take(before[1], order, 2).value()) <= 1e-15);
    }
}

TEST_CASE("queries of a sequence, one after the other and alone give the same") {
    const Variable<double> query = random({2, 4, 3}, 1);
    const Variable<double> memory =
        random({2, 5, 3}, 2)
            .with_mask(tensor<bool>({2, 5}, {true, true, true, false, false, true, true, true, true, true}));
    for (const Named& each : all_layers()) {
        const std::string& name = each.name;
        MemoryAttention<double>& layer = *each.layer;
        CAPTURE(name);
        layer.build_for({{unknown, 3}, {unknown, unknown, 3}});
        const AttentionMemory<double> prepared = layer.prepare(memory);
        const AttentionOutput<double> together = layer.attend(query, prepared);
        for (std::ptrdiff_t t = 0; t < 4; ++t) {
            const auto alone = layer.attend(select(query, 1, t), prepared, static_cast<std::size_t>(t));
            CHECK(alone.context.shape() == Shape{2, 3});
            CHECK(alone.weights.shape() == Shape{2, 5});
            CHECK(largest_difference(alone.context.value(), select(together.context, 1, t).value()) <= 1e-15);
            CHECK(largest_difference(alone.weights.value(), select(together.weights, 1, t).value()) <= 1e-15);
        }
    }
}

TEST_CASE("the memory is projected once") {
    BahdanauAttention<double> layer({.units = 2});
    layer.build_for({{unknown, 3}, {unknown, unknown, 4}});
    const auto prepared = layer.prepare(random({2, 5, 4}, 1));
    CHECK(prepared.keys.shape() == Shape{2, 5, 2});
    CHECK(prepared.mask == nullptr);
    CHECK(prepared.last_position.value() == tensor<double>({2}, {4, 4}));
    const auto masked = layer.prepare(
        random({3, 3, 4}, 1)
            .with_mask(tensor<bool>({3, 3}, {true, true, false, true, false, true, false, false, false})));
    CHECK(masked.last_position.value() == tensor<double>({3}, {1, 2, 0}));
    REQUIRE(masked.mask != nullptr);
    // A mask that counts everything is none.
    CHECK(layer.prepare(random({1, 3, 4}, 1).with_mask(ones<bool>({1, 3}))).mask == nullptr);
    LuongAttention<double> general;
    general.build_for({{unknown, 3}, {unknown, unknown, 4}});
    const auto values = general.prepare(random({2, 5, 4}, 1));
    CHECK(values.keys.same_as(values.values));
}

TEST_CASE("the query's mask goes on to the context") {
    LuongAttention<double> layer;
    const Mask mask = tensor<bool>({2, 2}, {true, false, true, true});
    const auto out = layer({random({2, 2, 3}, 1).with_mask(mask), random({2, 4, 3}, 2)});
    REQUIRE(out[0].mask() != nullptr);
    CHECK(*out[0].mask() == mask);
    CHECK(out[1].mask() == nullptr);
    const auto without = layer({random({2, 3}, 1), random({2, 4, 3}, 2).with_mask(ones<bool>({2, 4}))});
    CHECK(without[0].mask() == nullptr);
}

TEST_CASE("what does not fit is refused with axes and sizes") {
    BahdanauAttention<double> layer({.units = 2, .name = "a"});
    const auto query = random({2, 3}, 1), memory = random({2, 5, 4}, 2);
    CHECK_THROWS_WITH_AS(layer.prepare(memory),
                         "BahdanauAttention \"a\": prepare needs parameters; call build_for({query shape, "
                         "memory shape}) before",
                         ValueError);
    CHECK_THROWS_WITH_AS(layer.attend(query, {}),
                         "BahdanauAttention \"a\": attend needs a memory that prepare gave", ValueError);
    CHECK_THROWS_WITH_AS(layer(query), "BahdanauAttention \"a\": takes {query, memory}, got 1 input",
                         ValueError);
    CHECK_THROWS_WITH_AS(layer({query, memory, memory}),
                         "BahdanauAttention \"a\": takes {query, memory}, got 3 inputs", ValueError);
    CHECK_THROWS_WITH_AS(layer({query, query}),
                         "BahdanauAttention \"a\": expected query [batch, units] or [batch, time, units] and "
                         "memory [batch, memory time, features], got (None, 3) and (None, 3)",
                         ShapeError);
    CHECK_FALSE(layer.built());
    layer({query, memory});
    CHECK_THROWS_WITH_AS(layer({query}), "BahdanauAttention \"a\": takes {query, memory}, got 1 input",
                         ValueError);
    CHECK_THROWS_WITH_AS(
        layer({query, random({2, 5, 3}, 2)}),
        "BahdanauAttention \"a\": expected memory [batch, memory time, features=4] (rank 3), "
        "got [2, 5, 3] (rank 3)",
        ShapeError);
    CHECK_THROWS_WITH_AS(
        layer({query, random({2, 0, 4}, 2)}),
        "BahdanauAttention \"a\": expected memory [batch, memory time, features] of at least "
        "1 step of memory time, got [2, 0, 4]",
        ShapeError);
    CHECK_THROWS_WITH_AS(layer({random({2, 7, 2}, 1), memory}),
                         "BahdanauAttention \"a\": expected query [batch=2, units=3] or [batch=2, time, "
                         "units=3] beside memory [2, 5, 4], got [2, 7, 2] (rank 3)",
                         ShapeError);
    CHECK_THROWS_AS(layer({random({3, 3}, 1), memory}), ShapeError);
    CHECK_THROWS_AS(layer({random({3}, 1), memory}), ShapeError);
    // A mask of another length than the memory cannot even be given to it.
    CHECK(message<ShapeError>([&] {
              memory.with_mask(ones<bool>({2, 4}));
          }).find("[2, 4]") != std::string::npos);
    CHECK_THROWS_WITH_AS(layer({query, memory.with_mask(ones<bool>({2}))}),
                         "BahdanauAttention \"a\": expected a mask [batch=2, memory time=5], got [2]",
                         ShapeError);
}
