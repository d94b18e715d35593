// CSV from a file, step by step: two passes give the same steps. The first bytes decide about the options.
#include <cmath>

#include "harness.hpp"
#include "support/memory_file.hpp"

#include "seqgrad/core/error.hpp"
#include "seqgrad/data/csv_series_reader.hpp"

using namespace seqgrad;

namespace {

std::vector<double> read_pass(CsvSeriesReader& reader) {
    std::vector<double> values;
    while (reader.next()) {
        for (const double value : reader.values()) {
            fuzz::require(std::isfinite(value), "a series has finite numbers");
            values.push_back(value);
        }
    }
    return values;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static test::MemoryFile file;
    fuzz::Decisions decide(data, size);
    CsvSeriesOptions options{.csv = {.delimiter = ",;\t"[decide.below(3)], .header = decide.coin()}};
    options.columns = {options.csv.header ? "a" : "1"};
    if (decide.coin()) options.columns.emplace_back(options.csv.header ? "b" : "2");
    constexpr Missing choices[] = {Missing::error, Missing::drop, Missing::interpolate};
    options.missing = choices[decide.below(3)];
    options.begin = decide.below(3);
    if (decide.coin()) options.end = options.begin + decide.below(4);
    file.write(decide.rest());
    try {
        CsvSeriesReader reader(file.path(), options);
        const std::vector<double> first = read_pass(reader);
        reader.rewind();
        fuzz::require(read_pass(reader) == first, "a second pass gives the same steps");
    } catch (const FormatError&) {
    } catch (const ValueError&) {  // no such column, or fewer records than asked for
    }
    return 0;
}
