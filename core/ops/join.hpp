#pragma once

#include <cstddef>
#include <initializer_list>
#include <span>
#include <type_traits>
#include <vector>

#include "seqgrad/core/int_list.hpp"
#include "seqgrad/core/variable.hpp"

// Larger tensors made of smaller ones. Axes may be counted from the end: -1 is the last.

namespace seqgrad {

/// Joins tensors along an axis that they have: [B, D] and [B, U] -> [B, D + U] for axis -1.
/// Throws ValueError for no tensors, ShapeError when the axis does not exist or other axes differ in size.
template <class T>
Variable<T> concatenate(std::span<const Variable<T>> parts, std::ptrdiff_t axis = 0);
template <class T>
Variable<T> concatenate(const std::vector<Variable<T>>& parts, std::ptrdiff_t axis = 0) {
    return concatenate(std::span<const Variable<T>>(parts), axis);
}
template <class T>
Variable<T> concatenate(std::initializer_list<Variable<T>> parts, std::ptrdiff_t axis = 0) {
    return concatenate(std::span<const Variable<T>>(parts.begin(), parts.size()), axis);
}

/// Joins tensors of one shape along a new axis of the result: T times [B, U] -> [B, T, U] for axis 1.
/// Throws ValueError for no tensors, ShapeError when the axis does not exist in the result or the shapes
/// differ.
template <class T>
Variable<T> stack(std::span<const Variable<T>> parts, std::ptrdiff_t axis = 0);
template <class T>
Variable<T> stack(const std::vector<Variable<T>>& parts, std::ptrdiff_t axis = 0) {
    return stack(std::span<const Variable<T>>(parts), axis);
}
template <class T>
Variable<T> stack(std::initializer_list<Variable<T>> parts, std::ptrdiff_t axis = 0) {
    return stack(std::span<const Variable<T>>(parts.begin(), parts.size()), axis);
}

/// How many elements are put before and after an axis.
struct Padding {
    std::size_t before = 0;
    std::size_t after = 0;
};

/// Surrounds x with a constant. `widths` names one Padding for every axis: `pad(x, {{}, {2, 0}})` puts two
/// columns before a matrix. Throws ShapeError unless there are as many as x has axes.
template <class T>
Variable<T> pad(const Variable<T>& x, std::span<const Padding> widths, std::type_identity_t<T> value = 0);
template <class T>
Variable<T> pad(const Variable<T>& x, std::initializer_list<Padding> widths,
                std::type_identity_t<T> value = 0) {
    return pad(x, std::span<const Padding>(widths.begin(), widths.size()), value);
}

/// Repeats every element along an axis: [a, b] -> [a, a, b, b] for 2. Throws ShapeError when the axis does
/// not exist.
template <class T>
Variable<T> repeat(const Variable<T>& x, std::size_t repeats, std::ptrdiff_t axis);

/// Repeats x as a whole along its axes: [a, b] -> [a, b, a, b] for 2. As in NumPy, `repeats` names the last
/// axes, and x gets axes of size 1 in front where there are more. Throws ValueError for a negative number.
template <class T>
Variable<T> tile(const Variable<T>& x, const IntList& repeats);

}  // namespace seqgrad
