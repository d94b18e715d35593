#include "seqgrad/data/times.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;
using namespace std::chrono_literals;
using std::chrono::sys_days;

namespace {

CsvTable dated(const std::vector<std::string>& times) {
    std::string text = "x,time\n";
    for (const std::string& time : times) text += "1,\"" + time + "\"\n";
    return parse_csv(text, "t.csv", {.text_columns = {"time"}});
}

TimeStep step_of(const std::vector<std::string>& times) {
    return regular_step(dated(times), "time");
}

std::string refusal(const std::vector<std::string>& times) {
    try {
        step_of(times);
    } catch (const FormatError& e) {
        return e.what();
    }
    return "";
}

}  // namespace

TEST_CASE("times are read in the forms of ISO 8601") {
    const sys_days day = std::chrono::year(1998) / 3 / 3;
    const auto reads = [](std::string_view text, auto utc, std::optional<std::chrono::minutes> offset = {}) {
        CAPTURE(text);
        const auto time = read_time(text);
        REQUIRE(time);
        CHECK((time->utc == utc));
        CHECK((time->offset == offset));
        const auto again = read_time(iso_time(*time));
        REQUIRE(again);
        CHECK((*again == *time));
    };
    reads("1998-03-03", day);
    reads("19980303", day);
    reads("1998-03", sys_days(std::chrono::year(1998) / 3 / 1));
    reads("1998", sys_days(std::chrono::year(1998) / 1 / 1));
    for (const char* text : {"1998-03-03T14:30", "1998-03-03 14:30", "1998-03-03t14:30:00", "19980303T1430",
                             "19980303T143000", "1998-03-03T14:30:00.000000000"})
        reads(text, day + 14h + 30min);
    reads("1998-03-03T14", day + 14h);
    reads("1998-03-03 14:30:05.25", day + 14h + 30min + 5s + 250ms);
    reads("1998-03-03 14:30:05,000001", day + 14h + 30min + 5s + 1us);
    reads("1998-03-03T24:00", day + 24h);
    reads("1998-03-03T14:30Z", day + 14h + 30min, 0min);
    for (const char* zone : {"+01:00", "+0100", "+01"})
        reads("1998-03-03T14:30:00" + std::string(zone), day + 13h + 30min, 60min);
    reads("1998-03-03 00:15:00.5-05:30", day + 5h + 45min + 500ms, -330min);
    reads("1998-12-31T23:00-02:00", sys_days(std::chrono::year(1999) / 1 / 1) + 1h, -120min);
    CHECK(iso_time(*read_time("1998-03-03 00:15:00.50-05:30")) == "1998-03-03T00:15:00.5-05:30");
    CHECK(iso_time(*read_time("1998-03-03 00:15")) == "1998-03-03T00:15:00");
    CHECK(iso_time(*read_time("19980303T14Z")) == "1998-03-03T14:00:00Z");
}

TEST_CASE("what is no time is not read") {
    for (const char* text : {"",
                             "x",
                             "98-03-03",
                             "0998-03-03",
                             "199803",
                             "1998-3-3",
                             "1998-02-29",
                             "1998-13-01",
                             "1998-03-03T",
                             "1998-03-03  14:30",
                             "1998-03-03T1",
                             "1998-03-03T14:3",
                             "1998-03-03T14:60",
                             "1998-03-03T14:30:60",
                             "1998-03-03T24:00:01",
                             "1998-03-03T25:00",
                             "1998-03-03T14:30:",
                             "1998-03-03T14:30:00.",
                             "1998-03-03T14:30:00.0000001",
                             "1998-03-03T14:30 Z",
                             "1998-03-03T14:30ZZ",
                             "1998-03-03T14:30+1",
                             "1998-03-03T14:30+24:00",
                             "1998-03-03T14:30+01:60",
                             "1998-03-03T14:30+01:",
                             "1998-03-03Z",
                             "1998-03T14:30",
                             "1998T14",
                             "03/03/1998",
                             "1998-03-03T14:30 CET",
                             "1998-03-0\xC2\xB2"}) {
        CAPTURE(text);
        CHECK_FALSE(read_time(text));
    }
}

TEST_CASE("a column of times has zones, or none") {
    const auto times = column_times(dated({"2024-03-31 01:00+01:00", "2024-03-31T03:00+02:00"}), "time");
    REQUIRE(times.size() == 2);
    CHECK((times[1].utc - times[0].utc == 1h));
    CHECK((times[1].local() - times[0].local() == 2h));
    CHECK_THROWS_WITH_AS(column_times(dated({"2024-01-01", "2024-01-2"}), "time"),
                         "t.csv:3:2: expected a time as \"1998-03-03\", \"1998-03-03 14:30:00\" or "
                         "\"1998-03-03T14:30:00+01:00\", got \"2024-01-2\"",
                         FormatError);
    CHECK_THROWS_WITH_AS(column_times(dated({"2024-01-01 01:00Z", "2024-01-01 02:00"}), "time"),
                         "t.csv:3:2: expected a time with a zone, as \"2024-01-01 01:00Z\" in the first row, "
                         "got \"2024-01-01 02:00\"",
                         FormatError);
    CHECK_THROWS_AS(column_times(dated({"2024-01-01 01:00", "2024-01-01 02:00Z"}), "time"), FormatError);
    CHECK_THROWS_AS(column_times(dated({}), "x"), ValueError);
    CHECK(column_times(dated({}), "time").empty());
}

