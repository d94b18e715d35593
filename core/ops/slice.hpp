#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "seqgrad/core/int_list.hpp"
#include "seqgrad/core/variable.hpp"

// Parts of a tensor, by NumPy's rules: x[0, :-1, ::2] is
//
//     slice(x, {0, Range{.stop = -1}, Range{.step = 2}})

namespace seqgrad {

/// start, start + step, ... up to but without `stop`, as Python's start:stop:step. Negative places count
/// from the end; places beyond either end mean that end. Left out, `start` and `stop` are the ends that
/// `step` runs from and to. A negative step runs backwards.
struct Range {
    std::optional<std::ptrdiff_t> start = std::nullopt;
    std::optional<std::ptrdiff_t> stop = std::nullopt;
    std::ptrdiff_t step = 1;
};

/// Every index of an axis: Python's `:`.
inline constexpr Range all{};

/// As many `all` as it takes to name every axis: Python's `...`.
struct Ellipsis {};
inline constexpr Ellipsis ellipsis{};

/// What is taken of an axis: one index, which removes the axis, or a Range of them.
class Subscript {
  public:
    template <Integer I>
    Subscript(I index) : choice_(detail::as_signed(index)) {}
    Subscript(const Range& range) : choice_(range) {}
    Subscript(Ellipsis) : choice_(Ellipsis{}) {}

    const std::ptrdiff_t* index() const { return std::get_if<std::ptrdiff_t>(&choice_); }
    const Range* range() const { return std::get_if<Range>(&choice_); }
    bool is_ellipsis() const { return std::holds_alternative<Ellipsis>(choice_); }

  private:
    std::variant<std::ptrdiff_t, Range, Ellipsis> choice_;
};

/// The part of x that the subscripts name, one for each axis from the first; the axes left over are taken
/// whole. Indices count from the end when negative.
///
/// A gradient is added in place to its part of x's: T slices of a sequence cost as much as the sequence, not
/// T times that. Throws ShapeError for more subscripts than axes or a second ellipsis, ValueError for an
/// index outside its axis or a step of 0.
template <class T>
Variable<T> slice(const Variable<T>& x, std::span<const Subscript> subscripts);
template <class T>
Variable<T> slice(const Variable<T>& x, std::initializer_list<Subscript> subscripts) {
    return slice(x, std::span<const Subscript>(subscripts.begin(), subscripts.size()));
}

/// x at one index of an axis, which is removed: [B, T, D] -> [B, D] for axis 1. A negative index counts from
/// the end. Throws ShapeError when the axis does not exist, ValueError when the index lies outside it.
template <class T>
Variable<T> select(const Variable<T>& x, std::ptrdiff_t axis, std::ptrdiff_t index);

/// x at every index of an axis in turn: [B, T, D] -> T times [B, D] for axis 1.
/// Throws ShapeError when the axis does not exist.
template <class T>
std::vector<Variable<T>> unstack(const Variable<T>& x, std::ptrdiff_t axis = 0);

/// Cuts an axis into equal parts: [B, 4 U] -> 4 times [B, U] for axis -1.
/// Throws ShapeError when the axis does not exist or its size is no multiple of `parts`, ValueError when
/// `parts` is 0.
template <class T>
std::vector<Variable<T>> split(const Variable<T>& x, std::size_t parts, std::ptrdiff_t axis = 0);

/// Cuts an axis into parts of these sizes, of which one may be -1: it becomes what is left for it.
/// Throws ShapeError when the axis does not exist or the sizes do not add up to its.
template <class T>
std::vector<Variable<T>> split_sizes(const Variable<T>& x, const IntList& sizes, std::ptrdiff_t axis = 0);

}  // namespace seqgrad
