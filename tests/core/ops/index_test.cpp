#include "seqgrad/core/ops/index.hpp"

#include <limits>

#include "support/counting.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"

using namespace seqgrad;
using support::counting;

namespace {

using Indices = Tensor<std::int64_t>;

Indices indices(const Shape& shape, std::initializer_list<std::int64_t> values) {
    return tensor<std::int64_t>(shape, values);
}

}  // namespace

TEST_CASE_TEMPLATE("take puts the axes of the indices in place of the axis", T, float, double) {
    Variable<T> x = parameter(counting<T>({3, 2}));
    CHECK(take(x, indices({4}, {2, 0, 2, 1})).value() == tensor<T>({4, 2}, {5, 6, 1, 2, 5, 6, 3, 4}));
    CHECK(take(x, indices({2, 2}, {0, 1, 1, 0}), -1).value() ==
          tensor<T>({3, 2, 2}, {1, 2, 2, 1, 3, 4, 4, 3, 5, 6, 6, 5}));
    CHECK(take(x, indices({}, {1})).value() == tensor<T>({2}, {3, 4}));

    backward(take(x, indices({4}, {2, 0, 2, 2})), counting<T>({4, 2}));
    CHECK(x.grad() == tensor<T>({3, 2}, {3, 4, 0, 0, 1 + 5 + 7, 2 + 6 + 8}));
    x.clear_grad();
    const Variable<T> y = take(x, indices({3}, {1, 0, 1}), 1) + take(x, indices({3}, {0, 0, 0}), 1);
    backward(y, counting<T>({3, 3}));
    CHECK(x.grad() == tensor<T>({3, 2}, {2 + 6, 4, 5 + 15, 10, 8 + 24, 16}));
}

TEST_CASE("take of nothing") {
    const Variable<double> x = parameter(counting<double>({3, 2}));
    const Variable<double> y = take(x, indices({0}, {}));
    CHECK(y.shape() == Shape{0, 2});
    backward(y, zeros<double>({0, 2}));
    CHECK(x.grad() == zeros<double>({3, 2}));
    CHECK(take(constant(zeros<double>({3, 0})), indices({2}, {2, 1})).shape() == Shape{2, 0});
    CHECK(take(constant(zeros<double>({0, 3})), indices({2}, {2, 1}), 1).shape() == Shape{0, 2});
    CHECK(take(constant(zeros<double>({0, 3})), indices({0}, {})).shape() == Shape{0, 3});
}

TEST_CASE("an index outside its axis is named with its position") {
    const Variable<double> x = constant(counting<double>({3, 2}));
    CHECK_THROWS_WITH_AS(take(x, indices({2, 2}, {0, 1, 3, 7})),
                         "take: index 3 at position [1, 0] lies outside [0, 3)", ValueError);
    CHECK_THROWS_WITH_AS(take(x, indices({2}, {0, -1}), 1),
                         "take: index -1 at position [1] lies outside [0, 2)", ValueError);
    CHECK_THROWS_WITH_AS(take(x, indices({}, {std::numeric_limits<std::int64_t>::min()})),
                         "take: index -9223372036854775808 at position [] lies outside [0, 3)", ValueError);
    CHECK_THROWS_AS(take(constant(zeros<double>({0})), indices({1}, {0})), ValueError);
    CHECK_THROWS_WITH_AS(take(x, indices({1}, {0}), 2), "take: axis 2 does not exist in a tensor of rank 2",
                         ShapeError);
    CHECK_THROWS_AS(take(constant(full<double>({}, 1)), indices({1}, {0})), ShapeError);
    CHECK_THROWS_WITH_AS(embedding_lookup(x, indices({1, 2}, {0, 3})),
                         "embedding_lookup: id 3 at position [0, 1] lies outside [0, 3)", ValueError);
    CHECK_THROWS_WITH_AS(embedding_lookup(constant(counting<double>({3})), indices({1}, {0})),
                         "embedding_lookup: expected a table [V, D], got [3]", ShapeError);
    CHECK_THROWS_WITH_AS(one_hot<float>(indices({2}, {1, 2}), 2),
                         "one_hot: id 2 at position [1] lies outside [0, 2)", ValueError);
}

TEST_CASE_TEMPLATE("embedding_lookup reads rows, and sums the gradients of repeated ids", T, float, double) {
    const Variable<T> table = parameter(counting<T>({4, 2}));
    const Variable<T> y = embedding_lookup(table, indices({2, 3}, {3, 0, 3, 3, 1, 0}));
    CHECK(y.value() == tensor<T>({2, 3, 2}, {7, 8, 1, 2, 7, 8, 7, 8, 3, 4, 1, 2}));
    backward(y * y, counting<T>({2, 3, 2}));
    CHECK(table.grad() == tensor<T>({4, 2}, {2 * 1 * (3 + 11), 2 * 2 * (4 + 12), 2 * 3 * 9, 2 * 4 * 10, 0, 0,
                                             2 * 7 * (1 + 5 + 7), 2 * 8 * (2 + 6 + 8)}));
}

TEST_CASE("the indices may change after the operation has read them") {
    const Variable<double> table = parameter(counting<double>({2, 1}));
    Indices ids = indices({2}, {1, 1});
    const Variable<double> y = embedding_lookup(table, ids);
    ids(0) = 0;
    backward(y, ones<double>({2, 1}));
    CHECK(table.grad() == tensor<double>({2, 1}, {0, 2}));
}

