#include "seqgrad/core/internal/axes.hpp"

#include <string>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad::detail {

Shape complete_shape(const Shape& from, const IntList& sizes) {
    const auto fail = [&](const std::string& why) {
        return ShapeError(
            fmt::format("reshape: {} does not fit {}: {}", to_string(from), to_string(sizes), why));
    };
    const std::size_t count = element_count(from);
    Shape shape(sizes.size(), std::size_t{1});
    std::size_t open = sizes.size();
    for (std::size_t k = 0; k < sizes.size(); ++k) {
        if (sizes[k] < -1) throw fail(fmt::format("{} is not a size", sizes[k]));
        if (sizes[k] == -1 && open < sizes.size()) throw fail("only one size can be -1");
        if (sizes[k] == -1) {
            open = k;
        } else {
            shape[k] = static_cast<std::size_t>(sizes[k]);
        }
    }
    const std::size_t given = element_count(shape);
    if (open < sizes.size()) {
        if (given == 0) throw fail("any size could stand for -1 beside a size of 0");
        if (count % given != 0) throw fail(fmt::format("{} is no multiple of {} elements", count, given));
        shape[open] = count / given;
    } else if (given != count) {
        throw fail(fmt::format("{} elements in place of {}", given, count));
    }
    return shape;
}

xt::svector<bool, 8> named_axes(const char* op, const IntList& axes, std::size_t rank) {
    xt::svector<bool, 8> named(rank, false);
    for (const std::ptrdiff_t axis : axes) {
        bool& seen = named[normalize_axis(op, axis, rank)];
        if (seen)
            throw ShapeError(fmt::format("{}: axis {} is named twice in {}", op, axis, to_string(axes)));
        seen = true;
    }
    return named;
}

Shape reversed_axes(std::size_t rank) {
    Shape axes(rank, std::size_t{0});
    for (std::size_t k = 0; k < rank; ++k) axes[k] = rank - 1 - k;
    return axes;
}

Shape permutation(const Shape& shape, const IntList& axes) {
    if (axes.size() != shape.size()) {
        throw ShapeError(fmt::format("transpose: {} must name each of the {} axes of {} once",
                                     to_string(axes), shape.size(), to_string(shape)));
    }
    named_axes("transpose", axes, shape.size());
    Shape order;
    for (const std::ptrdiff_t axis : axes) order.push_back(normalize_axis("transpose", axis, shape.size()));
    return order;
}

}  // namespace seqgrad::detail
