#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace seqgrad {

class CsvReader;

/// How read_csv, parse_csv and CsvReader understand a file.
struct CsvOptions {
    char delimiter = ',';  ///< between fields: ',', ';' or '\t'
    bool header = true;    ///< the first line names the columns; without one they are named "1", "2", ...
    std::vector<std::string> text_columns = {};            ///< columns kept as text, such as dates and labels
    std::vector<std::string> missing = {"", "NA", "NaN"};  ///< spellings of a missing number
};

/// The columns of a CSV file, each either numbers (missing ones are NaN) or text.
class CsvTable {
  public:
    /// No columns and no rows.
    CsvTable() = default;

    /// All records that the reader has not read. Throws as CsvReader::next does.
    explicit CsvTable(CsvReader reader);

    /// Name of the file, as it was given to read_csv or parse_csv.
    const std::string& source() const { return source_; }

    /// Number of records, the header not counted.
    std::size_t rows() const { return lines_.size(); }

    /// Names of all columns, from left to right.
    const std::vector<std::string>& names() const { return names_; }

    /// Position of the named column, counted from 0. Throws ValueError naming the columns there are.
    std::size_t index(std::string_view name) const;

    /// Whether the named column holds text. Throws ValueError when there is no such column.
    bool is_text(std::string_view name) const;

    /// The named column's numbers, from top to bottom; missing ones are NaN. Throws ValueError when there is
    /// no such column or it holds text.
    const std::vector<double>& numbers(std::string_view name) const;

    /// The named column's text, from top to bottom. Throws ValueError when there is no such column or it
    /// holds numbers.
    const std::vector<std::string>& text(std::string_view name) const;

    /// Where a value stands in the file: "elnino.csv:17:3" is the third field of line 17. `row` counts
    /// records from 0.
    std::string place(std::size_t row, std::string_view name) const;

  private:
    struct Column {
        bool is_text = false;
        std::vector<double> numbers;
        std::vector<std::string> text;
    };

    std::string source_;
    std::vector<std::string> names_;
    std::vector<Column> columns_;
    std::vector<std::size_t> lines_;  // where each record starts, counted from 1
};

/// Reads a CSV file (RFC 4180, in UTF-8 with or without byte-order mark, lines ended by LF or CRLF).
///
/// Fields may be quoted, with "" for a quote inside; blanks around a field do not count. Numbers are written
/// as in C++, with a decimal point whatever the locale, and must be finite. Every record has as many fields
/// as the header; empty lines may stand at the end of the file only. A file with a header and no records
/// gives a table of no rows. A record of a file has at most 16 MiB. Throws IoError when the file cannot be
/// read, FormatError naming file, line and field when it is not as described here or lacks one of
/// `text_columns`, ValueError for another delimiter than the three. CsvReader reads files that are too large
/// for a table.
CsvTable read_csv(const std::string& path, const CsvOptions& options = {});

/// Reads CSV text from memory, as read_csv does; `source` stands for the file's name in messages.
CsvTable parse_csv(std::string_view text, const std::string& source, const CsvOptions& options = {});

}  // namespace seqgrad
