#include "seqgrad/core/ops/slice.hpp"

#include <limits>

#include "support/counting.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"

using namespace seqgrad;
using support::counting;

namespace {

std::vector<double> taken(std::size_t n, const Range& range) {
    Tensor<double> t = counting<double>({n});
    for (double& v : elements(t)) v -= 1;
    const Variable<double> y = slice(constant(t), {range});
    return {y.value().data(), y.value().data() + y.size()};
}

using Places = std::vector<double>;

}  // namespace

TEST_CASE("a Range means what Python's slice means") {
    CHECK(taken(5, all) == Places{0, 1, 2, 3, 4});
    CHECK(taken(5, {1, 3}) == Places{1, 2});
    CHECK(taken(5, {-2}) == Places{3, 4});
    CHECK(taken(5, {.stop = -1}) == Places{0, 1, 2, 3});
    CHECK(taken(5, {.step = 2}) == Places{0, 2, 4});
    CHECK(taken(6, {.start = 1, .step = 2}) == Places{1, 3, 5});
    CHECK(taken(5, {.step = -1}) == Places{4, 3, 2, 1, 0});
    CHECK(taken(5, {.step = -2}) == Places{4, 2, 0});
    CHECK(taken(5, {3, 0, -1}) == Places{3, 2, 1});
    CHECK(taken(5, {3, -6, -1}) == Places{3, 2, 1, 0});
    CHECK(taken(5, {-1, -4, -2}) == Places{4, 2});
    CHECK(taken(5, {-100, 100}) == Places{0, 1, 2, 3, 4});
    CHECK(taken(5, {100, -100, -1}) == Places{4, 3, 2, 1, 0});
    CHECK(taken(5, {3, 3}).empty());
    CHECK(taken(5, {4, 2}).empty());
    CHECK(taken(5, {2, 4, -1}).empty());
    CHECK(taken(5, {7}).empty());
    CHECK(taken(0, all).empty());
    CHECK(taken(0, {.step = -1}).empty());
    constexpr auto huge = std::numeric_limits<std::ptrdiff_t>::max();
    constexpr auto tiny = std::numeric_limits<std::ptrdiff_t>::min();
    CHECK(taken(5, {1, huge, huge}) == Places{1});
    CHECK(taken(5, {huge, tiny, tiny}) == Places{4});
}

TEST_CASE_TEMPLATE("slice takes subscripts for leading axes", T, float, double) {
    const Variable<T> x = parameter(counting<T>({2, 3, 4}));
    CHECK(slice(x, {1}).value() == tensor<T>({3, 4}, {13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24}));
    CHECK(slice(x, {all, -1}).value() == tensor<T>({2, 4}, {9, 10, 11, 12, 21, 22, 23, 24}));
    CHECK(slice(x, {1, 2, 3}).value() == full<T>({}, 24));
    CHECK(slice(x, {0, Range{.stop = -1}, Range{.step = 2}}).value() == tensor<T>({2, 2}, {1, 3, 5, 7}));
    CHECK(slice(x, {all, Range{.step = -2}, 0}).value() == tensor<T>({2, 2}, {9, 1, 21, 13}));
    CHECK(slice(x, {ellipsis, 0}).value() == tensor<T>({2, 3}, {1, 5, 9, 13, 17, 21}));
    CHECK(slice(x, {1, ellipsis, Range{-1}}).value() == tensor<T>({3, 1}, {16, 20, 24}));
    CHECK(slice(x, {0, ellipsis, 0, 0}).value() == full<T>({}, 1));
    CHECK(slice(x, {ellipsis}).value() == x.value());
    CHECK(slice(x, {all, Range{2, 2}}).shape() == Shape{2, 0, 4});
    const std::size_t t = 1;
    CHECK(slice(x, {all, t}).value() == select(x, 1, 1).value());
}

TEST_CASE("the gradient of a slice is zero outside of it") {
    Variable<double> x = parameter(counting<double>({2, 3}));
    backward(slice(x, {Range{.step = -1}, Range{.step = 2}}), tensor<double>({2, 2}, {1, 2, 3, 4}));
    CHECK(x.grad() == tensor<double>({2, 3}, {3, 0, 4, 1, 0, 2}));
    x.clear_grad();
    backward(slice(x, {all, Range{3}}), zeros<double>({2, 0}));
    CHECK(x.grad() == zeros<double>({2, 3}));
}

TEST_CASE("overlapping slices, and other uses, add up") {
    const Variable<double> x = parameter(counting<double>({4}));
    const Variable<double> difference = slice(x, {Range{1}}) - slice(x, {Range{.stop = -1}});
    CHECK(difference.value() == ones<double>({3}));
    backward(slice(x * 2.0, {Range{.step = 3}}), tensor<double>({2}, {5, 6}));
    backward(difference, tensor<double>({3}, {1, 10, 100}));
    CHECK(x.grad() == tensor<double>({4}, {10 - 1, 1 - 10, 10 - 100, 12 + 100}));
}

TEST_CASE("a loop over time gets every step's gradient") {
    const Variable<double> x = parameter(counting<double>({2, 3, 2}));
    Variable<double> h = constant(zeros<double>({2, 2}));
    for (std::ptrdiff_t t = 0; t < 3; ++t) h = h * 10.0 + select(x, 1, t);
    CHECK(h.value() == tensor<double>({2, 2}, {135, 246, 801, 912}));
    backward(h, tensor<double>({2, 2}, {1, 2, 3, 4}));
    CHECK(x.grad() == tensor<double>({2, 3, 2}, {100, 200, 10, 20, 1, 2, 300, 400, 30, 40, 3, 4}));
}

