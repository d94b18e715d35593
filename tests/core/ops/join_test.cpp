#include "seqgrad/core/ops/join.hpp"

#include <limits>
#include <vector>

#include "support/counting.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"

using namespace seqgrad;
using support::counting;

TEST_CASE_TEMPLATE("concatenate joins along any axis", T, float, double) {
    Variable<T> a = parameter(counting<T>({2, 1, 2}));
    Variable<T> b = parameter(Tensor<T>(counting<T>({2, 2, 2}) * T{10}));
    const Variable<T> y = concatenate({a, b}, 1);
    CHECK(y.value() == tensor<T>({2, 3, 2}, {1, 2, 10, 20, 30, 40, 3, 4, 50, 60, 70, 80}));
    backward(y, counting<T>({2, 3, 2}));
    CHECK(a.grad() == tensor<T>({2, 1, 2}, {1, 2, 7, 8}));
    CHECK(b.grad() == tensor<T>({2, 2, 2}, {3, 4, 5, 6, 9, 10, 11, 12}));

    const Variable<T> rows = parameter(counting<T>({1, 2}));
    CHECK(concatenate({rows, rows, rows}).value() == tensor<T>({3, 2}, {1, 2, 1, 2, 1, 2}));
    const Variable<T> columns = concatenate(std::vector{rows, rows}, -1);
    CHECK(columns.value() == tensor<T>({1, 4}, {1, 2, 1, 2}));
    backward(columns * columns, tensor<T>({1, 4}, {1, 2, 10, 20}));
    CHECK(rows.grad() == tensor<T>({1, 2}, {22, 88}));
}

TEST_CASE("concatenate of one tensor, of constants and of empty parts") {
    const Variable<double> x = parameter(counting<double>({2, 2}));
    const Variable<double> none = parameter(zeros<double>({2, 0}));
    const Variable<double> c = constant(full<double>({2, 1}, 9));
    CHECK(concatenate({x}).value() == x.value());
    const Variable<double> y = concatenate({none, x, c, none}, 1);
    CHECK(y.value() == tensor<double>({2, 3}, {1, 2, 9, 3, 4, 9}));
    backward(y, counting<double>({2, 3}));
    CHECK(x.grad() == tensor<double>({2, 2}, {1, 2, 4, 5}));
    CHECK(none.grad().shape() == Shape{2, 0});
    CHECK_FALSE(concatenate({c, c}).requires_grad());

    const Variable<double> no_rows = parameter(zeros<double>({0, 3}));
    const Variable<double> wide = concatenate({no_rows, no_rows}, 1);
    CHECK(wide.shape() == Shape{0, 6});
    backward(wide, zeros<double>({0, 6}));
    CHECK(no_rows.grad().shape() == Shape{0, 3});
}

TEST_CASE("concatenate and stack say which tensors do not fit") {
    const auto x = [](const Shape& shape) { return constant(zeros<double>(shape)); };
    CHECK_THROWS_WITH_AS(concatenate(std::vector<Variable<double>>()), "concatenate: no tensors to join",
                         ValueError);
    CHECK_THROWS_WITH_AS(
        concatenate({x({2, 3}), x({2, 3}), x({3, 3})}, 1),
        "concatenate: tensors 0 and 2 must agree in every axis but axis 1: [2, 3] and [3, 3]", ShapeError);
    CHECK_THROWS_WITH_AS(concatenate({x({2}), x({2, 1})}),
                         "concatenate: tensors 0 and 1 must agree in every axis but axis 0: [2] and [2, 1]",
                         ShapeError);
    CHECK_THROWS_WITH_AS(concatenate({x({})}),
                         "concatenate: a tensor of rank 0 has no axis to join along; stack makes one",
                         ShapeError);
    CHECK_THROWS_WITH_AS(concatenate({x({2, 3})}, 2),
                         "concatenate: axis 2 does not exist in a tensor of rank 2", ShapeError);
    CHECK_THROWS_WITH_AS(stack(std::vector<Variable<double>>()), "stack: no tensors to join", ValueError);
    CHECK_THROWS_WITH_AS(stack({x({2}), x({3})}), "stack: tensors 0 and 1 must have one shape: [2] and [3]",
                         ShapeError);
    CHECK_THROWS_WITH_AS(stack({x({2})}, 2), "stack: axis 2 does not exist in a tensor of rank 2",
                         ShapeError);
}

