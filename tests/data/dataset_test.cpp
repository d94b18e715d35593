#include "seqgrad/data/dataset.hpp"

#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

TEST_CASE_TEMPLATE("samples are taken by range and by position", T, float, double) {
    const Dataset<T> d{tensor<T>({3, 2, 1}, {0, 1, 10, 11, 20, 21}), tensor<T>({3}, {0, 1, 2})};
    CHECK(d.size() == 3);
    const Dataset<T> middle = d.slice(1, 3);
    CHECK(middle.x == tensor<T>({2, 2, 1}, {10, 11, 20, 21}));
    CHECK(middle.y == tensor<T>({2}, {1, 2}));
    const Dataset<T> picked = d.select(std::vector<std::size_t>{2, 0, 2});
    CHECK(picked.x == tensor<T>({3, 2, 1}, {20, 21, 0, 1, 20, 21}));
    CHECK(picked.y == tensor<T>({3}, {2, 0, 2}));
    CHECK(d.slice(2, 2).x.shape() == Shape{0, 2, 1});
    CHECK(d.select({}).y.shape() == Shape{0});
    CHECK_THROWS_WITH_AS(d.slice(1, 4), "dataset: no samples [1, 4) among 3", ValueError);
    CHECK_THROWS_AS(d.slice(2, 1), ValueError);
    CHECK_THROWS_WITH_AS(d.select(std::vector<std::size_t>{0, 3}), "dataset: no sample 3 among 3",
                         ValueError);
}

TEST_CASE("inputs and targets have as many samples") {
    const Dataset<float> d{zeros<float>({3, 2}), zeros<float>({2, 1})};
    CHECK_THROWS_WITH_AS(d.size(),
                         "dataset: expected inputs [N, ...] and targets [N, ...], got [3, 2] and [2, 1]",
                         ShapeError);
    CHECK_THROWS_AS(d.slice(0, 1), ShapeError);
    CHECK_THROWS_AS(d.select({}), ShapeError);
    CHECK_THROWS_AS(Dataset<float>{}.size(), ShapeError);
}

TEST_CASE("integers are stored exactly or refused") {
    const std::int64_t largest = 1 << 24;
    CHECK(from_integers<float>(tensor<std::int64_t>({3}, {0, -largest, largest})) ==
          tensor<float>({3}, {0, -16777216, 16777216}));
    CHECK_THROWS_WITH_AS(
        from_integers<float>(tensor<std::int64_t>({1}, {largest + 1})),
        "from_integers: 16777217 lies outside [-16777216, 16777216], the integers that float holds "
        "exactly",
        ValueError);
    CHECK(from_integers<double>(tensor<std::int64_t>({1}, {largest + 1}))(0) == 16777217);
    CHECK_THROWS_AS(from_integers<double>(tensor<std::int64_t>({1}, {-(std::int64_t{1} << 53) - 1})),
                    ValueError);
}
