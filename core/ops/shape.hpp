#pragma once

#include <cstddef>

#include "seqgrad/core/int_list.hpp"
#include "seqgrad/core/variable.hpp"

// The same elements in another shape or order. Axes may be counted from the end: -1 is the last. Axes and
// sizes are given as integers of any type: `reshape(x, {batch, -1})`, `transpose(x, {1, 0, 2})`.

namespace seqgrad {

/// x's elements, in row-major order, in another shape. One size may be -1: it becomes what is left for it.
/// Throws ShapeError when the element counts differ.
template <class T>
Variable<T> reshape(const Variable<T>& x, const IntList& shape);

/// Merges the axes from `start_axis` on into one: [B, T, D] -> [B, T D] for 1. A scalar becomes [1].
/// Throws ShapeError when the axis does not exist.
template <class T>
Variable<T> flatten(const Variable<T>& x, std::ptrdiff_t start_axis = 0);

/// Inserts axes of size 1 that stand at these places in the result: [B, D] -> [B, 1, D] for 1.
/// Throws ShapeError when a place lies outside the result or is named twice.
template <class T>
Variable<T> expand_dims(const Variable<T>& x, const IntList& axes);

/// Removes the given axes, which must have size 1. Throws ShapeError when one does not exist, has another
/// size or is named twice.
template <class T>
Variable<T> squeeze(const Variable<T>& x, const IntList& axes);

/// Removes every axis of size 1.
template <class T>
Variable<T> squeeze(const Variable<T>& x);

/// Reverses the order of the axes: [T, B, D] -> [D, B, T].
template <class T>
Variable<T> transpose(const Variable<T>& x);

/// Axis k of the result is x's axis axes[k]: [B, T, D] -> [T, B, D] for {1, 0, 2}.
/// Throws ShapeError unless `axes` names every axis of x once.
template <class T>
Variable<T> transpose(const Variable<T>& x, const IntList& axes);

/// Exchanges two axes; by default the last two: of every matrix in a batch the transpose.
/// Throws ShapeError when an axis does not exist.
template <class T>
Variable<T> swapaxes(const Variable<T>& x, std::ptrdiff_t axis1 = -2, std::ptrdiff_t axis2 = -1);

/// Repeats x along missing axes and those of size 1 by NumPy's rules for broadcasting: [D] -> [B, T, D].
/// Throws ShapeError when x does not broadcast to the shape.
template <class T>
Variable<T> broadcast_to(const Variable<T>& x, const Shape& shape);

/// Reverses the order of the elements along the given axes. Throws ShapeError when one does not exist or is
/// named twice.
template <class T>
Variable<T> flip(const Variable<T>& x, const IntList& axes);

/// Reverses the order of the elements along every axis.
template <class T>
Variable<T> flip(const Variable<T>& x);

}  // namespace seqgrad
