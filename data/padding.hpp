#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

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

}  // namespace seqgrad
