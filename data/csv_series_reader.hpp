#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "seqgrad/data/csv.hpp"
#include "seqgrad/data/csv_reader.hpp"
#include "seqgrad/data/series.hpp"

namespace seqgrad {

/// Which part of a CSV file is a series.
struct CsvSeriesOptions {
    std::vector<std::string> columns = {};  ///< the features, D of them; one at least
    Missing missing = Missing::error;       ///< what to do with missing values in these columns
    std::size_t begin = 0;                  ///< the first record, counted from 0
    std::optional<std::size_t> end = {};    ///< the record after the last one; the file's end where not given
    CsvOptions csv = {};
};

/// Reads a multivariate series from a CSV file step by step, for files larger than memory.
///
/// The steps are the rows that columns_tensor makes of the records [begin, end) and the same columns. In
/// memory is one step, and with Missing::interpolate as many as the longest gap has. The way to `begin` is
/// read once and jumped over from then on.
class CsvSeriesReader {
  public:
    /// Opens the file. Throws as CsvReader does, and ValueError for no columns, one that the file does not
    /// have or that holds text, and unless begin <= end.
    explicit CsvSeriesReader(const std::string& path, CsvSeriesOptions options);

    /// Reads the next step; false after the last one. Throws as CsvReader::next does, FormatError naming
    /// file, line and field of a missing value that the options do not allow, and ValueError when the file
    /// ends before the records begin, or before they end at a given `end`, and after an error until `rewind`.
    bool next();

    /// The step's values [D], until the next one is read.
    std::span<const double> values() const { return values_; }

    /// Begins again with the first step. Throws as CsvReader::rewind does.
    void rewind();

    /// Name of the file, as it was given.
    const std::string& source() const { return reader_.source(); }

    const CsvSeriesOptions& options() const { return options_; }

  private:
    struct Pending {
        std::vector<double> values;
        std::size_t line;
    };

    bool next_record();
    bool next_complete();
    bool next_interpolated();
    void fill(Pending& row);
    [[noreturn]] void refuse_missing(std::size_t line, std::size_t feature, const char* reason) const;

    CsvSeriesOptions options_;
    CsvReader reader_;
    std::vector<std::size_t> columns_;
    std::size_t taken_ = 0;  // records, with those before the first step
    bool ended_ = false;
    bool failed_ = false;
    std::optional<CsvReader::Position> first_;  // where the first step's record begins, once it was reached
    std::vector<double> values_;

    // For Missing::interpolate.
    std::deque<Pending> pending_;                  // rows that were read and not given yet
    std::vector<std::size_t> open_;                // rows at the end of `pending_` that lack the feature
    std::vector<std::optional<double>> previous_;  // the feature's last value
};

}  // namespace seqgrad
