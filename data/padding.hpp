#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "seqgrad/core/random.hpp"
#include "seqgrad/core/tensor.hpp"

namespace seqgrad {

/// Sequences of different lengths side by side.
struct PaddedSequences {
    Tensor<std::int64_t> ids;  ///< [B, T], the sequences from their first step on, then padding
    Mask mask;                 ///< [B, T], false where padding stands
};

/// Sequences filled up at their end to the longest one's length, or to `length`: [B, T]. Throws ValueError
/// naming a sequence that is longer than `length`.
PaddedSequences pad_sequences(std::span<const std::vector<std::int64_t>> sequences, std::int64_t padding = 0,
                              std::optional<std::size_t> length = {});

/// How bucket_by_length makes batches.
struct BucketOptions {
    std::size_t batch_size = 32;  ///< samples; the last batch takes what is left
    /// Batches whose samples are sorted by length together: with more of them less padding is needed, with
    /// fewer of them the samples are mixed better. 0 sorts all samples together.
    std::size_t batches_sorted_together = 50;
};

/// Batches of samples, and what padding each to its longest one costs.
struct Buckets {
    std::vector<std::vector<std::size_t>> batches;  ///< positions of the samples
    std::size_t steps = 0;                          ///< of all samples
    std::size_t padded_steps = 0;                   ///< of all samples with their padding

    /// The part of padded_steps that is padding, from 0 to 1; 0 where there are no steps.
    double waste() const;
};

/// Batches in random order of samples of similar length, each sample in one of them.
///
/// Samples are drawn in random order, sorted by length as far as `batches_sorted_together` says, cut into
/// batches, and these are drawn in random order: two draws of the generator, permutation(samples) and
/// permutation(batches), so that each epoch has other batches. Throws ValueError for a batch size of 0.
Buckets bucket_by_length(std::span<const std::size_t> lengths, const BucketOptions& options,
                         Generator& generator);

/// The same for sequences, by their lengths.
Buckets bucket_by_length(std::span<const std::vector<std::int64_t>> sequences, const BucketOptions& options,
                         Generator& generator);

}  // namespace seqgrad
