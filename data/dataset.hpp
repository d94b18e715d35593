#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "seqgrad/core/random.hpp"
#include "seqgrad/core/tensor.hpp"

namespace seqgrad {

/// Inputs and the targets that belong to them, sample by sample along the first axis.
///
/// Class labels and token numbers may be given as integers, Tensor<std::int64_t>. They are stored as whole
/// numbers in T: one type serves regression and classification, and every number up to 2^24 (float) or 2^53
/// (double) is exact. Larger ones throw ValueError; `Embedding` takes them as integers.
template <Real T>
struct Dataset {
    Tensor<T> x;  ///< inputs [N, ...]
    Tensor<T> y;  ///< targets [N, ...]
    /// How much each sample [N], or each of its steps [N, T], counts in the loss; all alike without it.
    std::optional<Tensor<T>> sample_weight = {};
    /// Further inputs [N, ...], after x, of a model that takes several.
    std::vector<Tensor<T>> more_inputs = {};

    /// Number of samples N. Throws ShapeError unless inputs, targets and weights have a first axis of the
    /// same size.
    std::size_t size() const;

    /// The samples [begin, end), in their order. Throws ValueError unless begin <= end <= N, ShapeError as
    /// size does.
    Dataset slice(std::size_t begin, std::size_t end) const;

    /// The samples at these positions, in this order; one may appear several times. Throws ValueError for a
    /// position of N or more, ShapeError as size does.
    Dataset select(std::span<const std::size_t> samples) const;
};

/// A part to train on, and another to judge the model by.
template <Real T>
struct TrainTest {
    Dataset<T> train;
    Dataset<T> test;
};

/// The first `fraction` of `steps`, rounded down. Throws ValueError unless 0 < fraction < 1.
std::size_t split_point(std::size_t steps, double fraction = 0.8);

/// The first `fraction` of the samples to train on, the later ones to test: for samples in the order of time.
/// Windows that overlap share steps across such a split; split_windows keeps them apart. Throws ValueError as
/// split_point does and when either part would have no samples, ShapeError as Dataset::size does.
template <Real T>
TrainTest<T> split_in_time(const Dataset<T>& data, double fraction = 0.8);

/// Samples drawn at random, without repetition: `fraction` of them to train on, the others to test, both in
/// random order. It takes one draw of the generator, permutation(N). Throws as split_in_time does; the
/// generator is then as it was.
template <Real T>
TrainTest<T> split_at_random(const Dataset<T>& data, double fraction, Generator& generator);

}  // namespace seqgrad
