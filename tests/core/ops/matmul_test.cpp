#include "seqgrad/core/ops/matmul.hpp"

#include <limits>

#include "support/counting.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"

using namespace seqgrad;
using support::counting;

namespace {

/// Matrix i of a batch, counted through its batch axes as they are stretched to `batch`.
std::size_t matrix(const Shape& operand, std::size_t matrix_rank, const Shape& batch, std::size_t i) {
    std::size_t at = 0, stride = 1;
    for (std::size_t k = 1; k <= batch.size(); ++k) {
        const std::size_t place = i % batch[batch.size() - k];
        i /= batch[batch.size() - k];
        if (k + matrix_rank > operand.size()) continue;
        const std::size_t n = operand[operand.size() - matrix_rank - k];
        at += n == 1 ? 0 : place * stride;
        stride *= n;
    }
    return at;
}

/// matmul(a, b) and its gradients for 1, 2, 3, ... in every place, against sums written out. `batch` is what
/// the batch axes broadcast to.
template <class T>
void check(const Shape& a_shape, const Shape& b_shape, const Shape& batch, std::size_t m, std::size_t k,
           std::size_t n, const Shape& expected_shape) {
    CAPTURE(to_string(a_shape));
    CAPTURE(to_string(b_shape));
    const Variable<T> a = parameter(counting<T>(a_shape));
    const Variable<T> b = parameter(counting<T>(b_shape));
    const Variable<T> y = matmul(a, b);
    REQUIRE(y.shape() == expected_shape);

    const Tensor<T> grad = counting<T>(expected_shape);
    Tensor<T> value = zeros<T>(expected_shape);
    Tensor<T> da = zeros<T>(a_shape);
    Tensor<T> db = zeros<T>(b_shape);
    for (std::size_t i = 0; i < element_count(batch); ++i) {
        const std::size_t ia = matrix(a_shape, a_shape.size() == 1 ? 1 : 2, batch, i) * m * k;
        const std::size_t ib = matrix(b_shape, b_shape.size() == 1 ? 1 : 2, batch, i) * k * n;
        for (std::size_t r = 0; r < m; ++r) {
            for (std::size_t c = 0; c < n; ++c) {
                for (std::size_t j = 0; j < k; ++j) {
                    const T g = grad.data()[i * m * n + r * n + c];
                    const T av = a.value().data()[ia + r * k + j];
                    const T bv = b.value().data()[ib + j * n + c];
                    value.data()[i * m * n + r * n + c] += av * bv;
                    da.data()[ia + r * k + j] += g * bv;
                    db.data()[ib + j * n + c] += g * av;
                }
            }
        }
    }
    CHECK(y.value() == value);
    // The product that comes second adds to what the first left.
    backward(y + 2 * matmul(a, b), grad);
    CHECK(a.grad() == Tensor<T>(T{3} * da));
    CHECK(b.grad() == Tensor<T>(T{3} * db));
}

}  // namespace

TEST_CASE("matmul of matrices") {
    const Variable<double> a = parameter(tensor<double>({2, 3}, {1, 2, 3, 4, 5, 6}));
    const Variable<double> b = parameter(tensor<double>({3, 2}, {1, 0, -1, 2, 5, 3}));
    const Variable<double> y = matmul(a, b);
    CHECK(y.value() == tensor<double>({2, 2}, {14, 13, 29, 28}));
    backward(y, tensor<double>({2, 2}, {1, 2, 3, 4}));
    CHECK(a.grad() == tensor<double>({2, 3}, {1, 3, 11, 3, 5, 27}));
    CHECK(b.grad() == tensor<double>({3, 2}, {13, 18, 17, 24, 21, 30}));
}

// Sums of small integers are exact in any order.
TEST_CASE_TEMPLATE("matmul follows NumPy for every pair of ranks", T, float, double) {
    check<T>({3}, {3}, {}, 1, 3, 1, {});
    check<T>({2, 3}, {3}, {}, 2, 3, 1, {2});
    check<T>({3}, {3, 2}, {}, 1, 3, 2, {2});
    check<T>({2, 3}, {3, 5}, {}, 2, 3, 5, {2, 5});
    check<T>({1, 1}, {1, 1}, {}, 1, 1, 1, {1, 1});
    check<T>({1}, {1}, {}, 1, 1, 1, {});
    check<T>({7, 1}, {1, 5}, {}, 7, 1, 5, {7, 5});
}

