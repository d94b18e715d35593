#include "seqgrad/core/ops/attention.hpp"

#include <cmath>
#include <limits>
#include <span>

#include "support/difference.hpp"
#include "support/pointwise.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/gradcheck.hpp"
#include "seqgrad/core/ops/activations.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/matmul.hpp"
#include "seqgrad/core/ops/reduce.hpp"
#include "seqgrad/core/ops/shape.hpp"
#include "seqgrad/core/ops/softmax.hpp"
#include "seqgrad/core/random.hpp"

using namespace seqgrad;
using doctest::Approx;
using test::infinite;
using test::largest_difference;
using test::not_a_number;

namespace {

Variable<double> random(const Shape& shape, std::int64_t seed) {
    return parameter(Generator(seed).normal<double>(shape));
}

/// The scores as they are written in the paper.
Variable<double> composed_additive(const Variable<double>& query, const Variable<double>& keys,
                                   const Variable<double>& v) {
    return sum(v * tanh(expand_dims(query, {2}) + expand_dims(keys, {1})), {.axis = -1});
}

}  // namespace

TEST_CASE("masked_softmax is the softmax of what counts, and 0 elsewhere") {
    const Variable<double> x = parameter(tensor<double>({2, 3}, {0, std::log(3.), 5, 1, 2, 3}));
    const Mask mask = tensor<bool>({2, 3}, {true, true, false, false, false, true});
    const Variable<double> y = masked_softmax(x, &mask);
    CHECK(largest_difference(y.value(), tensor<double>({2, 3}, {0.25, 0.75, 0, 0, 0, 1})) <= 1e-15);
    CHECK(y.value()(0, 2) == 0);
    CHECK(y.value()(1, 2) == 1);
    backward(y, tensor<double>({2, 3}, {4, 8, 100, 7, 8, 9}));  // <p, g> = 7 and 9
    CHECK(largest_difference(x.grad(), tensor<double>({2, 3}, {-0.75, 0.75, 0, 0, 0, 0})) <= 1e-15);
    CHECK(x.grad()(0, 2) == 0);
    CHECK(masked_softmax(x, nullptr).value() == softmax(x).value());
    CHECK(std::string(y.op()) == "masked_softmax");
}

TEST_CASE_TEMPLATE("masked_softmax: a row in which nothing counts is 0, and so is its gradient", T, float,
                   double) {
    const T nan = std::numeric_limits<T>::quiet_NaN(), inf = std::numeric_limits<T>::infinity();
    const Variable<T> x = parameter(tensor<T>({3, 3}, {nan, inf, 1, 1, nan, 2, inf, -inf, 3}));
    const Mask mask = tensor<bool>({3, 3}, {false, false, false, true, false, true, false, false, true});
    const Variable<T> y = masked_softmax(x, &mask);
    const T low = static_cast<T>(1 / (1 + std::exp(1.)));
    const Tensor<T> expected = tensor<T>({3, 3}, {0, 0, 0, low, 0, 1 - low, 0, 0, 1});
    for (std::size_t i = 0; i < 9; ++i)
        CHECK(double(y.value().data()[i]) == Approx(double(expected.data()[i])).epsilon(1e-6));
    // Gradients of what was left out do not count either.
    backward(y, tensor<T>({3, 3}, {nan, inf, 1, 3, nan, 5, inf, nan, 2}));
    for (std::size_t i = 0; i < 9; ++i) {
        CHECK(std::isfinite(x.grad().data()[i]));
        if (!mask.data()[i]) CHECK(x.grad().data()[i] == 0);
    }
    CHECK(x.grad()(1, 2) > 0);
}

