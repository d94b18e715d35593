#include "seqgrad/data/csv_series_reader.hpp"

#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "support/temporary_folder.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/tensor.hpp"
#include "seqgrad/data/scaler.hpp"

using namespace seqgrad;
using seqgrad::test::TemporaryFolder;

namespace {

/// All steps from the next one on, as one row of numbers.
std::vector<double> rest_of(CsvSeriesReader& series) {
    std::vector<double> all;
    while (series.next()) all.insert(all.end(), series.values().begin(), series.values().end());
    return all;
}

/// What a call throws, with "t.csv" for the file; "" if nothing.
template <class Call>
std::string refusal(const std::string& path, Call call) {
    std::string message;
    try {
        call();
    } catch (const FormatError& error) {
        message = error.what();
    } catch (const ValueError& error) {
        message = "ValueError: " + std::string(error.what());
    }
    if (const auto at = message.find(path); at != std::string::npos)
        message.replace(at, path.size(), "t.csv");
    return message;
}

class TextFile {
  public:
    explicit TextFile(std::string_view text) : path((folder_ / "t.csv").string()) {
        std::ofstream(path, std::ios::binary) << text;
    }

  private:
    TemporaryFolder folder_;

  public:
    const std::string path;
};

const std::string sets = SEQGRAD_TEST_SETS_DIR;

}  // namespace

TEST_CASE("the steps are the columns side by side, as often as they are read") {
    const TextFile file("day,x,y\nmon,1,10\ntue,2,20\nwed,3,30\n");
    CsvSeriesReader series(file.path, {.columns = {"y", "x"}, .csv = {.text_columns = {"day"}}});
    CHECK(series.source() == file.path);
    CHECK(series.options().columns == std::vector<std::string>{"y", "x"});
    for (int taken = 0; taken < 5; ++taken) {
        series.rewind();
        CHECK(rest_of(series) == std::vector<double>{10, 1, 20, 2, 30, 3});
        CHECK_FALSE(series.next());
        series.rewind();
        for (int i = 0; i < taken; ++i) CHECK(series.next() == (i < 3));
    }
}

TEST_CASE("a part of the records is a series of its own") {
    const std::string text = "x\n0\n1\n2\n3\n4\n";
    for (const bool header : {true, false}) {
        const TextFile file(header ? text : text.substr(2));
        for (std::size_t begin = 0; begin <= 5; ++begin) {
            for (std::size_t end = begin; end <= 6; ++end) {
                CAPTURE(begin);
                CAPTURE(end);
                CsvSeriesOptions options{
                    .columns = {header ? "x" : "1"}, .begin = begin, .csv = {.header = header}};
                if (end < 6) options.end = end;  // the last one: not given
                CsvSeriesReader series(file.path, options);
                std::vector<double> expected;
                for (std::size_t i = begin; i < std::min<std::size_t>(end, 5); ++i)
                    expected.push_back(static_cast<double>(i));
                CHECK(rest_of(series) == expected);
                series.rewind();
                CHECK(rest_of(series) == expected);
                series.rewind();
                series.next();
                series.rewind();
                CHECK(rest_of(series) == expected);
            }
        }
    }
}

TEST_CASE("missing values are treated as columns_tensor treats them") {
    const std::vector<std::string> texts = {
        "x,y\n1,2\n3,4\n",
        "x,y\n1,2\n,4\n5,6\n",
        "x,y\n1,2\n,4\n,\n7,\n9,10\n",
        "x,y\n,2\n3,4\n",
        "x,y\n1,2\n3,\n",
        "x,y\n1,2\n3,\n5,\n,\n",
        "x,y\n1,2\n,\n,\n,\n9,3\n",
        "x,y\n1,2\n,\n,7\n,\n9,3\n4,\n,1\n5,5\n",
        "x,y\n",
        "x,y\n,\n",
        "x,y\n,1\n,2\n",
    };
    const std::vector<std::string> columns = {"x", "y"};
    for (const std::string& text : texts) {
        const TextFile file(text);
        for (const Missing missing : {Missing::error, Missing::drop, Missing::interpolate}) {
            CAPTURE(text);
            CAPTURE(static_cast<int>(missing));
            bool allowed = true;
            std::vector<double> expected;
            try {
                const Tensor<double> all = columns_tensor<double>(read_csv(file.path), columns, missing);
                expected.assign(all.begin(), all.end());
            } catch (const FormatError&) {
                allowed = false;
            }
            CsvSeriesReader series(file.path, {.columns = columns, .missing = missing});
            if (allowed) {
                CHECK(rest_of(series) == expected);
                series.rewind();
                CHECK(rest_of(series) == expected);
            } else {
                CHECK_THROWS_AS(rest_of(series), FormatError);
            }
        }
    }
}

