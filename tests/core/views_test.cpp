#include "seqgrad/core/views.hpp"

#include <cstdint>
#include <span>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/gradients.hpp"
#include "seqgrad/core/ops/shape.hpp"

using namespace seqgrad;

namespace {

template <class T>
Tensor<T> count_up(const Shape& shape) {
    Tensor<T> t(shape);
    for (std::size_t i = 0; i < t.size(); ++i) t.data()[i] = static_cast<T>(i);
    return t;
}

}  // namespace

TEST_CASE_TEMPLATE("parts of a tensor", T, float, double, std::int64_t) {
    const Tensor<T> t = count_up<T>({2, 3, 4});
    CHECK(seqgrad::slice(t, {0, Range{.stop = -1}, Range{.step = 2}}) == tensor<T>({2, 2}, {0, 2, 4, 6}));
    CHECK(seqgrad::slice(t, {ellipsis, -1}) == tensor<T>({2, 3}, {3, 7, 11, 15, 19, 23}));
    CHECK(seqgrad::slice(t, {1, all, Range{.step = -3}}) == tensor<T>({3, 2}, {15, 12, 19, 16, 23, 20}));
    CHECK(seqgrad::slice(t, {all, Range{.start = 3}}).shape() == Shape{2, 0, 4});
    CHECK(seqgrad::slice(t, {}) == t);
    CHECK(seqgrad::slice(t, {1, 2, 3})() == T(23));
    CHECK(seqgrad::select(t, 1, -1) == tensor<T>({2, 4}, {8, 9, 10, 11, 20, 21, 22, 23}));
    CHECK_THROWS_WITH_AS(seqgrad::slice(t, {2}), "slice: index 2 lies outside [-2, 2) on axis 0 of [2, 3, 4]",
                         ValueError);
    CHECK_THROWS_AS(seqgrad::slice(t, {all, all, all, all}), ShapeError);
    CHECK_THROWS_AS(seqgrad::select(t, 3, 0), ShapeError);
    CHECK_THROWS_AS(seqgrad::select(t, 0, 2), ValueError);
}

TEST_CASE("rows are the tensor's own elements") {
    Tensor<float> t = count_up<float>({3, 2, 2});
    const std::span<float> last = row(t, -1);
    CHECK(last.size() == 4);
    CHECK(last.data() == t.data() + 8);
    last[1] = -1;
    CHECK(t(2, 0, 1) == -1);
    const Tensor<float>& fixed = t;
    CHECK(row(fixed, 0)[3] == 3);
    const Tensor<std::int64_t> empty(Shape{2, 0});
    CHECK(row(empty, 1).empty());
    Tensor<bool> mask = full<bool>({2, 2}, false);
    row(mask, 0)[1] = true;
    CHECK(mask == tensor<bool>({2, 2}, {false, true, false, false}));
    CHECK_THROWS_WITH_AS(row(t, 3), "row: index 3 lies outside [-3, 3) on axis 0 of [3, 2, 2]", ValueError);
    Tensor<float> scalar = full<float>({}, 1);
    CHECK_THROWS_AS(row(scalar, 0), ShapeError);
}

TEST_CASE_TEMPLATE("other shapes of a tensor are those of a Variable", T, float, double) {
    for (const Shape& shape : {Shape{2, 3, 4}, Shape{17, 1, 33}, Shape{0, 3, 2}, Shape{40, 50, 3}}) {
        const Tensor<T> t = count_up<T>(shape);
        const Variable<T> v = constant(t);
        CHECK(seqgrad::reshape(t, {-1, shape[1]}) == seqgrad::reshape(v, {-1, shape[1]}).value());
        CHECK(seqgrad::transpose(t) == seqgrad::transpose(v).value());
        CHECK(seqgrad::transpose(t, {1, 2, 0}) == seqgrad::transpose(v, {1, 2, 0}).value());
    }
    CHECK_THROWS_AS(seqgrad::reshape(count_up<T>({2, 3}), {4}), ShapeError);
    CHECK_THROWS_AS(seqgrad::transpose(count_up<T>({2, 3}), {0, 0}), ShapeError);
    CHECK_THROWS_AS(seqgrad::transpose(count_up<T>({2, 3}), {0}), ShapeError);
}

TEST_CASE("ids and masks in other shapes") {
    const Tensor<std::int64_t> ids = count_up<std::int64_t>({20, 35});
    const Tensor<std::int64_t> turned = seqgrad::transpose(ids);
    CHECK(turned.shape() == Shape{35, 20});
    for (std::size_t i = 0; i < 20; ++i)
        for (std::size_t j = 0; j < 35; ++j) REQUIRE(turned(j, i) == ids(i, j));
    CHECK(seqgrad::reshape(ids, {10, -1}).shape() == Shape{10, 70});
    const Mask mask = tensor<bool>({2, 3}, {true, false, false, true, true, false});
    CHECK(seqgrad::transpose(mask) == tensor<bool>({3, 2}, {true, true, false, true, false, false}));
    CHECK(seqgrad::slice(mask, {all, Range{.stop = 1}}) == tensor<bool>({2, 1}, {true, true}));
}

TEST_CASE("clear_gradients clears those of all its parameters") {
    std::vector<Variable<float>> list{parameter(ones<float>({2})), parameter(ones<float>({3}))};
    list[0].set_grad(ones<float>({2}));
    clear_gradients(list);
    CHECK_FALSE(list[0].has_grad());
    CHECK_FALSE(list[1].has_grad());
}