TEST_CASE("the step of a regular axis") {
    CHECK(step_of({"2024-01-01 23:00", "2024-01-02 00:00", "2024-01-02 01:00"}) == TimeStep{.duration = 1h});
    CHECK(step_of({"2024-01-01 23:45:00.5", "2024-01-02 00:00:00.75"}) == TimeStep{.duration = 900s + 250ms});
    CHECK(step_of({"2024-02-28", "2024-02-29", "2024-03-01"}) == TimeStep{.days = 1});
    CHECK(step_of({"2024-01-01", "2024-01-08", "2024-01-15"}) == TimeStep{.days = 7});
    CHECK(step_of({"2024-11", "2024-12", "2025-01"}) == TimeStep{.months = 1});
    CHECK(step_of({"2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"}) == TimeStep{.months = 1});
    CHECK(step_of({"2023-02-28", "2023-03-30", "2023-04-30"}) == TimeStep{.months = 1});
    CHECK(step_of({"2023-03-31", "2023-06-30", "2023-09-30", "2023-12-31"}) == TimeStep{.months = 3});
    CHECK(step_of({"1999", "2000", "2001", "2002"}) == TimeStep{.months = 12});
    // As 365 and 31 days would fit, too.
    CHECK(step_of({"2001", "2002", "2003"}) == TimeStep{.months = 12});
    CHECK(step_of({"2024-07-01", "2024-08-01", "2024-09-01"}) == TimeStep{.months = 1});
    CHECK(step_of({"2024-02-01", "2024-02-29", "2024-03-28"}) == TimeStep{.days = 28});
    CHECK(step_of({"2020-02-29", "2021-02-28", "2022-02-28", "2023-02-28"}) == TimeStep{.months = 12});
    // Clocks are changed: hours are counted in UTC, days and months in local time.
    CHECK(step_of({"2024-03-31 00:00+01:00", "2024-03-31 01:00+01:00", "2024-03-31 03:00+02:00"}) ==
          TimeStep{.duration = 1h});
    CHECK(step_of({"2024-03-30 00:00+01:00", "2024-03-31 00:00+01:00", "2024-04-01 00:00+02:00",
                   "2024-04-02 00:00+02:00"}) == TimeStep{.days = 1});
    CHECK(step_of({"2024-03-01 00:00+01:00", "2024-04-01 00:00+02:00", "2024-05-01 00:00+02:00"}) ==
          TimeStep{.months = 1});
    CHECK(regular_step(dated({"3.3.1998", "4.3.1998", "5.3.1998"}), "time", DateFormat{"%e.%n.%Y"}) ==
          TimeStep{.days = 1});
    CHECK(to_string(TimeStep{.months = 3}) == "3 months");
    CHECK(to_string(TimeStep{.months = 24}) == "2 years");
    CHECK(to_string(TimeStep{.days = 1}) == "1 day");
    CHECK(to_string(TimeStep{.duration = 36h}) == "36 hours");
    CHECK(to_string(TimeStep{.duration = 15min}) == "15 minutes");
    CHECK(to_string(TimeStep{.duration = 250ms}) == "0.25 seconds");
    CHECK(to_string(TimeStep{.duration = 1s}) == "1 second");
}

TEST_CASE("the place where an axis is not regular is named") {
    CHECK(refusal({"2024-01-01", "2024-01-02", "2024-01-04", "2024-01-05"}) ==
          "t.csv:4:2: \"2024-01-04\" follows \"2024-01-02\" in t.csv:3:2: the axis has a step of 1 day, "
          "expected 2024-01-03T00:00:00");
    // The first step is the wrong one.
    CHECK(refusal({"2024-01-01 00:00Z", "2024-01-01 00:00Z", "2024-01-01 01:00Z", "2024-01-01 02:00Z"}) ==
          "t.csv:3:2: \"2024-01-01 00:00Z\" follows \"2024-01-01 00:00Z\" in t.csv:2:2: the axis has a step "
          "of 1 hour, expected 2024-01-01T01:00:00Z");
    CHECK(refusal({"2024-01", "2024-02", "2024-03", "2024-05", "2024-06"}) ==
          "t.csv:5:2: \"2024-05\" follows \"2024-03\" in t.csv:4:2: the axis has a step of 1 month, expected "
          "2024-04-01T00:00:00");
    CHECK(refusal({"2024-01-01", "2024-02-01", "2024-03-15", "2024-04-01", "2024-05-01"})
              .starts_with("t.csv:4:2: \"2024-03-15\" follows \"2024-02-01\" in t.csv:3:2"));
    CHECK(refusal({"2024-01-03", "2024-01-02", "2024-01-01"}) ==
          "t.csv:3:2: \"2024-01-02\" follows \"2024-01-03\" in t.csv:2:2: expected a later time");
    // An hour that the clock shows twice, and one that it jumps over, without a zone that would tell.
    CHECK(refusal({"2024-10-27 01:00", "2024-10-27 02:00", "2024-10-27 02:00", "2024-10-27 03:00"})
              .starts_with("t.csv:4:2: "));
    CHECK(refusal({"2024-03-31 00:00", "2024-03-31 01:00", "2024-03-31 03:00", "2024-03-31 04:00"})
              .starts_with("t.csv:4:2: "));
    CHECK_THROWS_WITH_AS(step_of({"2024-01-01"}),
                         "t.csv: regular_step: a step needs two times or more, got 1", ValueError);
    CHECK_THROWS_AS(step_of({}), ValueError);
    std::vector<TimeStamp> times(5);
    for (std::size_t i = 0; i < times.size(); ++i) times[i].utc += i * 10min;
    CHECK(regular_step(times) == TimeStep{.duration = 10min});
    times[3].utc += 1s;
    CHECK_THROWS_WITH_AS(
        regular_step(times),
        "regular_step: time 3 is 1970-01-01T00:30:01, after 1970-01-01T00:20:00: the axis has "
        "a step of 10 minutes, expected 1970-01-01T00:30:00",
        ValueError);
}