TEST_CASE_TEMPLATE("stack makes a new axis anywhere", T, float, double) {
    const Variable<T> a = parameter(tensor<T>({2}, {1, 2}));
    const Variable<T> b = parameter(tensor<T>({2}, {3, 4}));
    CHECK(stack({a, b}).value() == tensor<T>({2, 2}, {1, 2, 3, 4}));
    CHECK(stack({a, b}, -1).value() == tensor<T>({2, 2}, {1, 3, 2, 4}));
    backward(stack(std::vector{a, b, a}, 1), counting<T>({2, 3}));
    CHECK(a.grad() == tensor<T>({2}, {1 + 3, 4 + 6}));
    CHECK(b.grad() == tensor<T>({2}, {2, 5}));

    const Variable<T> s = parameter(full<T>({}, 5));
    const Variable<T> y = stack({s, s * s});
    CHECK(y.value() == tensor<T>({2}, {5, 25}));
    backward(y, tensor<T>({2}, {1, 10}));
    CHECK(s.grad() == full<T>({}, 101));
    CHECK(stack({constant(zeros<T>({2, 0}))}, 1).shape() == Shape{2, 1, 0});
}

TEST_CASE_TEMPLATE("pad surrounds with a constant that gets no gradient", T, float, double) {
    const Variable<T> x = parameter(counting<T>({2, 2}));
    const Variable<T> y = pad(x, {{1, 0}, {2, 1}}, 9);
    CHECK(y.value() == tensor<T>({3, 5}, {9, 9, 9, 9, 9, 9, 9, 1, 2, 9, 9, 9, 3, 4, 9}));
    backward(y, counting<T>({3, 5}));
    CHECK(x.grad() == tensor<T>({2, 2}, {8, 9, 13, 14}));
    CHECK(pad(x, {{}, {.after = 1}}).value() == tensor<T>({2, 3}, {1, 2, 0, 3, 4, 0}));
}

TEST_CASE("pad of empty and rank-0 tensors, with infinities, and in excess") {
    const Variable<double> none = parameter(zeros<double>({0, 2}));
    const Variable<double> y = pad(none, {{1, 1}, {0, 1}}, 3);
    CHECK(y.value() == full<double>({2, 3}, 3));
    backward(y, ones<double>({2, 3}));
    CHECK(none.grad().shape() == Shape{0, 2});
    CHECK(pad(constant(full<double>({}, 4)), {}).value() == full<double>({}, 4));
    const double inf = std::numeric_limits<double>::infinity();
    CHECK(pad(constant(ones<double>({1})), {{1, 0}}, -inf).value() == tensor<double>({2}, {-inf, 1}));
    CHECK_THROWS_WITH_AS(pad(none, {{1, 1}}), "pad: 1 widths for the 2 axes of [0, 2]", ShapeError);
}

TEST_CASE_TEMPLATE("repeat repeats elements, tile repeats tensors", T, float, double) {
    Variable<T> x = parameter(tensor<T>({2, 2}, {1, 2, 3, 4}));
    CHECK(repeat(x, 2, 0).value() == tensor<T>({4, 2}, {1, 2, 1, 2, 3, 4, 3, 4}));
    CHECK(repeat(x, 3, -1).value() == tensor<T>({2, 6}, {1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4}));
    CHECK(tile(x, 2).value() == tensor<T>({2, 4}, {1, 2, 1, 2, 3, 4, 3, 4}));
    CHECK(tile(x, {2, 1}).value() == tensor<T>({4, 2}, {1, 2, 3, 4, 1, 2, 3, 4}));
    CHECK(tile(x, {2, 1, 2}).value() ==
          tensor<T>({2, 2, 4}, {1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4}));

    backward(repeat(x, 3, 1), counting<T>({2, 6}));
    CHECK(x.grad() == tensor<T>({2, 2}, {6, 15, 24, 33}));
    x.clear_grad();
    backward(tile(x, {2, 1, 2}), counting<T>({2, 2, 4}));
    CHECK(x.grad() == tensor<T>({2, 2}, {1 + 3 + 9 + 11, 2 + 4 + 10 + 12, 5 + 7 + 13 + 15, 6 + 8 + 14 + 16}));
}

TEST_CASE("repeat and tile of nothing, once, and never") {
    const Variable<double> x = parameter(counting<double>({2}));
    CHECK(repeat(x, 1, 0).value() == x.value());
    const Variable<double> never = repeat(x, 0, 0);
    CHECK(never.shape() == Shape{0});
    backward(never, zeros<double>({0}));
    CHECK(x.grad() == zeros<double>({2}));
    CHECK(tile(x, {3, 0}).shape() == Shape{3, 0});
    CHECK(tile(x, IntList()).value() == x.value());
    CHECK(tile(constant(full<double>({}, 7)), {2}).value() == full<double>({2}, 7));
    CHECK(repeat(constant(zeros<double>({0, 2})), 2, 1).shape() == Shape{0, 4});
    CHECK_THROWS_WITH_AS(repeat(x, 2, 1), "repeat: axis 1 does not exist in a tensor of rank 1", ShapeError);
    CHECK_THROWS_WITH_AS(tile(x, {-1}), "tile: -1 repeats in [-1]", ValueError);
}
