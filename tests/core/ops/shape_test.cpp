#include "seqgrad/core/ops/shape.hpp"

#include "support/counting.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"

using namespace seqgrad;
using support::counting;

TEST_CASE_TEMPLATE("reshape keeps the elements and their gradients in order", T, float, double) {
    const Variable<T> x = parameter(counting<T>({2, 3}));
    const std::size_t rows = 3;
    const Variable<T> y = reshape(x, {rows, -1});
    CHECK(y.value() == tensor<T>({3, 2}, {1, 2, 3, 4, 5, 6}));
    CHECK(reshape(x, -1).shape() == Shape{6});
    CHECK(reshape(x, {1, 6, 1}).shape() == Shape{1, 6, 1});
    backward(y * y, counting<T>({3, 2}));
    CHECK(x.grad() == tensor<T>({2, 3}, {2, 8, 18, 32, 50, 72}));
}

TEST_CASE("reshape of a scalar, of one element and of none") {
    CHECK(reshape(parameter(full<double>({}, 5)), {1, 1}).value() == full<double>({1, 1}, 5));
    CHECK(reshape(parameter(full<double>({1}, 5)), IntList()).value() == full<double>({}, 5));
    const Variable<double> none = parameter(zeros<double>({0, 3}));
    const Variable<double> y = reshape(none, {-1, 4});
    CHECK(y.shape() == Shape{0, 4});
    CHECK(reshape(none, {7, 0}).shape() == Shape{7, 0});
    backward(y, zeros<double>({0, 4}));
    CHECK(none.grad().shape() == Shape{0, 3});
}

TEST_CASE("reshape says what does not fit") {
    const Variable<double> x = parameter(counting<double>({2, 3}));
    CHECK_THROWS_WITH_AS(reshape(x, {4, 2}), "reshape: [2, 3] does not fit [4, 2]: 8 elements in place of 6",
                         ShapeError);
    CHECK_THROWS_WITH_AS(reshape(x, {4, -1}),
                         "reshape: [2, 3] does not fit [4, -1]: 6 is no multiple of 4 elements", ShapeError);
    CHECK_THROWS_WITH_AS(reshape(x, {-1, -1}),
                         "reshape: [2, 3] does not fit [-1, -1]: only one size can be -1", ShapeError);
    CHECK_THROWS_WITH_AS(reshape(x, {-2, -3}), "reshape: [2, 3] does not fit [-2, -3]: -2 is not a size",
                         ShapeError);
    CHECK_THROWS_WITH_AS(reshape(constant(zeros<double>({0})), {0, -1}),
                         "reshape: [0] does not fit [0, -1]: any size could stand for -1 beside a size of 0",
                         ShapeError);
}

TEST_CASE("flatten merges trailing axes") {
    const Variable<double> x = parameter(counting<double>({2, 3, 2}));
    CHECK(flatten(x).value() == counting<double>({12}));
    CHECK(flatten(x, 1).shape() == Shape{2, 6});
    CHECK(flatten(x, -1).shape() == Shape{2, 3, 2});
    CHECK(flatten(constant(zeros<double>({4, 0, 3})), 1).shape() == Shape{4, 0});
    CHECK(flatten(constant(full<double>({}, 3))).value() == full<double>({1}, 3));
    CHECK_THROWS_WITH_AS(flatten(x, 3), "flatten: axis 3 does not exist in a tensor of rank 3", ShapeError);
    backward(flatten(x), counting<double>({12}));
    CHECK(x.grad() == counting<double>({2, 3, 2}));
}

