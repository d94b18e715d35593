#include "seqgrad/data/csv_reader.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/data/internal/csv_records.hpp"

namespace seqgrad {

namespace {

using detail::CsvRecords;
using detail::in_quotes;
using detail::listed;

char checked_delimiter(const CsvOptions& options) {
    if (options.delimiter != ',' && options.delimiter != ';' && options.delimiter != '\t') {
        throw ValueError(fmt::format("CsvOptions::delimiter: expected ',', ';' or '\\t', got {}",
                                     in_quotes({&options.delimiter, 1})));
    }
    return options.delimiter;
}

/// Where a name stands for the second time, first; the number of names where none does. Sorts, because a file
/// may have millions of columns.
std::size_t first_repeated(const std::vector<std::string>& names) {
    std::vector<std::size_t> order(names.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, {}, [&](std::size_t i) -> const std::string& { return names[i]; });
    std::size_t first = names.size();
    for (std::size_t i = 1; i < order.size(); ++i)
        if (names[order[i]] == names[order[i - 1]]) first = std::min(first, order[i]);
    return first;
}

/// The column names that the first record gives, checked against the options.
std::vector<std::string> column_names(const CsvRecords& records, const CsvOptions& options) {
    std::vector<std::string> names;
    for (const CsvRecords::Field& field : records.fields())
        names.push_back(options.header ? field.text : std::to_string(names.size() + 1));
    if (const std::size_t repeated = first_repeated(names); repeated < names.size()) {
        records.refuse(records.fields()[repeated].line, repeated + 1,
                       "expected a new column name, got " + in_quotes(names[repeated]) + " again");
    }
    for (const std::string& name : options.text_columns) {
        if (!detail::contains(names, name)) {
            records.refuse(
                1, 1,
                fmt::format("expected a column {}; the columns are {}", in_quotes(name), listed(names)));
        }
    }
    return names;
}

/// The number written as `text`; sets `expected` to what it should have been when it is none.
double to_number(std::string_view text, const char*& expected) {
    if (text.size() > 1 && text[0] == '+' && text[1] != '-')
        text.remove_prefix(1);  // from_chars takes no plus sign
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc::invalid_argument || end != text.data() + text.size()) {
        expected = "expected a number";
    } else if (error == std::errc::result_out_of_range) {
        expected = "expected a number in the range of double";
    } else if (!std::isfinite(number)) {
        expected = "expected a finite number";
    }
    return number;
}

}  // namespace

struct CsvReader::State {
    template <class Input>
    State(Input&& input, const std::string& source, const CsvOptions& options)
        : records(std::forward<Input>(input), source, checked_delimiter(options)), missing(options.missing) {
        first = records.position();
        if (!records.next()) {
            records.refuse(1, 1,
                           options.header ? "expected a header line, got an empty file"
                                          : "expected a record, got an empty file");
        }
        if (records.fields().empty())
            records.refuse(records.line(), 1, "expected the first record, got an empty line");
        names = column_names(records, options);
        is_text.resize(names.size());
        numbers.resize(names.size(), std::numeric_limits<double>::quiet_NaN());
        for (std::size_t i = 0; i < names.size(); ++i)
            is_text[i] = detail::contains(options.text_columns, names[i]);
        if (options.header) {
            first = records.position();
        } else {
            pending = true;
        }
    }

    void check_fields() const {
        const std::size_t fields = records.fields().size();
        if (fields != names.size()) {
            records.refuse(records.line(), std::min(fields, names.size()) + 1,
                           fmt::format("expected {} fields, got {}", names.size(),
                                       fields == 0 ? "an empty line" : std::to_string(fields)));
        }
    }

    void read_numbers() {
        for (std::size_t i = 0; i < names.size(); ++i) {
            if (is_text[i]) continue;
            const CsvRecords::Field& field = records.fields()[i];
            if (detail::contains(missing, field.text)) {
                numbers[i] = std::numeric_limits<double>::quiet_NaN();
                continue;
            }
            const char* expected = nullptr;
            numbers[i] = to_number(field.text, expected);
            if (expected != nullptr) {
                records.refuse(field.line, i + 1,
                               fmt::format("{}, got {} (column {})", expected, in_quotes(field.text),
                                           in_quotes(names[i])));
            }
        }
    }

    CsvRecords records;
    std::vector<std::string> missing;
    std::vector<std::string> names;
    std::vector<bool> is_text;
    std::vector<double> numbers;  // of the record
    CsvRecords::Position first;   // of the first record
    bool pending = false;         // the first record gave the number of columns and was not yet asked for
    bool fresh = true;            // no record was asked for
    bool has_record = false;
    bool failed = false;
};

CsvReader::CsvReader(const std::string& path, const CsvOptions& options)
    : state_(std::make_unique<State>(detail::FileReader(path), path, options)) {}

CsvReader::CsvReader(std::string_view text, const std::string& source, const CsvOptions& options)
    : state_(std::make_unique<State>(text, source, options)) {}

CsvReader::CsvReader(CsvReader&&) noexcept = default;
CsvReader& CsvReader::operator=(CsvReader&&) noexcept = default;
CsvReader::~CsvReader() = default;

const std::string& CsvReader::source() const {
    return state_->records.source();
}

const std::vector<std::string>& CsvReader::names() const {
    return state_->names;
}

std::size_t CsvReader::index(std::string_view name) const {
    return detail::csv_column(source(), names(), name);
}

bool CsvReader::is_text(std::size_t column) const {
    check_column(column);
    return state_->is_text[column];
}

bool CsvReader::next() {
    if (state_->failed) {
        throw ValueError(fmt::format("{}: reading on after an error; rewind or seek first", source()));
    }
    state_->fresh = false;
    state_->has_record = false;
    state_->failed = true;  // unless nothing below throws
    const bool more = std::exchange(state_->pending, false) || state_->records.next();
    if (more) {
        state_->check_fields();
        state_->read_numbers();
    }
    state_->failed = false;
    return state_->has_record = more;
}

double CsvReader::number(std::size_t column) const {
    check_column(column);
    if (state_->is_text[column]) detail::throw_is_text(source(), names()[column]);
    return record().numbers[column];
}

const std::string& CsvReader::text(std::size_t column) const {
    check_column(column);
    if (!state_->is_text[column]) detail::throw_is_numbers(source(), names()[column]);
    return record().records.fields()[column].text;
}

std::size_t CsvReader::line() const {
    return record().records.line();
}

std::string CsvReader::place(std::size_t column) const {
    check_column(column);
    return detail::csv_place(source(), line(), column + 1);
}

void CsvReader::rewind() {
    if (!state_->fresh) seek({state_->first.byte, state_->first.line});
    state_->fresh = true;
}

CsvReader::Position CsvReader::position() const {
    const CsvRecords::Position next = state_->pending ? state_->first : state_->records.position();
    return {next.byte, next.line};
}

void CsvReader::seek(const Position& position) {
    state_->records.seek({position.byte, position.line});
    state_->pending = false;
    state_->fresh = false;
    state_->has_record = false;
    state_->failed = false;
}

const CsvReader::State& CsvReader::record() const {
    if (!state_->has_record) throw ValueError(fmt::format("{}: no record; call next first", source()));
    return *state_;
}

void CsvReader::check_column(std::size_t column) const {
    if (column >= names().size())
        throw ValueError(fmt::format("{}: no column {} among {}", source(), column, names().size()));
}

}  // namespace seqgrad
