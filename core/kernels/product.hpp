#pragma once

#include <cstddef>

namespace seqgrad::kernels {

/// A matrix product C = alpha A B + beta C.
template <class T>
struct Product {
    std::size_t m, n, k;
    const T* a;  ///< A(i, p) = a[i a_row + p a_column]
    std::size_t a_row, a_column;
    const T* b;  ///< B(p, j) = b[p b_row + j b_column]
    std::size_t b_row, b_column;
    T alpha, beta;  ///< with beta = 0 C is not read
    T* c;           ///< C(i, j) = c[i c_row + j]
    std::size_t c_row;
};

/// A matrix product by one instruction set, in the pieces that threads share.
///
/// A [m, k] is cut into tiles of a few rows, B [k, n] into panels of a few registers of columns. Either may
/// be packed into the order in which it is read: a panel of B by whoever works on it, all of A once. What an
/// element of C becomes does not depend on who works on which tiles.
template <class T>
struct ProductKernels {
    std::size_t tile_rows, panel_columns;
    /// Columns of a register.
    std::size_t register_columns;
    /// The most rows of B that a panel should have.
    std::size_t depth;
    /// Packs tiles [first, last) of A, whose a_row must be 1: k tile_rows elements each, from `packed` +
    /// first k tile_rows on.
    void (*pack_rows)(const Product<T>& product, std::size_t first, std::size_t last, T* packed);
    /// Works on [first, last) of the pairs of a panel and a tile, all tiles of a panel one after the other.
    /// a_row or a_column must be 1. `packed_rows` is all of A as packed above, or null. `panel` has room for
    /// k panel_columns elements, aligned to 64 bytes; or it is null, and b_column 1 and n a multiple of
    /// register_columns.
    void (*multiply)(const Product<T>& product, const T* packed_rows, std::size_t first, std::size_t last,
                     T* panel);
};

}  // namespace seqgrad::kernels
