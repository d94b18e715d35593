#include "seqgrad/core/ops/slice.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/part.hpp"
#include "seqgrad/core/internal/strided.hpp"
#include "seqgrad/core/op.hpp"

namespace seqgrad {
namespace {

using detail::checked_index;
using detail::Part;

template <class T>
Variable<T> part_of(const char* op, const Variable<T>& x, Part part) {
    Tensor<T> value(part.sizes);
    if (value.size() > 0) {
        detail::strided_copy(part.sizes, value.data(), detail::dense_steps(part.sizes),
                             x.value().data() + part.offset, part.steps);
    }
    return record(op, std::move(value), {x}, [offset = part.offset, steps = part.steps](Backward<T>& pass) {
        const Tensor<T>& grad = pass.grad();
        detail::accumulate_part(pass, 0, grad.shape(), offset, steps, grad.data(),
                                detail::dense_steps(grad.shape()));
    });
}

/// The whole of x but along `axis`.
template <class T>
Variable<T> section(const char* op, const Variable<T>& x, std::size_t axis, std::size_t start,
                    std::size_t size) {
    Part part{0, x.shape(), detail::dense_steps(x.shape())};
    part.offset = static_cast<std::ptrdiff_t>(start) * part.steps[axis];
    part.sizes[axis] = size;
    return part_of(op, x, std::move(part));
}

template <class T>
Variable<T> selected(const char* op, const Variable<T>& x, std::size_t axis, std::size_t index) {
    return part_of(op, x, detail::selected_part(x.shape(), axis, index));
}

}  // namespace

template <class T>
Variable<T> slice(const Variable<T>& x, std::span<const Subscript> subscripts) {
    return part_of("slice", x, detail::named_part(x.shape(), subscripts));
}

template <class T>
Variable<T> select(const Variable<T>& x, std::ptrdiff_t axis, std::ptrdiff_t index) {
    const std::size_t a = normalize_axis("select", axis, x.rank());
    return selected("select", x, a, checked_index("select", index, a, x.shape()));
}

template <class T>
std::vector<Variable<T>> unstack(const Variable<T>& x, std::ptrdiff_t axis) {
    const std::size_t a = normalize_axis("unstack", axis, x.rank());
    std::vector<Variable<T>> results;
    results.reserve(x.shape()[a]);
    for (std::size_t i = 0; i < x.shape()[a]; ++i) results.push_back(selected("unstack", x, a, i));
    return results;
}

template <class T>
std::vector<Variable<T>> split(const Variable<T>& x, std::size_t parts, std::ptrdiff_t axis) {
    const std::size_t a = normalize_axis("split", axis, x.rank());
    const std::size_t n = x.shape()[a];
    if (parts == 0) throw ValueError("split: the number of parts must be at least 1");
    if (n % parts != 0) {
        throw ShapeError(fmt::format(
            "split: axis {} of {} cannot be cut into {} equal parts; split_sizes takes unequal ones", a,
            to_string(x.shape()), parts));
    }
    std::vector<Variable<T>> results;
    results.reserve(parts);
    for (std::size_t k = 0; k < parts; ++k)
        results.push_back(section("split", x, a, k * (n / parts), n / parts));
    return results;
}

template <class T>
std::vector<Variable<T>> split_sizes(const Variable<T>& x, const IntList& sizes, std::ptrdiff_t axis) {
    const std::size_t a = normalize_axis("split_sizes", axis, x.rank());
    const auto n = static_cast<std::ptrdiff_t>(x.shape()[a]);
    const auto fail = [&](const std::string& why) {
        return ShapeError(fmt::format("split_sizes: {} do not cut axis {} of {}: {}", to_string(sizes), a,
                                      to_string(x.shape()), why));
    };
    std::ptrdiff_t left = n;
    bool open = false;
    for (const std::ptrdiff_t size : sizes) {
        if (size < -1) throw fail(fmt::format("{} is not a size", size));
        if (size == -1 && open) throw fail("only one size can be -1");
        open = open || size == -1;
        if (size > left) throw fail(fmt::format("their sum is larger than {}", n));
        if (size > 0) left -= size;
    }
    if (!open && left > 0) throw fail(fmt::format("their sum is {}, not {}", n - left, n));
    std::vector<Variable<T>> results;
    results.reserve(sizes.size());
    std::size_t start = 0;
    for (const std::ptrdiff_t size : sizes) {
        const auto taken = static_cast<std::size_t>(size == -1 ? left : size);
        results.push_back(section("split_sizes", x, a, start, taken));
        start += taken;
    }
    return results;
}

template Variable<float> slice(const Variable<float>&, std::span<const Subscript>);
template Variable<double> slice(const Variable<double>&, std::span<const Subscript>);
template Variable<float> select(const Variable<float>&, std::ptrdiff_t, std::ptrdiff_t);
template Variable<double> select(const Variable<double>&, std::ptrdiff_t, std::ptrdiff_t);
template std::vector<Variable<float>> unstack(const Variable<float>&, std::ptrdiff_t);
template std::vector<Variable<double>> unstack(const Variable<double>&, std::ptrdiff_t);
template std::vector<Variable<float>> split(const Variable<float>&, std::size_t, std::ptrdiff_t);
template std::vector<Variable<double>> split(const Variable<double>&, std::size_t, std::ptrdiff_t);
template std::vector<Variable<float>> split_sizes(const Variable<float>&, const IntList&, std::ptrdiff_t);
template std::vector<Variable<double>> split_sizes(const Variable<double>&, const IntList&, std::ptrdiff_t);

}  // namespace seqgrad
