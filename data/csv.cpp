#include "seqgrad/data/csv.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/data/internal/text_file.hpp"

namespace seqgrad {

namespace {

std::string quoted(std::string_view text) {
    constexpr std::size_t longest = 40;
    std::string out = "\"";
    for (const char c : text.substr(0, longest)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) {
            out += fmt::format("\\x{:02x}", byte);
        } else {
            out += c;
        }
    }
    return out + (text.size() > longest ? "...\"" : "\"");
}

std::string listed(const std::vector<std::string>& names) {
    std::string out;
    for (const std::string& name : names) out += (out.empty() ? "" : ", ") + quoted(name);
    return out;
}

bool contains(const std::vector<std::string>& list, const std::string& text) {
    return std::find(list.begin(), list.end(), text) != list.end();
}

std::string place_text(const std::string& source, std::size_t line, std::size_t field) {
    return fmt::format("{}:{}:{}", source, line, field);
}

/// Cuts CSV text into records.
class Records {
  public:
    struct Field {
        std::string text;
        std::size_t line;
    };

    Records(std::string_view text, const std::string& source, char delimiter)
        : text_(text), source_(source), delimiter_(delimiter) {
        if (text_.starts_with(detail::byte_order_mark)) text_.remove_prefix(detail::byte_order_mark.size());
    }

    /// Nothing but line ends and blanks is left.
    bool at_end() const {
        return text_.find_first_not_of(delimiter_ == '\t' ? " \r\n" : " \t\r\n", position_) ==
               std::string_view::npos;
    }

    std::size_t line() const { return line_; }

    /// The next record's fields; none for an empty line.
    const std::vector<Field>& next() {
        fields_.clear();
        skip_blanks();
        if (skip_line_end()) return fields_;
        for (;;) {
            skip_blanks();
            fields_.push_back({{}, line_});
            if (peek() == '"') {
                read_quoted(fields_.back().text);
            } else {
                read_plain(fields_.back().text);
            }
            refuse_invalid(fields_.back());
            if (position_ == text_.size() || skip_line_end()) return fields_;
            ++position_;  // the delimiter
        }
    }

    [[noreturn]] void refuse(std::size_t line, std::size_t field, const std::string& what) const {
        throw FormatError(place_text(source_, line, field) + ": " + what);
    }

  private:
    std::size_t field() const { return std::max<std::size_t>(fields_.size(), 1); }

    // The end of the text reads as a line end, which no field can contain unquoted.
    char peek(std::size_t ahead = 0) const {
        return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\n';
    }

    bool at_blank() const { return (peek() == ' ' || peek() == '\t') && peek() != delimiter_; }

    void skip_blanks() {
        while (at_blank()) ++position_;
    }

    bool skip_line_end() {
        if (position_ == text_.size()) return false;
        if (peek() == '\r') {
            if (peek(1) != '\n') refuse(line_, field(), "expected a line feed after a carriage return");
            position_ = std::min(position_ + 2, text_.size());
        } else if (peek() == '\n') {
            ++position_;
        } else {
            return false;
        }
        ++line_;
        return true;
    }

    void refuse_nul(char c) const {
        if (c == '\0') refuse(line_, field(), "expected text, got a NUL byte (a binary or UTF-16 file?)");
    }

    void refuse_invalid(const Field& read) const {
        if (const auto place = detail::find_invalid_utf8(read.text)) {
            refuse(read.line + place->line - 1, field(),
                   fmt::format("expected UTF-8, got the byte 0x{:02X}; convert the file to UTF-8",
                               static_cast<unsigned char>(read.text[place->byte])));
        }
    }

    void read_plain(std::string& out) {
        const std::size_t first = position_;
        for (; peek() != delimiter_ && peek() != '\n' && peek() != '\r'; ++position_) {
            refuse_nul(peek());
            if (peek() == '"') {
                refuse(line_, field(), "expected no quote inside a field that does not begin with one");
            }
        }
        out = text_.substr(first, position_ - first);
        out.erase(out.find_last_not_of(" \t") + 1);
    }

    void read_quoted(std::string& out) {
        const std::size_t first_line = line_;
        for (++position_;; ++position_) {
            if (position_ == text_.size()) {
                refuse(first_line, field(), "expected a closing quote before the end of the file");
            }
            const char c = text_[position_];
            refuse_nul(c);
            if (c == '"') {
                if (peek(1) != '"') break;
                ++position_;
            }
            if (c == '\n') ++line_;
            out += c;
        }
        ++position_;
        skip_blanks();
        if (peek() != delimiter_ && peek() != '\n' && peek() != '\r') {
            refuse(line_, field(),
                   "expected a delimiter or the end of the line after a quoted field, got " +
                       quoted({&text_[position_], 1}));
        }
    }

