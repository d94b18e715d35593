#pragma once

// The matrix product inside the time loop of a recurrent layer: a few rows times a block of packed columns,
// small enough for its results to stay in registers, so that what follows (the cell) can work on them at
// once. Included only by the translation units that are compiled once for each instruction set.

#include <cstddef>

#include <xsimd/xsimd.hpp>

namespace seqgrad::kernels {

/// Registers of columns in one block of packed weights, at most.
constexpr std::size_t tile_vectors = 4;

/// Rows of a tile: as many as fit the processor's registers beside a row of weights and one broadcast
/// element.
template <class B>
constexpr std::size_t tile_rows = B::size * sizeof(typename B::value_type) == 64 ? 6 : 2;

/// tile[m][v] = sum over k < depth of a[m lda + k] * packed[k][v], v counting registers.
template <class B, std::size_t rows, std::size_t vectors>
void multiply_tile(std::size_t depth, const typename B::value_type* a, std::size_t lda,
                   const typename B::value_type* packed, typename B::value_type* tile) {
    B sum[rows][vectors];
    for (std::size_t m = 0; m < rows; ++m) {
        for (std::size_t v = 0; v < vectors; ++v) sum[m][v] = B(typename B::value_type(0));
    }
    for (std::size_t k = 0; k < depth; ++k) {
        B weight[vectors];
        for (std::size_t v = 0; v < vectors; ++v)
            weight[v] = B::load_aligned(packed + (k * vectors + v) * B::size);
        for (std::size_t m = 0; m < rows; ++m) {
            const B x(a[m * lda + k]);
            for (std::size_t v = 0; v < vectors; ++v) sum[m][v] = xsimd::fma(x, weight[v], sum[m][v]);
        }
    }
    for (std::size_t m = 0; m < rows; ++m) {
        for (std::size_t v = 0; v < vectors; ++v) sum[m][v].store_aligned(tile + (m * vectors + v) * B::size);
    }
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
