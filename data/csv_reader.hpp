#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "seqgrad/data/csv.hpp"

namespace seqgrad {

/// Reads a CSV file record by record, for files larger than memory.
///
///     CsvReader meters("meters.csv", {.text_columns = {"time"}});
///     const std::size_t load = meters.index("load");
///     while (meters.next()) total += meters.number(load);
///
/// It takes and refuses what read_csv does, which is made of it, and the first record that is wrong throws
/// when it is read. In memory are a block of the file and one record. Columns are counted from 0.
class CsvReader {
  public:
    /// Where a record begins in the file.
    struct Position {
        std::uint64_t byte = 0;  ///< from 0
        std::size_t line = 1;    ///< from 1
    };

    /// Opens the file and reads the names of its columns. Throws as read_csv does.
    explicit CsvReader(const std::string& path, const CsvOptions& options = {});
    CsvReader(CsvReader&& other) noexcept;
    CsvReader& operator=(CsvReader&& other) noexcept;
    ~CsvReader();

    /// Name of the file, as it was given.
    const std::string& source() const;

    /// Names of all columns, from left to right.
    const std::vector<std::string>& names() const;

    /// Position of the named column. Throws ValueError naming the columns there are.
    std::size_t index(std::string_view name) const;

    /// Whether the column holds text. Throws ValueError when there is no such column.
    bool is_text(std::size_t column) const;

    /// Reads the next record; false at the end of the file. Throws IoError and FormatError as read_csv does,
    /// and ValueError after such an error until `rewind` or `seek`.
    bool next();

    /// The record's number in the column; NaN for a missing one. Throws ValueError when there is no such
    /// column, it holds text, or there is no record: before the first `next` and at the end of the file.
    double number(std::size_t column) const;

    /// The record's text in the column, until the next record is read. Throws ValueError when there is no
    /// such column, it holds numbers, or there is no record.
    const std::string& text(std::size_t column) const;

    /// The line in which the record begins, from 1. Throws ValueError when there is no record.
    std::size_t line() const;

    /// Where the record's value stands in the file: "elnino.csv:17:3" is the third field of line 17. Throws
    /// ValueError when there is no such column or no record.
    std::string place(std::size_t column) const;

    /// Begins again with the first record. Throws IoError for what can be read only once, such as a pipe,
    /// unless nothing was read of it.
    void rewind();

    /// Where the record begins that `next` would read.
    Position position() const;

    /// Goes on with the record at a position that this file had. Throws IoError as `rewind` does.
    void seek(const Position& position);

  private:
    friend CsvTable parse_csv(std::string_view, const std::string&, const CsvOptions&);

    struct State;

    // Reads a text, which must outlive the reader.
    CsvReader(std::string_view text, const std::string& source, const CsvOptions& options);

    const State& record() const;
    void check_column(std::size_t column) const;

    std::unique_ptr<State> state_;
};

}  // namespace seqgrad
