// What reading a file larger than memory keeps in memory: a program of its own, which counts every byte that
// is allocated.

#include <cstddef>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

#include "support/counted_memory.hpp"
#include "support/temporary_folder.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/random.hpp"
#include "seqgrad/data/batch_source.hpp"
#include "seqgrad/data/csv.hpp"
#include "seqgrad/data/csv_reader.hpp"
#include "seqgrad/data/csv_series_reader.hpp"
#include "seqgrad/data/csv_window_batches.hpp"
#include "seqgrad/data/scaler.hpp"

using namespace seqgrad;
using test::needed;

namespace {

constexpr std::size_t rows = 50'000;

/// A file of `rows` records.
std::string write_file(const test::TemporaryFolder& folder) {
    const std::string path = (folder / "large.csv").string();
    std::ofstream file(path, std::ios::binary);
    file << "t,x,note\n";
    for (std::size_t i = 0; i < rows; ++i)
        file << i << ',' << static_cast<double>(i) / 8 << ",\"a note that fills the file\"\n";
    return path;
}

}  // namespace

TEST_CASE("prefetched batches take the memory of a few of them, however many there are") {
    /// Batches of 8 MiB and a small part.
    class LargeBatches : public BatchSource<float> {
      public:
        void start(Generator&) override { left_ = 100; }
        std::optional<Batch<float>> next() override {
            if (left_ == 0) return std::nullopt;
            --left_;
            return Batch<float>{
                {Tensor<float>(Shape{1, std::size_t{1} << 21}), Tensor<float>(Shape{1, 100})}};
        }
        void skip(std::size_t batches) override { left_ -= batches; }
        SourceSettings settings() const override { return {}; }

      private:
        std::size_t left_ = 0;
    };
    constexpr std::size_t batch = std::size_t{8} << 20, capacity = 2;
    LargeBatches source;
    Generator generator(0);
    std::size_t count = 0;
    CHECK(needed([&] {
              PrefetchedBatches<float> batches(source, capacity);
              for (int epoch = 0; epoch < 2; ++epoch) {
                  batches.start(generator);
                  while (batches.next()) ++count;
              }
          }) < (capacity + 3) * batch);  // those that wait, one that is made, one in use, and small things
    CHECK(count == 200);
}

TEST_CASE("memory does not grow with the file") {
    const test::TemporaryFolder folder;
    const std::string path = write_file(folder);
    const CsvOptions csv{.text_columns = {"note"}};
    constexpr std::size_t little = 300'000;  // a block of the file and what else there is

    std::size_t read = 0;
    double sum = 0;
    CHECK(needed([&] {
              CsvReader reader(path, csv);
              for (; reader.next(); ++read) sum += reader.number(1);
              CHECK(reader.position().byte > 1'500'000);
          }) < little);
    CHECK(read == rows);
    CHECK(sum == static_cast<double>(rows) * static_cast<double>(rows - 1) / 16);
    CHECK(needed([&] { CHECK(read_csv(path, csv).rows() == rows); }) > 10 * little);

    StandardScaler scaler;
    const CsvSeriesOptions series{.columns = {"x", "t"}, .begin = 10, .csv = csv};
    CHECK(needed([&] {
              CsvSeriesReader steps(path, series);
              scaler.fit(steps);
          }) < little);
    CHECK(scaler.mean()[1] == static_cast<double>(10 + rows - 1) / 2);

    std::size_t samples = 0;
    CHECK(needed([&] {
              CsvWindowBatches<float> batches(
                  CsvSeriesReader(path, series),
                  {.scaler = scaler, .windows = {.window = 20, .stride = 10}, .shuffle_buffer = 500});
              Generator generator;
              batches.start(generator);
              while (const auto batch = batches.next()) samples += batch->samples.size();
          }) < 2 * little);
    CHECK(samples == (rows - 10 - 21) / 10 + 1);
}
