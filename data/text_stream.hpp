#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "seqgrad/core/random.hpp"
#include "seqgrad/core/tensor.hpp"
#include "seqgrad/data/dataset.hpp"

namespace seqgrad {

/// The size of batches that are cut from a text.
struct StreamOptions {
    std::size_t batch_size = 32;  ///< B, streams side by side
    std::size_t steps = 64;       ///< T, ids of each in a batch
};

/// A text as batches for stateful training with truncated back-propagation through time.
///
/// The ids are cut into B streams of the same length, one after the other, and every stream into chunks of T
/// ids. Batch i holds the i-th chunk of every stream: row b goes on where row b of batch i - 1 ended, so that
/// a stateful layer carries its state from batch to batch. Reset the states before batch 0. x is [B, T], and
/// y [B, T] the ids that follow each of x, both as token numbers.
///
/// Williams & Peng, "An efficient gradient-based algorithm for on-line training of recurrent network
/// trajectories", Neural Computation 2 (1990).
template <Real T>
class TextStream {
  public:
    /// Throws ValueError for a batch size or steps of 0, fewer than B T + 1 ids, and an id that T cannot
    /// hold exactly.
    explicit TextStream(std::span<const std::int64_t> ids, const StreamOptions& options = {});

    /// Batches in a pass over the text.
    std::size_t size() const { return size_; }

    /// Ids at the text's end, fewer than B T, that are neither in an x nor in a y.
    std::size_t unused() const { return unused_; }

    const StreamOptions& options() const { return options_; }

    /// Batch number `index`. Throws ValueError unless index < size().
    Dataset<T> batch(std::size_t index) const;

  private:
    StreamOptions options_;
    std::size_t size_ = 0;
    std::size_t unused_ = 0;
    std::vector<T> ids_;
};

/// All batches of a TextStream in their order: x and y are [size B, T], and sample i B + b is row b of batch
/// i. Stateful layers need it taken in batches of B without shuffling. Throws as TextStream does.
template <Real T>
Dataset<T> make_streams(std::span<const std::int64_t> ids, const StreamOptions& options = {});

/// A batch of windows that begin anywhere in a text, for training without state: x and y are [B, T], y the
/// ids that follow each of x. It takes one draw of the generator. Throws ValueError for a batch size or steps
/// of 0, fewer than T + 1 ids, and an id that T cannot hold exactly.
template <Real T>
Dataset<T> random_windows(std::span<const std::int64_t> ids, const StreamOptions& options,
                          Generator& generator);

}  // namespace seqgrad