TEST_CASE_TEMPLATE("matmul broadcasts batch axes", T, float, double) {
    check<T>({2, 3, 4}, {2, 4, 5}, {2}, 3, 4, 5, {2, 3, 5});
    check<T>({2, 3, 4}, {4, 5}, {2}, 3, 4, 5, {2, 3, 5});
    check<T>({2, 3, 4}, {1, 1, 4, 5}, {1, 2}, 3, 4, 5, {1, 2, 3, 5});
    check<T>({3, 4}, {2, 4, 5}, {2}, 3, 4, 5, {2, 3, 5});
    check<T>({1, 3, 4}, {2, 4, 5}, {2}, 3, 4, 5, {2, 3, 5});
    check<T>({2, 3, 4}, {4}, {2}, 3, 4, 1, {2, 3});
    check<T>({4}, {2, 4, 5}, {2}, 1, 4, 5, {2, 5});
    check<T>({4}, {1, 4, 5}, {1}, 1, 4, 5, {1, 5});
    check<T>({2, 1, 2, 3}, {3, 3, 2}, {2, 3}, 2, 3, 2, {2, 3, 2, 2});
    check<T>({3, 1, 2}, {2, 1, 2, 2}, {2, 3}, 1, 2, 2, {2, 3, 1, 2});
}

TEST_CASE_TEMPLATE("matmul with empty axes", T, float, double) {
    check<T>({0}, {0}, {}, 1, 0, 1, {});
    check<T>({2, 0}, {0, 3}, {}, 2, 0, 3, {2, 3});
    check<T>({0, 2}, {2, 3}, {}, 0, 2, 3, {0, 3});
    check<T>({2, 3}, {3, 0}, {}, 2, 3, 0, {2, 0});
    check<T>({0, 2, 3}, {3, 4}, {0}, 2, 3, 4, {0, 2, 4});
    check<T>({1, 2, 3}, {0, 3, 4}, {0}, 2, 3, 4, {0, 2, 4});
    check<T>({2, 3}, {0, 3, 4}, {0}, 2, 3, 4, {0, 2, 4});
    check<T>({2, 0, 3}, {2, 3, 4}, {2}, 0, 3, 4, {2, 0, 4});
}

TEST_CASE("products accumulate into gradients that other operations began") {
    const Variable<double> w = parameter(tensor<double>({2, 2}, {1, 2, 3, 4}));
    // d/dw of sum(g . (w w)) = g w^T + w^T g, and the same again from w + w.
    backward(matmul(w, w) + w + w, tensor<double>({2, 2}, {1, 0, 0, 0}));
    CHECK(w.grad() == tensor<double>({2, 2}, {1 + 1 + 2, 3, 2, 0}));
}

TEST_CASE("matmul leaves the gradient of a constant alone and spreads NaN no further than it must") {
    const Variable<double> a = constant(counting<double>({2, 2}));
    const Variable<double> b = parameter(counting<double>({2, 2}));
    backward(matmul(a, b), ones<double>({2, 2}));
    CHECK_FALSE(a.has_grad());
    CHECK(b.grad() == tensor<double>({2, 2}, {4, 4, 6, 6}));
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const Variable<double> y =
        matmul(constant(tensor<double>({2, 1}, {nan, 1})), constant(ones<double>({1, 1})));
    CHECK(y.value()(0, 0) != y.value()(0, 0));
    CHECK(y.value()(1, 0) == 1);
}

