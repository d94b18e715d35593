#include "seqgrad/data/csv_window_batches.hpp"

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "support/temporary_folder.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;
using seqgrad::test::TemporaryFolder;

namespace {

const std::vector<std::string> columns = {"a", "b", "c"};

/// A file of `rows` records with columns a, b, c and another, and some values of b missing.
class File {
  public:
    explicit File(std::size_t rows, bool gaps = false) : path((folder_ / "t.csv").string()) {
        std::ofstream file(path, std::ios::binary);
        file << "t,c,a,b\n";
        for (std::size_t i = 0; i < rows; ++i) {
            file << i << ',' << (i * i) % 17 << ",0." << i << ',';
            if (!gaps || i % 5 != 3) file << i % 7 << ".125";
            file << '\n';
        }
    }

    template <class T>
    Tensor<T> series(Missing missing = Missing::error) const {
        return columns_tensor<T>(read_csv(path), columns, missing);
    }

  private:
    TemporaryFolder folder_;

  public:
    const std::string path;
};

template <class T>
std::vector<Dataset<T>> rest_of(BatchSource<T>& source) {
    std::vector<Dataset<T>> batches;
    while (auto batch = source.next()) {
        CHECK_FALSE(batch->reset_state);
        batches.push_back(std::move(batch->samples));
    }
    return batches;
}

template <class T>
std::vector<Dataset<T>> pass(BatchSource<T>& source, std::int64_t seed = 0) {
    Generator generator(seed);
    source.start(generator);
    return rest_of(source);
}

/// The inputs of all samples, sample by sample.
template <class T>
std::vector<std::vector<T>> samples_of(const std::vector<Dataset<T>>& batches) {
    std::vector<std::vector<T>> samples;
    for (const Dataset<T>& batch : batches) {
        const std::size_t n = batch.size();
        const std::size_t x = batch.x.size() / n, y = batch.y.size() / n;
        for (std::size_t i = 0; i < n; ++i) {
            samples.emplace_back(batch.x.data() + i * x, batch.x.data() + (i + 1) * x);
            samples.back().insert(samples.back().end(), batch.y.data() + i * y, batch.y.data() + (i + 1) * y);
        }
    }
    return samples;
}

template <class T>
void check_equal(const std::vector<Dataset<T>>& batches, const std::vector<Dataset<T>>& expected) {
    REQUIRE(batches.size() == expected.size());
    for (std::size_t i = 0; i < batches.size(); ++i) {
        CAPTURE(i);
        CHECK(batches[i].x == expected[i].x);
        CHECK(batches[i].y == expected[i].y);
    }
}

}  // namespace

TEST_CASE_TEMPLATE("in order, the batches are those of all windows of the series in memory", T, float,
                   double) {
    const File file(97, true);
    const Tensor<T> series = file.series<T>(Missing::interpolate);
    StandardScaler each;
    each.fit(series);
    const std::vector<std::optional<StandardScaler>> scalers = {std::nullopt, each};
    int number = 0;
    for (const std::size_t window : std::vector<std::size_t>{1, 3, 24}) {
        for (const std::size_t horizon : std::vector<std::size_t>{1, 2, 30}) {
            for (const std::size_t stride : std::vector<std::size_t>{1, 2, 7, 40, 97}) {
                for (const std::vector<std::size_t>& targets :
                     {std::vector<std::size_t>{}, std::vector<std::size_t>{2, 0}}) {
                    const WindowOptions windows{window, horizon, stride, targets};
                    const std::size_t batch_size = 1 + static_cast<std::size_t>(number) % 9;
                    const auto& scaler = scalers[static_cast<std::size_t>(number) % 2];
                    ++number;
                    CAPTURE(window);
                    CAPTURE(horizon);
                    CAPTURE(stride);
                    CAPTURE(targets.size());
                    CAPTURE(batch_size);
                    const Dataset<T> all = make_windows(scaler ? scaler->transform(series) : series, windows);
                    DatasetBatches<T> expected(all, batch_size, false);
                    CsvWindowBatches<T> batches(
                        CsvSeriesReader(file.path, {.columns = columns, .missing = Missing::interpolate}),
                        {.scaler = scaler, .windows = windows, .batch_size = batch_size});
                    const auto in_memory = pass(expected);
                    check_equal(pass(batches), in_memory);
                    check_equal(pass(batches), in_memory);
                }
            }
        }
    }
}

