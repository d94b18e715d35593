#pragma once

#include <initializer_list>
#include <optional>
#include <utility>

#include "seqgrad/core/int_list.hpp"
#include "seqgrad/core/variable.hpp"

// Reductions along any axes: `sum(x)`, `mean(x, {.axis = -1})`, `max(x, {.axis = {0, 2}, .keepdims = true})`.
// All throw ShapeError for an axis that does not exist or is named twice. Empty axes give what NumPy gives.

namespace seqgrad {

/// Which axes to reduce: all of them unless some are named, counted from the end where negative.
class Axes {
  public:
    /// Every axis.
    Axes() = default;
    template <Integer I>
    Axes(I axis) : list_(IntList(axis)) {}
    Axes(std::initializer_list<IntList::Item> axes) : list_(IntList(axes)) {}
    /// These axes; none of them when the list is empty.
    Axes(IntList axes) : list_(std::move(axes)) {}

    bool all() const { return !list_; }
    /// Only unless `all()`.
    const IntList& list() const { return *list_; }

  private:
    std::optional<IntList> list_;
};

/// How a reduction treats x's axes.
struct ReduceOptions {
    /// The axes to reduce.
    Axes axis = {};
    /// Leaves the reduced axes in the result, with size 1, so that it broadcasts to x.
    bool keepdims = false;
};

/// The sum; 0 of no elements. Added pairwise: the rounding error grows with the logarithm of their number.
template <class T>
Variable<T> sum(const Variable<T>& x, const ReduceOptions& options = {});

/// The arithmetic mean; NaN of no elements.
template <class T>
Variable<T> mean(const Variable<T>& x, const ReduceOptions& options = {});

/// The largest element, NaN where there is one. Elements that tie for it share its gradient equally, as in
/// TensorFlow. Throws ValueError when an axis to reduce is empty.
template <class T>
Variable<T> max(const Variable<T>& x, const ReduceOptions& options = {});

/// The smallest element, NaN where there is one. Elements that tie for it share its gradient equally, as in
/// TensorFlow. Throws ValueError when an axis to reduce is empty.
template <class T>
Variable<T> min(const Variable<T>& x, const ReduceOptions& options = {});

/// ln(sum(e^x)), without overflow at any x. -inf, with gradient 0, where there is no element or all are -inf.
template <class T>
Variable<T> logsumexp(const Variable<T>& x, const ReduceOptions& options = {});

/// The population variance, mean((x - mean(x))^2); NaN of no elements.
template <class T>
Variable<T> variance(const Variable<T>& x, const ReduceOptions& options = {});

}  // namespace seqgrad
