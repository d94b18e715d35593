#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace seqgrad::detail {

/// The rows of a matrix, or its columns: `count` lines whose first elements lie `step` apart, of `length`
/// elements that lie `stride` apart.
struct Lines {
    std::size_t count, step, length, stride;
};
inline Lines rows_of(std::size_t rows, std::size_t columns) {
    return {rows, columns, columns, 1};
}
inline Lines columns_of(std::size_t rows, std::size_t columns) {
    return {columns, 1, rows, columns};
}

/// A dense matrix x for a product with gradients that sums over its lines, the k-th with the gradients' k-th
/// line.
///
/// A line whose gradients are all 0 was not chosen and takes no part in the sum, but 0 times what is infinite
/// or NaN is NaN. If x has such lines the result is a copy in `storage` with 0 in them, otherwise x itself.
/// The first gradient that is not 0 settles a line, so that this costs next to nothing if everything was
/// chosen.
template <class T>
const T* without_unchosen(const T* x, const Lines& of_x, const T* g, const Lines& of_g,
                          std::vector<T>& storage) {
    const auto all_of = [](const T* line, const Lines& lines, const auto& holds) {
        for (std::size_t i = 0; i < lines.length; ++i) {
            if (!holds(line[i * lines.stride])) return false;
        }
        return true;
    };
    const T* result = x;
    // An empty tensor has no element to point at, and lines without elements nothing to leave out.
    if (of_x.length == 0 || of_g.length == 0) return result;
    for (std::size_t k = 0; k < of_x.count; ++k) {
        if (!all_of(g + k * of_g.step, of_g, [](T v) { return v == 0; })) continue;
        if (all_of(x + k * of_x.step, of_x, [](T v) { return std::isfinite(v); })) continue;
        if (result == x) {
            storage.assign(x, x + of_x.count * of_x.length);
            result = storage.data();
        }
        for (std::size_t i = 0; i < of_x.length; ++i) storage[k * of_x.step + i * of_x.stride] = T{0};
    }
    return result;
}

}  // namespace seqgrad::detail
