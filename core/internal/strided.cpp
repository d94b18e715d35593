#include "seqgrad/core/internal/strided.hpp"

#include <cstdlib>

namespace seqgrad::detail {
namespace {

struct Axis {
    std::size_t size;
    std::ptrdiff_t to;
    std::ptrdiff_t from;
};

/// Rows and columns of a tile in which a transposed copy reads whole cache lines.
constexpr std::size_t tile = 32;

/// Runs shorter than this are not worth a call of memmove.
constexpr std::size_t short_run = 16;

template <bool add, class T>
void put(T& to, T value) {
    if constexpr (add) {
        to += value;
    } else {
        to = value;
    }
}

template <bool add, class T>
void walk_run(const Axis& axis, T* to, const T* from) {
    const std::size_t n = axis.size;
    if (axis.to == 1 && axis.from == 1) {
        if (add || n < short_run) {
            for (std::size_t i = 0; i < n; ++i) put<add>(to[i], from[i]);
        } else {
            std::copy_n(from, n, to);
        }
    } else if (axis.to == 1 && axis.from == 0) {
        const T value = *from;
        for (std::size_t i = 0; i < n; ++i) put<add>(to[i], value);
    } else {
        for (std::size_t i = 0; i < n; ++i, to += axis.to, from += axis.from) put<add>(*to, *from);
    }
}

template <bool add, class T>
void walk_rows(const Axis& rows, const Axis& run, T* to, const T* from) {
    for (std::size_t r = 0; r < rows.size; ++r, to += rows.to, from += rows.from)
        walk_run<add>(run, to, from);
}

template <bool add, class T>
void walk_tiles(const Axis& rows, const Axis& columns, T* to, const T* from) {
    const auto at = [](std::size_t i, std::ptrdiff_t step) { return static_cast<std::ptrdiff_t>(i) * step; };
    for (std::size_t r = 0; r < rows.size; r += tile) {
        const Axis some_rows{std::min(tile, rows.size - r), rows.to, rows.from};
        for (std::size_t c = 0; c < columns.size; c += tile) {
            const Axis some_columns{std::min(tile, columns.size - c), columns.to, columns.from};
            walk_rows<add>(some_rows, some_columns, to + at(r, rows.to) + at(c, columns.to),
                           from + at(r, rows.from) + at(c, columns.from));
        }
    }
}

template <bool add, class T>
void walk(const Shape& sizes, T* to, const Steps& to_steps, const T* from, const Steps& from_steps) {
    xt::svector<Axis, 4> axes;
    for (std::size_t k = 0; k < sizes.size(); ++k) {
        if (sizes[k] == 0) return;
        if (sizes[k] != 1) axes.push_back({sizes[k], to_steps[k], from_steps[k]});
    }
    // Written in the order of memory, in as few and as long runs as there can be.
    std::stable_sort(axes.begin(), axes.end(),
                     [](const Axis& a, const Axis& b) { return std::abs(a.to) > std::abs(b.to); });
    xt::svector<Axis, 4> outer;
    for (const Axis& axis : axes) {
        const auto n = static_cast<std::ptrdiff_t>(axis.size);
        if (!outer.empty() && outer.back().to == axis.to * n && outer.back().from == axis.from * n) {
            outer.back() = {outer.back().size * axis.size, axis.to, axis.from};
        } else {
            outer.push_back(axis);
        }
    }
    const auto take = [&outer](std::size_t k) {
        const Axis axis = outer[k];
        outer.erase(outer.begin() + static_cast<std::ptrdiff_t>(k));
        return axis;
    };
    const Axis run = outer.empty() ? Axis{1, 1, 1} : take(outer.size() - 1);
    // Where neighbours that are written lie far apart where they are read, a second axis whose neighbours lie
    // closer together is walked in tiles with the first.
    std::size_t nearest = outer.size();
    for (std::size_t k = 0; k < outer.size(); ++k) {
        const std::ptrdiff_t limit = std::abs(nearest < outer.size() ? outer[nearest].from : run.from);
        if (outer[k].from != 0 && std::abs(outer[k].from) < limit) nearest = k;
    }
    const bool tiles = nearest < outer.size();
    const Axis rows = outer.empty() ? Axis{1, 0, 0} : take(tiles ? nearest : outer.size() - 1);

    Shape index(outer.size(), std::size_t{0});
    while (true) {
        if (tiles) {
            walk_tiles<add>(rows, run, to, from);
        } else {
            walk_rows<add>(rows, run, to, from);
        }
        std::size_t k = outer.size();
        for (; k > 0; --k) {
            const Axis& axis = outer[k - 1];
            to += axis.to;
            from += axis.from;
            if (++index[k - 1] < axis.size) break;
            to -= axis.to * static_cast<std::ptrdiff_t>(axis.size);
            from -= axis.from * static_cast<std::ptrdiff_t>(axis.size);
            index[k - 1] = 0;
        }
        if (k == 0) return;
    }
}

}  // namespace

Steps dense_steps(const Shape& shape) {
    Steps steps(shape.size(), std::ptrdiff_t{1});
    for (std::size_t k = shape.size(); k > 1; --k)
        steps[k - 2] = steps[k - 1] * static_cast<std::ptrdiff_t>(shape[k - 1]);
    return steps;
}

template <class T>
void strided_copy(const Shape& sizes, T* to, const Steps& to_steps, const T* from, const Steps& from_steps) {
    walk<false>(sizes, to, to_steps, from, from_steps);
}

template <class T>
void strided_add(const Shape& sizes, T* to, const Steps& to_steps, const T* from, const Steps& from_steps) {
    walk<true>(sizes, to, to_steps, from, from_steps);
}

template void strided_copy(const Shape&, float*, const Steps&, const float*, const Steps&);
template void strided_copy(const Shape&, double*, const Steps&, const double*, const Steps&);
template void strided_add(const Shape&, float*, const Steps&, const float*, const Steps&);
template void strided_add(const Shape&, double*, const Steps&, const double*, const Steps&);

}  // namespace seqgrad::detail