TEST_CASE("masked_softmax: masks broadcast, and one of fewer axes is the memory's") {
    const Variable<double> x = random({2, 3, 2, 5}, 1);
    Mask memory(Shape{2, 5});
    for (std::size_t i = 0; i < 10; ++i) memory.data()[i] = i % 3 != 1;
    const Tensor<double> y = masked_softmax(x, &memory).value();
    Mask full(x.shape());
    for (std::size_t i = 0; i < full.size(); ++i) full.data()[i] = memory.data()[i / 30 * 5 + i % 5];
    CHECK(y == masked_softmax(x, &full).value());
    // Square: the rows of the mask are those of the batch, not of the queries.
    const Variable<double> square = random({2, 2, 5}, 2);
    Mask per_sample(Shape{2, 2, 5});
    for (std::size_t i = 0; i < 20; ++i) per_sample.data()[i] = memory.data()[i / 10 * 5 + i % 5];
    CHECK(masked_softmax(square, &memory).value() == masked_softmax(square, &per_sample).value());
    const Mask causal = tensor<bool>({1, 2, 5}, {true, false, false, false, false,  //
                                                 true, true, false, false, false});
    const Tensor<double> z = masked_softmax(square, &causal).value();
    CHECK(z(0, 0, 0) == 1);
    CHECK(z(1, 1, 0) + z(1, 1, 1) == Approx(1).epsilon(1e-15));
    CHECK(z(1, 1, 2) == 0);
    const Mask queries = tensor<bool>({2, 2, 1}, {true, false, false, true});
    const Tensor<double> w = masked_softmax(square, &queries).value();
    for (std::size_t s = 0; s < 5; ++s) {
        CHECK(w(0, 0, s) == softmax(square).value()(0, 0, s));
        CHECK(w(0, 1, s) == 0);
    }
    const Mask shared = tensor<bool>({5}, {true, true, true, true, false});
    CHECK(masked_softmax(square, &shared).value()(1, 1, 4) == 0);
}

TEST_CASE("masked_softmax goes without positions and refuses masks that do not fit") {
    const Mask none(Shape{2, 0});
    CHECK(masked_softmax(random({2, 3, 0}, 1), &none).shape() == Shape{2, 3, 0});
    const Variable<double> x = random({2, 3, 4}, 1);
    const auto refused = [&](const Shape& shape) {
        const Mask mask = ones<bool>(shape);
        try {
            masked_softmax(x, &mask);
        } catch (const ShapeError& e) {
            return std::string(e.what());
        }
        return std::string();
    };
    CHECK(refused({2, 5}) == "masked_softmax: a mask [2, 5] does not fit scores [..., S] = [2, 3, 4]");
    CHECK_FALSE(refused({3, 4}).empty());
    CHECK_FALSE(refused({2, 2, 4}).empty());
    CHECK_FALSE(refused({1, 2, 3, 4}).empty());
    CHECK_FALSE(refused({}).empty());
    CHECK(refused({2, 1}).empty());
    const Mask mask = ones<bool>({1});
    CHECK_THROWS_AS(masked_softmax(constant(zeros<double>({})), &mask), ShapeError);
}

TEST_CASE("dot_scores are products of every query with every key") {
    const Variable<double> q = random({2, 3, 4}, 1), k = random({2, 5, 4}, 2);
    const Variable<double> y = dot_scores(q, k);
    CHECK(largest_difference(y.value(), matmul(q, swapaxes(k)).value()) <= 1e-14);
    const auto report = gradcheck([](auto x) { return dot_scores(x[0], x[1]); }, {q, k});
    CHECK_MESSAGE(report.passed, report.message());
    const auto itself = gradcheck([](auto x) { return dot_scores(x[0], x[0]); }, {q});
    CHECK_MESSAGE(itself.passed, itself.message());
    CHECK(dot_scores(random({2, 0, 4}, 1), k).shape() == Shape{2, 0, 5});
    CHECK(dot_scores(random({2, 3, 0}, 1), random({2, 5, 0}, 1)).value() == zeros<double>({2, 3, 5}));
    CHECK_THROWS_WITH_AS(
        dot_scores(q, random({2, 5, 3}, 2)),
        "dot_scores: expected query [B, T, D] and keys [B, S, D], got [2, 3, 4] and [2, 5, 3]", ShapeError);
    CHECK_THROWS_AS(dot_scores(q, random({3, 5, 4}, 2)), ShapeError);
    CHECK_THROWS_AS(dot_scores(q, random({2, 4}, 2)), ShapeError);
}

