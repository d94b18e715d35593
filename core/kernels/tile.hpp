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

/// tile[m][v] = sum over k < depth of a[m lda + k] * packed[k][v], v counting registers.
template <class B, std::size_t rows, std::size_t vectors>
void multiply_tile(std::size_t depth, const typename B::value_type* a, std::size_t lda,
                   const typename B::value_type* packed, typename B::value_type* tile) {
    B sum[rows * vectors];
    unroll<rows * vectors>([&](auto i) { sum[i] = B(typename B::value_type(0)); });
    for (std::size_t k = 0; k < depth; ++k) {
        B weight[vectors];
        unroll<vectors>([&](auto v) { weight[v] = B::load_aligned(packed + (k * vectors + v) * B::size); });
        unroll<rows>([&](auto m) {
            const B x(a[m * lda + k]);
            unroll<vectors>(
                [&](auto v) { sum[m * vectors + v] = xsimd::fma(x, weight[v], sum[m * vectors + v]); });
        });
    }
    unroll<rows * vectors>([&](auto i) { sum[i].store_aligned(tile + i * B::size); });
}

/// The same with the number of rows, at most tile_rows, known only at run time.
template <class B, std::size_t vectors, std::size_t rows = tile_rows<B>>
inline void multiply_rows(std::size_t count, std::size_t depth, const typename B::value_type* a,
                          std::size_t lda, const typename B::value_type* packed,
                          typename B::value_type* tile) {
    if constexpr (rows > 1) {
        if (count < rows) return multiply_rows<B, vectors, rows - 1>(count, depth, a, lda, packed, tile);
    }
    multiply_tile<B, rows, vectors>(depth, a, lda, packed, tile);
}

/// The same with the number of registers, at most tile_vectors, known only at run time as well.
template <class B>
inline void multiply(std::size_t rows, std::size_t vectors, std::size_t depth,
                     const typename B::value_type* a, std::size_t lda, const typename B::value_type* packed,
                     typename B::value_type* tile) {
    static_assert(tile_vectors == 4);
    switch (vectors) {
        case 1:
            return multiply_rows<B, 1>(rows, depth, a, lda, packed, tile);
        case 2:
            return multiply_rows<B, 2>(rows, depth, a, lda, packed, tile);
        case 3:
            return multiply_rows<B, 3>(rows, depth, a, lda, packed, tile);
        default:
            return multiply_rows<B, 4>(rows, depth, a, lda, packed, tile);
    }
}

}  // namespace seqgrad::kernels