TEST_CASE("matmul says which shapes do not fit") {
    const auto operand = [](const Shape& shape) { return constant(zeros<double>(shape)); };
    CHECK_THROWS_WITH_AS(matmul(operand({3, 4}), operand({5, 6})),
                         "matmul: inner sizes differ: [3, 4] x [5, 6] (4 and 5)", ShapeError);
    CHECK_THROWS_WITH_AS(matmul(operand({3}), operand({4})),
                         "matmul: inner sizes differ: [3] x [4] (3 and 4)", ShapeError);
    CHECK_THROWS_WITH_AS(matmul(operand({3}), operand({1, 3})),
                         "matmul: inner sizes differ: [3] x [1, 3] (3 and 1)", ShapeError);
    CHECK_THROWS_WITH_AS(matmul(operand({}), operand({1})),
                         "matmul: operands need at least one axis: [] x [1]; multiply by a number with *",
                         ShapeError);
    CHECK_THROWS_WITH_AS(matmul(operand({2, 3, 4}), operand({5, 4, 6})),
                         "matmul: batch axes do not broadcast: [2, 3, 4] x [5, 4, 6] ([2] and [5])",
                         ShapeError);
    CHECK_THROWS_AS(matmul(operand({0, 3, 4}), operand({2, 4, 6})), ShapeError);
}

TEST_CASE_TEMPLATE("vecdot sums products along an axis", T, float, double) {
    Variable<T> a = parameter(tensor<T>({2, 3}, {1, 2, 3, 4, 5, 6}));
    Variable<T> b = parameter(tensor<T>({2, 3}, {1, -1, 2, 0, 3, -2}));
    CHECK(vecdot(a, b).value() == tensor<T>({2}, {5, 3}));
    CHECK(vecdot(a, b, 0).value() == tensor<T>({3}, {1, 13, -6}));
    backward(vecdot(a, b), tensor<T>({2}, {1, 10}));
    CHECK(a.grad() == tensor<T>({2, 3}, {1, -1, 2, 0, 30, -20}));
    CHECK(b.grad() == tensor<T>({2, 3}, {1, 2, 3, 40, 50, 60}));
    a.clear_grad();
    b.clear_grad();
    backward(vecdot(a, b, 0), tensor<T>({3}, {1, 10, 100}));
    CHECK(a.grad() == tensor<T>({2, 3}, {1, -10, 200, 0, 30, -200}));
    CHECK(b.grad() == tensor<T>({2, 3}, {1, 20, 300, 4, 50, 600}));
}

TEST_CASE("vecdot broadcasts, also along the summed axis") {
    const Variable<double> a = parameter(tensor<double>({2, 1}, {1, 2}));
    const Variable<double> b = parameter(tensor<double>({3}, {1, 10, 100}));
    const Variable<double> y = vecdot(a, b);
    CHECK(y.value() == tensor<double>({2}, {111, 222}));
    backward(y, tensor<double>({2}, {1, 3}));
    CHECK(a.grad() == tensor<double>({2, 1}, {111, 333}));
    CHECK(b.grad() == tensor<double>({3}, {7, 7, 7}));
}

TEST_CASE("vecdot of long, empty and single rows") {
    for (const std::size_t n : {1u, 15u, 16u, 17u, 255u, 256u, 257u, 1000u}) {
        const double expected = static_cast<double>(n * (n + 1) / 2);
        CHECK(vecdot(constant(counting<double>({n})), constant(ones<double>({n}))).item() == expected);
        CHECK(vecdot(constant(counting<double>({n})), constant(ones<double>({1}))).item() == expected);
        const Variable<double> columns =
            vecdot(constant(counting<double>({2, n})), constant(ones<double>({n})), 0);
        CHECK(columns.value()(n - 1) == static_cast<double>(3 * n));
    }
    CHECK(vecdot(constant(zeros<double>({2, 0})), constant(zeros<double>({2, 0}))).value() ==
          zeros<double>({2}));
    CHECK(vecdot(constant(zeros<double>({0, 2})), constant(zeros<double>({0, 2}))).shape() == Shape{0});
    CHECK_THROWS_WITH_AS(vecdot(constant(full<double>({}, 1)), constant(full<double>({}, 1))),
                         "vecdot: axis -1 does not exist in a tensor of rank 0", ShapeError);
    CHECK_THROWS_WITH_AS(
        vecdot(constant(zeros<double>({2, 3})), constant(zeros<double>({2, 4}))),
        "vecdot: cannot broadcast [2, 3] with [2, 4]: sizes 3 and 4 differ on axis -1, and neither is 1",
        ShapeError);
}
