#pragma once

// Builds the matrix product of one instruction set; included by that set's translation unit only. The scheme
// is that of Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008, with the roles
// of A and B exchanged.

#include <cstddef>

#include "seqgrad/core/kernels/lanes.hpp"
#include "seqgrad/core/kernels/product.hpp"
#include "seqgrad/core/kernels/tile.hpp"

namespace seqgrad::kernels {

template <class B>
struct ProductOf {
    using T = typename B::value_type;

    static constexpr std::size_t width = B::size;
    static constexpr std::size_t rows = tile_rows;
    /// Registers of columns that a tile takes at once.
    static constexpr std::size_t group = tile_vectors<B>;
    /// Four cache lines of every row of B, so that packing it reads them one after the other.
    static constexpr std::size_t panel_columns = 256 / sizeof(T);
    static_assert(panel_columns % (group * width) == 0, "a panel is packed and multiplied in whole groups");
    /// Rows of B to take at once: a panel of them fits the second-level cache, which processors with wider
    /// registers have more of.
    static constexpr std::size_t depth = group * width == panel_columns ? 1024 : 512;

    static std::size_t min(std::size_t a, std::size_t b) { return a < b ? a : b; }

    static void pack_rows(const Product<T>& s, std::size_t first, std::size_t last, T* packed) {
        // A few columns at a time for all tiles: what is read stands side by side across them.
        constexpr std::size_t at_once = 16;
        for (std::size_t from = 0; from < s.k; from += at_once) {
            const std::size_t to = min(s.k, from + at_once);
            for (std::size_t i = first; i < last; ++i) {
                const std::size_t count = min(rows, s.m - i * rows);
                for (std::size_t p = from; p < to; ++p) {
                    const T* a = s.a + i * rows + p * s.a_column;
                    T* target = packed + (i * s.k + p) * rows;
                    if (count == rows) {
                        unroll<rows>([&](auto r) { target[r] = a[r]; });
                    } else {
                        for (std::size_t r = 0; r < count; ++r) target[r] = a[r];
                    }
                }
            }
        }
    }

    static void multiply(const Product<T>& s, const T* packed_rows, std::size_t first, std::size_t last,
                         T* packed_panel) {
        const std::size_t tiles = (s.m + rows - 1) / rows;
        while (first < last) {
            const std::size_t panel = first / tiles;
            const std::size_t begin = first - panel * tiles, end = min(tiles, begin + last - first);
            if (packed_panel != nullptr) pack_panel(s, panel * panel_columns, packed_panel);
            for (std::size_t in_panel = 0; in_panel < panel_columns; in_panel += group * width) {
                const std::size_t column = panel * panel_columns + in_panel;
                if (column >= s.n) break;
                const T* packed = packed_panel != nullptr ? packed_panel + in_panel * s.k : nullptr;
                for (std::size_t i = begin; i < end; ++i) {
                    if (packed_rows != nullptr) {
                        multiply_tile(s, i, column, TransposedRows<T>{packed_rows + i * s.k * rows, rows},
                                      packed);
                    } else if (s.a_row == 1) {
                        multiply_tile(s, i, column, TransposedRows<T>{s.a + i * rows, s.a_column}, packed);
                    } else {
                        multiply_tile(s, i, column, PlainRows<T>{s.a + i * rows * s.a_row, s.a_row}, packed);
                    }
                }
            }
            first += end - begin;
        }
    }

  private:
    /// C = alpha sum + beta C for a register of it.
    static void take(const Product<T>& s, Lanes<B> lanes, T* c, B sum) {
        sum *= B(s.alpha);
        if (s.beta != T(0)) sum = fma(B(s.beta), lanes.load(c), sum);
        lanes.store(c, sum);
    }

    /// The same for whole registers.
    struct IntoRows {
        const Product<T>& s;
        T* c;
        [[gnu::always_inline]] void operator()(std::size_t m, std::size_t v, B sum) const {
            take(s, Lanes<B>(width), c + m * s.c_row + v * width, sum);
        }
    };

    /// C = alpha sum + beta C for a tile of so many rows and whole registers.
    template <std::size_t vectors, std::size_t most = rows, class Rows, class Columns>
    static void multiply_whole(std::size_t count, const Product<T>& s, T* c, Rows a, Columns b) {
        if constexpr (most > 1) {
            if (count < most) return multiply_whole<vectors, most - 1>(count, s, c, a, b);
        }
        kernels::multiply_tile<B, most, vectors>(s.k, a, b, IntoRows{s, c});
    }

    /// Tile i of the group of columns that begins at `column`.
    template <class Rows>
    static void multiply_tile(const Product<T>& s, std::size_t i, std::size_t column, Rows a,
                              const T* packed) {
        const std::size_t count = min(rows, s.m - i * rows), columns = min(group * width, s.n - column);
        T* c = s.c + i * rows * s.c_row + column;
        for (std::size_t r = 0; r < count; ++r) {
            for (std::size_t j = 0; j < columns; j += width) __builtin_prefetch(c + r * s.c_row + j, 1);
        }
        if (packed == nullptr) {
            const PlainColumns<B> b{s.b + column, s.b_row};
            unroll<group>([&](auto v) {
                if (columns == (v + 1) * width) multiply_whole<v + 1>(count, s, c, a, b);
            });
            return;
        }
        if (columns == group * width)
            return multiply_whole<group>(count, s, c, a, PackedColumns<B, group>{packed});
        alignas(64) T tile[rows * group * width];
        const std::size_t vectors = (columns + width - 1) / width;
        kernels::multiply<B>(count, vectors, s.k, a, packed, tile);
        for (std::size_t r = 0; r < count; ++r) {
            for (std::size_t v = 0; v < vectors; ++v) {
                take(s, Lanes<B>(columns - v * width), c + r * s.c_row + v * width,
                     B::load_aligned(tile + (r * vectors + v) * width));
            }
        }
    }

    /// B from `column` on, zeros after its last column, in the order of pack_columns.
    static void pack_panel(const Product<T>& s, std::size_t column, T* packed) {
        const std::size_t count = min(panel_columns, s.n - column), vectors = (count + width - 1) / width;
        const T* b = s.b + column * s.b_column;
        // Where a row's register v goes.
        const auto target = [&](std::size_t p, std::size_t v) {
            const std::size_t first = v / group * group, together = min(group, vectors - first);
            return packed + (first * s.k + p * together + v - first) * width;
        };
        if (s.b_column == 1) {
            // The processor does not see the next row coming.
            constexpr std::size_t rows_ahead = 8;
            for (std::size_t p = 0; p < s.k; ++p) {
                for (std::size_t v = 0; v < vectors; ++v) {
                    const T* from = b + p * s.b_row + v * width;
                    if (p + rows_ahead < s.k) __builtin_prefetch(from + rows_ahead * s.b_row);
                    Lanes<B>(count - v * width).load(from).store_aligned(target(p, v));
                }
            }
            return;
        }
        pack_long_columns<B>(
            count, vectors, s.k, [&](std::size_t j) { return b + j * s.b_column; }, packed);
    }
};

template <class B, class T = typename B::value_type>
inline constexpr ProductKernels<T> product_kernels{.tile_rows = ProductOf<B>::rows,
                                                   .panel_columns = ProductOf<B>::panel_columns,
                                                   .register_columns = ProductOf<B>::width,
                                                   .depth = ProductOf<B>::depth,
                                                   .pack_rows = ProductOf<B>::pack_rows,
                                                   .multiply = ProductOf<B>::multiply};

}  // namespace seqgrad::kernels
