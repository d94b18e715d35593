#include "seqgrad/data/windows.hpp"

#include <limits>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

TEST_CASE_TEMPLATE("every whole window is cut, with the steps that follow it", T, float, double) {
    const Dataset<T> d = make_windows(tensor<T>({5, 1}, {0, 1, 2, 3, 4}), {.window = 3});
    CHECK(d.x == tensor<T>({2, 3, 1}, {0, 1, 2, 1, 2, 3}));
    CHECK(d.y == tensor<T>({2, 1}, {3, 4}));
    const Dataset<T> flat = make_windows(tensor<T>({5}, {0, 1, 2, 3, 4}), {.window = 3});
    CHECK(flat.x == d.x);
    CHECK(flat.y == d.y);
}

TEST_CASE("targets stand step by step, with their features side by side") {
    const Tensor<float> series = tensor<float>({5, 2}, {0, 10, 1, 11, 2, 12, 3, 13, 4, 14});
    const Dataset<float> all = make_windows(series, {.window = 2, .horizon = 2});
    CHECK(all.x == tensor<float>({2, 2, 2}, {0, 10, 1, 11, 1, 11, 2, 12}));
    CHECK(all.y == tensor<float>({2, 4}, {2, 12, 3, 13, 3, 13, 4, 14}));
    const Dataset<float> second = make_windows(series, {.window = 2, .horizon = 2, .target_features = {1}});
    CHECK(second.x == all.x);
    CHECK(second.y == tensor<float>({2, 2}, {12, 13, 13, 14}));
    CHECK_THROWS_WITH_AS(make_windows(series, {.window = 2, .target_features = {2}}),
                         "make_windows: no target feature 2 among 2", ValueError);
}

TEST_CASE("a stride skips windows and never cuts one that is not whole") {
    const Tensor<double> series = tensor<double>({7}, {0, 1, 2, 3, 4, 5, 6});
    const Dataset<double> d = make_windows(series, {.window = 2, .stride = 2});
    CHECK(d.x == tensor<double>({3, 2, 1}, {0, 1, 2, 3, 4, 5}));
    CHECK(d.y == tensor<double>({3, 1}, {2, 4, 6}));
    CHECK(make_windows(series, {.window = 2, .stride = 3}).size() == 2);
    CHECK(make_windows(series, {.window = 2, .stride = 100}).size() == 1);
}

TEST_CASE("series too short and settings of zero are refused") {
    const Tensor<float> series = zeros<float>({24, 1});
    CHECK_THROWS_WITH_AS(
        make_windows(series),
        "make_windows: a window of 24 and a horizon of 1 need as many steps together, got a series "
        "[24, 1]",
        ShapeError);
    CHECK(make_windows(series, {.window = 23}).size() == 1);
    CHECK_THROWS_AS(make_windows(zeros<float>({0, 1})), ShapeError);
    CHECK_THROWS_AS(make_windows(series, {.window = std::numeric_limits<std::size_t>::max(), .horizon = 2}),
                    ShapeError);
    CHECK_THROWS_AS(make_windows(zeros<float>({})), ShapeError);
    CHECK_THROWS_WITH_AS(make_windows(zeros<float>({30, 1, 1})),
                         "make_windows: expected a series [time] or [time, features], got [30, 1, 1]",
                         ShapeError);
    for (const WindowOptions& options :
         {WindowOptions{.window = 0}, WindowOptions{.horizon = 0}, WindowOptions{.stride = 0}}) {
        CHECK_THROWS_AS(make_windows(series, options), ValueError);
        CHECK_THROWS_AS(split_windows(series, 12, options), ValueError);
    }
}

TEST_CASE("the test part forecasts every step from the split on, the training part none of them") {
    const Tensor<float> series = tensor<float>({8}, {0, 1, 2, 3, 4, 5, 6, 7});
    const TrainTest<float> parts = split_windows(series, 5, {.window = 2});
    CHECK(parts.train.x == tensor<float>({3, 2, 1}, {0, 1, 1, 2, 2, 3}));
    CHECK(parts.train.y == tensor<float>({3, 1}, {2, 3, 4}));
    CHECK(parts.test.x == tensor<float>({3, 2, 1}, {3, 4, 4, 5, 5, 6}));
    CHECK(parts.test.y == tensor<float>({3, 1}, {5, 6, 7}));
}

TEST_CASE("windows whose targets straddle the split belong to neither part") {
    const Tensor<float> series = tensor<float>({8}, {0, 1, 2, 3, 4, 5, 6, 7});
    const TrainTest<float> parts = split_windows(series, 5, {.window = 2, .horizon = 2, .stride = 2});
    CHECK(parts.train.y == tensor<float>({1, 2}, {2, 3}));
    CHECK(parts.test.y == tensor<float>({1, 2}, {5, 6}));
}

TEST_CASE("a split that leaves a part without windows is refused") {
    const Tensor<double> series = zeros<double>({8, 1});
    CHECK(split_windows(series, 3, {.window = 2}).train.size() == 1);
    CHECK(split_windows(series, 7, {.window = 2}).test.size() == 1);
    CHECK_THROWS_WITH_AS(
        split_windows(series, 2, {.window = 2}),
        "split_windows: expected at least window + horizon = 2 + 1 steps before the split and 1 after it, "
        "got a split at 2 of a series [8, 1]",
        ShapeError);
    CHECK_THROWS_AS(split_windows(series, 8, {.window = 2}), ShapeError);
    CHECK_THROWS_AS(split_windows(series, 9, {.window = 2}), ShapeError);
    CHECK_THROWS_AS(split_windows(series, 7, {.window = 2, .horizon = 2}), ShapeError);
    CHECK_THROWS_AS(split_windows(zeros<double>({8, 1, 1}), 4, {.window = 2}), ShapeError);
}
