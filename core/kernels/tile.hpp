#pragma once

// The matrix product inside the time loop of a recurrent layer: a few rows times a block of packed columns,
// small enough for its results to stay in registers, so that what follows (the cell) can work on them at
// once. Included only by the translation units that are compiled once for each instruction set.

#include <cstddef>
#include <type_traits>
#include <utility>

#include <xsimd/xsimd.hpp>

namespace seqgrad::kernels {

/// Registers of columns in one block of packed weights, at most.
constexpr std::size_t tile_vectors = 4;

/// Rows of a tile: as many as fit the processor's registers beside a row of weights and one broadcast
/// element.
template <class B>
constexpr std::size_t tile_rows = B::size * sizeof(typename B::value_type) == 64 ? 6 : 3;

/// f(0), ..., f(n - 1) written out, with constants as arguments: arrays indexed by them become registers.
template <std::size_t n, class F>
[[gnu::always_inline]] inline void unroll(const F& f) {
    [&]<std::size_t... i>(std::index_sequence<i...>) {
        (f(std::integral_constant<std::size_t, i>()), ...);
    }
    (std::make_index_sequence<n>());
}

/// Rows as they stand in a matrix, `stride` apart.
template <class T>
struct PlainRows {
    const T* first;
    std::size_t stride;
    [[gnu::always_inline]] T operator()(std::size_t row, std::size_t k) const {
        return first[row * stride + k];
    }
};

/// The rows of a transposed matrix: elements of one k stand side by side, those of the next `stride` further.
template <class T>
struct TransposedRows {
    const T* first;
    std::size_t stride;
    [[gnu::always_inline]] T operator()(std::size_t row, std::size_t k) const {
        return first[k * stride + row];
    }
};

/// The value, which then stays in its register: where it is used a few times GCC rather loads it for every
/// use, and the loads then take longer than the multiplications.
template <class B>
[[gnu::always_inline]] inline B kept(B value) {
#if defined(__x86_64__)
    auto bits = static_cast<typename B::register_type>(value);
    asm("" : "+v"(bits));
    return B(bits);
#else
    return value;
#endif
}

/// A block of columns as pack_... of a kernel leaves it: registers of one k side by side, aligned.
template <class B, std::size_t vectors>
struct PackedColumns {
    const typename B::value_type* first;
    [[gnu::always_inline]] B operator()(std::size_t k, std::size_t v) const {
        return B::load_aligned(first + (k * vectors + v) * B::size);
    }
};

/// The same as it stands in a matrix, rows `stride` apart.
template <class B>
struct PlainColumns {
    const typename B::value_type* first;
    std::size_t stride;
    [[gnu::always_inline]] B operator()(std::size_t k, std::size_t v) const {
        return B::load_unaligned(first + k * stride + v * B::size);
    }
};

/// Takes results into memory: register v of row m to tile[m][v].
template <class B, std::size_t vectors>
struct IntoTile {
    typename B::value_type* tile;
    [[gnu::always_inline]] void operator()(std::size_t m, std::size_t v, B sum) const {
        sum.store_aligned(tile + (m * vectors + v) * B::size);
    }
};

/// take(m, v, sum over k < depth of a(m, k) * b(k, v)), v counting registers.
template <class B, std::size_t rows, std::size_t vectors, class Rows, class Columns, class Take>
void multiply_tile(std::size_t depth, Rows a, Columns b, Take take) {
    B sum[rows * vectors];
    unroll<rows * vectors>([&](auto i) { sum[i] = B(typename B::value_type(0)); });
    for (std::size_t k = 0; k < depth; ++k) {
        // What there is less of stays in registers: with 16 of them, 3 rows x 4 columns fit only so.
        if constexpr (rows < vectors) {
            B x[rows];
            unroll<rows>([&](auto m) { x[m] = kept(B(a(m, k))); });
            unroll<vectors>([&](auto v) {
                const B w = kept(b(k, v));
                unroll<rows>(
                    [&](auto m) { sum[m * vectors + v] = xsimd::fma(x[m], w, sum[m * vectors + v]); });
            });
        } else {
            B w[vectors];
            unroll<vectors>([&](auto v) { w[v] = kept(b(k, v)); });
            unroll<rows>([&](auto m) {
                const B x(a(m, k));
                unroll<vectors>(
                    [&](auto v) { sum[m * vectors + v] = xsimd::fma(x, w[v], sum[m * vectors + v]); });
            });
        }
    }
    unroll<rows * vectors>([&](auto i) { take(i / vectors, i % vectors, sum[i]); });
}

/// The same with the number of rows, at most tile_rows, known only at run time.
template <class B, std::size_t vectors, std::size_t rows = tile_rows<B>, class Rows, class Columns,
          class Take>
inline void multiply_rows(std::size_t count, std::size_t depth, Rows a, Columns b, Take take) {
    if constexpr (rows > 1) {
        if (count < rows) return multiply_rows<B, vectors, rows - 1>(count, depth, a, b, take);
    }
    multiply_tile<B, rows, vectors>(depth, a, b, take);
}

/// The products of rows with packed columns, of which there are at most tile_rows and tile_vectors registers,
/// to tile[row][register].
template <class B, class Rows>
inline void multiply(std::size_t rows, std::size_t vectors, std::size_t depth, Rows a,
                     const typename B::value_type* packed, typename B::value_type* tile) {
    static_assert(tile_vectors == 4);
    switch (vectors) {
        case 1:
            return multiply_rows<B, 1>(rows, depth, a, PackedColumns<B, 1>{packed}, IntoTile<B, 1>{tile});
        case 2:
            return multiply_rows<B, 2>(rows, depth, a, PackedColumns<B, 2>{packed}, IntoTile<B, 2>{tile});
        case 3:
            return multiply_rows<B, 3>(rows, depth, a, PackedColumns<B, 3>{packed}, IntoTile<B, 3>{tile});
        default:
            return multiply_rows<B, 4>(rows, depth, a, PackedColumns<B, 4>{packed}, IntoTile<B, 4>{tile});
    }
}

/// The same for rows `lda` apart.
template <class B>
inline void multiply(std::size_t rows, std::size_t vectors, std::size_t depth,
                     const typename B::value_type* a, std::size_t lda, const typename B::value_type* packed,
                     typename B::value_type* tile) {
    multiply<B>(rows, vectors, depth, PlainRows<typename B::value_type>{a, lda}, packed, tile);
}

}  // namespace seqgrad::kernels
