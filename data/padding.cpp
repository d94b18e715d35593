#include "seqgrad/data/padding.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad {

namespace {

/// The numbers below n in random order.
std::vector<std::size_t> random_order(std::size_t n, Generator& generator) {
    const Tensor<std::int64_t> order = generator.permutation(n);
    return {order.begin(), order.end()};
}

}  // namespace

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

double Buckets::waste() const {
    if (padded_steps == 0) return 0;
    return static_cast<double>(padded_steps - steps) / static_cast<double>(padded_steps);
}

Buckets bucket_by_length(std::span<const std::size_t> lengths, const BucketOptions& options,
                         Generator& generator) {
    const std::size_t size = options.batch_size;
    if (size == 0) throw ValueError("bucket_by_length: expected a batch_size of 1 or more, got 0");

    std::vector<std::size_t> order = random_order(lengths.size(), generator);
    const std::size_t batches = order.size() / size + (order.size() % size == 0 ? 0 : 1);
    const std::size_t together = options.batches_sorted_together == 0 ? std::max<std::size_t>(batches, 1)
                                                                      : options.batches_sorted_together;
    const auto at = [&](std::size_t batch) {
        return order.begin() + static_cast<std::ptrdiff_t>(std::min(batch * size, order.size()));
    };
    for (std::size_t first = 0; first < batches; first += std::min(together, batches - first)) {
        std::stable_sort(at(first), at(first + std::min(together, batches - first)),
                         [&](std::size_t a, std::size_t b) { return lengths[a] < lengths[b]; });
    }

    Buckets out;
    for (const std::size_t batch : random_order(batches, generator)) {
        const std::vector<std::size_t>& samples = out.batches.emplace_back(at(batch), at(batch + 1));
        std::size_t longest = 0;
        for (const std::size_t sample : samples) {
            out.steps += lengths[sample];
            longest = std::max(longest, lengths[sample]);
        }
        out.padded_steps += longest * samples.size();
    }
    return out;
}

Buckets bucket_by_length(std::span<const std::vector<std::int64_t>> sequences, const BucketOptions& options,
                         Generator& generator) {
    std::vector<std::size_t> lengths;
    for (const std::vector<std::int64_t>& sequence : sequences) lengths.push_back(sequence.size());
    return bucket_by_length(lengths, options, generator);
}

}  // namespace seqgrad
