#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <type_traits>

#include "seqgrad/core/memory_pool.hpp"
#include "seqgrad/core/xtensor.hpp"

namespace seqgrad {

/// A dense array of any rank, row-major, on 64-byte-aligned pooled storage.
///
/// It is an xtensor container: any xtensor expression can be assigned to it and it can stand in any xtensor
/// expression. Make one by `zeros`, `full`, `tensor` or `empty` below, not by its constructor: to xtensor,
/// braces are elements, so that `Tensor<float>({2, 3})` has the two elements 2 and 3; and `Tensor<T>(shape)`
/// takes a shape without checking it. Used with `float` and `double` for values, `std::int64_t` for indices
/// and labels, `bool` for masks.
template <class T>
using Tensor = xt::xarray<T, xt::layout_type::row_major, PoolAllocator<T>>;

/// Sizes of a tensor's axes, outermost first. A rank-0 shape holds one element.
using Shape = Tensor<float>::shape_type;

/// Which steps of a batch of sequences count: [B, T], true where one does.
using Mask = Tensor<bool>;

/// The element types a Variable can have.
template <class T>
concept Real = std::is_same_v<T, float> || std::is_same_v<T, double>;

/// Number of elements of a tensor of this shape. Throws ShapeError for more than the address space holds,
/// also where sizes behind an axis of size 0 say so.
std::size_t element_count(const Shape& shape);

/// "[32, 16, 12]"; "[]" for rank 0.
std::string to_string(const Shape& shape);

/// The shape that `a` and `b` broadcast to by NumPy's rules: axes are aligned at the last one, a missing axis
/// or one of size 1 stretches. Throws ShapeError naming `op` and both shapes, and for a result of more
/// elements than the address space holds.
Shape broadcast_shape(const char* op, const Shape& a, const Shape& b);

/// Turns an axis counted from the end (-1 is the last) into one counted from the front.
/// Throws ShapeError naming `op` when it lies outside [-rank, rank).
std::size_t normalize_axis(const char* op, std::ptrdiff_t axis, std::size_t rank);

/// A tensor of this shape with every element `value`.
template <class T>
Tensor<T> full(const Shape& shape, T value);

/// A tensor of zeros.
template <class T>
Tensor<T> zeros(const Shape& shape) {
    return full<T>(shape, T{});
}

/// A tensor of ones.
template <class T>
Tensor<T> ones(const Shape& shape) {
    return full<T>(shape, T{1});
}

/// A tensor whose elements are not initialised, to be written all.
template <class T>
Tensor<T> empty(const Shape& shape) {
    return Tensor<T>(shape);
}

/// A tensor with the given elements in row-major order. Throws ShapeError unless there are exactly as many as
/// the shape holds.
template <class T>
Tensor<T> tensor(const Shape& shape, std::span<const std::type_identity_t<T>> values);
template <class T>
Tensor<T> tensor(const Shape& shape, std::initializer_list<T> values) {
    return tensor<T>(shape, std::span<const T>(values.begin(), values.size()));
}

/// The tensor's elements in row-major order, as contiguous memory.
template <class T>
std::span<const T> elements(const Tensor<T>& t) {
    return {t.data(), t.size()};
}
template <class T>
std::span<T> elements(Tensor<T>& t) {
    return {t.data(), t.size()};
}

/// The same elements converted to another element type.
template <class To, class From>
Tensor<To> cast(const Tensor<From>& t) {
    Tensor<To> out(t.shape());
    for (std::size_t i = 0; i < t.size(); ++i) out.data()[i] = static_cast<To>(t.data()[i]);
    return out;
}

}  // namespace seqgrad
