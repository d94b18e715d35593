#include "seqgrad/data/batch_source.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

namespace {

/// n samples: x is the sample's number, y ten times it, the weight a hundred times it.
Dataset<double> numbered(std::size_t n) {
    Dataset<double> data{zeros<double>({n, 1}), zeros<double>({n, 1}), zeros<double>({n})};
    for (std::size_t i = 0; i < n; ++i) {
        data.x.data()[i] = static_cast<double>(i);
        data.y.data()[i] = 10.0 * static_cast<double>(i);
        data.sample_weight->data()[i] = 100.0 * static_cast<double>(i);
    }
    return data;
}

/// The inputs of what is left of a pass, batch by batch.
template <class T>
std::vector<std::vector<T>> rest_of(BatchSource<T>& source, std::size_t at_most = 100) {
    std::vector<std::vector<T>> batches;
    while (batches.size() < at_most) {
        const auto batch = source.next();
        if (!batch) break;
        batches.emplace_back(batch->samples.x.begin(), batch->samples.x.end());
    }
    return batches;
}

std::vector<std::int64_t> ids(std::size_t n) {
    std::vector<std::int64_t> ids(n);
    std::iota(ids.begin(), ids.end(), 0);
    return ids;
}

struct Case {
    std::shared_ptr<BatchSource<double>> inner;  // that the source takes from: destroyed after it
    std::string name;
    std::shared_ptr<BatchSource<double>> source;
    std::optional<std::size_t> size;
};

/// One of each kind, of the data given.
std::vector<Case> sources(const Dataset<double>& data) {
    std::vector<std::size_t> lengths(data.size());
    for (std::size_t i = 0; i < lengths.size(); ++i) lengths[i] = 1 + i % 7;
    std::vector<Case> cases;
    cases.push_back({nullptr, "dataset", std::make_shared<DatasetBatches<double>>(data, 4), 6});
    cases.push_back(
        {nullptr, "dataset in order", std::make_shared<DatasetBatches<double>>(data, 4, false), 6});
    cases.push_back({nullptr, "buckets",
                     std::make_shared<BucketBatches<double>>(
                         data, lengths, BucketOptions{.batch_size = 5, .batches_sorted_together = 2}),
                     5});
    cases.push_back(
        {nullptr, "stream",
         std::make_shared<StreamBatches<double>>(TextStream<double>(ids(60), {.batch_size = 2, .steps = 4})),
         7});
    cases.push_back(
        {nullptr, "windows",
         std::make_shared<RandomWindowBatches<double>>(ids(60), StreamOptions{.batch_size = 2, .steps = 4}),
         std::nullopt});
    const std::shared_ptr<BatchSource<double>> inner = std::make_shared<DatasetBatches<double>>(data, 4);
    cases.push_back({inner, "prefetched", std::make_shared<PrefetchedBatches<double>>(*inner), 6});
    return cases;
}

}  // namespace

TEST_CASE("a pass follows from the generator alone, and can be gone on with at any batch") {
    const Dataset<double> data = numbered(23);
    for (const Case& c : sources(data)) {
        CAPTURE(c.name);
        CHECK(c.source->size() == c.size);
        constexpr std::size_t endless = 9;
        Generator generator(5);
        c.source->start(generator);
        const auto all = rest_of(*c.source, endless);
        const GeneratorState after = generator.state();
        REQUIRE(all.size() == c.size.value_or(endless));
        if (c.size) CHECK_FALSE(c.source->next());
        for (std::size_t skipped = 0; skipped <= all.size(); ++skipped) {
            Generator again(5);
            c.source->start(again);
            CHECK(again.state() == after);
            c.source->skip(skipped);
            const auto rest = rest_of(*c.source, endless - skipped);
            CHECK(rest == std::vector(all.begin() + static_cast<std::ptrdiff_t>(skipped), all.end()));
        }
        // Skipping in the middle of a pass.
        Generator again(5);
        c.source->start(again);
        REQUIRE(c.source->next());
        c.source->skip(2);
        CHECK(rest_of(*c.source, 1).front() == all[3]);
    }
}

TEST_CASE("a pass has no more batches to skip than it has") {
    const Dataset<double> data = numbered(23);
    for (const Case& c : sources(data)) {
        if (!c.size) continue;
        CAPTURE(c.name);
        Generator generator(5);
        c.source->start(generator);
        REQUIRE(c.source->next());
        const std::string message = "batch source: " + std::to_string(*c.size) +
                                    " batches to skip, the pass over the data has " +
                                    std::to_string(*c.size - 1);
        CHECK_THROWS_WITH_AS(c.source->skip(*c.size), message.c_str(), ValueError);
    }
}

TEST_CASE(
    "a data set's batches hold every sample once, with its target and weight, in a new order each time") {
    const Dataset<double> data = numbered(23);
    DatasetBatches<double> source(data, 4);
    Generator generator(1);
    std::vector<std::vector<double>> orders;
    for (int pass = 0; pass < 2; ++pass) {
        source.start(generator);
        std::vector<double> seen;
        while (const auto batch = source.next()) {
            CHECK_FALSE(batch->reset_state);
            CHECK(batch->samples.size() == (seen.size() == 20 ? 3 : 4));
            for (std::size_t i = 0; i < batch->samples.size(); ++i) {
                const double x = batch->samples.x(i, 0);
                seen.push_back(x);
                CHECK(batch->samples.y(i, 0) == 10.0 * x);
                CHECK((*batch->samples.sample_weight)(i) == 100.0 * x);
            }
        }
        orders.push_back(seen);
        std::ranges::sort(seen);
        CHECK(seen == std::vector<double>(data.x.begin(), data.x.end()));
    }
    CHECK(orders[0] != orders[1]);
    CHECK(generator.state().counter == 2);  // one order a pass
}

TEST_CASE("a stream begins afresh with its first batch alone") {
    StreamBatches<float> source(TextStream<float>(ids(60), {.batch_size = 2, .steps = 4}));
    Generator generator;
    for (int pass = 0; pass < 2; ++pass) {
        source.start(generator);
        std::size_t k = 0;
        while (const auto batch = source.next()) {
            CHECK(batch->reset_state == (k == 0));
            CHECK(batch->samples.x == source.stream().batch(k).x);
            ++k;
        }
        CHECK(k == source.stream().size());
    }
}

TEST_CASE("sources refuse what they cannot make batches of") {
    const Dataset<double> data = numbered(5);
    CHECK_THROWS_WITH_AS(DatasetBatches<double>(data, 0),
                         "batch source: the batch size must be at least 1, got 0", ValueError);
    CHECK_THROWS_AS(BucketBatches<double>(data, {1, 2, 3, 4, 5}, {.batch_size = 0}), ValueError);
    CHECK_THROWS_WITH_AS(BucketBatches<double>(data, {1, 2, 3}), "batch source: 3 lengths of 5 samples",
                         ValueError);
    CHECK_THROWS_AS(RandomWindowBatches<double>(ids(4), {.batch_size = 2, .steps = 4}), ValueError);
    DatasetBatches<double> batches(data, 2);
    CHECK_THROWS_AS(PrefetchedBatches<double>(batches, 0), ValueError);
    Dataset<double> uneven = numbered(5);
    uneven.sample_weight = zeros<double>({4});
    CHECK_THROWS_WITH_AS(DatasetBatches<double>(uneven, 2),
                         "dataset: expected sample weights [5, ...], got [4]", ShapeError);
}