TEST_CASE("a missing value that is not allowed is named with its place") {
    const auto refused = [](std::string_view text, Missing missing) {
        const TextFile file(text);
        CsvSeriesReader series(file.path, {.columns = {"y", "x"}, .missing = missing});
        const std::string first = refusal(file.path, [&] { rest_of(series); });
        CHECK(refusal(file.path, [&] { series.next(); }) ==
              "ValueError: t.csv: reading on after an error; rewind first");
        series.rewind();
        CHECK(refusal(file.path, [&] { rest_of(series); }) == first);
        return first;
    };
    CHECK(refused("x,y\n1,2\n3,NA\n", Missing::error) ==
          "t.csv:3:2: missing value in column \"y\": Missing::drop leaves it out, Missing::interpolate fills "
          "it in");
    CHECK(refused("x,y\n,2\n3,4\n", Missing::interpolate) ==
          "t.csv:2:1: missing value in column \"x\": no value before it to interpolate from");
    CHECK(refused("x,y\n1,2\n3,\n,\n", Missing::interpolate) ==
          "t.csv:3:2: missing value in column \"y\": no value after it to interpolate to");
}

TEST_CASE("the records before and after the series are another's") {
    const TextFile file("x\n1\nNA\n3\n4\n\n5\n");
    // A gap cannot be closed with what is not in the series.
    CsvSeriesReader second(file.path,
                           {.columns = {"x"}, .missing = Missing::interpolate, .begin = 1, .end = 3});
    CHECK(refusal(file.path, [&] { second.next(); }) ==
          "t.csv:3:1: missing value in column \"x\": no value before it to interpolate from");
    // What is wrong after the end is not read.
    CsvSeriesReader third(file.path, {.columns = {"x"}, .begin = 2, .end = 4});
    CHECK(rest_of(third) == std::vector<double>{3, 4});
    CsvSeriesReader all(file.path, {.columns = {"x"}, .missing = Missing::drop});
    CHECK(refusal(file.path, [&] { rest_of(all); }) == "t.csv:6:1: expected 1 fields, got an empty line");
}

TEST_CASE("series that a file does not have are refused") {
    const TextFile file("day,x\nmon,1\ntue,2\n");
    const CsvOptions csv{.text_columns = {"day"}};
    const auto refused = [&](const CsvSeriesOptions& options) {
        return refusal(file.path, [&] {
            CsvSeriesReader series(file.path, options);
            rest_of(series);
        });
    };
    CHECK(refused({.csv = csv}) == "ValueError: t.csv: a series needs one column or more, got none");
    CHECK(refused({.columns = {"z"}, .csv = csv}) ==
          "ValueError: t.csv: no column \"z\"; the columns are \"day\", \"x\"");
    CHECK(refused({.columns = {"day"}, .csv = csv}) ==
          "ValueError: t.csv: column \"day\" was read as text; leave it out of CsvOptions::text_columns to "
          "have its numbers");
    CHECK(refused({.columns = {"x"}, .begin = 2, .end = 1, .csv = csv}) ==
          "ValueError: t.csv: expected records [begin, end) with begin <= end, got [2, 1)");
    CHECK(refused({.columns = {"x"}, .begin = 1, .end = 3, .csv = csv}) ==
          "ValueError: t.csv: expected records [1, 3), got a file of 2");
    CHECK(refused({.columns = {"x"}, .begin = 3, .csv = csv}) ==
          "ValueError: t.csv: expected records [3, the end), got a file of 2");
    CHECK(refused({.columns = {"x"}, .begin = 2, .csv = csv}).empty());
}

TEST_CASE("a scaler learns the same numbers from a file as from memory") {
    const std::vector<std::string> columns = {"realgdp", "realcons", "infl"};
    const std::string path = sets + "/macrodata.csv";
    StandardScaler memory;
    memory.fit(columns_tensor<double>(read_csv(path), columns, Missing::error));
    CsvSeriesReader series(path, {.columns = columns});
    REQUIRE(series.next());
    StandardScaler stream;
    stream.fit(series);
    CHECK(stream.mean() == memory.mean());
    CHECK(stream.scale() == memory.scale());
    REQUIRE(series.next());  // it is at its first step again
    CHECK(series.values()[0] == read_csv(path).numbers("realgdp")[0]);

    SUBCASE("and is as it was where it can learn none") {
        const TextFile file("x,y\n1,2\n1,3\n");
        CsvSeriesReader constant(file.path, {.columns = {"y", "x"}});
        CHECK_THROWS_WITH_AS(
            stream.fit(constant),
            "StandardScaler: feature 1 is 1 in all 2 rows: a constant has no scale; leave the feature out",
            ValueError);
        CsvSeriesReader none(file.path, {.columns = {"y"}, .begin = 2});
        CHECK_THROWS_AS(stream.fit(none), ValueError);
        CHECK(stream.mean() == memory.mean());
    }
}