TEST_CASE("expand_dims counts axes in the result, squeeze in the operand") {
    const Variable<double> x = parameter(counting<double>({2, 3}));
    CHECK(expand_dims(x, 0).shape() == Shape{1, 2, 3});
    CHECK(expand_dims(x, -1).shape() == Shape{2, 3, 1});
    CHECK(expand_dims(x, {0, 2, -1}).shape() == Shape{1, 2, 1, 3, 1});
    CHECK(expand_dims(constant(full<double>({}, 3)), {0, 1}).shape() == Shape{1, 1});
    CHECK_THROWS_WITH_AS(expand_dims(x, 3), "expand_dims: axis 3 does not exist in a tensor of rank 3",
                         ShapeError);
    CHECK_THROWS_WITH_AS(expand_dims(x, {0, -4}), "expand_dims: axis -4 is named twice in [0, -4]",
                         ShapeError);

    const Variable<double> y = expand_dims(x, {0, 2, -1});
    CHECK(squeeze(y).shape() == Shape{2, 3});
    CHECK(squeeze(y, {0, -1}).shape() == Shape{2, 1, 3});
    CHECK(squeeze(constant(ones<double>({1, 1}))).shape() == Shape{});
    CHECK(squeeze(constant(ones<double>({0, 1}))).shape() == Shape{0});
    CHECK_THROWS_WITH_AS(squeeze(y, 1), "squeeze: axis 1 of [1, 2, 1, 3, 1] has size 2, not 1", ShapeError);
    CHECK_THROWS_AS(squeeze(y, 5), ShapeError);
    CHECK_THROWS_AS(squeeze(y, {0, 0}), ShapeError);

    backward(squeeze(y, {0, 2}), counting<double>({2, 3, 1}));
    CHECK(x.grad() == counting<double>({2, 3}));
}

TEST_CASE_TEMPLATE("transpose reverses or permutes the axes", T, float, double) {
    const Variable<T> x = parameter(counting<T>({2, 3}));
    CHECK(transpose(x).value() == tensor<T>({3, 2}, {1, 4, 2, 5, 3, 6}));
    backward(transpose(x), counting<T>({3, 2}));
    CHECK(x.grad() == tensor<T>({2, 3}, {1, 3, 5, 2, 4, 6}));

    Variable<T> s = parameter(counting<T>({2, 3, 2}));
    const Variable<T> time_major = transpose(s, {1, 0, 2});
    CHECK(time_major.value() == tensor<T>({3, 2, 2}, {1, 2, 7, 8, 3, 4, 9, 10, 5, 6, 11, 12}));
    const Variable<T> rotated = transpose(s, {-1, 0, 1});
    CHECK(rotated.value() == tensor<T>({2, 2, 3}, {1, 3, 5, 7, 9, 11, 2, 4, 6, 8, 10, 12}));
    backward(time_major, counting<T>({3, 2, 2}));
    CHECK(s.grad() == tensor<T>({2, 3, 2}, {1, 2, 5, 6, 9, 10, 3, 4, 7, 8, 11, 12}));
    s.clear_grad();
    backward(rotated, counting<T>({2, 2, 3}));
    CHECK(s.grad() == tensor<T>({2, 3, 2}, {1, 7, 2, 8, 3, 9, 4, 10, 5, 11, 6, 12}));
}

TEST_CASE("transpose of ranks 0 and 1 and of empty tensors") {
    CHECK(transpose(constant(full<double>({}, 2))).value() == full<double>({}, 2));
    CHECK(transpose(constant(counting<double>({3}))).value() == counting<double>({3}));
    CHECK(transpose(constant(zeros<double>({2, 0, 3}))).shape() == Shape{3, 0, 2});
    CHECK(transpose(constant(counting<double>({1, 4}))).value() == counting<double>({4, 1}));
}

TEST_CASE("a transposed operand that is used twice adds up its gradients") {
    const Variable<double> x = parameter(counting<double>({2, 2}));
    backward(x * transpose(x), tensor<double>({2, 2}, {1, 10, 100, 1000}));
    CHECK(x.grad() == tensor<double>({2, 2}, {2, 330, 220, 8000}));
}

TEST_CASE("transpose refuses anything but a permutation") {
    const Variable<double> x = parameter(counting<double>({2, 3}));
    CHECK_THROWS_WITH_AS(transpose(x, {0}), "transpose: [0] must name each of the 2 axes of [2, 3] once",
                         ShapeError);
    CHECK_THROWS_WITH_AS(transpose(x, {0, -2}), "transpose: axis -2 is named twice in [0, -2]", ShapeError);
    CHECK_THROWS_WITH_AS(transpose(x, {0, 2}), "transpose: axis 2 does not exist in a tensor of rank 2",
                         ShapeError);
}

