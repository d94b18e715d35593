#include "seqgrad/layers/key_value_attention.hpp"

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "support/difference.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/elementary.hpp"
#include "seqgrad/core/ops/index.hpp"
#include "seqgrad/core/ops/reduce.hpp"
#include "seqgrad/core/ops/slice.hpp"
#include "seqgrad/core/random.hpp"
#include "seqgrad/layers/additive_attention.hpp"
#include "seqgrad/layers/attention.hpp"
#include "seqgrad/layers/multi_head_attention.hpp"

using namespace seqgrad;
using doctest::Approx;
using test::largest_difference;

namespace {

Variable<double> random(const Shape& shape, std::int64_t seed) {
    return constant(Generator(seed).normal<double>(shape));
}

using Layer = std::shared_ptr<KeyValueAttention<double>>;

/// Every kind of layer, with dropout and the other arguments that they share.
std::vector<Layer> all_layers(double dropout = 0, bool return_attention_scores = true, bool causal = false) {
    const auto attention = [&](bool use_scale, AttentionScoreMode mode) {
        return std::make_shared<Attention<double>>(
            AttentionConfig{.use_scale = use_scale,
                            .score_mode = mode,
                            .dropout = dropout,
                            .seed = 3,
                            .return_attention_scores = return_attention_scores,
                            .use_causal_mask = causal});
    };
    return {attention(false, AttentionScoreMode::dot),
            attention(true, AttentionScoreMode::dot),
            attention(false, AttentionScoreMode::concat),
            attention(true, AttentionScoreMode::concat),
            std::make_shared<AdditiveAttention<double>>(
                AdditiveAttentionConfig{.dropout = dropout,
                                        .seed = 3,
                                        .return_attention_scores = return_attention_scores,
                                        .use_causal_mask = causal}),
            std::make_shared<MultiHeadAttention<double>>(
                MultiHeadAttentionConfig{.num_heads = 2,
                                         .key_dim = 3,
                                         .dropout = dropout,
                                         .kernel_initializer = GlorotUniform{.seed = 5},
                                         .seed = 3,
                                         .return_attention_scores = return_attention_scores,
                                         .use_causal_mask = causal})};
}

/// Weights [B, T, S] or [B, H, T, S] by sample, query and position, of the last head.
double weight(const Tensor<double>& w, std::size_t b, std::size_t t, std::size_t s) {
    return w.dimension() == 3 ? w(b, t, s) : w(b, w.shape()[1] - 1, t, s);
}

}  // namespace

TEST_CASE("attention weights add up to 1, and are exactly 0 where the values do not count") {
    Mask mask(Shape{2, 5});
    for (std::size_t i = 0; i < 10; ++i) mask.data()[i] = i % 5 < 4 - i / 5;
    for (const Layer& layer : all_layers()) {
        CAPTURE(layer->type());
        const auto out = (*layer)({random({2, 3, 4}, 1), random({2, 5, 4}, 2).with_mask(mask)});
        REQUIRE(out.size() == 2);
        CHECK(out[0].shape() == Shape{2, 3, 4});
        for (std::size_t b = 0; b < 2; ++b) {
            for (std::size_t t = 0; t < 3; ++t) {
                double total = 0;
                for (std::size_t s = 0; s < 5; ++s) {
                    const double w = weight(out[1].value(), b, t, s);
                    total += w;
                    CHECK((w != 0) == mask(b, s));
                }
                CHECK(total == Approx(1).epsilon(1e-14));
            }
        }
    }
}

