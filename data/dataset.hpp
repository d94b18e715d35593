#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "seqgrad/core/tensor.hpp"

namespace seqgrad {

/// Inputs and the targets that belong to them, sample by sample along the first axis.
///
/// Class labels and token numbers are stored as whole numbers in T, as `from_integers` gives them: one type
/// serves regression and classification, and every number below 2^24 (float) or 2^53 (double) is exact.
template <Real T>
struct Dataset {
    Tensor<T> x;  ///< inputs [N, ...]
    Tensor<T> y;  ///< targets [N, ...]

    /// Number of samples N. Throws ShapeError unless x and y have a first axis of the same size.
    std::size_t size() const;

    /// The samples [begin, end), in their order. Throws ValueError unless begin <= end <= N, ShapeError as
    /// size does.
    Dataset slice(std::size_t begin, std::size_t end) const;

    /// The samples at these positions, in this order; one may appear several times. Throws ValueError for a
    /// position of N or more, ShapeError as size does.
    Dataset select(std::span<const std::size_t> samples) const;
};

/// Integers such as class labels or token numbers as elements of a Dataset. Throws ValueError for one that T
/// cannot hold exactly.
template <Real T>
Tensor<T> from_integers(const Tensor<std::int64_t>& integers);

}  // namespace seqgrad
