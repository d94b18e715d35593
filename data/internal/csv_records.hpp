#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seqgrad/data/internal/text_file.hpp"

namespace seqgrad::detail {

/// The beginning of a text in quotes, for messages.
std::string in_quotes(std::string_view text);

/// The names in quotes, one after the other; of very many the first ones.
std::string listed(const std::vector<std::string>& names);

/// Whether `text` is one of the list.
bool contains(const std::vector<std::string>& list, std::string_view text);

/// "elnino.csv:17:3", the third field of line 17.
std::string csv_place(const std::string& source, std::size_t line, std::size_t field);

/// Position of the named column, from 0. Throws ValueError naming the columns there are.
std::size_t csv_column(const std::string& source, const std::vector<std::string>& names,
                       std::string_view name);

[[noreturn]] void throw_is_text(const std::string& source, std::string_view column);
[[noreturn]] void throw_is_numbers(const std::string& source, std::string_view column);

/// Cuts CSV text into records. Everything throws FormatError naming file, line and field where the text is
/// none, and IoError where the file cannot be read.
class CsvRecords {
  public:
    struct Field {
        std::string text;
        std::size_t line;
    };

    /// Where a record begins.
    struct Position {
        std::uint64_t byte = 0;
        std::size_t line = 1;
    };

    /// Records of a text, which must outlive this; `source` stands for the file's name in messages.
    CsvRecords(std::string_view text, std::string source, char delimiter);
    /// Records of a file, of which a block and a record are in memory.
    CsvRecords(FileReader file, std::string source, char delimiter);
    CsvRecords(const CsvRecords&) = delete;
    CsvRecords& operator=(const CsvRecords&) = delete;

    /// Reads the next record; false where nothing but line ends and blanks is left. An empty line that other
    /// records follow is a record of no fields.
    bool next();

    /// The record's fields, without the blanks around them.
    const std::vector<Field>& fields() const { return fields_; }

    /// The line in which the record begins, from 1.
    std::size_t line() const { return record_line_; }

    const std::string& source() const { return source_; }

    /// Where the next record begins, or blanks and empty lines before it.
    Position position() const { return {offset_ + position_, line_}; }

    /// Goes on at a position of this file.
    void seek(const Position& position);

    [[noreturn]] void refuse(std::size_t line, std::size_t field, const std::string& what) const;

  private:
    void skip_byte_order_mark();
    std::size_t field() const;
    bool has(std::size_t ahead = 0) { return position_ + ahead < text_.size() || refill(ahead); }
    // The end of the text reads as a line end, which no field can contain unquoted.
    char peek(std::size_t ahead = 0) { return has(ahead) ? text_[position_ + ahead] : '\n'; }
    bool refill(std::size_t ahead);
    void skip_blanks();
    bool skip_line_end();
    void refuse_nul(char c) const;
    void refuse_invalid(const Field& read) const;
    void read_plain(std::string& out);
    void read_quoted(std::string& out);

    std::string source_;
    char delimiter_;
    std::optional<FileReader> file_;
    std::unique_ptr<char[]> block_;
    std::string_view text_;     // what is in memory
    std::uint64_t offset_ = 0;  // of `text_` in the file
    std::size_t position_ = 0;  // in `text_`
    std::size_t line_ = 1;
    std::size_t record_line_ = 1;
    std::uint64_t record_begin_ = 0;
    std::vector<Field> fields_;
};

}  // namespace seqgrad::detail