TEST_CASE("a causal mask has an exactly zero Jacobian into the future") {
    for (const bool by_config : {false, true}) {
        for (const Layer& layer : all_layers(0, true, by_config)) {
            CAPTURE(layer->type());
            const AttentionArguments arguments{.use_causal_mask =
                                                   by_config ? std::nullopt : std::optional<bool>(true)};
            for (std::size_t t = 0; t < 4; ++t) {
                const Variable<double> query = parameter(random({1, 4, 3}, 1).value());
                const Variable<double> value = parameter(random({1, 4, 3}, 2).value());
                const Variable<double> key = parameter(random({1, 4, 3}, 3).value());
                const auto out = layer->run(query, value, key, arguments);
                const auto row = static_cast<std::ptrdiff_t>(t);
                const auto weights = select(out.weights, -2, row);
                backward(sum(square(select(out.context, 1, row))) + sum(square(weights)));
                for (std::size_t s = 0; s < 4; ++s) {
                    for (std::size_t d = 0; d < 3; ++d) {
                        CHECK((value.grad()(0, s, d) != 0) == (s <= t));
                        if (s > t) CHECK(key.grad()(0, s, d) == 0);
                        if (s != t) CHECK(query.grad()(0, s, d) == 0);
                    }
                }
            }
        }
    }
}

TEST_CASE("a call may be causal or not, whatever the configuration says") {
    const auto x = random({1, 3, 3}, 1);
    for (const Layer& layer : all_layers(0, true, true)) {
        CAPTURE(layer->type());
        CHECK(weight((*layer)({x, x})[1].value(), 0, 0, 2) == 0);
        CHECK(weight(layer->run(x, x, {}, {.use_causal_mask = false}).weights.value(), 0, 0, 2) != 0);
    }
}

TEST_CASE("an attention mask says which query sees which position") {
    const auto query = random({2, 2, 3}, 1), value = random({2, 3, 3}, 2);
    const Mask shared = tensor<bool>({1, 2, 3}, {true, false, true, false, true, true});
    const Mask of_sample = tensor<bool>({2, 1, 3}, {true, true, false, false, true, true});
    for (const Layer& layer : all_layers()) {
        CAPTURE(layer->type());
        const Tensor<double> a = layer->run(query, value, {}, {.attention_mask = &shared}).weights.value();
        const Tensor<double> b = layer->run(query, value, {}, {.attention_mask = &of_sample}).weights.value();
        for (std::size_t n = 0; n < 2; ++n) {
            for (std::size_t t = 0; t < 2; ++t) {
                for (std::size_t s = 0; s < 3; ++s) {
                    CHECK((weight(a, n, t, s) != 0) == shared(0, t, s));
                    CHECK((weight(b, n, t, s) != 0) == of_sample(n, 0, s));
                }
            }
        }
        // Together with the value's mask and the causal one.
        const auto masked = value.with_mask(tensor<bool>({2, 3}, {true, true, false, true, true, true}));
        const Tensor<double> c =
            layer->run(query, masked, {}, {.use_causal_mask = true, .attention_mask = &shared})
                .weights.value();
        CHECK(weight(c, 0, 1, 1) == Approx(1).epsilon(1e-14));
        CHECK(weight(c, 1, 1, 2) == 0);
        const Mask wrong = ones<bool>({2, 3});
        CHECK_THROWS_AS(layer->run(query, value, {}, {.attention_mask = &wrong}), ShapeError);
    }
}

TEST_CASE("queries that see nothing give a finite context and finite gradients") {
    const Mask nothing = tensor<bool>({2, 3}, {false, false, false, true, true, true});
    for (const Layer& layer : all_layers()) {
        CAPTURE(layer->type());
        const Variable<double> query = parameter(random({2, 2, 3}, 1).value());
        const Variable<double> value = parameter(random({2, 3, 3}, 2).value());
        const auto out = layer->run(query, value.with_mask(nothing));
        double total = 0;
        for (std::size_t s = 0; s < 3; ++s) total += weight(out.weights.value(), 0, 0, s);
        // Keras's two layers fall back to all scores, its heads, whose scores are asked for, to nothing.
        CHECK(total == Approx(layer->type() == "MultiHeadAttention" ? 0 : 1).epsilon(1e-14));
        backward(sum(square(out.context)));
        for (const Variable<double>* x : {&query, &value})
            for (const double g : elements(x->grad())) CHECK(std::isfinite(g));
    }
}