TEST_CASE("slice says what is wrong with its subscripts") {
    const Variable<double> x = constant(counting<double>({2, 3}));
    CHECK_THROWS_WITH_AS(slice(x, {0, 0, 0}), "slice: 3 subscripts for the 2 axes of [2, 3]", ShapeError);
    CHECK_THROWS_WITH_AS(slice(x, {0, ellipsis, 0, 0}), "slice: 3 subscripts for the 2 axes of [2, 3]",
                         ShapeError);
    CHECK_THROWS_WITH_AS(slice(x, {ellipsis, 0, ellipsis}),
                         "slice: only one ellipsis can stand for the axes that are left over", ShapeError);
    CHECK_THROWS_WITH_AS(slice(x, {all, 3}), "slice: index 3 lies outside [-3, 3) on axis 1 of [2, 3]",
                         ValueError);
    CHECK_THROWS_WITH_AS(slice(x, {-3}), "slice: index -3 lies outside [-2, 2) on axis 0 of [2, 3]",
                         ValueError);
    CHECK_THROWS_WITH_AS(slice(x, {all, Range{.step = 0}}),
                         "slice: the range for axis 1 of [2, 3] has a step of 0", ValueError);
    CHECK_THROWS_WITH_AS(select(x, 2, 0), "select: axis 2 does not exist in a tensor of rank 2", ShapeError);
    CHECK_THROWS_WITH_AS(select(x, -1, -4), "select: index -4 lies outside [-3, 3) on axis 1 of [2, 3]",
                         ValueError);
    CHECK_THROWS_AS(select(constant(zeros<double>({0})), 0, 0), ValueError);
    CHECK_THROWS_AS(slice(constant(full<double>({}, 1)), {0}), ShapeError);
}

TEST_CASE("select counts axes and indices from either end") {
    Variable<double> x = parameter(counting<double>({2, 3}));
    CHECK(select(x, -1, -1).value() == tensor<double>({2}, {3, 6}));
    CHECK(select(x, 0, 1).value() == tensor<double>({3}, {4, 5, 6}));
    backward(select(x, 1, -2), tensor<double>({2}, {7, 8}));
    CHECK(x.grad() == tensor<double>({2, 3}, {0, 7, 0, 0, 8, 0}));
}

TEST_CASE("unstack and split return parts that cover the axis") {
    Variable<double> x = parameter(counting<double>({2, 4}));
    const auto columns = unstack(x, 1);
    REQUIRE(columns.size() == 4);
    CHECK(columns[2].value() == tensor<double>({2}, {3, 7}));
    CHECK(unstack(constant(zeros<double>({0, 2}))).empty());

    const auto halves = split(x, 2, -1);
    REQUIRE(halves.size() == 2);
    CHECK(halves[0].value() == tensor<double>({2, 2}, {1, 2, 5, 6}));
    CHECK(halves[1].value() == tensor<double>({2, 2}, {3, 4, 7, 8}));
    CHECK(split(constant(zeros<double>({0, 2})), 3)[2].shape() == Shape{0, 2});

    const auto parts = split_sizes(x, {1, -1, 0, 1}, 1);
    REQUIRE(parts.size() == 4);
    CHECK(parts[0].value() == tensor<double>({2, 1}, {1, 5}));
    CHECK(parts[1].value() == tensor<double>({2, 2}, {2, 3, 6, 7}));
    CHECK(parts[2].shape() == Shape{2, 0});
    CHECK(parts[3].value() == tensor<double>({2, 1}, {4, 8}));

    backward(halves[1] * columns[0].value()(0) + halves[0] * halves[1],
             tensor<double>({2, 2}, {1, 10, 100, 1000}));
    CHECK(x.grad() == tensor<double>({2, 4}, {3, 40, 1 + 1, 10 + 20, 700, 8000, 100 + 500, 1000 + 6000}));
}

TEST_CASE("split says what does not fit") {
    const Variable<double> x = constant(counting<double>({2, 4}));
    CHECK_THROWS_WITH_AS(
        split(x, 3, 1),
        "split: axis 1 of [2, 4] cannot be cut into 3 equal parts; split_sizes takes unequal ones",
        ShapeError);
    CHECK_THROWS_WITH_AS(split(x, 0), "split: the number of parts must be at least 1", ValueError);
    CHECK_THROWS_AS(split(x, 2, 2), ShapeError);
    CHECK_THROWS_WITH_AS(split_sizes(x, {1, 2}, 1),
                         "split_sizes: [1, 2] do not cut axis 1 of [2, 4]: their sum is 3, not 4",
                         ShapeError);
    CHECK_THROWS_WITH_AS(split_sizes(x, {3, 2}, 1),
                         "split_sizes: [3, 2] do not cut axis 1 of [2, 4]: their sum is larger than 4",
                         ShapeError);
    CHECK_THROWS_WITH_AS(split_sizes(x, {-1, -1}),
                         "split_sizes: [-1, -1] do not cut axis 0 of [2, 4]: only one size can be -1",
                         ShapeError);
    CHECK_THROWS_WITH_AS(split_sizes(x, {-2}),
                         "split_sizes: [-2] do not cut axis 0 of [2, 4]: -2 is not a size", ShapeError);
    CHECK_THROWS_WITH_AS(split_sizes(x, {}),
                         "split_sizes: [] do not cut axis 0 of [2, 4]: their sum is 0, not 2", ShapeError);
    CHECK(split_sizes(constant(zeros<double>({0})), {}).empty());
}
