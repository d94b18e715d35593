// The bundled series, cut and scaled as for the reference figures of data/sets/README.md.
#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/data/scaler.hpp"
#include "seqgrad/data/series.hpp"
#include "seqgrad/data/windows.hpp"

using namespace seqgrad;

namespace {

const std::string sets = SEQGRAD_TEST_SETS_DIR;

Series elnino() {
    const CsvTable table = read_csv(sets + "/elnino.csv");
    return row_series(table, std::span(table.names()).subspan(1), Missing::error);
}

MonthlyMeans co2() {
    const CsvTable table = read_csv(sets + "/co2.csv", {.text_columns = {"date"}});
    return monthly_means(table, "date", "co2", Missing::interpolate);
}

struct Part {
    TrainTest<double> windows;
    StandardScaler scaler;
};

Part standardised(const Series& series, std::size_t window) {
    const std::size_t split = split_point(series.size());
    StandardScaler scaler;
    scaler.fit(std::span(series).first(split));
    return {split_windows(series_tensor<double>(scaler.transform(series)), split, {.window = window}),
            scaler};
}

/// RMSE over the test part, in the series' own units, of the forecast that each window's last value repeats.
double rmse_of_last_value(const Part& part) {
    const Tensor<double> x = part.scaler.inverse_transform(part.windows.test.x);
    const Tensor<double> y = part.scaler.inverse_transform(part.windows.test.y);
    const std::size_t window = x.shape(1);
    double squares = 0;
    for (std::size_t i = 0; i < y.size(); ++i)
        squares += std::pow(y.data()[i] - x.data()[(i + 1) * window - 1], 2);
    return std::sqrt(squares / static_cast<double>(y.size()));
}

double rounded(double value, double digits) {
    return std::round(value / digits) * digits;
}

}  // namespace

TEST_CASE("elnino: last value repeated has an RMSE of 1.16") {
    const Series series = elnino();
    REQUIRE(series.size() == 732);
    const Part part = standardised(series, 24);
    CHECK(part.windows.train.size() == 561);
    CHECK(part.windows.test.size() == 147);
    CHECK(rounded(rmse_of_last_value(part), 0.01) == doctest::Approx(1.16).epsilon(1e-12));
}

TEST_CASE("sunspots: last value repeated has an RMSE of 33.3") {
    const Series series = column_series(read_csv(sets + "/sunspots.csv"), "SUNACTIVITY", Missing::error);
    const Part part = standardised(series, 22);
    CHECK(part.windows.train.size() == 225);
    CHECK(part.windows.test.size() == 62);
    CHECK(rounded(rmse_of_last_value(part), 0.1) == doctest::Approx(33.3).epsilon(1e-12));
}

TEST_CASE("co2: last level repeated has an RMSE of 1.27, in differences as in levels") {
    const MonthlyMeans means = co2();
    REQUIRE(means.values.size() == 526);
    CHECK(means.months.front() == "1958-03");
    CHECK(means.months.back() == "2001-12");
    CHECK(means.values[0] == 316.1);
    CHECK(means.values[1] == doctest::Approx((317.3 + 317.6 + 317.5 + 316.4) / 4).epsilon(1e-12));

    const Series differences = difference(means.values);
    const Part part = standardised(differences, 24);
    CHECK(part.windows.train.size() == 396);
    CHECK(part.windows.test.size() == 105);
    const Tensor<double> y = part.scaler.inverse_transform(part.windows.test.y);
    double squares = 0;
    for (const double v : elements(y)) squares += v * v;
    const double rmse = std::sqrt(squares / static_cast<double>(y.size()));
    CHECK(rounded(rmse, 0.01) == doctest::Approx(1.27).epsilon(1e-12));

    const std::size_t first_target = split_point(differences.size()) + 1;
    const TrainTest<double> levels = split_windows(series_tensor<double>(means.values), first_target);
    StandardScaler unit;
    unit.fit(Series{-1, 1});
    CHECK(rmse_of_last_value({levels, unit}) == doctest::Approx(rmse).epsilon(1e-12));
}

TEST_CASE("the scaler has seen the training part alone") {
    const Series series = elnino();
    const Part part = standardised(series, 24);
    Series tampered = series;
    for (std::size_t t = split_point(series.size()); t < tampered.size(); ++t) tampered[t] = 1000;
    const Part other = standardised(tampered, 24);
    CHECK(part.scaler.mean() == other.scaler.mean());
    CHECK(part.scaler.scale() == other.scaler.scale());
    CHECK(part.windows.train.x == other.windows.train.x);
    CHECK(part.windows.train.y == other.windows.train.y);
}

TEST_CASE("macrodata: several variables make one series of as many features") {
    const CsvTable table = read_csv(sets + "/macrodata.csv");
    const std::vector<Series> variables = {column_series(table, "unemp", Missing::error),
                                           column_series(table, "infl", Missing::error)};
    const Dataset<float> d =
        make_windows(series_tensor<float>(variables), {.window = 8, .target_features = {1}});
    CHECK(d.x.shape() == Shape{195, 8, 2});
    CHECK(d.y.shape() == Shape{195, 1});
    CHECK(d.y(0, 0) == -0.4f);
}
