#include "seqgrad/data/padding.hpp"

#include <algorithm>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

namespace {

using Ids = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("sequences are filled up to the longest") {
    const std::vector<Ids> sequences = {{5}, {}, {1, 2, 3}};
    const PaddedSequences padded = pad_sequences(sequences);
    CHECK(padded.ids == tensor<std::int64_t>({3, 3}, {5, 0, 0, 0, 0, 0, 1, 2, 3}));
    CHECK(padded.mask == tensor<bool>({3, 3}, {true, false, false, false, false, false, true, true, true}));
}

TEST_CASE("sequences are filled up with any id to any length") {
    const std::vector<Ids> sequences = {{5}, {0, 7}};
    const PaddedSequences padded = pad_sequences(sequences, -1, 4);
    CHECK(padded.ids == tensor<std::int64_t>({2, 4}, {5, -1, -1, -1, 0, 7, -1, -1}));
    CHECK(padded.mask == tensor<bool>({2, 4}, {true, false, false, false, true, true, false, false}));
    CHECK_THROWS_WITH_AS(pad_sequences(sequences, 0, 1),
                         "pad_sequences: sequence 1 has 2 steps, more than the length 1", ValueError);
}

TEST_CASE("no sequences and empty ones have shapes too") {
    CHECK(pad_sequences({}).ids.shape() == Shape{0, 0});
    CHECK(pad_sequences(std::vector<Ids>(2)).ids.shape() == Shape{2, 0});
    CHECK(pad_sequences(std::vector<Ids>(2), 0, 3).mask == full<bool>({2, 3}, false));
}

namespace {

/// Lengths from 1 to 60, in no order.
std::vector<std::size_t> mixed_lengths(std::size_t n) {
    std::vector<std::size_t> lengths(n);
    for (std::size_t i = 0; i < n; ++i) lengths[i] = 1 + (i * 37) % 60;
    return lengths;
}

std::vector<std::size_t> joined(const Buckets& buckets) {
    std::vector<std::size_t> all;
    for (const auto& batch : buckets.batches) all.insert(all.end(), batch.begin(), batch.end());
    return all;
}

}  // namespace

TEST_CASE("every sample is in one batch, and padding is counted") {
    const std::vector<std::size_t> lengths = mixed_lengths(1003);
    for (const std::size_t together : std::vector<std::size_t>{0, 1, 5, 50, 1000}) {
        CAPTURE(together);
        Generator generator(6);
        const Buckets buckets =
            bucket_by_length(lengths, {.batch_size = 10, .batches_sorted_together = together}, generator);
        REQUIRE(buckets.batches.size() == 101);
        std::vector<std::size_t> all = joined(buckets);
        CHECK_FALSE(std::is_sorted(all.begin(), all.end()));
        std::sort(all.begin(), all.end());
        REQUIRE(all.size() == 1003);
        for (std::size_t i = 0; i < all.size(); ++i) REQUIRE(all[i] == i);

        std::size_t steps = 0;
        std::size_t padded_steps = 0;
        std::size_t small = 0;
        for (const auto& batch : buckets.batches) {
            std::vector<Ids> sequences;
            for (const std::size_t sample : batch) sequences.emplace_back(lengths[sample], 1);
            const PaddedSequences padded = pad_sequences(sequences);
            padded_steps += padded.mask.size();
            steps += static_cast<std::size_t>(std::count(padded.mask.begin(), padded.mask.end(), true));
            if (batch.size() != 10) ++small;
        }
        CHECK(small == 1);
        CHECK(buckets.steps == steps);
        CHECK(buckets.padded_steps == padded_steps);
        CHECK(buckets.waste() ==
              doctest::Approx(1 - static_cast<double>(steps) / static_cast<double>(padded_steps)));
    }
}

TEST_CASE("samples in a batch are of similar length, in a random order of batches") {
    const std::vector<std::size_t> lengths = mixed_lengths(1200);  // 20 of each
    Generator generator(6);
    const Buckets sorted =
        bucket_by_length(lengths, {.batch_size = 10, .batches_sorted_together = 0}, generator);
    CHECK(sorted.waste() == 0);
    std::vector<std::size_t> order;
    for (const auto& batch : sorted.batches) order.push_back(lengths[batch[0]]);
    CHECK_FALSE(std::is_sorted(order.begin(), order.end()));
    const Buckets some =
        bucket_by_length(lengths, {.batch_size = 10, .batches_sorted_together = 12}, generator);
    const Buckets mixed =
        bucket_by_length(lengths, {.batch_size = 10, .batches_sorted_together = 1}, generator);
    CHECK(some.waste() > 0);
    CHECK(some.waste() < 0.2);
    CHECK(mixed.waste() > 0.3);
    CHECK(mixed.steps == sorted.steps);
}

TEST_CASE("buckets repeat with the generator and differ from epoch to epoch") {
    const std::vector<std::size_t> lengths = mixed_lengths(100);
    Generator a(3);
    Generator b(3);
    const Buckets first = bucket_by_length(lengths, {.batch_size = 8}, a);
    CHECK(bucket_by_length(lengths, {.batch_size = 8}, b).batches == first.batches);
    const Buckets second = bucket_by_length(lengths, {.batch_size = 8}, a);
    const auto mates = [](const Buckets& buckets) {
        std::set<std::set<std::size_t>> out;
        for (const auto& batch : buckets.batches) out.emplace(batch.begin(), batch.end());
        return out;
    };
    CHECK(mates(second) != mates(first));
}

TEST_CASE("sequences are bucketed by their lengths") {
    const std::vector<Ids> sequences = {{1, 2, 3}, {}, {4}, {5, 6, 7}, {8}};
    Generator a(3);
    Generator b(3);
    const Buckets buckets = bucket_by_length(sequences, {.batch_size = 2}, a);
    CHECK(buckets.batches ==
          bucket_by_length(std::vector<std::size_t>{3, 0, 1, 3, 1}, {.batch_size = 2}, b).batches);
    CHECK(buckets.steps == 8);
    // Sorted {0, 1}, {1, 3}, {3}.
    CHECK(buckets.padded_steps == 2 + 6 + 3);
    CHECK(buckets.waste() == doctest::Approx(3.0 / 11));
}

TEST_CASE("no samples make no batches, and batches of none are refused") {
    Generator generator(3);
    const Buckets none = bucket_by_length(std::vector<std::size_t>{}, {}, generator);
    CHECK(none.batches.empty());
    CHECK(none.waste() == 0);
    CHECK(bucket_by_length(std::vector<Ids>(3), {}, generator).waste() == 0);
    const GeneratorState before = generator.state();
    CHECK_THROWS_WITH_AS(bucket_by_length(std::vector<std::size_t>{1}, {.batch_size = 0}, generator),
                         "bucket_by_length: expected a batch_size of 1 or more, got 0", ValueError);
    CHECK(generator.state() == before);
}
