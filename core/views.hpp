#pragma once

#include <cstddef>
#include <initializer_list>
#include <span>

#include "seqgrad/core/int_list.hpp"
#include "seqgrad/core/ops/slice.hpp"
#include "seqgrad/core/tensor.hpp"

// Parts and other shapes of a Tensor, by the rules and with the names of the operations on Variables. They
// are there for float, double, std::int64_t and bool. All but `row` copy.

namespace seqgrad {

/// The part of t that the subscripts name: `slice(t, {0, Range{.stop = -1}, all})` is NumPy's t[0, :-1, :].
/// Throws ShapeError for more subscripts than axes or a second ellipsis, ValueError for an index outside its
/// axis or a step of 0.
template <class T>
Tensor<T> slice(const Tensor<T>& t, std::span<const Subscript> subscripts);
template <class T>
Tensor<T> slice(const Tensor<T>& t, std::initializer_list<Subscript> subscripts) {
    return slice(t, std::span<const Subscript>(subscripts.begin(), subscripts.size()));
}

/// t at one index of an axis, which is removed: [B, T, D] -> [B, D] for axis 1. A negative index counts from
/// the end. Throws ShapeError when the axis does not exist, ValueError when the index lies outside it.
template <class T>
Tensor<T> select(const Tensor<T>& t, std::ptrdiff_t axis, std::ptrdiff_t index);

/// The elements of t at one index of its first axis, in place: of [B, T, D] the T D numbers of a sample. A
/// negative index counts from the end. Valid as long as t is there and keeps its shape. Throws ShapeError for
/// rank 0, ValueError when the index lies outside the axis.
template <class T>
std::span<const T> row(const Tensor<T>& t, std::ptrdiff_t index);
template <class T>
std::span<T> row(Tensor<T>& t, std::ptrdiff_t index);
/// A temporary's elements would be gone at once.
template <class T>
std::span<const T> row(const Tensor<T>&& t, std::ptrdiff_t index) = delete;

/// t's elements, in row-major order, in another shape. One size may be -1: it becomes what is left for it.
/// Throws ShapeError when the element counts differ.
template <class T>
Tensor<T> reshape(const Tensor<T>& t, const IntList& shape);

/// Reverses the order of the axes: [T, D] -> [D, T].
template <class T>
Tensor<T> transpose(const Tensor<T>& t);

/// Axis k of the result is t's axis axes[k]: [B, T, D] -> [T, B, D] for {1, 0, 2}.
/// Throws ShapeError unless `axes` names every axis of t once.
template <class T>
Tensor<T> transpose(const Tensor<T>& t, const IntList& axes);

}  // namespace seqgrad
