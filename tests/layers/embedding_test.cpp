#include "seqgrad/layers/embedding.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/sequential.hpp"

using namespace seqgrad;

TEST_CASE("Embedding looks up a row for every id") {
    Embedding<double> layer({.input_dim = 4, .output_dim = 2});
    layer.build({unknown, unknown});
    REQUIRE(layer.parameters().size() == 1);
    CHECK(layer.parameters()[0].name == "embeddings");
    Variable<double> table = layer.embeddings();
    table.assign(tensor<double>({4, 2}, {0, 1, 10, 11, 20, 21, 30, 31}));
    const Variable<double> y = layer(constant(tensor<double>({1, 3}, {3, 0, 3})));
    CHECK(y.value() == tensor<double>({1, 3, 2}, {30, 31, 0, 1, 30, 31}));
    CHECK(y.mask() == nullptr);
    backward(y, tensor<double>({1, 3, 2}, {1, 2, 3, 4, 5, 6}));
    CHECK(table.grad() == tensor<double>({4, 2}, {3, 4, 0, 0, 0, 0, 6, 8}));
    CHECK(layer.compute_output_shape({unknown}) == PartialShape{unknown, 2});
}

TEST_CASE("Embedding takes ids as integers, and says which ones a float does not tell apart") {
    constexpr std::size_t most = std::size_t{1} << 24;
    Embedding<float> layer(
        {.input_dim = most + 4, .output_dim = 1, .embeddings_initializer = Zeros{}, .mask_zero = true});
    layer.build({unknown});
    Variable<float> table = layer.embeddings();
    Tensor<float> rows = table.value();
    rows.data()[most] = 1;
    rows.data()[most + 1] = 2;
    table.assign(rows);
    const auto id = static_cast<std::int64_t>(most);
    const Variable<float> y = layer(tensor<std::int64_t>({1, 3}, {0, id, id + 1}));
    CHECK(y.value() == tensor<float>({1, 3, 1}, {0, 1, 2}));
    CHECK(*y.mask() == tensor<bool>({1, 3}, {false, true, true}));
    CHECK(layer.output_shape() == PartialShape{unknown, 3, 1});
    CHECK_THROWS_WITH_AS(layer(tensor<std::int64_t>({1}, {id + 4})),
                         "Embedding: ids: element 0 of [1] is 16777220, outside [0, input_dim=16777220)",
                         ValueError);
    CHECK_THROWS_AS(layer(tensor<std::int64_t>({}, {1})), ShapeError);
    CHECK_THROWS_WITH_AS(
        layer(constant(tensor<float>({1}, {16777218}))),
        "Embedding: ids: element 0 of [1] is 16777218, but float tells whole numbers apart only up "
        "to 16777216; give them as integers or in double",
        ValueError);
}

TEST_CASE("a model that begins with an Embedding takes ids as integers") {
    Sequential<float> model(Embedding<float>({.input_dim = 5, .output_dim = 2}), Dense<float>({.units = 3}));
    const auto ids = tensor<std::int64_t>({2, 2}, {0, 4, 1, 3});
    const Variable<float> y = model(ids);
    CHECK(y.shape() == Shape{2, 2, 3});
    CHECK(y.value() == model(from_integers<float>(ids)).value());
    CHECK(y.value() == model(constant(from_integers<float>(ids))).value());
    CHECK_THROWS_WITH_AS(
        model(tensor<std::int64_t>({1}, {(1 << 24) + 1})),
        "from_integers: 16777217 lies outside [-16777216, 16777216], the integers that float holds "
        "exactly; use double, or smaller numbers",
        ValueError);
    // Numbers with a fraction are refused, not cut off.
    Embedding<float> layer({.input_dim = 5, .output_dim = 2});
    CHECK_THROWS_AS(layer(tensor<float>({1}, {1.5F})), ValueError);
}

TEST_CASE("Embedding starts uniform in +-0.05, as in Keras") {
    // keras.layers.Embedding(2, 2, embeddings_initializer=RandomUniform(seed=5)) draws as RandomUniform does.
    Embedding<float> layer(
        {.input_dim = 2, .output_dim = 2, .embeddings_initializer = RandomUniform{.seed = 5}});
    layer.build({unknown});
    CHECK(layer.embeddings().value() == Initializer(RandomUniform{.seed = 5}).make<float>({2, 2}));
}

TEST_CASE("Embedding with mask_zero masks id 0 instead of what its input's mask says") {
    const Variable<float> ids = constant(tensor<float>({2, 2}, {1, 0, 0, 2}))
                                    .with_mask(tensor<bool>({2, 2}, {false, true, true, true}));
    Embedding<float> masking({.input_dim = 3, .output_dim = 2, .mask_zero = true});
    REQUIRE(masking(ids).mask() != nullptr);
    CHECK(*masking(ids).mask() == tensor<bool>({2, 2}, {true, false, false, true}));
    Embedding<float> plain({.input_dim = 3, .output_dim = 2});
    CHECK(plain(ids).mask() == nullptr);
}

TEST_CASE("Embedding's regularizer and constraint are those of its table") {
    Embedding<double> layer({.input_dim = 2,
                             .output_dim = 2,
                             .embeddings_initializer = Constant{-3},
                             .embeddings_regularizer = L2{.l2 = 0.5},
                             .embeddings_constraint = NonNeg{}});
    layer.build({unknown});
    CHECK(layer.regularization_loss().item() == 18);
    layer.apply_constraints();
    CHECK(layer.embeddings().value() == zeros<double>({2, 2}));
}

TEST_CASE("Embedding names what is no id, and its place") {
    CHECK_THROWS_WITH_AS(Embedding<float>({.output_dim = 2}), "Embedding: input_dim must be at least 1",
                         ValueError);
    CHECK_THROWS_WITH_AS(Embedding<float>({.input_dim = 2, .name = "words"}),
                         "Embedding \"words\": output_dim must be at least 1", ValueError);
    Embedding<float> layer({.input_dim = 5, .output_dim = 2, .name = "words"});
    CHECK_THROWS_WITH_AS(layer(constant(tensor<float>({2, 2}, {0, 1, 2.5F, 3}))),
                         "Embedding \"words\": ids: element 2 of [2, 2] is 2.5, not a whole number",
                         ValueError);
    CHECK_THROWS_WITH_AS(layer(constant(tensor<float>({3}, {0, 1, 5}))),
                         "Embedding \"words\": ids: element 2 of [3] is 5, outside [0, input_dim=5)",
                         ValueError);
    CHECK_THROWS_AS(layer(constant(tensor<float>({1}, {-1}))), ValueError);
    CHECK_THROWS_AS(layer(constant(tensor<float>({1}, {std::numeric_limits<float>::quiet_NaN()}))),
                    ValueError);
    CHECK_THROWS_AS(layer(constant(tensor<float>({}, {1}))), ShapeError);
}