TEST_CASE("swapaxes transposes the matrices of a batch by default") {
    const Variable<double> x = parameter(counting<double>({2, 2, 3}));
    CHECK(swapaxes(x).value() == tensor<double>({2, 3, 2}, {1, 4, 2, 5, 3, 6, 7, 10, 8, 11, 9, 12}));
    CHECK(swapaxes(x, 0, 2).value() == transpose(x).value());
    CHECK(swapaxes(x, 1, 1).value() == x.value());
    CHECK_THROWS_WITH_AS(swapaxes(constant(ones<double>({3}))),
                         "swapaxes: axis -2 does not exist in a tensor of rank 1", ShapeError);
    backward(swapaxes(x), counting<double>({2, 3, 2}));
    CHECK(x.grad() == tensor<double>({2, 2, 3}, {1, 3, 5, 2, 4, 6, 7, 9, 11, 8, 10, 12}));
}

TEST_CASE("broadcast_to repeats, and sums the gradients of what was repeated") {
    const Variable<double> x = parameter(counting<double>({2, 1}));
    const Variable<double> y = broadcast_to(x, {3, 2, 2});
    CHECK(y.value() == tensor<double>({3, 2, 2}, {1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2}));
    backward(y, counting<double>({3, 2, 2}));
    CHECK(x.grad() == tensor<double>({2, 1}, {1 + 2 + 5 + 6 + 9 + 10, 3 + 4 + 7 + 8 + 11 + 12}));

    CHECK(broadcast_to(constant(full<double>({}, 7)), {2}).value() == full<double>({2}, 7));
    CHECK(broadcast_to(constant(ones<double>({1})), {0}).shape() == Shape{0});
    CHECK(broadcast_to(x, {2, 1}).value() == x.value());
    CHECK_THROWS_AS(broadcast_to(x, {3, 1}), ShapeError);
    CHECK_THROWS_WITH_AS(broadcast_to(x, {1, 4}), "broadcast_to: [2, 1] does not broadcast to [1, 4]",
                         ShapeError);
    CHECK_THROWS_WITH_AS(broadcast_to(x, {2}), "broadcast_to: [2, 1] does not broadcast to [2]", ShapeError);

    const Variable<double> none = parameter(ones<double>({1, 2}));
    backward(broadcast_to(none, {0, 2}), zeros<double>({0, 2}));
    CHECK(none.grad() == zeros<double>({1, 2}));
}

TEST_CASE("flip reverses along the axes it is given, or along all") {
    Variable<double> x = parameter(counting<double>({2, 3}));
    CHECK(flip(x, 0).value() == tensor<double>({2, 3}, {4, 5, 6, 1, 2, 3}));
    CHECK(flip(x, -1).value() == tensor<double>({2, 3}, {3, 2, 1, 6, 5, 4}));
    CHECK(flip(x).value() == tensor<double>({2, 3}, {6, 5, 4, 3, 2, 1}));
    CHECK(flip(x, IntList()).value() == x.value());
    CHECK_THROWS_WITH_AS(flip(x, 2), "flip: axis 2 does not exist in a tensor of rank 2", ShapeError);
    CHECK_THROWS_WITH_AS(flip(x, {1, -1}), "flip: axis -1 is named twice in [1, -1]", ShapeError);

    backward(flip(x, 1), counting<double>({2, 3}));
    CHECK(x.grad() == tensor<double>({2, 3}, {3, 2, 1, 6, 5, 4}));
    x.clear_grad();
    backward(x * flip(x), tensor<double>({2, 3}, {1, 10, 100, 1000, 10000, 100000}));
    CHECK(x.grad() == tensor<double>({2, 3}, {600006, 50050, 4400, 3300, 20020, 100001}));

    const Variable<double> none = parameter(zeros<double>({0, 3}));
    backward(flip(none), zeros<double>({0, 3}));
    CHECK(none.grad().shape() == Shape{0, 3});
    CHECK(flip(constant(full<double>({}, 4))).value() == full<double>({}, 4));
}
