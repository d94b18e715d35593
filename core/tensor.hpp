#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "seqgrad/core/memory_pool.hpp"
#include "seqgrad/core/xtensor.hpp"

namespace seqgrad {

template <class T>
class Tensor;

namespace detail {

/// The container of xtensor whose storage, shape and strides a Tensor has.
template <class T>
using TensorArray = xt::xarray<T, xt::layout_type::row_major, PoolAllocator<T>>;

}  // namespace detail
}  // namespace seqgrad

// What xtensor asks of a container.
template <class T>
struct xt::xcontainer_inner_types<seqgrad::Tensor<T>>
    : xcontainer_inner_types<seqgrad::detail::TensorArray<T>> {
    using temporary_type = seqgrad::Tensor<T>;
};
template <class T>
struct xt::xiterable_inner_types<seqgrad::Tensor<T>> : xcontainer_iterable_types<seqgrad::Tensor<T>> {};

namespace seqgrad {

/// Sizes of a tensor's axes, outermost first. A rank-0 shape holds one element.
using Shape = detail::TensorArray<float>::shape_type;

/// Number of elements of a tensor of this shape. Throws ShapeError for more than the address space holds,
/// also where sizes behind an axis of size 0 say so.
std::size_t element_count(const Shape& shape);

namespace detail {

/// An element between braces: a floating-point value for a tensor of those, a bool for a tensor of those.
template <class T>
struct Element {
    T value;

    template <class U>
    requires std::is_arithmetic_v<U>
    constexpr Element(U v) : value(static_cast<T>(v)) {
        constexpr bool is_element =
            std::is_same_v<T, bool> ? std::is_same_v<U, bool> : std::is_floating_point_v<U>;
        static_assert(
            is_element && (std::is_same_v<T, bool> || std::is_floating_point_v<T>),
            "sizes or elements? Say zeros<T>({2, 3}) or empty<T>({2, 3}) if the numbers are sizes, and "
            "tensor<T>({2}, {2, 3}) if they are elements. Floating-point elements may stand alone between "
            "braces: Tensor<float>{2.0F, 3.0F}");
    }
};

/// Throws ShapeError unless every list of a level is as long as the first.
template <class T, std::size_t N>
void check_nested(const xt::nested_initializer_list_t<T, N>& lists);

/// Whether a Tensor<T> takes the values of an expression E: integers and bools are made of fractions by a
/// cast only.
template <class E, class T>
concept TakenWithoutCast = std::is_floating_point_v<T> || !std::is_floating_point_v<typename E::value_type>;

/// Whether E has integers that a T need not hold exactly.
template <class E, class T>
inline constexpr bool could_be_rounded =
    std::is_floating_point_v<T>&& std::is_integral_v<typename E::value_type>&&
        std::numeric_limits<typename E::value_type>::digits > std::numeric_limits<T>::digits;

}  // namespace detail

/// Integers, such as class labels or token ids, as elements of T. Throws ValueError for one that T cannot
/// hold exactly: one above 2^24 in float, 2^53 in double.
template <class T>
Tensor<T> from_integers(const Tensor<std::int64_t>& integers);

/// A dense array of any rank, row-major, on 64-byte-aligned pooled storage.
///
/// It is an xtensor container: any xtensor expression can be assigned to it and it can stand in any xtensor
/// expression. Used with `float` and `double` for values, `std::int64_t` for indices and labels, `bool` for
/// masks.
///
/// Make one by `zeros`, `full`, `tensor` or `empty` below. Between braces, nested lists are elements,
/// `Tensor<float>{{1, 2}, {3, 4}}`, and so are floating-point numbers, `Tensor<float>{0.5F, 1.5F}`. Integers
/// in one list could be sizes or elements; `Tensor<float>({2, 3})` does not compile and says what to write.
template <class T>
class Tensor : public xt::xstrided_container<Tensor<T>>, public xt::xcontainer_semantic<Tensor<T>> {
    using Container = xt::xstrided_container<Tensor<T>>;
    using Semantic = xt::xcontainer_semantic<Tensor<T>>;
    template <std::size_t N>
    using Lists = xt::nested_initializer_list_t<T, N>;

