#include "seqgrad/core/views.hpp"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/axes.hpp"
#include "seqgrad/core/internal/part.hpp"
#include "seqgrad/core/internal/strided.hpp"

namespace seqgrad {

namespace {

template <class T>
Tensor<T> copy_of(const Tensor<T>& t, const detail::Part& part) {
    Tensor<T> copy(part.sizes);
    if (copy.size() > 0) {
        detail::strided_copy(part.sizes, copy.data(), detail::dense_steps(part.sizes), t.data() + part.offset,
                             part.steps);
    }
    return copy;
}

template <class T>
Tensor<T> permuted(const Tensor<T>& t, const Shape& axes) {
    const detail::Steps steps = detail::dense_steps(t.shape());
    detail::Part part;
    for (const std::size_t axis : axes) {
        part.sizes.push_back(t.shape()[axis]);
        part.steps.push_back(steps[axis]);
    }
    return copy_of(t, part);
}

/// Where a row begins and ends.
struct Run {
    std::size_t begin, size;
};

Run row_of(const Shape& shape, std::ptrdiff_t index) {
    if (shape.empty()) throw ShapeError("row: a tensor of rank 0 has no rows");
    const std::size_t i = detail::checked_index("row", index, 0, shape);
    const std::size_t size = element_count(Shape(shape.begin() + 1, shape.end()));
    return {i * size, size};
}

}  // namespace

template <class T>
Tensor<T> slice(const Tensor<T>& t, std::span<const Subscript> subscripts) {
    return copy_of(t, detail::named_part(t.shape(), subscripts));
}

template <class T>
Tensor<T> select(const Tensor<T>& t, std::ptrdiff_t axis, std::ptrdiff_t index) {
    const std::size_t a = normalize_axis("select", axis, t.dimension());
    return copy_of(t,
                   detail::selected_part(t.shape(), a, detail::checked_index("select", index, a, t.shape())));
}

template <class T>
std::span<const T> row(const Tensor<T>& t, std::ptrdiff_t index) {
    const Run run = row_of(t.shape(), index);
    return elements(t).subspan(run.begin, run.size);
}

template <class T>
std::span<T> row(Tensor<T>& t, std::ptrdiff_t index) {
    const Run run = row_of(t.shape(), index);
    return elements(t).subspan(run.begin, run.size);
}

template <class T>
Tensor<T> reshape(const Tensor<T>& t, const IntList& shape) {
    Tensor<T> reshaped(detail::complete_shape(t.shape(), shape));
    std::ranges::copy(elements(t), reshaped.data());
    return reshaped;
}

template <class T>
Tensor<T> transpose(const Tensor<T>& t) {
    return permuted(t, detail::reversed_axes(t.dimension()));
}

template <class T>
Tensor<T> transpose(const Tensor<T>& t, const IntList& axes) {
    return permuted(t, detail::permutation(t.shape(), axes));
}

template Tensor<float> slice(const Tensor<float>&, std::span<const Subscript>);
template Tensor<float> select(const Tensor<float>&, std::ptrdiff_t, std::ptrdiff_t);
template std::span<const float> row(const Tensor<float>&, std::ptrdiff_t);
template std::span<float> row(Tensor<float>&, std::ptrdiff_t);
template Tensor<float> reshape(const Tensor<float>&, const IntList&);
template Tensor<float> transpose(const Tensor<float>&);
template Tensor<float> transpose(const Tensor<float>&, const IntList&);
template Tensor<double> slice(const Tensor<double>&, std::span<const Subscript>);
template Tensor<double> select(const Tensor<double>&, std::ptrdiff_t, std::ptrdiff_t);
template std::span<const double> row(const Tensor<double>&, std::ptrdiff_t);
template std::span<double> row(Tensor<double>&, std::ptrdiff_t);
template Tensor<double> reshape(const Tensor<double>&, const IntList&);
template Tensor<double> transpose(const Tensor<double>&);
template Tensor<double> transpose(const Tensor<double>&, const IntList&);
template Tensor<std::int64_t> slice(const Tensor<std::int64_t>&, std::span<const Subscript>);
template Tensor<std::int64_t> select(const Tensor<std::int64_t>&, std::ptrdiff_t, std::ptrdiff_t);
template std::span<const std::int64_t> row(const Tensor<std::int64_t>&, std::ptrdiff_t);
template std::span<std::int64_t> row(Tensor<std::int64_t>&, std::ptrdiff_t);
template Tensor<std::int64_t> reshape(const Tensor<std::int64_t>&, const IntList&);
template Tensor<std::int64_t> transpose(const Tensor<std::int64_t>&);
template Tensor<std::int64_t> transpose(const Tensor<std::int64_t>&, const IntList&);
template Tensor<bool> slice(const Tensor<bool>&, std::span<const Subscript>);
template Tensor<bool> select(const Tensor<bool>&, std::ptrdiff_t, std::ptrdiff_t);
template std::span<const bool> row(const Tensor<bool>&, std::ptrdiff_t);
template std::span<bool> row(Tensor<bool>&, std::ptrdiff_t);
template Tensor<bool> reshape(const Tensor<bool>&, const IntList&);
template Tensor<bool> transpose(const Tensor<bool>&);
template Tensor<bool> transpose(const Tensor<bool>&, const IntList&);

}  // namespace seqgrad