    std::string_view text_;
    const std::string& source_;
    char delimiter_;
    std::size_t position_ = 0;
    std::size_t line_ = 1;
    std::vector<Field> fields_;
};

/// The column names that the first record gives, checked against the options.
std::vector<std::string> column_names(const Records& records, const std::vector<Records::Field>& first,
                                      const CsvOptions& options) {
    std::vector<std::string> names;
    for (const Records::Field& field : first) {
        std::string name = options.header ? field.text : std::to_string(names.size() + 1);
        if (contains(names, name)) {
            records.refuse(field.line, names.size() + 1,
                           "expected a new column name, got " + quoted(name) + " again");
        }
        names.push_back(std::move(name));
    }
    for (const std::string& name : options.text_columns) {
        if (!contains(names, name)) {
            records.refuse(
                1, 1, fmt::format("expected a column {}; the columns are {}", quoted(name), listed(names)));
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

std::size_t CsvTable::index(std::string_view name) const {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found == names_.end()) {
        throw ValueError(
            fmt::format("{}: no column {}; the columns are {}", source_, quoted(name), listed(names_)));
    }
    return static_cast<std::size_t>(found - names_.begin());
}

bool CsvTable::is_text(std::string_view name) const {
    return columns_[index(name)].is_text;
}

const std::vector<double>& CsvTable::numbers(std::string_view name) const {
    const Column& column = columns_[index(name)];
    if (column.is_text) {
        throw ValueError(
            fmt::format("{}: column {} was read as text; leave it out of CsvOptions::text_columns to "
                        "have its numbers",
                        source_, quoted(name)));
    }
    return column.numbers;
}

const std::vector<std::string>& CsvTable::text(std::string_view name) const {
    const Column& column = columns_[index(name)];
    if (!column.is_text) {
        throw ValueError(
            fmt::format("{}: column {} was read as numbers; name it in CsvOptions::text_columns to "
                        "have its text",
                        source_, quoted(name)));
    }
    return column.text;
}

std::string CsvTable::place(std::size_t row, std::string_view name) const {
    const std::size_t field = index(name) + 1;
    if (row >= rows()) throw ValueError(fmt::format("{}: no row {} among {}", source_, row, rows()));
    return place_text(source_, lines_[row], field);
}

CsvTable read_csv(const std::string& path, const CsvOptions& options) {
    return parse_csv(detail::read_file(path), path, options);
}

CsvTable parse_csv(std::string_view text, const std::string& source, const CsvOptions& options) {
    if (options.delimiter != ',' && options.delimiter != ';' && options.delimiter != '\t') {
        throw ValueError(fmt::format("CsvOptions::delimiter: expected ',', ';' or '\\t', got {}",
                                     quoted({&options.delimiter, 1})));
    }
    Records records(text, source, options.delimiter);
    if (records.at_end()) {
        records.refuse(1, 1,
                       options.header ? "expected a header line, got an empty file"
                                      : "expected a record, got an empty file");
    }

    CsvTable table;
    table.source_ = source;
    while (!records.at_end()) {
        const std::size_t line = records.line();
        const std::vector<Records::Field>& fields = records.next();
        if (table.names_.empty()) {
            if (fields.empty()) records.refuse(line, 1, "expected the first record, got an empty line");
            table.names_ = column_names(records, fields, options);
            table.columns_.resize(fields.size());
            for (const std::string& name : options.text_columns)
                table.columns_[table.index(name)].is_text = true;
            if (options.header) continue;
        }
        if (fields.size() != table.names_.size()) {
            records.refuse(line, std::min(fields.size(), table.names_.size()) + 1,
                           fmt::format("expected {} fields, got {}", table.names_.size(),
                                       fields.empty() ? "an empty line" : std::to_string(fields.size())));
        }
        for (std::size_t i = 0; i < fields.size(); ++i) {
            const std::string& written = fields[i].text;
            CsvTable::Column& column = table.columns_[i];
            if (column.is_text) {
                column.text.push_back(written);
            } else if (contains(options.missing, written)) {
                column.numbers.push_back(std::numeric_limits<double>::quiet_NaN());
            } else {
                const char* expected = nullptr;
                column.numbers.push_back(to_number(written, expected));
                if (expected != nullptr) {
                    records.refuse(fields[i].line, i + 1,
                                   fmt::format("{}, got {} (column {})", expected, quoted(written),
                                               quoted(table.names_[i])));
                }
            }
        }
        table.lines_.push_back(line);
    }
    return table;
}

}  // namespace seqgrad
