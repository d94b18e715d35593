#include "seqgrad/data/scaler.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

TEST_CASE("a series is brought to mean 0 and standard deviation 1, and back") {
    const Series x = {2, 4, 4, 4, 5, 5, 7, 9};
    StandardScaler scaler;
    CHECK_FALSE(scaler.is_fitted());
    scaler.fit(x);
    CHECK(scaler.is_fitted());
    CHECK(scaler.mean() == std::vector<double>{5});
    CHECK(scaler.scale() == std::vector<double>{2});
    CHECK(scaler.transform(x) == Series{-1.5, -0.5, -0.5, -0.5, 0, 0, 1, 2});
    CHECK(scaler.inverse_transform(scaler.transform(x)) == x);
    CHECK(scaler.transform(Series{11}) == Series{3});
    CHECK(scaler.transform(Series{}).empty());
}

TEST_CASE_TEMPLATE("features are scaled one by one, whatever stands before them", T, float, double) {
    const Tensor<T> x = tensor<T>({2, 2, 2}, {1, -10, 3, 10, 1, -10, 3, 10});
    StandardScaler scaler;
    scaler.fit(x);
    CHECK(scaler.mean() == std::vector<double>{2, 0});
    CHECK(scaler.scale() == std::vector<double>{1, 10});
    const Tensor<T> z = scaler.transform(x);
    CHECK(z == tensor<T>({2, 2, 2}, {-1, -1, 1, 1, -1, -1, 1, 1}));
    CHECK(scaler.inverse_transform(z) == x);

    SUBCASE("targets of several steps repeat the features") {
        const Tensor<T> targets = tensor<T>({1, 4}, {0, 0, 1, 1});
        const Tensor<T> levels = tensor<T>({1, 4}, {2, 0, 3, 10});
        CHECK(scaler.inverse_transform(targets, 2) == levels);
        CHECK(scaler.transform(levels, 2) == targets);
        CHECK_THROWS_WITH_AS(scaler.transform(zeros<T>({4, 3})),
                             "StandardScaler: transform expected a last axis of the 2 features that it was "
                             "fitted on, got [4, 3]; say how many steps stand side by side, if several do, "
                             "or fit it on as many features",
                             ShapeError);
        CHECK_THROWS_AS(scaler.inverse_transform(targets), ShapeError);
        CHECK_THROWS_WITH_AS(scaler.inverse_transform(targets, 3),
                             "StandardScaler: inverse_transform expected a last axis of the 2 features that "
                             "it was fitted on times 3 steps, got [1, 4]",
                             ShapeError);
        CHECK_THROWS_AS(scaler.inverse_transform(zeros<T>({})), ShapeError);
        CHECK_THROWS_AS(scaler.transform(targets, 0), ValueError);
        CHECK_THROWS_AS(scaler.transform(Series{1, 2}), ValueError);
        CHECK_THROWS_AS(scaler.inverse_transform(Series{1, 2}), ValueError);
    }
    SUBCASE("a feature can be had alone") {
        const StandardScaler second = scaler.select(std::vector<std::size_t>{1});
        CHECK(second.inverse_transform(tensor<T>({3}, {-1, 0, 2})) == tensor<T>({3}, {-10, 0, 20}));
        CHECK_THROWS_AS(scaler.select({}), ValueError);
        CHECK_THROWS_WITH_AS(scaler.select(std::vector<std::size_t>{2}),
                             "StandardScaler: select found no feature 2 among 2", ValueError);
    }
}

TEST_CASE("a tensor of one axis is one feature") {
    StandardScaler scaler;
    scaler.fit(tensor<float>({4}, {0, 2, 0, 2}));
    CHECK(scaler.mean() == std::vector<double>{1});
    CHECK(scaler.transform(tensor<float>({3}, {0, 1, 2})) == tensor<float>({3}, {-1, 0, 1}));
    CHECK(scaler.transform(tensor<float>({2, 1}, {0, 1})) == tensor<float>({2, 1}, {-1, 0}));
    CHECK(scaler.transform(tensor<float>({2, 3}, {0, 1, 2, 3, 4, 5}), 3) ==
          tensor<float>({2, 3}, {-1, 0, 1, 2, 3, 4}));
    CHECK(scaler.inverse_transform(tensor<float>({}, {3}))() == 4);
}

