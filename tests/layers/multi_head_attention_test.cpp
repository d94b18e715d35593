#include "seqgrad/layers/multi_head_attention.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "support/difference.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/attention.hpp"
#include "seqgrad/core/ops/linear.hpp"
#include "seqgrad/core/ops/matmul.hpp"
#include "seqgrad/core/ops/reduce.hpp"
#include "seqgrad/core/ops/shape.hpp"
#include "seqgrad/core/ops/slice.hpp"
#include "seqgrad/core/ops/softmax.hpp"
#include "seqgrad/core/random.hpp"

using namespace seqgrad;
using test::largest_difference;

namespace {

Variable<double> random(const Shape& shape, std::int64_t seed) {
    return constant(Generator(seed).normal<double>(shape));
}

}  // namespace

TEST_CASE("MultiHeadAttention has Keras's parameters") {
    MultiHeadAttention<double> layer({.num_heads = 2,
                                      .key_dim = 3,
                                      .value_dim = 4,
                                      .kernel_initializer = GlorotUniform{.seed = 7},
                                      .kernel_regularizer = L1{.l1 = 0.5},
                                      .bias_constraint = NonNeg{}});
    CHECK(layer({random({2, 3, 5}, 1), random({2, 4, 6}, 2)})[0].shape() == Shape{2, 3, 5});
    std::string shapes;
    for (const auto& p : layer.parameters()) shapes += p.name + to_string(p.variable.shape()) + " ";
    CHECK(shapes ==
          "query.kernel[5, 2, 3] query.bias[2, 3] key.kernel[6, 2, 3] key.bias[2, 3] value.kernel[6, 2, 4] "
          "value.bias[2, 4] attention_output.kernel[2, 4, 5] attention_output.bias[5] ");
    // keras.layers.MultiHeadAttention(2, 3, value_dim=4, kernel_initializer=GlorotUniform(seed=7)) in float64
    const auto begins = [](const Variable<double>& v, double a, double b, double c) {
        const double* x = v.value().data();
        CHECK(x[0] == doctest::Approx(a).epsilon(1e-6));
        CHECK(x[1] == doctest::Approx(b).epsilon(1e-6));
        CHECK(x[2] == doctest::Approx(c).epsilon(1e-6));
    };
    begins(layer.query_projection().kernel(), 0.70402954, -0.0557798, 0.09227266);
    begins(layer.key_projection().kernel(), 0.67405697, -0.05340509, 0.08834434);
    begins(layer.value_projection().kernel(), 0.6240555, -0.0494435, 0.08179097);
    begins(layer.output_projection().kernel(), 0.64761301, -0.05130995, 0.0848785);
    CHECK(layer.query_projection().bias().value() == zeros<double>({2, 3}));
    CHECK(layer.regularization_loss().item() > 0);
    CHECK(layer.summary().find("query (EinsumDense)") != std::string::npos);
    CHECK(layer.summary().find("not built") == std::string::npos);
}

TEST_CASE("each head is an attention of its own") {
    MultiHeadAttention<double> layer({.num_heads = 3,
                                      .key_dim = 2,
                                      .value_dim = 4,
                                      .use_bias = false,
                                      .output_shape = PartialShape{2, 3},
                                      .return_attention_scores = true});
    const auto query = random({2, 3, 5}, 1), value = random({2, 4, 6}, 2);
    const auto out = layer({query, value});
    CHECK(out[0].shape() == Shape{2, 3, 2, 3});
    CHECK(out[1].shape() == Shape{2, 3, 3, 4});
    const auto p = layer.parameters();
    REQUIRE(p.size() == 4);
    Variable<double> total;
    for (std::ptrdiff_t h = 0; h < 3; ++h) {
        const auto q = matmul(query, select(p[0].variable, 1, h));
        const auto k = matmul(value, select(p[1].variable, 1, h));
        const auto v = matmul(value, select(p[2].variable, 1, h));
        const auto weights = softmax(dot_scores(q, k) / std::sqrt(2.0));
        CHECK(largest_difference(weights.value(), select(out[1], 1, h).value()) <= 1e-7);
        const auto o = matmul(matmul(weights, v), reshape(select(p[3].variable, 0, h), {4, 6}));
        total = total ? total + o : o;
    }
    CHECK(largest_difference(total.value(), reshape(out[0], {2, 3, 6}).value()) <= 1e-6);
}

TEST_CASE("the masks of query, value and key all say what is seen") {
    MultiHeadAttention<double> layer({.num_heads = 1, .key_dim = 2, .return_attention_scores = true});
    const auto query = random({1, 2, 3}, 1).with_mask(tensor<bool>({1, 2}, {true, false}));
    const auto value = random({1, 3, 3}, 2).with_mask(tensor<bool>({1, 3}, {true, true, false}));
    const auto key = random({1, 3, 3}, 3).with_mask(tensor<bool>({1, 3}, {false, true, true}));
    const auto w = layer({query, value, key})[1].value();
    CHECK(w == tensor<double>({1, 1, 2, 3}, {0, 1, 0, 0, 0, 0}));
}

