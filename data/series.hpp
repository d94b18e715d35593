#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/data/csv.hpp"
#include "seqgrad/data/dates.hpp"

namespace seqgrad {

/// Values of one quantity at regular steps of time, oldest first.
using Series = std::vector<double>;

/// What to do with missing values, which are NaN. There is no default: each choice changes what a model
/// learns.
enum class Missing {
    error,        ///< throw
    drop,         ///< leave them out; the steps around a gap then seem to follow one another
    interpolate,  ///< the straight line between the nearest values before and after
};

/// The series without NaN. Throws ValueError naming the step when a value is missing and `missing` is
/// `error`, or when it is `interpolate` and no value stands before or after the gap.
Series without_missing(Series values, Missing missing);

/// The named column as a series. Throws ValueError as CsvTable::numbers does, FormatError naming the place in
/// the file of a missing value that `missing` does not allow.
Series column_series(const CsvTable& table, std::string_view column, Missing missing);

/// The named columns read row by row, such as twelve columns of months with a row for each year. Throws as
/// column_series does, and ValueError for no columns.
Series row_series(const CsvTable& table, std::span<const std::string> columns, Missing missing);

/// The named columns side by side, as a tensor [time, D]: a multivariate series. `drop` leaves out every row
/// in which a value is missing, `interpolate` fills each column for itself. Throws as row_series does.
template <Real T>
Tensor<T> columns_tensor(const CsvTable& table, std::span<const std::string> columns, Missing missing);

/// The named column's text as days, written in `format`, or as YYYYMMDD or YYYY-MM-DD where none is given. A
/// year of two digits is the one among the hundred years from `century_start`. Throws ValueError as
/// CsvTable::text does and for a format that read_date refuses, FormatError naming the place in the file of
/// what is no date in this format.
std::vector<Date> column_dates(const CsvTable& table, std::string_view column,
                               const std::optional<DateFormat>& format = {},
                               int century_start = default_century_start);

/// The mean of each calendar month, and which month it is.
struct MonthlyMeans {
    std::vector<std::string> months;  ///< "1958-03", one for each value
    Series values;
};

/// Means over the calendar months of a dated column, from the month of the first row to that of the last.
///
/// Dates are text, read as column_dates does, and never go back. Missing values have no part in a mean;
/// `missing` decides on months that are left without any value. Throws FormatError naming the place in the
/// file of a date that is none, FormatError naming the month that `missing` does not allow to be without
/// values, ValueError as CsvTable does.
MonthlyMeans monthly_means(const CsvTable& table, std::string_view date_column, std::string_view value_column,
                           Missing missing, const std::optional<DateFormat>& format = {});

/// y[t] = x[t + lag] - x[t], which is `lag` steps shorter. Throws ValueError for a lag of 0 or of x's length
/// and more.
Series difference(const Series& series, std::size_t lag = 1);

/// Undoes `difference`: x[t + lag] = x[t] + y[t], where `first` holds the first `lag` values of x. Throws
/// ValueError when `first` is empty.
Series undifference(const Series& differences, const Series& first);

/// The series as a tensor [time, 1].
template <Real T>
Tensor<T> series_tensor(const Series& series);

/// Several series side by side, as a tensor [time, D]. Throws ShapeError for none or for different lengths.
template <Real T>
Tensor<T> series_tensor(std::span<const Series> series);

}  // namespace seqgrad
