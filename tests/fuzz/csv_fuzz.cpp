// CSV from a text: a table. The first bytes decide about the options.
#include <algorithm>
#include <cmath>

#include "harness.hpp"

#include "seqgrad/core/error.hpp"
#include "seqgrad/data/csv.hpp"

using namespace seqgrad;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Decisions decide(data, size);
    CsvOptions options{.delimiter = ",;\t"[decide.below(3)], .header = decide.coin()};
    if (decide.coin()) options.text_columns = {options.header ? "date" : "1"};
    try {
        const CsvTable table = parse_csv(decide.rest(), "fuzz.csv", options);
        constexpr std::size_t most = 10;  // every one is looked for among all
        for (std::size_t i = 0; i < std::min(most, table.names().size()); ++i) {
            const std::string& name = table.names()[i];
            const std::size_t values =
                table.is_text(name) ? table.text(name).size() : table.numbers(name).size();
            fuzz::require(values == table.rows(), "every record has a value in every column");
            if (table.rows() > 0) static_cast<void>(table.place(table.rows() - 1, name));
            if (table.is_text(name)) continue;
            for (const double number : table.numbers(name))
                fuzz::require(!std::isinf(number), "numbers are finite or missing");
        }
    } catch (const FormatError&) {
    }
    return 0;
}
