#include "seqgrad/data/padding.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad {

PaddedSequences pad_sequences(std::span<const std::vector<std::int64_t>> sequences, std::int64_t padding,
                              std::optional<std::size_t> length) {
    std::size_t longest = 0;
    for (std::size_t i = 0; i < sequences.size(); ++i) {
        if (length && sequences[i].size() > *length) {
            throw ValueError(fmt::format("pad_sequences: sequence {} has {} steps, more than the length {}",
                                         i, sequences[i].size(), *length));
        }
        longest = std::max(longest, sequences[i].size());
    }
    const std::size_t T = length.value_or(longest);
    PaddedSequences padded{full<std::int64_t>({sequences.size(), T}, padding),
                           full<bool>({sequences.size(), T}, false)};
    for (std::size_t i = 0; i < sequences.size(); ++i) {
        std::copy(sequences[i].begin(), sequences[i].end(), padded.ids.data() + i * T);
        std::fill_n(padded.mask.data() + i * T, sequences[i].size(), true);
    }
    return padded;
}

}  // namespace seqgrad
