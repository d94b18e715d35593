// What reading a file larger than memory keeps in memory: a program of its own, which counts every byte that
// is allocated.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <new>
#include <string>
#include <utility>

#include "support/temporary_folder.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/random.hpp"
#include "seqgrad/data/csv.hpp"
#include "seqgrad/data/csv_reader.hpp"
#include "seqgrad/data/csv_series_reader.hpp"
#include "seqgrad/data/csv_window_batches.hpp"
#include "seqgrad/data/scaler.hpp"

namespace {

std::atomic<std::size_t> live_bytes = 0;
std::atomic<std::size_t> most_bytes = 0;

/// A piece of memory with its size in the `alignment` bytes before it; null when there is none.
void* allocate(std::size_t size, std::size_t alignment) noexcept {
    const std::size_t whole = (size + 2 * alignment - 1) / alignment * alignment;
    void* const memory = std::aligned_alloc(alignment, whole);
    if (memory == nullptr) return nullptr;
    *static_cast<std::size_t*>(memory) = size;
    const std::size_t live = live_bytes += size;
    most_bytes = std::max<std::size_t>(most_bytes, live);
    return static_cast<std::byte*>(memory) + alignment;
}

void* allocate_or_throw(std::size_t size, std::size_t alignment) {
    void* const memory = allocate(size, alignment);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

void release(void* memory, std::size_t alignment) noexcept {
    if (memory == nullptr) return;
    void* const whole = static_cast<std::byte*>(memory) - alignment;
    live_bytes -= *static_cast<std::size_t*>(whole);
    std::free(whole);
}

constexpr std::size_t usual = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

}  // namespace

// The forms that all others come down to. A sanitizer's runtime has nothrow forms of its own, whose memory
// would come to the `delete` here.
void* operator new(std::size_t size) {
    return allocate_or_throw(size, usual);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return allocate(size, usual);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate_or_throw(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
    release(memory, usual);
}
void operator delete(void* memory, std::size_t) noexcept {
    release(memory, usual);
}
void operator delete(void* memory, std::align_val_t alignment) noexcept {
    release(memory, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory, std::size_t, std::align_val_t alignment) noexcept {
    release(memory, static_cast<std::size_t>(alignment));
}

using namespace seqgrad;

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

/// The most bytes that the call has in memory at once.
template <class Call>
std::size_t needed(Call call) {
    const std::size_t before = live_bytes;
    most_bytes = before;
    call();
    return most_bytes - before;
}

}  // namespace

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
