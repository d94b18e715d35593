#include "seqgrad/data/dataset.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
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

TEST_CASE("integers are samples if they are exact") {
    const auto ids = tensor<std::int64_t>({2, 2}, {1, 2, 3, 4});
    const Dataset<float> d{ids, tensor<std::int64_t>({2}, {0, 1}), {}, {ids}};
    CHECK(d.x == tensor<float>({2, 2}, {1, 2, 3, 4}));
    CHECK(d.y == tensor<float>({2}, {0, 1}));
    CHECK(d.more_inputs[0] == d.x);
    CHECK_THROWS_AS(static_cast<void>(Dataset<float>{tensor<std::int64_t>({1}, {(1 << 24) + 1}), {}}),
                    ValueError);
}

TEST_CASE("split_point rounds down, but not for want of a last bit") {
    CHECK(split_point(732) == 585);
    CHECK(split_point(309) == 247);
    CHECK(split_point(100, 0.29) == 29);
    CHECK(split_point(10, 0.5) == 5);
    CHECK(split_point(0) == 0);
    for (const double bad : {0.0, 1.0, -0.5, 80.0, std::numeric_limits<double>::quiet_NaN()}) {
        CHECK_THROWS_AS(split_point(10, bad), ValueError);
    }
}

TEST_CASE_TEMPLATE("samples are split by position or at random", T, float, double) {
    Dataset<T> d{Tensor<T>(Shape{10, 2}), Tensor<T>(Shape{10})};
    std::iota(d.x.begin(), d.x.end(), T{0});
    std::iota(d.y.begin(), d.y.end(), T{100});
    const TrainTest<T> ordered = split_in_time(d, 0.7);
    CHECK(ordered.train.x == d.slice(0, 7).x);
    CHECK(ordered.train.y == d.slice(0, 7).y);
    CHECK(ordered.test.x == d.slice(7, 10).x);
    CHECK(ordered.test.y == d.slice(7, 10).y);
    CHECK(split_in_time(d).train.size() == 8);

    Generator generator(4);
    const TrainTest<T> drawn = split_at_random(d, 0.7, generator);
    CHECK(drawn.train.size() == 7);
    std::vector<T> seen;
    for (const Dataset<T>* part : {&drawn.train, &drawn.test}) {
        for (std::size_t i = 0; i < part->size(); ++i) {
            CHECK(part->x(i, 0) == 2 * (part->y(i) - 100));
            CHECK(part->x(i, 1) == part->x(i, 0) + 1);
            seen.push_back(part->y(i));
        }
    }
    CHECK_FALSE(std::is_sorted(seen.begin(), seen.end()));
    std::sort(seen.begin(), seen.end());
    CHECK(std::equal(seen.begin(), seen.end(), d.y.begin(), d.y.end()));
    Generator again(4);
    CHECK(split_at_random(d, 0.7, again).test.y == drawn.test.y);
    CHECK(split_at_random(d, 0.7, again).test.y != drawn.test.y);
}

TEST_CASE("a split leaves samples in both parts") {
    const Dataset<float> d{zeros<float>({3, 1}), zeros<float>({3, 1})};
    Generator generator(1);
    const GeneratorState before = generator.state();
    CHECK_THROWS_WITH_AS(split_in_time(d, 0.3),
                         "split_in_time: a fraction 0.3 of 3 samples leaves one part without samples",
                         ValueError);
    CHECK_THROWS_WITH_AS(split_at_random(d, 0.3, generator),
                         "split_at_random: a fraction 0.3 of 3 samples leaves one part without samples",
                         ValueError);
    CHECK_THROWS_WITH_AS(split_at_random(d, 1.0, generator),
                         "split_point: expected a fraction between 0 and 1, got 1", ValueError);
    CHECK_THROWS_AS(split_in_time(Dataset<float>{}, 0.5), ShapeError);
    CHECK(generator.state() == before);
}

TEST_CASE("expressions of integers are refused as integers are where a dataset would round them") {
    const std::int64_t largest = std::int64_t{1} << 24;
    const Tensor<std::int64_t> ids = tensor<std::int64_t>({2}, {1, largest});
    Dataset<float> data{.x = ids - 1, .y = ids};
    CHECK(data.x == tensor<float>({2}, {0.0F, 16777215.0F}));
    const auto message = doctest::Contains("from_integers: 16777217 lies outside");
    CHECK_THROWS_WITH_AS(Tensor<float>(ids + 1), message, ValueError);
    CHECK_THROWS_WITH_AS(data.y = ids + 1, message, ValueError);
    CHECK(data.y == tensor<float>({2}, {1.0F, 16777216.0F}));
    data.y = ids - 1;
    CHECK(data.y == data.x);
    const xt::xarray<int> small{3, (1 << 24) + 1};
    CHECK_THROWS_WITH_AS(data.y = small, message, ValueError);
    data.x = ones<float>({2}) + 0.5F;
    CHECK(data.x == tensor<float>({2}, {1.5F, 1.5F}));
}