TEST_CASE("a query that sees nothing gets the mean of all values, or zeros, as in Keras") {
    const Mask memory = tensor<bool>({2, 3}, {false, false, false, true, false, true});
    const Mask queries = tensor<bool>({2, 2}, {true, true, false, true});
    for (const double dropout : {0.0, 0.5}) {
        for (const bool scores : {false, true}) {
            CAPTURE(dropout);
            CAPTURE(scores);
            MultiHeadAttention<double> layer({.num_heads = 2,
                                              .key_dim = 3,
                                              .dropout = dropout,
                                              .kernel_initializer = GlorotUniform{.seed = 5},
                                              .bias_initializer = RandomNormal{.seed = 6},
                                              .return_attention_scores = scores});
            layer.set_training(false);
            const auto query = parameter(random({2, 2, 4}, 1).value());
            const auto value = parameter(random({2, 3, 5}, 2).value());
            const auto key = parameter(random({2, 3, 6}, 3).value());
            const auto out = layer.run(query.with_mask(queries), value.with_mask(memory), key);
            CHECK(out.context.value() ==
                  layer({query.with_mask(queries), value.with_mask(memory), key})[0].value());

            // What the output makes of the same weights for all positions, or of none.
            const bool averages = dropout == 0.0 && !scores;
            const auto values = layer.value_projection().apply(value);
            const auto heads = averages ? mean(values, {.axis = 1, .keepdims = true}) : values * 0.0;
            const auto want = layer.output_projection().apply(heads);
            double worst = 0;
            for (const auto& [b, t] : {std::pair{0, 0}, {0, 1}, {1, 0}}) {
                const auto got = select(select(out.context, 0, b), 0, t);
                const auto expected = select(select(want, 0, b), 0, 0);
                worst = std::max(worst, largest_difference(got.value(), expected.value()));
                const auto weights = select(select(out.weights, 0, b), 1, t).value();
                for (const double w : elements(weights)) CHECK(w == (averages ? 1.0 / 3 : 0.0));
            }
            CHECK(worst <= 1e-14);
            CHECK(select(select(out.weights, 0, 1), 1, 1).value()(0, 1) == 0);

            // The first sample's queries see nothing: no way leads from its context to queries and keys.
            backward(sum(select(out.context, 0, 0) * random({2, 4}, 4)));
            CHECK(query.grad() == zeros<double>({2, 2, 4}));
            CHECK(key.grad() == zeros<double>({2, 3, 6}));
            CHECK((value.grad() == zeros<double>({2, 3, 5})) == !averages);
        }
    }
}

TEST_CASE("whether scores are asked for can be said in the call") {
    const auto query = random({1, 1, 2}, 1), value = random({1, 4, 2}, 2);
    const Mask nothing = zeros<bool>({1, 1, 4});
    MultiHeadAttention<double> layer({.num_heads = 1, .key_dim = 2});
    const auto weight = [&](std::optional<bool> asked) {
        return layer.run(query, value, {}, {.attention_mask = &nothing, .return_attention_scores = asked})
            .weights.value()(0, 0, 0, 3);
    };
    CHECK(weight(std::nullopt) == 0.25);
    CHECK(weight(false) == 0.25);
    CHECK(weight(true) == 0);
}

TEST_CASE("MultiHeadAttention refuses sizes of 0") {
    CHECK_THROWS_WITH_AS(MultiHeadAttention<float>({.key_dim = 2}),
                         "MultiHeadAttention: num_heads must be at least 1", ValueError);
    CHECK_THROWS_WITH_AS(MultiHeadAttention<float>({.num_heads = 2, .name = "m"}),
                         "MultiHeadAttention \"m\": key_dim must be at least 1", ValueError);
    CHECK_THROWS_WITH_AS(MultiHeadAttention<float>({.num_heads = 2, .key_dim = 2, .value_dim = 0}),
                         "MultiHeadAttention: value_dim must be at least 1", ValueError);
    for (const PartialShape& shape : {PartialShape{}, PartialShape{0}, PartialShape{3, unknown}}) {
        CHECK_THROWS_AS(MultiHeadAttention<float>({.num_heads = 2, .key_dim = 2, .output_shape = shape}),
                        ValueError);
    }
    MultiHeadAttention<double> layer({.num_heads = 2, .key_dim = 2});
    layer({random({1, 2, 3}, 1), random({1, 2, 4}, 1)});
    CHECK_THROWS_AS(layer({random({1, 2, 3}, 1), random({1, 2, 5}, 1)}), ShapeError);
}