TEST_CASE_TEMPLATE("take_along_axis picks one element for every index", T, float, double) {
    Variable<T> x = parameter(counting<T>({2, 3}));
    CHECK(take_along_axis(x, indices({2, 1}, {2, 0})).value() == tensor<T>({2, 1}, {3, 4}));
    CHECK(take_along_axis(x, indices({2, 4}, {0, 0, 2, 1, 1, 2, 2, 2})).value() ==
          tensor<T>({2, 4}, {1, 1, 3, 2, 5, 6, 6, 6}));
    CHECK(take_along_axis(x, indices({1, 3}, {1, 0, 1}), 0).value() == tensor<T>({1, 3}, {4, 2, 6}));
    backward(take_along_axis(x, indices({2, 4}, {0, 0, 2, 1, 1, 2, 2, 2})), counting<T>({2, 4}));
    CHECK(x.grad() == tensor<T>({2, 3}, {3, 4, 3, 0, 5, 21}));
    x.clear_grad();
    backward(x + take_along_axis(x, indices({2, 3}, {1, 0, 1, 1, 0, 0}), 0), counting<T>({2, 3}));
    CHECK(x.grad() == tensor<T>({2, 3}, {1, 2 + 2 + 5, 3 + 6, 4 + 1 + 4, 5, 6 + 3}));
}

TEST_CASE("take_along_axis with empty axes and wrong shapes") {
    const Variable<double> x = parameter(counting<double>({2, 3}));
    const Variable<double> y = take_along_axis(x, indices({2, 0}, {}));
    CHECK(y.shape() == Shape{2, 0});
    backward(y, zeros<double>({2, 0}));
    CHECK(x.grad() == zeros<double>({2, 3}));
    CHECK_THROWS_WITH_AS(
        take_along_axis(x, indices({1, 2}, {0, 0}), 1),
        "take_along_axis: x and the indices must agree in every axis but axis 1: [2, 3] and [1, 2]",
        ShapeError);
    CHECK_THROWS_AS(take_along_axis(x, indices({2}, {0, 0}), 1), ShapeError);
    CHECK_THROWS_AS(take_along_axis(x, indices({2, 1}, {0, 0}), -3), ShapeError);
    CHECK_THROWS_WITH_AS(take_along_axis(x, indices({2, 2}, {0, 1, 2, 3})),
                         "take_along_axis: index 3 at position [1, 1] lies outside [0, 3)", ValueError);
}

TEST_CASE_TEMPLATE("scatter_add adds every update", T, float, double) {
    const Variable<T> x = parameter(counting<T>({3, 2}));
    const Variable<T> updates = parameter(tensor<T>({3, 2}, {10, 20, 30, 40, 50, 60}));
    const Variable<T> y = scatter_add(x, indices({3}, {2, 0, 2}), updates);
    CHECK(y.value() == tensor<T>({3, 2}, {31, 42, 3, 4, 65, 86}));
    CHECK(x.value() == counting<T>({3, 2}));
    backward(y, counting<T>({3, 2}));
    CHECK(x.grad() == counting<T>({3, 2}));
    CHECK(updates.grad() == tensor<T>({3, 2}, {5, 6, 1, 2, 5, 6}));

    CHECK(scatter_add(x, indices({1}, {1}), constant(full<T>({3, 1}, 100)), 1).value() ==
          tensor<T>({3, 2}, {1, 102, 3, 104, 5, 106}));
    CHECK(scatter_add(x, indices({}, {1}), constant(full<T>({2}, 100))).value() ==
          tensor<T>({3, 2}, {1, 2, 103, 104, 5, 6}));
}

TEST_CASE("scatter_add of nothing, of itself, and of wrong shapes") {
    Variable<double> x = parameter(counting<double>({2}));
    CHECK(scatter_add(x, indices({0}, {}), constant(zeros<double>({0}))).value() == x.value());
    backward(scatter_add(x, indices({2}, {1, 1}), x), tensor<double>({2}, {1, 10}));
    CHECK(x.grad() == tensor<double>({2}, {1 + 10, 10 + 10}));
    CHECK_THROWS_WITH_AS(scatter_add(x, indices({3}, {0, 0, 0}), x),
                         "scatter_add: for x [2], indices [3] and axis 0 the updates must be [3], got [2]",
                         ShapeError);
    CHECK_THROWS_WITH_AS(scatter_add(x, indices({2}, {0, 2}), x),
                         "scatter_add: index 2 at position [1] lies outside [0, 2)", ValueError);
    CHECK_THROWS_AS(scatter_add(x, indices({2}, {0, 1}), x, 1), ShapeError);
}

TEST_CASE("one_hot has a last axis of classes") {
    CHECK(one_hot<float>(indices({2}, {2, 0}), 3) == tensor<float>({2, 3}, {0, 0, 1, 1, 0, 0}));
    CHECK(one_hot<double>(indices({1, 2}, {1, 1}), 2) == tensor<double>({1, 2, 2}, {0, 1, 0, 1}));
    CHECK(one_hot<double>(indices({}, {1}), 2) == tensor<double>({2}, {0, 1}));
    CHECK(one_hot<double>(indices({0}, {}), 4).shape() == Shape{0, 4});
    CHECK(one_hot<double>(indices({0}, {}), 0).shape() == Shape{0, 0});
    CHECK_THROWS_AS(one_hot<double>(indices({1}, {-1}), 4), ValueError);
    CHECK_THROWS_AS(one_hot<double>(indices({1}, {0}), 0), ValueError);
}
