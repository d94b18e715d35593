#include "seqgrad/core/internal/part.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad::detail {

namespace {

struct Run {
    std::ptrdiff_t start;
    std::size_t size;
};

/// What a range means on an axis of n elements: Python's slice.indices(n).
Run resolve(const Range& range, std::ptrdiff_t n) {
    const bool backwards = range.step < 0;
    const std::ptrdiff_t lowest = backwards ? -1 : 0;
    const std::ptrdiff_t highest = backwards ? n - 1 : n;
    const auto place = [&](std::optional<std::ptrdiff_t> p, std::ptrdiff_t if_left_out) {
        if (!p) return if_left_out;
        return std::clamp(*p < 0 ? *p + n : *p, lowest, highest);
    };
    const std::ptrdiff_t start = place(range.start, backwards ? highest : lowest);
    const std::ptrdiff_t stop = place(range.stop, backwards ? lowest : highest);
    if (backwards ? start <= stop : start >= stop) return {0, 0};
    // Divided before the sign is changed: the most negative step has no positive counterpart.
    const std::ptrdiff_t last = (stop - start - (backwards ? -1 : 1)) / range.step;
    return {start, static_cast<std::size_t>(last) + 1};
}

std::vector<Subscript> without_ellipsis(const Shape& shape, std::span<const Subscript> subscripts) {
    const auto ellipses = std::ranges::count_if(subscripts, &Subscript::is_ellipsis);
    if (ellipses > 1) throw ShapeError("slice: only one ellipsis can stand for the axes that are left over");
    const std::size_t named = subscripts.size() - static_cast<std::size_t>(ellipses);
    if (named > shape.size()) {
        throw ShapeError(
            fmt::format("slice: {} subscripts for the {} axes of {}", named, shape.size(), to_string(shape)));
    }
    std::vector<Subscript> each;
    each.reserve(shape.size());
    for (const Subscript& subscript : subscripts) {
        if (subscript.is_ellipsis()) {
            each.insert(each.end(), shape.size() - named, all);
        } else {
            each.push_back(subscript);
        }
    }
    each.insert(each.end(), shape.size() - each.size(), all);
    return each;
}

}  // namespace

std::size_t checked_index(const char* op, std::ptrdiff_t index, std::size_t axis, const Shape& shape) {
    const auto n = static_cast<std::ptrdiff_t>(shape[axis]);
    if (index < -n || index >= n) {
        throw ValueError(fmt::format("{}: index {} lies outside [{}, {}) on axis {} of {}", op, index, -n, n,
                                     axis, to_string(shape)));
    }
    return static_cast<std::size_t>(index < 0 ? index + n : index);
}

Part named_part(const Shape& shape, std::span<const Subscript> subscripts) {
    const std::vector<Subscript> each = without_ellipsis(shape, subscripts);
    const Steps steps = dense_steps(shape);
    Part part;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        if (const std::ptrdiff_t* index = each[axis].index()) {
            part.offset +=
                static_cast<std::ptrdiff_t>(checked_index("slice", *index, axis, shape)) * steps[axis];
            continue;
        }
        const Range& range = *each[axis].range();
        if (range.step == 0) {
            throw ValueError(
                fmt::format("slice: the range for axis {} of {} has a step of 0", axis, to_string(shape)));
        }
        const Run run = resolve(range, static_cast<std::ptrdiff_t>(shape[axis]));
        part.offset += run.start * steps[axis];
        part.sizes.push_back(run.size);
        // With a single element the step is never taken, and may be too large to multiply.
        part.steps.push_back(run.size > 1 ? range.step * steps[axis] : 0);
    }
    return part;
}

Part selected_part(const Shape& shape, std::size_t axis, std::size_t index) {
    Part part{0, shape, dense_steps(shape)};
    part.offset = static_cast<std::ptrdiff_t>(index) * part.steps[axis];
    part.sizes.erase(part.sizes.begin() + static_cast<std::ptrdiff_t>(axis));
    part.steps.erase(part.steps.begin() + static_cast<std::ptrdiff_t>(axis));
    return part;
}

}  // namespace seqgrad::detail
