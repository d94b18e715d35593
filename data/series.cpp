#include "seqgrad/data/series.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/data/internal/missing.hpp"

namespace seqgrad {

namespace {

/// A value that `missing` does not allow to be missing, and why.
struct Gap {
    std::size_t step;
    const char* reason;
};

/// Drops or fills missing values in place. Returns the gap that `missing` does not allow, and then changes
/// nothing.
std::optional<Gap> mend(Series& values, Missing missing) {
    if (missing == Missing::drop) {
        std::erase_if(values, [](double v) { return std::isnan(v); });
        return {};
    }
    std::size_t last = values.size();  // the last value seen; none yet
    for (std::size_t t = 0; t < values.size(); ++t) {
        if (!std::isnan(values[t])) {
            last = t;
            continue;
        }
        if (missing == Missing::error) return Gap{t, detail::missing_choices};
        if (last == values.size()) return Gap{t, detail::missing_before};
    }
    if (missing == Missing::error || values.empty()) return {};
    if (last + 1 != values.size()) return Gap{last + 1, detail::missing_after};
    last = 0;
    for (std::size_t next = 1; next < values.size(); ++next) {
        if (std::isnan(values[next])) continue;
        for (std::size_t t = last + 1; t < next; ++t) {
            values[t] = detail::interpolated(values[last], values[next], static_cast<double>(t - last),
                                             static_cast<double>(next - last));
        }
        last = next;
    }
    return {};
}

/// The day that "19580329" or "1958-03-29" names.
std::optional<Date> parse_date(std::string_view text) {
    const bool dashes = text.size() == 10 && text[4] == '-' && text[7] == '-';
    if (!dashes && text.size() != 8) return {};
    std::string digits(text);
    if (dashes) std::erase(digits, '-');
    unsigned number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (digits.size() != 8 || error != std::errc{} || end != digits.data() + digits.size()) return {};
    const std::chrono::year_month_day day{std::chrono::year{static_cast<int>(number / 10000)},
                                          std::chrono::month{number / 100 % 100},
                                          std::chrono::day{number % 100}};
    if (!day.ok()) return {};
    return day;
}

struct Sum {
    double total = 0;
    std::size_t count = 0;
};

}  // namespace

Series without_missing(Series values, Missing missing) {
    if (const auto gap = mend(values, missing)) {
        throw ValueError(fmt::format("series of {} steps: missing value at step {}: {}", values.size(),
                                     gap->step, gap->reason));
    }
    return values;
}

Series column_series(const CsvTable& table, std::string_view column, Missing missing) {
    const std::string name(column);
    return row_series(table, {&name, 1}, missing);
}

Series row_series(const CsvTable& table, std::span<const std::string> columns, Missing missing) {
    if (columns.empty())
        throw ValueError(table.source() + ": row_series expected one column or more, got none");
    Series values(table.rows() * columns.size());
    for (std::size_t c = 0; c < columns.size(); ++c) {
        const std::vector<double>& numbers = table.numbers(columns[c]);
        for (std::size_t row = 0; row < numbers.size(); ++row)
            values[row * columns.size() + c] = numbers[row];
    }
    if (const auto gap = mend(values, missing)) {
        const std::string& column = columns[gap->step % columns.size()];
        throw FormatError(fmt::format("{}: missing value in column \"{}\": {}",
                                      table.place(gap->step / columns.size(), column), column, gap->reason));
    }
    return values;
}

template <Real T>
Tensor<T> columns_tensor(const CsvTable& table, std::span<const std::string> columns, Missing missing) {
    if (columns.empty()) {
        throw ValueError(table.source() + ": columns_tensor expected one column or more, got none");
    }
    if (missing != Missing::drop) {
        std::vector<Series> series;
        for (const std::string& column : columns) series.push_back(column_series(table, column, missing));
        return series_tensor<T>(series);
    }
    std::vector<const std::vector<double>*> values;
    for (const std::string& column : columns) values.push_back(&table.numbers(column));
    std::vector<T> kept;
    for (std::size_t row = 0; row < table.rows(); ++row) {
        if (std::any_of(values.begin(), values.end(),
                        [row](const std::vector<double>* column) { return std::isnan((*column)[row]); })) {
            continue;
        }
        for (const std::vector<double>* column : values) kept.push_back(static_cast<T>((*column)[row]));
    }
    return tensor<T>({kept.size() / columns.size(), columns.size()}, kept);
}

std::vector<Date> column_dates(const CsvTable& table, std::string_view column,
                               const std::optional<DateFormat>& format, int century_start) {
    const std::vector<std::string>& texts = table.text(column);
    std::vector<Date> dates;
    for (std::size_t row = 0; row < texts.size(); ++row) {
        const auto date = format ? read_date(texts[row], *format, century_start) : parse_date(texts[row]);
        if (!date) {
            const std::string expected =
                format ? fmt::format("\"{}\"", format->pattern) : std::string("YYYYMMDD or YYYY-MM-DD");
            throw FormatError(fmt::format("{}: expected a date {}, got \"{}\"", table.place(row, column),
                                          expected, texts[row]));
        }
        dates.push_back(*date);
    }
    return dates;
}

MonthlyMeans monthly_means(const CsvTable& table, std::string_view date_column, std::string_view value_column,
                           Missing missing, const std::optional<DateFormat>& format) {
    const std::vector<std::string>& texts = table.text(date_column);
    const std::vector<double>& values = table.numbers(value_column);
    const std::vector<Date> dates = column_dates(table, date_column, format);

    std::vector<Sum> sums;
    std::chrono::year_month first{};
    std::chrono::sys_days previous{};
    for (std::size_t row = 0; row < dates.size(); ++row) {
        const Date date = dates[row];
        if (row == 0) {
            first = date.year() / date.month();
        } else if (std::chrono::sys_days(date) < previous) {
            throw FormatError(fmt::format("{}: expected a date not before {}, got {}",
                                          table.place(row, date_column), texts[row - 1], texts[row]));
        }
        previous = date;
        sums.resize(static_cast<std::size_t>((date.year() / date.month() - first).count()) + 1);
        if (!std::isnan(values[row])) {
            sums.back().total += values[row];
            ++sums.back().count;
        }
    }

    const auto month_name = [&first](std::size_t i) {
        const std::chrono::year_month month = first + std::chrono::months(static_cast<int>(i));
        return fmt::format("{:04}-{:02}", static_cast<int>(month.year()),
                           static_cast<unsigned>(month.month()));
    };
    MonthlyMeans means;
    for (std::size_t i = 0; i < sums.size(); ++i) {
        means.values.push_back(sums[i].count == 0 ? std::numeric_limits<double>::quiet_NaN()
                                                  : sums[i].total / static_cast<double>(sums[i].count));
        if (sums[i].count != 0 || missing != Missing::drop) means.months.push_back(month_name(i));
    }
    if (const auto gap = mend(means.values, missing)) {
        throw FormatError(fmt::format("{}: no value in {} in column \"{}\": {}", table.source(),
                                      month_name(gap->step), value_column, gap->reason));
    }
    return means;
}

Series difference(const Series& series, std::size_t lag) {
    if (lag == 0) throw ValueError("difference: expected a lag of 1 or more steps, got 0");
    if (series.size() <= lag) {
        throw ValueError(
            fmt::format("difference: a lag of {} needs more than {} steps, got {}", lag, lag, series.size()));
    }
    Series out(series.size() - lag);
    for (std::size_t t = 0; t < out.size(); ++t) out[t] = series[t + lag] - series[t];
    return out;
}

Series undifference(const Series& differences, const Series& first) {
    if (first.empty())
        throw ValueError("undifference: expected the first `lag` values of the series, got none");
    Series out = first;
    out.reserve(first.size() + differences.size());
    for (std::size_t t = 0; t < differences.size(); ++t) out.push_back(out[t] + differences[t]);
    return out;
}

template <Real T>
Tensor<T> series_tensor(const Series& series) {
    return series_tensor<T>(std::span<const Series>(&series, 1));
}

template <Real T>
Tensor<T> series_tensor(std::span<const Series> series) {
    if (series.empty()) throw ShapeError("series_tensor: expected one series or more, got none");
    const std::size_t steps = series[0].size();
    Tensor<T> out(Shape{steps, series.size()});
    for (std::size_t d = 0; d < series.size(); ++d) {
        if (series[d].size() != steps) {
            throw ShapeError(
                fmt::format("series_tensor: expected series of one length, got {} steps in the first and "
                            "{} in number {}",
                            steps, series[d].size(), d + 1));
        }
        for (std::size_t t = 0; t < steps; ++t)
            out.data()[t * series.size() + d] = static_cast<T>(series[d][t]);
    }
    return out;
}

template Tensor<float> columns_tensor(const CsvTable&, std::span<const std::string>, Missing);
template Tensor<double> columns_tensor(const CsvTable&, std::span<const std::string>, Missing);
template Tensor<float> series_tensor<float>(const Series&);
template Tensor<double> series_tensor<double>(const Series&);
template Tensor<float> series_tensor<float>(std::span<const Series>);
template Tensor<double> series_tensor<double>(std::span<const Series>);

}  // namespace seqgrad
