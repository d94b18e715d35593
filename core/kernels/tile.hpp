#pragma once

// The matrix product inside the time loop of a recurrent layer: a few rows times a block of packed columns,
// small enough for its results to stay in registers, so that what follows (the cell) can work on them at
// once. Included only by the translation units that are compiled once for each instruction set.

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <type_traits>
#include <utility>

#include "seqgrad/core/kernels/register.hpp"

namespace seqgrad::kernels {

/// Rows of a tile, at most.
constexpr std::size_t tile_rows = 6;

/// Registers of columns of a tile, at most: as many as fit the processor's registers, of which there are 32
/// of 64 bytes or 16 of others, beside a row of weights and one broadcast element. Six rows and few columns
/// need fewer bytes of weights for an operation than a wide tile of few rows would.
template <class B>
constexpr std::size_t tile_vectors = B::size * sizeof(typename B::value_type) == 64 ? 4 : 2;

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

/// Groups of packed columns, as pack_columns leaves them: registers of one k side by side, aligned; the next
/// group `stride` further.
template <class B, std::size_t group>
struct PackedColumns {
    const typename B::value_type* first;
    std::size_t stride = 0;
    [[gnu::always_inline]] B operator()(std::size_t k, std::size_t v) const {
        return B::load_aligned(first + v / group * stride + (k * group + v % group) * B::size);
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

/// Takes results into memory: register v of row m to tile[m * stride + v].
template <class B>
struct IntoTile {
    typename B::value_type* tile;
    std::size_t stride;
    [[gnu::always_inline]] void operator()(std::size_t m, std::size_t v, B sum) const {
        sum.store_aligned(tile + (m * stride + v) * B::size);
    }
};

/// What will be needed after a product: memory that is asked for while it is computed, `step` elements with
/// every k, so that it is in the second-level cache by then. A burst at once would keep others waiting.
template <class T>
struct Ahead {
    const T* first;
    std::size_t step;
    [[gnu::always_inline]] void operator()(std::size_t k) const {
        constexpr int to_be_read = 0, into_second_level = 2;
        __builtin_prefetch(first + k * step, to_be_read, into_second_level);
    }
    [[gnu::always_inline]] Ahead after(std::size_t depth) const { return {first + depth * step, step}; }
};
struct NothingAhead {
    [[gnu::always_inline]] void operator()(std::size_t) const {}
    [[gnu::always_inline]] NothingAhead after(std::size_t) const { return {}; }
};

/// take(m, v, sum over k < depth of a(m, k) * b(k, v)), v counting registers.
template <class B, std::size_t rows, std::size_t vectors, class Rows, class Columns, class Take,
          class Next = NothingAhead>
void multiply_tile(std::size_t depth, Rows a, Columns b, Take take, Next ahead = {}) {
    B sum[rows * vectors];
    unroll<rows * vectors>([&](auto i) { sum[i] = B(typename B::value_type(0)); });
    for (std::size_t k = 0; k < depth; ++k) {
        ahead(k);
        // What there is less of stays in registers.
        if constexpr (rows < vectors) {
            B x[rows];
            unroll<rows>([&](auto m) { x[m] = kept(B(a(m, k))); });
            unroll<vectors>([&](auto v) {
                const B w = kept(b(k, v));
                unroll<rows>([&](auto m) { sum[m * vectors + v] = fma(x[m], w, sum[m * vectors + v]); });
            });
        } else {
            B w[vectors];
            unroll<vectors>([&](auto v) { w[v] = kept(b(k, v)); });
            unroll<rows>([&](auto m) {
                const B x(a(m, k));
                unroll<vectors>([&](auto v) { sum[m * vectors + v] = fma(x, w[v], sum[m * vectors + v]); });
            });
        }
    }
    unroll<rows * vectors>([&](auto i) { take(i / vectors, i % vectors, sum[i]); });
}

/// Registers of units in a block of columns that holds so many gates of each: the fewest whose columns are
/// whole groups of tile_vectors, in which columns are packed and multiplied. Blocks one after the other are
/// therefore a block too, and may be multiplied at once.
template <class B>
constexpr std::size_t block_vectors(std::size_t gates) {
    return tile_vectors<B> / std::gcd(gates, tile_vectors<B>);
}

/// Whether blocks of so many registers of units, with so many columns for each, may be multiplied at once:
/// what packs blocks asserts it.
template <class B>
constexpr bool blocks_join(std::size_t vectors, std::size_t columns) {
    return vectors * columns % tile_vectors<B> == 0;
}

/// Blocks to multiply at once, for a batch of so many samples: with few rows a tile is wide instead of high.
constexpr std::size_t few_rows = 3, blocks_of_few_rows = 4;
constexpr std::size_t blocks_at_once(std::size_t batch) {
    return batch <= few_rows ? blocks_of_few_rows : 1;
}
/// Rows times blocks, at most.
constexpr std::size_t tile_blocks = std::max(tile_rows, few_rows* blocks_of_few_rows);

/// Packs registers of columns as multiply takes them, given load(k, register).
template <class B, class Load>
void pack_columns(std::size_t vectors, std::size_t depth, const Load& load, typename B::value_type* packed) {
    for (std::size_t first = 0; first < vectors; first += tile_vectors<B>) {
        const std::size_t last = first + tile_vectors<B> < vectors ? first + tile_vectors<B> : vectors;
        for (std::size_t k = 0; k < depth; ++k) {
            for (std::size_t v = first; v < last; ++v, packed += B::size) load(k, v).store_aligned(packed);
        }
    }
}

/// The same where the elements of a column stand side by side, given column(j), j < count: zeros after those.
template <class B, class Column>
void pack_long_columns(std::size_t count, std::size_t vectors, std::size_t depth, const Column& column,
                       typename B::value_type* packed) {
    using T = typename B::value_type;
    // So many elements of every column that what is written stays in the first-level cache, and cache lines
    // that are read are used up.
    constexpr std::size_t at_once = 256 / sizeof(T);
    for (std::size_t first = 0; first < vectors; first += tile_vectors<B>) {
        const std::size_t columns = std::min(tile_vectors<B>, vectors - first) * B::size;
        for (std::size_t from = 0; from < depth; from += at_once) {
            const std::size_t to = std::min(depth, from + at_once);
            for (std::size_t j = 0; j < columns; ++j) {
                const std::size_t in_all = first * B::size + j;
                T* const target = packed + j;
                if (in_all < count) {
                    const T* const source = column(in_all);
                    for (std::size_t k = from; k < to; ++k) target[k * columns] = source[k];
                } else {
                    for (std::size_t k = from; k < to; ++k) target[k * columns] = T(0);
                }
            }
        }
        packed += columns * depth;
    }
}

/// The products of so many rows with packed columns, to tile[row][register]. As many groups of columns are
/// taken at once as keep the processor's multipliers busy: a sum is ready for its next addition after four
/// cycles, of two operations each.
template <class B, std::size_t rows, class Rows, class Next>
void multiply_groups(std::size_t vectors, std::size_t depth, Rows a, const typename B::value_type* packed,
                     typename B::value_type* tile, Next ahead) {
    constexpr std::size_t group = tile_vectors<B>, busy = 8;
    std::size_t first = 0;
    const auto take = [&](auto columns) {
        constexpr std::size_t count = columns, together = count < group ? count : group;
        multiply_tile<B, rows, count>(depth, a,
                                      PackedColumns<B, together>{packed, together * B::size * depth},
                                      IntoTile<B>{tile + first * B::size, vectors}, ahead);
        first += count;
        packed += count * B::size * depth;
        ahead = ahead.after(depth);
    };
    constexpr std::size_t groups = (busy + rows * group - 1) / (rows * group);
    if constexpr (groups > 1) {
        while (first + groups * group <= vectors) take(std::integral_constant<std::size_t, groups * group>());
    }
    while (first + group <= vectors) take(std::integral_constant<std::size_t, group>());
    unroll<group - 1>([&](auto i) {
        if (vectors - first == i + 1) take(std::integral_constant<std::size_t, i + 1>());
    });
}

/// The products of rows, of which there are at most tile_rows, with packed columns, to tile[row][register].
///
/// Columns are packed in groups of tile_vectors registers, the last group may have fewer: all k of the first
/// group, then all of the second, ...
template <class B, std::size_t most = tile_rows, class Rows, class Next = NothingAhead>
inline void multiply(std::size_t rows, std::size_t vectors, std::size_t depth, Rows a,
                     const typename B::value_type* packed, typename B::value_type* tile, Next ahead = {}) {
    if constexpr (most > 1) {
        if (rows < most) return multiply<B, most - 1>(rows, vectors, depth, a, packed, tile, ahead);
    }
    multiply_groups<B, most>(vectors, depth, a, packed, tile, ahead);
}

/// The same for rows `lda` apart.
template <class B, class Next = NothingAhead>
inline void multiply(std::size_t rows, std::size_t vectors, std::size_t depth,
                     const typename B::value_type* a, std::size_t lda, const typename B::value_type* packed,
                     typename B::value_type* tile, Next ahead = {}) {
    multiply<B>(rows, vectors, depth, PlainRows<typename B::value_type>{a, lda}, packed, tile, ahead);
}

}  // namespace seqgrad::kernels
