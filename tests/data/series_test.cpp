#include "seqgrad/data/series.hpp"

#include <chrono>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

CsvTable dated(std::string_view rows) {
    return parse_csv("date,x\n" + std::string(rows), "t.csv", {.text_columns = {"date"}});
}

}  // namespace

TEST_CASE("missing values are refused, dropped or interpolated, as chosen") {
    const Series gaps = {1, none, 3, none, none, 9};
    CHECK(without_missing(gaps, Missing::drop) == Series{1, 3, 9});
    CHECK(without_missing(gaps, Missing::interpolate) == Series{1, 2, 3, 5, 7, 9});
    CHECK_THROWS_WITH_AS(without_missing(gaps, Missing::error),
                         "series of 6 steps: missing value at step 1: Missing::drop leaves it out, "
                         "Missing::interpolate fills it in",
                         ValueError);
    for (const Missing missing : {Missing::error, Missing::drop, Missing::interpolate}) {
        CHECK(without_missing({4, 2}, missing) == Series{4, 2});
        CHECK(without_missing({}, missing).empty());
    }
}

TEST_CASE("nothing is interpolated beyond the first and last values") {
    CHECK_THROWS_WITH_AS(without_missing({none, 1, 2}, Missing::interpolate),
                         "series of 3 steps: missing value at step 0: no value before it to interpolate from",
                         ValueError);
    CHECK_THROWS_WITH_AS(without_missing({1, none, none}, Missing::interpolate),
                         "series of 3 steps: missing value at step 1: no value after it to interpolate to",
                         ValueError);
    CHECK_THROWS_AS(without_missing({none}, Missing::interpolate), ValueError);
    CHECK(without_missing({none, none}, Missing::drop).empty());
}

TEST_CASE("a gap of a million steps is filled in one go") {
    // As many steps as the gap is long, not their square, which would take an hour.
    constexpr std::size_t steps = std::size_t{1} << 20;
    Series gap(steps + 1, none);
    gap.front() = 0;
    gap.back() = static_cast<double>(steps);
    const Series filled = without_missing(std::move(gap), Missing::interpolate);
    std::size_t wrong = 0;
    for (std::size_t t = 0; t <= steps; ++t) wrong += filled[t] != static_cast<double>(t);
    CHECK(wrong == 0);
}

TEST_CASE("a column is a series") {
    const CsvTable table = parse_csv("t,x\n1,10\n2,NA\n3,30\n", "t.csv");
    CHECK(column_series(table, "t", Missing::error) == Series{1, 2, 3});
    CHECK(column_series(table, "x", Missing::interpolate) == Series{10, 20, 30});
    CHECK_THROWS_WITH_AS(column_series(table, "x", Missing::error),
                         "t.csv:3:2: missing value in column \"x\": Missing::drop leaves it out, "
                         "Missing::interpolate fills it in",
                         FormatError);
    CHECK_THROWS_AS(column_series(table, "y", Missing::error), ValueError);
}

TEST_CASE("columns can be read row by row, in any order of theirs") {
    const CsvTable table = parse_csv("y,a,b,c\n1950,1,2,3\n1951,4,5,\n", "t.csv");
    const std::vector<std::string> columns = {"a", "b", "c"};
    CHECK(row_series(table, columns, Missing::drop) == Series{1, 2, 3, 4, 5});
    CHECK(row_series(table, std::vector<std::string>{"b", "a"}, Missing::error) == Series{2, 1, 5, 4});
    CHECK_THROWS_WITH_AS(row_series(table, columns, Missing::interpolate),
                         "t.csv:3:4: missing value in column \"c\": no value after it to interpolate to",
                         FormatError);
    CHECK_THROWS_AS(row_series(table, {}, Missing::error), ValueError);
    CHECK_THROWS_AS(row_series(table, std::vector<std::string>{"a", "d"}, Missing::error), ValueError);
}

TEST_CASE("monthly means count the weeks that have a value") {
    const MonthlyMeans means = monthly_means(dated("19991203,1\n19991210,\n1999-12-31,4\n20000101,7\n"),
                                             "date", "x", Missing::error);
    CHECK(means.months == std::vector<std::string>{"1999-12", "2000-01"});
    CHECK(means.values == Series{2.5, 7});
    CHECK(monthly_means(dated(""), "date", "x", Missing::error).values.empty());
}

TEST_CASE("a month without a value is refused, dropped or interpolated, whether it has rows or not") {
    const CsvTable table = dated("20000115,1\n20000215,NA\n20000415,4\n");
    const MonthlyMeans dropped = monthly_means(table, "date", "x", Missing::drop);
    CHECK(dropped.months == std::vector<std::string>{"2000-01", "2000-04"});
    CHECK(dropped.values == Series{1, 4});
    const MonthlyMeans filled = monthly_means(table, "date", "x", Missing::interpolate);
    CHECK(filled.months == std::vector<std::string>{"2000-01", "2000-02", "2000-03", "2000-04"});
    CHECK(filled.values[1] == doctest::Approx(2).epsilon(1e-15));
    CHECK(filled.values[2] == doctest::Approx(3).epsilon(1e-15));
    CHECK_THROWS_WITH_AS(monthly_means(table, "date", "x", Missing::error),
                         "t.csv: no value in 2000-02 in column \"x\": Missing::drop leaves it out, "
                         "Missing::interpolate fills it in",
                         FormatError);
}