TEST_CASE("a column that the scaler was not fitted on is refused") {
    // Degrees and hectopascals: the scaler of the first column would make 21.4 of a pressure.
    StandardScaler scaler;
    scaler.fit(tensor<double>({2, 1}, {15, 25}));
    const Tensor<double> both = tensor<double>({2, 2}, {0, 0.28, 0, 0.28});
    CHECK_THROWS_WITH_AS(
        scaler.inverse_transform(both),
        "StandardScaler: inverse_transform expected a last axis of the 1 feature that it was "
        "fitted on, got [2, 2]; say how many steps stand side by side, if several do, or fit "
        "it on as many features",
        ShapeError);
    CHECK_THROWS_AS(scaler.transform(both), ShapeError);
    CHECK_THROWS_AS(scaler.transform(zeros<float>({2, 0})), ShapeError);
    CHECK_THROWS_AS(scaler.transform(zeros<float>({2, 3}), 2), ShapeError);
}

TEST_CASE("mean and scale can be given") {
    const StandardScaler scaler({2, -1}, {1, 10});
    CHECK(scaler.is_fitted());
    CHECK(scaler.mean() == std::vector<double>{2, -1});
    CHECK(scaler.scale() == std::vector<double>{1, 10});
    CHECK(scaler.inverse_transform(tensor<double>({1, 2}, {3, 2})) == tensor<double>({1, 2}, {5, 19}));
    constexpr double infinite = std::numeric_limits<double>::infinity();
    CHECK_THROWS_WITH_AS(StandardScaler({1, 2}, {1}),
                         "StandardScaler: expected one mean and one scale for each feature, got 2 and 1",
                         ValueError);
    CHECK_THROWS_AS(StandardScaler(std::vector<double>{}, {}), ValueError);
    CHECK_THROWS_WITH_AS(StandardScaler({1, infinite}, {1, 1}),
                         "StandardScaler: feature 1: expected a finite mean, got inf", ValueError);
    for (const double scale : {0.0, -1.0, infinite, 4.9406564584124654e-324, std::nan("")}) {
        CHECK_THROWS_WITH_AS(StandardScaler({1}, {scale}),
                             doctest::Contains("feature 0: expected a scale that is a normal number above 0"),
                             ValueError);
    }
}

TEST_CASE("statistics stay exact far from zero") {
    StandardScaler scaler;
    scaler.fit(Series{1e9 + 1, 1e9 + 2, 1e9 + 3});
    CHECK(scaler.mean()[0] == 1e9 + 2);
    CHECK(scaler.scale()[0] == doctest::Approx(std::sqrt(2.0 / 3)).epsilon(1e-12));
}