TEST_CASE("additive_scores are what the composed formula gives") {
    // More keys than one group has, and sizes of 1.
    for (const auto& [queries, keys, v] : {std::tuple{Shape{2, 3, 4}, Shape{2, 5, 4}, Shape{4}},
                                           {Shape{1, 1, 1}, Shape{1, 1, 1}, Shape{1}},
                                           {Shape{2, 2, 300}, Shape{2, 17, 300}, Shape{300}}}) {
        const Variable<double> q = random(queries, 1), k = random(keys, 2), w = random(v, 3);
        const Variable<double> q2 = parameter(q.value()), k2 = parameter(k.value()),
                               w2 = parameter(w.value());
        const Variable<double> y = additive_scores(q, k, w), expected = composed_additive(q2, k2, w2);
        CHECK(largest_difference(y.value(), expected.value()) <= 1e-13);
        const Tensor<double> seed = Generator(4).normal<double>(y.shape());
        backward(y, seed);
        backward(expected, seed);
        CHECK(largest_difference(q.grad(), q2.grad()) <= 1e-13);
        CHECK(largest_difference(k.grad(), k2.grad()) <= 1e-13);
        CHECK(largest_difference(w.grad(), w2.grad()) <= 1e-13);
    }
}

TEST_CASE("additive_scores: gradients, also of a variable that is query and keys at once") {
    const auto report = gradcheck([](auto x) { return additive_scores(x[0], x[1], x[2]); },
                                  {random({2, 2, 3}, 1), random({2, 4, 3}, 2), random({3}, 3)});
    CHECK_MESSAGE(report.passed, report.message());
    const auto itself = gradcheck([](auto x) { return additive_scores(x[0], x[0], x[1]); },
                                  {random({2, 3, 2}, 1), random({2}, 3)});
    CHECK_MESSAGE(itself.passed, itself.message());
    const Mask mask = tensor<bool>({2, 4}, {true, false, true, true, false, false, false, false});
    const auto masked =
        gradcheck([&](auto x) { return masked_softmax(additive_scores(x[0], x[1], x[2]), &mask); },
                  {random({2, 2, 3}, 1), random({2, 4, 3}, 2), random({3}, 3)});
    CHECK_MESSAGE(masked.passed, masked.message());
}

TEST_CASE("NaN in masked keys reaches no score that counts and no gradient") {
    Tensor<double> keys = Generator(2).normal<double>({1, 3, 2});
    keys(0, 1, 0) = not_a_number;
    keys(0, 1, 1) = infinite;
    const Variable<double> q = random({1, 2, 2}, 1), k = parameter(keys), v = random({2}, 3);
    const Mask mask = tensor<bool>({1, 3}, {true, false, true});
    const Variable<double> y = masked_softmax(additive_scores(q, k, v), &mask);
    backward(y, Generator(4).normal<double>(y.shape()));
    for (const Variable<double>* x : {&q, &k, &v})
        for (const double g : elements(x->grad())) CHECK(std::isfinite(g));
    CHECK(k.grad()(0, 1, 0) == 0);
    CHECK(k.grad()(0, 0, 0) != 0);
}

TEST_CASE("additive_scores refuses sizes that differ, and goes without queries, keys or features") {
    const Variable<double> q = random({2, 3, 4}, 1), k = random({2, 5, 4}, 2), v = random({4}, 3);
    CHECK_THROWS_WITH_AS(
        additive_scores(q, random({2, 5, 3}, 2), v),
        "additive_scores: expected query [B, T, A] and keys [B, S, A], got [2, 3, 4] and [2, 5, 3]",
        ShapeError);
    CHECK_THROWS_WITH_AS(additive_scores(q, k, random({3}, 3)),
                         "additive_scores: query [2, 3, 4] and keys [2, 5, 4] need v [A=4], got [3]",
                         ShapeError);
    CHECK_THROWS_AS(additive_scores(random({2, 4}, 1), k, v), ShapeError);
    CHECK_THROWS_AS(additive_scores(q, random({1, 5, 4}, 2), v), ShapeError);
    CHECK(additive_scores(random({2, 0, 4}, 1), k, v).shape() == Shape{2, 0, 5});
    CHECK(additive_scores(q, random({2, 0, 4}, 1), v).shape() == Shape{2, 3, 0});
    const Variable<double> nothing = parameter(zeros<double>({0}));
    const auto y = additive_scores(random({2, 3, 0}, 1), random({2, 5, 0}, 1), nothing);
    CHECK(y.value() == zeros<double>({2, 3, 5}));
    backward(y, ones<double>({2, 3, 5}));
    CHECK(nothing.grad().size() == 0);
}
