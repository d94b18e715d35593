#include "seqgrad/data/times.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/data/series.hpp"

namespace seqgrad {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::local_days;
using std::chrono::microseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_days;
using LocalTime = std::chrono::local_time<microseconds>;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// Takes a number of exactly so many digits from the front of a text.
std::optional<int> take_digits(std::string_view& text, std::size_t digits) {
    if (text.size() < digits ||
        !std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(digits), is_digit))
        return std::nullopt;
    int number = 0;
    for (const char c : text.substr(0, digits)) number = 10 * number + (c - '0');
    text.remove_prefix(digits);
    return number;
}

bool take(std::string_view& text, char c) {
    if (!text.starts_with(c)) return false;
    text.remove_prefix(1);
    return true;
}

/// Takes a date. One of a year or month alone has nothing behind it.
std::optional<Date> take_date(std::string_view& text) {
    const auto year = take_digits(text, 4);
    if (!year || *year < 1000) return std::nullopt;
    std::optional<int> month = 1, day = 1;
    if (!text.empty()) {
        const bool hyphens = take(text, '-');
        month = take_digits(text, 2);
        if (!month) return std::nullopt;
        if (!hyphens || !text.empty()) {
            if (hyphens && !take(text, '-')) return std::nullopt;
            day = take_digits(text, 2);
            if (!day) return std::nullopt;
        }
    }
    const Date date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                    std::chrono::day(static_cast<unsigned>(*day))};
    return date.ok() ? std::optional(date) : std::nullopt;
}

/// Takes what follows the point of a second's fraction.
std::optional<microseconds> take_fraction(std::string_view& text) {
    if (text.empty() || !is_digit(text[0])) return std::nullopt;
    std::int64_t fraction = 0;
    for (std::int64_t unit = 100'000; !text.empty() && is_digit(text[0]); unit /= 10) {
        const int digit = text[0] - '0';
        if (unit == 0 && digit != 0) return std::nullopt;
        fraction += unit * digit;
        text.remove_prefix(1);
    }
    return microseconds(fraction);
}

std::optional<microseconds> take_clock(std::string_view& text) {
    const auto hour = take_digits(text, 2);
    if (!hour) return std::nullopt;
    std::optional<int> minute = 0, second = 0;
    std::optional<microseconds> fraction = microseconds(0);
    const bool colons = take(text, ':');
    if (colons || (!text.empty() && is_digit(text[0]))) {
        minute = take_digits(text, 2);
        if (!minute) return std::nullopt;
        if (colons ? take(text, ':') : !text.empty() && is_digit(text[0])) {
            second = take_digits(text, 2);
            if (!second) return std::nullopt;
            if (take(text, '.') || take(text, ',')) fraction = take_fraction(text);
        }
    }
    if (!fraction || *minute > 59 || *second > 59) return std::nullopt;
    const microseconds time = hours(*hour) + minutes(*minute) + seconds(*second) + *fraction;
    return time <= hours(24) ? std::optional(time) : std::nullopt;
}

std::optional<minutes> take_zone(std::string_view& text) {
    if (take(text, 'Z') || take(text, 'z')) return minutes(0);
    const bool west = text.starts_with('-');
    if (!take(text, '+') && !take(text, '-')) return std::nullopt;
    const auto hour = take_digits(text, 2);
    std::optional<int> minute = 0;
    if (!text.empty()) {
        take(text, ':');
        minute = take_digits(text, 2);
    }
    if (!hour || !minute || *hour > 23 || *minute > 59) return std::nullopt;
    const minutes offset = hours(*hour) + minutes(*minute);
    return west ? -offset : offset;
}

/// A way of going from time to time: whether it gets from one to the next, and where it would have got.
struct Step {
    TimeStep step;
    int day = 0;  // of the month that months count from; 0 if they do not

    LocalTime next(LocalTime from) const {
        if (step.months == 0) return from + days(step.days) + step.duration;
        const local_days date = std::chrono::floor<days>(from);
        const std::chrono::year_month_day from_day(date);
        const auto month = from_day.year() / from_day.month() + std::chrono::months(step.months);
        const std::chrono::day last = std::chrono::year_month_day_last(month / std::chrono::last).day();
        const auto to = month / std::min(std::chrono::day(static_cast<unsigned>(day)), last);
        return local_days(to) + (from - date);
    }

