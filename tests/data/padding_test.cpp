#include "seqgrad/data/padding.hpp"

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
