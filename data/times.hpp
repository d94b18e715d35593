#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "seqgrad/data/csv.hpp"
#include "seqgrad/data/dates.hpp"

namespace seqgrad {

/// A moment as a text states it, to the microsecond.
struct TimeStamp {
    std::chrono::sys_time<std::chrono::microseconds> utc = {};
    /// What local time is ahead of UTC; none if the text has no zone, and `utc` is then its local time.
    std::optional<std::chrono::minutes> offset = {};

    /// The time on the clock where it was written.
    std::chrono::local_time<std::chrono::microseconds> local() const {
        return std::chrono::local_time<std::chrono::microseconds>(utc.time_since_epoch() +
                                                                  offset.value_or(std::chrono::minutes(0)));
    }

    friend bool operator==(const TimeStamp&, const TimeStamp&) = default;
};

/// The moment that a text in ISO 8601 stands for, or nothing if it is not in this form.
///
/// A date, YYYY-MM-DD or YYYYMMDD, alone or followed by T or one blank and the time hh, hh:mm, hh:mm:ss or
/// hh:mm:ss.f, also without the colons; after a time the zone, Z or +hh:mm, +hhmm or +hh with either sign.
/// Also YYYY-MM and YYYY, for the first day. Years are 1000 to 9999; 24:00 is the next day's 0:00; a fraction
/// has any number of digits, of which those after the sixth must be 0. A second of 60 is none of a regular
/// axis and not read.
std::optional<TimeStamp> read_time(std::string_view text);

/// "1998-03-03T14:30:00+01:00", in local time, with a fraction where there is one and without a zone if it
/// has none; read_time reads the same moment back.
std::string iso_time(const TimeStamp& time);

/// The named column's text as moments, written as read_time reads them. Throws ValueError as CsvTable::text
/// does, FormatError naming the place in the file of what is no time, and of the first one with a zone in a
/// column that begins without, or the other way round.
std::vector<TimeStamp> column_times(const CsvTable& table, std::string_view column);

/// The step of a regular time axis: so many months of the calendar, so many days of it, or a duration.
struct TimeStep {
    int months = 0;
    int days = 0;
    std::chrono::microseconds duration = {};

    friend bool operator==(const TimeStep&, const TimeStep&) = default;
};

/// "3 months", "1 day", "15 minutes", "0.25 seconds".
std::string to_string(const TimeStep& step);

/// The step from each time to the next, if it is the same from first to last.
///
/// It is a duration in UTC, whole days of local time (which are longer or shorter when clocks are changed) or
/// whole months of local time: then each is at the same time of day, and on the same day of the month, or on
/// the month's last if that is earlier. Of those that fit months come first, then days. Throws
/// ValueError for fewer than two times, and naming the first place where the step is another than the most
/// frequent one, with the two times.
TimeStep regular_step(std::span<const TimeStamp> times);

/// The same for the named column, written in `format` as column_dates reads it, or as column_times does if
/// none is given. Throws as these do, ValueError for fewer than two times, and FormatError naming the place
/// in the file and the two texts where the step is another than the most frequent one.
TimeStep regular_step(const CsvTable& table, std::string_view column,
                      const std::optional<DateFormat>& format = {},
                      int century_start = default_century_start);

}  // namespace seqgrad