    /// The time that should follow `from`, with its zone; in that of `to` if days or months count.
    TimeStamp after(const TimeStamp& from, const TimeStamp& to) const {
        const bool in_utc = step.months == 0 && step.days == 0;
        const std::optional<minutes> offset = in_utc ? from.offset : to.offset;
        if (in_utc) return {from.utc + step.duration, offset};
        return {std::chrono::sys_time<microseconds>(next(from.local()).time_since_epoch() -
                                                    offset.value_or(minutes(0))),
                offset};
    }

    bool leads(const TimeStamp& from, const TimeStamp& to) const { return after(from, to).utc == to.utc; }
};

/// The most frequent of f(time, next) above zero, the first of those that are equally frequent.
template <class F>
auto most_frequent(std::span<const TimeStamp> times, const F& f) {
    using Value = decltype(f(times[0], times[0]));
    std::map<Value, std::size_t> counts;
    for (std::size_t i = 1; i < times.size(); ++i) ++counts[f(times[i - 1], times[i])];
    Value best{};
    std::size_t most = 0;
    for (std::size_t i = 1; i < times.size(); ++i) {
        const Value value = f(times[i - 1], times[i]);
        if (value > Value{} && counts[value] > most) {
            best = value;
            most = counts[value];
        }
    }
    return best;
}

Date date_of(const TimeStamp& time) {
    return Date(std::chrono::floor<days>(time.local()));
}

int month_count(const TimeStamp& time) {
    const Date date = date_of(time);
    return static_cast<int>(date.year()) * 12 + static_cast<int>(static_cast<unsigned>(date.month()));
}

/// Whole months from time to time, if there are any. Of days that some months are too short for only the
/// largest one is whole, unless it is a mistake.
void add_months(std::span<const TimeStamp> times, std::vector<Step>& found) {
    const int months = most_frequent(
        times, [](const TimeStamp& a, const TimeStamp& b) { return month_count(b) - month_count(a); });
    if (months <= 0) return;
    std::array<std::size_t, 32> counts{};
    std::size_t largest = 0;
    for (const TimeStamp& time : times) {
        const std::size_t day = static_cast<unsigned>(date_of(time).day());
        ++counts[day];
        largest = std::max(largest, day);
    }
    const auto usual = std::distance(counts.begin(), std::max_element(counts.begin(), counts.end()));
    for (const int day : {static_cast<int>(largest), static_cast<int>(usual)})
        found.push_back({.step = {.months = months}, .day = day});
}

/// The steps that an axis may have: months, then days, then a duration.
std::vector<Step> candidates(std::span<const TimeStamp> times) {
    std::vector<Step> found;
    add_months(times, found);
    const microseconds local = most_frequent(
        times, [](const TimeStamp& a, const TimeStamp& b) { return microseconds(b.local() - a.local()); });
    if (local > microseconds(0) && local % days(1) == microseconds(0))
        found.push_back({.step = {.days = static_cast<int>(local / days(1))}});
    const microseconds duration = most_frequent(
        times, [](const TimeStamp& a, const TimeStamp& b) { return microseconds(b.utc - a.utc); });
    if (duration > microseconds(0)) found.push_back({.step = {.duration = duration}});
    return found;
}

/// Where an axis is not regular: at the time of this number, where this one was expected.
struct Irregular {
    std::size_t at;
    TimeStep step;
    TimeStamp expected;
};

/// The step, or where the one that fits best does not fit. There are two times at least.
std::pair<TimeStep, std::optional<Irregular>> find_step(std::span<const TimeStamp> times) {
    std::optional<Irregular> first;
    std::size_t fewest = times.size();
    for (const Step& step : candidates(times)) {
        std::size_t misfits = 0;
        std::optional<Irregular> misfit;
        for (std::size_t i = 1; i < times.size(); ++i) {
            if (step.leads(times[i - 1], times[i])) continue;
            if (misfits++ == 0) misfit = {i, step.step, step.after(times[i - 1], times[i])};
        }
        if (misfits == 0) return {step.step, std::nullopt};
        if (misfits < fewest) {
            fewest = misfits;
            first = misfit;
        }
    }
    // Times that never get later have no step at all.
    if (!first) first = {1, {}, times[0]};
    return {{}, first};
}

void check_count(const std::string& of, std::size_t times) {
    if (times < 2) throw ValueError(fmt::format("{}: a step needs two times or more, got {}", of, times));
}

std::string expectation(const Irregular& irregular) {
    if (irregular.step == TimeStep{}) return "expected a later time";
    return fmt::format("the axis has a step of {}, expected {}", to_string(irregular.step),
                       iso_time(irregular.expected));
}

}  // namespace

