#include "seqgrad/core/internal/strided.hpp"

#include <cstdint>
#include <cstdlib>
#include <type_traits>

#include <xsimd/xsimd.hpp>

namespace seqgrad::detail {
namespace {

struct Axis {
    std::size_t size;
    std::ptrdiff_t to;
    std::ptrdiff_t from;
};

/// Rows and columns of a tile, of which a transposed copy reads and writes whole cache lines.
constexpr std::size_t tile = 16;

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
    } else if (axis.to == 1 && axis.from == -1) {
        for (std::ptrdiff_t i = 0; i < static_cast<std::ptrdiff_t>(n); ++i) put<add>(to[i], from[-i]);
    } else {
        for (std::size_t i = 0; i < n; ++i, to += axis.to, from += axis.from) put<add>(*to, *from);
    }
}

template <bool add, class T>
void walk_rows(const Axis& rows, const Axis& run, T* to, const T* from) {
    for (std::size_t r = 0; r < rows.size; ++r, to += rows.to, from += rows.from)
        walk_run<add>(run, to, from);
}

#ifdef SEQGRAD_X86_KERNELS
using Arch = xsimd::sse2;
#else
using Arch = xsimd::default_arch;
#endif

template <class T>
constexpr std::size_t square_side() {
    if constexpr (std::is_floating_point_v<T>) {
        if (xsimd::batch<T, Arch>::size * sizeof(T) == 16) return xsimd::batch<T, Arch>::size;
    }
    return 1;
}

/// Elements on a side of the squares that are transposed in registers of 16 bytes; 1 if there are none.
template <class T>
constexpr std::size_t square = square_side<T>();

template <bool add, class T>
void transpose_square(T* to, std::ptrdiff_t to_step, const T* from, std::ptrdiff_t from_step) {
    if constexpr (square<T> == 1) {
        put<add>(*to, *from);
    } else {
        using Register = xsimd::batch<T, Arch>;
        const auto load = [&](std::ptrdiff_t k) { return Register::load_unaligned(from + k * from_step); };
        const auto store = [&](std::ptrdiff_t k, Register row) {
            T* place = to + k * to_step;
            if constexpr (add) row += Register::load_unaligned(place);
            row.store_unaligned(place);
        };
        if constexpr (square<T> == 2) {
            const Register a = load(0), b = load(1);
            store(0, xsimd::zip_lo(a, b));
            store(1, xsimd::zip_hi(a, b));
        } else {
            static_assert(square<T> == 4);
            const Register a = load(0), b = load(1), c = load(2), d = load(3);
            const Register ac_low = xsimd::zip_lo(a, c), bd_low = xsimd::zip_lo(b, d);
            const Register ac_high = xsimd::zip_hi(a, c), bd_high = xsimd::zip_hi(b, d);
            store(0, xsimd::zip_lo(ac_low, bd_low));
            store(1, xsimd::zip_hi(ac_low, bd_low));
            store(2, xsimd::zip_lo(ac_high, bd_high));
            store(3, xsimd::zip_hi(ac_high, bd_high));
        }
    }
}

std::ptrdiff_t at(std::size_t i, std::ptrdiff_t step) {
    return static_cast<std::ptrdiff_t>(i) * step;
}

/// Calls f(first row, first column, rows, columns) for every tile.
template <class F>
void for_each_tile(std::size_t rows, std::size_t columns, F&& f) {
    for (std::size_t r = 0; r < rows; r += tile) {
        for (std::size_t c = 0; c < columns; c += tile)
            f(r, c, std::min(tile, rows - r), std::min(tile, columns - c));
    }
}

template <bool add, class T>
void walk_tiles(const Axis& rows, const Axis& columns, T* to, const T* from) {
    const auto part = [&](std::size_t r, std::size_t c, std::size_t row_count, std::size_t column_count) {
        walk_rows<add>({row_count, rows.to, rows.from}, {column_count, columns.to, columns.from},
                       to + at(r, rows.to) + at(c, columns.to),
                       from + at(r, rows.from) + at(c, columns.from));
    };
    if (rows.from != 1 || columns.to != 1) return for_each_tile(rows.size, columns.size, part);

    constexpr std::size_t side = square<T>;
    const std::size_t whole_rows = rows.size / side * side;
    const std::size_t whole_columns = columns.size / side * side;
    for_each_tile(whole_rows, whole_columns,
                  [&](std::size_t r, std::size_t c, std::size_t row_count, std::size_t column_count) {
                      for (std::size_t j = c; j < c + column_count; j += side) {
                          for (std::size_t i = r; i < r + row_count; i += side) {
                              transpose_square<add>(to + at(i, rows.to) + at(j, 1), rows.to,
                                                    from + at(i, 1) + at(j, columns.from), columns.from);
                          }
                      }
                  });
    part(0, whole_columns, whole_rows, columns.size - whole_columns);
    part(whole_rows, 0, rows.size - whole_rows, columns.size);
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
template void strided_copy(const Shape&, std::int64_t*, const Steps&, const std::int64_t*, const Steps&);
template void strided_copy(const Shape&, bool*, const Steps&, const bool*, const Steps&);
template void strided_add(const Shape&, float*, const Steps&, const float*, const Steps&);
template void strided_add(const Shape&, double*, const Steps&, const double*, const Steps&);

}  // namespace seqgrad::detail