TEST_CASE("permuting the values permutes the weights and leaves the context") {
    const Tensor<std::int64_t> order = tensor<std::int64_t>({4}, {2, 0, 3, 1});
    const auto query = random({2, 3, 3}, 1), value = random({2, 4, 3}, 2), key = random({2, 4, 3}, 3);
    for (const Layer& layer : all_layers()) {
        CAPTURE(layer->type());
        const auto before = (*layer)({query, value, key});
        const auto after = (*layer)({query, take(value, order, 1), take(key, order, 1)});
        CHECK(largest_difference(after[0].value(), before[0].value()) <= 1e-14);
        CHECK(largest_difference(after[1].value(), take(before[1], order, -1).value()) <= 1e-15);
    }
}

TEST_CASE("the call with a list gives what the configuration says, and run gives both") {
    const auto query = random({2, 3, 3}, 1), value = random({2, 4, 3}, 2);
    for (const Layer& layer : all_layers(0, false)) {
        CAPTURE(layer->type());
        const auto out = (*layer)({query, value});
        REQUIRE(out.size() == 1);
        const auto both = layer->run(query, value);
        CHECK(both.context.value() == out[0].value());
        CHECK(both.weights.shape().back() == 4);
        CHECK(layer->run(query, value, value).context.value() == out[0].value());
    }
}

TEST_CASE("the context has the query's mask, the weights none") {
    const Mask mask = tensor<bool>({2, 3}, {true, true, false, true, false, false});
    const auto query = random({2, 3, 3}, 1).with_mask(mask);
    const auto value = random({2, 4, 3}, 2).with_mask(ones<bool>({2, 4}));
    for (const Layer& layer : all_layers()) {
        CAPTURE(layer->type());
        const auto out = (*layer)({query, value});
        REQUIRE(out[0].mask() != nullptr);
        CHECK(*out[0].mask() == mask);
        CHECK(out[1].mask() == nullptr);
        CHECK((*layer)({query.without_mask(), value})[0].mask() == nullptr);
        // Rows that do not count: 0, or what the heads' bias of 0 makes of it.
        for (std::size_t d = 0; d < 3; ++d) CHECK(out[0].value()(0, 2, d) == 0);
        CHECK(out[0].value()(0, 1, 0) != 0);
    }
}

TEST_CASE("dropout rests in inference and draws anew in every call while training") {
    const auto query = random({2, 3, 3}, 1), value = random({2, 4, 3}, 2);
    const std::vector<Layer> plain = all_layers();
    const std::vector<Layer> dropping = all_layers(0.5);
    for (std::size_t i = 0; i < plain.size(); ++i) {
        CAPTURE(plain[i]->type());
        plain[i]->build_for({{unknown, unknown, 3}, {unknown, unknown, 3}});
        dropping[i]->build_for({{unknown, unknown, 3}, {unknown, unknown, 3}});
        const auto from = plain[i]->parameters(), to = dropping[i]->parameters();
        for (std::size_t k = 0; k < from.size(); ++k)
            Variable<double>(to[k].variable).assign(from[k].variable.value());
        CHECK(dropping[i]->run(query, value).context.value() == plain[i]->run(query, value).context.value());
        dropping[i]->set_training(true);
        const Tensor<double> first = dropping[i]->run(query, value).context.value();
        CHECK(first != plain[i]->run(query, value).context.value());
        CHECK(dropping[i]->run(query, value).context.value() != first);
    }
    for (const double rate : {1.0, -0.1}) {
        CHECK_THROWS_AS(Attention<float>({.dropout = rate}), ValueError);
        CHECK_THROWS_AS(AdditiveAttention<float>({.dropout = rate}), ValueError);
    }
    CHECK_THROWS_WITH_AS(Attention<float>({.dropout = 1, .name = "a"}),
                         "Attention \"a\": dropout must be in [0, 1), got 1", ValueError);
    CHECK_THROWS_WITH_AS(MultiHeadAttention<float>({.num_heads = 1, .key_dim = 1, .dropout = 2}),
                         "MultiHeadAttention: dropout must be in [0, 1), got 2", ValueError);
}