std::optional<TimeStamp> read_time(std::string_view text) {
    const bool is_day = text.size() >= 8;
    const auto date = take_date(text);
    if (!date) return std::nullopt;
    TimeStamp stamp{sys_days(*date), std::nullopt};
    if (text.empty()) return stamp;
    if (!is_day || (!take(text, 'T') && !take(text, 't') && !take(text, ' '))) return std::nullopt;
    const auto clock = take_clock(text);
    if (!clock) return std::nullopt;
    stamp.utc += *clock;
    if (text.empty()) return stamp;
    stamp.offset = take_zone(text);
    if (!stamp.offset || !text.empty()) return std::nullopt;
    stamp.utc -= *stamp.offset;
    return stamp;
}

std::string iso_time(const TimeStamp& time) {
    const LocalTime local = time.local();
    const local_days date = std::chrono::floor<days>(local);
    const std::chrono::hh_mm_ss<microseconds> clock(local - date);
    std::string text = fmt::format("{}T{:02}:{:02}:{:02}", iso_date(Date(date)), clock.hours().count(),
                                   clock.minutes().count(), clock.seconds().count());
    if (clock.subseconds() != microseconds(0)) {
        text += fmt::format(".{:06}", clock.subseconds().count());
        text.erase(text.find_last_not_of('0') + 1);
    }
    if (!time.offset) return text;
    if (*time.offset == minutes(0)) return text + "Z";
    const minutes ahead = std::chrono::abs(*time.offset);
    return text + fmt::format("{}{:02}:{:02}", *time.offset < minutes(0) ? '-' : '+', ahead / hours(1),
                              (ahead % hours(1)).count());
}

std::vector<TimeStamp> column_times(const CsvTable& table, std::string_view column) {
    const std::vector<std::string>& texts = table.text(column);
    std::vector<TimeStamp> times;
    times.reserve(texts.size());
    for (std::size_t row = 0; row < texts.size(); ++row) {
        const auto time = read_time(texts[row]);
        if (!time) {
            throw FormatError(
                fmt::format("{}: expected a time as \"1998-03-03\", \"1998-03-03 14:30:00\" or "
                            "\"1998-03-03T14:30:00+01:00\", got \"{}\"",
                            table.place(row, column), texts[row]));
        }
        if (!times.empty() && time->offset.has_value() != times[0].offset.has_value()) {
            throw FormatError(fmt::format(
                "{}: expected a time {} a zone, as \"{}\" in the first row, got \"{}\"",
                table.place(row, column), times[0].offset ? "with" : "without", texts[0], texts[row]));
        }
        times.push_back(*time);
    }
    return times;
}

std::string to_string(const TimeStep& step) {
    const auto counted = [](auto count, const char* unit) {
        return fmt::format("{} {}{}", count, unit, count == 1 ? "" : "s");
    };
    if (step.months != 0) {
        return step.months % 12 == 0 ? counted(step.months / 12, "year") : counted(step.months, "month");
    }
    if (step.days != 0) return counted(step.days, "day");
    if (step.duration % hours(1) == microseconds(0)) return counted(step.duration / hours(1), "hour");
    if (step.duration % minutes(1) == microseconds(0)) return counted(step.duration / minutes(1), "minute");
    return counted(static_cast<double>(step.duration.count()) / 1e6, "second");
}

TimeStep regular_step(std::span<const TimeStamp> times) {
    check_count("regular_step", times.size());
    const auto [step, irregular] = find_step(times);
    if (!irregular) return step;
    const std::size_t at = irregular->at;
    throw ValueError(fmt::format("regular_step: time {} is {}, after {}: {}", at, iso_time(times[at]),
                                 iso_time(times[at - 1]), expectation(*irregular)));
}

TimeStep regular_step(const CsvTable& table, std::string_view column, const std::optional<DateFormat>& format,
                      int century_start) {
    std::vector<TimeStamp> times;
    if (format) {
        for (const Date& date : column_dates(table, column, format, century_start))
            times.push_back({sys_days(date), std::nullopt});
    } else {
        times = column_times(table, column);
    }
    check_count(fmt::format("{}: regular_step", table.source()), times.size());
    const auto [step, irregular] = find_step(times);
    if (!irregular) return step;
    const std::vector<std::string>& texts = table.text(column);
    const std::size_t at = irregular->at;
    throw FormatError(fmt::format("{}: \"{}\" follows \"{}\" in {}: {}", table.place(at, column), texts[at],
                                  texts[at - 1], table.place(at - 1, column), expectation(*irregular)));
}

}  // namespace seqgrad