TEST_CASE("a file can be split in time, as split_windows does") {
    const File file(60);
    const WindowOptions windows{.window = 5, .horizon = 2};
    const TrainTest<double> parts = split_windows(file.series<double>(), 40, windows);
    DatasetBatches<double> train(parts.train, 8, false), test(parts.test, 8, false);
    CsvWindowBatches<double> streamed_train(CsvSeriesReader(file.path, {.columns = columns, .end = 40}),
                                            {.windows = windows, .batch_size = 8});
    CsvWindowBatches<double> streamed_test(CsvSeriesReader(file.path, {.columns = columns, .begin = 40 - 5}),
                                           {.windows = windows, .batch_size = 8});
    for (int i = 0; i < 2; ++i) {
        check_equal(pass(streamed_train), pass(train));
        check_equal(pass(streamed_test), pass(test));
    }
}

TEST_CASE("a shuffled pass has every window once, in an order that follows from the generator") {
    const File file(60);
    const WindowOptions windows{.window = 4, .stride = 2};
    const auto in_order = make_windows(file.series<double>(), windows);
    auto sorted = samples_of<double>({in_order});
    std::ranges::sort(sorted);
    for (const std::size_t buffer : std::vector<std::size_t>{1, 2, 10, 28, 1000}) {
        CAPTURE(buffer);
        CsvWindowBatches<double> source(CsvSeriesReader(file.path, {.columns = columns}),
                                        {.windows = windows, .batch_size = 5, .shuffle_buffer = buffer});
        const auto batches = pass(source, 3);
        CHECK(batches.size() == 6);
        CHECK(batches.back().size() == 3);
        check_equal(pass(source, 3), batches);
        auto samples = samples_of(batches);
        const bool same_order = samples == samples_of<double>({in_order});
        CHECK(same_order == (buffer == 1));
        // Another pass of the same generator has another order, and takes one draw of it.
        Generator generator(3);
        source.start(generator);
        const auto first = samples_of(rest_of(source));
        CHECK(first == samples);
        source.start(generator);
        CHECK((samples_of(rest_of(source)) == samples) == (buffer == 1));
        CHECK(generator.state().counter == 2);
        std::ranges::sort(samples);
        CHECK(samples == sorted);
    }
}

TEST_CASE("a window leaves the buffer no earlier than it came in") {
    const File file(60);
    const WindowOptions windows{.window = 1};
    const auto in_order = samples_of<double>({make_windows(file.series<double>(), windows)});
    constexpr std::size_t buffer = 6;
    CsvWindowBatches<double> source(CsvSeriesReader(file.path, {.columns = columns}),
                                    {.windows = windows, .shuffle_buffer = buffer});
    const auto samples = samples_of(pass(source, 1));
    REQUIRE(samples.size() == in_order.size());
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const auto place = std::ranges::find(in_order, samples[i]) - in_order.begin();
        CHECK(place < static_cast<std::ptrdiff_t>(i + buffer));
    }
}

TEST_CASE("a buffer for all windows makes every order as likely") {
    const File file(4);
    CsvWindowBatches<double> source(CsvSeriesReader(file.path, {.columns = {"t"}}),
                                    {.windows = {.window = 1}, .shuffle_buffer = 3});
    constexpr int passes = 6000;
    std::vector<int> counts(27);
    Generator generator(11);
    for (int i = 0; i < passes; ++i) {
        source.start(generator);
        std::size_t order = 0;
        for (const auto& sample : samples_of(rest_of(source)))
            order = 3 * order + static_cast<std::size_t>(sample[0]);
        ++counts[order];
    }
    // Each of six orders has 1000 +- 29 (one standard deviation).
    CHECK(std::ranges::count_if(counts, [](int n) { return n > 870 && n < 1130; }) == 6);
    CHECK(std::ranges::count(counts, 0) == 21);
}

TEST_CASE("a pass can be gone on with at any batch") {
    const File file(60);
    for (const std::size_t buffer : std::vector<std::size_t>{0, 7}) {
        CAPTURE(buffer);
        const CsvWindowOptions options{
            .windows = {.window = 4, .stride = 3}, .batch_size = 4, .shuffle_buffer = buffer};
        CsvWindowBatches<float> whole(CsvSeriesReader(file.path, {.columns = columns}), options);
        const auto all = pass(whole, 5);
        CHECK(whole.size() == 5);
        for (std::size_t skipped = 0; skipped <= all.size(); ++skipped) {
            CAPTURE(skipped);
            CsvWindowBatches<float> source(CsvSeriesReader(file.path, {.columns = columns}), options);
            CHECK(source.size() == std::nullopt);
            Generator generator(5);
            source.start(generator);
            source.skip(skipped);
            check_equal(rest_of(source),
                        std::vector(all.begin() + static_cast<std::ptrdiff_t>(skipped), all.end()));
            CHECK(source.size() == 5);
            source.start(generator);
            REQUIRE(source.next());
            CHECK_THROWS_WITH_AS(source.skip(5),
                                 "batch source: 5 batches to skip, the pass over the data has 4", ValueError);
        }
    }
}

