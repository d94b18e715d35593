#include "seqgrad/data/csv_series_reader.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/data/internal/csv_records.hpp"
#include "seqgrad/data/internal/missing.hpp"

namespace seqgrad {

CsvSeriesReader::CsvSeriesReader(const std::string& path, CsvSeriesOptions options)
    : options_(std::move(options)), reader_(path, options_.csv), values_(options_.columns.size()) {
    if (options_.columns.empty())
        throw ValueError(fmt::format("{}: a series needs one column or more, got none", source()));
    if (options_.end && *options_.end < options_.begin) {
        throw ValueError(fmt::format("{}: expected records [begin, end) with begin <= end, got [{}, {})",
                                     source(), options_.begin, *options_.end));
    }
    for (const std::string& name : options_.columns) {
        columns_.push_back(reader_.index(name));
        if (reader_.is_text(columns_.back())) detail::throw_is_text(source(), name);
    }
    rewind();
}

void CsvSeriesReader::rewind() {
    if (first_) {
        reader_.seek(*first_);
        taken_ = options_.begin;
    } else {
        reader_.rewind();
        taken_ = 0;
    }
    ended_ = false;
    failed_ = false;
    pending_.clear();
    open_.assign(columns_.size(), 0);
    previous_.assign(columns_.size(), std::nullopt);
}

bool CsvSeriesReader::next() {
    if (failed_) throw ValueError(fmt::format("{}: reading on after an error; rewind first", source()));
    failed_ = true;  // unless nothing below throws
    const bool more = options_.missing == Missing::interpolate ? next_interpolated() : next_complete();
    failed_ = false;
    return more;
}

/// Reads on to the next record in which no value is missing.
bool CsvSeriesReader::next_complete() {
    while (next_record()) {
        const auto gap =
            std::ranges::find_if(columns_, [&](std::size_t c) { return std::isnan(reader_.number(c)); });
        if (gap == columns_.end()) {
            std::ranges::transform(columns_, values_.begin(),
                                   [&](std::size_t c) { return reader_.number(c); });
            return true;
        }
        if (options_.missing == Missing::error) {
            refuse_missing(reader_.line(), static_cast<std::size_t>(gap - columns_.begin()),
                           detail::missing_choices);
        }
    }
    return false;
}

/// Reads the next record that is part of the series.
bool CsvSeriesReader::next_record() {
    if (ended_) return false;
    for (;;) {
        if (taken_ >= options_.begin && !first_) first_ = reader_.position();
        if (taken_ == options_.end || !reader_.next()) break;
        if (++taken_ > options_.begin) return true;
    }
    ended_ = true;
    if (taken_ < options_.end.value_or(options_.begin)) {
        throw ValueError(fmt::format("{}: expected records [{}, {}), got a file of {}", source(),
                                     options_.begin, options_.end ? std::to_string(*options_.end) : "the end",
                                     taken_));
    }
    return false;
}

bool CsvSeriesReader::next_interpolated() {
    // A row can be given when every feature has a value in it or after it.
    for (;;) {
        const auto longest = std::ranges::max_element(open_);
        if (pending_.size() > *longest) break;
        if (next_record()) {
            pending_.push_back({std::vector<double>(columns_.size()), reader_.line()});
            fill(pending_.back());
        } else if (pending_.empty()) {
            return false;
        } else {
            refuse_missing(pending_.front().line, static_cast<std::size_t>(longest - open_.begin()),
                           detail::missing_after);
        }
    }
    values_ = std::move(pending_.front().values);
    pending_.pop_front();
    return true;
}

/// Takes the record's values into the last pending row, and fills the gaps that end with them.
void CsvSeriesReader::fill(Pending& row) {
    for (std::size_t f = 0; f < columns_.size(); ++f) {
        const double value = row.values[f] = reader_.number(columns_[f]);
        if (std::isnan(value)) {
            if (!previous_[f]) refuse_missing(row.line, f, detail::missing_before);
            ++open_[f];
            continue;
        }
        const std::size_t steps = std::exchange(open_[f], 0) + 1;
        for (std::size_t i = 1; i < steps; ++i) {
            pending_[pending_.size() - 1 - steps + i].values[f] = detail::interpolated(
                *previous_[f], value, static_cast<double>(i), static_cast<double>(steps));
        }
        previous_[f] = value;
    }
}

void CsvSeriesReader::refuse_missing(std::size_t line, std::size_t feature, const char* reason) const {
    throw FormatError(fmt::format("{}: missing value in column \"{}\": {}",
                                  detail::csv_place(source(), line, columns_[feature] + 1),
                                  options_.columns[feature], reason));
}

}  // namespace seqgrad
