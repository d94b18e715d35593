#include "seqgrad/data/internal/csv_records.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad::detail {

namespace {

constexpr std::size_t block_size = std::size_t{1} << 16;

/// Bytes that a record of a file may have. A quote that is never closed would otherwise take the rest of the
/// file into memory, however large it is.
constexpr std::size_t longest_record = std::size_t{16} << 20;

}  // namespace

std::string in_quotes(std::string_view text) {
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
    constexpr std::size_t most = 100;
    std::string out;
    for (std::size_t i = 0; i < std::min(most, names.size()); ++i)
        out += (out.empty() ? "" : ", ") + in_quotes(names[i]);
    return names.size() > most ? fmt::format("{} and {} more", out, names.size() - most) : out;
}

bool contains(const std::vector<std::string>& list, std::string_view text) {
    return std::find(list.begin(), list.end(), text) != list.end();
}

std::string csv_place(const std::string& source, std::size_t line, std::size_t field) {
    return fmt::format("{}:{}:{}", source, line, field);
}

std::size_t csv_column(const std::string& source, const std::vector<std::string>& names,
                       std::string_view name) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
        throw ValueError(
            fmt::format("{}: no column {}; the columns are {}", source, in_quotes(name), listed(names)));
    }
    return static_cast<std::size_t>(found - names.begin());
}

void throw_is_text(const std::string& source, std::string_view column) {
    throw ValueError(
        fmt::format("{}: column {} was read as text; leave it out of CsvOptions::text_columns to have its "
                    "numbers",
                    source, in_quotes(column)));
}

void throw_is_numbers(const std::string& source, std::string_view column) {
    throw ValueError(
        fmt::format("{}: column {} was read as numbers; name it in CsvOptions::text_columns to have its text",
                    source, in_quotes(column)));
}

CsvRecords::CsvRecords(std::string_view text, std::string source, char delimiter)
    : source_(std::move(source)), delimiter_(delimiter), text_(text) {
    skip_byte_order_mark();
}

CsvRecords::CsvRecords(FileReader file, std::string source, char delimiter)
    : source_(std::move(source)),
      delimiter_(delimiter),
      file_(std::move(file)),
      block_(std::make_unique_for_overwrite<char[]>(2 * block_size)) {
    skip_byte_order_mark();
}

void CsvRecords::skip_byte_order_mark() {
    if (has(byte_order_mark.size() - 1) && text_.starts_with(byte_order_mark))
        position_ = byte_order_mark.size();
}

bool CsvRecords::next() {
    fields_.clear();
    record_line_ = line_;
    // Line ends are an error before a record, and none before the end of the file.
    bool empty_line = false;
    bool lone_return = false;
    for (skip_blanks(); peek() == '\n' || peek() == '\r'; skip_blanks()) {
        if (!has()) return false;
        if (peek() == '\r' && peek(1) != '\n') {
            lone_return = lone_return || !empty_line;
            ++position_;
        } else {
            skip_line_end();
            empty_line = empty_line || !lone_return;
        }
    }
    if (lone_return) refuse(record_line_, 1, "expected a line feed after a carriage return");
    if (empty_line) return true;

    record_begin_ = offset_ + position_;
    for (;;) {
        skip_blanks();
        fields_.push_back({{}, line_});
        if (peek() == '"') {
            read_quoted(fields_.back().text);
        } else {
            read_plain(fields_.back().text);
        }
        refuse_invalid(fields_.back());
        if (!has() || skip_line_end()) return true;
        ++position_;  // the delimiter
    }
}

void CsvRecords::seek(const Position& position) {
    if (file_) {
        file_->seek(position.byte);
        text_ = {};
        offset_ = position.byte;
        position_ = 0;
    } else {
        position_ = static_cast<std::size_t>(position.byte);
    }
    line_ = position.line;
    fields_.clear();
}

void CsvRecords::refuse(std::size_t line, std::size_t field, const std::string& what) const {
    throw FormatError(csv_place(source_, line, field) + ": " + what);
}

std::size_t CsvRecords::field() const {
    return std::max<std::size_t>(fields_.size(), 1);
}

/// Reads the next block after what is not yet used of this one. Says whether there is a byte so far ahead,
/// which is less than a block.
bool CsvRecords::refill(std::size_t ahead) {
    if (!file_) return false;
    if (!fields_.empty() && offset_ + position_ - record_begin_ > longest_record) {
        refuse(
            fields_.back().line, field(),
            fmt::format("expected a record of at most {} MiB, got a longer one; does a quote or a line end "
                        "miss?",
                        longest_record >> 20));
    }
    const std::size_t kept = text_.size() - position_;
    std::copy_n(text_.data() + position_, kept, block_.get());
    const std::size_t read = file_->read(block_.get() + kept, block_size);
    offset_ += position_;
    position_ = 0;
    text_ = {block_.get(), kept + read};
    return ahead < text_.size();
}

void CsvRecords::skip_blanks() {
    while ((peek() == ' ' || peek() == '\t') && peek() != delimiter_) ++position_;
}

bool CsvRecords::skip_line_end() {
    if (!has()) return false;
    if (peek() == '\r') {
        if (peek(1) != '\n') refuse(line_, field(), "expected a line feed after a carriage return");
        position_ += has(1) ? 2 : 1;
    } else if (peek() == '\n') {
        ++position_;
    } else {
        return false;
    }
    ++line_;
    return true;
}

void CsvRecords::refuse_nul(char c) const {
    if (c == '\0') refuse(line_, field(), "expected text, got a NUL byte (a binary or UTF-16 file?)");
}

void CsvRecords::refuse_invalid(const Field& read) const {
    if (const auto place = find_invalid_utf8(read.text)) {
        refuse(read.line + place->line - 1, field(),
               fmt::format("expected UTF-8, got the byte 0x{:02X}; convert the file to UTF-8",
                           static_cast<unsigned char>(read.text[place->byte])));
    }
}

void CsvRecords::read_plain(std::string& out) {
    for (;; ++position_) {
        const char c = peek();
        if (c == delimiter_ || c == '\n' || c == '\r') break;
        refuse_nul(c);
        if (c == '"') {
            refuse(line_, field(), "expected no quote inside a field that does not begin with one");
        }
        out += c;
    }
    out.erase(out.find_last_not_of(" \t") + 1);
}

void CsvRecords::read_quoted(std::string& out) {
    const std::size_t first_line = line_;
    for (++position_;; ++position_) {
        if (!has()) refuse(first_line, field(), "expected a closing quote before the end of the file");
        const char c = peek();
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
    if (const char c = peek(); c != delimiter_ && c != '\n' && c != '\r') {
        refuse(line_, field(),
               "expected a delimiter or the end of the line after a quoted field, got " + in_quotes({&c, 1}));
    }
}

}  // namespace seqgrad::detail