TEST_CASE("batches can be prefetched") {
    const File file(60);
    CsvWindowBatches<float> source(CsvSeriesReader(file.path, {.columns = columns}),
                                   {.windows = {.window = 4}, .batch_size = 4, .shuffle_buffer = 9});
    const auto expected = pass(source, 2);
    PrefetchedBatches<float> prefetched(source);
    check_equal(pass(prefetched, 2), expected);
    CHECK(prefetched.size() == expected.size());
}

TEST_CASE("a source has no batches before a pass, and says what it is made of") {
    const File file(30);
    CsvWindowBatches<float> source(
        CsvSeriesReader(file.path, {.columns = columns, .begin = 2, .end = 25}),
        {.windows = {.window = 6, .horizon = 2, .stride = 3}, .batch_size = 4, .shuffle_buffer = 5});
    CHECK_FALSE(source.next());
    CHECK_THROWS_AS(source.skip(1), ValueError);
    CHECK(source.size() == std::nullopt);
    CHECK(source.settings() == SourceSettings{{"columns", 3},
                                              {"begin", 2},
                                              {"window", 6},
                                              {"horizon", 2},
                                              {"stride", 3},
                                              {"batch_size", 4},
                                              {"shuffle_buffer", 5},
                                              {"end", 25}});
}

TEST_CASE("what cannot be made of a series is refused") {
    const File file(30);
    const auto make = [&](const CsvWindowOptions& options) {
        CsvWindowBatches<float> source(CsvSeriesReader(file.path, {.columns = columns}), options);
        Generator generator;
        source.start(generator);
        source.next();
    };
    CHECK_THROWS_WITH_AS(
        make({.windows = {.stride = 0}}),
        "CsvWindowBatches: expected a window, horizon and stride of 1 or more steps, got 24, "
        "1 and 0",
        ValueError);
    CHECK_THROWS_WITH_AS(make({.windows = {.target_features = {3}}}),
                         "CsvWindowBatches: no target feature 3 among 3", ValueError);
    CHECK_THROWS_WITH_AS(make({.batch_size = 0}), "batch source: the batch size must be at least 1, got 0",
                         ValueError);
    CHECK_THROWS_AS(make({.scaler = StandardScaler()}), ValueError);
    StandardScaler two;
    two.fit(tensor<float>({2, 2}, {1, 2, 3, 4}));
    CHECK_THROWS_WITH_AS(make({.scaler = two}),
                         "CsvWindowBatches: expected a scaler of 3 features, got one of 2", ShapeError);
    CHECK_THROWS_WITH_AS(make({.scaler = StandardScaler({0}, {1})}),
                         "CsvWindowBatches: expected a scaler of 3 features, got one of 1", ShapeError);
    for (const std::size_t buffer : std::vector<std::size_t>{0, 4}) {
        const auto with = [&](const WindowOptions& windows) {
            CsvWindowOptions options;
            options.windows = windows;
            options.shuffle_buffer = buffer;
            make(options);
        };
        const std::string message =
            "CsvWindowBatches: a window of 30 and a horizon of 1 need as many steps together, got 30 from " +
            file.path;
        CHECK_THROWS_WITH_AS(with({.window = 30}), message.c_str(), ShapeError);
        constexpr std::size_t largest = std::numeric_limits<std::size_t>::max();
        CHECK_THROWS_AS(with({.window = largest, .horizon = 2}), ShapeError);
        with({.window = 29, .stride = largest});
    }
    make({.shuffle_buffer = std::numeric_limits<std::size_t>::max()});
    // Three columns of this many steps would be one step long.
    constexpr std::size_t third = std::numeric_limits<std::size_t>::max() / 3 + 1;
    CHECK_THROWS_WITH_AS(
        make({.windows = {.window = third}}),
        "CsvWindowBatches: the sizes 6148914691236517206 and 3 are too large to be multiplied", ShapeError);
    CHECK_THROWS_AS(make({.windows = {.horizon = third}}), ShapeError);
    CHECK_THROWS_AS(make({.batch_size = std::size_t{1} << 62}), ShapeError);
}

TEST_CASE("an error in the file comes with its batch, in every pass") {
    const File file(30);
    std::ofstream(file.path, std::ios::app) << "1,2,x,4\n";
    CsvWindowBatches<float> source(CsvSeriesReader(file.path, {.columns = columns}),
                                   {.windows = {.window = 4}, .batch_size = 10});
    Generator generator;
    for (int i = 0; i < 2; ++i) {
        source.start(generator);
        CHECK(source.next());
        CHECK(source.next());
        const std::string message = file.path + ":32:3: expected a number, got \"x\" (column \"a\")";
        CHECK_THROWS_WITH_AS(source.next(), message.c_str(), FormatError);
    }
    CHECK(source.size() == std::nullopt);
}