  public:
    using storage_type = typename Container::storage_type;
    using shape_type = typename Container::shape_type;
    using temporary_type = typename Semantic::temporary_type;

    /// A tensor of rank 0 with one element, 0.
    Tensor() : storage_(1, T{}) {}

    /// A tensor of this shape whose elements are not initialised. Throws ShapeError as element_count does.
    explicit Tensor(const Shape& shape) {
        element_count(shape);
        Container::resize(shape, true);
    }

    /// A tensor of this shape with every element `value`. Throws ShapeError as element_count does.
    Tensor(const Shape& shape, const T& value) : Tensor(shape) {
        std::fill(storage_.begin(), storage_.end(), value);
    }

    /// A tensor of rank 0 with this element.
    template <class U>
    requires std::is_arithmetic_v<U> Tensor(U value) : storage_(1, detail::Element<T>(value).value) {}

    /// A tensor of rank 1 with these elements.
    Tensor(std::initializer_list<detail::Element<T>> elements) : Tensor(Shape{elements.size()}) {
        std::transform(elements.begin(), elements.end(), storage_.begin(),
                       [](const auto& e) { return e.value; });
    }

    /// Tensors of rank 2 to 5 with these elements. They throw ShapeError if lists of one level differ in
    /// length.
    Tensor(xt::nested_initializer_list_t<T, 2> lists) : Tensor(from_lists<2>, lists) {}
    Tensor(xt::nested_initializer_list_t<T, 3> lists) : Tensor(from_lists<3>, lists) {}
    Tensor(xt::nested_initializer_list_t<T, 4> lists) : Tensor(from_lists<4>, lists) {}
    Tensor(xt::nested_initializer_list_t<T, 5> lists) : Tensor(from_lists<5>, lists) {}

    /// The values of an xtensor expression. One of floating-point values is not taken for a tensor of
    /// integers or bools: say `cast`. Throws ValueError, as from_integers does, for integers that T cannot
    /// hold exactly.
    template <class E>
    requires detail::TakenWithoutCast<E, T> Tensor(const xt::xexpression<E>& expression) : storage_(1, T{}) {
        if constexpr (detail::could_be_rounded<E, T>) {
            *this = from_integers<T>(Tensor<std::int64_t>(expression));
        } else {
            Semantic::assign(expression);
        }
    }
    template <class E>
    requires detail::TakenWithoutCast<E, T> Tensor& operator=(const xt::xexpression<E>& expression) {
        if constexpr (detail::could_be_rounded<E, T>) {
            return *this = from_integers<T>(Tensor<std::int64_t>(expression));
        } else {
            return Semantic::operator=(expression);
        }
    }

    /// Changes the shape; what the elements are then is not said. Throws ShapeError as element_count does,
    /// and changes nothing then.
    template <class S = Shape>
    void resize(S&& shape, bool force = false) {
        element_count(Shape(shape.begin(), shape.end()));
        Container::resize(std::forward<S>(shape), force);
    }

    Tensor(const Tensor&) = default;
    Tensor(Tensor&&) = default;
    Tensor& operator=(const Tensor&) = default;
    Tensor& operator=(Tensor&&) = default;
    ~Tensor() = default;

  private:
    friend class xt::xcontainer<Tensor<T>>;

    template <std::size_t N>
    struct FromLists {};
    template <std::size_t N>
    static constexpr FromLists<N> from_lists{};
    template <std::size_t N>
    Tensor(FromLists<N>, const Lists<N>& lists) {
        detail::check_nested<T, N>(lists);
        Container::resize(xt::shape<Shape>(lists), true);
        xt::nested_copy(storage_.begin(), lists);
    }

    storage_type& storage_impl() noexcept { return storage_; }
    const storage_type& storage_impl() const noexcept { return storage_; }

    storage_type storage_;
};

/// Which steps of a batch of sequences count: [B, T], true where one does.
using Mask = Tensor<bool>;

/// The element types a Variable can have.
template <class T>
concept Real = std::is_same_v<T, float> || std::is_same_v<T, double>;

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

/// A tensor whose elements are not initialised, to be written all. Throws ShapeError as element_count does.
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
