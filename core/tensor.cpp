#include "seqgrad/core/tensor.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/sizes.hpp"

namespace seqgrad {

namespace {

// Strides are signed, and so are distances in bytes between elements.
constexpr std::size_t most_elements = std::numeric_limits<std::ptrdiff_t>::max() / sizeof(double);

/// The number of elements; nothing where it, or a stride, cannot be counted. An axis has the product of the
/// sizes behind it for its stride, so that those before an empty axis may be as large as they like.
std::optional<std::size_t> counted(const Shape& shape) {
    std::size_t count = 1;
    for (std::size_t axis = shape.size(); axis-- > 0;) {
        if (__builtin_mul_overflow(count, shape[axis], &count) || count > most_elements) return std::nullopt;
    }
    return count;
}

std::string too_large(const Shape& shape) {
    if (std::ranges::find(shape, std::size_t{0}) == shape.end())
        return fmt::format("shape {} holds more elements than memory has addresses", to_string(shape));
    return fmt::format("shape {} has no elements, but sizes behind the empty axis that are too large",
                       to_string(shape));
}

/// Notes the length of the first list of every level in `sizes`, and throws for one that has another.
template <class T>
void check_sizes(std::span<std::optional<std::size_t>> sizes, const std::initializer_list<T>& list) {
    const std::size_t expected = sizes.front().value_or(list.size());
    if (list.size() != expected) {
        throw ShapeError(
            fmt::format("Tensor: lists of one level must be equally long, got one of {} and one of {}",
                        expected, list.size()));
    }
    sizes.front() = expected;
    if constexpr (!std::is_arithmetic_v<T>) {
        for (const T& inner : list) check_sizes(sizes.subspan(1), inner);
    }
}

}  // namespace

namespace detail {

const Shape& checked(std::string_view op, const Shape& shape) {
    if (!counted(shape)) throw ShapeError(fmt::format("{}: {}", op, too_large(shape)));
    return shape;
}

std::size_t added(std::string_view op, std::size_t a, std::size_t b) {
    std::size_t sum = 0;
    if (__builtin_add_overflow(a, b, &sum))
        throw ShapeError(fmt::format("{}: the sizes {} and {} are too large to be added", op, a, b));
    return sum;
}

std::size_t multiplied(std::string_view op, std::size_t a, std::size_t b) {
    std::size_t product = 0;
    if (__builtin_mul_overflow(a, b, &product))
        throw ShapeError(fmt::format("{}: the sizes {} and {} are too large to be multiplied", op, a, b));
    return product;
}

void check_size(std::string_view op, std::string_view argument, std::size_t size) {
    if (size <= most_elements) return;
    throw ValueError(fmt::format("{}: {} must be at most {}, got {}", op, argument, most_elements, size));
}

template <class T, std::size_t N>
void check_nested(const xt::nested_initializer_list_t<T, N>& lists) {
    std::array<std::optional<std::size_t>, N> sizes;
    check_sizes(sizes, lists);
}

}  // namespace detail

std::size_t element_count(const Shape& shape) {
    const std::optional<std::size_t> count = counted(shape);
    if (!count) throw ShapeError(too_large(shape));
    return *count;
}

std::string to_string(const Shape& shape) {
    return fmt::format("[{}]", fmt::join(shape.begin(), shape.end(), ", "));
}

Shape broadcast_shape(const char* op, const Shape& a, const Shape& b) {
    const std::size_t rank = std::max(a.size(), b.size());
    Shape out(rank, std::size_t{1});
    for (std::size_t i = 1; i <= rank; ++i) {
        const std::size_t na = i <= a.size() ? a[a.size() - i] : 1;
        const std::size_t nb = i <= b.size() ? b[b.size() - i] : 1;
        if (na != nb && na != 1 && nb != 1) {
            throw ShapeError(fmt::format(
                "{}: cannot broadcast {} with {}: sizes {} and {} differ on axis -{}, and neither is 1", op,
                to_string(a), to_string(b), na, nb, i));
        }
        out[rank - i] = na == 1 ? nb : na;
    }
    detail::checked(op, out);
    return out;
}

std::size_t normalize_axis(const char* op, std::ptrdiff_t axis, std::size_t rank) {
    const auto n = static_cast<std::ptrdiff_t>(rank);
    if (axis < -n || axis >= n) {
        throw ShapeError(fmt::format("{}: axis {} does not exist in a tensor of rank {}", op, axis, rank));
    }
    return static_cast<std::size_t>(axis < 0 ? axis + n : axis);
}

template <class T>
Tensor<T> full(const Shape& shape, T value) {
    element_count(shape);  // refuses a shape whose size overflows
    return Tensor<T>(shape, value);
}

template <class T>
Tensor<T> tensor(const Shape& shape, std::span<const std::type_identity_t<T>> values) {
    if (element_count(shape) != values.size()) {
        throw ShapeError(fmt::format("tensor: shape {} holds {} elements, {} given", to_string(shape),
                                     element_count(shape), values.size()));
    }
    Tensor<T> out(shape);
    std::copy(values.begin(), values.end(), out.data());
    return out;
}

template void detail::check_nested<float, 2>(const xt::nested_initializer_list_t<float, 2>&);
template void detail::check_nested<float, 3>(const xt::nested_initializer_list_t<float, 3>&);
template void detail::check_nested<float, 4>(const xt::nested_initializer_list_t<float, 4>&);
template void detail::check_nested<float, 5>(const xt::nested_initializer_list_t<float, 5>&);
template void detail::check_nested<double, 2>(const xt::nested_initializer_list_t<double, 2>&);
template void detail::check_nested<double, 3>(const xt::nested_initializer_list_t<double, 3>&);
template void detail::check_nested<double, 4>(const xt::nested_initializer_list_t<double, 4>&);
template void detail::check_nested<double, 5>(const xt::nested_initializer_list_t<double, 5>&);
template void detail::check_nested<std::int64_t, 2>(const xt::nested_initializer_list_t<std::int64_t, 2>&);
template void detail::check_nested<std::int64_t, 3>(const xt::nested_initializer_list_t<std::int64_t, 3>&);
template void detail::check_nested<std::int64_t, 4>(const xt::nested_initializer_list_t<std::int64_t, 4>&);
template void detail::check_nested<std::int64_t, 5>(const xt::nested_initializer_list_t<std::int64_t, 5>&);
template void detail::check_nested<bool, 2>(const xt::nested_initializer_list_t<bool, 2>&);
template void detail::check_nested<bool, 3>(const xt::nested_initializer_list_t<bool, 3>&);
template void detail::check_nested<bool, 4>(const xt::nested_initializer_list_t<bool, 4>&);
template void detail::check_nested<bool, 5>(const xt::nested_initializer_list_t<bool, 5>&);
template <class T>
Tensor<T> from_integers(const Tensor<std::int64_t>& integers) {
    constexpr std::int64_t largest = std::int64_t{1} << std::numeric_limits<T>::digits;
    for (const std::int64_t i : elements(integers)) {
        if (i > largest || i < -largest) {
            throw ValueError(
                fmt::format("from_integers: {} lies outside [-{}, {}], the integers that {} holds exactly{}",
                            i, largest, largest, sizeof(T) == sizeof(float) ? "float" : "double",
                            sizeof(T) == sizeof(float) ? "; use double, or smaller numbers" : ""));
        }
    }
    return cast<T>(integers);
}

template Tensor<float> from_integers<float>(const Tensor<std::int64_t>&);
template Tensor<double> from_integers<double>(const Tensor<std::int64_t>&);
template Tensor<float> full(const Shape&, float);
template Tensor<double> full(const Shape&, double);
template Tensor<std::int64_t> full(const Shape&, std::int64_t);
template Tensor<bool> full(const Shape&, bool);
template Tensor<float> tensor(const Shape&, std::span<const float>);
template Tensor<double> tensor(const Shape&, std::span<const double>);
template Tensor<std::int64_t> tensor(const Shape&, std::span<const std::int64_t>);
template Tensor<bool> tensor(const Shape&, std::span<const bool>);

}  // namespace seqgrad