TEST_CASE("dates are days of the calendar and never go back") {
    for (const std::string bad : {"19580230", "1958-13-01", "1958-3-29", "1958032", "195803290", "29.03.1958",
                                  "", "1958--3-29", "-9580329", "1958 329", "1958-03/29"}) {
        CAPTURE(bad);
        CHECK_THROWS_WITH_AS(
            monthly_means(dated("20000101,1\n" + bad + ",2\n"), "date", "x", Missing::drop),
            ("t.csv:3:1: expected a date YYYYMMDD or YYYY-MM-DD, got \"" + bad + "\"").c_str(), FormatError);
    }
    CHECK(monthly_means(dated("20000229,1\n20000229,2\n"), "date", "x", Missing::error).values ==
          Series{1.5});
    CHECK_THROWS_WITH_AS(monthly_means(dated("20000102,1\n20000101,2\n"), "date", "x", Missing::drop),
                         "t.csv:3:1: expected a date not before 20000102, got 20000101", FormatError);
    CHECK_THROWS_AS(monthly_means(parse_csv("date,x\n20000101,1\n", "t.csv"), "date", "x", Missing::drop),
                    ValueError);
}

TEST_CASE("differences can be undone") {
    const Series x = {3, 5, 4, 10, -2};
    CHECK(difference(x) == Series{2, -1, 6, -12});
    CHECK(difference(x, 3) == Series{7, -7});
    CHECK(difference(x, 4) == Series{-5});
    for (const std::size_t lag : {1u, 2u, 3u, 4u}) {
        CHECK(undifference(difference(x, lag),
                           Series(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(lag))) == x);
    }
    CHECK(undifference({}, {1, 2}) == Series{1, 2});
    CHECK_THROWS_WITH_AS(difference(x, 0), "difference: expected a lag of 1 or more steps, got 0",
                         ValueError);
    CHECK_THROWS_WITH_AS(difference(x, 5), "difference: a lag of 5 needs more than 5 steps, got 5",
                         ValueError);
    CHECK_THROWS_AS(difference({}), ValueError);
    CHECK_THROWS_AS(undifference({1}, {}), ValueError);
}

TEST_CASE_TEMPLATE("series stand side by side in a tensor", T, float, double) {
    CHECK(series_tensor<T>(Series{1, 2, 3}) == tensor<T>({3, 1}, {1, 2, 3}));
    CHECK(series_tensor<T>(std::vector<Series>{{1, 2, 3}, {4, 5, 6}}) ==
          tensor<T>({3, 2}, {1, 4, 2, 5, 3, 6}));
    CHECK(series_tensor<T>(Series{}).shape() == Shape{0, 1});
    CHECK_THROWS_AS(series_tensor<T>(std::vector<Series>{}), ShapeError);
    CHECK_THROWS_WITH_AS(
        series_tensor<T>(std::vector<Series>{{1, 2}, {3}}),
        "series_tensor: expected series of one length, got 2 steps in the first and 1 in number 2",
        ShapeError);
}

TEST_CASE_TEMPLATE("several columns make a multivariate series", T, float, double) {
    const CsvTable table = parse_csv("a,b,c\n1,10,5\n,20,5\n3,,5\n4,40,5\n", "t.csv");
    const std::vector<std::string> columns = {"b", "a"};
    CHECK(columns_tensor<T>(table, columns, Missing::drop) == tensor<T>({2, 2}, {10, 1, 40, 4}));
    CHECK(columns_tensor<T>(table, columns, Missing::interpolate) ==
          tensor<T>({4, 2}, {10, 1, 20, 2, 30, 3, 40, 4}));
    CHECK_THROWS_WITH_AS(columns_tensor<T>(table, columns, Missing::error),
                         "t.csv:4:2: missing value in column \"b\": Missing::drop leaves it out, "
                         "Missing::interpolate fills it in",
                         FormatError);
    CHECK_THROWS_AS(columns_tensor<T>(table, std::vector<std::string>{"d"}, Missing::drop), ValueError);
    CHECK_THROWS_WITH_AS(columns_tensor<T>(table, {}, Missing::drop),
                         "t.csv: columns_tensor expected one column or more, got none", ValueError);
    CHECK(columns_tensor<T>(parse_csv("a,b\n1,\n", "t.csv"), columns, Missing::drop).shape() == Shape{0, 2});
}

TEST_CASE("a column of dates is read in the format it is written in") {
    using namespace std::chrono;
    const CsvTable table = dated("19991203,1\n2000-02-29,2\n");
    CHECK(column_dates(table, "date") == std::vector<Date>{year(1999) / 12 / 3, year(2000) / 2 / 29});
    const CsvTable german = dated("3. März 98,1\n29. Februar 00,2\n3. Marz 98,3\n");
    const DateFormat format{.pattern = "%e. %B %y", .language = Language::german};
    CHECK_THROWS_WITH_AS(column_dates(german, "date", format),
                         "t.csv:4:1: expected a date \"%e. %B %y\", got \"3. Marz 98\"", FormatError);
    const CsvTable good = dated("3. März 98,1\n29. Februar 00,2\n");
    CHECK(column_dates(good, "date", format) == std::vector<Date>{year(1998) / 3 / 3, year(2000) / 2 / 29});
    CHECK(column_dates(dated("3. März 98,1\n"), "date", format, 1850) ==
          std::vector<Date>{year(1898) / 3 / 3});
    CHECK(monthly_means(good, "date", "x", Missing::drop, format).months ==
          std::vector<std::string>{"1998-03", "2000-02"});
    CHECK_THROWS_AS(column_dates(good, "x", format), ValueError);
    CHECK_THROWS_AS(column_dates(good, "date", DateFormat{.pattern = "%Y"}), ValueError);
}