TEST_CASE("digits that all values share cost no precision") {
    // Values with a standard deviation of 1/2 on top of means of which few or no bits are left for it.
    for (const double mean : {0.0, 1.0, 1e6, -1e9, 1e12, 1e15, -1e15}) {
        for (const std::size_t pairs : std::vector<std::size_t>{1, 3, 1000, 100'000}) {
            Series x;
            for (std::size_t i = 0; i < pairs; ++i) x.insert(x.end(), {mean, mean + 1});
            StandardScaler scaler;
            scaler.fit(x);
            CHECK(scaler.mean()[0] == mean + 0.5);
            CHECK(scaler.scale()[0] == 0.5);
        }
    }
    StandardScaler scaler;
    scaler.fit(Series{1e15, 1e15 + 1, 1e15 + 1});
    CHECK(scaler.scale()[0] == doctest::Approx(std::sqrt(2.0) / 3).epsilon(1e-15));
    // The mean, 1e16 + 20 / 3, is no double.
    scaler.fit(tensor<double>({3, 1}, {1e16, 1e16 + 8, 1e16 + 12}));
    CHECK(scaler.scale()[0] == doctest::Approx(std::sqrt(672.0 / 27)).epsilon(1e-15));
    // The first value is far from all others.
    Series outlier(1000, 1.0);
    outlier[0] = -1e12;
    outlier[1] = 0;
    scaler.fit(outlier);
    CHECK(scaler.mean()[0] == doctest::Approx((998 - 1e12) / 1000).epsilon(1e-14));
    CHECK(scaler.scale()[0] ==
          doctest::Approx(1e9 * std::sqrt(999.0) + 998 * 1e-3 / std::sqrt(999.0)).epsilon(1e-14));
}

TEST_CASE("values that differ by rounding alone are a constant") {
    StandardScaler scaler;
    scaler.fit(Series{0, 2});
    CHECK_THROWS_WITH_AS(
        scaler.fit(tensor<double>({3, 2}, {1, 0.3, 2, 0.1 + 0.2, 3, 0.3})),
        "StandardScaler: feature 1 is 0.3 in all 3 rows, but for rounding (its standard deviation is "
        "2.6168207644729584e-17): a constant has no scale; leave the feature out",
        ValueError);
    Series many;
    for (std::size_t i = 0; i < 5000; ++i) many.insert(many.end(), {0.7, 0.8 - 0.1, 0.6 + 0.1});
    CHECK_THROWS_AS(scaler.fit(many), ValueError);
    CHECK_THROWS_AS(scaler.fit(Series{1e15, 1e15 + 0.125}), ValueError);
    CHECK(scaler.mean()[0] == 1);
    // Single digits more than that are values.
    CHECK_NOTHROW(scaler.fit(Series{1, 1 + 1e-15}));
    CHECK_NOTHROW(scaler.fit(Series{-1e-150, 1e-150}));
}

TEST_CASE("a scaler that was not fitted refuses everything but fit") {
    const StandardScaler scaler;
    CHECK_THROWS_WITH_AS(
        scaler.transform(Series{1}),
        "StandardScaler: transform needs a fitted scaler; call fit on the training part first", ValueError);
    CHECK_THROWS_AS(scaler.inverse_transform(Series{1}), ValueError);
    CHECK_THROWS_AS(scaler.transform(zeros<float>({2})), ValueError);
    CHECK_THROWS_AS(scaler.inverse_transform(zeros<double>({2})), ValueError);
    CHECK_THROWS_AS(scaler.mean(), ValueError);
    CHECK_THROWS_AS(scaler.scale(), ValueError);
    CHECK_THROWS_AS(scaler.select(std::vector<std::size_t>{0}), ValueError);
}

TEST_CASE("values without a scale are refused, and leave the scaler as it was") {
    StandardScaler scaler;
    scaler.fit(Series{0, 2});
    const double inf = std::numeric_limits<double>::infinity();
    const double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK_THROWS_WITH_AS(scaler.fit(Series{}), "StandardScaler: expected values to fit, got none",
                         ValueError);
    CHECK_THROWS_WITH_AS(
        scaler.fit(Series{0.1, 0.1, 0.1}),
        "StandardScaler: feature 0 is 0.1 in all 3 rows: a constant has no scale; leave the feature out",
        ValueError);
    CHECK_THROWS_AS(scaler.fit(Series{7}), ValueError);
    CHECK_THROWS_WITH_AS(scaler.fit(Series{1, nan}),
                         "StandardScaler: feature 0, row 1: expected a finite value, got nan", ValueError);
    CHECK_THROWS_AS(scaler.fit(Series{inf, 1}), ValueError);
    CHECK_THROWS_AS(scaler.fit(Series{-1e300, 1e300}), ValueError);
    CHECK_THROWS_AS(scaler.fit(Series{0, 4.9406564584124654e-324}), ValueError);
    CHECK_THROWS_WITH_AS(
        scaler.fit(tensor<float>({2, 2}, {1, 5, 2, 5})),
        "StandardScaler: feature 1 is 5 in all 2 rows: a constant has no scale; leave the feature out",
        ValueError);
    CHECK_THROWS_AS(scaler.fit(zeros<float>({0, 3})), ValueError);
    CHECK_THROWS_AS(scaler.fit(zeros<float>({3, 0})), ValueError);
    CHECK_THROWS_AS(scaler.fit(zeros<double>({})), ShapeError);
    CHECK(scaler.mean() == std::vector<double>{1});
    CHECK(scaler.scale() == std::vector<double>{1});
}
