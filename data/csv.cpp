#include "seqgrad/data/csv.hpp"

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/data/csv_reader.hpp"
#include "seqgrad/data/internal/csv_records.hpp"

namespace seqgrad {

CsvTable::CsvTable(CsvReader reader)
    : source_(reader.source()), names_(reader.names()), columns_(names_.size()) {
    for (std::size_t i = 0; i < columns_.size(); ++i) columns_[i].is_text = reader.is_text(i);
    while (reader.next()) {
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            if (columns_[i].is_text) {
                columns_[i].text.push_back(reader.text(i));
            } else {
                columns_[i].numbers.push_back(reader.number(i));
            }
        }
        lines_.push_back(reader.line());
    }
}

std::size_t CsvTable::index(std::string_view name) const {
    return detail::csv_column(source_, names_, name);
}

bool CsvTable::is_text(std::string_view name) const {
    return columns_[index(name)].is_text;
}

const std::vector<double>& CsvTable::numbers(std::string_view name) const {
    const Column& column = columns_[index(name)];
    if (column.is_text) detail::throw_is_text(source_, name);
    return column.numbers;
}

const std::vector<std::string>& CsvTable::text(std::string_view name) const {
    const Column& column = columns_[index(name)];
    if (!column.is_text) detail::throw_is_numbers(source_, name);
    return column.text;
}

std::string CsvTable::place(std::size_t row, std::string_view name) const {
    const std::size_t field = index(name) + 1;
    if (row >= rows()) throw ValueError(fmt::format("{}: no row {} among {}", source_, row, rows()));
    return detail::csv_place(source_, lines_[row], field);
}

CsvTable read_csv(const std::string& path, const CsvOptions& options) {
    return CsvTable(CsvReader(path, options));
}

CsvTable parse_csv(std::string_view text, const std::string& source, const CsvOptions& options) {
    return CsvTable(CsvReader(text, source, options));
}

}  // namespace seqgrad
