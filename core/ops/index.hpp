#pragma once

#include <cstddef>
#include <cstdint>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

// Reading and writing at places that are data. An index counts from 0 and lies below the size of its axis:
// unlike NumPy's, a negative one is refused, because in data (word ids, class labels) it is a mistake or a
// marker. Axes may be counted from the end. A gradient of a place that is named several times is summed in
// the order of the indices, so that it is the same in every run.

namespace seqgrad {

/// x at the given indices of an axis, whose place the axes of `indices` take: [B, D] at [N, T] -> [N, T, D]
/// for axis 0. Throws ShapeError when the axis does not exist, ValueError for an index outside of it.
template <class T>
Variable<T> take(const Variable<T>& x, const Tensor<std::int64_t>& indices, std::ptrdiff_t axis = 0);

/// Rows of a table: [V, D] at ids [B, T] -> [B, T, D]. Ids may repeat.
/// Throws ShapeError unless the table is of rank 2, ValueError for an id outside [0, V).
template <class T>
Variable<T> embedding_lookup(const Variable<T>& table, const Tensor<std::int64_t>& ids);

/// One element for every index: out[i, j] = x[i, indices[i, j]] for the last axis of a matrix. `indices` has
/// x's shape but for the size of the axis. `take_along_axis(x, labels, -1)` with x [B, V] and labels [B, 1]
/// gives each row's value at its label.
/// Throws ShapeError when the axis does not exist or the shapes differ elsewhere, ValueError for an index
/// outside the axis.
template <class T>
Variable<T> take_along_axis(const Variable<T>& x, const Tensor<std::int64_t>& indices,
                            std::ptrdiff_t axis = -1);

/// x with `updates` added at the given indices of an axis; where an index repeats, all its updates are added.
/// `updates` has the shape of take(x, indices, axis).
/// Throws ShapeError when the axis does not exist or `updates` has another shape, ValueError for an index
/// outside the axis.
template <class T>
Variable<T> scatter_add(const Variable<T>& x, const Tensor<std::int64_t>& indices, const Variable<T>& updates,
                        std::ptrdiff_t axis = 0);

/// Ids as rows of zeros with a single 1: [B, T] -> [B, T, V] for V classes. A value; no gradient flows
/// through it. Throws ValueError for an id outside [0, num_classes).
template <class T>
Tensor<T> one_hot(const Tensor<std::int64_t>& ids, std::size_t num_classes);

}  // namespace seqgrad
