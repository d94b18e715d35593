#pragma once

#include <algorithm>
#include <cstddef>

#include "seqgrad/core/internal/strided.hpp"
#include "seqgrad/core/tensor.hpp"

namespace seqgrad::detail {

/// A tensor seen as rows along one axis: for operations that work along an axis but know only rows that are
/// contiguous.
class RowsAlong {
  public:
    RowsAlong(const Shape& shape, std::size_t axis) : length_(shape[axis]) {
        for (std::size_t k = 0; k < axis; ++k) outer_ *= shape[k];
        for (std::size_t k = axis + 1; k < shape.size(); ++k) inner_ *= shape[k];
    }

    std::size_t count() const { return outer_ * inner_; }
    std::size_t length() const { return length_; }

    /// t's rows, one after another: t itself along the last axis, otherwise a copy made in `storage`.
    template <class T>
    const Tensor<T>& of(const Tensor<T>& t, Tensor<T>& storage) const {
        if (inner_ == 1) return t;
        storage = Tensor<T>(t.shape());
        strided_copy({outer_, inner_, length_}, storage.data(), in_rows(), t.data(), in_tensor());
        return storage;
    }

    /// The tensor that has these rows.
    template <class T>
    Tensor<T> back(Tensor<T> rows) const {
        if (inner_ == 1) return rows;
        Tensor<T> t(rows.shape());
        strided_copy({outer_, inner_, length_}, t.data(), in_tensor(), rows.data(), in_rows());
        return t;
    }

  private:
    Steps in_rows() const { return steps(inner_ * length_, length_, 1); }
    Steps in_tensor() const { return steps(inner_ * length_, 1, inner_); }
    static Steps steps(std::size_t a, std::size_t b, std::size_t c) {
        return {static_cast<std::ptrdiff_t>(a), static_cast<std::ptrdiff_t>(b),
                static_cast<std::ptrdiff_t>(c)};
    }

    std::size_t outer_ = 1, length_, inner_ = 1;
};

/// Calls f(first, rows) for consecutive groups of rows that fit the processor's first-level cache, a single
/// row at least.
template <class F>
void for_row_groups(std::size_t count, std::size_t length, F&& f) {
    constexpr std::size_t elements_of_group = 2048;
    const std::size_t group = std::max<std::size_t>(1, elements_of_group / std::max<std::size_t>(1, length));
    for (std::size_t first = 0; first < count; first += group) f(first, std::min(group, count - first));
}

}  // namespace seqgrad::detail