TEST_CASE("attention refuses what does not fit with axes and sizes") {
    const auto query = random({2, 3, 4}, 1), value = random({2, 5, 4}, 2);
    Attention<double> layer({.name = "a"});
    CHECK_THROWS_WITH_AS(layer(query),
                         "Attention \"a\": takes {query, value} or {query, value, key}, got 1 input",
                         ValueError);
    CHECK_THROWS_WITH_AS(layer({query}),
                         "Attention \"a\": takes {query, value} or {query, value, key}, got 1 input",
                         ValueError);
    CHECK_THROWS_WITH_AS(
        layer({query, random({2, 5, 3}, 2)}),
        "Attention \"a\": expected query and key of one size, got query [batch, time, features=4] and key "
        "[batch, memory time, features=3]",
        ShapeError);
    CHECK_THROWS_WITH_AS(layer({query, random({2, 4}, 2)}),
                         "Attention \"a\": expected query [batch, time, features], value and key [batch, "
                         "memory time, features], got (None, 3, 4), (None, 4) and (None, 4)",
                         ShapeError);
    CHECK_FALSE(layer.built());
    layer({query, value});
    CHECK_THROWS_AS(layer({query, value, value, value}), ValueError);
    CHECK_THROWS_WITH_AS(
        layer({query, value, random({2, 6, 4}, 3)}),
        "Attention \"a\": expected query [batch, time, features=4], value [batch, memory time, "
        "features=4] and key [batch, memory time, features=4], got [2, 3, 4], [2, 5, 4] and "
        "[2, 6, 4]",
        ShapeError);
    CHECK_THROWS_AS(layer({query, random({3, 5, 4}, 2)}), ShapeError);
    CHECK_THROWS_AS(layer({random({2, 3, 5}, 1), value}), ShapeError);
    CHECK_THROWS_WITH_AS(
        layer({query, random({2, 0, 4}, 2)}),
        "Attention \"a\": expected value [batch, memory time, features] of at least 1 step of "
        "memory time, got [2, 0, 4]",
        ShapeError);
    CHECK_THROWS_WITH_AS(layer({query, value.with_mask(ones<bool>({2}))}),
                         "Attention \"a\": expected a mask of the value [batch=2, memory time=5], got [2]",
                         ShapeError);
    CHECK_THROWS_WITH_AS(layer({query.with_mask(ones<bool>({2})), value}),
                         "Attention \"a\": expected a mask of the query [batch=2, time=3], got [2]",
                         ShapeError);
    const Mask mask = ones<bool>({2, 3, 4});
    CHECK_THROWS_WITH_AS(
        layer.run(query, value, {}, {.attention_mask = &mask}),
        "Attention \"a\": expected attention_mask [batch=2 or 1, time=3 or 1, memory time=5], "
        "got [2, 3, 4]",
        ShapeError);
    CHECK_THROWS_AS(AdditiveAttention<double>()({query, random({2, 5, 3}, 2)}), ShapeError);
}

TEST_CASE("Attention and AdditiveAttention have Keras's parameters") {
    const auto x = random({1, 2, 3}, 1);
    Attention<double> attention(
        {.use_scale = true, .score_mode = AttentionScoreMode::concat, .return_attention_scores = true});
    attention({x, x});
    REQUIRE(attention.parameters().size() == 2);
    CHECK(attention.parameters()[0].name == "scale");
    CHECK(attention.parameters()[1].name == "concat_score_weight");
    CHECK(attention.scale().item() == 1);
    CHECK(attention.concat_score_weight().item() == 1);
    AdditiveAttention<double> additive;
    additive({x, x});
    CHECK(additive.parameters()[0].name == "scale");
    CHECK(additive.scale().shape() == Shape{3});
    AdditiveAttention<double> plain({.use_scale = false});
    plain({x, x});
    CHECK(plain.parameters().empty());
}
